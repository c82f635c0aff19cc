/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/doctor.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/certificate.h"
#include "daemon/mint/sign.h"

/* Longer than an attempt with its one repetition; the gate may hold it back. */
enum {
	GRANT_WAIT_MS = 120 * 1000,
	GATE_TRIES = 2,
	GATE_WAIT_MAX_MS = 15 * 1000,
	GATE_SLACK_MS = 50
};

enum phase { BEGIN, PROBING, GATE_CLOSED, ASKING, LOOKING };

struct doctor {
	struct loop *loop;
	struct registry *registry;
	struct keeper *keeper; /* NULL: gone */
	struct doctor_handlers handlers;
	struct credential *credential;
	struct timer *timer;
	enum phase phase;
	unsigned tries; /* of the probe, after the gate was closed */
	struct attempt *request;
	enum doctor_step next; /* not told yet */
	struct grant *token;   /* what facts.token points to */
	struct doctor_facts facts;
};

static void put(char *to, size_t room, const char *text)
{
	snprintf(to, room, "%s", text ? text : "");
}

/* --- telling --- */

/* Judges and tells all steps before end. false: d is gone. */
static bool tell_until(struct doctor *d, enum doctor_step end)
{
	while (d->next < end) {
		enum doctor_step step = d->next++;
		struct doctor_finding finding;
		bool last = d->next == DOCTOR_STEPS;

		if (d->keeper)
			doctor_judge(&d->facts, step, &finding);
		else
			doctor_interrupted(&d->facts, step, &finding);
		d->handlers.found(step, &finding, last, d->handlers.arg);
		if (last) {
			doctor_free(d);
			return false;
		}
	}
	return true;
}

/* --- the present token --- */

static void userinfo_done(const struct http_response *res, void *arg)
{
	struct doctor *d = arg;
	struct doctor_userinfo *u = &d->facts.userinfo;

	d->request = NULL;
	u->done = true;
	u->liveness = salesforce_userinfo_answer(res);
	u->status = res->status;
	put(u->problem, sizeof u->problem, res->problem);
	if (!res->problem && u->liveness == TOKEN_UNSURE)
		snprintf(u->problem, sizeof u->problem, "HTTP %ld", res->status);
	if (u->liveness == TOKEN_ALIVE)
		doctor_read_userinfo(res->body, res->size, u);
	tell_until(d, DOCTOR_STEPS);
}

static int check_url(const struct doctor *d, const char *url, struct err *err)
{
	struct config_list hosts = { 0 };
	int r = salesforce_hosts(&hosts, &registry_settings(d->registry)->network.allowed_hosts,
				 d->credential->login_url, err);

	if (r == 0)
		r = salesforce_check_url(url, &hosts, err);
	salesforce_hosts_fini(&hosts);
	return r;
}

/* keeper_token() may change at any time; the one that was seen first is the one that is judged. */
static void look_at_token(struct doctor *d)
{
	const struct schedule *s = keeper_schedule(d->keeper);
	const struct grant *token = keeper_token(d->keeper);
	int64_t left_ms = s->deadline_ms - loop_now_ms(d->loop);

	grant_unref(d->token);
	d->token = token ? grant_ref((struct grant *)(uintptr_t)token) : NULL;
	d->facts.token = d->token;
	d->facts.usable = keeper_usable(d->keeper);
	d->facts.left_s = left_ms > 0 ? left_ms / 1000 : 0;
}

static int userinfo_request(const struct doctor *d, struct http_request *req, struct err *err)
{
	CLEANUP(endpoints_unrefp)
	struct endpoints *e = attempts_endpoints(registry_attempts(d->registry), d->credential);
	const struct flow_run run = { .credential = d->credential, .endpoints = e };
	int r = flow_ask_userinfo(&run, d->token, req, err);

	return r == 0 ? check_url(d, req->url, err) : r;
}

static void count(struct doctor *d)
{
	if (d->keeper)
		attempt_count_for(d->request, keeper_tally(d->keeper));
}

static void ask_userinfo(struct doctor *d)
{
	struct doctor_userinfo *u = &d->facts.userinfo;
	struct http_request req = { 0 };
	struct err err = { 0 };

	d->phase = LOOKING;
	if (d->token && userinfo_request(d, &req, &err) == 0)
		d->request = attempt_request(registry_attempts(d->registry), &req, userinfo_done,
					     d);
	count(d);
	http_request_fini(&req);
	if (d->request)
		return;
	put(u->problem, sizeof u->problem, d->token ? err.text : NULL);
	tell_until(d, DOCTOR_STEPS);
}

/* --- the grant --- */

static void copy_answer(struct doctor *d)
{
	struct keeper_problem p = keeper_problem(d->keeper);
	struct doctor_answer *a = &d->facts.answer;
	int64_t left_ms = p.retry_at_ms - loop_now_ms(d->loop);

	a->error = p.error;
	put(a->message, sizeof a->message, p.message);
	put(a->oauth_error, sizeof a->oauth_error, p.oauth_error);
	put(a->description, sizeof a->description, p.description);
	a->retry_s = p.retry_at_ms && left_ms > 0 ? (left_ms + 999) / 1000 : 0;
}

static void look_at_refresh(struct doctor *d)
{
	const struct stored *e = keeper_stored(d->keeper);
	struct doctor_facts *f = &d->facts;

	f->refresh_age_s = -1;
	put(f->unknown, sizeof f->unknown, keeper_unknown(d->keeper));
	if (!e)
		return;
	f->has_refresh = e->refresh.token != NULL;
	f->refresh_refused = e->refresh.refused;
	f->refresh_foreign = e->refresh.token && e->refresh.origin &&
			     strcmp(e->refresh.origin, keeper_origin(d->keeper)) != 0;
	if (e->refresh.used_ms)
		f->refresh_age_s = (loop_now_ms(d->loop) - e->refresh.used_ms) / 1000;
}

static void grant_known(struct doctor *d)
{
	struct doctor_facts *f = &d->facts;

	timer_clear(d->timer);
	look_at_token(d);
	look_at_refresh(d);
	copy_answer(d);
	/* keeper_unknown() says it better */
	if (f->asked != DOCTOR_NO_ANSWER)
		f->asked = f->answer.error >= 0 && !f->disabled && !f->unknown[0] ? DOCTOR_REFUSED
										  : f->asked;
	if (f->asked == DOCTOR_GIVEN && !f->token)
		f->asked = DOCTOR_NO_ANSWER;
	if (tell_until(d, DOCTOR_TOKEN))
		ask_userinfo(d);
}

static void grant_settled(struct doctor *d)
{
	d->phase = LOOKING;
	d->facts.asked = DOCTOR_GIVEN;
	grant_known(d);
}

/* The keeper did not begin: it is refused at once (the problem says why), or neither budget nor server let it. */
static void grant_held(struct doctor *d, unsigned n_requests, unsigned failures)
{
	const struct schedule *s = keeper_schedule(d->keeper);
	struct doctor_facts *f = &d->facts;

	d->phase = LOOKING;
	/* what failed before anything was sent was asked now, too */
	f->answer.earlier = s->n_requests == n_requests && s->failures == failures;
	if (s->trouble == TROUBLE_BUDGET || s->trouble == TROUBLE_NONE) {
		look_at_token(d);
		copy_answer(d);
		f->answer.retry_s = (s->next_attempt_ms - loop_now_ms(d->loop) + 999) / 1000;
		if (f->answer.retry_s < 0)
			f->answer.retry_s = 0;
		if (tell_until(d, DOCTOR_TOKEN))
			ask_userinfo(d);
		return;
	}
	grant_known(d);
}

static void ask_grant(struct doctor *d)
{
	unsigned n_requests = keeper_schedule(d->keeper)->n_requests;
	unsigned failures = keeper_schedule(d->keeper)->failures;

	if (!doctor_may_ask(&d->facts)) {
		d->phase = LOOKING;
		if (d->facts.renewal == RENEW_ITSELF) {
			look_at_token(d);
			if (tell_until(d, DOCTOR_TOKEN))
				ask_userinfo(d);
		} else {
			grant_known(d);
		}
		return;
	}
	timer_set(d->timer, loop_now_ms(d->loop) + GRANT_WAIT_MS);
	/* doctor_settled() from within says what the return value says, too */
	if (keeper_refresh(d->keeper))
		d->phase = ASKING;
	else
		grant_held(d, n_requests, failures);
}

/* --- the host --- */

static void read_redirect(struct doctor *d, const char *location)
{
	char url[DOCTOR_TEXT_MAX];
	CLEANUP(buf_finip) struct buf to;
	CLEANUP(buf_finip) struct buf here;
	struct url parts, base;
	size_t size;

	/* scheme, host and port: the rest may hold anything */
	put(url, sizeof url, location);
	size = strncmp(url, "http", 4) == 0 ? strcspn(url, ":") + 3 : 0;
	if (!size || size >= strlen(url))
		return;
	url[size + strcspn(url + size, "/?#")] = '\0';
	buf_init(&to, sizeof d->facts.probe.moved);
	buf_init(&here, sizeof d->facts.probe.moved);
	if (salesforce_parse_url(url, &parts, NULL) < 0 ||
	    salesforce_parse_url(d->facts.base_url, &base, NULL) < 0)
		return;
	url_add_origin(&to, &parts);
	url_add_origin(&here, &base);
	if (!buf_failed(&to) && !buf_failed(&here) && strcmp(to.data, here.data) != 0)
		put(d->facts.probe.moved, sizeof d->facts.probe.moved, to.data);
}

static void read_probe(struct doctor *d, const struct http_response *res)
{
	struct doctor_probe *p = &d->facts.probe;

	p->done = true;
	p->outcome = res->outcome;
	p->why = res->why;
	p->status = res->status;
	put(p->problem, sizeof p->problem, res->problem);
	if (res->outcome != HTTP_ANSWERED)
		return;
	p->page = strncmp(res->content_type, "application/json", 16) != 0;
	p->has_date = res->date_real_ms != 0;
	/* a Date is cut to seconds */
	p->skew_ms = p->has_date ? res->date_real_ms + 500 - clock_real_ms() : 0;
	if (res->status >= 300 && res->status < 400)
		read_redirect(d, res->location);
}

/* The breaker keeps us off a host that has failed: it lets one try through after DemandGap=. */
static bool wait_at_gate(struct doctor *d, const struct http_response *res)
{
	int64_t gap_ms = registry_settings(d->registry)->limits.demand_gap_ms;

	if (res->outcome != HTTP_REFUSED || d->tries == GATE_TRIES ||
	    !attempts_host_open_ms(registry_attempts(d->registry), d->facts.base_url))
		return false;
	d->tries++;
	d->phase = GATE_CLOSED;
	gap_ms = gap_ms < GATE_WAIT_MAX_MS ? gap_ms : GATE_WAIT_MAX_MS;
	timer_set(d->timer, loop_now_ms(d->loop) + gap_ms + GATE_SLACK_MS);
	return true;
}

static void probe_done(const struct http_response *res, void *arg)
{
	struct doctor *d = arg;

	d->request = NULL;
	if (wait_at_gate(d, res))
		return;
	read_probe(d, res);
	if (tell_until(d, DOCTOR_CLOCK))
		ask_grant(d);
}

/* Every login host has this page, and it costs nobody anything (OpenID Connect Discovery 1.0, 4). */
static void probe(struct doctor *d)
{
	struct http_request req = { .endpoint = HTTP_DISCOVERY };
	struct err err = { 0 };

	d->phase = PROBING;
	if (check_url(d, d->facts.base_url, &err) < 0)
		put(d->facts.host_problem, sizeof d->facts.host_problem, err.text);
	else if (asprintf(&req.url, "%s/.well-known/openid-configuration", d->facts.base_url) < 0)
		req.url = NULL;
	if (req.url)
		d->request = attempt_request(registry_attempts(d->registry), &req, probe_done, d);
	count(d);
	http_request_fini(&req);
	if (!d->request && tell_until(d, DOCTOR_CLOCK))
		ask_grant(d);
}

/* --- life --- */

static void look_at_certificate(struct doctor_facts *f, const struct credential *c)
{
	int64_t now_s = clock_real_ms() / 1000, ends_s;
	struct err err = { 0 };

	if (certificate_read(c, geteuid(), now_s, &ends_s, &err) < 0)
		put(f->certificate_problem, sizeof f->certificate_problem, err.text);
	f->certificate_left_s = ends_s - now_s;
	if (ends_s)
		certificate_day(ends_s, f->certificate_day);
}

static void look_at_key(struct doctor_facts *f, const struct credential *c)
{
	CLEANUP(buf_finip) struct buf print;
	struct err err = { 0 };

	buf_init(&print, sizeof f->fingerprint);
	if (!c->private_key)
		return;
	if (sign_check_key(c->private_key, c->passphrase, &err) < 0)
		put(f->key_problem, sizeof f->key_problem, err.text);
	else if (sign_fingerprint(c->private_key, c->passphrase, &print, NULL) == 0)
		put(f->fingerprint, sizeof f->fingerprint, print.data);
}

/* The files of the credential, and those of the daemon. */
static void look_at_files(struct doctor *d)
{
	const struct config_files *const of[] = { &d->credential->files,
						  &registry_settings(d->registry)->files };

	for (size_t i = 0; i < sizeof of / sizeof of[0] && !d->facts.stale[0]; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		enum config_change change = config_compare(of[i], 0, &path);

		if (change != CONFIG_SAME)
			snprintf(d->facts.stale, sizeof d->facts.stale, "%.250s %s", path,
				 config_change_words[change]);
	}
}

static void look_at_configuration(struct doctor *d)
{
	struct doctor_facts *f = &d->facts;
	const struct stored *e = keeper_stored(d->keeper);
	const struct credential *c = d->credential;
	const struct flow_ops *flow = flow_find(c->grant_type);

	f->credential = c;
	f->renewal = flow ? flow->renewal : RENEW_PERSON;
	f->spends = flow && flow->spends;
	f->answer.error = -1;
	f->disabled = keeper_schedule(d->keeper)->state == STATE_DISABLED;
	look_at_files(d);
	put(f->missing, sizeof f->missing, credential_missing(c));
	f->store = store_state(registry_store(d->registry));
	put(f->store_why, sizeof f->store_why, store_why(registry_store(d->registry)));
	put(f->base_url, sizeof f->base_url,
	    f->spends && e && e->refresh.base_url ? e->refresh.base_url : c->login_url);
	look_at_key(f, c);
	look_at_certificate(f, c);
}

static void on_timer(void *arg)
{
	struct doctor *d = arg;

	if (d->phase == BEGIN) {
		look_at_configuration(d);
		if (tell_until(d, DOCTOR_NAME))
			probe(d);
	} else if (d->phase == GATE_CLOSED) {
		probe(d);
	} else if (d->phase == ASKING) {
		d->phase = LOOKING;
		d->facts.asked = DOCTOR_NO_ANSWER;
		grant_known(d);
	}
}

void doctor_settled(struct doctor *d)
{
	if (d->phase == ASKING)
		grant_settled(d);
}

void doctor_forget(struct doctor *d)
{
	d->keeper = NULL;
	attempt_cancel(TAKE(d->request));
	timer_clear(d->timer);
	tell_until(d, DOCTOR_STEPS);
}

struct doctor *doctor_new(struct loop *l, struct registry *r, struct keeper *k,
			  const struct doctor_handlers *handlers)
{
	struct doctor *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->loop = l;
	d->registry = r;
	d->keeper = k;
	d->handlers = *handlers;
	d->credential = credential_ref((struct credential *)(uintptr_t)keeper_credential(k));
	d->timer = timer_new(l, on_timer, d);
	if (!d->timer) {
		doctor_free(d);
		return NULL;
	}
	timer_set(d->timer, loop_now_ms(l));
	return d;
}

void doctor_free(struct doctor *d)
{
	if (!d)
		return;
	attempt_cancel(d->request);
	timer_free(d->timer);
	grant_unref(d->token);
	credential_unref(d->credential);
	free(d);
}

const struct keeper *doctor_keeper(const struct doctor *d)
{
	return d->keeper;
}

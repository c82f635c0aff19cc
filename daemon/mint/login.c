/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/login_parts.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/store.h"

enum { WEB_LIFE_MS = 300 * 1000, DEVICE_LIFE_MS = 600 * 1000, AGAIN_MS = 60 * 1000 };
enum { STARTS_KEPT = 256, STARTS_MS = 60 * 1000 };

TAILQ_HEAD(login_list, login);

struct logins {
	struct login_list list;
	struct login_handlers handlers;
	/* who began the last ones, and when (BOOTTIME); the next takes the place of the oldest */
	struct login_start_note {
		uid_t uid;
		int64_t at_ms;
	} starts[STARTS_KEPT];
	size_t n_starts;
};

/* --- life --- */

struct logins *logins_new(const struct login_handlers *handlers, struct err *err)
{
	struct logins *all = calloc(1, sizeof *all);

	if (!all) {
		err_oom(err);
		return NULL;
	}
	TAILQ_INIT(&all->list);
	all->handlers = *handlers;
	return all;
}

size_t logins_count(const struct logins *all)
{
	const struct login *l;
	size_t n = 0;

	TAILQ_FOREACH(l, &all->list, link)
		n += l->phase != LOGIN_OVER;
	return n;
}

void login_hold_stop(struct login *l)
{
	if (l->counted)
		return;
	l->counted = true;
	l->context->spending++;
}

static void let_stop(struct login *l)
{
	if (!l->counted)
		return;
	l->counted = false;
	if (--l->context->spending == 0)
		l->context->spent(l->context->arg);
}

static void login_free(struct login *l)
{
	let_stop(l);
	TAILQ_REMOVE(&l->all->list, l, link);
	attempt_cancel(l->call);
	keeper_login_cancel(l->applying);
	timer_free(l->timer);
	grant_unref(l->grant);
	secret_unref(l->state_secret);
	secret_unref(l->verifier);
	credential_unref(l->credential);
	free(l->prompt.verification_uri);
	free(l->prompt.verification_uri_complete);
	free(l->prompt.user_code);
	free(l->id);
	free(l->redirect_uri);
	free(l->url);
	free(l);
}

void login_forget(struct login *l)
{
	login_free(l);
}

void logins_free(struct logins *all)
{
	while (all && !TAILQ_EMPTY(&all->list))
		login_free(TAILQ_FIRST(&all->list));
	free(all);
}

struct login *logins_find(struct logins *all, const char *id)
{
	struct login *l;

	TAILQ_FOREACH(l, &all->list, link)
		if (!l->told && l->phase != LOGIN_OVER && strcmp(l->id, id) == 0)
			return l;
	return NULL;
}

uid_t login_uid(const struct login *l)
{
	return l->uid;
}

const struct credential *login_credential(const struct login *l)
{
	return l->credential;
}

void login_describe(const struct login *l, struct login_reply *out)
{
	static const char deprecated[] =
		"the user-agent flow is deprecated, and its token cannot be renewed: a web_server or device credential lasts";
	bool pending = l->state == LOGIN_PENDING;

	*out = (struct login_reply){
		.login_id = l->id,
		.state = l->state,
		.message = l->message[0] ? l->message : NULL,
	};
	if (!pending)
		return;
	out->authorization_url = l->url;
	out->verification_uri = l->prompt.verification_uri;
	out->verification_uri_complete = l->prompt.verification_uri_complete;
	out->user_code = l->prompt.user_code;
	out->expires_at = (struct opt_int){ l->expires_at_s, true };
	out->interval_s = (struct opt_int){ l->prompt.interval_ms / 1000,
					    l->prompt.interval_ms > 0 };
	if (l->flow == LOGIN_USER_AGENT)
		out->message = deprecated;
}

/* --- the end --- */

static void log_end(const struct login *l)
{
	static const char *const events[] = {
		[LOGIN_SUCCEEDED] = "login.succeeded",
		[LOGIN_FAILED] = "login.failed",
		[LOGIN_EXPIRED] = "login.failed",
		[LOGIN_CANCELLED] = "login.cancelled",
	};

	log_event(l->state == LOGIN_SUCCEEDED ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
		  events[l->state], F_STR("credential", l->credential->name),
		  F_STR("flow", login_flow_names[l->flow]),
		  F_STR("state", login_state_names[l->state]), F_STR("message", l->message),
		  F_INT("uid", l->uid), F_INT("pid", l->pid));
}

/* Tells, and goes; but the answer to a code that was sent is waited for: it may hold a grant that nobody else would revoke. */
static void tell(struct login *l)
{
	bool waits = l->call && l->exchanging;

	timer_clear(l->timer);
	l->phase = LOGIN_OVER;
	log_end(l);
	l->all->handlers.ended(l, l->all->handlers.arg);
	l->told = true;
	if (!waits)
		login_free(l);
}

void login_end(struct login *l, int state, const char *format, ...)
{
	va_list args;

	l->phase = LOGIN_OVER;
	l->state = state;
	va_start(args, format);
	vsnprintf(l->message, sizeof l->message, format, args);
	va_end(args);
	timer_set(l->timer, 0);
}

void login_end_problem(struct login *l, const struct problem *p)
{
	/* RFC 8628 3.5; or the flow itself has seen that the code is too old, and no error came */
	bool late = l->flow == LOGIN_DEVICE && (strcmp(p->error, "expired_token") == 0 ||
						(p->class == PROBLEM_LOGIN && !p->error[0]));

	if (l->keeper)
		keeper_login_failed(l->keeper, p);
	/* the table speaks of requests that are repeated; this one is not */
	if (p->class == PROBLEM_RETRY || p->class == PROBLEM_RATE)
		login_end(l, LOGIN_FAILED, "%.230s; this login has failed: start it again",
			  p->message);
	else
		login_end(l, late ? LOGIN_EXPIRED : LOGIN_FAILED, "%s", p->message);
}

static void end_now(struct login *l, int state, const char *why)
{
	if (l->grant && l->keeper && l->phase != LOGIN_OVER && !l->applying)
		keeper_discard(l->keeper, l->grant);
	if (!keeper_login_cancel(TAKE(l->applying))) {
		state = LOGIN_SUCCEEDED;
		why = "logged in";
	}
	l->state = state;
	snprintf(l->message, sizeof l->message, "%s", why);
	tell(l);
}

void login_cancel(struct login *l, const char *why)
{
	/* decided already: it is told as it was decided */
	if (l->phase == LOGIN_OVER)
		tell(l);
	else
		end_now(l, LOGIN_CANCELLED, why);
}

void logins_keeper_gone(struct logins *all, struct keeper *old, struct keeper *new, const char *why)
{
	struct login *l = TAILQ_FIRST(&all->list), *next;

	for (; l; l = next) {
		next = TAILQ_NEXT(l, link);
		if (l->keeper != old)
			continue;
		if (!l->told && l->phase != LOGIN_OVER) {
			/* before tell(): what comes of its exchange is the new one's to revoke */
			if (l->applying || l->grant) {
				end_now(l, LOGIN_FAILED, why);
				continue;
			}
			l->keeper = new;
			end_now(l, LOGIN_FAILED, why);
		} else {
			l->keeper = new;
		}
	}
}

static void timer_fired(void *arg)
{
	struct login *l = arg;

	if (l->phase == LOGIN_OVER)
		tell(l);
	else if (l->phase == LOGIN_PREPARES) {
		l->phase = LOGIN_WAITS;
		timer_set(l->timer, loop_now_ms(l->context->loop) + WEB_LIFE_MS);
		l->all->handlers.offered(l, l->all->handlers.arg);
	} else {
		end_now(l, LOGIN_EXPIRED,
			"nobody has finished the login in time: start it again with sftoken login");
	}
}

/* --- the beginning: something to show --- */

static struct secret *random_text(size_t bytes)
{
	unsigned char raw[LOGIN_VERIFIER_BYTES];
	struct secret *text = NULL;
	struct buf b;

	buf_init(&b, 256);
	if (getrandom(raw, bytes, 0) == (ssize_t)bytes) {
		oauth_base64url(&b, raw, bytes);
		text = buf_failed(&b) ? NULL : secret_new(b.data, b.len);
	}
	explicit_bzero(raw, sizeof raw);
	buf_fini(&b);
	return text;
}

/* Shown by the timer, in the next turn: nobody is called from within login_start(). */
static void offer_url(struct login *l, const struct endpoints *endpoints)
{
	const struct login_request r = {
		.credential = l->credential,
		.endpoints = endpoints,
		.flow = l->flow,
		.redirect_uri = l->redirect_uri,
		.state = l->state_secret,
		.verifier = l->verifier,
	};
	struct err err = { 0 };
	struct buf url;

	buf_init(&url, LOGIN_URL_BYTES_MAX);
	if (login_url_make(&r, &url, &err) < 0) {
		login_end(l, LOGIN_FAILED, "%s", err.text);
		buf_fini(&url);
		return;
	}
	l->url = TAKE(url.data);
	l->names_itself = endpoints && endpoints->names_itself;
	l->expires_at_s = (clock_real_ms() + WEB_LIFE_MS) / 1000;
	timer_set(l->timer, 0);
}

static void discovered(const struct endpoints *e, const struct problem *p, void *arg)
{
	struct login *l = arg;

	l->call = NULL;
	if (e)
		offer_url(l, e);
	else
		login_end_problem(l, p);
}

void login_count(struct login *l)
{
	if (l->keeper)
		attempt_count_for(l->call, keeper_tally(l->keeper));
}

static void begin_url(struct login *l)
{
	struct endpoints *known;

	if (!l->credential->issuer) {
		offer_url(l, NULL);
		return;
	}
	known = attempts_endpoints(l->context->attempts, l->credential);
	if (known) {
		offer_url(l, known);
		endpoints_unref(known);
		return;
	}
	l->call = attempt_discover(l->context->attempts, l->credential, discovered, l);
	login_count(l);
	if (!l->call)
		login_end(l, LOGIN_FAILED, "out of memory");
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void prompted(const struct flow_prompt *p, void *arg)
{
	struct login *l = arg;
	int64_t life_ms = p->expires_in_ms > 0 ? p->expires_in_ms : DEVICE_LIFE_MS;

	if (l->phase != LOGIN_PREPARES)
		return;
	l->prompt = (struct flow_prompt){
		.verification_uri = copy(p->verification_uri),
		.verification_uri_complete = copy(p->verification_uri_complete),
		.user_code = copy(p->user_code),
		.expires_in_ms = p->expires_in_ms,
		.interval_ms = p->interval_ms,
	};
	l->phase = LOGIN_WAITS;
	l->expires_at_s = (clock_real_ms() + life_ms) / 1000;
	timer_set(l->timer, loop_now_ms(l->context->loop) + life_ms);
	l->all->handlers.offered(l, l->all->handlers.arg);
}

static void begin_device(struct login *l)
{
	const struct attempt_order order = {
		.credential = l->credential,
		.kind = ATTEMPT_DEMANDED,
		.flow = &flow_login_device,
		.prompt = prompted,
		.done = login_exchanged,
		.arg = l,
	};

	l->call = attempt_start(l->context->attempts, &order);
	login_count(l);
	if (!l->call)
		login_end(l, LOGIN_FAILED, "out of memory");
}

static void begin(struct login *l)
{
	const char *missing = credential_missing(l->credential);

	if (missing)
		login_end(l, LOGIN_FAILED, "%s", missing);
	else if (l->flow == LOGIN_DEVICE)
		begin_device(l);
	else
		begin_url(l);
}

int login_flow_of(const struct credential *c, int flow)
{
	switch (c->grant_type) {
	case GRANT_WEB_SERVER:
	case GRANT_REFRESH_TOKEN:
		if (flow < 0)
			return LOGIN_WEB_SERVER;
		return flow == LOGIN_USER_AGENT ? -1 : flow;
	case GRANT_DEVICE:
		if (flow < 0)
			return LOGIN_DEVICE;
		return flow == LOGIN_USER_AGENT ? -1 : flow;
	case GRANT_USER_AGENT:
		return flow < 0 || flow == LOGIN_USER_AGENT ? LOGIN_USER_AGENT : -1;
	default:
		return -1;
	}
}

static int check_limits(const struct logins *all, const struct credential *c, struct err *err)
{
	size_t n = 0, mine = 0;
	const struct login *l = TAILQ_FIRST(&all->list);

	for (; l; l = TAILQ_NEXT(l, link)) {
		n += !l->told;
		mine += !l->told && strcmp(l->credential->name, c->name) == 0;
	}
	if (n < LOGINS_MAX && mine < LOGINS_OF_CREDENTIAL_MAX)
		return 0;
	err_set(err, ERR_RETRY, "too many logins are pending");
	err->retry_after_ms = AGAIN_MS;
	return -ERR_RETRY;
}

/* What is cancelled at once is not pending any more, but has made its request all the same. */
static int check_rate(struct logins *all, uid_t uid, int64_t now_ms, struct err *err)
{
	int64_t oldest_ms = now_ms;
	size_t mine = 0;

	for (size_t i = 0; i < STARTS_KEPT; i++) {
		const struct login_start_note *s = &all->starts[i];

		if (!s->at_ms || s->uid != uid || now_ms - s->at_ms >= STARTS_MS)
			continue;
		mine++;
		oldest_ms = s->at_ms < oldest_ms ? s->at_ms : oldest_ms;
	}
	if (mine < LOGIN_STARTS_MAX || uid == 0 || uid == geteuid()) {
		all->starts[all->n_starts++ % STARTS_KEPT] = (struct login_start_note){ uid,
											now_ms };
		return 0;
	}
	err_set(err, ERR_RETRY, "too many logins were begun in a minute");
	err->retry_after_ms = oldest_ms + STARTS_MS - now_ms;
	return -ERR_RETRY;
}

static struct login *login_new(struct logins *all, const struct login_order *o)
{
	const struct credential *c = keeper_credential(o->keeper);
	CLEANUP(secret_unrefp) struct secret *id = random_text(LOGIN_ID_BYTES);
	struct login *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	TAILQ_INSERT_TAIL(&all->list, l, link);
	l->all = all;
	l->keeper = o->keeper;
	l->credential = credential_ref((struct credential *)(uintptr_t)c);
	l->context = (struct keeper_context *)(uintptr_t)keeper_context(o->keeper);
	l->flow = o->flow;
	l->uid = o->uid;
	l->pid = o->pid;
	l->id = id ? strdup(secret_bytes(id)) : NULL;
	l->redirect_uri = strdup(o->redirect_uri ? o->redirect_uri : login_redirect_uri(c));
	l->state_secret = random_text(LOGIN_STATE_BYTES);
	l->verifier = random_text(LOGIN_VERIFIER_BYTES);
	l->timer = timer_new(l->context->loop, timer_fired, l);
	if (l->id && l->redirect_uri && l->state_secret && l->verifier && l->timer)
		return l;
	login_free(l);
	return NULL;
}

struct login *login_start(struct logins *all, const struct login_order *order, struct err *err)
{
	const struct credential *c = keeper_credential(order->keeper);
	const struct store *store = keeper_context(order->keeper)->store;
	struct login *l;

	if (keeper_context(order->keeper)->stopping) {
		err_set(err, ERR_INTERNAL, "the daemon is stopping");
		return NULL;
	}
	if (check_limits(all, c, err) < 0 ||
	    check_rate(all, order->uid, loop_now_ms(keeper_context(order->keeper)->loop), err) < 0)
		return NULL;
	/* said before a person has done anything */
	if (order->flow != LOGIN_USER_AGENT && store_state(store) != STORE_OK) {
		err_set(err, ERR_ADMIN, "%s", store_why(store));
		return NULL;
	}
	l = login_new(all, order);
	if (!l) {
		err_oom(err);
		return NULL;
	}
	log_event(LOG_LEVEL_NOTICE, "login.started", F_STR("credential", c->name),
		  F_STR("flow", login_flow_names[l->flow]), F_INT("uid", l->uid),
		  F_INT("pid", l->pid));
	begin(l);
	return l;
}

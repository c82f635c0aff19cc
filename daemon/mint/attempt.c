/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/attempt_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/salesforce.h"
#include "daemon/mint/unique.h"

enum { GUARD_MS = 250 };

static struct attempt *attempt_of(struct gate_waiter *w)
{
	return (struct attempt *)(void *)((char *)w - offsetof(struct attempt, gate));
}

static void pump(struct attempts *a, struct gate_host *host);

/* --- ends --- */

void attempt_free(struct attempt *t)
{
	timer_free(t->timer);
	gate_quit(t->all->gate, &t->gate);
	flow_run_fini(&t->run, t->ops);
	salesforce_hosts_fini(&t->hosts);
	http_request_fini(&t->req);
	endpoints_unref(t->endpoints);
	secret_unref(t->refresh_token);
	secret_unref(t->assertion);
	secret_unref(t->subject_token);
	secret_unref(t->login.code);
	secret_unref(t->login.verifier);
	free(t->redirect_uri);
	free(t->base_url);
	free(t->issuer);
	tally_unref(t->tally);
	free(t);
}

void attempt_deliver(struct attempt *t)
{
	t->phase = ENDED;
	if (t->discovered) {
		t->discovered(t->endpoints, t->endpoints ? NULL : &t->run.problem, t->arg);
		attempt_free(t);
		return;
	}
	t->result.grant = t->run.grant;
	t->result.problem = t->run.grant ? NULL : &t->run.problem;
	t->result.salvaged = t->run.grant ? NULL : t->run.salvaged;
	t->done(&t->result, t->arg);
	attempt_free(t);
}

static void deliver_refusal(struct attempt *t)
{
	struct http_response res = {
		.outcome = HTTP_REFUSED, .content_type = "", .location = "", .problem = t->refusal
	};

	t->phase = ENDED;
	t->answered(&res, t->arg);
	attempt_free(t);
}

/* Ends what has not been sent; the caller hears of it in the next turn of the loop. */
static void end_unsent(struct attempt *t, enum problem_class class, int64_t retry_after_ms,
		       const char *why)
{
	snprintf(t->refusal, sizeof t->refusal, "%s", why);
	t->run.problem = (struct problem){ .class = class,
					   .outcome = HTTP_REFUSED,
					   .retry_after_ms = retry_after_ms };
	snprintf(t->run.problem.message, sizeof t->run.problem.message, "%s", why);
	t->phase = ENDING;
	timer_set(t->timer, loop_now_ms(t->all->loop));
}

static void refuse(struct attempt *t, int64_t now_ms, int64_t retry_ms)
{
	char why[160];

	snprintf(
		why, sizeof why,
		"the host did not answer several times in a row and is left alone for %lld s: check the network and LoginUrl=",
		(long long)(retry_ms - now_ms + 999) / 1000);
	end_unsent(t, PROBLEM_RETRY, retry_ms - now_ms, why);
	t->refused = true;
}

/* --- one exchange --- */

static enum gate_outcome reached(const struct http_response *res)
{
	if (res->outcome == HTTP_REFUSED)
		return GATE_UNDECIDED;
	if (res->outcome == HTTP_ANSWERED && res->status < 500)
		return GATE_REACHED;
	return GATE_FAILED;
}

/* May free t: the last thing that is done with it. */
static void go_on(struct attempt *t, enum verdict verdict)
{
	if (verdict == FLOW_DONE || verdict == FLOW_FAILED) {
		attempt_deliver(t);
		return;
	}
	if (verdict != FLOW_AGAIN)
		t->step++;
	t->phase = PAUSED;
	timer_set(t->timer,
		  loop_now_ms(t->all->loop) + (verdict == FLOW_NEXT ? 0 : t->run.delay_ms));
	if (verdict == FLOW_NEED_USER && t->prompt)
		t->prompt(&t->run.prompt, t->arg);
}

/* Nothing was sent. A patient flow hears of it as of an answer; for the others this is the end. */
static void end_of_unsent(struct attempt *t)
{
	struct http_response res = {
		.outcome = HTTP_REFUSED, .content_type = "", .location = "", .problem = t->refusal
	};

	if (!t->refused || t->discovering || !t->ops->patient) {
		attempt_deliver(t);
		return;
	}
	t->refused = false;
	t->run.now_ms = clock_now_ms();
	go_on(t, t->ops->steps[t->step].answer(&t->run, &res));
}

static void on_answer(const struct http_response *res, void *arg)
{
	struct attempt *t = arg;
	struct attempts *a = t->all;
	int64_t now_ms = clock_now_ms();

	t->call = NULL;
	tally_answered(t->tally, t->endpoint, res);
	timer_clear(t->timer);
	gate_leave(a->gate, &t->gate, reached(res), res->retry_after_ms, now_ms);
	pump(a, t->gate.host);
	if (t->answered) {
		t->phase = ENDED;
		t->answered(res, t->arg);
		attempt_free(t);
		return;
	}
	if (t->discovering) {
		attempt_take_discovery(t, res);
		return;
	}
	attempt_judge_endpoints(t, res);
	t->result.sent_ms = res->sent_ms;
	t->result.took_ms = now_ms - res->sent_ms;
	t->result.date_real_ms = res->date_real_ms;
	go_on(t, t->ops->steps[t->step].answer(&t->run, res));
}

/* libcurl's own time limit comes first; this one holds even when it does not. */
static void on_deadline(struct attempt *t)
{
	struct http_response res = { .outcome = t->leaving ? HTTP_UNKNOWN : HTTP_UNSENT,
				     .content_type = "",
				     .location = "",
				     .sent_ms = t->end_ms - t->all->timeout_ms,
				     .problem = "no answer in time" };

	http_cancel(TAKE(t->call));
	on_answer(&res, t);
}

static void send_request(struct attempt *t, struct http_request *req)
{
	int64_t now_ms = clock_now_ms();

	t->end_ms = now_ms + t->all->timeout_ms;
	t->endpoint = req->endpoint;
	t->call = http_submit(t->all->http, req, on_answer, t);
	if (!t->call) {
		end_unsent(t, PROBLEM_RETRY, 0, "out of memory");
		return;
	}
	t->phase = RUNNING;
	timer_set(t->timer, t->end_ms + GUARD_MS);
}

static int on_about_to_send(void *arg, struct err *err)
{
	struct attempt *t = arg;
	int r = t->about_to_spend ? t->about_to_spend(t->arg, err) : 0;

	t->leaving = r >= 0;
	return r;
}

/* A spent token goes out once, on a connection of its own, and not before the spender says that it may. */
static void guard_spend(struct attempt *t, struct http_request *req)
{
	bool spends = !t->discovering && t->ops->spends;

	t->leaving = !spends;
	if (!spends)
		return;
	req->fresh = true;
	req->about_to_send = on_about_to_send;
	req->about_to_send_arg = t;
}

static enum problem_class class_of(enum err_code code)
{
	if (code == ERR_LOGIN)
		return PROBLEM_LOGIN;
	return code == ERR_ADMIN || code == ERR_INPUT ? PROBLEM_ADMIN : PROBLEM_RETRY;
}

/* What the step may need to know of the world. */
static int prepare(struct attempt *t, struct err *err)
{
	if (t->step >= t->ops->n_steps)
		return err_set(err, ERR_LOGIN,
			       "only a person can get this token: log in with sftoken login");
	t->run.real_ms = clock_real_ms() + t->real_skew_ms;
	t->run.now_ms = clock_now_ms();
	return unique_fill(t->run.unique, err);
}

static int ask_flow(struct attempt *t, struct http_request *req, struct err *err)
{
	int r = prepare(t, err);

	return r < 0 ? r : t->ops->steps[t->step].ask(&t->run, req, err);
}

/* Asks what to send, and sends it if it may go there. */
static void run_step(struct attempt *t)
{
	struct http_request req = { 0 };
	struct err err = { 0 };
	int r;

	r = t->discovering ? attempt_ask_discovery(t, &req, &err) : ask_flow(t, &req, &err);
	if (r == 0)
		r = salesforce_check_url(req.url, &t->hosts, &err);
	if (r == 0) {
		guard_spend(t, &req);
		send_request(t, &req);
		return;
	}
	http_request_fini(&req);
	end_unsent(t, class_of(err.code), 0, err.text);
}

/* Lets in who may go, and sends away who waits in vain. Calls nobody back: all ends come by timers and by http. */
static void pump(struct attempts *a, struct gate_host *host)
{
	int64_t now_ms = clock_now_ms(), retry_ms = 0;
	struct gate_waiter *w;

	while ((w = gate_next(a->gate, host, now_ms))) {
		struct attempt *t = attempt_of(w);

		if (t->answered)
			send_request(t, &t->req);
		else
			run_step(t);
		if (t->phase == ENDING)
			gate_leave(a->gate, w, GATE_UNDECIDED, 0, now_ms);
	}
	while ((w = gate_next_refused(a->gate, host, now_ms, &retry_ms)))
		refuse(attempt_of(w), now_ms, retry_ms);
}

static void on_timer(void *arg)
{
	struct attempt *t = arg;

	if (t->phase == RUNNING) {
		on_deadline(t);
	} else if (t->phase == PAUSED) {
		attempt_enter(t);
	} else if (t->answered) {
		deliver_refusal(t);
	} else {
		end_of_unsent(t);
	}
}

/* --- the interface --- */

static bool join(struct attempt *t, const char *url, enum attempt_kind kind)
{
	CLEANUP(buf_finip) struct buf key;
	struct url parts;

	buf_init(&key, ATTEMPT_KEY_MAX);
	/* A URL that is none fails when it is to be sent; until then it waits with its like. */
	if (salesforce_parse_url(url, &parts, NULL) == 0)
		salesforce_host_key(&parts, &key);
	else
		buf_add_text(&key, "-");
	return !buf_failed(&key) && gate_join(t->all->gate, &t->gate, key.data, kind) == 0;
}

bool attempt_move(struct attempt *t, const char *url)
{
	enum attempt_kind kind = t->gate.kind;

	gate_quit(t->all->gate, &t->gate);
	return join(t, url, kind);
}

void attempt_resume(struct attempt *t)
{
	t->phase = PAUSED;
	timer_set(t->timer, loop_now_ms(t->all->loop));
}

struct attempt *attempt_new(struct attempts *a, const char *url, enum attempt_kind kind, void *arg)
{
	struct attempt *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->all = a;
	t->arg = arg;
	t->timer = timer_new(a->loop, on_timer, t);
	if (t->timer && join(t, url, kind))
		return t;
	attempt_free(t);
	return NULL;
}

void attempt_enter(struct attempt *t)
{
	t->phase = WAITING;
	gate_wait(&t->gate);
	pump(t->all, t->gate.host);
}

static struct secret *counted(struct secret *s)
{
	return s ? secret_ref(s) : NULL;
}

static bool take_login(struct attempt *t, const struct flow_login *login)
{
	t->redirect_uri = login->redirect_uri ? strdup(login->redirect_uri) : NULL;
	t->login = (struct flow_login){ .code = counted(login->code),
					.verifier = counted(login->verifier),
					.redirect_uri = t->redirect_uri };
	return !login->redirect_uri || t->redirect_uri;
}

/* What the order names becomes the attempt's own. false: out of memory, or no flow for it. */
static bool take_order(struct attempt *t, const struct attempt_order *order)
{
	const struct credential *c = order->credential;

	t->done = order->done;
	t->about_to_spend = order->about_to_spend;
	t->real_skew_ms = order->real_skew_ms;
	t->prompt = order->prompt;
	t->ops = order->flow ? order->flow : flow_find(c->grant_type);
	t->refresh_token = counted(order->refresh_token);
	t->assertion = counted(order->assertion);
	t->subject_token = counted(order->subject_token);
	if (order->base_url && !(t->base_url = strdup(order->base_url)))
		return false;
	if (order->login && !take_login(t, order->login))
		return false;
	if (!t->ops || salesforce_hosts(&t->hosts, &t->all->hosts, c->login_url, NULL) < 0)
		return false;
	t->run = (struct flow_run){ .credential = c,
				    .allowed_hosts = &t->hosts,
				    .refresh_token = t->refresh_token,
				    .base_url = t->base_url,
				    .login = order->login ? &t->login : NULL,
				    .assertion = t->assertion,
				    .subject_token = t->subject_token };
	return true;
}

struct attempt *attempt_start(struct attempts *a, const struct attempt_order *order)
{
	const char *url = order->base_url ? order->base_url : order->credential->login_url;
	struct attempt *t = attempt_new(a, url, order->kind, order->arg);

	if (!t)
		return NULL;
	if (!take_order(t, order)) {
		attempt_free(t);
		return NULL;
	}
	if (!attempt_begin_discovery(t, order->credential) ||
	    (t->endpoints && !attempt_move(t, t->endpoints->token))) {
		attempt_free(t);
		return NULL;
	}
	attempt_enter(t);
	return t;
}

void attempt_set_arg(struct attempt *t, void *arg)
{
	t->arg = arg;
}

struct attempt *attempt_request(struct attempts *a, struct http_request *req,
				void (*done)(const struct http_response *res, void *arg), void *arg)
{
	/* A check (GET userinfo) has a caller behind it, an introspection (POST) has not. */
	struct attempt *t = attempt_new(a, req->url,
					req->post ? ATTEMPT_SCHEDULED : ATTEMPT_DEMANDED, arg);

	if (!t) {
		http_request_fini(req);
		return NULL;
	}
	t->answered = done;
	t->leaving = true;
	t->req = *req;
	*req = (struct http_request){ 0 };
	attempt_enter(t);
	return t;
}

void attempt_count_for(struct attempt *t, struct tally *tally)
{
	if (!t || !tally)
		return;
	tally_unref(t->tally);
	t->tally = tally_ref(tally);
}

void attempt_demand(struct attempt *t)
{
	gate_demand(&t->gate);
	if (t->phase == WAITING)
		pump(t->all, t->gate.host);
}

void attempt_cancel(struct attempt *t)
{
	struct attempts *a;
	struct gate_host *host;

	if (!t || t->phase == ENDED)
		return;
	a = t->all;
	host = t->gate.host;
	if (t->call)
		tally_cancelled(t->tally, t->endpoint);
	http_cancel(TAKE(t->call));
	if (t->gate.place == GATE_INSIDE) {
		gate_leave(a->gate, &t->gate, GATE_UNDECIDED, 0, clock_now_ms());
		pump(a, host); /* t still holds its host */
	}
	attempt_free(t);
}

void attempts_configure(struct attempts *a, const struct settings *settings)
{
	const struct config_list *from = &settings->network.allowed_hosts;
	struct config_list hosts = { 0 };

	a->timeout_ms = settings->network.timeout_ms;
	gate_configure(a->gate, &settings->limits);
	if (from->n && salesforce_hosts(&hosts, from, NULL, NULL) < 0) {
		log_event(LOG_LEVEL_ERR, "attempts.configure",
			  F_STR("why", "out of memory: the old AllowedHosts stay"));
		return;
	}
	salesforce_hosts_fini(&a->hosts);
	a->hosts = hosts;
}

struct attempts *attempts_new(struct loop *l, struct http *h, const struct settings *settings,
			      struct err *err)
{
	struct attempts *a = calloc(1, sizeof *a);

	if (a)
		a->gate = gate_new(&settings->limits);
	if (!a || !a->gate) {
		free(a);
		err_oom(err);
		return NULL;
	}
	a->loop = l;
	a->http = h;
	attempts_configure(a, settings);
	return a;
}

void attempts_free(struct attempts *a)
{
	if (!a)
		return;
	gate_free(a->gate);
	attempts_forget_endpoints(a);
	salesforce_hosts_fini(&a->hosts);
	free(a);
}

int64_t attempts_host_open_ms(const struct attempts *a, const char *url)
{
	struct url parts;
	CLEANUP(buf_finip) struct buf key;

	buf_init(&key, ATTEMPT_KEY_MAX);
	if (salesforce_parse_url(url, &parts, NULL) < 0)
		return 0;
	salesforce_host_key(&parts, &key);
	return buf_failed(&key) ? 0 : gate_open_ms(a->gate, key.data);
}

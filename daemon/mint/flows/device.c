/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The login of the device flow: a code for the person, then the question whether it was confirmed, again and again until it was, was refused, or has grown old. Two dialects:
 * Salesforce's asks the token endpoint for everything (salesforce-oauth.md 5.5), the other one is RFC 8628.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/login_url.h"
#include "daemon/mint/oauth.h"
#include "proto/messages.h"

enum { SLOWER_MS = 5000, INTERVAL_MAX_MS = 60000, LINK_MAX = 1200 };

static const char device_urn[] = "urn:ietf:params:oauth:grant-type:device_code";

struct device_code {
	struct secret *device_code;
	int64_t interval_ms, end_ms; /* BOOTTIME */
};

static void add(struct buf *form, const char *name, const char *value)
{
	oauth_form_add(form, name, value, strlen(value));
}

/* --- the code --- */

static void add_scopes(struct buf *form, const struct credential *c)
{
	CLEANUP(buf_finip) struct buf scopes;

	buf_init(&scopes, HTTP_BODY_MAX);
	login_scopes(c, LOGIN_DEVICE, &scopes);
	if (scopes.len)
		oauth_form_add(form, "scope", scopes.data, scopes.len);
	form->failed = form->failed || scopes.failed;
}

static int ask_start(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf form;
	int r;

	buf_init(&form, HTTP_BODY_MAX);
	if (!c->client_id)
		return err_set(err, ERR_ADMIN, "this grant needs ClientId=");
	if (c->dialect == DIALECT_SALESFORCE) {
		add(&form, "response_type", "device_code");
		add(&form, "client_id", c->client_id);
		add_scopes(&form, c);
		r = flow_ask_token(run, &form, FLOW_PUBLIC, req, err);
		req->endpoint = HTTP_DEVICE; /* as the answer is that, whatever its address */
		return r;
	}
	if (!run->endpoints || !run->endpoints->device_authorization)
		return err_set(
			err, ERR_ADMIN,
			"the server names no device_authorization_endpoint: Dialect=rfc8628 needs Issuer= of a server with the "
			"device flow; Salesforce needs Dialect=salesforce");
	add_scopes(&form, c);
	r = flow_ask(run, run->endpoints->device_authorization, &form, FLOW_AUTHENTICATED, req,
		     err);
	req->endpoint = HTTP_DEVICE;
	return r;
}

/* Salesforce's page takes the code from the link, but does not say so. */
static char *complete_link(const struct oauth_device *d)
{
	CLEANUP(buf_finip) struct buf link;

	buf_init(&link, LINK_MAX);
	if (strpbrk(d->verification_uri, "?#"))
		return NULL;
	buf_add_text(&link, d->verification_uri);
	buf_add_text(&link, "?user_code=");
	oauth_form_encode(&link, d->user_code, strlen(d->user_code));
	return buf_failed(&link) ? NULL : TAKE(link.data);
}

static void show(struct flow_run *run, struct oauth_device *d)
{
	struct flow_prompt *p = &run->prompt;

	p->user_code = TAKE(d->user_code);
	p->verification_uri = TAKE(d->verification_uri);
	p->verification_uri_complete = TAKE(d->verification_uri_complete);
	p->expires_in_ms = d->expires_in_ms;
	p->interval_ms = d->interval_ms;
}

static enum verdict answer_start(struct flow_run *run, const struct http_response *res)
{
	struct oauth_device d;
	struct device_code *s;

	if (!oauth_read_device(res, &d, &run->problem))
		return FLOW_FAILED;
	s = calloc(1, sizeof *s);
	if (!s) {
		oauth_device_fini(&d);
		oauth_situation(res, GRANT_DEVICE, "#refused", "out of memory", &run->problem);
		return FLOW_FAILED;
	}
	s->device_code = TAKE(d.device_code);
	s->interval_ms = d.interval_ms;
	s->end_ms = run->now_ms + d.expires_in_ms;
	run->state = s;
	if (!d.verification_uri_complete && run->credential->dialect == DIALECT_SALESFORCE)
		d.verification_uri_complete = complete_link(&d);
	show(run, &d);
	oauth_device_fini(&d);
	run->delay_ms = s->interval_ms;
	return FLOW_NEED_USER;
}

/* --- was it confirmed? --- */

static int ask_poll(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct device_code *s = run->state;
	bool salesforce = run->credential->dialect == DIALECT_SALESFORCE;
	CLEANUP(buf_finip) struct buf form;

	buf_init(&form, HTTP_BODY_MAX);
	add(&form, "grant_type", salesforce ? "device" : device_urn);
	oauth_form_add(&form, salesforce ? "code" : "device_code", secret_bytes(s->device_code),
		       secret_size(s->device_code));
	return flow_ask_token(run, &form, FLOW_AUTHENTICATED, req, err);
}

static enum verdict too_late(struct flow_run *run, const struct http_response *res)
{
	oauth_situation(res, GRANT_DEVICE, "#late", NULL, &run->problem);
	return FLOW_FAILED;
}

/* How long until the next question: longer after slow_down, and after no answer at all (RFC 8628 3.5). */
static int64_t next_delay(struct device_code *s, const struct problem *p)
{
	int64_t ms = s->interval_ms;

	if (strcmp(p->error, "slow_down") == 0)
		ms += SLOWER_MS;
	else if (p->outcome != HTTP_ANSWERED && p->outcome != HTTP_REFUSED)
		ms *= 2;
	if (ms > s->interval_ms)
		s->interval_ms = ms < INTERVAL_MAX_MS ? ms : INTERVAL_MAX_MS;
	return p->retry_after_ms > s->interval_ms ? p->retry_after_ms : s->interval_ms;
}

/* Of no use to us, but the code is spent with it. */
static bool is_token_answer(const struct http_response *res)
{
	return res->outcome == HTTP_ANSWERED && res->status == 200 && res->size &&
	       res->body[strspn(res->body, " \t\r\n")] == '{';
}

static enum verdict answer_poll(struct flow_run *run, const struct http_response *res)
{
	struct device_code *s = run->state;
	struct problem *p = &run->problem;

	if (flow_take_login(run, res, GRANT_DEVICE) == FLOW_DONE)
		return FLOW_DONE;
	if ((p->class != PROBLEM_RETRY && p->class != PROBLEM_RATE) || is_token_answer(res))
		return FLOW_FAILED;
	run->delay_ms = next_delay(s, p);
	if (run->now_ms + run->delay_ms < s->end_ms)
		return FLOW_AGAIN;
	return too_late(run, res);
}

static void fini(struct flow_run *run)
{
	struct device_code *s = run->state;

	if (!s)
		return;
	secret_unref(s->device_code);
	free(s);
}

static const struct flow_step steps[] = {
	{ "start", ask_start, answer_start },
	{ "poll", ask_poll, answer_poll },
};

const struct flow_ops flow_login_device = {
	.grant_type = GRANT_DEVICE,
	.renewal = RENEW_REFRESH,
	.patient = true,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
	.fini = fini,
};

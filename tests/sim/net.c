/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/mint/http.h over the model of Salesforce: each call is answered by itself, after its own time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "tests/sim/sim.h"

enum { CONNECT_MS = 40 };

struct http_call {
	struct http_call *next;
	size_t user;
	struct http_request req;
	void (*done)(const struct http_response *res, void *arg);
	void *arg;
	struct timer *timer;
	int64_t sent_ms;
	bool sent, token_endpoint;
	struct sf_reply reply;
	struct err refusal;
};

static struct http_call *calls;

static void call_free(struct http_call *c)
{
	struct http_call **at = &calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	timer_free(c->timer);
	http_request_fini(&c->req);
	free(c);
}

/* The credential is in the path of its LoginUrl=, or in the access token. */
static size_t user_of(const struct http_request *req)
{
	const char *text = req->body     ? secret_bytes(req->body)
			   : req->bearer ? secret_bytes(req->bearer)
					 : "";
	const char *at = strstr(req->url, ".com/C");
	unsigned n[3];

	if (at)
		return strtoul(at + strlen(".com/C"), NULL, 10);
	for (at = strstr(text, "A_"); at; at = strstr(at + 1, "A_"))
		if (sf_numbers(at + 2, '_', n))
			return n[0];
	return SIM_CREDENTIALS;
}

static void finish(void *arg)
{
	struct http_call *c = arg;
	struct sf_reply *r = &c->reply;
	struct http_response res = {
		.outcome = r->outcome,
		.status = r->status,
		.content_type = r->content_type,
		.location = "",
		.body = r->outcome == HTTP_ANSWERED || (r->outcome == HTTP_UNKNOWN && r->size)
				? r->body
				: NULL,
		.size = r->size,
		.retry_after_ms = r->retry_after_ms,
		.date_real_ms = r->date_real_ms,
		.sent_ms = c->sent_ms,
		.problem = r->outcome == HTTP_ANSWERED ? NULL : r->problem,
	};
	void (*done)(const struct http_response *res, void *arg) = c->done;
	void *done_arg = c->arg;
	struct http_request req = c->req;
	struct sf_reply reply = *r;
	size_t user = c->user;
	bool sent = c->sent, token_endpoint = c->token_endpoint;

	c->req = (struct http_request){ 0 };
	if (res.body == r->body)
		res.body = reply.body;
	call_free(c);
	if (sent)
		watch_done(user, token_endpoint);
	done(&res, done_arg);
	if (sent && !disk_dead())
		watch_received(user, &req, &reply);
	http_request_fini(&req);
}

/* The connection is up: the request leaves, if it may. */
static void connected(void *arg)
{
	struct http_call *c = arg;

	if (c->req.about_to_send &&
	    c->req.about_to_send(c->req.about_to_send_arg, &c->refusal) < 0) {
		c->reply = (struct sf_reply){ .outcome = HTTP_REFUSED,
					      .content_type = "",
					      .problem = c->refusal.text };
		timer_free(c->timer);
		c->timer = timer_new(NULL, finish, c);
		if (!c->timer)
			abort();
		timer_set(c->timer, clock_now_ms());
		return;
	}
	if (disk_dead()) /* while it was asked */
		return;
	c->sent = true;
	c->sent_ms = clock_now_ms();
	watch_request(c->user, &c->req, c->token_endpoint, c->req.about_to_send);
	sf_handle(c->user, &c->req, &c->reply);
	watch_reply(c->user, &c->req, &c->reply);
	timer_free(c->timer);
	c->timer = timer_new(NULL, finish, c);
	if (!c->timer)
		abort();
	timer_set(c->timer, clock_now_ms() + c->reply.delay_ms);
}

struct http_call *http_submit(struct http *h, struct http_request *req,
			      void (*done)(const struct http_response *res, void *arg), void *arg)
{
	struct http_call *c = calloc(1, sizeof *c);
	bool connects;

	(void)h;
	if (!c)
		return NULL;
	c->user = user_of(req);
	c->token_endpoint = strstr(req->url, "/token") != NULL;
	c->req = *req;
	*req = (struct http_request){ 0 };
	c->done = done;
	c->arg = arg;
	c->sent_ms = clock_now_ms();
	c->next = calls;
	calls = c;
	connects = sf_connects(&c->reply);
	c->timer = timer_new(NULL, connects ? connected : finish, c);
	if (!c->timer)
		abort();
	timer_set(c->timer, clock_now_ms() + (connects ? CONNECT_MS : c->reply.delay_ms));
	return c;
}

void http_cancel(struct http_call *c)
{
	if (!c)
		return;
	if (c->sent)
		watch_done(c->user, c->token_endpoint);
	call_free(c);
}

void net_reset(void)
{
	while (calls)
		call_free(calls);
}

/* A sleeping machine answers nobody: the server has closed the connection long before it wakes. */
void net_suspended(void)
{
	for (struct http_call *c = calls; c; c = c->next) {
		struct sf_reply *r = &c->reply;

		if (!c->sent)
			continue;
		*r = (struct sf_reply){ .outcome = HTTP_UNKNOWN,
					.content_type = "",
					.problem = "connection reset",
					.rotated = r->rotated };
	}
}

size_t net_calls(void)
{
	size_t n = 0;

	for (struct http_call *c = calls; c; c = c->next)
		n++;
	return n;
}

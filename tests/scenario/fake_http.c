/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "daemon/common/loop.h"
#include "tests/scenario/fake.h"

enum { ENDPOINTS = 4 };

struct http_call {
	struct http_call *next;
	struct http_request req;
	void (*done)(const struct http_response *res, void *arg);
	void *arg;
	int64_t sent_ms;
	bool taken;
	struct timer *
		refuse; /* about_to_send() said no: nobody sees the request, and this timer ends it */
	struct err refusal;
};

static struct http_call *calls;
static const char *const endpoint[ENDPOINTS] = { "token", "userinfo", "introspect", "revoke" };
static unsigned counts[ENDPOINTS], cancelled;

static bool ends_in(const char *url, const char *what)
{
	const char *last = strrchr(url, '/');

	return last && strcmp(last + 1, what) == 0;
}

static void call_free(struct http_call *c)
{
	struct http_call **at = &calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	timer_free(c->refuse);
	http_request_fini(&c->req);
	free(c);
}

static void on_refuse(void *arg)
{
	struct http_call *c = arg;
	struct err refusal = c->refusal;
	struct http_response res = { .outcome = HTTP_REFUSED, .content_type = "", .location = "", .problem = refusal.text };
	void (*done)(const struct http_response *res, void *arg) = c->done;
	void *done_arg = c->arg;

	call_free(c);
	done(&res, done_arg);
}

/* Here a connection is up as soon as it is asked for. Whether the request may leave. */
static bool may_leave(struct http_call *c)
{
	if (!c->req.about_to_send ||
	    c->req.about_to_send(c->req.about_to_send_arg, &c->refusal) >= 0)
		return true;
	c->refuse = timer_new(NULL, on_refuse, c);
	if (!c->refuse)
		abort();
	timer_set(c->refuse, fake_now());
	return false;
}

struct http_call *http_submit(struct http *h, struct http_request *req,
			      void (*done)(const struct http_response *res, void *arg), void *arg)
{
	struct http_call *c = calloc(1, sizeof *c), **at = &calls;

	(void)h;
	if (!c)
		return NULL;
	c->req = *req;
	*req = (struct http_request){ 0 };
	c->done = done;
	c->arg = arg;
	c->sent_ms = fake_now();
	while (*at)
		at = &(*at)->next;
	*at = c;
	if (!may_leave(c))
		return c;
	for (size_t i = 0; i < ENDPOINTS; i++)
		counts[i] += ends_in(c->req.url, endpoint[i]);
	return c;
}

void http_cancel(struct http_call *c)
{
	if (!c)
		return;
	cancelled++;
	call_free(c);
}

static struct http_call *first(bool taken)
{
	struct http_call *c = calls;

	while (c && (c->taken != taken || c->refuse))
		c = c->next;
	return c;
}

bool fake_request_waits(void)
{
	return first(false) != NULL;
}

bool fake_request_next(struct fake_request *r)
{
	struct http_call *c = first(false);

	if (!c)
		return false;
	*r = (struct fake_request){
		.post = c->req.post,
		.url = c->req.url,
		.body = c->req.body ? secret_bytes(c->req.body) : "",
		.bearer = c->req.bearer ? secret_bytes(c->req.bearer) : "",
		.sent_ms = c->sent_ms,
	};
	return true;
}

void fake_request_take(void)
{
	struct http_call *c = first(false);

	if (c)
		c->taken = true;
}

bool fake_answer(struct http_response *res)
{
	struct http_call *c = first(true);
	void (*done)(const struct http_response *res, void *arg);
	void *arg;

	if (!c)
		return false;
	done = c->done;
	arg = c->arg;
	res->sent_ms = c->sent_ms;
	call_free(c);
	done(res, arg);
	return true;
}

unsigned fake_requests_to(const char *what)
{
	for (size_t i = 0; i < ENDPOINTS; i++)
		if (strcmp(endpoint[i], what) == 0)
			return counts[i];
	return 0;
}

unsigned fake_requests_cancelled(void)
{
	return cancelled;
}

void fake_http_reset(void)
{
	while (calls)
		call_free(calls);
	memset(counts, 0, sizeof counts);
	cancelled = 0;
}

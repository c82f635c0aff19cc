/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_http.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct http_call *fake_http_calls;
unsigned fake_http_submitted, fake_http_cancelled;
bool fake_http_out_of_memory, fake_http_connecting;

struct http_call *http_submit(struct http *h, struct http_request *req,
			      void (*done)(const struct http_response *res, void *arg), void *arg)
{
	struct http_call *c = fake_http_out_of_memory ? NULL : calloc(1, sizeof *c),
			 **last = &fake_http_calls;

	(void)h;
	if (!c) {
		http_request_fini(req);
		return NULL;
	}
	*c = (struct http_call){ .req = *req, .done = done, .arg = arg };
	*req = (struct http_request){ 0 };
	while (*last)
		last = &(*last)->next;
	*last = c;
	fake_http_submitted++;
	c->held = c->req.about_to_send && !fake_http_connecting &&
		  c->req.about_to_send(c->req.about_to_send_arg, &c->refusal) < 0;
	return c;
}

static void drop(struct http_call *c)
{
	struct http_call **at = &fake_http_calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	http_request_fini(&c->req);
	free(c);
}

void http_cancel(struct http_call *c)
{
	if (!c)
		return;
	fake_http_cancelled++;
	drop(c);
}

unsigned fake_http_in_flight(void)
{
	unsigned n = 0;

	for (struct http_call *c = fake_http_calls; c; c = c->next)
		n++;
	return n;
}

void fake_http_answer(enum http_outcome outcome, long status, const char *body)
{
	struct http_call *c = fake_http_calls;
	struct http_response res = { .outcome = outcome, .status = status, .content_type = "application/json", .location = "",
				     .body = body ? strdup(body) : NULL, .size = body ? strlen(body) : 0,
				     .problem = outcome == HTTP_ANSWERED ? NULL : "the test says so", .sent_ms = clock_now_ms() };
	struct err refusal = c->refusal;
	void (*done)(const struct http_response *res, void *arg) = c->done;
	void *arg = c->arg;

	if (c->held)
		res = (struct http_response){ .outcome = HTTP_REFUSED, .content_type = "", .location = "",
					      .body = res.body, .problem = refusal.text };
	drop(c);
	done(&res, arg);
	free(res.body);
}

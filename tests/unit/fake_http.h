/* SPDX-License-Identifier: Apache-2.0 */
/* http.h without a network: the test looks at what was submitted, and answers. */
#ifndef TESTS_UNIT_FAKE_HTTP_H
#define TESTS_UNIT_FAKE_HTTP_H

#include "daemon/mint/http.h"

struct http_call {
	struct http_call *next;
	struct http_request req;
	void (*done)(const struct http_response *res, void *arg);
	void *arg;
	bool held; /* about_to_send() said no, with this text: however it is answered, it ends HTTP_REFUSED */
	struct err refusal;
};

/* Under way, the oldest first. */
extern struct http_call *fake_http_calls;
extern unsigned fake_http_submitted, fake_http_cancelled;
extern bool fake_http_out_of_memory;
/* What is submitted gets no connection: about_to_send() is not asked. */
extern bool fake_http_connecting;

unsigned fake_http_in_flight(void);
/* Answers the oldest call, which asked about_to_send() when it was submitted. body NULL: the outcome counts alone. */
void fake_http_answer(enum http_outcome outcome, long status, const char *body);

#endif

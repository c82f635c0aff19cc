/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between attempt.c (runs flows and single requests) and attempt_discover.c (where a server has its endpoints); nobody else includes this.
 */
#ifndef MINT_ATTEMPT_PARTS_H
#define MINT_ATTEMPT_PARTS_H

#include "daemon/mint/attempt.h"
#include "daemon/mint/gate.h"

enum { ATTEMPT_KEY_MAX = 300 };

struct known;

struct attempts {
	struct loop *loop;
	struct http *http;
	struct gate *gate;
	struct config_list hosts; /* AllowedHosts= */
	int64_t timeout_ms;
	struct known *known; /* servers whose endpoints we have asked for (attempt_discover.c) */
};

enum phase {
	WAITING, /* at the gate */
	RUNNING, /* a request is under way; the timer is the deadline */
	PAUSED,  /* the flow wants a delay */
	ENDING,  /* decided without a request; the timer delivers it */
	ENDED,
};

struct attempt {
	struct gate_waiter gate;
	struct attempts *all;
	struct timer *timer;
	enum phase phase;
	struct http_call *call;
	enum http_endpoint endpoint; /* that call asks */
	struct tally *tally;         /* counted; NULL: nobody wants to know */
	int64_t end_ms;
	void *arg;
	/* its server's endpoints are to be asked for first, or are all that is wanted (discovered) */
	char *issuer; /* copied: who asks may get another credential meanwhile; NULL: Salesforce */
	bool discovering;
	unsigned place;
	struct endpoints *endpoints;
	void (*discovered)(const struct endpoints *e, const struct problem *p, void *arg);
	/* a flow */
	const struct flow_ops *ops;
	size_t step;
	struct flow_run run;
	struct config_list hosts;
	int64_t real_skew_ms;
	struct secret *refresh_token, *assertion, *subject_token;
	char *base_url, *redirect_uri;
	struct flow_login login;
	void (*prompt)(const struct flow_prompt *p, void *arg);
	bool leaving; /* the request of this step was let go, or asks nobody */
	struct attempt_result result;
	int (*about_to_spend)(void *arg, struct err *err);
	void (*done)(const struct attempt_result *r, void *arg);
	/* one request */
	struct http_request req;
	char refusal[160];
	bool refused; /* by the gate */
	void (*answered)(const struct http_response *res, void *arg);
};

/* With a timer and its place at the gate of the URL's host. NULL: out of memory. */
struct attempt *attempt_new(struct attempts *a, const char *url, enum attempt_kind kind, void *arg);
void attempt_free(struct attempt *t);
/* Waits for its turn. */
void attempt_enter(struct attempt *t);
/* In the next turn of the loop it goes on. */
void attempt_resume(struct attempt *t);
/* Tells its owner what came of it, and frees it. */
void attempt_deliver(struct attempt *t);
/* From now on it waits at the gate of this URL's host. It must be outside. false: out of memory. */
bool attempt_move(struct attempt *t, const char *url);

/* Of the credential, whose endpoints are known or to be asked for first. false: out of memory. */
bool attempt_begin_discovery(struct attempt *t, const struct credential *c);
int attempt_ask_discovery(struct attempt *t, struct http_request *req, struct err *err);
void attempt_take_discovery(struct attempt *t, const struct http_response *res);
/* The answer of an endpoint, which may mean that it has moved: then they are asked for again, the next time. */
void attempt_judge_endpoints(struct attempt *t, const struct http_response *res);
void attempts_forget_endpoints(struct attempts *a);

#endif

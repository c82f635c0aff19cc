/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow is a table of steps without I/O (architecture.md 6). ask() says what to send, answer() says what the reply means; attempt.c is the only code that turns this into requests and timers.
 */
#ifndef MINT_FLOW_H
#define MINT_FLOW_H

#include "daemon/mint/credential.h"
#include "daemon/mint/exchange.h"

/* --- flows --- */

enum verdict { FLOW_NEXT, FLOW_AGAIN, FLOW_NEED_USER, FLOW_DONE, FLOW_FAILED };

/* How the flow renews itself when its token grows old. */
enum renewal { RENEW_ITSELF, RENEW_REFRESH, RENEW_PERSON };

struct flow_run {
	const struct credential *credential; /* borrowed for the run */
	int64_t real_ms; /* wall clock now, corrected by the learned skew (JWT exp) */
	const struct config_list *allowed_hosts;
	/* of flows that spend one; borrowed for the run. base_url: where it is to be refreshed instead of LoginUrl=, NULL */
	struct secret *refresh_token;
	const char *base_url;
	/* FAILED although the answer, whole or cut off, held the next refresh token: it must not be lost (owned by the run, NULL) */
	struct secret *salvaged;
	struct grant *grant;    /* result of DONE */
	struct problem problem; /* of FAILED */
	int64_t delay_ms;       /* of AGAIN */
	void *state;            /* the flow's own, freed by flow_ops.fini */
};

struct flow_step {
	const char *name;
	/* Fills *req (zeroed). 0, or negative with err: the run FAILED with PROBLEM_ADMIN or RETRY. Neither function blocks, logs, or keeps anything outside run. */
	int (*ask)(struct flow_run *run, struct http_request *req, struct err *err);
	enum verdict (*answer)(struct flow_run *run, const struct http_response *res);
};

struct flow_ops {
	int grant_type;
	enum renewal renewal;
	bool spends; /* each request spends a refresh token: a repeat after a lost answer may end all sessions (salesforce-oauth.md 1.5) */
	const struct flow_step *steps;
	size_t n_steps;
	void (*fini)(struct flow_run *run); /* may be NULL */
};

/* The flow of a grant type; NULL: not in this version. */
const struct flow_ops *flow_find(int grant_type);
extern const struct flow_ops flow_client_credentials, flow_jwt_bearer, flow_refresh_token;

/* Helpers that every flow's last step uses: strict reading of the answer of the token endpoint. */
/* Fills *req with a POST of the form to the token endpoint of the credential (run->base_url, else LoginUrl=). */
int flow_ask_token(const struct flow_run *run, const struct buf *form, struct http_request *req,
		   struct err *err);
enum verdict flow_take_token(struct flow_run *run, const struct http_response *res);
void flow_run_fini(struct flow_run *run, const struct flow_ops *ops);

#endif

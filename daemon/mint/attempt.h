/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one flow to its end on http and timers, within a per-host cap and breaker (architecture.md 7 "Budget"): 8 scheduled and 64 demanded in flight per host; demand goes before schedule.
 */
#ifndef MINT_ATTEMPT_H
#define MINT_ATTEMPT_H

#include "daemon/common/loop.h"
#include "daemon/mint/flow.h"
#include "daemon/mint/http.h"
#include "daemon/mint/tally.h"

struct attempts; /* what all attempts share: http, loop, hosts */
struct attempt;

struct attempts *attempts_new(struct loop *l, struct http *h, const struct settings *settings,
			      struct err *err);
void attempts_configure(struct attempts *a, const struct settings *settings);
void attempts_free(struct attempts *a); /* takes NULL; no attempt may be left */

enum attempt_kind { ATTEMPT_SCHEDULED, ATTEMPT_DEMANDED };

struct attempt_result {
	struct grant *grant;           /* borrowed; NULL: failed */
	const struct problem *problem; /* when failed */
	struct secret
		*salvaged; /* borrowed; when failed: the next refresh token all the same, NULL */
	int64_t sent_ms, took_ms;
	int64_t date_real_ms; /* server clock of the answer, 0: unknown */
};

/* What is to be run, for whom, and who hears of it. Copied; the texts and secrets that it names are counted or copied too. */
struct attempt_order {
	const struct credential *credential; /* must outlive the attempt */
	enum attempt_kind kind;
	int64_t real_skew_ms; /* added to the wall clock for what the server will judge by its own */
	/* flows that spend: the token and where it goes (NULL: LoginUrl=) */
	struct secret *refresh_token;
	const char *base_url;
	/* Instead of the credential's own flow: a login; NULL */
	const struct flow_ops *flow;
	const struct flow_login *login;           /* copied (secrets are counted); NULL */
	struct secret *assertion, *subject_token; /* see flow_run; counted; NULL */
	/* FLOW_NEED_USER: show this. p is borrowed. May be NULL where no flow asks. */
	void (*prompt)(const struct flow_prompt *p, void *arg);
	/* The request that spends it is about to leave (http_request.about_to_send). NULL where nothing is spent. */
	int (*about_to_spend)(void *arg, struct err *err);
	/* Exactly once, never from within attempt_start(), unless cancelled. */
	void (*done)(const struct attempt_result *r, void *arg);
	void *arg;
};

/* Starts a run of the credential's flow. May wait in the host's queue; attempt_demand() moves it before the scheduled ones. NULL: out of memory. */
struct attempt *attempt_start(struct attempts *a, const struct attempt_order *order);
/* From now on the callbacks get this arg. */
void attempt_set_arg(struct attempt *t, void *arg);
/* Its requests are counted there; without this call nowhere. t may be NULL. */
void attempt_count_for(struct attempt *t, struct tally *tally);
void attempt_demand(struct attempt *t);
void attempt_cancel(struct attempt *t); /* takes NULL */

/*
 * Where the server of c has its endpoints: known (a reference for the caller, kept for a day), or NULL. Salesforce (no Issuer=) needs none: NULL.
 */
struct endpoints *attempts_endpoints(struct attempts *a, const struct credential *c);
/*
 * Asks for them (attempts of flows do so by themselves, first). done() once, never from within: endpoints (borrowed), or NULL and a problem. NULL: out of memory. For attempt_cancel().
 */
struct attempt *attempt_discover(struct attempts *a, const struct credential *c,
				 void (*done)(const struct endpoints *e, const struct problem *p,
					      void *arg),
				 void *arg);

/* One request outside of a flow (userinfo, introspection): same caps, one step. Takes over *req. */
struct attempt *attempt_request(struct attempts *a, struct http_request *req,
				void (*done)(const struct http_response *res, void *arg),
				void *arg);

/* Not before this time (BOOTTIME ms) will the breaker let a scheduled request of this host through; 0: closed. */
int64_t attempts_host_open_ms(const struct attempts *a, const char *url);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one flow to its end on http and timers, within a per-host cap and breaker (architecture.md 7 "Budget"): 8 scheduled and 64 demanded in flight per host; demand goes before schedule.
 */
#ifndef MINT_ATTEMPT_H
#define MINT_ATTEMPT_H

#include "daemon/common/loop.h"
#include "daemon/mint/flow.h"
#include "daemon/mint/http.h"

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
	int64_t sent_ms, took_ms;
	int64_t date_real_ms; /* server clock of the answer, 0: unknown */
};

/*
 * Starts a run of the credential's flow. done() exactly once, never from within, unless cancelled. May wait in the host's queue; attempt_demand() moves it before the scheduled ones.
 * real_skew_ms: added to the wall clock for what the server will judge by its own.
 */
struct attempt *attempt_start(struct attempts *a, const struct credential *c,
			      enum attempt_kind kind, int64_t real_skew_ms,
			      void (*done)(const struct attempt_result *r, void *arg), void *arg);
void attempt_demand(struct attempt *t);
void attempt_cancel(struct attempt *t); /* takes NULL */

/* One request outside of a flow (userinfo, introspection): same caps, one step. Takes over *req. */
struct attempt *attempt_request(struct attempts *a, struct http_request *req,
				void (*done)(const struct http_response *res, void *arg),
				void *arg);

/* Not before this time (BOOTTIME ms) will the breaker let a scheduled request of this host through; 0: closed. */
int64_t attempts_host_open_ms(const struct attempts *a, const char *url);

#endif

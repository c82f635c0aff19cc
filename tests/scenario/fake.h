/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scenarios put in the place of clock, loop, link, listener, connection and http. Everything above is the real mint and the real front, in one process.
 */
#ifndef SCENARIO_FAKE_H
#define SCENARIO_FAKE_H

#include "daemon/common/connection.h"
#include "daemon/common/link.h"
#include "daemon/common/listener.h"
#include "daemon/mint/http.h"

/* --- time (fake_loop.c) --- */

enum { FAKE_START_MS = 1000 * 1000 };
#define FAKE_WALL_START_MS INT64_C(1800000000000)

/* Back to the beginning of time; no timer may be left. Returns how many were. */
size_t fake_time_reset(void);
int64_t fake_now(void);
/* The administrator sets the wall clock so much forward. */
void fake_wall_step(int64_t ms);
/*
 * Fires timers and delivers link messages in the order of time until that moment, or until *stop() says so (then time stands where it was). Returns false when time does not
 * pass any more: something sets timers in the past for ever.
 */
bool fake_run(int64_t until_ms, bool (*stop)(void));

/* --- link (fake_link.c) --- */

/* A pair of "descriptors" for link_open(). */
void fake_link_pair(int *mint_end, int *front_end);
/* Moves one message, or tells one closed end. false: nothing to do. */
bool fake_link_deliver(void);
/* No room in the link until it is given back. */
void fake_link_full(bool full);
/* How many messages of a type have passed since the reset. */
unsigned fake_link_count(enum link_type type);
void fake_link_reset(void);

/* --- listeners and connections (fake_connection.c) --- */

/* What a caller at the other end sees. */
struct fake_caller {
	struct connection *connection; /* NULL: closed by the daemon, or never let in */
	char *replies[64];             /* as JSON, oldest first */
	size_t n_replies, taken;       /* taken: how many a scenario has looked at */
	bool final;                    /* the last one had no "continues" */
};

/* Connects to the listener of that name as uid, if it accepts. */
bool fake_connect(struct fake_caller *c, const char *listener, uid_t uid);
/* Sends one call; method with interface, parameters as JSON. */
void fake_call(struct fake_caller *c, const char *method, const char *parameters, bool more);
void fake_hang_up(struct fake_caller *c);
void fake_caller_fini(struct fake_caller *c);

/* --- http (fake_http.c) --- */

struct fake_request {
	bool post;
	const char *url, *body; /* body: the form as sent, "" for GET */
	const char *bearer;     /* "" if none */
	int64_t sent_ms;
};

/* The oldest request that nobody has looked at; false: none. */
bool fake_request_next(struct fake_request *r);
bool fake_request_waits(void);
/* Marks the oldest as looked at: it is the one that the next answer is for. */
void fake_request_take(void);
/* Answers the oldest that was taken; false: none. */
bool fake_answer(struct http_response *res);
unsigned fake_requests_to(
	const char *what); /* since the reset: "token", "userinfo", "introspect" */
unsigned fake_requests_cancelled(void);
void fake_http_reset(void);

#endif

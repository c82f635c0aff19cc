/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the front counts; the mint asks for it. Limits that were reached are also logged once a
 * minute.
 */
#ifndef FRONT_COUNTERS_H
#define FRONT_COUNTERS_H

#include <stdint.h>

#include "base/buf.h"
#include "proto/messages.h"

enum counter {
	COUNT_CALLS,
	COUNT_TOKENS,
	COUNT_SHORTCUTS,
	COUNT_WAITS,
	COUNT_WANTS,
	COUNT_REPORTS,
	COUNT_ACCEPTED,
	COUNT_LOADS,
	COUNT_LOADS_REFUSED,
	COUNT_CALLS_REFUSED,
	COUNT_AUDIT_LOST,
	COUNT_LOG_DROPPED,
	COUNT_LIMITS, /* the ones from here on are limits that were reached */
	LIMIT_CONNECTIONS = COUNT_LIMITS,
	LIMIT_CONNECTIONS_USER,
	LIMIT_CALLS,
	LIMIT_REPORTS,
	LIMIT_DESCRIPTORS,
	LIMIT_MEMORY,
	LIMIT_REQUEST_TOO_LONG,
	LIMIT_REQUEST_TIMEOUT,
	LIMIT_IDLE_TIMEOUT,
	LIMIT_REPLY_STALLED,
	LIMIT_REPLY_TOO_LONG,
	LIMIT_UID_CHANGED,
	LIMIT_MALFORMED,
	LIMIT_IDENTIFY_WAIT,
	LIMIT_REFUSALS,
	LIMIT_OTHER,
	COUNTERS
};

/* How GetToken was answered. */
enum get_outcome {
	GOT_A_TOKEN,
	GOT_ERROR,                                        /* + enum broker_error */
	GOT_INVALID_PARAMETER = GOT_ERROR + BROKER_ERRORS,
	GOT_NOTHING, /* the caller went away before */
	GET_OUTCOMES
};

enum { GET_BOUNDS = 16 };

/* How long that took, from the turn of the loop that saw the call to the answer in the socket. */
struct get_times {
	int64_t n[GET_BOUNDS + 1]; /* of each bound alone, the last one has none */
	int64_t sum_us;
};

struct counters {
	int64_t value[COUNTERS];
	int64_t logged[COUNTERS]; /* limits: value when the last log line was written */
	int64_t gets[GET_OUTCOMES];
	struct get_times times;
};

/* The counter of a limit that connection.c names; LIMIT_OTHER for one that is not known. */
enum counter counter_of_limit(const char *which);
const char *counter_name(enum counter c);
/* One GetToken is answered, after took_us. */
void counters_got(struct counters *c, enum get_outcome outcome, int64_t took_us);
/*
 * Appends the members "name":value of all counters to a JSON object: the names above, "limit.NAME" for
 * those of limits, "gets.OUTCOME", "get_us.BOUND" (upwards, the last one "get_us.inf") and "get_us.sum".
 */
void counters_add(const struct counters *c, struct buf *out);
/* Logs the limits that were reached since the last time. */
void counters_log_limits(struct counters *c);

#endif

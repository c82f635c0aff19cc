/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the front counts; the mint asks for it. Limits that were reached are also logged once a
 * minute.
 */
#ifndef FRONT_COUNTERS_H
#define FRONT_COUNTERS_H

#include <stdint.h>

#include "base/buf.h"

enum counter {
	COUNT_CALLS,
	COUNT_TOKENS,
	COUNT_SHORTCUTS,
	COUNT_WAITS,
	COUNT_WANTS,
	COUNT_REPORTS,
	COUNT_ACCEPTED,
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
	LIMIT_OTHER,
	COUNTERS
};

struct counters {
	int64_t value[COUNTERS];
	int64_t logged[COUNTERS]; /* limits: value when the last log line was written */
};

/* The counter of a limit that connection.c names; LIMIT_OTHER for one that is not known. */
enum counter counter_of_limit(const char *which);
const char *counter_name(enum counter c);
/* Appends the members "name":value of all counters to a JSON object. */
void counters_add(const struct counters *c, struct buf *out);
/* Logs the limits that were reached since the last time. */
void counters_log_limits(struct counters *c);

#endif

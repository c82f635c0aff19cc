/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/counters.h"

#include <string.h>

#include "base/log.h"
#include "proto/json.h"

static const char *const names[COUNTERS] = {
	[COUNT_CALLS] = "calls",
	[COUNT_TOKENS] = "tokens",
	[COUNT_SHORTCUTS] = "shortcuts",
	[COUNT_WAITS] = "waits",
	[COUNT_WANTS] = "wants",
	[COUNT_REPORTS] = "reports",
	[COUNT_ACCEPTED] = "accepted",
	[COUNT_AUDIT_LOST] = "audit_lost",
	[COUNT_LOG_DROPPED] = "log_dropped",
	[LIMIT_CONNECTIONS] = "max_connections",
	[LIMIT_CONNECTIONS_USER] = "max_connections_per_user",
	[LIMIT_CALLS] = "max_calls_per_second",
	[LIMIT_REPORTS] = "max_reports_per_second",
	[LIMIT_DESCRIPTORS] = "accept_paused",
	[LIMIT_MEMORY] = "no_memory",
	[LIMIT_REQUEST_TOO_LONG] = "request_too_long",
	[LIMIT_REQUEST_TIMEOUT] = "request_timeout",
	[LIMIT_IDLE_TIMEOUT] = "idle_timeout",
	[LIMIT_REPLY_STALLED] = "reply_stalled",
	[LIMIT_REPLY_TOO_LONG] = "reply_too_long",
	[LIMIT_UID_CHANGED] = "uid_changed",
	[LIMIT_MALFORMED] = "malformed_request",
	[LIMIT_OTHER] = "other_limit",
};

enum counter counter_of_limit(const char *which)
{
	for (int i = COUNT_LIMITS; i < COUNTERS; i++) {
		if (strcmp(names[i], which) == 0)
			return (enum counter)i;
	}
	return LIMIT_OTHER;
}

const char *counter_name(enum counter c)
{
	return names[c];
}

void counters_add(const struct counters *c, struct buf *out)
{
	for (int i = 0; i < COUNTERS; i++) {
		json_key(out, names[i]);
		json_add_int(out, c->value[i]);
	}
}

/*
 * An idle connection that is closed after its time is everyday life, not a limit that somebody ran
 * into.
 */
void counters_log_limits(struct counters *c)
{
	for (int i = COUNT_LIMITS; i < COUNTERS; i++) {
		int64_t since = c->value[i] - c->logged[i];

		if (since == 0 || i == LIMIT_IDLE_TIMEOUT)
			continue;
		log_event(LOG_LEVEL_WARNING, "front.limit", F_STR("limit", names[i]),
			  F_INT("times", since), F_INT("total", c->value[i]));
		c->logged[i] = c->value[i];
	}
}

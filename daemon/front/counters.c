/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/counters.h"

#include <inttypes.h>
#include <stdio.h>
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
	[COUNT_LOADS] = "loads",
	[COUNT_LOADS_REFUSED] = "loads_refused",
	[COUNT_CALLS_REFUSED] = "calls_refused",
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
	[LIMIT_IDENTIFY_WAIT] = "identify_wait",
	[LIMIT_REFUSALS] = "refusals_not_told",
	[LIMIT_OTHER] = "other_limit",
};

static const char *const get_names[GET_OUTCOMES] = {
	[GOT_A_TOKEN] = "token",
	[GOT_ERROR + BROKER_NO_SUCH_CREDENTIAL] = "no_such_credential",
	[GOT_ERROR + BROKER_LOGIN_REQUIRED] = "login_required",
	[GOT_ERROR + BROKER_NOT_SERVED] = "not_served",
	[GOT_ERROR + BROKER_REJECTED] = "rejected",
	[GOT_ERROR + BROKER_UNAVAILABLE] = "unavailable",
	[GOT_ERROR + BROKER_TIMED_OUT] = "timed_out",
	[GOT_ERROR + BROKER_LIFETIME_TOO_SHORT] = "lifetime_too_short",
	[GOT_ERROR + BROKER_RATE_LIMITED] = "rate_limited",
	[GOT_ERROR + BROKER_SHUTTING_DOWN] = "shutting_down",
	[GOT_INVALID_PARAMETER] = "invalid_parameter",
	[GOT_NOTHING] = "abandoned",
};

/* A warm get takes some ten us, one that waits for Salesforce some hundred ms: it is found from below. */
static const int64_t bounds_us[GET_BOUNDS] = {
	25,	50,	100,	250,	500,	 1000,	  5000,	   25000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
};

void counters_got(struct counters *c, enum get_outcome outcome, int64_t took_us)
{
	size_t i = 0;

	while (i < GET_BOUNDS && took_us > bounds_us[i])
		i++;
	c->gets[outcome]++;
	c->times.n[i]++;
	c->times.sum_us += took_us;
}

static void add_gets(const struct counters *c, struct buf *out)
{
	char name[48];

	for (int i = 0; i < GET_OUTCOMES; i++) {
		snprintf(name, sizeof(name), "gets.%s", get_names[i]);
		json_key(out, name);
		json_add_int(out, c->gets[i]);
	}
	for (int i = 0; i < GET_BOUNDS; i++) {
		snprintf(name, sizeof(name), "get_us.%" PRId64, bounds_us[i]);
		json_key(out, name);
		json_add_int(out, c->times.n[i]);
	}
	json_key(out, "get_us.inf");
	json_add_int(out, c->times.n[GET_BOUNDS]);
	json_key(out, "get_us.sum");
	json_add_int(out, c->times.sum_us);
}

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
	char limit[48];

	for (int i = 0; i < COUNTERS; i++) {
		snprintf(limit, sizeof(limit), "limit.%s", names[i]);
		json_key(out, i < COUNT_LIMITS ? names[i] : limit);
		json_add_int(out, c->value[i]);
	}
	add_gets(c, out);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule as the function that it is, with a session of two hours. */
#ifndef TESTS_UNIT_SCHEDULE_FIXTURE_H
#define TESTS_UNIT_SCHEDULE_FIXTURE_H

#include "daemon/mint/schedule.h"
#include "tests/unit/check.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static struct limits limits;

static inline struct schedule_rules rules_of(enum renewal renewal)
{
	limits_default(&limits);
	return (struct schedule_rules){
		.limits = &limits,
		.renewal = renewal,
		.renew_when_idle = true,
		.session_timeout_ms = 2 * HOUR,
	};
}

static inline struct schedule_now at(int64_t ms)
{
	return (struct schedule_now){ .boot_ms = ms, .real_ms = INT64_C(1800000000000) + ms };
}

static inline struct schedule_actions step(const struct schedule_rules *r, struct schedule *s,
					   struct schedule_event e, int64_t ms)
{
	struct schedule_actions out;

	schedule_step(r, s, &e, at(ms), &out);
	return out;
}

static inline struct schedule_event plain(enum schedule_event_type type)
{
	return (struct schedule_event){ .type = type };
}

#endif

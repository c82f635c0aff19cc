/* SPDX-License-Identifier: Apache-2.0 */
/* One schedule of a grant that spends a refresh token, and what happens to it. */
#ifndef TESTS_UNIT_SCHEDULE_REFRESH_H
#define TESTS_UNIT_SCHEDULE_REFRESH_H

#include "tests/unit/schedule_fixture.h"

static struct schedule_rules rules;
static struct schedule s;

static inline struct schedule_actions happens(struct schedule_event e, int64_t ms)
{
	return step(&rules, &s, e, ms);
}

static inline struct schedule_actions tick(int64_t ms)
{
	return happens(plain(SCHEDULE_TICK), ms);
}

static inline struct schedule_actions granted(int64_t generation, int64_t ms)
{
	return happens(
		(struct schedule_event){ .type = SCHEDULE_GRANTED,
					 .granted = { .generation = generation, .sent_ms = ms } },
		ms);
}

/* A token of two hours, got at 1 s. */
static inline void begin_with(struct schedule_rules r)
{
	rules = r;
	schedule_init(&s, 0);
	happens(plain(SCHEDULE_START), SECOND);
	granted(1, SECOND);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewals that wait for callers who hold the session: until they go, until their time is over, or until the token must be renewed.
 */
#include "daemon/common/hold.h"
#include "tests/unit/schedule_refresh.h"

static struct schedule_actions held(int64_t generation, int64_t until_ms, int64_t ms)
{
	return happens((struct schedule_event){ .type = SCHEDULE_HELD,
						.held = { .generation = generation,
							  .until_ms = until_ms } },
		       ms);
}

static struct schedule_actions wanted(int64_t min_left_ms, int64_t ms)
{
	return happens((struct schedule_event){ .type = SCHEDULE_WANTED,
						.wanted = { .min_left_ms = min_left_ms,
							    .not_generation = s.generation,
							    .deadline_ms = ms + 30 * SECOND } },
		       ms);
}

static void begin(void)
{
	struct schedule_rules r = rules_of(RENEW_REFRESH);

	r.renewal_ends_session = true;
	begin_with(r);
}

TEST(a_due_renewal_waits_for_the_hold_and_comes_when_it_ends)
{
	int64_t due;
	struct schedule_actions out;

	begin();
	due = s.next_attempt_ms;
	CHECK(!held(1, due + 10 * MINUTE, due - MINUTE).put_off);
	CHECK_INT(s.next_attempt_ms, due);
	out = tick(due);
	CHECK(!out.start && out.put_off);
	CHECK_INT(out.wake_ms, due + 10 * MINUTE);
	CHECK_INT(s.state, STATE_VALID);
	/* said once */
	CHECK(!wanted(2 * HOUR, due + SECOND).put_off);
	CHECK(!tick(due + 10 * MINUTE - 1).start);
	CHECK(tick(due + 10 * MINUTE).start);
}

TEST(the_last_one_who_goes_lets_it_begin_at_once)
{
	int64_t due;

	begin();
	due = s.next_attempt_ms;
	held(1, due + 30 * MINUTE, due - MINUTE);
	tick(due);
	CHECK(!held(1, due + 20 * MINUTE, due + MINUTE).start);
	CHECK_INT(s.next_attempt_ms, due + 20 * MINUTE);
	CHECK(held(1, 0, due + 2 * MINUTE).start);
	granted(2, due + 2 * MINUTE);
	CHECK_INT(s.state, STATE_VALID);
	CHECK(!s.put_off);
}

TEST(a_hold_that_ends_before_the_renewal_is_due_moves_nothing)
{
	int64_t due;

	begin();
	due = s.next_attempt_ms;
	held(1, due + HOUR, MINUTE);
	CHECK(!held(1, 0, 2 * MINUTE).start);
	CHECK_INT(s.next_attempt_ms, due);
}

TEST(no_hold_goes_beyond_the_hard_deadline)
{
	int64_t limit;

	begin();
	limit = hold_limit_ms(&limits, s.deadline_ms, s.life_ms);
	CHECK_INT(limit, s.deadline_ms - 5 * MINUTE);
	held(1, s.deadline_ms + HOUR, MINUTE);
	tick(s.next_attempt_ms);
	CHECK_INT(s.next_attempt_ms, limit);
	CHECK(!tick(limit - 1).start);
	CHECK(tick(limit).start);
}

TEST(a_short_life_keeps_a_tenth_for_its_renewal)
{
	limits_default(&limits);
	CHECK_INT(hold_limit_ms(&limits, MINUTE, MINUTE), MINUTE * 9 / 10);
	CHECK_INT(hold_limit_ms(&limits, HOUR, 10 * MINUTE), HOUR - 5 * MINUTE);
}

TEST(a_caller_who_wants_more_life_waits_too)
{
	begin();
	held(1, HOUR, MINUTE);
	CHECK(!wanted(2 * HOUR, 2 * MINUTE).start);
	CHECK_INT(s.next_attempt_ms, HOUR);
	CHECK(tick(HOUR).start);
}

TEST(an_administrator_does_not_wait)
{
	begin();
	held(1, HOUR, MINUTE);
	CHECK(happens(plain(SCHEDULE_REFRESH), 2 * MINUTE).start);
	begin();
	held(1, HOUR, MINUTE);
	CHECK(happens((struct schedule_event){ .type = SCHEDULE_SUPPLIED, .supplied.fresh = true },
		      2 * MINUTE)
		      .start);
}

TEST(a_hold_of_another_generation_holds_nothing)
{
	int64_t due;

	begin();
	due = s.next_attempt_ms;
	held(7, due + HOUR, MINUTE);
	CHECK(tick(due).start);
}

TEST(where_a_renewal_ends_no_session_it_does_not_wait)
{
	int64_t due;

	begin();
	rules.renewal_ends_session = false;
	due = s.next_attempt_ms;
	held(1, due + HOUR, MINUTE);
	CHECK(tick(due).start);
}

TEST(a_hold_that_is_known_before_the_token_counts_from_the_first_moment)
{
	begin();
	schedule_init(&s, 0);
	held(5, HOUR, MINUTE);
	/* overdue, and without a spread */
	CHECK(!happens((struct schedule_event){ .type = SCHEDULE_TAKEN_OVER,
						.taken_over = { .generation = 5,
								.issued_ms = MINUTE - 2 * HOUR,
								.life_ms = 2 * HOUR + 20 * MINUTE,
								.deadline_ms = 21 * MINUTE } },
		       MINUTE)
		       .start);
	CHECK_INT(s.next_attempt_ms, 16 * MINUTE);
	CHECK(held(5, 0, 2 * MINUTE).start);
}

TEST(who_is_revoked_has_nothing_put_off)
{
	begin();
	held(1, HOUR + 50 * MINUTE, MINUTE);
	tick(s.next_attempt_ms);
	CHECK(s.put_off);
	happens(plain(SCHEDULE_REVOKED), HOUR + 30 * MINUTE);
	CHECK(!held(1, 0, HOUR + 31 * MINUTE).start);
	CHECK_INT(s.state, STATE_EMPTY);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule of grants that spend a refresh token: a lost answer, idle ones, and what administrators do.
 */
#include "tests/unit/schedule_refresh.h"

#define DAY (INT64_C(24) * HOUR)

static struct schedule_actions fails(enum problem_class class, bool unknown, int64_t ms)
{
	struct problem p = { .class = class,
			     .outcome = unknown ? HTTP_UNKNOWN : HTTP_ANSWERED,
			     .spend_unknown = unknown };

	return happens((struct schedule_event){ .type = SCHEDULE_FAILED, .failed = &p }, ms);
}

static struct schedule_actions wanted(int64_t ms)
{
	return happens((struct schedule_event){ .type = SCHEDULE_WANTED,
						.wanted = { .min_left_ms = MINUTE,
							    .deadline_ms = ms + 30 * SECOND } },
		       ms);
}

static void begin(void)
{
	begin_with(rules_of(RENEW_REFRESH));
}

/* ... and the answer to its renewal is lost. Returns when. */
static int64_t lose(void)
{
	struct schedule_actions out;
	int64_t now;

	begin();
	now = s.next_attempt_ms;
	out = tick(now);
	CHECK(out.start);
	out = fails(PROBLEM_RETRY, true, now + SECOND);
	CHECK(out.take_problem && !out.start);
	return now + SECOND;
}

TEST(renewals_of_refresh_grants_leave_between_61_and_66_percent_of_the_life)
{
	begin();
	CHECK(s.next_attempt_ms - SECOND >= 2 * HOUR * 61 / 100);
	CHECK(s.next_attempt_ms - SECOND <= 2 * HOUR * 66 / 100);
}

TEST(after_a_lost_answer_nothing_is_sent_while_the_old_token_lives)
{
	int64_t now = lose();

	CHECK_INT(s.state, STATE_BACKOFF);
	CHECK(s.unknown);
	CHECK_INT(s.next_attempt_ms, s.deadline_ms);
	CHECK(schedule_usable(&rules, &s, now));
	CHECK(!wanted(now + 10 * SECOND).start);
	CHECK(!happens(plain(SCHEDULE_REFRESH), now + MINUTE).start);
	CHECK(!tick(s.deadline_ms - 1).start);
	CHECK(tick(s.deadline_ms).start);
}

TEST(a_replay_that_succeeds_ends_the_doubt)
{
	lose();
	tick(s.deadline_ms);
	granted(2, s.deadline_ms);
	CHECK(!s.unknown);
	CHECK_INT(s.state, STATE_VALID);
}

TEST(a_replay_that_is_refused_is_the_last)
{
	int64_t now;

	lose();
	now = s.deadline_ms;
	tick(now);
	fails(PROBLEM_LOGIN, false, now + SECOND);
	CHECK_INT(s.state, STATE_LOGIN_REQUIRED);
	CHECK(!s.unknown);
	CHECK_INT(s.next_attempt_ms, 0);
	for (int64_t later = now; later < now + DAY; later += 10 * MINUTE)
		CHECK(!wanted(later).start && !tick(later + MINUTE).start);
}

TEST(when_the_answer_to_the_replay_is_lost_too_the_tries_go_on_slowly)
{
	int64_t now;

	lose();
	now = s.deadline_ms;
	tick(now);
	fails(PROBLEM_RETRY, true, now);
	CHECK_INT(s.replays, 1);
	CHECK(s.next_attempt_ms >= now + limits.permanent_retry_ms);
	now = s.next_attempt_ms;
	CHECK(tick(now).start);
	fails(PROBLEM_RETRY, true, now);
	CHECK_INT(s.replays, 2);
}

TEST(a_token_that_is_confirmed_dead_is_nothing_to_lose)
{
	struct schedule_event claim = { .type = SCHEDULE_REPORTED,
					.reported = { .generation = 1, .deadline_ms = 10 * HOUR } };
	struct schedule_event dead = { .type = SCHEDULE_CHECKED,
				       .checked = { .generation = 1, .liveness = TOKEN_DEAD } };
	int64_t now = lose();

	CHECK(happens(claim, now + SECOND).check);
	CHECK(happens(dead, now + 2 * SECOND).start);
}

TEST(a_new_refresh_token_ends_the_doubt_and_is_tried_at_once)
{
	struct schedule_event fresh = { .type = SCHEDULE_SUPPLIED, .supplied.fresh = true };
	int64_t now = lose();

	CHECK(happens(fresh, now + SECOND).start);
	CHECK(!s.unknown);
	CHECK(schedule_usable(&rules, &s, now + SECOND)); /* the old token is served meanwhile */
}

TEST(a_doubt_that_is_taken_over_from_the_store_counts)
{
	struct schedule_event kept = { .type = SCHEDULE_TAKEN_OVER,
				       .taken_over = { .generation = 4,
						       .issued_ms = SECOND,
						       .life_ms = 2 * HOUR,
						       .deadline_ms = SECOND + 2 * HOUR,
						       .source = EXPIRY_CONFIGURED } };

	begin();
	schedule_init(&s, 4);
	s.unknown = true;
	happens(kept, 90 * MINUTE);
	CHECK_INT(s.state, STATE_BACKOFF);
	CHECK_INT(s.next_attempt_ms, SECOND + 2 * HOUR);
}

/* salesforce-oauth.md 5.6: 30 days without use end a refresh token; architecture.md 7: at least every 14 days */
TEST(an_idle_refresh_token_is_spent_every_fourteen_days)
{
	int64_t now = SECOND, last = SECOND;
	unsigned spends = 0;

	begin();
	rules.idle_stop_ms = 7 * DAY;
	while (now < 100 * DAY) {
		struct schedule_actions out = tick(now);

		if (out.start) {
			if (now > 7 * DAY + 2 * HOUR) {
				CHECK(now - last <= 14 * DAY);
				spends++;
			}
			last = now;
			out = granted(++s.generation, now);
		}
		CHECK(out.wake_ms > now);
		now = out.wake_ms;
	}
	CHECK(spends >= 6 && spends <= 8);
}

TEST(the_first_caller_after_an_idle_time_starts_renewing_again)
{
	begin();
	rules.idle_stop_ms = 7 * DAY;
	for (int64_t now = SECOND; now < 8 * DAY;) {
		struct schedule_actions out = tick(now);

		if (out.start)
			out = granted(++s.generation, now);
		now = out.wake_ms;
	}
	CHECK(s.idle);
	CHECK(wanted(9 * DAY).start);
	granted(++s.generation, 9 * DAY);
	CHECK_INT(s.next_attempt_ms, s.normal_ms);
	CHECK(tick(s.next_attempt_ms).start);
}

TEST(assertion_grants_have_no_refresh_token_to_keep_alive)
{
	begin();
	rules.renewal = RENEW_ITSELF;
	rules.idle_stop_ms = HOUR;
	s.spent = false;
	schedule_init(&s, 0);
	happens(plain(SCHEDULE_START), SECOND);
	granted(1, SECOND);
	CHECK_INT(tick(s.next_attempt_ms).wake_ms, 0);
}

TEST(permanent_errors_of_refresh_grants_are_never_tried_again_by_themselves)
{
	static const enum problem_class classes[] = { PROBLEM_LOGIN, PROBLEM_ADMIN, PROBLEM_BUG };

	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
		begin();
		tick(s.next_attempt_ms);
		fails(classes[i], false, 80 * MINUTE);
		CHECK_INT(s.next_attempt_ms, 0);
		CHECK(schedule_usable(&rules, &s, 90 * MINUTE));
		for (int64_t now = 2 * HOUR; now < DAY; now += MINUTE)
			CHECK(!wanted(now).start);
		CHECK(happens(plain(SCHEDULE_REFRESH), DAY + MINUTE).start);
	}
}

TEST(what_was_revoked_is_not_got_again_before_somebody_asks)
{
	begin();
	happens(plain(SCHEDULE_REVOKED), MINUTE);
	CHECK_INT(s.state, STATE_EMPTY);
	CHECK(!schedule_usable(&rules, &s, MINUTE));
	CHECK_INT(tick(DAY).wake_ms, SECOND + 14 * DAY); /* the refresh token stays alive */
	CHECK(wanted(DAY + MINUTE).start);
}

TEST(a_supply_mends_what_was_suspended_without_haste)
{
	struct schedule_event supply = { .type = SCHEDULE_SUPPLIED };

	begin();
	tick(s.next_attempt_ms);
	fails(PROBLEM_ADMIN, false, 80 * MINUTE);
	CHECK_INT(s.state, STATE_SUSPENDED);
	happens(supply, 81 * MINUTE);
	CHECK(s.in_flight || s.next_attempt_ms > 0);
	CHECK(s.trouble == TROUBLE_NONE);
}

TEST(a_clock_that_was_wrong_only_ever_shortens_a_life)
{
	begin();
	int64_t deadline = s.deadline_ms;

	happens((struct schedule_event){ .type = SCHEDULE_CLOCK,
					 .clock.deadline_ms = deadline + HOUR },
		MINUTE);
	CHECK_INT(s.deadline_ms, deadline);
	happens((struct schedule_event){ .type = SCHEDULE_CLOCK, .clock.deadline_ms = 30 * MINUTE },
		MINUTE);
	CHECK_INT(s.deadline_ms, 30 * MINUTE);
	CHECK(s.next_attempt_ms < 30 * MINUTE);
	happens((struct schedule_event){ .type = SCHEDULE_CLOCK, .clock.deadline_ms = -DAY },
		MINUTE);
	CHECK(!schedule_usable(&rules, &s, MINUTE));
	CHECK(s.in_flight || s.next_attempt_ms > 0);
}

CHECK_MAIN()

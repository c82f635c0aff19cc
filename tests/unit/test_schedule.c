/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule as a function: its tables, its numbers, and what must hold whatever happens in which order.
 */
#include <stdlib.h>

#include "tests/unit/schedule_fixture.h"

static struct schedule_event granted(int64_t generation, int64_t sent_ms, bool same)
{
	return (struct schedule_event){
		.type = SCHEDULE_GRANTED,
		.granted = { .generation = generation, .sent_ms = sent_ms, .same = same },
	};
}

/* --- the table of legal changes --- */

TEST(changes_of_state_are_those_that_are_written_down)
{
	CHECK(schedule_legal(STATE_EMPTY, STATE_MINTING));
	CHECK(schedule_legal(STATE_VALID, STATE_RENEWING));
	CHECK(schedule_legal(STATE_RENEWING, STATE_MINTING));
	CHECK(schedule_legal(STATE_SUSPENDED, STATE_VALID));
	CHECK(!schedule_legal(STATE_EMPTY, STATE_RENEWING));
	CHECK(schedule_legal(STATE_BACKOFF, STATE_VALID)); /* a login */
	CHECK(!schedule_legal(STATE_EMPTY, STATE_BACKOFF));
	CHECK(!schedule_legal(STATE_SUSPENDED, STATE_MINTING));
	CHECK(!schedule_legal(STATE_DISABLED, STATE_MINTING));
	for (int to = STATE_EMPTY; to <= STATE_DISABLED; to++)
		CHECK(!schedule_legal((enum state)to, (enum state)to));
	for (int from = STATE_EMPTY; from < STATE_DISABLED; from++)
		CHECK(schedule_legal((enum state)from, STATE_DISABLED));
}

/* --- numbers --- */

TEST(doubling_neither_overflows_nor_passes_its_end)
{
	CHECK_INT(schedule_doubled_ms(1000, 300000, 0), 1000);
	CHECK_INT(schedule_doubled_ms(1000, 300000, 3), 8000);
	CHECK_INT(schedule_doubled_ms(1000, 300000, 9), 300000);
	CHECK_INT(schedule_doubled_ms(1000, 300000, UINT32_MAX), 300000);
	CHECK_INT(schedule_doubled_ms(5000, 1000, 0), 1000);
}

TEST(back_off_is_full_jitter_between_its_ends)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);

	CHECK_INT(schedule_backoff_ms(r.limits, 5, 0, 0), 1000);
	CHECK(schedule_backoff_ms(r.limits, 5, 0, UINT32_MAX) > 31000);
	CHECK(schedule_backoff_ms(r.limits, 5, 0, UINT32_MAX) <= 32000);
	CHECK(schedule_backoff_ms(r.limits, 1000, 0, UINT32_MAX) <= 300000);
}

/* reliability.md T09: never before min(value, an hour), always at most 61 minutes */
TEST(retry_after_is_a_floor_and_is_clamped)
{
	static const int64_t wishes[] = { 1000, 120000, 3600000, 3600001, INT64_C(382018601000) };
	struct schedule_rules r = rules_of(RENEW_ITSELF);

	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
		int64_t floor = wishes[i] < 3600000 ? wishes[i] : 3600000;

		CHECK(schedule_backoff_ms(r.limits, 1, wishes[i], 0) >= floor);
		CHECK(schedule_backoff_ms(r.limits, 1, wishes[i], UINT32_MAX) <= 3660000);
	}
}

TEST(renewal_requests_leave_between_45_and_50_percent_of_any_life)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	static const int64_t lives[] = { 20 * SECOND, 60 * SECOND, 15 * MINUTE, 2 * HOUR,
					 24 * HOUR };

	for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
		for (uint64_t random = 0; random <= UINT32_MAX; random += UINT32_MAX / 16) {
			struct schedule s = { .issued_ms = 1000000,
					      .life_ms = lives[i],
					      .deadline_ms = 1000000 + lives[i] };
			double part;

			schedule_renewal_point(&r, &s, (uint32_t)random);
			part = (double)(s.normal_ms - s.issued_ms) / (double)s.life_ms;
			CHECK(part >= 0.4499 && part <= 0.5001);
		}
	}
}

TEST(the_renewal_point_keeps_its_distances)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s = { .issued_ms = 0, .life_ms = 4 * SECOND, .deadline_ms = 4 * SECOND };

	schedule_renewal_point(&r, &s, 0);
	CHECK_INT(s.normal_ms, 5 * SECOND);
	r.renew_at_percent = 95;
	s = (struct schedule){ .issued_ms = 0, .life_ms = 10 * MINUTE, .deadline_ms = 10 * MINUTE };
	schedule_renewal_point(&r, &s, 0);
	CHECK_INT(s.normal_ms, 5 * MINUTE);
	s = (struct schedule){ .issued_ms = 0,
			       .life_ms = 10 * MINUTE - 1,
			       .deadline_ms = 10 * MINUTE - 1 };
	schedule_renewal_point(&r, &s, 0);
	CHECK(s.normal_ms > 9 * MINUTE);
	r.renew_at_percent = 0;
	r.renewal = RENEW_REFRESH;
	s = (struct schedule){ .issued_ms = 0, .life_ms = 2 * HOUR, .deadline_ms = 2 * HOUR };
	schedule_renewal_point(&r, &s, 0);
	CHECK_INT(s.normal_ms, 2 * HOUR * 66 / 100);
}

TEST(absurd_lives_are_bounded)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s = { 0 };
	struct schedule_event e = granted(1, 1000, false);

	e.granted.expires_in_ms = INT64_C(1) << 50;
	schedule_believe(&r, &s, &e, at(1000));
	CHECK_INT(s.life_ms, 24 * HOUR);
	e.granted.expires_in_ms = 0;
	e.granted.jwt_exp_s = 1; /* long ago */
	schedule_believe(&r, &s, &e, at(1000));
	CHECK_INT(s.source, EXPIRY_CONFIGURED);
	CHECK_INT(s.life_ms, 2 * HOUR);
}

/* --- the budget --- */

TEST(the_budget_is_so_many_an_hour_or_so_many_a_life_whichever_is_more)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s = { 0 };

	for (int i = 0; i < 30; i++) {
		CHECK_INT(schedule_budget_ms(&r, &s, 1000000 + i), 1000000 + i);
		schedule_budget_take(&s, 1000000 + i);
	}
	CHECK_INT(schedule_budget_ms(&r, &s, 1000100), 1000000 + HOUR);
	/* eight in a life of a minute are more than thirty in an hour */
	s.life_ms = MINUTE;
	CHECK_INT(schedule_budget_ms(&r, &s, 1000100), 1000022 + MINUTE);
	CHECK_INT(s.attempts, 30);
}

TEST(large_budgets_are_spread_and_never_passed)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s = { 0 };
	int64_t now = 1000000, end = now + HOUR;
	unsigned sent = 0;

	limits.max_requests_per_hour = 640;
	limits.max_requests_per_life = 1;
	while (now < end && sent < 2000) {
		int64_t open = schedule_budget_ms(&r, &s, now);

		if (open > now) {
			now = open;
			continue;
		}
		schedule_budget_take(&s, now);
		sent++;
	}
	CHECK(sent > 600 && sent <= 640);
}

/* --- single steps --- */

TEST(start_spread_keeps_its_bounds)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s;
	struct schedule_event e = plain(SCHEDULE_START);
	struct schedule_actions out;

	r.start_spread_ms = MINUTE;
	e.random = UINT32_MAX;
	schedule_init(&s, 0);
	out = step(&r, &s, e, 1000);
	CHECK(!out.start);
	CHECK(out.wake_ms > 1000 + 59 * SECOND && out.wake_ms <= 1000 + MINUTE);
	schedule_init(&s, 0);
	e.random = 0;
	out = step(&r, &s, e, 1000);
	CHECK(out.start);
	CHECK_INT(s.state, STATE_MINTING);
}

TEST(an_overdue_token_that_is_taken_over_is_renewed_within_half_of_what_is_left)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s;
	struct schedule_event e = {
		.type = SCHEDULE_TAKEN_OVER,
		.random = UINT32_MAX,
		.taken_over = { .generation = 7,
				.issued_ms = 0,
				.life_ms = 100 * SECOND,
				.deadline_ms = 100 * SECOND },
	};
	struct schedule_actions out;

	r.start_spread_ms = MINUTE;
	schedule_init(&s, 0);
	out = step(&r, &s, e, 80 * SECOND);
	CHECK_INT(s.state, STATE_VALID);
	CHECK(out.wake_ms > 89 * SECOND && out.wake_ms <= 90 * SECOND);
}

TEST(an_answer_that_comes_after_a_cancel_is_not_heard)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s;
	struct schedule_actions out;

	schedule_init(&s, 0);
	step(&r, &s, plain(SCHEDULE_START), 1000);
	out = step(&r, &s, plain(SCHEDULE_DISABLE), 2000);
	CHECK(out.cancel);
	step(&r, &s, granted(9, 1000, false), 3000);
	CHECK(!s.has_token);
	CHECK_INT(s.state, STATE_DISABLED);
}

TEST(refresh_grants_spend_nothing_on_a_claim_that_nobody_can_decide)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule s;
	struct schedule_actions out;
	struct schedule_event claim = { .type = SCHEDULE_REPORTED,
					.reported = { .generation = 5, .deadline_ms = 100000 } };
	struct schedule_event unsure = { .type = SCHEDULE_CHECKED,
					 .checked = { .generation = 5, .liveness = TOKEN_UNSURE } };

	r.renewal = RENEW_REFRESH;
	schedule_init(&s, 0);
	step(&r, &s, plain(SCHEDULE_START), 1000);
	step(&r, &s, granted(5, 1000, false), 1000);
	out = step(&r, &s, claim, 2000);
	CHECK(out.check);
	out = step(&r, &s, unsure, 2500);
	CHECK(!out.start && !out.introspect);
	CHECK(s.verdict && !s.verdict_alive && s.reported);
}

/* The front asks by the same rule; the mint does not rely on it. */
TEST(in_a_back_off_only_the_first_demand_after_five_quiet_seconds_moves_the_attempt)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct problem p = { .class = PROBLEM_RETRY };
	struct schedule_event failed = { .type = SCHEDULE_FAILED, .failed = &p };
	struct schedule_event wanted = { .type = SCHEDULE_WANTED };
	struct schedule s;

	limits.backoff_first_ms = limits.backoff_max_ms = MINUTE;
	schedule_init(&s, 0);
	step(&r, &s, plain(SCHEDULE_START), 1000);
	step(&r, &s, failed, 1000);
	wanted.wanted.deadline_ms = 2000;
	CHECK(step(&r, &s, wanted, 2000).start);
	step(&r, &s, failed, 2000);
	wanted.wanted.deadline_ms = 90 * SECOND; /* can wait for the next one */
	CHECK(!step(&r, &s, wanted, 2500).start);
	wanted.wanted.deadline_ms = 10 * SECOND;
	CHECK(!step(&r, &s, wanted, 7000).start); /* 4.5 s after the last demand */
	CHECK(!step(&r, &s, wanted, 11999).start);
	CHECK(step(&r, &s, wanted, 17000).start);
}

/* Seed 200016 of the simulated year: SessionTimeout= was made shorter by a reload, and a life learned before stayed longer than that. */
TEST(nothing_longer_is_learned_than_is_configured)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule_event e = granted(1, 1000, false);
	struct schedule s = { .learned_ms = HOUR };

	schedule_believe(&r, &s, &e, at(1000));
	CHECK_INT(s.life_ms, HOUR);
	CHECK_INT(s.source, EXPIRY_LEARNED);
	r.session_timeout_ms = 30 * MINUTE;
	schedule_believe(&r, &s, &e, at(1000));
	CHECK_INT(s.life_ms, 30 * MINUTE);
	CHECK_INT(s.source, EXPIRY_CONFIGURED);
}

/* Seed 200058 of the simulated year: the refresh token was sent again although an administrator had to act first, because somebody set the clock. */
TEST(a_clock_that_is_set_moves_no_plan_that_is_not_there)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule_event set = { .type = SCHEDULE_CLOCK, .clock.deadline_ms = HOUR };
	struct schedule s = { .state = STATE_SUSPENDED,
			      .has_token = true,
			      .unknown = true,
			      .permanent = true,
			      .generation = 1,
			      .life_ms = 2 * HOUR,
			      .issued_ms = 1000,
			      .deadline_ms = 2 * HOUR };

	r.renewal = RENEW_REFRESH;
	CHECK(!step(&r, &s, set, 3 * HOUR).start);
	CHECK_INT(s.next_attempt_ms, 0);
	CHECK_INT(s.deadline_ms, HOUR);
	s.state = STATE_BACKOFF;
	s.permanent = false;
	s.deadline_ms = s.next_attempt_ms = 3 * HOUR + MINUTE;
	CHECK(step(&r, &s, set, 3 * HOUR).start);
}

/* Seeds 100013 and 100048 of the simulated year: the breaker refused it as one that nobody waits for, and service came back minutes after the host. */
TEST(a_planned_attempt_that_somebody_waits_for_is_demanded)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct problem p = { .class = PROBLEM_RETRY };
	struct schedule_event failed = { .type = SCHEDULE_FAILED, .failed = &p };
	struct schedule_event wanted = { .type = SCHEDULE_WANTED };
	struct schedule_event tick = { .type = SCHEDULE_TICK };
	struct schedule s;

	limits.backoff_first_ms = limits.backoff_max_ms = MINUTE;
	schedule_init(&s, 0);
	step(&r, &s, plain(SCHEDULE_START), 1000);
	CHECK(!s.demanded);
	step(&r, &s, failed, 1000);
	wanted.wanted.deadline_ms = 90 * SECOND;
	CHECK(!step(&r, &s, wanted, 50 * SECOND).start);
	CHECK(step(&r, &s, tick, 61 * SECOND).start && s.demanded);
	step(&r, &s, failed, 61 * SECOND);
	/* by then they have gone */
	CHECK(step(&r, &s, tick, 121 * SECOND).start && !s.demanded);
}

TEST(demand_passes_neither_the_budget_nor_retry_after)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct problem p = { .class = PROBLEM_RATE, .retry_after_ms = MINUTE };
	struct schedule_event failed = { .type = SCHEDULE_FAILED, .failed = &p };
	struct schedule_event wanted = { .type = SCHEDULE_WANTED };
	struct schedule s;

	schedule_init(&s, 0);
	step(&r, &s, plain(SCHEDULE_START), 1000);
	step(&r, &s, failed, 1000);
	CHECK(!step(&r, &s, wanted, 20 * SECOND).start);
	CHECK(!step(&r, &s, plain(SCHEDULE_REFRESH), 30 * SECOND).start);
	limits.max_requests_per_hour = limits.max_requests_per_life = 1;
	CHECK(!step(&r, &s, plain(SCHEDULE_REFRESH), 2 * MINUTE).start);
	CHECK(s.next_attempt_ms >= 1000 + HOUR);
}

/* Each token is dead at once, and somebody reports it all the time: what that makes in an hour. */
static void storm(int64_t expires_in_ms)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct schedule_event claim = { .type = SCHEDULE_REPORTED };
	struct schedule_event dead = { .type = SCHEDULE_CHECKED, .checked.liveness = TOKEN_DEAD };
	struct schedule_event given = granted(1, 1000, false);
	struct schedule_actions out;
	unsigned checks = 0, logins = 1;
	int64_t now = 1000, half_ms = 0;
	struct schedule s;

	given.granted.expires_in_ms = expires_in_ms;
	schedule_init(&s, 0);
	step(&r, &s, plain(SCHEDULE_START), now);
	step(&r, &s, given, now);
	for (; now < HOUR; now += 100) {
		claim.reported.generation = dead.checked.generation = s.generation;
		claim.reported.deadline_ms = now + 30 * SECOND;
		out = step(&r, &s, claim, now);
		if (out.check) {
			checks++;
			out = step(&r, &s, dead, now);
		}
		if (!out.start)
			continue;
		if (++logins == 15)
			half_ms = now;
		given.granted.generation++;
		given.granted.sent_ms = now;
		step(&r, &s, given, now);
	}
	CHECK_INT(checks, 30);
	CHECK_INT(logins, 30);
	/* most of it is left for others for a while */
	CHECK(half_ms >= 10 * MINUTE);
}

TEST(deaths_one_after_the_other_make_no_more_than_the_budget_and_not_at_once)
{
	storm(0);
	storm(2 * HOUR);
}

/* --- a month with a server that answers: what it costs and that nobody goes without --- */

struct month {
	unsigned posts, empty;
};

static struct month run_month(bool same_again, int64_t life_ms)
{
	struct schedule_rules r = rules_of(RENEW_ITSELF);
	struct month m = { 0 };
	struct schedule s;
	struct schedule_actions out;
	int64_t now = 1000000, end = now + INT64_C(30) * 24 * HOUR, dies = 0, generation = 0;

	r.session_timeout_ms = life_ms;
	schedule_init(&s, 0);
	out = step(&r, &s, plain(SCHEDULE_START), now);
	while (now < end && m.posts < 100000) {
		if (out.start) {
			bool same = same_again && now < dies;

			m.posts++;
			if (!same)
				dies = now + life_ms;
			out = step(&r, &s, granted(same ? 0 : ++generation, now, same), now + 200);
			continue;
		}
		if (!out.wake_ms)
			break;
		now = out.wake_ms;
		m.empty += !schedule_usable(&r, &s, now);
		out = step(&r, &s, plain(SCHEDULE_TICK), now);
	}
	return m;
}

/* reliability.md T14: at most 900 requests a month and credential */
TEST(a_month_of_two_hour_sessions_costs_at_most_900_requests)
{
	struct month m = run_month(false, 2 * HOUR);

	CHECK(m.posts >= 600 && m.posts <= 900);
	CHECK_INT(m.empty, 0);
}

TEST(a_month_with_the_same_token_again_leaves_nobody_without)
{
	struct month m = run_month(true, 2 * HOUR);

	CHECK_INT(m.empty, 0);
	CHECK(m.posts <= 360 * 8);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* What a login does to the schedule, and tokens that nothing but a login can renew. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/schedule_fixture.h"

static struct schedule_event logged_in(int64_t generation, int64_t sent_ms, bool same)
{
	return (struct schedule_event){
		.type = SCHEDULE_LOGGED_IN,
		.granted = { .generation = generation, .sent_ms = sent_ms, .same = same },
	};
}

/* A schedule in that state, for a grant that spends a refresh token. */
static struct schedule in_state(enum state state)
{
	struct schedule s;

	schedule_init(&s, 1);
	s.state = state;
	s.has_token = state != STATE_EMPTY && state != STATE_MINTING;
	s.issued_ms = 1000;
	s.life_ms = HOUR;
	s.deadline_ms = 1000 + HOUR;
	s.in_flight = state == STATE_MINTING || state == STATE_RENEWING;
	s.n_requests = 1;
	s.unknown = s.permanent = true;
	s.replays = s.failures = 3;
	s.trouble = TROUBLE_PROBLEM;
	s.not_before_ms = 100 * HOUR;
	return s;
}

TEST(a_login_is_valid_in_every_state)
{
	for (int state = STATE_EMPTY; state <= STATE_SUSPENDED; state++) {
		struct schedule_rules r = rules_of(RENEW_REFRESH);
		struct schedule s = in_state((enum state)state);
		bool flew = s.in_flight;
		struct schedule_actions out = step(&r, &s, logged_in(7, MINUTE, false), MINUTE);

		check_row(state_names[state]);
		CHECK_INT(s.state, STATE_VALID);
		CHECK_INT(s.generation, 7);
		CHECK_INT(s.deadline_ms, MINUTE + 2 * HOUR);
		CHECK(!s.unknown && !s.permanent && !s.replays && !s.failures && !s.not_before_ms);
		CHECK_INT(s.trouble, TROUBLE_NONE);
		CHECK(!s.in_flight && s.spent);
		CHECK_INT(s.spent_ms, MINUTE);
		CHECK_INT(out.cancel, flew);
		CHECK(!out.start);
		CHECK(out.changed);
		/* what was cancelled before it left has cost nothing */
		CHECK_INT(s.n_requests, !flew);
		CHECK(s.next_attempt_ms > MINUTE && s.next_attempt_ms < s.deadline_ms);
		CHECK_INT(out.wake_ms, s.next_attempt_ms);
	}
	check_row(NULL);
}

TEST(while_disabled_a_login_is_taken_and_not_served)
{
	struct schedule_rules r = rules_of(RENEW_REFRESH);
	struct schedule s = in_state(STATE_DISABLED);
	struct schedule_actions out = step(&r, &s, logged_in(7, MINUTE, false), MINUTE);

	CHECK_INT(s.state, STATE_DISABLED);
	CHECK_INT(s.generation, 7);
	CHECK(!schedule_usable(&r, &s, MINUTE));
	CHECK_INT(s.next_attempt_ms, 0);
	CHECK_INT(out.wake_ms, 0);
	out = step(&r, &s, plain(SCHEDULE_ENABLE), 2 * MINUTE);
	CHECK_INT(s.state, STATE_VALID);
	CHECK(schedule_usable(&r, &s, 2 * MINUTE));
	CHECK(!out.start);
}

/* No request leaves for a credential that is disabled, not even to learn from an older token. */
TEST(while_disabled_no_older_token_is_asked_about)
{
	struct schedule_rules r = rules_of(RENEW_REFRESH);
	struct schedule s = in_state(STATE_VALID);
	struct schedule_actions out;

	s.learned_ms = 30 * MINUTE;
	s.learned_death_ms = 40 * MINUTE;
	step(&r, &s, plain(SCHEDULE_DISABLE), MINUTE);
	out = step(&r, &s, logged_in(7, MINUTE, false), MINUTE);
	CHECK(!out.keep_elder && !s.elder);
	CHECK_INT(out.wake_ms, 0);
	out = step(&r, &s, plain(SCHEDULE_TICK), HOUR);
	CHECK(!out.ask_elder);
}

TEST(the_same_token_goes_on_unless_its_end_had_come)
{
	struct schedule_rules r = rules_of(RENEW_REFRESH);
	struct schedule s = in_state(STATE_BACKOFF);

	step(&r, &s, logged_in(7, MINUTE, true), MINUTE);
	CHECK_INT(s.generation, 1);
	CHECK(s.unchanged && !s.unknown);
	CHECK_INT(s.deadline_ms, 1000 + HOUR);
	s = in_state(STATE_LOGIN_REQUIRED);
	step(&r, &s, logged_in(7, 2 * HOUR, true), 2 * HOUR);
	CHECK_INT(s.generation, 7);
	CHECK(!s.unchanged);
	CHECK_INT(s.deadline_ms, 4 * HOUR);
	s = in_state(STATE_LOGIN_REQUIRED);
	s.dead = true;
	step(&r, &s, logged_in(7, MINUTE, true), MINUTE);
	CHECK_INT(s.generation, 7);
	CHECK(!s.dead);
}

/* --- a person --- */

TEST(without_a_login_there_is_nothing_to_begin)
{
	static const enum schedule_event_type events[] = { SCHEDULE_START, SCHEDULE_REFRESH,
							   SCHEDULE_SUPPLIED, SCHEDULE_WANTED,
							   SCHEDULE_REVOKED };

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		struct schedule_rules r = rules_of(RENEW_PERSON);
		struct schedule_actions out;
		struct schedule s;

		schedule_init(&s, 0);
		out = step(&r, &s, plain(events[i]), MINUTE);
		CHECK_INT(s.state, STATE_LOGIN_REQUIRED);
		CHECK_INT(s.trouble, TROUBLE_LOGIN);
		CHECK(s.permanent && !out.start && !s.in_flight && out.changed);
		CHECK_INT(out.wake_ms, 0);
		for (size_t n = 0; n < sizeof events / sizeof events[0]; n++) {
			out = step(&r, &s, plain(events[n]), 2 * MINUTE);
			CHECK_INT(s.state, STATE_LOGIN_REQUIRED);
			CHECK_INT(s.trouble, TROUBLE_LOGIN);
			CHECK(!out.start && !s.in_flight && !s.next_attempt_ms);
		}
	}
}

TEST(the_end_is_announced_and_comes)
{
	struct schedule_rules r = rules_of(RENEW_PERSON);
	struct schedule_actions out;
	struct schedule s;

	schedule_init(&s, 0);
	step(&r, &s, plain(SCHEDULE_START), 0);
	out = step(&r, &s, logged_in(7, MINUTE, false), MINUTE);
	CHECK_INT(s.state, STATE_VALID);
	CHECK_INT(s.trouble, TROUBLE_NONE);
	CHECK_INT(s.next_attempt_ms, 0);
	CHECK_INT(s.normal_ms, 0);
	CHECK_INT(out.wake_ms, MINUTE + 2 * HOUR - 15 * MINUTE);
	CHECK(!out.ending);
	/* an administrator cannot renew it either, and nothing is wrong yet */
	out = step(&r, &s, plain(SCHEDULE_REFRESH), HOUR);
	CHECK(!out.start && s.trouble == TROUBLE_NONE);
	out = step(&r, &s, plain(SCHEDULE_TICK), MINUTE + 2 * HOUR - 15 * MINUTE);
	CHECK(out.ending && out.changed);
	CHECK_INT(s.state, STATE_VALID);
	CHECK_INT(s.trouble, TROUBLE_LOGIN);
	CHECK(schedule_usable(&r, &s, 2 * HOUR));
	CHECK_INT(out.wake_ms, MINUTE + 2 * HOUR);
	out = step(&r, &s, plain(SCHEDULE_TICK), 2 * HOUR);
	CHECK(!out.ending);
	out = step(&r, &s, plain(SCHEDULE_TICK), MINUTE + 2 * HOUR);
	CHECK_INT(s.state, STATE_LOGIN_REQUIRED);
	CHECK(!schedule_usable(&r, &s, MINUTE + 2 * HOUR));
	CHECK_INT(out.wake_ms, 0);
	out = step(&r, &s, logged_in(8, 3 * HOUR, false), 3 * HOUR);
	CHECK_INT(s.state, STATE_VALID);
	CHECK_INT(s.trouble, TROUBLE_NONE);
	CHECK(!s.permanent && !s.ending);
}

TEST(of_a_short_life_the_last_quarter_is_announced)
{
	struct schedule_rules r = rules_of(RENEW_PERSON);
	struct schedule_event e = logged_in(7, 0, false);
	struct schedule_actions out;
	struct schedule s;

	schedule_init(&s, 0);
	e.granted.expires_in_ms = 20 * MINUTE;
	out = step(&r, &s, e, 1000);
	CHECK_INT(out.wake_ms, 15 * MINUTE);
}

TEST(a_caller_who_needs_more_than_is_left_hears_it_at_once)
{
	struct schedule_rules r = rules_of(RENEW_PERSON);
	struct schedule_event want = { .type = SCHEDULE_WANTED,
				       .wanted = { .min_left_ms = HOUR, .not_generation = 7 } };
	struct schedule_actions out;
	struct schedule s;

	schedule_init(&s, 0);
	step(&r, &s, logged_in(7, 0, false), 0);
	out = step(&r, &s, want, 30 * MINUTE);
	CHECK_INT(s.trouble, TROUBLE_NONE);
	out = step(&r, &s, want, 90 * MINUTE);
	CHECK_INT(s.trouble, TROUBLE_LOGIN);
	CHECK(out.changed && !out.start && !s.in_flight);
	CHECK_INT(s.state, STATE_VALID);
}

TEST(a_confirmed_death_needs_a_person)
{
	struct schedule_rules r = rules_of(RENEW_PERSON);
	struct schedule_event report = { .type = SCHEDULE_REPORTED,
					 .reported = { .generation = 7 } };
	struct schedule_event dead = { .type = SCHEDULE_CHECKED,
				       .checked = { .generation = 7, .liveness = TOKEN_DEAD } };
	struct schedule_actions out;
	struct schedule s;

	schedule_init(&s, 0);
	step(&r, &s, logged_in(7, 0, false), 0);
	out = step(&r, &s, report, MINUTE);
	CHECK(out.check);
	out = step(&r, &s, dead, MINUTE);
	CHECK(out.confirmed_dead && !out.start);
	CHECK_INT(s.state, STATE_LOGIN_REQUIRED);
	CHECK_INT(s.trouble, TROUBLE_LOGIN);
}

/* Any event with what belongs to it, as it may come to a schedule without an attempt. */
static struct schedule_event any_event(const struct schedule *s, uint32_t random, int64_t now)
{
	static const enum schedule_event_type types[] = {
		SCHEDULE_START,   SCHEDULE_TICK,     SCHEDULE_INTROSPECTED, SCHEDULE_CHECKED,
		SCHEDULE_ELDER,   SCHEDULE_WANTED,   SCHEDULE_USED,         SCHEDULE_REPORTED,
		SCHEDULE_REFRESH, SCHEDULE_SUPPLIED, SCHEDULE_TAKEN_OVER,   SCHEDULE_REVOKED,
		SCHEDULE_CLOCK,   SCHEDULE_ENABLE,   SCHEDULE_DISABLE,      SCHEDULE_LOGGED_IN,
	};
	struct schedule_event e = plain(types[(random >> 16) % (sizeof types / sizeof types[0])]);

	if (e.type == SCHEDULE_LOGGED_IN)
		e = logged_in(s->generation + 1, now, random & 1 && s->has_token);
	if (e.type == SCHEDULE_REPORTED)
		e.reported.generation = s->generation;
	if (e.type == SCHEDULE_CHECKED) {
		e.checked.generation = s->generation;
		e.checked.liveness = (enum liveness)(random % 3);
	}
	if (e.type == SCHEDULE_TAKEN_OVER) {
		e.taken_over.generation = s->generation + 1;
		e.taken_over.issued_ms = now;
		e.taken_over.life_ms = HOUR;
		e.taken_over.deadline_ms = now + HOUR;
	}
	e.random = random;
	return e;
}

static bool is_fine(const struct schedule *s, const struct schedule_actions *out, int64_t now)
{
	bool held = s->has_token && !s->dead && now < s->deadline_ms;

	return !out->start && !s->in_flight && !s->next_attempt_ms &&
	       (s->state == STATE_DISABLED ||
		s->state == (held ? STATE_VALID : STATE_LOGIN_REQUIRED) ||
		(held && s->state == STATE_LOGIN_REQUIRED));
}

/* Whatever happens in which order: no attempt, no plan; without a token login_required. */
TEST(nothing_ever_begins_an_attempt)
{
	struct schedule_rules r = rules_of(RENEW_PERSON);
	uint32_t random = 7;
	struct schedule s;
	int64_t now = 0;

	schedule_init(&s, 0);
	for (uint32_t i = 0; i < 200000; i++) {
		struct schedule_actions out;

		random = random * 1664525 + 1013904223 + i;
		now += (random >> 8) % (10 * MINUTE);
		out = step(&r, &s, any_event(&s, random, now), now);
		REQUIRE(is_fine(&s, &out, now));
	}
	CHECK(now > INT64_C(1000) * HOUR);
}

CHECK_MAIN()

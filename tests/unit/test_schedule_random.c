/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule under whatever may happen in whatever order: 600,000 random events, and what must hold after each.
 */
#include <stdlib.h>

#include "daemon/common/hold.h"
#include "tests/unit/schedule_fixture.h"

static uint64_t dice_state;

static uint32_t dice(uint32_t sides)
{
	dice_state = dice_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(dice_state >> 33) % sides;
}

/* What is outside of the schedule: requests under way, and what has been sent when. */
struct world {
	struct schedule_rules rules;
	struct schedule s;
	struct problem problem;
	int64_t now, wake;
	bool attempt, check, introspect, elder;
	int64_t attempt_sent, generation, dead_generation;
	int64_t sent[4096];
	unsigned n_sent;
};

static bool budget_holds(const struct world *w)
{
	int64_t last = w->sent[w->n_sent - 1];
	unsigned in_hour = 0, in_life = 0;
	/* by the life that is believed now, or the session before there is one */
	int64_t life = w->s.life_ms ? w->s.life_ms : w->rules.session_timeout_ms;

	for (unsigned i = 0; i < w->n_sent; i++) {
		in_hour += w->sent[i] > last - HOUR;
		in_life += w->sent[i] > last - life;
	}
	return in_hour <= (unsigned)limits.max_requests_per_hour ||
	       in_life <= (unsigned)limits.max_requests_per_life;
}

/* Who holds the session is not disturbed before the hard deadline, but by an administrator. */
static bool holds_are_kept(const struct world *w, enum schedule_event_type by)
{
	const struct schedule *s = &w->s;
	int64_t limit = hold_limit_ms(&limits, s->deadline_ms, s->life_ms);

	return !w->rules.renewal_ends_session || !s->has_token || s->dead ||
	       s->held_generation != s->generation || by == SCHEDULE_REFRESH ||
	       by == SCHEDULE_SUPPLIED || w->now >= limit || w->now >= s->held_until_ms;
}

static void note_actions(struct world *w, const struct schedule_actions *out,
			 enum schedule_event_type by)
{
	if (out->cancel)
		w->attempt = w->check = w->introspect = w->elder = false;
	if (out->drop_checks)
		w->check = w->introspect = false;
	if (out->drop_elder)
		w->elder = false;
	if (out->start) {
		CHECK(!w->attempt); /* single flight */
		w->attempt = true;
		w->attempt_sent = w->now;
		w->sent[w->n_sent++ % 4096] = w->now;
		if (w->n_sent <= 4096)
			CHECK(budget_holds(w));
		CHECK(w->now >= w->s.not_before_ms);
		CHECK(holds_are_kept(w, by));
		/* what may end the present token is not sent while it lives */
		CHECK(!w->s.unknown || !w->s.has_token || w->s.dead || w->now >= w->s.deadline_ms);
	}
	w->check |= out->check;
	w->introspect |= out->introspect;
	w->elder |= out->ask_elder;
	if (out->confirmed_dead)
		w->dead_generation = w->s.generation;
	w->wake = out->wake_ms;
}

/* One event may change the state twice: enabled, and renewed at once. Each change by itself is asserted in schedule.c. */
static bool reachable(enum state from, enum state to)
{
	for (int by = STATE_EMPTY; by <= STATE_DISABLED; by++)
		if (schedule_legal(from, (enum state)by) && schedule_legal((enum state)by, to))
			return true;
	return from == to || schedule_legal(from, to);
}

static void hold_plans(const struct world *w)
{
	const struct schedule *s = &w->s;
	bool people = s->permanent && w->rules.renewal == RENEW_REFRESH;
	bool left_alone = !w->rules.renew_when_idle || w->rules.idle_stop_ms;

	CHECK(!w->wake || w->wake > w->now); /* no wake-up in the past */
	CHECK(!s->in_flight || s->next_attempt_ms == 0);
	if (s->state == STATE_BACKOFF)
		CHECK(s->next_attempt_ms > w->now && s->trouble != TROUBLE_NONE);
	/* something is planned, unless only people can help or a token without users was left alone */
	if (s->state != STATE_DISABLED && s->state != STATE_EMPTY && !s->in_flight)
		CHECK(s->next_attempt_ms > 0 || left_alone || people);
}

static void hold_invariants(const struct world *w, enum state before)
{
	const struct schedule *s = &w->s;
	bool usable = schedule_usable(&w->rules, s, w->now);

	CHECK(reachable(before, s->state));
	CHECK(s->in_flight == w->attempt);
	if (s->state == STATE_MINTING || s->state == STATE_RENEWING)
		CHECK(s->in_flight);
	if (s->state == STATE_DISABLED)
		CHECK(!s->in_flight && !w->wake && !usable);
	if (usable)
		CHECK(s->generation != w->dead_generation); /* never a dead token */
	if (s->state == STATE_VALID)
		CHECK(s->has_token && !s->dead);
	hold_plans(w);
}

static struct schedule_event random_answer(struct world *w)
{
	static const enum problem_class classes[] = { PROBLEM_RETRY, PROBLEM_RATE,  PROBLEM_CLOCK,
						      PROBLEM_LOGIN, PROBLEM_ADMIN, PROBLEM_BUG };
	struct schedule_event e = { .type = SCHEDULE_GRANTED };

	w->attempt = false;
	if (dice(3) == 0) {
		w->problem = (struct problem){
			.class = classes[dice(dice(4) ? 2 : 6)],
			.retry_after_ms = dice(4) ? 0 : dice(100) * SECOND,
			.skew_ms = dice(2) ? (int64_t)dice(1000) * SECOND : 0,
			.spend_unknown = w->rules.renewal == RENEW_REFRESH && dice(3) == 0
		};
		e.type = SCHEDULE_FAILED;
		e.failed = &w->problem;
		return e;
	}
	e.granted.same = w->s.has_token && dice(3) == 0;
	e.granted.generation = e.granted.same ? 0 : ++w->generation;
	e.granted.sent_ms = w->attempt_sent;
	e.granted.expires_in_ms = dice(4) ? 0 : (1 + dice(7200)) * SECOND;
	return e;
}

static struct schedule_event random_check(struct world *w)
{
	struct schedule_event e = { .type = SCHEDULE_CHECKED,
				    .checked = { .generation = w->s.generation,
						 .liveness = (enum liveness)dice(3) } };

	w->check = false;
	return e;
}

static struct schedule_event random_introspection(struct world *w)
{
	struct schedule_event e = {
		.type = SCHEDULE_INTROSPECTED,
		.introspected = { .generation = w->s.generation,
				  .active = (int)dice(3) - 1,
				  .sent_ms = w->now,
				  .exp_s = (at(w->now).real_ms / 1000) + dice(7200) },
	};

	w->introspect = false;
	return e;
}

static struct schedule_event random_elder(struct world *w)
{
	w->elder = false;
	return (struct schedule_event){ .type = SCHEDULE_ELDER, .elder = (enum liveness)dice(3) };
}

static struct schedule_event random_administrator(const struct world *w)
{
	switch (dice(8)) {
	case 0:
		return (struct schedule_event){
			.type = SCHEDULE_SUPPLIED,
			.supplied.fresh = w->rules.renewal == RENEW_REFRESH && dice(2)
		};
	case 1:
		return plain(SCHEDULE_REVOKED);
	case 2:
		return (struct schedule_event){ .type = SCHEDULE_CLOCK,
						.clock.deadline_ms = w->now + dice(7200) * SECOND };
	default:
		return plain(SCHEDULE_ENABLE);
	}
}

static struct schedule_event random_hold(const struct world *w)
{
	return (struct schedule_event){
		.type = SCHEDULE_HELD,
		.held = { .generation = w->s.generation - !dice(10),
			  .until_ms = dice(3) ? w->now + dice(7200) * SECOND : 0 },
	};
}

static struct schedule_event random_caller(const struct world *w)
{
	struct schedule_event e = { .type = SCHEDULE_WANTED };

	switch (dice(8)) {
	case 0:
	case 1:
		e.type = SCHEDULE_REPORTED;
		e.reported.generation = w->s.generation - dice(2);
		e.reported.deadline_ms = dice(2) ? 0 : w->now + dice(300) * SECOND;
		break;
	case 2:
		e.type = SCHEDULE_USED;
		break;
	case 3:
		e.type = dice(10) ? SCHEDULE_TICK : SCHEDULE_DISABLE;
		break;
	case 4:
		e = dice(2) ? random_administrator(w) : random_hold(w);
		break;
	case 5:
		e.type = dice(4) ? SCHEDULE_WANTED : SCHEDULE_REFRESH;
		break;
	default:
		break;
	}
	if (e.type == SCHEDULE_WANTED) {
		e.wanted.min_left_ms = dice(2) ? 0 : dice(7200) * SECOND;
		e.wanted.deadline_ms = w->now + dice(60) * SECOND;
	}
	return e;
}

/* Time goes to the wake-up, or a little, and then something happens. */
static struct schedule_event next_event(struct world *w)
{
	int64_t step_ms = 1 + dice(dice(3) ? 2000 : 100000);

	if (w->wake && w->now + step_ms >= w->wake) {
		w->now = w->wake;
		return plain(SCHEDULE_TICK);
	}
	w->now += step_ms;
	if (w->attempt && dice(2))
		return random_answer(w);
	if (w->check && dice(2))
		return random_check(w);
	if (w->introspect && dice(2))
		return random_introspection(w);
	if (w->elder && dice(2))
		return random_elder(w);
	return random_caller(w);
}

static void run_random(uint64_t seed, unsigned steps)
{
	struct world w = { .rules = rules_of(RENEW_ITSELF), .now = 1000000 };
	struct schedule_event e = plain(SCHEDULE_START);

	dice_state = seed;
	w.rules.introspect = dice(2);
	w.rules.renew_when_idle = dice(4) > 0;
	w.rules.idle_stop_ms = dice(4) ? 0 : (1 + dice(7200)) * SECOND;
	w.rules.renewal = dice(2) ? RENEW_ITSELF : RENEW_REFRESH;
	w.rules.renewal_ends_session = dice(2);
	w.rules.start_spread_ms = dice(2) * MINUTE;
	w.rules.session_timeout_ms = (30 + dice(7200)) * SECOND;
	schedule_init(&w.s, 0);
	for (unsigned i = 0; i < steps; i++) {
		enum state before = w.s.state;
		struct schedule_actions out;

		e.random = dice(UINT32_MAX);
		schedule_step(&w.rules, &w.s, &e, at(w.now), &out);
		if (e.type == SCHEDULE_SUPPLIED && out.cancel)
			w.n_sent--; /* what the new refresh token replaces had not left yet */
		note_actions(&w, &out, e.type);
		hold_invariants(&w, before);
		if (check_run.failures > 5) {
			printf("# seed %llu, step %u, event %d\n", (unsigned long long)seed, i,
			       (int)e.type);
			return;
		}
		e = next_event(&w);
	}
}

TEST(nothing_that_may_happen_breaks_what_must_hold)
{
	for (uint64_t seed = 1; seed <= 400 && check_run.failures <= 5; seed++)
		run_random(seed, 1500);
}

CHECK_MAIN()

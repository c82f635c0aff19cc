/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/schedule_parts.h"

#include <assert.h>
#include <string.h>

#define TO(state) (1u << (state))

/* every state: to EMPTY when the token is revoked */
static const unsigned legal[] = {
	[STATE_EMPTY] = TO(STATE_MINTING) | TO(STATE_VALID) | TO(STATE_LOGIN_REQUIRED) |
			TO(STATE_DISABLED),
	[STATE_MINTING] = TO(STATE_EMPTY) | TO(STATE_VALID) | TO(STATE_BACKOFF) |
			  TO(STATE_LOGIN_REQUIRED) | TO(STATE_SUSPENDED) | TO(STATE_DISABLED),
	[STATE_VALID] = TO(STATE_EMPTY) | TO(STATE_RENEWING) | TO(STATE_MINTING) |
			TO(STATE_BACKOFF) | TO(STATE_LOGIN_REQUIRED) | TO(STATE_DISABLED),
	[STATE_RENEWING] = TO(STATE_EMPTY) | TO(STATE_VALID) | TO(STATE_MINTING) |
			   TO(STATE_BACKOFF) | TO(STATE_LOGIN_REQUIRED) | TO(STATE_SUSPENDED) |
			   TO(STATE_DISABLED),
	[STATE_BACKOFF] = TO(STATE_EMPTY) | TO(STATE_MINTING) | TO(STATE_RENEWING) |
			  TO(STATE_VALID) | TO(STATE_DISABLED),
	/* a probe leaves the state alone until it has a result */
	[STATE_LOGIN_REQUIRED] = TO(STATE_EMPTY) | TO(STATE_VALID) | TO(STATE_BACKOFF) |
				 TO(STATE_SUSPENDED) | TO(STATE_DISABLED),
	[STATE_SUSPENDED] = TO(STATE_EMPTY) | TO(STATE_VALID) | TO(STATE_BACKOFF) |
			    TO(STATE_LOGIN_REQUIRED) | TO(STATE_DISABLED),
	[STATE_DISABLED] = TO(STATE_EMPTY) | TO(STATE_VALID),
};

enum { N_STATES = STATE_DISABLED + 1 };

bool schedule_legal(enum state from, enum state to)
{
	return legal[from] & TO(to);
}

/* The one function that changes the state. */
void step_set_state(struct step *x, enum state to)
{
	if (x->s->state == to)
		return;
	assert(schedule_legal(x->s->state, to));
	x->s->state = to;
	x->out->changed = true;
}

bool step_held(const struct schedule *s)
{
	return s->has_token && !s->dead;
}

bool schedule_usable(const struct schedule_rules *rules, const struct schedule *s, int64_t now_ms)
{
	if (!step_held(s) || s->state == STATE_DISABLED)
		return false;
	return now_ms < s->deadline_ms ||
	       (s->unchanged && now_ms - s->vouched_ms < rules->limits->assumed_after_vouch_ms);
}

void step_plan(struct step *x, int64_t at_ms)
{
	/* what lies in the past is due now; before the boot it would look like no plan at all */
	if (at_ms < x->now.boot_ms)
		at_ms = x->now.boot_ms;
	if (at_ms < x->s->not_before_ms)
		at_ms = x->s->not_before_ms;
	x->s->next_attempt_ms = step_by_person(x) ? 0 : at_ms;
	x->s->brought_forward = false;
	x->out->changed = true;
}

/* What the state becomes when an attempt begins. A probe of a suspended credential changes nothing until it has a result. */
static void enter_attempt(struct step *x)
{
	struct schedule *s = x->s;
	/* what was held when the credential was enabled again is too old to speak of renewing */
	bool first = s->state == STATE_EMPTY || s->state == STATE_MINTING;

	if (s->state != STATE_SUSPENDED && s->state != STATE_LOGIN_REQUIRED)
		step_set_state(x, step_held(s) && !first ? STATE_RENEWING : STATE_MINTING);
}

/*
 * The answer of a spend is lost. If the server has replaced the refresh token, sending the old one again ends every session of the grant, the present token's too; if it has not, a
 * repeat loses nothing by coming late. So nothing is sent before that token has come to its end (reliability.md 11.1.4).
 */
static bool wait_for_end(struct step *x)
{
	struct schedule *s = x->s;

	if (!s->unknown || !step_held(s) || x->now.boot_ms >= s->deadline_ms)
		return false;
	if (s->state == STATE_VALID)
		step_set_state(x, STATE_BACKOFF);
	if (s->trouble == TROUBLE_NONE || s->state == STATE_BACKOFF)
		s->trouble = TROUBLE_UNKNOWN;
	if (s->next_attempt_ms != s->deadline_ms)
		step_plan(x, s->deadline_ms);
	return true;
}

/* Begins an attempt if Retry-After and the budget let it; else it is planned for the moment when they do. */
bool step_start_attempt(struct step *x, bool demanded)
{
	struct schedule *s = x->s;
	int64_t at = schedule_budget_ms(x->rules, s, x->now.boot_ms);

	if (step_by_person(x) || wait_for_end(x) || step_wait_for_holders(x))
		return false;
	if (at < s->not_before_ms)
		at = s->not_before_ms;
	if (at > x->now.boot_ms) {
		if (s->trouble == TROUBLE_NONE)
			s->trouble = TROUBLE_BUDGET;
		if (s->next_attempt_ms <= x->now.boot_ms || at < s->next_attempt_ms)
			step_plan(x, at);
		return false;
	}
	schedule_budget_take(s, x->now.boot_ms);
	s->in_flight = true;
	s->put_off = false;
	s->demanded = demanded;
	s->next_attempt_ms = 0;
	x->out->start = true;
	x->out->changed = true;
	enter_attempt(x);
	return true;
}

static void introspected(struct step *x)
{
	struct schedule *s = x->s;

	if (!step_held(s) || x->e->introspected.generation != s->generation)
		return;
	if (x->e->introspected.active == 1) {
		schedule_vouch(s, x->now.boot_ms);
		if (schedule_correct(x->rules, s, x->e, x->now)) {
			schedule_renewal_point(x->rules, s, x->e->random);
			x->out->changed = true;
			if (s->state == STATE_VALID)
				step_plan(x, s->unchanged ? schedule_next_try(x->rules, s,
									      x->now.boot_ms)
							  : s->normal_ms);
		}
	}
	if (s->check != CHECK_INTROSPECTION)
		return;
	if (x->e->introspected.active == 1)
		step_settle_claim(x, true);
	else
		step_check_by_grant(x);
}

/* --- demand --- */

static bool is_miss(const struct step *x)
{
	const struct schedule *s = x->s;
	int64_t want = x->e->wanted.min_left_ms;

	if (!step_held(s))
		return true;
	if (x->e->wanted.not_generation < s->generation && x->now.boot_ms < s->deadline_ms)
		return false; /* a newer one is on its way to the front, which will judge it */
	if (s->unchanged && schedule_usable(x->rules, s, x->now.boot_ms))
		return false; /* the server has no better one */
	return s->deadline_ms - x->now.boot_ms < (want > 1 ? want : 1);
}

/*
 * Whether this demand may move the planned attempt to now. A plan that is no back-off (the start-up spread, an ordinary renewal) gives way at once; a back-off once, after a while in which
 * nobody asked, and only if the caller cannot wait for it anyway.
 */
static bool may_bring_forward(const struct step *x)
{
	const struct schedule *s = x->s;
	bool quiet = !s->last_demand_ms ||
		     x->now.boot_ms - s->last_demand_ms >= x->rules->limits->demand_gap_ms;

	if (s->state == STATE_EMPTY)
		return true;
	/* callers may not spend all of the budget on an outage: the back-off has to see its end */
	if (s->state == STATE_BACKOFF || s->unchanged)
		return quiet && !s->brought_forward &&
		       s->next_attempt_ms > x->e->wanted.deadline_ms &&
		       !schedule_budget_half_spent(x->rules, s, x->now.boot_ms);
	return quiet;
}

/* A caller is there, with or without success. */
static void step_use(struct step *x)
{
	x->out->changed = true;
	x->s->last_use_ms = x->s->idle_from_ms = x->now.boot_ms;
}

static void wanted(struct step *x)
{
	struct schedule *s = x->s;
	bool forward;

	step_use(x);
	if (!is_miss(x))
		return;
	if (step_by_person(x)) {
		step_login_needed(x);
		return;
	}
	if (x->e->wanted.deadline_ms > s->wanted_until_ms)
		s->wanted_until_ms = x->e->wanted.deadline_ms;
	forward = may_bring_forward(x);
	/* the front repeats a wish that is not met: only in a back-off does each count, or the repetitions would put it off for ever */
	if (forward || s->state == STATE_BACKOFF)
		s->last_demand_ms = x->now.boot_ms;
	if (s->in_flight) {
		x->out->demand = !s->demanded;
		s->demanded = true;
		return;
	}
	if (!forward)
		return;
	if (!step_start_attempt(x, true))
		s->brought_forward = true;
}

static void used(struct step *x)
{
	struct schedule *s = x->s;

	s->last_use_ms = s->idle_from_ms = x->now.boot_ms;
	/* what nobody had asked for was not going to be renewed */
	if (s->state == STATE_VALID && s->idle) {
		s->idle = false;
		step_plan(x, s->normal_ms);
	}
}

static void refresh(struct step *x)
{
	if (!x->s->in_flight) {
		step_start_attempt(x, true);
		return;
	}
	x->out->demand = !x->s->demanded;
	x->s->demanded = true;
}

/* --- beginning, ending --- */

static void start(struct step *x)
{
	x->s->idle_from_ms = x->now.boot_ms;
	step_plan(x, x->now.boot_ms + (int64_t)((double)x->rules->start_spread_ms *
						((double)x->e->random / 4294967296.0)));
}

static void take_over(struct step *x)
{
	struct schedule *s = x->s;

	s->has_token = true;
	if (!s->idle_from_ms)
		s->idle_from_ms = x->now.boot_ms;
	s->generation = x->e->taken_over.generation;
	s->issued_ms = x->e->taken_over.issued_ms;
	s->life_ms = x->e->taken_over.life_ms;
	s->deadline_ms = x->e->taken_over.deadline_ms;
	s->vouched_ms = x->e->taken_over.vouched_ms;
	s->source = x->e->taken_over.source;
	s->unchanged = x->e->taken_over.unchanged;
	schedule_renewal_point(x->rules, s, x->e->random);
	step_set_state(x, STATE_VALID);
	x->out->changed = true;
	if (wait_for_end(x))
		return;
	if (s->normal_ms > x->now.boot_ms) {
		step_plan(x, s->normal_ms);
	} else if (s->unchanged) {
		step_plan(x, schedule_next_try(x->rules, s, x->now.boot_ms));
	} else {
		/* overdue: soon, but not all in one moment, and not later than half of what is left */
		int64_t left = (s->deadline_ms - x->now.boot_ms) / 2;
		int64_t spread = left < x->rules->start_spread_ms ? left
								  : x->rules->start_spread_ms;

		step_plan(x, x->now.boot_ms +
				     (spread > 0 ? (int64_t)((double)spread *
							     ((double)x->e->random / 4294967296.0))
						 : 0));
	}
}

static void enable(struct step *x)
{
	struct schedule *s = x->s;

	s->brought_forward = false;
	s->idle_from_ms = x->now.boot_ms;
	if (step_held(s) && x->now.boot_ms < s->deadline_ms) {
		step_set_state(x, STATE_VALID);
		if (!wait_for_end(x))
			step_plan(x, s->normal_ms);
	} else {
		step_set_state(x, STATE_EMPTY);
		step_plan(x, x->now.boot_ms);
	}
}

/* The attempt in flight would spend the old refresh token, and has not yet. */
static void drop_attempt(struct step *x, bool good)
{
	struct schedule *s = x->s;

	if (!s->in_flight)
		return;
	x->out->cancel = true;
	s->in_flight = s->demanded = false;
	schedule_budget_return(s);
	if (s->state == STATE_RENEWING || s->state == STATE_MINTING)
		step_set_state(x, good && s->state == STATE_RENEWING ? STATE_VALID : STATE_EMPTY);
}

/* What an attempt lacked is there. A good token makes no hurry; a new refresh token is tried at once, or a mistake in it would come to light hours later. */
static void supplied(struct step *x)
{
	struct schedule *s = x->s;
	bool good = step_held(s) && x->now.boot_ms < s->deadline_ms;

	if (x->e->supplied.fresh) {
		s->unknown = s->spent = false;
		s->replays = 0;
		drop_attempt(x, good);
	}
	s->failures = 0; /* but what the server said of Retry-After holds */
	s->permanent = false;
	s->trouble = TROUBLE_NONE;
	s->idle_from_ms = x->now.boot_ms;
	x->out->changed = true;
	if (s->in_flight)
		return;
	if (s->state == STATE_SUSPENDED || s->state == STATE_LOGIN_REQUIRED)
		step_set_state(x, good ? STATE_VALID : STATE_EMPTY);
	if (good && !x->e->supplied.fresh && s->state != STATE_BACKOFF) {
		if (!wait_for_end(x))
			step_plan(x, s->normal_ms);
		return;
	}
	step_start_attempt(x, true);
}

/* Salesforce forgets a refresh token that was not used for 30 days (salesforce-oauth.md 5.6): when it has to be spent although nobody asks; 0: never. */
static int64_t keep_alive_ms(const struct step *x)
{
	return x->s->spent ? x->s->spent_ms + x->rules->limits->keep_alive_ms : 0;
}

static void forget_token(struct step *x)
{
	struct schedule *s = x->s;

	step_forget_claims(x);
	step_drop_elder(x);
	x->out->drop_checks = true;
	s->has_token = s->dead = s->unchanged = s->put_off = false;
	s->deadline_ms = s->normal_ms = s->vouched_ms = 0;
}

static void revoked(struct step *x)
{
	struct schedule *s = x->s;

	x->out->cancel = s->in_flight;
	s->in_flight = s->demanded = false;
	forget_token(x);
	/* the refresh token, if it stays, must not die of age */
	s->next_attempt_ms = s->state == STATE_DISABLED ? 0 : keep_alive_ms(x);
	s->trouble = TROUBLE_NONE;
	s->permanent = s->unknown = false;
	s->replays = 0;
	s->failures = 0;
	x->out->changed = true;
	if (s->state != STATE_DISABLED)
		step_set_state(x, STATE_EMPTY);
}

/* The deadline of a token that another boot has left was computed from the wall clock, which was wrong. Only an earlier end is believed: a clock that was set back gives nobody more time. */
static void clock_was_set(struct step *x)
{
	struct schedule *s = x->s;

	if (!step_held(s) || x->e->clock.deadline_ms >= s->deadline_ms)
		return;
	s->deadline_ms = x->e->clock.deadline_ms;
	schedule_renewal_point(x->rules, s, x->e->random);
	x->out->changed = true;
	/* a plan is moved; what waits for a person has none */
	if (s->next_attempt_ms && (s->state == STATE_VALID || s->unknown))
		step_plan(x, s->unknown ? s->deadline_ms : s->normal_ms);
}

static void disable(struct step *x)
{
	struct schedule *s = x->s;
	bool claimed = s->claim || s->check != CHECK_IDLE;

	x->out->cancel = true;
	step_forget_claims(x);
	if (claimed)
		step_settle_claim(x, false);
	step_drop_elder(x);
	x->out->drop_checks = false;
	s->in_flight = s->demanded = false;
	s->next_attempt_ms = 0;
	s->trouble = TROUBLE_NONE;
	s->permanent = false;
	s->failures = 0;
	step_set_state(x, STATE_DISABLED);
}

/* Does nothing by itself: what is due is done after every event. */
static void look(struct step *x)
{
	(void)x;
}

static void nothing(struct step *x)
{
	(void)x;
}

/*
 * A claim that is not checked now is answered all the same: the front waits for it, and sends no
 * other one of this generation.
 */
static void report_in_vain(struct step *x)
{
	x->out->changed = true;
	if (step_held(x->s) && x->e->reported.generation == x->s->generation)
		step_settle_claim(x, false);
}

/* Nothing to say but what is known: every Want is answered. */
static void say(struct step *x)
{
	x->out->changed = true;
}

typedef void cell(struct step *x);

/* One row a state, one column an event. An answer that comes when no attempt runs was cancelled and is not heard. */
#define ROW(START, TICK, GRANTED, FAILED, REFUSED, INTROSPECTED, CHECKED, ELDER, WANTED, USED, \
	    REPORTED, HELD, REFRESH, TAKEN_OVER, SUPPLIED, REVOKED, CLOCK, ENABLE, DISABLE, LOGGED_IN) \
	{ \
		[SCHEDULE_START] = START, [SCHEDULE_TICK] = TICK, [SCHEDULE_GRANTED] = GRANTED, \
		[SCHEDULE_FAILED] = FAILED, [SCHEDULE_REFUSED] = REFUSED, \
		[SCHEDULE_INTROSPECTED] = INTROSPECTED, [SCHEDULE_CHECKED] = CHECKED, \
		[SCHEDULE_ELDER] = ELDER, [SCHEDULE_WANTED] = WANTED, [SCHEDULE_USED] = USED, \
		[SCHEDULE_REPORTED] = REPORTED, [SCHEDULE_HELD] = HELD, \
		[SCHEDULE_REFRESH] = REFRESH, \
		[SCHEDULE_TAKEN_OVER] = TAKEN_OVER, [SCHEDULE_SUPPLIED] = SUPPLIED, \
		[SCHEDULE_REVOKED] = REVOKED, [SCHEDULE_CLOCK] = CLOCK, \
		[SCHEDULE_ENABLE] = ENABLE, [SCHEDULE_DISABLE] = DISABLE, \
		[SCHEDULE_LOGGED_IN] = LOGGED_IN \
	}

/* clang-format off */
static cell *const table[N_STATES][SCHEDULE_EVENTS] = {
	[STATE_EMPTY] =          ROW(start,   look,    nothing,      nothing,     nothing,      nothing,      nothing,      nothing,    wanted,   used,    report_in_vain, step_hold, refresh, take_over, supplied, revoked, clock_was_set, nothing, disable, step_logged_in),
	[STATE_MINTING] =        ROW(nothing, look,    step_granted, step_failed, nothing,      nothing,      nothing,      step_elder, wanted,   used,    report_in_vain, step_hold, refresh, nothing,   supplied, revoked, clock_was_set, nothing, disable, step_logged_in),
	[STATE_VALID] =          ROW(nothing, look,    nothing,      nothing,     step_refused, introspected, step_checked, step_elder, wanted,   used,    step_report,    step_hold, refresh, nothing,   supplied, revoked, clock_was_set, nothing, disable, step_logged_in),
	[STATE_RENEWING] =       ROW(nothing, look,    step_granted, step_failed, nothing,      introspected, step_checked, step_elder, wanted,   used,    step_report,    step_hold, refresh, nothing,   supplied, revoked, clock_was_set, nothing, disable, step_logged_in),
	[STATE_BACKOFF] =        ROW(nothing, look,    nothing,      nothing,     nothing,      introspected, step_checked, step_elder, wanted,   used,    step_report,    step_hold, refresh, nothing,   supplied, revoked, clock_was_set, nothing, disable, step_logged_in),
	[STATE_LOGIN_REQUIRED] = ROW(nothing, look,    step_granted, step_failed, nothing,      introspected, step_checked, step_elder, step_use, used,    step_report,    step_hold, refresh, nothing,   supplied, revoked, clock_was_set, nothing, disable, step_logged_in),
	[STATE_SUSPENDED] =      ROW(nothing, look,    step_granted, step_failed, nothing,      introspected, step_checked, step_elder, step_use, used,    step_report,    step_hold, refresh, nothing,   supplied, revoked, clock_was_set, nothing, disable, step_logged_in),
	[STATE_DISABLED] =       ROW(nothing, nothing, nothing,      nothing,     nothing,      nothing,      nothing,      nothing,    say,      nothing, report_in_vain, step_hold, say,     nothing,   say,      revoked, nothing,       enable,  nothing, step_logged_in),
};
/* clang-format on */

/* A renewal ahead is left out for a token that nobody has asked for (RenewWhenIdle=no), or when the last caller was long ago (IdleStop=). */
static bool nobody_asks(const struct step *x)
{
	const struct schedule *s = x->s;
	int64_t stop = x->rules->idle_stop_ms;

	if (s->state != STATE_VALID)
		return false;
	return (!x->rules->renew_when_idle && s->last_use_ms < s->issued_ms) ||
	       (stop && x->now.boot_ms - s->idle_from_ms >= stop);
}

/* true: nothing is to be done now; the next time is planned. */
static bool stay_idle(struct step *x)
{
	int64_t at = keep_alive_ms(x);

	if (!nobody_asks(x) || (at && x->now.boot_ms >= at))
		return false;
	x->s->idle = true;
	x->s->next_attempt_ms = at;
	x->out->changed = true;
	return true;
}

/* A claim waits for its check. */
static bool claim_waits(const struct schedule *s)
{
	return s->claim && s->check == CHECK_IDLE && step_held(s) && s->state != STATE_DISABLED;
}

static void do_what_is_due(struct step *x)
{
	struct schedule *s = x->s;
	int64_t now = x->now.boot_ms;

	if (s->elder && !s->elder_asked && now >= s->elder_due_ms)
		s->elder_asked = x->out->ask_elder = true;
	if (claim_waits(s) && now >= s->next_check_ms)
		step_begin_check(x);
	if (step_by_person(x))
		step_person_due(x);
	if (s->in_flight || !s->next_attempt_ms || s->next_attempt_ms > now)
		return;
	/* whoever waits for what is planned has demanded it: the breaker lets one such request ask whether the host is back */
	if (!stay_idle(x))
		step_start_attempt(x, now < s->wanted_until_ms);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a && (!b || a < b) ? a : b;
}

static int64_t next_wake(const struct step *x)
{
	const struct schedule *s = x->s;
	int64_t wake = s->in_flight ? 0 : s->next_attempt_ms;

	if (claim_waits(s))
		wake = earlier(wake, s->next_check_ms);
	if (s->elder && !s->elder_asked)
		wake = earlier(wake, s->elder_due_ms);
	if (step_by_person(x))
		wake = earlier(wake, step_person_wake_ms(s));
	return wake;
}

void schedule_init(struct schedule *s, int64_t generation)
{
	memset(s, 0, sizeof *s);
	s->state = STATE_EMPTY;
	s->generation = generation;
	s->source = EXPIRY_CONFIGURED;
}

void schedule_step(const struct schedule_rules *rules, struct schedule *s,
		   const struct schedule_event *e, struct schedule_now now,
		   struct schedule_actions *out)
{
	struct step x = { .rules = rules, .s = s, .e = e, .now = now, .out = out };
	bool answer = e->type == SCHEDULE_GRANTED || e->type == SCHEDULE_FAILED;

	memset(out, 0, sizeof *out);
	if (!answer || s->in_flight)
		table[s->state][e->type](&x);
	do_what_is_due(&x);
	out->wake_ms = next_wake(&x);
}

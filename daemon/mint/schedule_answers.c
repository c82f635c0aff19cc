/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the token endpoint has said, and what is planned after it.
 */
#include "daemon/mint/schedule_parts.h"

static void forget_failures(struct schedule *s)
{
	s->failures = 0;
	s->trouble = TROUBLE_NONE;
	s->permanent = false;
	s->clock_retried = false;
	s->not_before_ms = 0;
	s->suspensions = 0;
	s->unknown = false;
	s->replays = 0;
}

static bool worth_introspecting(const struct step *x)
{
	return x->rules->introspect && x->s->source != EXPIRY_RESPONSE &&
	       x->s->source != EXPIRY_TOKEN && x->s->check != CHECK_INTROSPECTION;
}

/* While a shorter life is believed, one replaced token at a time is kept and asked about when it is old enough to tell. */
static void keep_elder(struct step *x)
{
	struct schedule *s = x->s;

	if (!s->learned_ms || !step_held(s) || s->elder || s->outlived ||
	    s->state == STATE_DISABLED)
		return;
	s->elder = x->out->keep_elder = true;
	s->elder_asked = false;
	s->elder_due_ms = s->issued_ms + s->learned_death_ms + 1000;
}

void step_elder(struct step *x)
{
	struct schedule *s = x->s;

	if (s->elder && s->learned_ms && x->e->elder == TOKEN_ALIVE)
		schedule_outlived(s);
	step_drop_elder(x);
}

static void take_new(struct step *x)
{
	struct schedule *s = x->s;

	keep_elder(x);
	step_forget_claims(x);
	x->out->drop_checks = true; /* an introspection that is under way speaks of the old token */
	forget_failures(s);
	s->has_token = true;
	s->dead = s->unchanged = s->outlived = s->ending = false;
	s->late_tries = 0;
	s->wanted_until_ms = 0;
	s->generation = x->e->granted.generation;
	s->vouched_ms = x->e->granted.sent_ms;
	schedule_believe(x->rules, s, x->e, x->now);
	schedule_renewal_point(x->rules, s, x->e->random);
}

static void granted_new(struct step *x)
{
	take_new(x);
	step_set_state(x, STATE_VALID);
	step_plan(x, x->s->normal_ms);
	x->out->introspect = worth_introspecting(x);
}

/* The token that userinfo had just refused: nothing that we do will bring another one soon. */
static void granted_dead_again(struct step *x)
{
	struct schedule *s = x->s;
	const struct limits *l = x->rules->limits;

	s->trouble = TROUBLE_SAME;
	s->permanent = true;
	step_set_state(x, STATE_SUSPENDED);
	step_plan(x, x->now.boot_ms + schedule_doubled_ms(l->suspended_retry_first_ms,
							  l->suspended_retry_max_ms,
							  s->suspensions++));
}

static void granted_same(struct step *x)
{
	struct schedule *s = x->s;

	forget_failures(s);
	s->unchanged = true;
	schedule_vouch(s, x->e->granted.sent_ms);
	if (s->check == CHECK_GRANT)
		step_settle_claim(x, true);
	step_set_state(x, STATE_VALID);
	step_plan(x, schedule_next_try(x->rules, s, x->now.boot_ms));
	x->out->introspect = worth_introspecting(x);
}

void step_granted(struct step *x)
{
	struct schedule *s = x->s;

	s->in_flight = s->demanded = s->idle = false;
	x->out->changed = true;
	if (x->rules->renewal == RENEW_REFRESH) {
		s->spent = true;
		s->spent_ms = x->e->granted.sent_ms;
	}
	if (!x->e->granted.same || !s->has_token)
		granted_new(x);
	else if (s->dead)
		granted_dead_again(x);
	else
		granted_same(x);
}

/*
 * Whatever was wrong before, the grant is another one. A token that came again is believed anew when its end had come: the server has just logged a person in with it. While the
 * credential is disabled it is taken, but not served.
 */
void step_logged_in(struct step *x)
{
	struct schedule *s = x->s;
	bool goes_on = x->e->granted.same && step_held(s) && x->now.boot_ms < s->deadline_ms;

	if (s->in_flight) { /* it would spend the old refresh token, and has not yet */
		x->out->cancel = true;
		schedule_budget_return(s);
	}
	s->in_flight = s->demanded = s->idle = false;
	s->idle_from_ms = x->now.boot_ms;
	x->out->changed = true;
	s->spent = x->rules->renewal == RENEW_REFRESH;
	s->spent_ms = s->spent ? x->e->granted.sent_ms : 0;
	if (s->state == STATE_DISABLED)
		take_new(x);
	else if (goes_on)
		granted_same(x);
	else
		granted_new(x);
}

/* What the server asked for holds for whoever asks us. */
static void heed_retry_after(struct step *x, const struct problem *p)
{
	const struct limits *l = x->rules->limits;
	/* what our own breaker says concerns scheduled requests; it judges demanded ones by itself */
	int64_t asked = p->outcome == HTTP_REFUSED ? 0 : p->retry_after_ms;
	int64_t floor = asked < l->retry_after_max_ms ? asked : l->retry_after_max_ms;

	x->s->not_before_ms = floor > 0 ? x->now.boot_ms + floor : 0;
}

static void fail_for_now(struct step *x, const struct problem *p)
{
	struct schedule *s = x->s;
	const struct limits *l = x->rules->limits;
	int64_t delay = schedule_backoff_ms(l, ++s->failures, p->retry_after_ms, x->e->random);

	/* a login rate that was passed comes back after minutes to an hour */
	if (p->class == PROBLEM_RATE && p->retry_after_ms <= 0)
		delay += schedule_doubled_ms(l->suspended_retry_first_ms, l->suspended_retry_max_ms,
					     s->failures - 1);
	heed_retry_after(x, p);
	if (s->state == STATE_SUSPENDED || s->state == STATE_LOGIN_REQUIRED) {
		step_plan(x,
			  x->now.boot_ms +
				  (delay > l->permanent_retry_ms ? delay : l->permanent_retry_ms));
		return;
	}
	s->trouble = TROUBLE_PROBLEM;
	s->permanent = false;
	x->out->take_problem = true;
	step_set_state(x, STATE_BACKOFF);
	step_plan(x, x->now.boot_ms + delay);
}

static void fail_for_good(struct step *x, const struct problem *p)
{
	struct schedule *s = x->s;

	s->failures++;
	s->trouble = TROUBLE_PROBLEM;
	s->permanent = true;
	x->out->take_problem = true;
	step_set_state(x, p->class == PROBLEM_LOGIN ? STATE_LOGIN_REQUIRED : STATE_SUSPENDED);
	if (x->rules->renewal == RENEW_ITSELF)
		step_plan(x, x->now.boot_ms + x->rules->limits->permanent_retry_ms);
	else
		s->next_attempt_ms = 0;
}

/*
 * Nobody can say whether the server has replaced the refresh token that was sent. While the present token lives, nothing is sent; then it is tried once more. If that answer is lost too,
 * the tries go on slowly: there is nothing left that a repeat could end.
 */
static void fail_unknown(struct step *x, const struct problem *p)
{
	struct schedule *s = x->s;
	const struct limits *l = x->rules->limits;
	int64_t delay = schedule_backoff_ms(l, ++s->failures, p->retry_after_ms, x->e->random);

	heed_retry_after(x, p);
	s->replays = s->unknown ? s->replays + 1 : 0;
	s->unknown = true;
	s->trouble = TROUBLE_UNKNOWN;
	s->permanent = false;
	x->out->take_problem = true;
	step_set_state(x, STATE_BACKOFF);
	if (step_held(s) && x->now.boot_ms < s->deadline_ms)
		step_plan(x, s->deadline_ms);
	else if (s->replays && delay < l->permanent_retry_ms)
		step_plan(x, x->now.boot_ms + l->permanent_retry_ms);
	else
		step_plan(x, x->now.boot_ms + delay);
}

/* Our assertion lies outside of the server's time: once again, at once, with the server's clock; after that by back-off, always with the skew that was seen last. */
static bool fail_by_clock(struct step *x, const struct problem *p)
{
	struct schedule *s = x->s;

	bool news = p->skew_ms != 0 && p->skew_ms != s->skew_ms;

	if (p->class != PROBLEM_CLOCK || !news)
		return false;
	s->skew_ms = p->skew_ms;
	if (s->clock_retried)
		return false;
	s->clock_retried = true;
	s->next_attempt_ms = 0;
	return step_start_attempt(x, true);
}

void step_failed(struct step *x)
{
	const struct problem *p = x->e->failed;
	struct schedule *s = x->s;

	s->in_flight = s->demanded = false;
	x->out->changed = true;
	/* an outage of the network must not use up what is needed when it is over */
	if (p->outcome == HTTP_UNSENT || p->outcome == HTTP_REFUSED)
		schedule_budget_return(s);
	if (fail_by_clock(x, p))
		return;
	if (s->check == CHECK_GRANT)
		step_settle_claim(x, false);
	if (p->class == PROBLEM_LOGIN) {
		s->unknown = false; /* the server has said what became of the refresh token */
		s->replays = 0;
	}
	if (p->spend_unknown)
		fail_unknown(x, p);
	else if (p->class == PROBLEM_LOGIN || p->class == PROBLEM_ADMIN || p->class == PROBLEM_BUG)
		fail_for_good(x, p);
	else
		fail_for_now(x, p);
}

/* The token that is there is served to its end, but nobody may take that for health: the same state as after the answer that said so. */
void step_refused(struct step *x)
{
	x->out->changed = true;
	fail_for_good(x, x->e->failed);
}

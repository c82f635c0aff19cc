/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: a caller says that the current token is dead. Nothing is believed before the server has been asked (architecture.md 7).
 */
#include "daemon/mint/schedule_parts.h"

void step_settle_claim(struct step *x, bool alive)
{
	struct schedule *s = x->s;

	s->check = CHECK_IDLE;
	s->claim = false;
	s->verdict = true;
	s->verdict_alive = alive;
	s->verdict_at_ms = x->now.boot_ms;
	if (alive)
		s->reported = false;
	x->out->changed = true;
}

void step_forget_claims(struct step *x)
{
	struct schedule *s = x->s;

	if (s->check == CHECK_USERINFO || s->check == CHECK_INTROSPECTION)
		x->out->drop_checks = true;
	s->check = CHECK_IDLE;
	s->claim = s->reported = s->verdict = false;
}

void step_begin_check(struct step *x)
{
	x->s->claim = false;
	x->s->check = CHECK_USERINFO;
	x->s->next_check_ms = x->now.boot_ms + x->rules->limits->check_interval_ms;
	x->out->check = true;
	x->out->changed = true;
}

void step_report(struct step *x)
{
	struct schedule *s = x->s;
	int64_t deadline = x->e->reported.deadline_ms;

	x->out->changed = true;
	if (!step_held(s) || x->e->reported.generation != s->generation)
		return;
	if (s->check != CHECK_IDLE) {
		s->reported = true;
		return;
	}
	/* within the minute: who cannot wait for the next check gets the last result, if there is one */
	if (x->now.boot_ms < s->next_check_ms && s->verdict && deadline &&
	    deadline < s->next_check_ms)
		return;
	s->reported = s->claim = true;
}

/* Userinfo and introspection could not say. An assertion grant asks the token endpoint once: the same token is alive, a different one replaces it. */
void step_check_by_grant(struct step *x)
{
	struct schedule *s = x->s;
	bool people = s->state == STATE_SUSPENDED || s->state == STATE_LOGIN_REQUIRED;

	if (x->rules->renewal != RENEW_ITSELF || (people && !s->in_flight)) {
		step_settle_claim(x, false);
		return;
	}
	s->check = CHECK_GRANT;
	if (s->in_flight) {
		s->demanded = x->out->demand = true;
		return;
	}
	if (!step_start_attempt(x, true))
		step_settle_claim(x, false);
}

void step_drop_elder(struct step *x)
{
	x->out->drop_elder = x->s->elder;
	x->s->elder = x->s->elder_asked = false;
}

static void step_confirm_dead(struct step *x)
{
	struct schedule *s = x->s;

	step_drop_elder(x);
	schedule_learn_death(x->rules, s, x->now.boot_ms);
	s->dead = true;
	s->unchanged = false;
	s->check = CHECK_IDLE;
	s->claim = s->reported = s->verdict = false;
	x->out->confirmed_dead = x->out->changed = true;
	if (s->state == STATE_SUSPENDED || s->state == STATE_LOGIN_REQUIRED)
		return;
	if (step_by_person(x)) {
		step_login_needed(x);
		return;
	}
	if (s->in_flight) {
		s->demanded = x->out->demand = true;
		step_set_state(x, STATE_MINTING);
		return;
	}
	if (step_start_attempt(x, true))
		return;
	step_set_state(x, STATE_BACKOFF);
}

void step_checked(struct step *x)
{
	struct schedule *s = x->s;

	if (s->check != CHECK_USERINFO || x->e->checked.generation != s->generation ||
	    !step_held(s))
		return;
	if (x->e->checked.liveness == TOKEN_ALIVE) {
		schedule_vouch(s, x->now.boot_ms);
		step_settle_claim(x, true);
	} else if (x->e->checked.liveness == TOKEN_DEAD) {
		step_confirm_dead(x);
	} else if (x->rules->introspect) {
		s->check = CHECK_INTROSPECTION;
		x->out->introspect = true;
	} else {
		step_check_by_grant(x);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: a caller says that the current token is dead. Nothing is believed before the server has been asked (architecture.md 7).
 */
#include "daemon/mint/schedule_parts.h"

/* After a death that the server has confirmed the next token, which may be dead as well, is checked so soon. */
enum { CHECK_AFTER_DEATH_MS = 5 * 1000 };

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

/*
 * Who cannot wait for the next check gets the last result about this token, or hears at once that there is none, and when to ask again. The check comes all the same. It takes nothing from
 * others: the front sends no second claim while somebody waits for the first.
 */
static bool answer_at_once(struct step *x)
{
	struct schedule *s = x->s;
	int64_t deadline = x->e->reported.deadline_ms;

	if (x->now.boot_ms >= s->next_check_ms || !deadline || deadline >= s->next_check_ms)
		return false;
	if (s->verdict)
		return true;
	step_settle_claim(x, false);
	s->reported = s->claim = true;
	return true;
}

void step_report(struct step *x)
{
	struct schedule *s = x->s;

	x->out->changed = true;
	if (!step_held(s) || x->e->reported.generation != s->generation)
		return;
	if (s->check != CHECK_IDLE) {
		s->reported = true;
		return;
	}
	if (!answer_at_once(x))
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

/*
 * CheckInterval= is there for claims that are wrong. This one was right, and the next token is another one: whose session is ended twice in a minute must not go without. But one death after the other
 * has a cause that checks and logins do not mend: the pause doubles up to the interval again. true: the token before this one died like it.
 */
static bool check_sooner(struct step *x)
{
	struct schedule *s = x->s;
	int64_t interval = x->rules->limits->check_interval_ms, at;

	/* a claim may have waited for as long as the interval */
	if (x->now.boot_ms - s->issued_ms >= 2 * interval)
		s->early_deaths = 0;
	at = x->now.boot_ms + schedule_doubled_ms(CHECK_AFTER_DEATH_MS, interval, s->early_deaths);
	if (at < s->next_check_ms)
		s->next_check_ms = at;
	return s->early_deaths++ > 0;
}

static void step_confirm_dead(struct step *x)
{
	struct schedule *s = x->s;

	step_drop_elder(x);
	/* what is ended again and again teaches nothing of sessions: a life of seconds would open the budget, which is so many requests a life */
	if (!check_sooner(x))
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

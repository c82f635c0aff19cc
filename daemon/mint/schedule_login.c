/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RENEW_PERSON: a token that came with a login and that nothing but another login replaces. No attempt is planned or begun; its end is announced ahead.
 */
#include "daemon/mint/schedule_parts.h"

enum { NOTICE_MS = 15 * 60 * 1000, NOTICE_SHARE = 4 };

bool step_by_person(const struct step *x)
{
	return x->rules->renewal == RENEW_PERSON;
}

static bool alive(const struct step *x)
{
	return step_held(x->s) && x->now.boot_ms < x->s->deadline_ms;
}

void step_login_needed(struct step *x)
{
	struct schedule *s = x->s;

	if (s->state == STATE_DISABLED)
		return;
	s->trouble = TROUBLE_LOGIN;
	s->permanent = true;
	s->next_attempt_ms = 0;
	x->out->changed = true;
	if (!alive(x))
		step_set_state(x, STATE_LOGIN_REQUIRED);
}

static int64_t notice_ms(const struct schedule *s)
{
	int64_t share = s->life_ms / NOTICE_SHARE;

	return s->deadline_ms - (share < NOTICE_MS ? share : NOTICE_MS);
}

void step_person_due(struct step *x)
{
	struct schedule *s = x->s;

	if (s->state == STATE_DISABLED)
		return;
	if (!alive(x)) {
		if (s->state != STATE_LOGIN_REQUIRED || s->trouble != TROUBLE_LOGIN)
			step_login_needed(x);
		return;
	}
	if (x->now.boot_ms < notice_ms(s))
		return;
	if (!s->ending)
		s->ending = x->out->ending = true;
	if (s->trouble != TROUBLE_LOGIN)
		step_login_needed(x);
}

int64_t step_person_wake_ms(const struct schedule *s)
{
	if (!step_held(s) || s->state != STATE_VALID)
		return 0;
	return s->ending ? s->deadline_ms : notice_ms(s);
}

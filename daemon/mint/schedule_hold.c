/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callers who hold the session of the present token (Broker.HoldToken). Where a renewal ends it, an open query locator or Bulk job dies with it, so the renewal waits until they have gone, or
 * until so little is left that it cannot (hold_limit_ms()).
 */
#include "daemon/common/hold.h"
#include "daemon/mint/schedule_parts.h"

/* 0: nobody holds it, or it makes no difference. */
static int64_t held_until_ms(const struct step *x)
{
	const struct schedule *s = x->s;
	int64_t limit;

	if (!x->rules->renewal_ends_session || !step_held(s) || s->held_generation != s->generation)
		return 0;
	limit = hold_limit_ms(x->rules->limits, s->deadline_ms, s->life_ms);
	if (limit > s->held_until_ms)
		limit = s->held_until_ms;
	return limit > x->now.boot_ms ? limit : 0;
}

/* An administrator who wants a new token now, or brings a new refresh token, knows what it ends. */
static bool overrides(const struct step *x)
{
	return x->e->type == SCHEDULE_REFRESH || x->e->type == SCHEDULE_SUPPLIED;
}

bool step_wait_for_holders(struct step *x)
{
	struct schedule *s = x->s;
	int64_t until = held_until_ms(x);

	if (!until || overrides(x))
		return false;
	x->out->put_off = !s->put_off;
	s->put_off = true;
	if (s->next_attempt_ms != until)
		step_plan(x, until);
	return true;
}

void step_hold(struct step *x)
{
	struct schedule *s = x->s;

	s->held_generation = x->e->held.generation;
	s->held_until_ms = x->e->held.until_ms;
	/* what was put off is due when the last one has gone */
	if (s->put_off && s->next_attempt_ms && !s->in_flight)
		step_plan(x, held_until_ms(x));
}

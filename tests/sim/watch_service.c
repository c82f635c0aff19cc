/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants 6 and 7: idle grants are kept alive, and callers do not notice what they need not notice. */
#include "tests/sim/watch_parts.h"

enum { KEEP_ALIVE_DAYS = 14, SHARE = 45, SHARE_REFRESH = 28, HALF_BUDGET = 15, TAKEN = 2 };

/* --- 6 --- */

static void check_gap(size_t user, int64_t before_ms)
{
	struct watched *w = &watched[user];
	int64_t gap = sim_now() - before_ms, blocked = fate_blocked_ms() - w->blocked_at_spend;
	/* a plan that is due may meet a back-off, an unknown outcome a life that has to end */
	int64_t most = KEEP_ALIVE_DAYS * DAYS + blocked + 2 * HOURS + world_session_ms(user) * 2;

	sim_looked(6);
	if (gap > most && !w->excused)
		sim_broken(6, "%zu: its refresh token was left alone for %lld hours", user,
			   (long long)(gap / HOURS));
}

void watch_spent(size_t user, unsigned family, int64_t before_ms)
{
	struct watched *w = &watched[user];

	if (family == w->family)
		check_gap(user, before_ms);
	w->blocked_at_spend = fate_blocked_ms();
	w->excused = false;
}

void watch_end(void)
{
	for (size_t user = 0; user < world_count(); user++) {
		const struct watched *w = &watched[user];

		if (sf_user(user)->kind == SF_REFRESH && w->family && sf_current(user, w->family) &&
		    !w->permanent_at && !sf_refused(user) && !world_removed(user))
			check_gap(user, sf_last_refresh(user, w->family));
	}
}

/* --- 7 --- */

/* Something stands against it that time, a person or the budget has to mend. */
static bool excused(size_t user, const struct keeper *k, int64_t since)
{
	const struct schedule *s = keeper_schedule(k);
	const struct stored *e = keeper_stored(k);

	if (sf_refused(user) || s->state == STATE_DISABLED || fate_disturbed_ms(user) > since)
		return true;
	if (sf_user(user)->kind == SF_REFRESH &&
	    (s->state == STATE_LOGIN_REQUIRED || store_state(world_store()) != STORE_OK || !e ||
	     !e->refresh.token || e->spend.state == SPEND_UNKNOWN))
		return true;
	/* as it was when they asked; a request that a crash took before it left counts for the daemon, and nobody has seen it */
	return watch_posts_since(user, sim_now() - HOURS - 2 * MINUTES) + TAKEN >= HALF_BUDGET ||
	       sim_to_true(s->not_before_ms) > since || s->permanent;
}

/* By the second of two demands, half a minute after the end of trouble, there still was no token: what is there then? */
void watch_demanded(size_t user)
{
	const struct keeper *k = world_keeper(user);

	watched[user].missed = k && !keeper_usable(k);
}

static void complain(size_t user, const struct schedule *s)
{
	int64_t now = sim_to_boot(sim_now());

	sim_broken(
		7,
		"%zu: no token a minute after all is well again (state %d, next attempt in %lld ms, deadline in %lld ms, trouble %d, failures %u, %s%s, %u requests in an hour)",
		user, (int)s->state, (long long)(s->next_attempt_ms ? s->next_attempt_ms - now : 0),
		(long long)(s->deadline_ms - now), (int)s->trouble, s->failures,
		s->in_flight ? "in flight" : "idle", s->brought_forward ? ", brought forward" : "",
		watch_posts_since(user, sim_now() - HOURS));
}

void watch_recovered(void *arg)
{
	int64_t since = (intptr_t)arg;

	if (!world_running() || !world_store() || sf_trouble() != SF_FINE ||
	    fate_outage_ended() > since)
		return;
	for (size_t user = 0; user < world_count(); user++) {
		const struct keeper *k = world_keeper(user);

		if (!k || !callers_busy(user) || excused(user, k, since))
			continue;
		sim_looked(7);
		if (watched[user].missed && !keeper_usable(k))
			complain(user, keeper_schedule(k));
	}
}

/* Nothing but this outage has happened for two lives. */
static bool quiet_before(size_t user, const struct schedule *s, int64_t began)
{
	int64_t since = began - 2 * s->life_ms;

	return began >= DAYS && fate_outage_ended() <= since && fate_disturbed_ms(user) <= since &&
	       !sf_refused(user) && !s->permanent && s->state != STATE_DISABLED;
}

void watch_get_failed(size_t user, bool default_wish)
{
	const struct keeper *k = world_keeper(user);
	const struct schedule *s = k ? keeper_schedule(k) : NULL;
	int64_t share = sf_user(user)->kind == SF_REFRESH ? SHARE_REFRESH : SHARE;
	int64_t began = fate_outage_since();

	if (!default_wish || !s || !s->life_ms || !began || !callers_busy(user) ||
	    sf_user(user)->reuse != SF_NEW)
		return;
	sim_looked(7);
	if (sim_now() - began < s->life_ms * share / 100 && quiet_before(user, s, began))
		sim_broken(7,
			   "%zu: a caller notices an outage of %lld s, and the token lives %lld s",
			   user, (long long)(sim_now() - began) / 1000,
			   (long long)s->life_ms / 1000);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/judge.h"

/*
 * Never ask the mint more often than this about a credential for which it has neither an attempt,
 * nor a plan, nor a problem.
 */
enum { WANT_AGAIN_MS = 1000 };
/*
 * The default wish waits for something better until this long before the end of what it could have
 * had.
 */
enum { GIVE_BEFORE_END_MS = 1000 };

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t seconds_up(int64_t ms)
{
	return ms <= 0 ? 1 : (ms + 999) / 1000;
}

int judge_validity(const struct judge_token *t, int64_t now_ms)
{
	if (t->reported)
		return VALIDITY_REPORTED;
	return now_ms < t->deadline_ms ? VALIDITY_FRESH : VALIDITY_ASSUMED;
}

static struct judgement give(const struct judge_token *t, int64_t now_ms)
{
	return (struct judgement){ .what = JUDGE_GIVE, .validity = judge_validity(t, now_ms) };
}

static struct judgement wait_until(int64_t until_ms)
{
	return (struct judgement){ .what = JUDGE_WAIT, .until_ms = until_ms };
}

static struct judgement fail(int error)
{
	return (struct judgement){ .what = JUDGE_ERROR, .error = error };
}

static struct judgement too_short(int64_t max_valid_ms)
{
	struct judgement j = fail(BROKER_LIFETIME_TOO_SHORT);

	j.max_valid_s = max_valid_ms > 0 ? max_valid_ms / 1000 : 0;
	return j;
}

/* "allowStale: a token whose believed life is over is better than an error" */
static struct judgement or_stale(struct judgement j, const struct judge_token *t,
				 const struct judge_ask *a, int64_t now_ms)
{
	struct judgement instead;

	if (j.what != JUDGE_ERROR || !a->allow_stale || t->generation == 0)
		return j;
	instead = give(t, now_ms);
	instead.want = j.want;
	instead.miss = j.miss;
	return instead;
}

/*
 * What an administrator or a person has to mend first; what is JUDGE_WAIT when it is nothing of the
 * kind.
 */
static struct judgement standing_error(const struct judge_credential *c)
{
	struct judgement j = wait_until(0);

	if (c->problem >= 0 && c->permanent) {
		j = fail(c->problem);
		j.of_problem = true;
	} else if (c->state == STATE_LOGIN_REQUIRED) {
		j = fail(BROKER_LOGIN_REQUIRED);
	} else if (c->state == STATE_SUSPENDED) {
		j = fail(BROKER_NOT_SERVED);
	}
	return j;
}

static bool in_backoff(const struct judge_credential *c)
{
	return c->problem >= 0 || c->state == STATE_BACKOFF;
}

static int64_t next_try(const struct judge_credential *c)
{
	return c->next_attempt_ms > 0 ? c->next_attempt_ms : c->retry_at_ms;
}

static struct judgement unavailable(const struct judge_credential *c, int64_t now_ms)
{
	struct judgement j = fail(c->problem >= 0 ? c->problem : BROKER_UNAVAILABLE);

	j.of_problem = c->problem >= 0;
	j.retry_after_s = seconds_up(next_try(c) - now_ms);
	return j;
}

/*
 * The last attempt failed and none is under way. "If the next attempt is planned later: Unavailable
 * at once with the seconds until it; a first demand after 5 s without one may bring it forward
 * once."
 */
static struct judgement miss_in_backoff(const struct judge_credential *c, const struct judge_ask *a,
					const struct limits *l, int64_t now_ms)
{
	struct judgement j = wait_until(a->deadline_ms);

	if (a->first && (c->demand_ms == 0 || now_ms - c->demand_ms >= l->demand_gap_ms)) {
		j.want = true;
		return j;
	}
	if (next_try(c) > 0 && next_try(c) <= a->deadline_ms)
		return j;
	return unavailable(c, now_ms);
}

/*
 * Nothing stands in the way of an attempt: ask for one, but do not spin when the mint answers
 * without starting it.
 */
static struct judgement miss_in_peace(const struct judge_credential *c, const struct judge_ask *a,
				      int64_t now_ms)
{
	struct judgement j = wait_until(a->deadline_ms);

	if (a->first || c->want_ms == 0) {
		j.want = true;
	} else if (c->next_attempt_ms == 0 || c->next_attempt_ms > a->deadline_ms) {
		j.want = now_ms - c->want_ms >= WANT_AGAIN_MS;
		j.until_ms = smaller(a->deadline_ms,
				     (j.want ? now_ms : c->want_ms) + WANT_AGAIN_MS);
	}
	return j;
}

static struct judgement miss_that_may_pass(const struct judge_credential *c,
					   const struct judge_ask *a, const struct limits *l,
					   int64_t now_ms)
{
	if (!c->linked || c->want_pending)
		return wait_until(a->deadline_ms);
	return in_backoff(c) ? miss_in_backoff(c, a, l, now_ms) : miss_in_peace(c, a, now_ms);
}

static struct judgement miss(const struct judge_credential *c, const struct judge_ask *a,
			     const struct limits *l, int64_t now_ms)
{
	struct judgement j = wait_until(a->deadline_ms), late;

	if (!c->attempt) {
		j = standing_error(c);
		if (j.what == JUDGE_WAIT)
			j = miss_that_may_pass(c, a, l, now_ms);
	} else if (a->first && c->linked && !c->want_pending) {
		/* Nobody waited for it so far: it may stand in a queue, and the mint moves it forward. */
		j.want = c->want_ms == 0 || now_ms - c->want_ms >= WANT_AGAIN_MS;
	}
	j.miss = true;
	if (j.what != JUDGE_WAIT || now_ms < a->deadline_ms)
		return j;
	late = standing_error(c);
	if (late.what == JUDGE_WAIT)
		late = in_backoff(c) ? unavailable(c, now_ms) : fail(BROKER_TIMED_OUT);
	late.want = j.want;
	late.miss = true;
	return late;
}

static struct judgement verdict(const struct judge_credential *c, int64_t now_ms)
{
	struct judgement j = fail(c->verdict_alive ? BROKER_REJECTED : BROKER_UNAVAILABLE);

	j.alive = c->verdict_alive;
	j.retry_after_s = seconds_up(c->next_check_ms - now_ms);
	return j;
}

/*
 * The caller says that the current token is dead. It waits for what the check says; "a claim within
 * the minute waits for the next check if its deadline allows, else it gets the last result".
 */
static struct judgement claim(const struct judge_token *t, const struct judge_credential *c,
			      const struct judge_ask *a, int64_t now_ms)
{
	bool known = c->verdict_generation == t->generation;
	struct judgement j = wait_until(a->deadline_ms);

	if (known && a->claimed_ms > 0 && c->verdict_ms >= a->claimed_ms)
		return verdict(c, now_ms);
	if (known && c->next_check_ms > now_ms && c->next_check_ms > a->deadline_ms)
		return verdict(c, now_ms);
	if (now_ms >= a->deadline_ms)
		j = fail(BROKER_TIMED_OUT);
	j.report = true;
	return j;
}

/*
 * The default wish is not met but the token is believed valid: it is given, whatever is left,
 * unless something better is on its way or may be had for the asking.
 */
static struct judgement short_of_default(const struct judge_token *t,
					 const struct judge_credential *c,
					 const struct judge_ask *a, int64_t now_ms)
{
	int64_t last_moment = smaller(a->deadline_ms, t->deadline_ms - GIVE_BEFORE_END_MS);
	struct judgement j;

	if (now_ms >= last_moment || !c->linked)
		return give(t, now_ms);
	j = wait_until(last_moment);
	if (c->attempt || c->want_pending)
		return j;
	if (in_backoff(c) || standing_error(c).what == JUDGE_ERROR || !a->first)
		return give(t, now_ms);
	j.want = true;
	return j;
}

static int64_t default_wish(const struct judge_token *t, const struct limits *l)
{
	return smaller(l->default_min_valid_ms, t->life_ms / 10);
}

static struct judgement by_default(const struct judge_token *t, const struct judge_credential *c,
				   const struct judge_ask *a, const struct limits *l,
				   int64_t now_ms)
{
	int64_t left = t->deadline_ms - now_ms;

	if (left > 0 && (t->unchanged || left >= default_wish(t, l)))
		return give(t, now_ms);
	if (t->unchanged && t->vouched_ms > 0 && now_ms - t->vouched_ms < l->assumed_after_vouch_ms)
		return give(t, now_ms);
	if (left > 0)
		return short_of_default(t, c, a, now_ms);
	return or_stale(miss(c, a, l, now_ms), t, a, now_ms);
}

/* A better token is to be had only when the last hold has ended. */
static struct judgement held_back(const struct judge_credential *c, int64_t now_ms)
{
	struct judgement j = fail(BROKER_UNAVAILABLE);

	j.held = true;
	j.retry_after_s = seconds_up(c->held_until_ms - now_ms);
	return j;
}

static struct judgement by_wish(const struct judge_token *t, const struct judge_credential *c,
				const struct judge_ask *a, const struct limits *l, int64_t now_ms)
{
	int64_t left = t->deadline_ms - now_ms;

	if (left > 0 && left >= a->min_valid_ms)
		return give(t, now_ms);
	if (a->min_valid_ms > t->life_ms)
		return too_short(t->life_ms);
	if (left > 0 && c->held_until_ms > a->deadline_ms)
		return or_stale(held_back(c, now_ms), t, a, now_ms);
	/* The same token again, or one that was asked for after this wish and is no better. */
	if (t->unchanged || (t->issued_ms >= a->start_ms && a->min_valid_ms > 0 && left > 0))
		return or_stale(too_short(left), t, a, now_ms);
	return or_stale(miss(c, a, l, now_ms), t, a, now_ms);
}

struct judgement judge(const struct judge_token *t, const struct judge_credential *c,
		       const struct judge_ask *a, const struct limits *limits, int64_t now_ms)
{
	if (c->state == STATE_DISABLED) {
		struct judgement j = fail(BROKER_NOT_SERVED);

		j.of_problem = c->problem == BROKER_NOT_SERVED;
		return j;
	}
	if (t->generation == 0)
		return miss(c, a, limits, now_ms);
	if (a->rejected == t->generation)
		return claim(t, c, a, now_ms);
	if (a->min_valid_ms < 0)
		return by_default(t, c, a, limits, now_ms);
	return by_wish(t, c, a, limits, now_ms);
}

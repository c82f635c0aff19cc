/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Believed life and renewal points. Salesforce says of most tokens neither how long they live nor when they were used last (facts: salesforce-oauth.md 4), so every
 * expiry is a belief with a source.
 */
#include "daemon/mint/schedule.h"

enum {
	LIFE_MAX_MS = 24 * 3600 *
		      1000, /* no Salesforce session setting is longer: more is a clock or a bug */
	LIFE_DEFAULT_MS = 2 * 3600 * 1000,
	AFTER_DEADLINE_MS = 1000,
	LEARNED_PERCENT = 80,
	OUTLIVERS = 2,
};

/* The tries of a token that came back unchanged, in percent of the life before the deadline. */
static const int64_t before_deadline[] = { 25, 10, 3 };

static int64_t clamp_life(int64_t life_ms)
{
	return life_ms > LIFE_MAX_MS ? LIFE_MAX_MS : life_ms;
}

/* From from_ms (BOOTTIME) to exp: by the server's own clock where it is known, else by ours with the skew that was learned. */
static int64_t until_ms(const struct schedule *s, int64_t exp_s, int64_t date_real_ms,
			struct schedule_now now)
{
	int64_t server_ms = date_real_ms ? date_real_ms : now.real_ms + s->skew_ms;

	return exp_s * 1000 - server_ms;
}

static bool believe_jwt(struct schedule *s, int64_t exp_s, int64_t iat_s, int64_t date_real_ms,
			struct schedule_now now)
{
	int64_t left = until_ms(s, exp_s, date_real_ms, now);
	int64_t life = iat_s > 0 && iat_s < exp_s ? (exp_s - iat_s) * 1000 : left;

	if (exp_s <= 0 || life <= 0)
		return false;
	life = clamp_life(life);
	/* a token that was made earlier than we asked has less left; only the server's clock can say that */
	if (!date_real_ms || left > life || left <= 0)
		left = life;
	s->life_ms = life;
	s->deadline_ms = s->issued_ms + left;
	s->source = EXPIRY_TOKEN;
	return true;
}

void schedule_believe(const struct schedule_rules *rules, struct schedule *s,
		      const struct schedule_event *e, struct schedule_now now)
{
	int64_t configured = rules->session_timeout_ms > 0 ? rules->session_timeout_ms
							   : LIFE_DEFAULT_MS;
	int64_t life;

	s->issued_ms = e->granted.sent_ms;
	if (e->granted.expires_in_ms > 0) {
		life = e->granted.expires_in_ms;
		s->source = EXPIRY_RESPONSE;
	} else if (believe_jwt(s, e->granted.jwt_exp_s, e->granted.jwt_iat_s,
			       e->granted.date_real_ms, now)) {
		return;
	} else if (s->learned_ms > 0 && s->learned_ms < configured) {
		life = s->learned_ms;
		s->source = EXPIRY_LEARNED;
	} else { /* also where an administrator believes in less than was learned */
		life = configured;
		s->source = EXPIRY_CONFIGURED;
	}
	s->life_ms = clamp_life(life);
	s->deadline_ms = s->issued_ms + s->life_ms;
}

/*
 * Introspection corrects the deadline of what is only believed by configuration or experience. A token that came back unchanged can only be extended by it
 * (use may have moved its end); one that is new gets its whole life from it.
 */
bool schedule_correct(const struct schedule_rules *rules, struct schedule *s,
		      const struct schedule_event *e, struct schedule_now now)
{
	int64_t left = until_ms(s, e->introspected.exp_s, e->introspected.date_real_ms, now);
	int64_t from = e->introspected.date_real_ms ? e->introspected.sent_ms : now.boot_ms;
	int64_t deadline;

	(void)rules;
	if (e->introspected.exp_s <= 0 || left <= 0 || s->source == EXPIRY_RESPONSE ||
	    s->source == EXPIRY_TOKEN)
		return false;
	deadline = from + clamp_life(left);
	if (s->unchanged && deadline <= s->deadline_ms)
		return false;
	s->deadline_ms = deadline;
	if (!s->unchanged)
		s->life_ms = deadline - s->issued_ms;
	s->source = EXPIRY_INTROSPECTION;
	s->late_tries = 0;
	return true;
}

/* Where a renewal is due while all is well. Counted from the deadline, so that it is right for a token that was extended, too. */
void schedule_renewal_point(const struct schedule_rules *rules, struct schedule *s, uint32_t random)
{
	const struct limits *l = rules->limits;
	int64_t percent = rules->renew_at_percent;
	int64_t jitter = (int64_t)((double)s->life_ms / 100 * (double)l->renew_jitter_percent *
				   ((double)random / 4294967296.0));

	/* nothing is due before its end */
	if (rules->renewal == RENEW_PERSON) {
		s->normal_ms = 0;
		return;
	}
	if (percent <= 0)
		percent = rules->renewal == RENEW_REFRESH ? l->renew_refresh_at_percent
							  : l->renew_at_percent;
	s->normal_ms = s->deadline_ms - s->life_ms * (100 - percent) / 100 - jitter;
	if (s->life_ms >= l->renew_margin_life_ms &&
	    s->normal_ms > s->deadline_ms - l->renew_margin_ms)
		s->normal_ms = s->deadline_ms - l->renew_margin_ms;
	if (s->normal_ms < s->issued_ms + l->min_renew_delay_ms)
		s->normal_ms = s->issued_ms + l->min_renew_delay_ms;
}

/* The next try for a token that the server gave again: the first of the planned moments that is still to come, then a back-off. */
int64_t schedule_next_try(const struct schedule_rules *rules, struct schedule *s, int64_t now_ms)
{
	size_t i;

	if (s->normal_ms > now_ms)
		return s->normal_ms;
	for (i = 0; i < sizeof before_deadline / sizeof before_deadline[0]; i++) {
		int64_t at = s->deadline_ms - s->life_ms * before_deadline[i] / 100;

		if (at > now_ms)
			return at;
	}
	if (s->deadline_ms + AFTER_DEADLINE_MS > now_ms)
		return s->deadline_ms + AFTER_DEADLINE_MS;
	return now_ms + schedule_doubled_ms(rules->limits->unchanged_retry_first_ms,
					    rules->limits->unchanged_retry_max_ms, s->late_tries++);
}

/*
 * A token was confirmed dead before its believed end: believe less of the next ones, until two have been seen alive at a greater age than this one reached. One that could not
 * even have been renewed (MinRenewDelay=) was ended by somebody and teaches nothing: a life of seconds would open the budget, which is so many requests a life.
 */
void schedule_learn_death(const struct schedule_rules *rules, struct schedule *s, int64_t now_ms)
{
	int64_t age = now_ms - s->issued_ms;
	int64_t life = age * LEARNED_PERCENT / 100;

	/* who lives longer than was believed does not live too short */
	if (life <= rules->limits->min_renew_delay_ms || life >= s->life_ms ||
	    now_ms >= s->deadline_ms)
		return;
	s->learned_ms = life;
	s->learned_death_ms = age;
	s->n_outlived = 0;
}

void schedule_outlived(struct schedule *s)
{
	if (++s->n_outlived >= OUTLIVERS)
		s->learned_ms = 0;
}

void schedule_vouch(struct schedule *s, int64_t at_ms)
{
	if (at_ms > s->vouched_ms)
		s->vouched_ms = at_ms;
	if (!s->learned_ms || s->outlived || at_ms - s->issued_ms <= s->learned_death_ms)
		return;
	s->outlived = true;
	schedule_outlived(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/schedule.h"

enum { HOUR_MS = 3600 * 1000, LIFE_DEFAULT_MS = 2 * HOUR_MS };

/* The oldest place of the ring is lost with a request that is given back: it was written over when that one was taken. */
enum { WINDOW_MOST = SCHEDULE_RING - 1 };

/*
 * When a window of window_ms with room for n requests lets the next one through. The ring remembers WINDOW_MOST requests: a larger n is spread over the window
 * (n = 640 in an hour is the same as 64 in six minutes), which is never more than n.
 */
static int64_t window_opens_ms(const struct schedule *s, int64_t n, int64_t window_ms,
			       int64_t now_ms)
{
	int64_t opens;

	if (n < 1)
		n = 1;
	if (n > WINDOW_MOST) {
		window_ms = window_ms * WINDOW_MOST / n;
		n = WINDOW_MOST;
	}
	if ((int64_t)s->n_requests < n)
		return now_ms;
	opens = s->requests[(s->n_requests - (unsigned)n) % SCHEDULE_RING] + window_ms;
	return opens > now_ms ? opens : now_ms;
}

/*
 * So many an hour or so many a believed life, whichever is more. One of the two windows counts, not whichever is open: after a burst that has filled the hour, a life of a quarter of it
 * would let the same again through.
 */
int64_t schedule_budget_ms(const struct schedule_rules *rules, const struct schedule *s,
			   int64_t now_ms)
{
	int64_t life = s->life_ms                  ? s->life_ms
		       : rules->session_timeout_ms ? rules->session_timeout_ms
						   : LIFE_DEFAULT_MS;
	int64_t by_hour = rules->limits->max_requests_per_hour;
	int64_t by_life = rules->limits->max_requests_per_life;

	if (by_life * HOUR_MS > by_hour * life)
		return window_opens_ms(s, by_life, life, now_ms);
	return window_opens_ms(s, by_hour, HOUR_MS, now_ms);
}

void schedule_budget_take(struct schedule *s, int64_t now_ms)
{
	s->requests[s->n_requests % SCHEDULE_RING] = now_ms;
	s->n_requests++;
	/* keeps the position in the ring and "there were at least SCHEDULE_RING" when the counter is about to wrap */
	if (s->n_requests == UINT32_MAX)
		s->n_requests = SCHEDULE_RING + UINT32_MAX % SCHEDULE_RING;
	s->attempts++;
}

void schedule_budget_return(struct schedule *s)
{
	s->n_requests--;
	s->attempts--;
}

bool schedule_budget_half_spent(const struct schedule_rules *rules, const struct schedule *s,
				int64_t now_ms)
{
	struct limits half = *rules->limits;
	struct schedule_rules halved = *rules;

	half.max_requests_per_hour = (half.max_requests_per_hour + 1) / 2;
	half.max_requests_per_life = (half.max_requests_per_life + 1) / 2;
	halved.limits = &half;
	return schedule_budget_ms(&halved, s, now_ms) > now_ms;
}

/* first * 2^n, never more than max (and never a shift that overflows). */
int64_t schedule_doubled_ms(int64_t first_ms, int64_t max_ms, unsigned n)
{
	int64_t value = first_ms;

	while (n-- > 0 && value < max_ms)
		value *= 2;
	return value < max_ms ? value : max_ms;
}

static int64_t part_ms(int64_t whole_ms, uint32_t random)
{
	return (int64_t)((double)whole_ms * ((double)random / 4294967296.0));
}

/* Full jitter between the first delay and a doubling ceiling; Retry-After is a floor, with up to a twentieth more so that many credentials do not come back in one moment. */
int64_t schedule_backoff_ms(const struct limits *l, unsigned failures, int64_t retry_after_ms,
			    uint32_t random)
{
	int64_t ceiling = schedule_doubled_ms(l->backoff_first_ms, l->backoff_max_ms, failures);
	int64_t delay = l->backoff_first_ms;

	if (ceiling > delay)
		delay += part_ms(ceiling - delay, random);
	if (retry_after_ms > l->retry_after_max_ms)
		retry_after_ms = l->retry_after_max_ms;
	if (retry_after_ms > 0 && delay < retry_after_ms) {
		int64_t more = retry_after_ms / 20 < 60000 ? retry_after_ms / 20 : 60000;

		delay = retry_after_ms + part_ms(more, random);
	}
	return delay;
}

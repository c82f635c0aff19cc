/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "tests/scenario/fake.h"
#include "tests/scenario/fake_loop_new.h"

/* More timers than this at one moment: time stands still. */
enum { STANDSTILL = 100000 };

struct timer {
	struct timer *next;
	int64_t at;
	uint64_t order;
	bool set;
	void (*fire)(void *arg);
	void *arg;
};

static struct {
	struct timer *timers;
	int64_t now, wall;
	uint64_t order;
} fake = { .now = FAKE_START_MS, .wall = FAKE_WALL_START_MS };

size_t fake_time_reset(void)
{
	size_t left = 0;

	for (struct timer *t = fake.timers; t; t = t->next)
		left++;
	fake.now = FAKE_START_MS;
	fake.wall = FAKE_WALL_START_MS;
	fake.order = 0;
	return left;
}

int64_t fake_now(void)
{
	return fake.now;
}

int64_t clock_now_ms(void)
{
	return fake.now;
}

int64_t clock_mono_ms(void)
{
	return fake.now;
}

int64_t clock_real_ms(void)
{
	return fake.wall + fake.now - FAKE_START_MS;
}

void fake_wall_step(int64_t ms)
{
	fake.wall += ms;
	fake_clock_was_set();
}

/* --- the loop --- */

int64_t loop_now_us(struct loop *l)
{
	return loop_now_ms(l) * 1000;
}

int64_t loop_fresh_us(struct loop *l)
{
	return loop_now_us(l);
}

/* --- timers --- */

struct timer *timer_new(struct loop *l, void (*fire)(void *arg), void *arg)
{
	struct timer *t = calloc(1, sizeof *t);

	(void)l;
	if (!t)
		return NULL;
	t->fire = fire;
	t->arg = arg;
	t->next = fake.timers;
	fake.timers = t;
	return t;
}

void timer_set(struct timer *t, int64_t at_ms)
{
	t->at = at_ms;
	t->order = fake.order++;
	t->set = true;
}

void timer_clear(struct timer *t)
{
	t->set = false;
}

bool timer_is_set(const struct timer *t)
{
	return t->set;
}

void timer_free(struct timer *t)
{
	struct timer **at = &fake.timers;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	free(t);
}

static struct timer *earliest(int64_t until)
{
	struct timer *best = NULL;

	for (struct timer *t = fake.timers; t; t = t->next) {
		if (!t->set || t->at > until)
			continue;
		if (!best || t->at < best->at || (t->at == best->at && t->order < best->order))
			best = t;
	}
	return best;
}

bool fake_run(int64_t until_ms, bool (*stop)(void))
{
	unsigned at_once = 0;
	struct timer *t;

	for (;;) {
		while (fake_link_deliver())
			;
		if (stop && stop())
			return true;
		t = earliest(until_ms);
		if (!t)
			break;
		if (t->at > fake.now) {
			fake.now = t->at;
			at_once = 0;
		} else if (++at_once > STANDSTILL) {
			return false;
		}
		t->set = false;
		t->fire(t->arg);
	}
	if (until_ms > fake.now)
		fake.now = until_ms;
	return true;
}

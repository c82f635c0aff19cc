/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chance and time: base/clock.h and daemon/common/loop.h for the machine, sim_at() for the world around it. Time goes from event to event.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "tests/scenario/fake_loop_new.h"
#include "tests/sim/sim.h"

/* 2027-01-15; the boot before the first took a minute. */
#define REAL_START_MS INT64_C(1800000000000)
enum { BOOT_TAKES_MS = 20000, NOWHERE = -1 };

struct timer {
	int64_t at; /* true time */
	uint64_t order;
	int place; /* in the heap */
	bool world;
	void (*fire)(void *arg);
	void *arg;
};

static struct {
	uint64_t random;
	int64_t now, booted, wall_error, asleep_until;
	uint64_t order;
	struct timer **heap;
	size_t n, room, machine_timers;
} sim = { .random = 1 };

/* --- chance: xorshift64* --- */

void sim_seed(uint64_t seed)
{
	/* splitmix64: neighbours must not look alike */
	uint64_t x = seed + 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	sim.random = (x ^ x >> 31) | 1;
}

uint64_t sim_random(void)
{
	sim.random ^= sim.random >> 12;
	sim.random ^= sim.random << 25;
	sim.random ^= sim.random >> 27;
	return sim.random * 0x2545f4914f6cdd1du;
}

uint64_t sim_below(uint64_t n)
{
	return (sim_random() >> 11) % n;
}

int64_t sim_between(int64_t low, int64_t high)
{
	return low + (int64_t)sim_below((uint64_t)(high - low) + 1);
}

bool sim_once_in(uint64_t n)
{
	return sim_below(n) == 0;
}

/* Mostly shorter, sometimes much longer: the product of two even ones has a quarter of the largest as its mean. */
int64_t sim_about(int64_t mean_ms)
{
	return 1 + sim_between(0, 2 * mean_ms) * sim_between(0, 2000) / 2000 * 2;
}

/* --- the heap --- */

static bool before(const struct timer *a, const struct timer *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void put(struct timer *t, size_t place)
{
	sim.heap[place] = t;
	t->place = (int)place;
}

static void rise(struct timer *t)
{
	size_t place = (size_t)t->place;

	while (place > 0 && before(t, sim.heap[(place - 1) / 2])) {
		put(sim.heap[(place - 1) / 2], place);
		place = (place - 1) / 2;
	}
	put(t, place);
}

static void sink(struct timer *t)
{
	size_t place = (size_t)t->place;

	for (;;) {
		size_t child = 2 * place + 1;

		if (child + 1 < sim.n && before(sim.heap[child + 1], sim.heap[child]))
			child++;
		if (child >= sim.n || !before(sim.heap[child], t))
			break;
		put(sim.heap[child], place);
		place = child;
	}
	put(t, place);
}

static void leave(struct timer *t)
{
	struct timer *last;

	if (t->place == NOWHERE)
		return;
	last = sim.heap[--sim.n];
	if (last != t) {
		put(last, (size_t)t->place);
		rise(last);
		sink(last);
	}
	t->place = NOWHERE;
}

static void enter(struct timer *t, int64_t at)
{
	leave(t);
	if (sim.n == sim.room) {
		sim.room = sim.room ? 2 * sim.room : 256;
		sim.heap = reallocarray(sim.heap, sim.room, sizeof(struct timer *));
		if (!sim.heap)
			abort();
	}
	t->at = at;
	t->order = sim.order++;
	put(t, sim.n++);
	rise(t);
}

/* --- true time --- */

int64_t sim_now(void)
{
	return sim.now;
}

int64_t sim_true_real_ms(void)
{
	return REAL_START_MS + sim.now;
}

size_t sim_time_reset(void)
{
	size_t left = sim.machine_timers;

	while (sim.n) {
		struct timer *t = sim.heap[sim.n - 1];

		leave(t);
		if (t->world)
			free(t);
	}
	sim.now = sim.booted = sim.wall_error = sim.asleep_until = 0;
	sim.order = 0;
	sim.machine_timers = 0;
	return left;
}

void sim_at(int64_t true_ms, void (*happen)(void *arg), void *arg)
{
	struct timer *t = calloc(1, sizeof *t);

	if (!t)
		abort();
	t->fire = happen;
	t->arg = arg;
	t->place = NOWHERE;
	t->world = true;
	enter(t, true_ms > sim.now ? true_ms : sim.now);
}

bool sim_step(int64_t until_ms)
{
	struct timer *t = sim.n ? sim.heap[0] : NULL;
	bool world;

	if (!t || t->at > until_ms) {
		sim.now = until_ms > sim.now ? until_ms : sim.now;
		return false;
	}
	if (!t->world && t->at < sim.asleep_until) {
		enter(t, sim.asleep_until);
		return true;
	}
	if (t->at > sim.now)
		sim.now = t->at;
	leave(t);
	world = t->world;
	t->fire(t->arg); /* a timer of the machine may be freed in it */
	if (world)
		free(t);
	return true;
}

/* --- the machine's clocks --- */

void sim_boot(void)
{
	sim.booted = sim.now - BOOT_TAKES_MS;
	sim.asleep_until = 0;
}

int64_t sim_to_boot(int64_t true_ms)
{
	return true_ms - sim.booted;
}

int64_t sim_to_true(int64_t boot_ms)
{
	return boot_ms + sim.booted;
}

int64_t clock_now_ms(void)
{
	return sim_to_boot(sim.now);
}

int64_t clock_mono_ms(void)
{
	return clock_now_ms();
}

int64_t clock_real_ms(void)
{
	return sim_true_real_ms() + sim.wall_error;
}

int64_t sim_wall_error_ms(void)
{
	return sim.wall_error;
}

void sim_set_wall(int64_t forward_ms, bool told)
{
	sim.wall_error += forward_ms;
	if (told)
		fake_clock_was_set();
}

void sim_suspend(int64_t until_ms)
{
	sim.asleep_until = until_ms;
}

bool sim_suspended(void)
{
	return sim.now < sim.asleep_until;
}

/* --- loop.h --- */

struct timer *timer_new(struct loop *l, void (*fire)(void *arg), void *arg)
{
	struct timer *t = calloc(1, sizeof *t);

	(void)l;
	if (!t)
		return NULL;
	t->fire = fire;
	t->arg = arg;
	t->place = NOWHERE;
	sim.machine_timers++;
	return t;
}

void timer_set(struct timer *t, int64_t at_ms)
{
	int64_t at = sim_to_true(at_ms);

	enter(t, at > sim.now ? at : sim.now);
}

void timer_clear(struct timer *t)
{
	leave(t);
}

bool timer_is_set(const struct timer *t)
{
	return t->place != NOWHERE;
}

void timer_free(struct timer *t)
{
	if (!t)
		return;
	leave(t);
	sim.machine_timers--;
	free(t);
}

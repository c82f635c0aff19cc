/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that ask for tokens: some all day, some at night, some after weeks. */
#include <string.h>

#include "tests/sim/sim.h"

enum pattern { BUSY, NIGHTLY, RARE, NEVER, PATTERNS };

static struct caller {
	enum pattern pattern;
	int64_t mean_ms, until; /* of the present burst */
	int64_t asked;
} callers[SIM_CREDENTIALS];

static void *of(size_t user)
{
	return (void *)(uintptr_t)user;
}

static int64_t night(void)
{
	return sim_now() / DAYS * DAYS + DAYS + sim_between(1, 4) * HOURS;
}

/* When this caller comes next. */
static int64_t next(struct caller *c)
{
	if (c->pattern == BUSY || sim_now() < c->until)
		return sim_now() + sim_about(c->mean_ms);
	if (c->pattern == NIGHTLY) {
		int64_t at = night();

		c->until = at + sim_between(10, 90) * MINUTES;
		return at;
	}
	c->until = sim_now() + sim_between(1, 45) * DAYS;
	if (sim_once_in(2))
		c->until += sim_about(2 * HOURS);
	return c->until - sim_between(0, 2 * HOURS);
}

static int64_t wish(void)
{
	if (!sim_once_in(20))
		return -1;
	return sim_between(0, 30) * MINUTES;
}

static void ask(void *arg)
{
	size_t user = (size_t)(uintptr_t)arg;
	struct caller *c = &callers[user];

	if (world_running()) {
		c->asked = sim_now();
		front_ask(user, sim_once_in(10) ? 0 : 30 * SECONDS, wish(), -1);
	}
	sim_at(next(c), ask, arg);
}

bool callers_busy(size_t user)
{
	return callers[user].pattern == BUSY && callers[user].mean_ms <= 10 * MINUTES;
}

struct claim {
	size_t user;
	int64_t generation;
};

static struct claim claims[SIM_CREDENTIALS];

static void claim(void *arg)
{
	size_t user = (size_t)(uintptr_t)arg;
	int64_t generation = claims[user].generation;

	claims[user].generation = 0;
	if (world_running())
		front_ask(user, 30 * SECONDS, -1, generation);
}

void callers_got(size_t user, int64_t generation, const char *token, bool again)
{
	bool dead;

	if (sf_trouble() != SF_FINE || again || claims[user].generation)
		return;
	dead = sim_once_in(3) && !sf_use(token);
	if (!dead && !sim_once_in(700)) /* or somebody is wrong about it */
		return;
	claims[user].generation = generation;
	sim_at(sim_now() + sim_between(100, 3000), claim, of(user));
}

void callers_begin(int64_t days)
{
	(void)days;
	memset(callers, 0, sizeof callers);
	memset(claims, 0, sizeof claims);
	for (size_t user = 0; user < world_count(); user++) {
		struct caller *c = &callers[user];

		c->pattern = user % 10 == 8   ? RARE
			     : user % 10 == 9 ? NIGHTLY
			     : user % 10 == 7 ? (enum pattern)sim_below(PATTERNS)
					      : BUSY;
		c->mean_ms = c->pattern == BUSY ? sim_between(5, 40) * MINUTES : 4 * MINUTES;
		if (c->pattern != NEVER)
			sim_at(sim_between(0, 3 * HOURS), ask, of(user));
	}
}

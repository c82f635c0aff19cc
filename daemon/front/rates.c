/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/rates.h"

#include <stdlib.h>

/* Beyond a second a bucket is full; the cap also keeps the product far from overflow. */
static void refill(struct bucket *b, int64_t per_second, int64_t now_ms)
{
	int64_t passed = now_ms - b->at_ms;

	if (passed > 1000)
		passed = 1000;
	if (passed > 0)
		b->level += passed * per_second;
	b->at_ms = now_ms;
	if (b->level > per_second * 1000)
		b->level = per_second * 1000;
}

bool bucket_take(struct bucket *b, int64_t per_second, int64_t now_ms)
{
	if (now_ms != b->at_ms)
		refill(b, per_second, now_ms);
	if (b->level < 1000)
		return false;
	b->level -= 1000;
	return true;
}

bool bucket_full(const struct bucket *b, int64_t per_second, int64_t now_ms)
{
	struct bucket copy = *b;

	refill(&copy, per_second, now_ms);
	return copy.level == per_second * 1000;
}

struct user *rates_user(struct rates *r, uid_t uid)
{
	uint64_t hash = map_hash(&uid, sizeof(uid));
	struct map_node *n = map_first(&r->users, hash);
	struct user *u;

	for (; n; n = map_next(n)) {
		u = MAP_OWNER(struct user, node, n);
		if (u->uid == uid)
			return u;
	}
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	/* A time long ago: the first look fills the buckets. */
	u->calls.at_ms = INT64_MIN / 2;
	u->reports.at_ms = INT64_MIN / 2;
	if (map_add(&r->users, &u->node, hash) < 0) {
		free(u);
		return NULL;
	}
	return u;
}

struct sweep {
	struct rates *rates;
	int64_t calls, reports, now_ms;
};

static void sweep_user(struct map_node *node, void *arg)
{
	struct sweep *s = arg;
	struct user *u = MAP_OWNER(struct user, node, node);

	if (u->connections > 0 || !bucket_full(&u->calls, s->calls, s->now_ms) ||
	    !bucket_full(&u->reports, s->reports, s->now_ms))
		return;
	map_remove(&s->rates->users, node);
	free(u);
}

void rates_sweep(struct rates *r, int64_t calls_per_second, int64_t reports_per_second,
		 int64_t now_ms)
{
	struct sweep s = { .rates = r,
			   .calls = calls_per_second,
			   .reports = reports_per_second,
			   .now_ms = now_ms };

	map_each(&r->users, sweep_user, &s);
}

static void free_user(struct map_node *node, void *arg)
{
	(void)arg;
	free(MAP_OWNER(struct user, node, node));
}

void rates_fini(struct rates *r)
{
	map_each(&r->users, free_user, NULL);
	map_fini(&r->users);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per-user limits of interfaces.md 1 rule 10: connections, calls a second, reports a second. Users
 * are remembered after their last connection until their buckets are full again, so that
 * reconnecting gives nobody a new allowance.
 */
#ifndef FRONT_RATES_H
#define FRONT_RATES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/front/map.h"

/*
 * A token bucket that holds one second's worth; level in thousandths, debt since at_ms is added
 * when asked.
 */
struct bucket {
	int64_t level, at_ms;
};

/* Takes one if there is one. per_second may change between calls. */
bool bucket_take(struct bucket *b, int64_t per_second, int64_t now_ms);
bool bucket_full(const struct bucket *b, int64_t per_second, int64_t now_ms);

struct user {
	struct map_node node;
	uid_t uid;
	uint32_t connections;
	struct bucket calls, reports;
};

struct rates {
	struct map users;
};

/* The user of uid, made with full buckets when unknown. NULL: out of memory. Belongs to r. */
struct user *rates_user(struct rates *r, uid_t uid);
/* Forgets users without connections whose buckets are full. */
void rates_sweep(struct rates *r, int64_t calls_per_second, int64_t reports_per_second,
		 int64_t now_ms);
void rates_fini(struct rates *r);

#endif

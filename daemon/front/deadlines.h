/* SPDX-License-Identifier: Apache-2.0 */
/* When which waiter has to be judged again: a heap, and one timer for all of them. */
#ifndef FRONT_DEADLINES_H
#define FRONT_DEADLINES_H

#include <stdint.h>
#include <stddef.h>

#include "daemon/common/loop.h"

/* Embedded in what waits; at is SIZE_MAX while it is in no heap. */
struct deadline {
	int64_t due_ms;
	size_t at;
};

struct deadlines {
	struct deadline **heap;
	size_t n, cap;
	struct timer *timer;
};

int deadlines_init(struct deadlines *d, struct loop *l, void (*fire)(void *arg), void *arg,
		   struct err *err);
void deadlines_fini(struct deadlines *d);

static inline void deadline_init(struct deadline *x)
{
	x->at = SIZE_MAX;
}

/* Adds or moves. 0, or -1 when memory is out (it is in no heap then). */
int deadlines_set(struct deadlines *d, struct deadline *x, int64_t due_ms);
void deadlines_clear(struct deadlines *d, struct deadline *x);
/* Takes out and returns one that is due, or NULL and sets the timer for the next one. */
struct deadline *deadlines_due(struct deadlines *d, int64_t now_ms);

#endif

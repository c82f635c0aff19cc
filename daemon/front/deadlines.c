/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/deadlines.h"

#include <stdlib.h>

int deadlines_init(struct deadlines *d, struct loop *l, void (*fire)(void *arg), void *arg,
		   struct err *err)
{
	*d = (struct deadlines){ .timer = timer_new(l, fire, arg) };
	return d->timer ? 0 : err_oom(err);
}

void deadlines_fini(struct deadlines *d)
{
	timer_free(d->timer);
	free(d->heap);
	*d = (struct deadlines){ 0 };
}

static void put(struct deadlines *d, size_t at, struct deadline *x)
{
	d->heap[at] = x;
	x->at = at;
}

static void sift_up(struct deadlines *d, size_t at)
{
	struct deadline *x = d->heap[at];

	while (at > 0 && d->heap[(at - 1) / 2]->due_ms > x->due_ms) {
		put(d, at, d->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(d, at, x);
}

static void sift_down(struct deadlines *d, size_t at)
{
	struct deadline *x = d->heap[at];
	size_t child;

	while ((child = 2 * at + 1) < d->n) {
		if (child + 1 < d->n && d->heap[child + 1]->due_ms < d->heap[child]->due_ms)
			child++;
		if (d->heap[child]->due_ms >= x->due_ms)
			break;
		put(d, at, d->heap[child]);
		at = child;
	}
	put(d, at, x);
}

static int make_room(struct deadlines *d)
{
	size_t cap = d->cap ? d->cap * 2 : 64;
	struct deadline **bigger;

	if (d->n < d->cap)
		return 0;
	bigger = reallocarray(d->heap, cap, sizeof(*bigger));
	if (!bigger)
		return -1;
	d->heap = bigger;
	d->cap = cap;
	return 0;
}

int deadlines_set(struct deadlines *d, struct deadline *x, int64_t due_ms)
{
	if (x->at == SIZE_MAX) {
		if (make_room(d) < 0)
			return -1;
		put(d, d->n++, x);
	}
	x->due_ms = due_ms;
	sift_up(d, x->at);
	sift_down(d, x->at);
	/*
	 * A timer that fires too early finds nothing due and is set anew: only an earlier time
	 * needs to be told.
	 */
	if (x->at == 0)
		timer_set(d->timer, due_ms);
	return 0;
}

void deadlines_clear(struct deadlines *d, struct deadline *x)
{
	size_t at = x->at;
	struct deadline *last;

	if (at == SIZE_MAX)
		return;
	x->at = SIZE_MAX;
	last = d->heap[--d->n];
	if (last == x)
		return;
	put(d, at, last);
	sift_up(d, at);
	sift_down(d, last->at);
}

struct deadline *deadlines_due(struct deadlines *d, int64_t now_ms)
{
	struct deadline *first = d->n > 0 ? d->heap[0] : NULL;

	if (!first)
		return NULL;
	if (first->due_ms > now_ms) {
		timer_set(d->timer, first->due_ms);
		return NULL;
	}
	deadlines_clear(d, first);
	return first;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many things, few timeouts: queues of one timeout each, so that every queue is in order of time, putting a thing into one costs two pointers and
 * one timer serves them all. The entry is embedded in the thing.
 */
#ifndef COMMON_TIMEOUTS_H
#define COMMON_TIMEOUTS_H

#include <sys/queue.h>

#include "daemon/common/loop.h"

enum { TIMEOUT_QUEUES = 5, TIMEOUT_NONE = TIMEOUT_QUEUES };

struct timeout_entry {
	TAILQ_ENTRY(timeout_entry) link;
	int64_t since_ms;
	unsigned queue; /* TIMEOUT_NONE: in none */
};

TAILQ_HEAD(timeout_list, timeout_entry);

struct timeouts {
	struct loop *loop;
	struct timer *timer;
	int64_t timer_at; /* never later than the first timeout; INT64_MAX: not set */
	struct timeout_list list[TIMEOUT_QUEUES];
	size_t n[TIMEOUT_QUEUES];
	/* How long things may stay in queue, in ms; 0: until the next turn of the loop. May change. */
	int64_t (*length)(unsigned queue, void *arg);
	/* Takes e out of its queue (timeouts_put()) or, unless its length is 0, puts it at the end of the same one. The struct timeouts must outlive the call. */
	void (*expired)(struct timeout_entry *e, void *arg);
	/* Called around a run over the queues. */
	void (*run)(bool begins, void *arg);
	void *arg;
};

/* The callbacks and arg are set by the caller before. 0 or -ERR_INTERNAL. */
int timeouts_init(struct timeouts *t, struct loop *l, struct err *err);
void timeouts_fini(struct timeouts *t);

/* Puts e into queue as of now (or TIMEOUT_NONE: into none), out of the one it is in. */
void timeouts_put(struct timeouts *t, struct timeout_entry *e, unsigned queue);

#endif

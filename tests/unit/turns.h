/* SPDX-License-Identifier: Apache-2.0 */
/* The real loop, for as long as something is due. */
#ifndef TESTS_UNIT_TURNS_H
#define TESTS_UNIT_TURNS_H

#include "base/cleanup.h"
#include "daemon/common/loop.h"

static inline void turns_stop(void *arg)
{
	loop_stop(arg);
}

/* Lets everything happen that is due now, n times: what comes of it is due the next time. */
static inline void turns(struct loop *l, int n)
{
	CLEANUP(timer_freep) struct timer *t = timer_new(l, turns_stop, l);

	for (int i = 0; i < n; i++) {
		timer_set(t, 0);
		loop_run(l, NULL);
	}
}

#endif

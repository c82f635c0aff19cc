/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/scenario/fake_loop_new.h"

#include <stdlib.h>

#include "base/clock.h"
#include "daemon/common/loop.h"

struct loop {
	void (*changed)(void *arg);
	void *arg;
};

static struct loop *newest;

struct loop *loop_new(struct err *err)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		err_oom(err);
	newest = l;
	return l;
}

void loop_free(struct loop *l)
{
	if (newest == l)
		newest = NULL;
	free(l);
}

int64_t loop_now_ms(struct loop *l)
{
	(void)l;
	return clock_now_ms();
}

void loop_on_clock_set(struct loop *l, void (*changed)(void *arg), void *arg)
{
	l->changed = changed;
	l->arg = arg;
}

void fake_clock_was_set(void)
{
	if (newest && newest->changed)
		newest->changed(newest->arg);
}

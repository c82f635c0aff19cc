/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/idle.h"

/* Who has come a moment ago and has not said yet what for. */
enum { WORD_MS = 1000 };

static void on_time(void *arg)
{
	struct idle *i = arg;
	int64_t end_ms = i->since_ms + i->after_ms;

	/* who came in after the end does not put it off once more: with one that is always silent probes would for ever */
	if (i->silent > 0 && i->came_ms + WORD_MS > end_ms)
		end_ms = (i->came_ms < end_ms ? i->came_ms : end_ms) + WORD_MS;
	if (i->callers > 0 || i->told)
		return; /* the last one who leaves sets it again */
	if (loop_now_ms(i->loop) < end_ms) {
		timer_set(i->timer, end_ms);
		return;
	}
	i->told = true;
	i->tell(i->arg);
}

void idle_restart(struct idle *i)
{
	if (!i->timer)
		return;
	i->since_ms = loop_now_ms(i->loop);
	if (!timer_is_set(i->timer))
		timer_set(i->timer, i->since_ms + i->after_ms);
}

int idle_watch(struct idle *i, struct loop *l, int64_t after_ms, void (*tell)(void *arg), void *arg,
	       struct err *err)
{
	if (!i->timer)
		i->timer = timer_new(l, on_time, i);
	if (!i->timer)
		return err_oom(err);
	i->loop = l;
	i->after_ms = after_ms;
	i->tell = tell;
	i->arg = arg;
	i->told = false;
	timer_clear(i->timer);
	idle_restart(i);
	return 0;
}

void idle_came(struct idle *i)
{
	i->silent++;
	if (i->timer)
		i->came_ms = loop_now_ms(i->loop);
}

void idle_spoke(struct idle *i)
{
	i->silent--;
}

void idle_enter(struct idle *i)
{
	i->callers++;
}

void idle_leave(struct idle *i)
{
	if (--i->callers == 0)
		idle_restart(i);
}

void idle_fini(struct idle *i)
{
	timer_free(i->timer);
	i->timer = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/timeouts.h"

/* The timer may fire too early, never too late. */
static void wake_by(struct timeouts *t, int64_t at_ms)
{
	if (at_ms >= t->timer_at)
		return;
	t->timer_at = at_ms;
	timer_set(t->timer, at_ms);
}

void timeouts_put(struct timeouts *t, struct timeout_entry *e, unsigned queue)
{
	int64_t now = loop_now_ms(t->loop);

	/* Its place among those of the same time is as good as the last one, and to move it means to touch its neighbours. */
	if (e->queue == queue && e->since_ms == now)
		return;
	if (e->queue != TIMEOUT_NONE) {
		TAILQ_REMOVE(&t->list[e->queue], e, link);
		t->n[e->queue]--;
	}
	e->queue = queue;
	if (queue == TIMEOUT_NONE)
		return;
	e->since_ms = now;
	TAILQ_INSERT_TAIL(&t->list[queue], e, link);
	t->n[queue]++;
	wake_by(t, now + t->length(queue, t->arg));
}

/* At most what was there when the run began: what comes again into a queue waits for the next turn. */
static void run_queue(struct timeouts *t, unsigned queue, int64_t now)
{
	struct timeout_entry *e;

	for (size_t n = t->n[queue]; n > 0; n--) {
		e = TAILQ_FIRST(&t->list[queue]);
		if (!e || e->since_ms + t->length(queue, t->arg) > now)
			return;
		t->expired(e, t->arg);
	}
}

static void on_timer(void *arg)
{
	struct timeouts *t = arg;
	int64_t now = loop_now_ms(t->loop);

	t->run(true, t->arg);
	t->timer_at = INT64_MAX;
	for (unsigned queue = 0; queue < TIMEOUT_QUEUES; queue++)
		run_queue(t, queue, now);
	for (unsigned queue = 0; queue < TIMEOUT_QUEUES; queue++) {
		const struct timeout_entry *e = TAILQ_FIRST(&t->list[queue]);

		if (e)
			wake_by(t, e->since_ms + t->length(queue, t->arg));
	}
	t->run(false, t->arg);
}

int timeouts_init(struct timeouts *t, struct loop *l, struct err *err)
{
	t->loop = l;
	t->timer_at = INT64_MAX;
	for (int queue = 0; queue < TIMEOUT_QUEUES; queue++) {
		TAILQ_INIT(&t->list[queue]);
		t->n[queue] = 0;
	}
	t->timer = timer_new(l, on_timer, t);
	return t->timer ? 0 : err_oom(err);
}

void timeouts_fini(struct timeouts *t)
{
	timer_free(t->timer);
	t->timer = NULL;
}

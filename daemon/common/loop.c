/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers: a binary heap ordered by time, then by when they were set, over one timerfd. The timerfd is armed for some time at or before the
 * first timer: moving timers later or clearing them leaves it alone; it then fires early, finds nothing due and is armed anew.
 */
#include "daemon/common/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { PLACE_IDLE = -1, PLACE_DUE = -2 };

struct timer {
	struct loop *loop;
	int64_t at_ms;
	uint64_t order; /* of setting: equal times fire in this order */
	ssize_t place;  /* in the heap, or PLACE_... */
	void (*fire)(void *arg);
	void *arg;
	TAILQ_ENTRY(timer) due; /* while PLACE_DUE */
};

TAILQ_HEAD(timer_list, timer);

struct loop {
	struct event_base *base;
	struct event *timer_event, *clock_event;
	int timer_fd, clock_fd;
	struct timer **heap;
	size_t n,
		room; /* room is at least the number of all timers, so that timer_set() cannot fail */
	size_t timers;
	uint64_t order;
	struct timer_list due;
	int64_t armed_ms;       /* what timer_fd is set to; INT64_MAX: not */
	int64_t now_ms, now_us; /* of this turn; now_ms -1: not read yet */
	bool soon; /* a timer was set into the past: run it after this turn without a timerfd */
	bool stop;
	void (*clock_set)(void *arg);
	void *clock_arg;
};

struct watch {
	struct event *event;
	void (*ready)(void *arg);
	void *arg;
};

/* --- the heap --- */

static bool before(const struct timer *a, const struct timer *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void put(struct loop *l, size_t place, struct timer *t)
{
	l->heap[place] = t;
	t->place = (ssize_t)place;
}

static void sift_up(struct loop *l, size_t place, struct timer *t)
{
	while (place > 0 && before(t, l->heap[(place - 1) / 2])) {
		put(l, place, l->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(l, place, t);
}

static void sift_down(struct loop *l, size_t place, struct timer *t)
{
	for (;;) {
		size_t child = 2 * place + 1;

		if (child >= l->n)
			break;
		if (child + 1 < l->n && before(l->heap[child + 1], l->heap[child]))
			child++;
		if (!before(l->heap[child], t))
			break;
		put(l, place, l->heap[child]);
		place = child;
	}
	put(l, place, t);
}

static void heap_remove(struct loop *l, struct timer *t)
{
	size_t place = (size_t)t->place;
	struct timer *last = l->heap[--l->n];

	t->place = PLACE_IDLE;
	if (last == t)
		return;
	if (place > 0 && before(last, l->heap[(place - 1) / 2]))
		sift_up(l, place, last);
	else
		sift_down(l, place, last);
}

/* --- firing --- */

static void arm(struct loop *l, int64_t at_ms)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = at_ms / 1000, .tv_nsec = (at_ms % 1000) * 1000000 },
	};

	l->armed_ms = at_ms;
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Makes sure that we wake up for the first timer. */
static void arm_for_first(struct loop *l)
{
	if (l->n > 0 && l->heap[0]->at_ms < l->armed_ms)
		arm(l, l->heap[0]->at_ms > 0 ? l->heap[0]->at_ms : 1);
}

/* What is due now is taken out first: a timer that is set again by a handler waits for the next turn, and no handler can starve the loop. */
static void run_due(struct loop *l)
{
	int64_t now = loop_now_ms(l);

	l->soon = false;
	while (l->n > 0 && l->heap[0]->at_ms <= now) {
		struct timer *t = l->heap[0];

		heap_remove(l, t);
		t->place = PLACE_DUE;
		TAILQ_INSERT_TAIL(&l->due, t, due);
	}
	while (!TAILQ_EMPTY(&l->due)) {
		struct timer *t = TAILQ_FIRST(&l->due);

		TAILQ_REMOVE(&l->due, t, due);
		t->place = PLACE_IDLE;
		t->fire(t->arg); /* may free t */
	}
	arm_for_first(l);
}

static void on_timer_fd(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof times) == (ssize_t)sizeof times)
		l->armed_ms = INT64_MAX;
	run_due(l);
}

struct timer *timer_new(struct loop *l, void (*fire)(void *arg), void *arg)
{
	struct timer *t;

	if (l->timers == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		struct timer **heap = reallocarray(l->heap, room, sizeof *heap);

		if (!heap)
			return NULL;
		l->heap = heap;
		l->room = room;
	}
	t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	*t = (struct timer){ .loop = l, .place = PLACE_IDLE, .fire = fire, .arg = arg };
	l->timers++;
	return t;
}

void timer_clear(struct timer *t)
{
	if (t->place >= 0)
		heap_remove(t->loop, t);
	else if (t->place == PLACE_DUE)
		TAILQ_REMOVE(&t->loop->due, t, due);
	t->place = PLACE_IDLE;
}

void timer_set(struct timer *t, int64_t at_ms)
{
	struct loop *l = t->loop;

	timer_clear(t);
	t->at_ms = at_ms;
	t->order = l->order++;
	sift_up(l, l->n++, t);
	if (at_ms <= loop_now_ms(l))
		l->soon = true;
	else if (t->place == 0)
		arm_for_first(l);
}

bool timer_is_set(const struct timer *t)
{
	return t->place != PLACE_IDLE;
}

void timer_free(struct timer *t)
{
	if (!t)
		return;
	timer_clear(t);
	t->loop->timers--;
	free(t);
}

/* --- the loop --- */

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	/* One thread, so no locks; no environment variable may choose another backend. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static int add_readable(struct loop *l, int fd, event_callback_fn call, void *arg,
			struct event **event)
{
	*event = event_new(l->base, fd, EV_READ | EV_PERSIST, call, arg);
	return *event && event_add(*event, NULL) == 0 ? 0 : -1;
}

/* What libevent has to say would else be a line of its own on standard error, in no form that anybody has asked for. Once at a time: a log may use what it speaks of. */
static void library_said(int severity, const char *message)
{
	static bool speaking;

	if (speaking)
		return;
	speaking = true;
	log_event(severity >= EVENT_LOG_WARN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "loop.message",
		  F_STR("message", message));
	speaking = false;
}

struct loop *loop_new(struct err *err)
{
	CLEANUP(loop_freep) struct loop *l = calloc(1, sizeof *l);

	if (!l) {
		err_oom(err);
		return NULL;
	}
	event_set_log_callback(library_said);
	l->clock_fd = -1;
	l->now_ms = -1;
	l->armed_ms = INT64_MAX;
	TAILQ_INIT(&l->due);
	l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->timer_fd < 0) {
		err_errno(err, ERR_INTERNAL, errno, "cannot make a timer");
		return NULL;
	}
	l->base = new_base();
	if (!l->base || add_readable(l, l->timer_fd, on_timer_fd, l, &l->timer_event) < 0) {
		err_set(err, ERR_INTERNAL, "cannot set up the event loop");
		return NULL;
	}
	return TAKE(l);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->timer_event)
		event_free(l->timer_event);
	if (l->clock_event)
		event_free(l->clock_event);
	if (l->base)
		event_base_free(l->base);
	cleanup_close(&l->timer_fd);
	cleanup_close(&l->clock_fd);
	free(l->heap);
	free(l);
}

int loop_run(struct loop *l, struct err *err)
{
	while (!l->stop) {
		int rc;

		/* The time is read by the first who asks after the wait. */
		l->now_ms = -1;
		rc = event_base_loop(l->base, EVLOOP_ONCE | (l->soon ? EVLOOP_NONBLOCK : 0));
		if (rc < 0)
			return err_set(err, ERR_INTERNAL, "the event loop failed");
		if (l->soon && !l->stop)
			run_due(l);
	}
	l->stop = false;
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

int64_t loop_now_ms(struct loop *l)
{
	if (l->now_ms < 0) {
		l->now_us = clock_now_us();
		l->now_ms = l->now_us / 1000;
	}
	return l->now_ms;
}

int64_t loop_now_us(struct loop *l)
{
	(void)loop_now_ms(l);
	return l->now_us;
}

int64_t loop_fresh_us(struct loop *l)
{
	(void)l;
	return clock_now_us();
}

/* --- the wall clock --- */

/* Armed for a time that never comes: only TFD_TIMER_CANCEL_ON_SET makes it readable (timerfd_create(2)). */
static int arm_clock(struct loop *l)
{
	struct itimerspec never = { .it_value = { .tv_sec = (time_t)1 << 40 } };

	return timerfd_settime(l->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			       NULL);
}

static void on_clock_fd(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof times) < 0 && errno != ECANCELED)
		return;
	arm_clock(l);
	if (l->clock_set)
		l->clock_set(l->clock_arg);
}

void loop_on_clock_set(struct loop *l, void (*changed)(void *arg), void *arg)
{
	l->clock_set = changed;
	l->clock_arg = arg;
	if (l->clock_fd >= 0)
		return;
	/* Without this timer wall times stay as they were computed; nothing that we promise depends on them. */
	l->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->clock_fd >= 0 && arm_clock(l) == 0)
		add_readable(l, l->clock_fd, on_clock_fd, l, &l->clock_event);
}

/* --- descriptors --- */

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	(void)what;
	w->ready(w->arg); /* may free w */
}

struct watch *watch_new(struct loop *l, int fd, void (*ready)(void *arg), void *arg)
{
	struct watch *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	*w = (struct watch){ .ready = ready, .arg = arg };
	if (add_readable(l, fd, on_watch, w, &w->event) < 0) {
		watch_free(w);
		return NULL;
	}
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->event)
		event_free(w->event);
	free(w);
}

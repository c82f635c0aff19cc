/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of the mint and the front: libevent for descriptors, and timers on CLOCK_BOOTTIME (one timerfd and a heap), so that a
 * deadline is right after a suspend. Nothing here is thread-safe; the loop is the only thread.
 * Scenario tests replace this file by a virtual clock.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct event_base;
struct loop;
struct timer;
struct watch;

struct loop *loop_new(struct err *err);
void loop_free(struct loop *l); /* takes NULL; all timers and watches must be freed before */
DEFINE_CLEANUP(struct loop *, loop_free)

/* Runs until loop_stop(). Returns 0 or -ERR_INTERNAL. */
int loop_run(struct loop *l, struct err *err);
void loop_stop(struct loop *l);

/* For the other homes of libevent (connection, listener, link, control, mint/http). */
struct event_base *loop_base(struct loop *l);

/* BOOTTIME now in ms, read once per turn of the loop. */
int64_t loop_now_ms(struct loop *l);
/* The same in us: when this turn began. loop_fresh_us(): read anew, to know how long something has taken since. */
int64_t loop_now_us(struct loop *l);
int64_t loop_fresh_us(struct loop *l);

/* Called after the wall clock was set (TFD_TIMER_CANCEL_ON_SET). One handler. */
void loop_on_clock_set(struct loop *l, void (*changed)(void *arg), void *arg);

/*
 * A timer, idle at first. timer_set(): call fire(arg) once, at or soon after at_ms (BOOTTIME; in the past: in the next turn, never from within
 * timer_set()); setting it again moves it. Moving a timer later is cheap and makes no system call.
 */
struct timer *timer_new(struct loop *l, void (*fire)(void *arg), void *arg);
void timer_set(struct timer *t, int64_t at_ms);
void timer_clear(struct timer *t);
bool timer_is_set(const struct timer *t);
void timer_free(struct timer *t); /* takes NULL; allowed from within its own fire() */
DEFINE_CLEANUP(struct timer *, timer_free)

/* Calls ready(arg) as often as fd is readable (level). The descriptor stays the caller's. */
struct watch *watch_new(struct loop *l, int fd, void (*ready)(void *arg), void *arg);
void watch_free(struct watch *w); /* takes NULL; allowed from within ready() */

#endif

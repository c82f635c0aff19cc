/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop and its timers, under the real clock: what is waited for are conditions, never lengths of time.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "daemon/common/packet.h"
#include "tests/unit/check.h"

enum { MANY = 300, STEPS = 3000 };

static struct loop *loop;

/* --- order, against a model that sorts --- */

struct row {
	struct timer *timer;
	int64_t at_ms;
	unsigned order; /* of setting; 0: not set */
	unsigned fired; /* as which one; 0: not */
	bool early;
};

static struct row rows[MANY];
static unsigned n_fired, n_set;

static void on_row(void *arg)
{
	struct row *r = arg;

	r->fired = ++n_fired;
	r->early = clock_now_ms() < r->at_ms;
	if (n_fired == n_set)
		loop_stop(loop);
}

static bool model_before(const struct row *a, const struct row *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

/* Numerical Recipes' generator: the same order in every run. */
static uint32_t next_number(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 8;
}

static void shuffle(uint32_t seed, int64_t from_ms, int64_t span_ms)
{
	for (unsigned step = 1; step <= STEPS; step++) {
		struct row *r = &rows[next_number(&seed) % MANY];

		if (next_number(&seed) % 4 == 0) {
			timer_clear(r->timer);
			r->order = 0;
			continue;
		}
		r->at_ms = from_ms + next_number(&seed) % span_ms;
		r->order = step;
		timer_set(r->timer, r->at_ms);
	}
	n_set = n_fired = 0;
	for (unsigned i = 0; i < MANY; i++) {
		CHECK(timer_is_set(rows[i].timer) == (rows[i].order != 0));
		n_set += rows[i].order != 0;
	}
}

static void check_rows(void)
{
	CHECK_INT(n_fired, n_set);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned before = 1;

		if (!rows[i].order) {
			CHECK_INT(rows[i].fired, 0);
			continue;
		}
		for (unsigned j = 0; j < MANY; j++)
			before += rows[j].order && model_before(&rows[j], &rows[i]);
		CHECK_INT(rows[i].fired, before);
		CHECK(!rows[i].early);
		CHECK(!timer_is_set(rows[i].timer));
	}
}

static void run_rows(unsigned seed, int64_t from_ms, int64_t span_ms)
{
	struct err err;

	loop = loop_new(&err);
	REQUIRE(loop);
	memset(rows, 0, sizeof rows);
	for (unsigned i = 0; i < MANY; i++) {
		rows[i].timer = timer_new(loop, on_row, &rows[i]);
		REQUIRE(rows[i].timer);
	}
	shuffle(seed, from_ms, span_ms);
	CHECK_INT(loop_run(loop, &err), 0);
	check_rows();
	for (unsigned i = 0; i < MANY; i++)
		timer_free(rows[i].timer);
	loop_free(loop);
}

TEST(past_timers_fire_in_order_of_time_then_of_setting)
{
	for (unsigned seed = 1; seed <= 20; seed++)
		run_rows(seed, clock_now_ms() - 10000, 1 + (int64_t)seed * 5);
}

TEST(future_timers_fire_in_order_and_never_early)
{
	for (unsigned seed = 100; seed <= 103; seed++)
		run_rows(seed, clock_now_ms() + 20, 40);
}

/* --- single timers --- */

struct one {
	struct timer *timer, *other;
	unsigned times;
	bool in_set;
};

static void start(void)
{
	loop = loop_new(NULL);
}

static void on_again(void *arg)
{
	struct one *o = arg;

	CHECK(!o->in_set);
	if (++o->times == 3) {
		loop_stop(loop);
		return;
	}
	o->in_set = true;
	timer_set(o->timer, 0); /* long past */
	o->in_set = false;
}

TEST(a_timer_set_into_the_past_fires_later_not_within_timer_set)
{
	struct one o = { 0 };

	start();
	o.timer = timer_new(loop, on_again, &o);
	o.in_set = true;
	timer_set(o.timer, -5);
	o.in_set = false;
	CHECK_INT(o.times, 0);
	loop_run(loop, NULL);
	CHECK_INT(o.times, 3);
	timer_free(o.timer);
	loop_free(loop);
}

static void on_stop(void *arg)
{
	struct one *o = arg;

	o->times++;
	loop_stop(loop);
}

static void on_free_both(void *arg)
{
	struct one *o = arg;

	o->times++;
	timer_free(TAKE(o->timer));
	timer_free(TAKE(o->other)); /* due in the same turn: must not fire any more */
}

static void on_never(void *arg)
{
	(void)arg;
	CHECK(!"a freed timer fired");
}

TEST(a_timer_may_free_itself_and_others_that_are_due)
{
	struct one o = { 0 }, last = { 0 };
	struct timer *end;

	start();
	o.timer = timer_new(loop, on_free_both, &o);
	o.other = timer_new(loop, on_never, NULL);
	end = timer_new(loop, on_stop, &last);
	timer_set(o.timer, 1);
	timer_set(o.other, 2);
	timer_set(end, 3);
	loop_run(loop, NULL);
	CHECK_INT(o.times, 1);
	CHECK_INT(last.times, 1);
	timer_free(end);
	loop_free(loop);
}

/* The timerfd was armed for the earlier time: it fires, nothing is due, and must be armed again. */
TEST(a_timer_moved_later_still_fires_and_not_before)
{
	struct one o = { 0 };
	int64_t at;

	start();
	o.timer = timer_new(loop, on_stop, &o);
	timer_set(o.timer, clock_now_ms() + 5);
	at = clock_now_ms() + 60;
	timer_set(o.timer, at);
	loop_run(loop, NULL);
	CHECK_INT(o.times, 1);
	CHECK(clock_now_ms() >= at);
	timer_free(o.timer);
	loop_free(loop);
}

TEST(an_earlier_timer_behind_a_later_one_is_not_late_for_it)
{
	struct one o = { 0 };
	struct timer *far;
	int64_t hour = 3600000;

	start();
	far = timer_new(loop, on_never, NULL);
	o.timer = timer_new(loop, on_stop, &o);
	timer_set(far, clock_now_ms() + hour);
	timer_set(o.timer, clock_now_ms() + 20);
	loop_run(loop, NULL); /* ends at all only if the timerfd was armed for the nearer one */
	CHECK_INT(o.times, 1);
	timer_free(far);
	timer_free(o.timer);
	loop_free(loop);
}

/* --- time and descriptors --- */

static void on_time(void *arg)
{
	int64_t *seen = arg;
	int64_t began = loop_now_ms(loop);

	while (clock_now_ms() <= began + 2)
		;
	seen[0] = began;
	seen[1] = loop_now_ms(loop);
	loop_stop(loop);
}

TEST(the_time_stands_still_within_a_turn)
{
	int64_t seen[2] = { 0 };
	struct timer *t;

	start();
	t = timer_new(loop, on_time, seen);
	timer_set(t, 0);
	loop_run(loop, NULL);
	CHECK(seen[0] > 0);
	CHECK_INT(seen[1], seen[0]);
	timer_free(t);
	loop_free(loop);
}

struct reader {
	struct watch *watch;
	int fd;
	unsigned calls;
};

static void on_readable(void *arg)
{
	struct reader *r = arg;
	char byte;

	if (++r->calls < 3)
		return; /* level: we are called until it is read */
	CHECK_INT(read(r->fd, &byte, 1), 1);
	watch_free(TAKE(r->watch));
	loop_stop(loop);
}

TEST(a_watch_is_called_while_there_is_something_and_may_free_itself)
{
	struct reader r = { 0 };
	int pipes[2];

	start();
	REQUIRE(pipe(pipes) == 0);
	r.fd = pipes[0];
	r.watch = watch_new(loop, r.fd, on_readable, &r);
	REQUIRE(r.watch);
	CHECK_INT(write(pipes[1], "x", 1), 1);
	loop_run(loop, NULL);
	CHECK_INT(r.calls, 3);
	close(pipes[0]);
	close(pipes[1]);
	loop_free(loop);
}

/* Nobody reads what its watch is told of; its timer sets itself to now once more, and then ends the loop. */
struct busy {
	struct timer *timer;
	unsigned calls, fired;
};

static void on_busy(void *arg)
{
	struct busy *b = arg;

	if (++b->calls == STEPS)
		loop_stop(loop);
}

static void on_once_more(void *arg)
{
	struct busy *b = arg;

	if (++b->fired == 1)
		timer_set(b->timer, loop_now_ms(loop));
	else
		loop_stop(loop);
}

TEST(a_timer_set_to_now_fires_although_something_stays_readable)
{
	struct busy b = { 0 };
	struct watch *watch;
	int pipes[2];

	start();
	REQUIRE(pipe(pipes) == 0);
	b.timer = timer_new(loop, on_once_more, &b);
	watch = watch_new(loop, pipes[0], on_busy, &b);
	REQUIRE(b.timer && watch);
	CHECK_INT(write(pipes[1], "x", 1), 1);
	timer_set(b.timer, 0);
	loop_run(loop, NULL);
	CHECK_INT(b.fired, 2);
	CHECK(b.calls < STEPS);
	watch_free(watch);
	timer_free(b.timer);
	close(pipes[0]);
	close(pipes[1]);
	loop_free(loop);
}

/* --- packets --- */

TEST(a_packet_keeps_its_bounds_and_its_descriptor)
{
	static char buffer[70000];
	struct err err;
	int ends[2], pipes[2], fd = -1;
	char byte = 0;

	REQUIRE(packet_pair(ends, &err) == 0);
	REQUIRE(pipe(pipes) == 0);
	CHECK_INT(packet_recv(ends[1], buffer, sizeof buffer, &fd, &err), -ERR_RETRY);
	CHECK_INT(packet_send(ends[0], "one", 3, pipes[0], &err), 1);
	CHECK_INT(packet_send(ends[0], "three", 5, -1, &err), 1);
	CHECK_INT(packet_recv(ends[1], buffer, sizeof buffer, &fd, &err), 3);
	CHECK(fd >= 0);
	CHECK_INT(write(pipes[1], "y", 1), 1);
	CHECK_INT(read(fd, &byte, 1), 1);
	CHECK_INT(byte, 'y');
	close(fd);
	CHECK_INT(packet_recv(ends[1], buffer, sizeof buffer, &fd, &err), 5);
	CHECK_INT(fd, -1);
	CHECK_MEM(buffer, 5, "three", 5);
	CHECK(packet_send(ends[0], "", 0, -1, &err) < 0); /* would look like the end */
	close(ends[0]);
	CHECK_INT(packet_recv(ends[1], buffer, sizeof buffer, &fd, &err), 0);
	close(ends[1]);
	close(pipes[0]);
	close(pipes[1]);
}

static void send_two_descriptors(int sock, int fd)
{
	int both[2] = { fd, fd };
	char room[CMSG_SPACE(sizeof both)] __attribute__((aligned(8))) = { 0 };
	char byte = 'x';
	struct iovec piece = { &byte, 1 };
	struct msghdr m = { .msg_iov = &piece,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof room };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof both);
	memcpy(CMSG_DATA(c), both, sizeof both);
	CHECK_INT(sendmsg(sock, &m, 0), 1);
}

TEST(a_packet_with_two_descriptors_is_refused_and_none_stays_open)
{
	static char buffer[70000];
	struct err err;
	int ends[2], fd, next = -1;

	REQUIRE(packet_pair(ends, &err) == 0);
	fd = dup(0);
	close(fd); /* the number that the next descriptor would get */
	send_two_descriptors(ends[0], ends[0]);
	CHECK_INT(packet_recv(ends[1], buffer, sizeof buffer, &next, &err), -ERR_PROTOCOL);
	CHECK_INT(next, -1);
	next = dup(0);
	CHECK_INT(next, fd);
	close(next);
	close(ends[0]);
	close(ends[1]);
}

TEST(a_full_channel_says_so_and_loses_nothing)
{
	static char packet[60000], buffer[70000];
	struct err err;
	int ends[2], fd, sent = 0, got = 0;

	REQUIRE(packet_pair(ends, &err) == 0);
	while (packet_send(ends[0], packet, sizeof packet, -1, &err) == 1)
		sent++;
	CHECK(sent > 0);
	CHECK_INT(packet_send(ends[0], packet, sizeof packet, -1, &err), 0);
	while (packet_recv(ends[1], buffer, sizeof buffer, &fd, &err) == (int)sizeof packet)
		got++;
	CHECK_INT(got, sent);
	CHECK_INT(packet_send(ends[0], packet, sizeof packet, -1, &err), 1);
	close(ends[0]);
	close(ends[1]);
}

CHECK_MAIN()

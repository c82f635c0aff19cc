/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/gate.h"
#include "tests/unit/check.h"

enum { N = 100 };

static const struct limits limits = {
	.max_scheduled_in_flight = 8,
	.max_demanded_in_flight = 64,
	.breaker_failures = 5,
	.backoff_first_ms = 1000,
	.backoff_max_ms = 300000,
	.demand_gap_ms = 5000,
};

static struct gate *gate;
static struct gate_waiter w[N];

/* All of them join one host; wait(): all of a range wait. */
static void start(enum attempt_kind kind)
{
	gate = gate_new(&limits);
	for (size_t i = 0; i < N; i++)
		CHECK_INT(gate_join(gate, &w[i], "a:443", kind), 0);
}

static void stop(void)
{
	for (size_t i = 0; i < N; i++)
		gate_quit(gate, &w[i]);
	gate_free(gate);
}

static size_t let_in(int64_t now_ms)
{
	size_t n = 0;

	while (gate_next(gate, w[0].host, now_ms))
		n++;
	return n;
}

static size_t sent_away(int64_t now_ms, int64_t *retry_ms)
{
	size_t n = 0;

	while (gate_next_refused(gate, w[0].host, now_ms, retry_ms))
		n++;
	return n;
}

/* One after the other goes in and fails, until the breaker is open. */
static void fail(unsigned times, int64_t now_ms)
{
	for (unsigned i = 0; i < times; i++) {
		gate_wait(&w[N - 1]);
		CHECK(gate_next(gate, w[0].host, now_ms) == &w[N - 1]);
		gate_leave(gate, &w[N - 1], GATE_FAILED, 0, now_ms);
	}
}

TEST(eight_scheduled_and_64_demanded_at_once)
{
	start(ATTEMPT_SCHEDULED);
	for (size_t i = 0; i < 20; i++)
		gate_wait(&w[i]);
	CHECK_INT(let_in(0), 8);
	for (size_t i = 20; i < N; i++) {
		gate_demand(&w[i]);
		gate_wait(&w[i]);
	}
	CHECK_INT(let_in(0), 64);
	gate_leave(gate, &w[0], GATE_REACHED, 0, 0);
	CHECK(gate_next(gate, w[0].host, 0) == &w[8]);
	gate_leave(gate, &w[20], GATE_REACHED, 0, 0);
	CHECK(gate_next(gate, w[0].host, 0) == &w[84]);
	CHECK(gate_next(gate, w[0].host, 0) == NULL);
	stop();
}

TEST(demand_goes_before_schedule)
{
	start(ATTEMPT_SCHEDULED);
	for (size_t i = 0; i < 4; i++)
		gate_wait(&w[i]);
	gate_demand(&w[2]);
	CHECK(gate_next(gate, w[0].host, 0) == &w[2]);
	CHECK(gate_next(gate, w[0].host, 0) == &w[0]);
	gate_demand(&w[0]); /* inside: stays what it was */
	CHECK_INT(w[0].kind, ATTEMPT_SCHEDULED);
	gate_demand(&w[9]); /* not waiting yet */
	gate_wait(&w[9]);
	CHECK(gate_next(gate, w[0].host, 0) == &w[9]);
	stop();
}

TEST(hosts_do_not_share_their_places)
{
	struct gate_waiter other;

	start(ATTEMPT_SCHEDULED);
	CHECK_INT(gate_join(gate, &other, "b:443", ATTEMPT_SCHEDULED), 0);
	for (size_t i = 0; i < 9; i++)
		gate_wait(&w[i]);
	gate_wait(&other);
	CHECK_INT(let_in(0), 8);
	CHECK(gate_next(gate, other.host, 0) == &other);
	gate_quit(gate, &other);
	stop();
}

TEST(five_failures_open_the_breaker)
{
	int64_t retry_ms = 0;

	start(ATTEMPT_SCHEDULED);
	fail(4, 100);
	CHECK_INT(gate_open_ms(gate, "a:443"), 0);
	fail(1, 100);
	CHECK_INT(gate_open_ms(gate, "a:443"), 1100);
	CHECK_INT(gate_open_ms(gate, "b:443"), 0);
	gate_wait(&w[0]);
	gate_wait(&w[1]);
	CHECK(gate_next(gate, w[0].host, 1099) == NULL);
	CHECK_INT(sent_away(1099, &retry_ms), 2);
	CHECK_INT(retry_ms, 1100);
	CHECK_INT(w[0].place, GATE_OUTSIDE);
	stop();
}

TEST(a_success_between_closes_the_count)
{
	start(ATTEMPT_SCHEDULED);
	fail(4, 0);
	gate_wait(&w[0]);
	CHECK_INT(let_in(0), 1);
	gate_leave(gate, &w[0], GATE_REACHED, 0, 0);
	fail(4, 0);
	CHECK_INT(gate_open_ms(gate, "a:443"), 0);
	stop();
}

TEST(one_probe_a_step_for_all)
{
	int64_t retry_ms = 0, now_ms = 0, wait_ms = 1000;

	start(ATTEMPT_SCHEDULED);
	fail(5, 0);
	for (unsigned step = 0; step < 12; step++) {
		now_ms += wait_ms;
		for (size_t i = 0; i < 10; i++)
			gate_wait(&w[i]);
		CHECK(gate_next(gate, w[0].host, now_ms - 1) == NULL);
		CHECK(gate_next(gate, w[0].host, now_ms) == &w[0]);
		CHECK(gate_next(gate, w[0].host, now_ms) == NULL);
		CHECK_INT(sent_away(now_ms, &retry_ms),
			  0); /* the others wait for what the probe finds */
		gate_leave(gate, &w[0], GATE_FAILED, 0, now_ms);
		CHECK_INT(sent_away(now_ms, &retry_ms), 9);
		wait_ms = wait_ms * 2 < 300000 ? wait_ms * 2 : 300000;
		CHECK_INT(retry_ms, now_ms + wait_ms);
	}
	CHECK_INT(wait_ms, 300000);
	stop();
}

TEST(a_probe_that_arrives_lets_all_others_in)
{
	start(ATTEMPT_SCHEDULED);
	fail(5, 0);
	for (size_t i = 0; i < 8; i++)
		gate_wait(&w[i]);
	CHECK_INT(let_in(1000), 1);
	gate_leave(gate, &w[0], GATE_REACHED, 0, 1000);
	CHECK_INT(let_in(1000), 7);
	CHECK_INT(gate_open_ms(gate, "a:443"), 0);
	stop();
}

TEST(demand_may_probe_earlier_but_not_storm)
{
	int64_t retry_ms = 0;

	start(ATTEMPT_DEMANDED);
	fail(5, 0);
	for (unsigned step = 0; step < 5; step++) /* up to 32 s */
		fail(1, gate_open_ms(gate, "a:443"));
	fail(1, 1000000);
	for (size_t i = 0; i < 64; i++)
		gate_wait(&w[i]);
	CHECK_INT(let_in(1004999), 0);
	CHECK_INT(sent_away(1004999, &retry_ms), 64);
	CHECK_INT(retry_ms, 1005000);
	for (size_t i = 0; i < 64; i++)
		gate_wait(&w[i]);
	CHECK_INT(let_in(1005000), 1);
	stop();
}

TEST(the_hosts_own_wish_counts)
{
	start(ATTEMPT_SCHEDULED);
	fail(4, 0);
	gate_wait(&w[0]);
	CHECK_INT(let_in(0), 1);
	gate_leave(gate, &w[0], GATE_FAILED, 60000, 0);
	CHECK_INT(gate_open_ms(gate, "a:443"), 60000);
	stop();
}

TEST(a_probe_that_is_given_up_decides_nothing)
{
	start(ATTEMPT_SCHEDULED);
	fail(5, 0);
	gate_wait(&w[0]);
	gate_wait(&w[1]);
	CHECK_INT(let_in(1000), 1);
	gate_quit(gate, &w[0]);
	CHECK_INT(gate_open_ms(gate, "a:443"), 1000);
	CHECK(gate_next(gate, w[1].host, 1000) == &w[1]);
	CHECK_INT(gate_join(gate, &w[0], "a:443", ATTEMPT_SCHEDULED), 0);
	stop();
}

TEST(late_failures_do_not_lengthen_the_first_step)
{
	start(ATTEMPT_SCHEDULED);
	for (size_t i = 0; i < 8; i++)
		gate_wait(&w[i]);
	CHECK_INT(let_in(0), 8);
	for (size_t i = 0; i < 8; i++)
		gate_leave(gate, &w[i], GATE_FAILED, 0, 0);
	CHECK_INT(gate_open_ms(gate, "a:443"), 1000);
	stop();
}

TEST(those_who_leave_the_queue_are_not_let_in)
{
	start(ATTEMPT_SCHEDULED);
	gate_wait(&w[0]);
	gate_wait(&w[1]);
	gate_quit(gate, &w[0]);
	CHECK(gate_next(gate, w[1].host, 0) == &w[1]);
	CHECK_INT(gate_join(gate, &w[0], "a:443", ATTEMPT_SCHEDULED), 0);
	stop();
}

CHECK_MAIN()

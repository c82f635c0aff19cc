/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One caller's connection: frames in any pieces, one call at a time, and every rule and limit of interfaces.md 1 that belongs to it.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/common/packet.h"
#include "tests/unit/check.h"
#include "tests/unit/connection_fixture.h"

static char bytes[400000];

static void expect(struct fixture *f, const char *reply)
{
	size_t got = fixture_read(f, bytes, strlen(reply) + 1);

	CHECK_MEM(bytes, got, reply, strlen(reply) + 1);
}

static bool after_two_calls(const struct fixture *f)
{
	return f->calls >= 2;
}

static bool after_drain(const struct fixture *f)
{
	return f->drained > 0;
}

static bool busy(const struct fixture *f)
{
	return f->c && connection_busy(f->c);
}

static bool idle(const struct fixture *f)
{
	return f->c && !connection_in_call(f->c) && !connection_busy(f->c);
}

static void answer_late(struct fixture *f)
{
	buf_add(connection_out(f->c), LATE_REPLY, sizeof LATE_REPLY);
	connection_reply(f->c, false);
}

/* Sends that to a fresh connection, and waits until it is in a call. */
static void open_in_call(struct fixture *f, const char *text, size_t size)
{
	fixture_open(f);
	fixture_send(f, text, size);
	CHECK(fixture_run(f, fixture_in_call));
}
#define OPEN_IN_CALL(f, text) open_in_call((f), (text), sizeof(text))

/* In a call for that long. */
static void stay_in_call(struct fixture *f, int64_t ms)
{
	int64_t until = clock_now_ms() + ms;

	while (clock_now_ms() < until)
		fixture_run(f, fixture_in_call);
	CHECK_INT(f->closed, 0);
}

static void hang_up(struct fixture *f)
{
	close(f->peer);
	f->peer = -1;
}

/* --- frames --- */

TEST(a_call_is_answered_whole_or_split_at_every_byte)
{
	static const char two[] = ECHO_CALL "\0" RAW_CALL;

	for (size_t at = 1; at < sizeof two; at++) {
		struct fixture f = { 0 };

		fixture_open(&f);
		fixture_send(&f, two, at);
		if (at >= sizeof ECHO_CALL)
			expect(&f, ECHO_REPLY);
		else
			fixture_run(&f, idle); /* it has what there is, and waits */
		fixture_send(&f, two + at, sizeof two - at);
		if (at < sizeof ECHO_CALL)
			expect(&f, ECHO_REPLY);
		expect(&f, RAW_REPLY);
		CHECK_INT(f.calls, 1);
		CHECK_INT(f.closed, 0);
		fixture_close(&f);
	}
}

TEST(many_calls_at_once_are_answered_one_by_one_and_in_order)
{
	enum { N = 300 };
	static const char both[] = ECHO_CALL "\0" RAW_CALL;
	struct fixture f = { 0 };

	fixture_open(&f);
	for (int i = 0; i < N / 2; i++)
		memcpy(bytes + (size_t)i * (sizeof both), both, sizeof both);
	fixture_send(&f, bytes, N / 2 * sizeof both);
	for (int i = 0; i < N; i++)
		expect(&f, i % 2 ? RAW_REPLY : ECHO_REPLY);
	CHECK_INT(f.calls, N / 2);
	fixture_close(&f);
}

TEST(a_call_behind_one_that_waits_waits_too)
{
	struct fixture f = { 0 };

	OPEN_IN_CALL(&f, WAIT_CALL "\0" ECHO_CALL);
	CHECK_INT(f.calls, 1);
	SEND(&f, RAW_CALL); /* more arrives while it waits */
	answer_late(&f);
	expect(&f, LATE_REPLY);
	expect(&f, ECHO_REPLY);
	expect(&f, RAW_REPLY);
	fixture_close(&f);
}

TEST(a_oneway_call_gets_no_reply)
{
	struct fixture f = { 0 };

	fixture_open(&f);
	SEND(&f, "{\"method\":\"x.Echo\",\"oneway\":true}");
	SEND(&f, "{\"method\":\"x.Big\",\"oneway\":true}");
	SEND(&f, RAW_CALL);
	expect(&f, RAW_REPLY);
	CHECK_INT(f.calls, 2);
	fixture_close(&f);
}

/* --- what ends it --- */

static void check_refused(const char *request, size_t size, const char *limit)
{
	struct fixture f = { 0 };

	fixture_open(&f);
	fixture_send(&f, request, size);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_INT(f.closed, 1);
	CHECK_STR(f.limit, limit);
	CHECK_INT(f.calls, 0);
	CHECK(recv(f.peer, bytes, 1, MSG_DONTWAIT) <= 0); /* not a byte of an answer */
	fixture_close(&f);
}

TEST(what_breaks_rule_3_closes_the_connection)
{
	static const char *const malformed[] = {
		"",
		"x",
		"[]",
		"{",
		"{\"method\":\"x.Echo\"",
		"{\"method\":\"x.Echo\"}}",
		"{\"method\":\"x.Echo\",\"method\":\"x.Echo\"}",
		"{\"method\":\"x.Echo\",\"upgrade\":true}",
		"{\"method\":\"x.Echo\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"x.Echo\",\"unknown\":1}",
		"{\"method\":\"x.Echo\",\"parameters\":{\"a\":\"\\u0000\"}}",
		"{\"method\":\"x.Echo\",\"parameters\":{\"a\":\"\xc0\x80\"}}",
		"{\"method\":\"x.Echo\",\"parameters\":{\"a\":NaN}}",
		"{}",
	};

	for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
		check_row(malformed[i]);
		check_refused(malformed[i], strlen(malformed[i]) + 1, "malformed_request");
	}
}

TEST(a_request_of_64_KiB_is_taken_and_a_longer_one_closes)
{
	static char request[VARLINK_MESSAGE_MAX + 1];
	struct fixture f = { 0 };

	/* the white space makes it long */
	memset(request, ' ', sizeof request);
	memcpy(request, ECHO_CALL, strlen(ECHO_CALL));
	request[VARLINK_MESSAGE_MAX - 1] = '\0';
	fixture_open(&f);
	fixture_send(&f, request, VARLINK_MESSAGE_MAX);
	expect(&f, ECHO_REPLY);
	fixture_close(&f);
	request[VARLINK_MESSAGE_MAX - 1] = ' ';
	check_refused(request, VARLINK_MESSAGE_MAX + 1, "request_too_long");
}

TEST(a_reply_that_is_too_long_is_not_sent_in_part)
{
	struct fixture f = { 0 };

	fixture_open(&f);
	SEND(&f, "{\"method\":\"x.None\"}");
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_STR(f.limit, "reply_too_long");
	CHECK_INT(recv(f.peer, bytes, 1, MSG_DONTWAIT), 0);
	fixture_close(&f);
}

TEST(the_owner_may_close_within_a_call)
{
	struct fixture f = { 0 };

	fixture_open(&f);
	SEND(&f, "{\"method\":\"x.Close\"}\0" ECHO_CALL);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_INT(f.closed, 1);
	CHECK_INT(f.calls, 1);
	fixture_close(&f);
}

/* --- timeouts --- */

static void check_timeout(struct connection_limits times, const char *request, size_t size,
			  const char *limit)
{
	struct fixture f = { .times = times };
	int64_t began = clock_now_ms();

	fixture_open(&f);
	fixture_send(&f, request, size);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_STR(f.limit, limit);
	CHECK(clock_now_ms() - began >= 40);
	fixture_close(&f);
}

TEST(an_incomplete_request_ends_after_its_timeout)
{
	check_timeout((struct connection_limits){ 40, 60000, 60000 }, "{\"meth", 6,
		      "request_timeout");
}

TEST(an_idle_connection_ends_after_its_timeout)
{
	check_timeout((struct connection_limits){ 60000, 40, 60000 }, RAW_CALL, sizeof RAW_CALL,
		      "idle_timeout");
}

TEST(a_reply_that_nobody_reads_ends_the_connection)
{
	static const char many[] = BIG_CALL "\0" BIG_CALL "\0" BIG_CALL "\0" BIG_CALL "\0" BIG_CALL
					    "\0" BIG_CALL "\0" BIG_CALL;

	check_timeout((struct connection_limits){ 60000, 60000, 40 }, many, sizeof many,
		      "reply_stalled");
}

/* The rest of a request lies in the buffer while a call runs: that time is not the caller's. */
TEST(the_timeout_of_a_request_counts_only_while_we_read)
{
	struct fixture f = { .times = { 60, 60000, 60000 } };

	open_in_call(&f, WAIT_CALL "\0{\"method\"", sizeof WAIT_CALL + 9);
	stay_in_call(&f, 90);
	answer_late(&f);
	expect(&f, LATE_REPLY);
	SEND(&f, ":\"x.Echo\"}");
	expect(&f, ECHO_REPLY);
	fixture_close(&f);
}

TEST(neither_a_wait_nor_a_watch_is_idle)
{
	struct fixture f = { .times = { 30, 30, 60000 } };

	OPEN_IN_CALL(&f, WAIT_CALL);
	stay_in_call(&f, 80);
	fixture_close(&f);
}

/* --- a caller that leaves --- */

TEST(a_caller_that_hangs_up_cancels_its_wait)
{
	struct fixture f = { 0 };

	OPEN_IN_CALL(&f, WAIT_CALL);
	hang_up(&f);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_INT(f.closed, 1);
	fixture_close(&f);
}

static int64_t cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static bool a_while_has_passed(const struct fixture *f)
{
	return f->closed || clock_now_ms() >= f->give_up_ms - 20000 + 400;
}

/* `printf ... | nc -NU`: its calls are answered, and while they wait the raised end of file costs nothing. */
TEST(a_caller_that_ends_its_sending_side_gets_its_replies)
{
	struct fixture f = { 0 };
	int64_t cpu;

	OPEN_IN_CALL(&f, WAIT_CALL "\0" ECHO_CALL);
	shutdown(f.peer, SHUT_WR);
	cpu = cpu_ms();
	fixture_run(&f, a_while_has_passed);
	CHECK(cpu_ms() - cpu <
	      200); /* half of the time that passed: a loop that spins takes all of it */
	CHECK_INT(f.closed, 0);
	answer_late(&f);
	expect(&f, LATE_REPLY);
	expect(&f, ECHO_REPLY);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_INT(f.limits, 0);
	fixture_close(&f);
}

TEST(a_caller_that_ends_its_sending_side_and_then_hangs_up_is_noticed)
{
	struct fixture f = { 0 };

	OPEN_IN_CALL(&f, WAIT_CALL "\0" ECHO_CALL);
	shutdown(f.peer, SHUT_WR);
	fixture_run(&f, fixture_in_call);
	hang_up(&f);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_INT(f.calls, 1); /* what was behind is not begun for nobody */
	fixture_close(&f);
}

TEST(a_caller_that_dies_with_unread_replies_is_noticed)
{
	struct fixture f = { 0 };

	fixture_open(&f);
	SEND(&f, ECHO_CALL "\0" WAIT_CALL "\0" ECHO_CALL);
	CHECK(fixture_run(&f, after_two_calls));
	hang_up(&f); /* EPOLLERR: its buffer was not empty */
	CHECK(fixture_run(&f, fixture_is_closed));
	fixture_close(&f);
}

TEST(an_incomplete_request_and_an_end_close)
{
	struct fixture f = { 0 };

	fixture_open(&f);
	fixture_send(&f, ECHO_CALL, 5);
	shutdown(f.peer, SHUT_WR);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_INT(f.calls, 0);
	fixture_close(&f);
}

TEST(an_answer_for_a_caller_that_is_gone_closes_later_not_within_reply)
{
	struct fixture f = { 0 };

	OPEN_IN_CALL(&f, WAIT_CALL);
	hang_up(&f);
	answer_late(&f); /* the owner may be in the middle of its list of waiters */
	CHECK_INT(f.closed, 0);
	CHECK(f.c != NULL);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_INT(f.closed, 1);
	fixture_close(&f);
}

/* --- watches --- */

TEST(a_watcher_that_does_not_read_is_written_the_newest_when_it_does)
{
	struct fixture f = { 0 };
	unsigned sent = 1;
	size_t got;

	OPEN_IN_CALL(&f, WATCH_CALL);
	while (!connection_busy(f.c) && sent < 100) {
		struct buf *out = connection_out(f.c);

		for (int i = 0; i < 59999; i++)
			buf_add_char(out, 'w');
		buf_add_char(out, '\0');
		connection_reply(f.c, true);
		sent++;
	}
	CHECK(busy(&f));
	CHECK_INT(f.drained, 0);
	got = fixture_read(&f, bytes,
			   sizeof bytes < sent * 60000UL ? sizeof bytes : sent * 60000UL);
	CHECK_INT(got, sent * 60000UL);
	CHECK(fixture_run(&f, after_drain));
	CHECK_INT(f.drained, 1);
	CHECK(fixture_in_call(&f));
	fixture_close(&f);
}

/* --- who sends --- */

TEST(descriptors_that_a_caller_sends_are_never_received)
{
	struct fixture f = { 0 };
	struct err err;
	int pipes[2];

	fixture_open(&f);
	REQUIRE(pipe(pipes) == 0);
	CHECK_INT(packet_send(f.peer, ECHO_CALL, sizeof ECHO_CALL, pipes[1], &err), 1);
	close(pipes[1]);
	expect(&f, ECHO_REPLY);
	CHECK_INT(read(pipes[0], bytes, 1), 0); /* the end: nobody holds the other side */
	close(pipes[0]);
	fixture_close(&f);
}

/* The socket is opened by one user and written by another, as when it is passed on. */
TEST(a_message_of_another_user_closes_the_connection)
{
	struct fixture f = { 0 };
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		SKIP("needs root");
	fixture_open(&f);
	pid = fork();
	if (pid == 0) {
		if (setresuid(1234, 1234, 1234) < 0)
			_exit(1);
		_exit(send(f.peer, ECHO_CALL, sizeof ECHO_CALL, 0) == (ssize_t)sizeof ECHO_CALL
			      ? 0
			      : 2);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK(fixture_run(&f, fixture_is_closed));
	CHECK_STR(f.limit, "uid_changed");
	CHECK_INT(f.calls, 0);
	fixture_close(&f);
}

CHECK_MAIN()

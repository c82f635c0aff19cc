/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c keeps the event of a socket between two requests. After each turn of the loop it is looked at whether what libcurl wants to hear of is what the kernel will tell
 * (curl_spy.h), so that a socket that is not heard is seen at once, not by a request that hangs. The server is in this file, and libcurl's clock is ours: each thing
 * happens when a test says so.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/mint/http.h"
#include "tests/unit/check.h"
#include "tests/unit/curl_spy.h"
#include "tests/unit/turns.h"

enum {
	PEERS = 256,
	PATIENCE_S = 20, /* of the computer's clock; nothing waits so long unless it waits for ever */
};

/* --- the server --- */

static struct {
	int listens;
	unsigned port, n, held;
	int peers[PEERS];
	bool asked[PEERS]; /* a request waits for its answer, or for ever */
} server;

static struct loop *loop;
static struct http *http;

static struct {
	unsigned done, answered;
	enum http_outcome outcome;
	unsigned wanted; /* by libcurl of all its sockets, when done() was called last */
} seen;

static void start(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct settings settings = { .network = { .ca_file = (char[]){ "/nonexistent" },
						  .connect_timeout_ms = 20000,
						  .timeout_ms = 30000 } };
	socklen_t size = sizeof at;

	memset(&seen, 0, sizeof seen);
	memset(&server, 0, sizeof server);
	spy.ctls = spy.told = spy.untold = 0;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listens = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(server.listens, (void *)&at, sizeof at) < 0 || listen(server.listens, 512) < 0 ||
	    getsockname(server.listens, (void *)&at, &size) < 0)
		abort();
	server.port = ntohs(at.sin_port);
	loop = loop_new(NULL);
	http = http_new(loop, &settings, NULL);
}

static void stop(void)
{
	http_free(http);
	loop_free(loop);
	for (unsigned i = 0; i < server.n; i++)
		if (server.peers[i] >= 0)
			close(server.peers[i]);
	close(server.listens);
	/* what http.c relies on; of a libcurl where this fails it must keep no events (tells_of_each_close()) */
	CHECK_INT(spy.untold, 0);
	spy.later_s = 0;
}

static void on_done(const struct http_response *res, void *arg)
{
	(void)arg;
	seen.done++;
	seen.answered += res->outcome == HTTP_ANSWERED;
	seen.outcome = res->outcome;
	seen.wanted = spy_wanted();
}

static void submit(bool fresh)
{
	struct http_request req = { .fresh = fresh };

	if (asprintf(&req.url, "http://127.0.0.1:%u/", server.port) < 0)
		abort();
	http_submit(http, &req, on_done, NULL);
}

/* One turn, after which all is as it should be; false, and the test has failed: it is not, or this goes on for too long. */
static bool turn(void)
{
	static time_t began;
	static unsigned done;
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	if (!began || done != seen.done)
		began = now.tv_sec;
	done = seen.done;
	turns(loop, 1);
	CHECK(now.tv_sec - began < PATIENCE_S);
	return CHECK(spy_heard()) && now.tv_sec - began < PATIENCE_S;
}

/* Takes the next connection. Returns its index, or -1: the test has failed. */
static int take_peer(void)
{
	int fd;

	while ((fd = accept4(server.listens, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		if (!turn())
			return -1;
	server.peers[server.n] = fd;
	return (int)server.n++;
}

/* Whether a whole request has come; false, too, when the client has ended it, and then it is closed. */
static bool has_asked(int peer)
{
	char request[4096];
	ssize_t n = recv(server.peers[peer], request, sizeof request, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		close(server.peers[peer]);
		server.peers[peer] = -1;
	}
	return n > 4 && memcmp(request + n - 4, "\r\n\r\n", 4) == 0;
}

static void take_request(int peer)
{
	while (!has_asked(peer))
		if (!turn())
			return;
}

static void answer(int peer)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

	send(server.peers[peer], text, sizeof text - 1, MSG_NOSIGNAL);
}

static void part(int peer)
{
	close(server.peers[peer]);
	server.peers[peer] = -1;
}

static void await(unsigned done)
{
	while (seen.done < done)
		if (!turn())
			return;
}

/* A request and its answer, on a connection of its own (-1) or that one. Returns the connection. */
static int exchange(int peer)
{
	unsigned done = seen.done;

	submit(false);
	peer = peer < 0 ? take_peer() : peer;
	if (peer < 0)
		return peer;
	take_request(peer);
	answer(peer);
	await(done + 1);
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	return peer;
}

/* The socket of libcurl's with the highest number. */
static int latest(void)
{
	int i = SPY_FDS - 1;

	while (i >= 0 && !spy_fds[i].curls)
		i--;
	return i;
}

/* --- the tests --- */

TEST(an_event_is_kept_between_requests)
{
	int peer;

	start();
	peer = exchange(-1);
	spy.ctls = 0;
	for (int i = 0; i < 10; i++) {
		exchange(peer);
		CHECK_INT(spy_fds[latest()].registered, IN);
		CHECK_INT(spy_wanted(), 0);
	}
	CHECK(spy.ctls <= 2); /* 20 without */
	CHECK_INT(http_counters(http).connections, 1);
	stop();
}

/*
 * The answer of the first request on a connection is there, and libcurl's timer for its connect is due before the next request is begun, so that in one call libcurl ends the first,
 * gives the connection to the next and only then tells of the answer.
 */
TEST(a_connection_is_given_on_before_its_answer_is_told)
{
	struct pollfd came;
	int peer;

	start();
	submit(false);
	peer = take_peer();
	REQUIRE(peer >= 0);
	take_request(peer);
	answer(peer);
	came = (struct pollfd){ .fd = latest(), .events = POLLIN };
	CHECK_INT(poll(&came, 1, PATIENCE_S * 1000), 1);
	spy.later_s += 21;
	submit(false);
	await(1);
	CHECK_INT(seen.wanted, IN); /* by the second one: else this test tests nothing */
	take_request(peer);
	answer(peer);
	await(2);
	CHECK_INT(seen.answered, 2);
	exchange(peer);
	CHECK_INT(http_counters(http).connections, 1);
	stop();
}

TEST(the_server_ends_a_connection_that_is_idle)
{
	int peer = -1;

	start();
	for (int i = 0; i < 5; i++) {
		int fd;

		peer = exchange(-1);
		REQUIRE(peer >= 0);
		exchange(peer);
		fd = latest();
		part(peer);
		/* it is readable until libcurl closes it: told once, not in each turn */
		while (spy_fds[fd].registered)
			if (!turn())
				break;
	}
	CHECK_INT(seen.answered, 10);
	CHECK_INT(spy.told, 4);
	stop();
}

TEST(the_server_ends_a_connection_that_is_used_again)
{
	int peer;

	start();
	for (unsigned i = 0; i < 5; i++) {
		peer = exchange(-1);
		REQUIRE(peer >= 0);
		submit(false);
		take_request(peer);
		part(peer); /* libcurl asks once more, on another one */
		peer = take_peer();
		REQUIRE(peer >= 0);
		take_request(peer);
		answer(peer);
		await(2 * (i + 1));
		CHECK_INT(seen.outcome, HTTP_ANSWERED);
		part(peer);
	}
	stop();
}

static unsigned heard_others;

static void on_other(void *arg)
{
	char byte;

	heard_others += read(*(int *)arg, &byte, 1) == 1;
}

/* Whoever gets the number of a socket that libcurl has closed is heard. */
static void check_next_of_that_number(int fd)
{
	struct watch *watch;
	int ends[2];

	heard_others = 0;
	REQUIRE(pipe(ends) == 0);
	if (ends[0] != fd) {
		CHECK_INT(dup2(ends[0], fd), fd);
		close(ends[0]);
	}
	watch = watch_new(loop, fd, on_other, &fd);
	CHECK_INT(write(ends[1], "x", 1), 1);
	turns(loop, 2);
	CHECK_INT(heard_others, 1);
	watch_free(watch);
	close(fd);
	close(ends[1]);
}

/* Idle for so long that the next request closes it, and fails itself to get any other. */
static void outlive(void)
{
	int fd, peer;
	unsigned done;

	peer = exchange(-1);
	REQUIRE(peer >= 0);
	exchange(peer);
	fd = latest();
	spy.later_s += 61;
	done = seen.done;
	submit(false);
	while (server.peers[peer] >= 0 && !has_asked(peer))
		if (!turn())
			break;
	CHECK_INT(server.peers[peer], -1);
	peer = take_peer();
	REQUIRE(peer >= 0);
	part(peer);
	await(done + 1);
	turns(loop, 1);
	/* libcurl has closed all: else this test tests nothing */
	if (CHECK_INT(latest(), -1))
		check_next_of_that_number(fd);
}

TEST(the_number_of_a_closed_socket_is_free)
{
	start();
	for (int i = 0; i < 3; i++)
		outlive();
	stop();
}

/* libcurl's answer to a version that nobody has looked at: it says nothing of what it closes. */
TEST(a_libcurl_that_is_not_known_is_not_relied_on)
{
	int peer;

	spy.version = 0x7fffff;
	spy.swallows = true;
	start();
	peer = exchange(-1);
	spy.ctls = 0;
	for (int i = 0; i < 10; i++) {
		exchange(peer);
		CHECK_INT(spy_fds[latest()].registered, 0);
	}
	CHECK(spy.ctls >= 20);
	part(peer);
	for (int i = 0; i < 3; i++)
		outlive();
	stop();
	spy.swallows = false;
	spy.version = 0;
}

/* --- the storm --- */

static unsigned chance(unsigned of)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % of;
}

/* What a server does with a request. */
static void serve_one(int peer)
{
	unsigned what = chance(60);

	server.asked[peer] = what == 0;
	server.held += what == 0;
	if (what > 1)
		answer(peer);
	if (what == 1 || what == 2)
		part(peer); /* without an answer, with one */
}

static void serve(void)
{
	int fd;

	while (server.n < PEERS &&
	       (fd = accept4(server.listens, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		server.peers[server.n++] = fd;
	for (unsigned i = 0; i < server.n; i++) {
		if (server.peers[i] >= 0 && has_asked((int)i))
			serve_one((int)i);
		else if (server.peers[i] >= 0 && !server.asked[i] && chance(3000) == 0)
			part((int)i);
		if (server.peers[i] >= 0)
			continue;
		server.n--;
		server.peers[i] = server.peers[server.n];
		server.asked[i] = server.asked[server.n];
		i--;
	}
}

/* Up to a hundred at once, on more connections than libcurl keeps. Some requests are never answered; when these are many, all that are under way time out. */
TEST(a_storm)
{
	enum { REQUESTS = 6000, AT_ONCE = 100, HELD = 20 };
	unsigned asked = 0, at_once = AT_ONCE;

	start();
	while (asked < REQUESTS || seen.done < asked) {
		bool late = server.held >= HELD || (asked >= REQUESTS && server.held);

		if (late) {
			server.held = 0;
			spy.later_s += 31;
		}
		if (chance(30) == 0)
			at_once = 1 + chance(AT_ONCE);
		/* one more, too, makes libcurl look at the time */
		while (late || (asked < REQUESTS && asked - seen.done < at_once)) {
			submit(chance(20) == 0);
			asked++;
			late = false;
		}
		serve();
		if (!turn())
			break;
	}
	printf("# %u requests, %u answered, %u connections, %u closed\n", asked, seen.answered,
	       (unsigned)http_counters(http).connections, spy.told);
	CHECK(seen.answered > REQUESTS / 2 && seen.answered < asked);
	stop();
}

CHECK_MAIN()

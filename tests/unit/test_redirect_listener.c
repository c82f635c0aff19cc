/* SPDX-License-Identifier: Apache-2.0 */
/* The listener of logins: who is heard, who waits, who is dropped, and who can take its port. The clock is ours. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/cli/redirect_parts.h"
#include "tests/unit/check.h"

#define STATE "c3RhdGUtb2YtdGhlLWxvZ2lu"

struct world {
	struct redirect *r;
	struct redirect_uri uri;
	int64_t now_ms;
};

static bool start(struct world *w, const char *uri, bool relay)
{
	const struct redirect_options options = { .uri = uri, .relay = relay };

	*w = (struct world){ .now_ms = 1000000 };
	return CHECK_INT(redirect_open(&w->r, &options), 0) &&
	       CHECK_INT(redirect_uri_parse(redirect_uri_of(w->r), &w->uri), 0) &&
	       CHECK_INT(redirect_expect(w->r, STATE), 0);
}

/* All that can be done without waiting. */
static void turn(struct world *w)
{
	struct pollfd fds[REDIRECT_POLLS];
	size_t n;

	do {
		n = redirect_poll(w->r, fds);
		if (poll(fds, n, 5) <= 0)
			n = 0;
		redirect_run(w->r, fds, n, w->now_ms);
	} while (n);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int dial(const struct world *w)
{
	union address address = { .v4 = { .sin_family = AF_INET,
					  .sin_port = htons((uint16_t)w->uri.port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && connect(fd, &address.any, sizeof address.v4) == 0);
	return fd;
}

static void say(int fd, const char *text)
{
	CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* GET path and query of our host, on a new connection. */
static int ask(const struct world *w, const char *target)
{
	char text[512];
	int fd = dial(w);

	(void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target,
		       w->uri.origin + strlen("http://"));
	say(fd, text);
	return fd;
}

/* The status of the answer, 0: closed without one, -1: nothing yet. Closes after an answer. */
static int status(struct world *w, int fd)
{
	char answer[8192] = "";
	size_t len = 0;
	ssize_t n;

	turn(w);
	while ((n = recv(fd, answer + len, sizeof answer - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	if (len == 0 && n < 0 && errno == EAGAIN)
		return -1;
	close(fd);
	turn(w);
	return len > 12 ? (int)strtol(answer + strlen("HTTP/1.1 "), NULL, 10) : 0;
}

static int next(struct world *w, const char **url)
{
	turn(w);
	*url = NULL;
	return redirect_next(w->r, url);
}

/* --- who is heard --- */

TEST(a_redirect_is_handed_on_byte_by_byte)
{
	struct world w;
	const char *url;
	char wanted[256], text[256];
	int fd, id;

	REQUIRE(start(&w, "http://localhost:0/OauthRedirect", false));
	fd = dial(&w);
	(void)snprintf(text, sizeof text,
		       "GET /OauthRedirect?code=x&state=y HTTP/1.1\r\nHost: localhost:%u\r\n\r\n",
		       w.uri.port);
	(void)snprintf(wanted, sizeof wanted, "http://localhost:%u/OauthRedirect?code=x&state=y",
		       w.uri.port);
	for (size_t i = 0; text[i]; i++) {
		CHECK_INT(next(&w, &url), -1);
		CHECK_INT(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
	}
	id = next(&w, &url);
	CHECK_INT(id, 0);
	CHECK_STR(url, wanted);
	CHECK_INT(status(&w, fd), -1);
	CHECK_INT(next(&w, &url), -1); /* handed on once */
	redirect_answer(w.r, id, REDIRECT_MISMATCH, w.now_ms);
	CHECK_INT(status(&w, fd), 400);
	CHECK(redirect_idle(w.r));
	redirect_free(w.r);
}

TEST(redirects_wait_in_their_order_and_the_last_come_too_late)
{
	struct world w;
	const char *url;
	int fds[3], id, silent;

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	for (int i = 0; i < 3; i++) {
		char target[32];

		(void)snprintf(target, sizeof target, "/x?state=%d", i);
		fds[i] = ask(&w, target);
		turn(&w);
	}
	id = next(&w, &url);
	CHECK_STR(strstr(url, "state="), "state=0");
	redirect_answer(w.r, id, REDIRECT_MISMATCH, w.now_ms);
	CHECK_INT(status(&w, fds[0]), 400);
	(void)next(&w, &url);
	CHECK_STR(strstr(url, "state="), "state=1");
	silent = dial(&w);
	turn(&w);
	redirect_end(w.r, REDIRECT_DONE, w.now_ms);
	CHECK_INT(status(&w, fds[1]), 200);
	CHECK_INT(status(&w, fds[2]), 410);
	CHECK(redirect_idle(w.r)); /* nobody waits for the one who has said nothing */
	CHECK_INT(status(&w, silent), 0);
	CHECK_INT(redirect_poll(w.r, (struct pollfd[REDIRECT_POLLS]){ { 0 } }), 0);
	redirect_free(w.r);
}

TEST(who_hangs_up_leaves_the_answer_behind)
{
	struct world w;
	const char *url;
	int fd, id;

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	fd = ask(&w, "/x?state=y");
	turn(&w);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
			 sizeof(struct linger));
	close(fd);
	id = next(&w, &url);
	CHECK(id >= 0 && url);
	w.now_ms += 10 * REDIRECT_REQUEST_MS;
	CHECK_INT(next(&w, &url), -1);
	redirect_answer(w.r, id, REDIRECT_DONE, w.now_ms);
	turn(&w);
	CHECK(redirect_idle(w.r));
	redirect_free(w.r);
}

/* --- who waits --- */

TEST(a_slow_client_has_10_seconds)
{
	struct world w;
	int fd;

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	fd = dial(&w);
	turn(&w);
	CHECK_INT(redirect_timeout_ms(w.r, w.now_ms), REDIRECT_REQUEST_MS);
	for (int i = 0; i < 9; i++) { /* from accept on, not from the last byte on */
		w.now_ms += 1000;
		say(fd, "G");
		CHECK_INT(status(&w, fd), -1);
	}
	w.now_ms += 999;
	CHECK_INT(status(&w, fd), -1);
	w.now_ms += 1;
	CHECK_INT(redirect_timeout_ms(w.r, w.now_ms), 0);
	CHECK_INT(status(&w, fd), 0);
	CHECK_INT(redirect_timeout_ms(w.r, w.now_ms), -1);
	redirect_free(w.r);
}

TEST(who_does_not_close_is_closed)
{
	struct world w;
	int fd;

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	fd = ask(&w, "/favicon.ico");
	turn(&w);
	CHECK(!redirect_idle(w.r));
	w.now_ms += REDIRECT_LINGER_MS;
	turn(&w);
	CHECK(redirect_idle(w.r));
	CHECK_INT(status(&w, fd), 404);
	redirect_free(w.r);
}

TEST(eight_have_a_place_and_the_slowest_gives_way)
{
	struct world w;
	int silent[REDIRECT_CONNECTIONS + 2];

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	for (int i = 0; i < REDIRECT_CONNECTIONS; i++) {
		silent[i] = dial(&w);
		turn(&w);
	}
	for (int i = 0; i < REDIRECT_CONNECTIONS; i++)
		CHECK_INT(status(&w, silent[i]), -1);
	CHECK_INT(status(&w, ask(&w, "/favicon.ico")), 404);
	CHECK_INT(status(&w, silent[0]), 0);
	CHECK_INT(status(&w, silent[1]), -1);
	for (int i = 1; i < REDIRECT_CONNECTIONS; i++)
		close(silent[i]);
	redirect_free(w.r);
}

TEST(answers_that_wait_for_us_give_way_to_nobody)
{
	struct world w;
	const char *url;
	int fds[REDIRECT_CONNECTIONS], late;

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	for (int i = 0; i < REDIRECT_CONNECTIONS; i++) {
		fds[i] = ask(&w, "/x?state=y");
		turn(&w);
	}
	late = ask(&w, "/x?state=" STATE);
	CHECK_INT(status(&w, late), -1);
	for (int i = 0; i < REDIRECT_CONNECTIONS; i++) {
		int id = next(&w, &url);

		REQUIRE(id >= 0);
		CHECK(!strstr(url, STATE));
		redirect_answer(w.r, id, REDIRECT_MISMATCH, w.now_ms);
		CHECK_INT(status(&w, fds[i]), 400);
	}
	CHECK(next(&w, &url) >= 0 && strstr(url, STATE));
	redirect_end(w.r, REDIRECT_FAILED, w.now_ms);
	CHECK_INT(status(&w, late), 403);
	redirect_free(w.r);
}

/* --- how much --- */

TEST(twenty_misses_a_second_are_answered)
{
	struct world w;
	const char *url;
	int fd;

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	for (int i = 0; i < REDIRECT_MISSES; i++)
		CHECK_INT(status(&w, ask(&w, i % 2 ? "/x" : "/other")), i % 2 ? 400 : 404);
	CHECK_INT(status(&w, ask(&w, "/x")), 0);
	CHECK_INT(status(&w, ask(&w, "/other")), 0);
	CHECK_INT(status(&w, ask(&w, "/favicon.ico")), 404);
	CHECK_INT(status(&w, ask(&w, "/x?state=wrong")), 0);
	CHECK_INT(next(&w, &url), -1); /* the daemon is not asked either */
	fd = ask(&w, "/x?state=" STATE);
	CHECK(next(&w, &url) >= 0 && strstr(url, STATE)); /* but for the one who knows */
	redirect_answer(w.r, 0, REDIRECT_MISMATCH, w.now_ms);
	CHECK_INT(status(&w, fd), 0);
	w.now_ms += 999;
	CHECK_INT(status(&w, ask(&w, "/x")), 0);
	w.now_ms += 1;
	CHECK_INT(status(&w, ask(&w, "/x")), 400);
	redirect_free(w.r);
}

TEST(wrong_states_are_misses)
{
	struct world w;
	const char *url;

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	for (int i = 0; i < REDIRECT_MISSES; i++) {
		int fd = ask(&w, "/x?state=wrong"), id = next(&w, &url);

		REQUIRE(id >= 0);
		redirect_answer(w.r, id, REDIRECT_MISMATCH, w.now_ms);
		CHECK_INT(status(&w, fd), 400);
	}
	CHECK_INT(status(&w, ask(&w, "/x?state=wrong")), 0);
	redirect_free(w.r);
}

/* --- the port --- */

static int take(int family, const char *text, unsigned port, bool share)
{
	union address address = { .any.sa_family = (sa_family_t)family };
	bool v4 = family == AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, code;

	CHECK_INT(inet_pton(family, text,
			    v4 ? (void *)&address.v4.sin_addr : (void *)&address.v6.sin6_addr),
		  1);
	*(v4 ? &address.v4.sin_port : &address.v6.sin6_port) = htons((uint16_t)port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (share)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bind(fd, &address.any, v4 ? sizeof address.v4 : sizeof address.v6) == 0 &&
	    listen(fd, 1) == 0)
		return fd;
	code = -errno;
	close(fd);
	return code;
}

/* Whether this machine has ::1 at all. */
static bool has_v6(void)
{
	int fd = take(AF_INET6, "::1", 0, false);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

TEST(nobody_shares_our_port)
{
	static const struct {
		int family;
		const char *address;
	} rows[] = { { AF_INET, "127.0.0.1" },
		     { AF_INET, "0.0.0.0" },
		     { AF_INET6, "::1" },
		     { AF_INET6, "::" } };
	struct world w;

	REQUIRE(start(&w, "http://localhost:0/x", false));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check_row(rows[i].address);
		if (rows[i].family == AF_INET6 && !has_v6())
			continue;
		CHECK_INT(take(rows[i].family, rows[i].address, w.uri.port, false), -EADDRINUSE);
		CHECK_INT(take(rows[i].family, rows[i].address, w.uri.port, true), -EADDRINUSE);
	}
	redirect_free(w.r);
}

TEST(a_port_that_is_taken_is_not_shared_by_us)
{
	static const struct {
		int family;
		const char *address;
	} rows[] = { { AF_INET, "127.0.0.1" },
		     { AF_INET, "0.0.0.0" },
		     { AF_INET6, "::1" },
		     { AF_INET6, "::" } };
	char uri[64];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct redirect *r;
		struct world w;
		int fd;

		if (rows[i].family == AF_INET6 && !has_v6())
			continue;
		REQUIRE(start(&w, "http://localhost:0/x", false)); /* a port that is free on both */
		(void)snprintf(uri, sizeof uri, "%s", redirect_uri_of(w.r));
		redirect_free(w.r);
		check_row(rows[i].address);
		fd = take(rows[i].family, rows[i].address, w.uri.port, true);
		REQUIRE(fd >= 0);
		CHECK_INT(redirect_open(&r, &(struct redirect_options){ .uri = uri }), -EADDRINUSE);
		CHECK(r == NULL);
		close(fd);
		CHECK_INT(redirect_open(&r, &(struct redirect_options){ .uri = uri }), 0);
		redirect_free(r);
	}
}

static void check_address(int fd)
{
	union address address = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof address;
	int on = 0;

	CHECK_INT(getsockname(fd, &address.any, &size), 0);
	if (address.any.sa_family == AF_INET)
		CHECK_INT(ntohl(address.v4.sin_addr.s_addr), INADDR_LOOPBACK);
	else
		CHECK(IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr));
	size = sizeof on;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &size) == 0 && on == 0);
}

TEST(only_loopback_is_bound)
{
	static const struct {
		const char *uri;
		size_t n;
	} rows[] = { { "http://localhost:0/x", 2 },
		     { "http://127.0.0.1:0/x", 1 },
		     { "http://[::1]:0/x", 1 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pollfd fds[REDIRECT_POLLS];
		struct world w;
		size_t n;

		check_row(rows[i].uri);
		if (!has_v6() && strchr(rows[i].uri, '['))
			continue;
		REQUIRE(start(&w, rows[i].uri, false));
		n = redirect_poll(w.r, fds);
		CHECK_INT(n, has_v6() ? rows[i].n : 1);
		for (size_t k = 0; k < n; k++)
			check_address(fds[k].fd);
		redirect_free(w.r);
	}
}

TEST(what_is_no_loopback_is_not_listened_on)
{
	static const char *const uris[] = { "https://localhost:1717/x", "http://192.0.2.1:1717/x",
					    "com.example:/x", "http://localhost:x/", "" };
	struct redirect *r;

	for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
		check_row(uris[i]);
		CHECK_INT(redirect_open(&r, &(struct redirect_options){ .uri = uris[i] }), -EINVAL);
		CHECK(r == NULL);
	}
	redirect_free(NULL);
}

TEST(a_login_can_follow_another_on_the_same_port)
{
	struct world w;
	struct redirect *r;
	char uri[64];

	REQUIRE(start(&w, "http://127.0.0.1:0/x", false));
	CHECK_INT(status(&w, ask(&w, "/favicon.ico")), 404); /* leaves TIME_WAIT behind */
	(void)snprintf(uri, sizeof uri, "%s", redirect_uri_of(w.r));
	redirect_free(w.r);
	CHECK_INT(redirect_open(&r, &(struct redirect_options){ .uri = uri }), 0);
	redirect_free(r);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* What the spend of a token relies on: the moment before the request leaves, exactly one request, and what came of an answer that broke off. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "daemon/mint/http.h"
#include "tests/unit/check.h"
#include "tests/unit/http_server.h"

static struct settings settings;
static struct loop *loop;
static struct http *http;

static struct {
	unsigned done, hooks;
	bool refuse, shut; /* what the hook does */
	unsigned port;     /* that shut is about */
	int64_t hook_ms, sent_ms;
	enum http_outcome outcome;
	long status;
	size_t size;
	bool body;
	char start[200], problem[400];
} seen;

static void start(void)
{
	settings = (struct settings){ .network = { .ca_file = http_server_ca(),
						   .connect_timeout_ms = 20000,
						   .timeout_ms = 30000 },
				      .limits.retry_after_max_ms = 3600000 };
	loop = loop_new(NULL);
	http = http_new(loop, &settings, NULL);
	memset(&seen, 0, sizeof seen);
}

static void stop(void)
{
	http_free(http);
	loop_free(loop);
}

static void on_done(const struct http_response *res, void *arg)
{
	(void)arg;
	seen.done++;
	seen.outcome = res->outcome;
	seen.status = res->status;
	seen.size = res->size;
	seen.sent_ms = res->sent_ms;
	seen.body = res->body != NULL;
	if (res->body)
		CHECK_INT(res->body[res->size], 0);
	snprintf(seen.start, sizeof seen.start, "%.*s", (int)sizeof seen.start - 1,
		 res->body ? res->body : "");
	snprintf(seen.problem, sizeof seen.problem, "%s", res->problem ? res->problem : "");
	loop_stop(loop);
}

/* Ends the sending side of our connections to that port: from now on no byte can leave. */
static void shut_connections(unsigned port)
{
	for (int fd = 3; fd < 1024; fd++) {
		union {
			struct sockaddr any;
			struct sockaddr_in in;
		} peer;
		socklen_t size = sizeof peer;

		if (getpeername(fd, &peer.any, &size) == 0 && peer.any.sa_family == AF_INET &&
		    ntohs(peer.in.sin_port) == port)
			CHECK_INT(shutdown(fd, SHUT_WR), 0);
	}
}

static int on_about_to_send(void *arg, struct err *err)
{
	CHECK(arg == &seen);
	seen.hooks++;
	seen.hook_ms = clock_now_ms();
	if (seen.shut)
		shut_connections(seen.port);
	return seen.refuse ? err_set(err, ERR_RETRY, "the disk is full") : 0;
}

static void send_request(const char *scheme, const char *server, const char *path, bool post,
			 bool fresh)
{
	struct http_request req = { .post = post, .fresh = fresh };

	if (asprintf(&req.url, "%s://127.0.0.1:%u%s", scheme, http_server_port(server), path) < 0)
		abort();
	if (post) {
		req.body = secret_new("refresh_token=x", 15);
		req.about_to_send = on_about_to_send;
		req.about_to_send_arg = &seen;
	}
	seen.done = 0;
	seen.hooks = 0;
	REQUIRE(http_submit(http, &req, on_done, NULL) != NULL);
	CHECK_INT(seen.hooks, 0); /* not from within */
	while (!seen.done)
		loop_run(loop, NULL);
}

static void send_to(const char *scheme, const char *server, const char *path, bool post)
{
	send_request(scheme, server, path, post, post);
}

static void spend(const char *path)
{
	send_to("http", "plain", path, true);
}

static long counted(const char *name)
{
	char key[40];
	const char *at;

	send_to("http", "plain", "/seen", false);
	snprintf(key, sizeof key, "\"%s\": ", name);
	at = strstr(seen.start, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

TEST(the_hook_is_called_once_before_the_request)
{
	static const char *const tls[] = { "http", "plain", "https", "good" };

	start();
	for (size_t i = 0; i < 4; i += 2) {
		send_to(tls[i], tls[i + 1], "/ok", true);
		CHECK_INT(seen.outcome, HTTP_ANSWERED);
		CHECK_STR(seen.start, "{}");
		CHECK_INT(seen.hooks, 1);
		CHECK(seen.hook_ms > 0 && seen.hook_ms <= seen.sent_ms);
	}
	stop();
}

/* What is not fresh may be repeated by libcurl, on another connection when the old one is closed; that is no new decision. */
TEST(a_repeated_request_asks_the_hook_once)
{
	long posts;

	start();
	posts = counted("posts");
	for (unsigned i = 0; i < 2; i++) {
		send_request("http", "plain", "/once", true, false);
		CHECK_INT(seen.outcome, HTTP_ANSWERED);
		CHECK_INT(seen.hooks, 1);
	}
	CHECK_INT(counted("posts"), posts + 3);
	stop();
}

TEST(what_the_hook_refuses_is_not_sent)
{
	long posts;

	start();
	posts = counted("posts");
	seen.refuse = true;
	spend("/ok");
	CHECK_INT(seen.hooks, 1);
	CHECK_INT(seen.outcome, HTTP_REFUSED);
	CHECK_STR(seen.problem, "the disk is full");
	CHECK(!seen.body);
	send_to("https", "good", "/ok", true);
	CHECK_INT(seen.outcome, HTTP_REFUSED);
	CHECK_INT(counted("posts"), posts);
	seen.refuse = false;
	spend("/ok");
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	CHECK_INT(counted("posts"), posts + 1);
	stop();
}

TEST(without_a_connection_there_is_nothing_to_be_sent)
{
	static const char *const bad[] = { "expired", "wrong_name", "self_signed", "tls1_1" };

	start();
	for (size_t i = 0; i < 4; i++) {
		check_row(bad[i]);
		send_to("https", bad[i], "/ok", true);
		CHECK_INT(seen.hooks, 0);
		CHECK_INT(seen.outcome, HTTP_UNSENT);
	}
	stop();
}

/* The hook said yes, and then no byte could leave: the token is what it was. */
TEST(what_could_not_be_written_is_unsent)
{
	long posts;

	start();
	posts = counted("posts");
	seen.shut = true;
	seen.port = http_server_port("plain");
	spend("/ok");
	CHECK_INT(seen.hooks, 1);
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK(!seen.body);
	seen.shut = false;
	CHECK_INT(counted("posts"), posts);
	stop();
}

/* The server reads the request and closes, without a word or after one. libcurl must not say it again. */
TEST(a_lost_answer_is_one_request)
{
	static const char *const paths[] = { "/drop", "/cut", "/cut-token", "/old" };

	start();
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		long posts = counted("posts"); /* leaves a connection that might be used */

		check_row(paths[i]);
		spend(paths[i]);
		CHECK_INT(seen.hooks, 1);
		CHECK_INT(seen.outcome, HTTP_UNKNOWN);
		CHECK_INT(counted("posts"), posts + 1);
	}
	stop();
}

TEST(what_had_come_is_handed_over)
{
	start();
	spend("/cut-token");
	CHECK_INT(seen.outcome, HTTP_UNKNOWN);
	CHECK_INT(seen.status, 200);
	CHECK_STR(seen.start, "{\"refresh_token\":\"new\",\"acc");
	CHECK(strstr(seen.problem, "broke off"));
	spend("/drop");
	CHECK_INT(seen.status, 0);
	CHECK_INT(seen.size, 0);
	spend("/huge");
	CHECK_INT(seen.outcome, HTTP_TOO_BIG);
	CHECK_INT(seen.status, 200);
	CHECK_INT(seen.size, HTTP_BODY_MAX);
	CHECK(seen.start[0] == 'x');
	spend("/body65537");
	CHECK_INT(seen.outcome, HTTP_TOO_BIG);
	CHECK_INT(seen.size, HTTP_BODY_MAX);
	settings.network.timeout_ms = 300;
	http_configure(http, &settings);
	spend("/hang-token");
	CHECK_INT(seen.outcome, HTTP_UNKNOWN);
	CHECK_STR(seen.start, "{\"refresh_token\":\"new\",\"acc");
	stop();
}

CHECK_MAIN()

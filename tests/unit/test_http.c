/* SPDX-License-Identifier: Apache-2.0 */
/* http.c against servers that behave and servers that do not. No test depends on how long anything takes. */
#include <dlfcn.h>
#include <netdb.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "daemon/mint/http.h"
#include "tests/unit/check.h"
#include "tests/unit/http_server.h"

static struct settings settings;
static struct loop *loop;
static struct http *http;

/* What done() saw last. */
static struct {
	unsigned done, answered;
	enum http_outcome outcome;
	enum http_why why;
	long status;
	size_t size;
	int64_t retry_after_ms, date_real_ms, sent_ms;
	char body[8192], type[64], location[200], problem[400];
} seen;

static unsigned wanted; /* the loop stops when so many are done */

static void start(void)
{
	settings = (struct settings){ .network = { .ca_file = http_server_ca(), .connect_timeout_ms = 20000, .timeout_ms = 30000 },
				      .limits.retry_after_max_ms = 3600000 };
	loop = loop_new(NULL);
	http = http_new(loop, &settings, NULL);
	memset(&seen, 0, sizeof seen);
	wanted = 0;
}

static void stop(void)
{
	http_free(http);
	loop_free(loop);
}

static void copy(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%.*s", (int)room - 1, from ? from : "");
}

static void on_done(const struct http_response *res, void *arg)
{
	(void)arg;
	seen.done++;
	seen.answered += res->outcome == HTTP_ANSWERED;
	seen.outcome = res->outcome;
	seen.why = res->why;
	seen.status = res->status;
	seen.size = res->size;
	seen.retry_after_ms = res->retry_after_ms;
	seen.date_real_ms = res->date_real_ms;
	seen.sent_ms = res->sent_ms;
	copy(seen.body, sizeof seen.body, res->body);
	copy(seen.type, sizeof seen.type, res->content_type);
	copy(seen.location, sizeof seen.location, res->location);
	copy(seen.problem, sizeof seen.problem, res->problem);
	if (seen.done == wanted)
		loop_stop(loop);
}

static struct http_request request(const char *scheme, const char *host, unsigned to,
				   const char *path)
{
	struct http_request req = { 0 };

	if (asprintf(&req.url, "%s://%s:%u%s", scheme, host, to, path) < 0)
		abort();
	return req;
}

static struct http_call *submit(struct http_request req)
{
	return http_submit(http, &req, on_done, NULL);
}

/* Runs until n more calls are done. */
static void await(unsigned n)
{
	wanted = seen.done + n;
	loop_run(loop, NULL);
}

static void get(const char *path)
{
	submit(request("http", "127.0.0.1", http_server_port("plain"), path));
	await(1);
}

static void get_tls(const char *name)
{
	submit(request("https", "127.0.0.1", http_server_port(name), "/ok"));
	await(1);
}

/* What the servers have counted under this name. */
static long counted(const char *name)
{
	char key[40];
	const char *at;

	get("/seen");
	snprintf(key, sizeof key, "\"%s\": ", name);
	at = strstr(seen.body, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

TEST(an_answer_is_read)
{
	start();
	submit(request("http", "127.0.0.1", http_server_port("plain"), "/ok"));
	CHECK_INT(seen.done, 0);
	await(1);
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	CHECK_INT(seen.status, 200);
	CHECK_STR(seen.body, "{}");
	CHECK_STR(seen.type, "application/json");
	CHECK_STR(seen.location, "");
	CHECK(seen.sent_ms > 0 && seen.sent_ms <= clock_now_ms());
	get("/body0");
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	CHECK_INT(seen.size, 0);
	get("/unframed");
	CHECK_STR(seen.body, "{}");
	stop();
}

TEST(a_request_says_what_it_must_and_no_more)
{
	struct http_request req;

	start();
	get("/cookie");
	req = request("http", "127.0.0.1", http_server_port("plain"), "/ok");
	req.post = true;
	req.body = secret_new("a=b&c=d", 7);
	submit(req);
	await(1);
	get("/seen");
	CHECK(strstr(seen.body, "POST /ok HTTP/1.1\\r\\n"));
	CHECK(strstr(seen.body, "\\r\\nUser-Agent: sftokend/" SFTOKEN_VERSION "\\r\\n"));
	CHECK(strstr(seen.body, "\\r\\nAccept: application/json\\r\\n"));
	CHECK(strstr(seen.body, "\\r\\nContent-Type: application/x-www-form-urlencoded\\r\\n"));
	CHECK(strstr(seen.body, "\\r\\n\\r\\na=b&c=d"));
	CHECK(!strstr(seen.body, "Expect") && !strstr(seen.body, "Cookie") &&
	      !strstr(seen.body, "Encoding"));
	CHECK(!strstr(seen.body, "Authorization"));
	stop();
}

TEST(bearer_and_basic)
{
	struct http_request req;

	start();
	req = request("http", "127.0.0.1", http_server_port("plain"), "/ok");
	req.bearer = secret_new("00D1!a", 6);
	submit(req);
	await(1);
	get("/seen");
	CHECK(strstr(seen.body, "\\r\\nAuthorization: Bearer 00D1!a\\r\\n"));
	req = request("http", "127.0.0.1", http_server_port("plain"), "/ok");
	req.basic = secret_new("id:secret", 9);
	submit(req);
	await(1);
	get("/seen");
	CHECK(strstr(seen.body, "\\r\\nAuthorization: Basic aWQ6c2VjcmV0\\r\\n"));
	stop();
}

TEST(redirects_are_not_followed)
{
	static const long codes[] = { 301, 302, 303, 307, 308 };

	start();
	for (size_t i = 0; i < 5; i++) {
		struct http_request req;
		char path[20], location[80];

		snprintf(path, sizeof path, "/redirect%ld", codes[i]);
		snprintf(location, sizeof location, "http://127.0.0.1:%u/x?secret",
			 http_server_port("trap"));
		req = request("http", "127.0.0.1", http_server_port("plain"), path);
		req.post = true;
		req.body = secret_new("secret", 6);
		submit(req);
		await(1);
		CHECK_INT(seen.status, codes[i]);
		CHECK_STR(seen.location, location);
	}
	CHECK_INT(counted("trap"), 0);
	stop();
}

TEST(an_answer_has_at_most_64_KiB)
{
	start();
	get("/body65536");
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	CHECK_INT(seen.size, 65536);
	get("/body65537");
	CHECK_INT(seen.outcome, HTTP_TOO_BIG);
	get("/huge");
	CHECK_INT(seen.outcome, HTTP_TOO_BIG);
	CHECK(strstr(seen.problem, "64 KiB"));
	get("/headers");
	CHECK(seen.outcome == HTTP_TOO_BIG || seen.outcome == HTTP_UNKNOWN);
	get("/informational");
	CHECK(seen.outcome == HTTP_TOO_BIG || seen.outcome == HTTP_UNKNOWN);
	stop();
}

TEST(answers_that_never_end_are_ended)
{
	start();
	settings.network.timeout_ms = 300;
	http_configure(http, &settings);
	get("/slow");
	CHECK_INT(seen.outcome, HTTP_UNKNOWN);
	CHECK(strstr(seen.problem, "in time"));
	get("/hang");
	CHECK_INT(seen.outcome, HTTP_UNKNOWN);
	stop();
}

TEST(answers_that_break_off_are_unknown)
{
	static const char *const paths[] = { "/drop", "/cut", "/old" };

	start();
	for (size_t i = 0; i < 3; i++) {
		check_row(paths[i]);
		get(paths[i]);
		CHECK_INT(seen.outcome, HTTP_UNKNOWN);
		CHECK(seen.problem[0] != '\0');
	}
	stop();
}

TEST(content_is_not_unpacked)
{
	start();
	get("/gzip");
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	CHECK_INT(seen.size, 11);
	CHECK(!memcmp(seen.body, "\x1f\x8b\x08nonsense", 11));
	stop();
}

TEST(retry_after_and_date)
{
	start();
	get("/again");
	CHECK_INT(seen.status, 503);
	CHECK_INT(seen.retry_after_ms, 40000); /* the longer one */
	CHECK_INT(seen.date_real_ms, INT64_C(1000000000000));
	get("/again-date");
	CHECK_INT(seen.retry_after_ms, 50000); /* by the server's clock */
	settings.limits.retry_after_max_ms = 20000;
	http_configure(http, &settings);
	get("/again-date");
	CHECK_INT(seen.retry_after_ms, 20000);
	get("/ok");
	CHECK_INT(seen.retry_after_ms, 0);
	CHECK_INT(seen.date_real_ms, 0);
	stop();
}

TEST(only_good_certificates_are_trusted)
{
	static const struct {
		const char *name;
		enum http_why why;
	} bad[] = {
		{ "expired", HTTP_WHY_EXPIRED },
		{ "wrong_name", HTTP_WHY_WRONG_NAME },
		{ "self_signed", HTTP_WHY_UNTRUSTED },
		{ "tls1_1", HTTP_WHY_TLS },
	};

	start();
	get_tls("good");
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	CHECK_INT(seen.why, HTTP_WHY_NONE);
	for (size_t i = 0; i < 4; i++) {
		check_row(bad[i].name);
		get_tls(bad[i].name);
		CHECK_INT(seen.outcome, HTTP_UNSENT);
		CHECK_INT(seen.why, bad[i].why);
		CHECK(strstr(seen.problem, "LoginUrl="));
	}
	check_row(NULL);
	CHECK(!strstr(seen.body, "/ok"));
	settings.network.ca_file = NULL; /* Debian's authorities do not know ours */
	http_configure(http, &settings);
	get_tls("good");
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK_INT(seen.why, HTTP_WHY_UNTRUSTED);
	settings.network.ca_file = (char[]){ "/nonexistent" };
	http_configure(http, &settings);
	get_tls("good");
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK_INT(seen.why, HTTP_WHY_CA_FILE);
	CHECK(strstr(seen.problem, "CaFile="));
	CHECK(access("/tmp/sftokend-test-keylog", F_OK) < 0);
	stop();
}

TEST(nobody_there)
{
	start();
	submit(request("http", "127.0.0.1", 9, "/"));
	await(1);
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK_INT(seen.why, HTTP_WHY_CONNECT);
	submit(request("https", "does-not-exist.invalid", 443, "/"));
	await(1);
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK_INT(seen.why, HTTP_WHY_NAME);
	settings.network.proxy = (char[]){ "http://127.0.0.1:9" };
	http_configure(http, &settings);
	submit(request("https", "does-not-exist.invalid", 443, "/"));
	await(1);
	CHECK_INT(seen.why, HTTP_WHY_PROXY);
	stop();
}

/* libcurl's resolver thread calls this one. A name that hangs does so until the test lets it go, or for 10 s at most. */
static sem_t let_go;
static atomic_bool resolved;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	union {
		void *address;
		int (*call)(const char *, const char *, const struct addrinfo *,
			    struct addrinfo **);
	} real;
	struct timespec until;

	if (!strcmp(node, "hangs.invalid")) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 10;
		sem_timedwait(&let_go, &until);
		atomic_store(&resolved, true);
		return EAI_NONAME;
	}
	real.address = dlsym(RTLD_NEXT, "getaddrinfo");
	return real.call(node, service, hints, out);
}

TEST(a_name_service_that_hangs_stops_nobody)
{
	start();
	sem_init(&let_go, 0, 0);
	settings.network.timeout_ms = 200;
	http_configure(http, &settings);
	submit(request("https", "hangs.invalid", 443, "/"));
	await(1);
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK_INT(seen.why, HTTP_WHY_TIMEOUT);
	http_cancel(submit(request("https", "hangs.invalid", 443, "/")));
	get("/ok");
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
	CHECK(!atomic_load(&resolved));
	sem_post(&let_go);
	sem_post(&let_go);
	while (!atomic_load(&resolved))
		sched_yield();
	stop();
}

TEST(urls_that_are_not_for_us_are_refused_later)
{
	static const char *const urls[] = { "http://localhost/", "http://127.0.0.2/", "ftp://127.0.0.1/", "file:///etc/passwd",
					    "http://127.0.0.1:80@127.0.0.2/", "gopher://127.0.0.1/", "" };

	start();
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct http_call *c = submit((struct http_request){ .url = strdup(urls[i]) });

		check_row(urls[i]);
		CHECK(c != NULL);
		CHECK_INT(seen.done, i); /* not from within */
		await(1);
		CHECK_INT(seen.outcome, HTTP_REFUSED);
	}
	http_cancel(submit((struct http_request){ .url = strdup("ftp://x/") }));
	stop();
}

TEST(the_proxy_is_the_configured_one)
{
	char proxy[40];

	start();
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", http_server_port("proxy"));
	settings.network.proxy = proxy;
	setenv("no_proxy", "*", 1);
	http_configure(http, &settings);
	get("/ok");
	CHECK_STR(seen.body, "{\"proxy\":true}");
	unsetenv("no_proxy");
	settings.network.proxy = NULL;
	http_configure(http, &settings);
	get("/ok");
	CHECK_STR(seen.body, "{}");
	stop();
}

TEST(connections_are_used_again)
{
	start();
	for (unsigned i = 0; i < 100; i++)
		get_tls("good");
	CHECK_INT(seen.answered, 100);
	CHECK_INT(http_counters(http).requests, 100);
	CHECK_INT(http_counters(http).connections, 1);
	CHECK_INT(http_counters(http).failures, 0);
	stop();
}

/* The next connection has the same descriptor, and nothing that was known of the one before may be taken for its. */
TEST(connections_that_the_server_ends_when_they_are_idle)
{
	start();
	for (unsigned i = 0; i < 50; i++) {
		get("/parting");
		get_tls("good");
		get("/parting");
		get(i % 2 ? "/ok" : "/drop");
	}
	CHECK_INT(seen.answered, 175);
	stop();
}

static void post_once(bool fresh)
{
	struct http_request req = request("http", "127.0.0.1", http_server_port("plain"), "/once");

	req.post = true;
	req.fresh = fresh;
	req.body = secret_new("x", 1);
	submit(req);
	await(1);
	CHECK_INT(seen.outcome, HTTP_ANSWERED);
}

/* The server takes a second request and closes: libcurl sends it again, which an assertion grant may and a spent token must not. */
TEST(a_fresh_request_is_sent_once_on_a_connection_of_its_own)
{
	struct http_request req;
	long before, connections;

	start();
	before = counted("posts");
	post_once(false);
	post_once(false);
	CHECK_INT(counted("posts") - before, 2 + 1);
	before = counted("posts"); /* leaves a connection that might be used */
	connections = (long)http_counters(http).connections;
	post_once(true);
	CHECK_INT((long)http_counters(http).connections - connections, 1);
	post_once(true);
	CHECK_INT((long)http_counters(http).connections - connections, 2);
	CHECK_INT(counted("posts") - before, 2);
	stop();
	start();
	req = request("http", "127.0.0.1", http_server_port("plain"), "/ok");
	req.fresh = true;
	submit(req);
	await(1);
	get("/ok"); /* nobody comes after on that connection */
	CHECK_INT(http_counters(http).connections, 2);
	stop();
}

TEST(two_hundred_at_once)
{
	start();
	for (unsigned i = 0; i < 200; i++) {
		struct http_request req = request(i % 2 ? "https" : "http", "127.0.0.1",
						  http_server_port(i % 2 ? "good" : "plain"),
						  "/ok");

		req.post = true;
		req.body = secret_new("x", 1);
		CHECK(submit(req) != NULL);
	}
	await(200);
	CHECK_INT(seen.answered, 200);
	stop();
}

struct stopper {
	struct timer *timer;
	unsigned turns;
};

static void tick(void *arg)
{
	struct stopper *s = arg;

	if (s->turns-- == 0)
		loop_stop(loop);
	else
		timer_set(s->timer, 0);
}

/* After each number of turns of the loop another step of a transfer is under way. */
TEST(a_call_may_be_cancelled_at_any_time)
{
	static const char *const paths[] = { "/ok", "/huge", "/slow", "/hang" };

	start();
	for (unsigned i = 0; i < 200; i++) {
		struct http_call *c = submit(request(i % 2 ? "https" : "http", "127.0.0.1",
						     http_server_port(i % 2 ? "good" : "plain"),
						     paths[i % 4]));
		struct stopper s = { .turns = i };
		unsigned done = seen.done;

		s.timer = timer_new(loop, tick, &s);
		timer_set(s.timer, 0);
		loop_run(loop, NULL);
		timer_free(s.timer);
		if (seen.done == done)
			http_cancel(c);
		CHECK(seen.done <= done + 1);
	}
	http_cancel(NULL);
	get("/ok");
	CHECK_STR(seen.body, "{}");
	stop();
}

static struct http_call *other;

static void on_done_cancels(const struct http_response *res, void *arg)
{
	http_cancel(TAKE(other));
	submit(request("http", "127.0.0.1", http_server_port("plain"), "/ok"));
	on_done(res, arg);
}

TEST(done_may_cancel_and_submit)
{
	struct http_request req;

	start();
	req = request("http", "127.0.0.1", http_server_port("plain"), "/ok");
	http_submit(http, &req, on_done_cancels, NULL);
	other = submit(request("http", "127.0.0.1", http_server_port("plain"), "/hang"));
	await(2);
	CHECK_INT(seen.answered, 2);
	stop();
}

/* glibc hands out the numbers; what matters is that nothing keeps one. */
TEST(nothing_is_left_open)
{
	int before, after;

	start();
	stop();
	before = dup(0);
	close(before);
	start();
	get_tls("good");
	get("/drop");
	stop();
	after = dup(0);
	close(after);
	CHECK_INT(after, before);
}

CHECK_MAIN()

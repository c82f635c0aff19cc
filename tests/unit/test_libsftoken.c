/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/sftoken.h"
#include "tests/unit/check.h"
#include "tests/unit/fake_broker.h"

#define TOKEN(generation, extra) \
	"{\"parameters\":{\"token\":{\"accessToken\":\"00Dx!abc\",\"tokenType\":\"Bearer\",\"instanceUrl\":" \
	"\"https://example.my.salesforce.com\",\"credential\":\"prod\",\"generation\":" generation \
	",\"issuedAt\":1790000000,\"expiresAt\":1790007200,\"expirySource\":\"configured\",\"validity\":\"fresh\"," \
	"\"scopes\":[\"api\",\"id\"],\"username\":\"u\\u0040x\",\"expiresInSeconds\":7100}}" extra \
	"}"

static const char *const one_token[] = { TOKEN("7", ""), NULL };

static struct fake_broker start(enum behaviour behaviour, const char *const *replies,
				struct sftoken **h)
{
	struct fake_broker b = { .behaviour = behaviour, .replies = replies };

	CHECK(sftoken_open(h, "/tmp", NULL) == 0);
	sftoken_close(*h);
	return b;
}

/* The broker must not move once its thread runs, so that it is started where it stays. */
#define BROKER(b, h, how, what) \
	struct sftoken *h; \
	struct fake_broker b = start(how, what, &h); \
	CHECK(fake_broker_start(&b)); \
	CHECK_INT(sftoken_open(&h, b.path, NULL), 0)

static void end(struct fake_broker *b, struct sftoken *h)
{
	sftoken_close(h);
	fake_broker_stop(b);
}

static int get(struct sftoken *h, struct sftoken_err *err)
{
	struct sftoken_token *t = NULL;
	int r = sftoken_get(h, NULL, &t, err);

	sftoken_token_free(t);
	return r;
}

TEST(get_gives_every_field)
{
	struct sftoken_get_options o = SFTOKEN_GET_OPTIONS_INIT;
	struct sftoken_token *t = NULL;
	BROKER(b, h, ANSWER, one_token);

	o.credential = "prod";
	o.min_valid_s = 90;
	o.wait_s = 3;
	o.rejected_generation = 6;
	o.reason = "test";
	CHECK_INT(sftoken_get(h, &o, &t, NULL), 0);
	CHECK_STR(sftoken_token_access_token(t), "00Dx!abc");
	CHECK_STR(sftoken_token_instance_url(t), "https://example.my.salesforce.com");
	CHECK_STR(sftoken_token_username(t), "u@x");
	CHECK_STR(sftoken_token_scope(t), "api id");
	CHECK_STR(sftoken_token_validity(t), "fresh");
	CHECK(sftoken_token_user_id(t) == NULL);
	CHECK_INT(sftoken_token_generation(t), 7);
	CHECK_INT(sftoken_token_expires_in(t), 7100);
	CHECK_INT(sftoken_token_refresh_after(t), 0);
	CHECK(strncmp(sftoken_token_json(t), "{\"accessToken\"", 14) == 0);
	CHECK(strstr(b.last_call, "\"minValidSeconds\":90") &&
	      strstr(b.last_call, "\"rejectedGeneration\":6"));
	CHECK(!strstr(b.last_call, "allowStale")); /* null parameters are left out */
	sftoken_token_free(t);
	end(&b, h);
}

TEST(a_reply_in_single_bytes_is_put_together)
{
	BROKER(b, h, BYTE_BY_BYTE, one_token);

	CHECK_INT(get(h, NULL), 0);
	CHECK_INT(get(h, NULL), 0);
	CHECK_INT(b.connections, 1);
	end(&b, h);
}

TEST(a_lost_call_is_sent_again_twice)
{
	struct sftoken_err err;
	BROKER(b, h, DROP_FIRST, one_token);

	b.drops = 2;
	CHECK_INT(get(h, &err), 0);
	CHECK_INT(b.calls, 3);
	end(&b, h);
}

TEST(but_not_three_times)
{
	struct sftoken_err err;
	BROKER(b, h, DROP_FIRST, one_token);

	b.drops = 3;
	CHECK_INT(get(h, &err), SFTOKEN_E_DISCONNECTED);
	CHECK_INT(b.calls, 3);
	end(&b, h);
}

TEST(a_call_that_may_not_be_repeated_is_not)
{
	BROKER(b, h, DROP_FIRST, one_token);

	b.drops = 1;
	CHECK_INT(sftoken_call(h, "io.sftoken.Manager.Refresh", "{}", 0, 1000, NULL, NULL, NULL),
		  SFTOKEN_E_DISCONNECTED);
	CHECK_INT(b.calls, 1);
	end(&b, h);
}

TEST(the_deadline_ends_a_call_that_nobody_answers)
{
	struct sftoken_get_options o = SFTOKEN_GET_OPTIONS_INIT;
	struct sftoken_token *t;
	struct sftoken_err err;
	int64_t before = clock_mono_ms();
	BROKER(b, h, SILENT, one_token);

	o.timeout_ms = 200;
	CHECK_INT(sftoken_get(h, &o, &t, &err), SFTOKEN_E_DEADLINE);
	CHECK(clock_mono_ms() - before >= 200);
	CHECK(t == NULL);
	end(&b, h);
}

TEST(what_is_not_varlink_ends_the_connection)
{
	static const char *const bad[] = { "{\"parameters\":{}", "[]", "{\"error\":7}",
					   "{\"parameters\":{\"token\":{\"accessToken\":5}}}",
					   "{\"parameters\":{}}" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *const replies[] = { bad[i], NULL };
		BROKER(b, h, ANSWER, replies);

		CHECK_INT(get(h, NULL), SFTOKEN_E_PROTOCOL);
		end(&b, h);
	}
}

TEST(a_reply_without_end_is_refused)
{
	BROKER(b, h, NO_END, one_token);

	CHECK_INT(get(h, NULL), SFTOKEN_E_PROTOCOL);
	end(&b, h);
}

TEST(a_report_that_is_not_understood_says_so_whatever_err_held_before)
{
	static const char *const odd[] = { "{\"parameters\":{\"accepted\":\"perhaps\"}}", NULL };
	struct sftoken_err err = { .code = 77, .text = "left over" };

	BROKER(b, h, ANSWER, odd);
	CHECK_INT(sftoken_report(h, "prod", 7, 401, NULL, NULL, NULL, &err), SFTOKEN_E_PROTOCOL);
	CHECK_INT(err.code, SFTOKEN_E_PROTOCOL);
	CHECK(strstr(err.text, "does not understand") != NULL);
	end(&b, h);
}

/* The undefined behaviour sanitizer watches the multiplication. */
TEST(a_wait_of_any_length_is_sent_as_it_is)
{
	struct sftoken_get_options o = SFTOKEN_GET_OPTIONS_INIT;
	struct sftoken_token *t = NULL;

	BROKER(b, h, ANSWER, one_token);
	o.wait_s = INT32_MAX;
	CHECK_INT(sftoken_get(h, &o, &t, NULL), 0);
	CHECK(strstr(b.last_call, "\"waitSeconds\":2147483647") != NULL);
	sftoken_token_free(t);
	end(&b, h);
}

TEST(every_error_has_its_code_and_says_what_to_do)
{
	static const struct {
		const char *reply;
		int code;
		const char *says;
	} rows[] = {
		{ "NoSuchCredential\",\"parameters\":{\"credential\":\"x\"}}",
		  SFTOKEN_E_NO_SUCH_CREDENTIAL, "sftoken list" },
		{ "LoginRequired\",\"parameters\":{\"credential\":\"x\",\"grantType\":\"device\",\"message\":\"log in\"}}",
		  SFTOKEN_E_LOGIN_REQUIRED, "log in" },
		{ "NotServed\",\"parameters\":{\"credential\":\"x\",\"state\":\"disabled\",\"message\":\"disabled by hand\"}}",
		  SFTOKEN_E_NOT_SERVED, "disabled by hand" },
		{ "Rejected\",\"parameters\":{\"credential\":\"x\",\"oauthError\":\"invalid_grant\",\"httpStatus\":400}}",
		  SFTOKEN_E_REJECTED, "invalid_grant" },
		{ "Unavailable\",\"parameters\":{\"credential\":\"x\",\"message\":\"timeout\",\"retryAfterSeconds\":17}}",
		  SFTOKEN_E_UNAVAILABLE, "17 s" },
		{ "TimedOut\",\"parameters\":{\"credential\":\"x\",\"waitSeconds\":30}}",
		  SFTOKEN_E_TIMED_OUT, "30 s" },
		{ "LifetimeTooShort\",\"parameters\":{\"credential\":\"x\",\"minValidSeconds\":900,\"maxValidSeconds\":60}}",
		  SFTOKEN_E_LIFETIME_TOO_SHORT, "60 s" },
		{ "RateLimited\",\"parameters\":{\"retryAfterSeconds\":1}}", SFTOKEN_E_RATE_LIMITED,
		  "1 s" },
		{ "ShuttingDown\"}", SFTOKEN_E_SHUTTING_DOWN, "stopping" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sftoken_err err;
		char reply[512];
		const char *replies[] = { reply, NULL };
		BROKER(b, h, ANSWER, replies);

		(void)snprintf(reply, sizeof reply, "{\"error\":\"io.sftoken.Broker.%s",
			       rows[i].reply);
		CHECK_INT(get(h, &err), rows[i].code);
		CHECK_INT(err.code, rows[i].code);
		CHECK(strstr(err.text, rows[i].says) != NULL);
		CHECK(strncmp(err.name, "io.sftoken.Broker.", 18) == 0);
		end(&b, h);
	}
}

/* What only administrators hear. */
TEST(errors_of_the_manager_say_what_is_wrong)
{
	static const struct {
		const char *reply;
		int code;
		const char *says;
	} rows[] = {
		{ "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"level\"}}",
		  SFTOKEN_E_INVALID, "this value of level" },
		{ "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"value\",\"message\":\"the secret is empty\"}}",
		  SFTOKEN_E_INVALID, "refuses: the secret is empty" },
		{ "{\"error\":\"org.varlink.service.InvalidParameter\"}", SFTOKEN_E_INVALID,
		  "InvalidParameter" },
		{ "{\"error\":\"io.sftoken.Manager.SecretStoreUnavailable\",\"parameters\":{\"message\":\"the disk is full\"}}",
		  SFTOKEN_E_OTHER, "the disk is full" },
		{ "{\"error\":\"io.sftoken.Manager.NoSuchCredential\",\"parameters\":{\"credential\":\"x\"}}",
		  SFTOKEN_E_NO_SUCH_CREDENTIAL, "sftoken list" },
		{ "{\"error\":\"io.sftoken.Broker.Rejected\",\"parameters\":{\"credential\":\"x\",\"oauthError\":\"revocation_refused\",\"description\":\"not so\",\"httpStatus\":0}}",
		  SFTOKEN_E_REJECTED, "nothing was forgotten: not so" },
		{ "{\"error\":\"io.sftoken.Broker.Rejected\",\"parameters\":{\"credential\":\"\",\"oauthError\":\"invalid_grant\",\"description\":\"no\",\"httpStatus\":400}}",
		  SFTOKEN_E_REJECTED,
		  "a token for the default credential (none was named): invalid_grant" },
		{ "{\"error\":\"io.sftoken.Broker.NotServed\",\"parameters\":{\"credential\":\"\",\"state\":\"disabled\",\"message\":\"it is off\"}}",
		  SFTOKEN_E_NOT_SERVED,
		  "the default credential (none was named) is not served: it is off" },
		{ "{\"error\":\"io.sftoken.Broker.NotServed\",\"parameters\":{\"credential\":\"x\",\"state\":\"disabled\",\"message\":\"it is off\"}}",
		  SFTOKEN_E_NOT_SERVED, "\"x\" is not served: it is off" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *replies[] = { rows[i].reply, NULL };
		struct sftoken_err err;
		BROKER(b, h, ANSWER, replies);

		check_row(rows[i].reply);
		CHECK_INT(sftoken_call(h, "io.sftoken.Manager.ImportSecret", "{}", 0, 0, NULL, NULL,
				       &err),
			  rows[i].code);
		CHECK(strstr(err.text, rows[i].says) != NULL);
		CHECK_INT(b.calls, 1); /* a secret is never sent twice by itself */
		end(&b, h);
	}
	check_row(NULL);
}

TEST(a_daemon_that_stops_and_another_that_starts_are_one)
{
	static const char *const stopping[] = { "{\"error\":\"io.sftoken.Broker.ShuttingDown\"}",
						NULL };
	struct sftoken_err err;
	BROKER(b, h, ANSWER, stopping);

	CHECK_INT(get(h, &err), SFTOKEN_E_SHUTTING_DOWN);
	CHECK_INT(b.calls, 3); /* it was tried again twice */
	b.replies = one_token;
	CHECK_INT(get(h, &err), 0);
	end(&b, h);
}

TEST(a_server_uid_that_is_no_number_trusts_nobody)
{
	struct sftoken_err err;
	struct sftoken *h;
	struct fake_broker b = { .replies = one_token };

	CHECK(fake_broker_start(&b));
	CHECK(setenv("SFTOKEN_SERVER_UID", "root", 1) == 0);
	CHECK_INT(sftoken_open(&h, b.path, NULL), 0);
	CHECK(unsetenv("SFTOKEN_SERVER_UID") == 0);
	CHECK_INT(get(h, &err), SFTOKEN_E_INVALID);
	CHECK(strstr(err.text, "SFTOKEN_SERVER_UID") != NULL);
	end(&b, h);
}

TEST(values_of_a_newer_daemon_are_accepted)
{
	static const char *const newer[] = {
		"{\"parameters\":{\"token\":{\"accessToken\":\"t\",\"tokenType\":\"Bearer\",\"instanceUrl\":\"https://i\",\"credential\":"
		"\"c\",\"generation\":1,\"issuedAt\":1,\"expiresAt\":2,\"expirySource\":\"oracle\",\"validity\":\"doubtful\",\"scopes\":[],"
		"\"new\":{\"a\":[1]},\"expiresInSeconds\":1},\"also\":true}}",
		NULL
	};
	struct sftoken_token *t = NULL;
	BROKER(b, h, ANSWER, newer);

	CHECK_INT(sftoken_get(h, NULL, &t, NULL), 0);
	CHECK(t && strcmp(sftoken_token_access_token(t), "t") == 0);
	sftoken_token_free(t);
	end(&b, h);
}

TEST(a_child_connects_for_itself_and_leaves_the_parents_connection_alone)
{
	int status = 1;
	pid_t child;
	BROKER(b, h, ANSWER, one_token);

	CHECK_INT(get(h, NULL), 0);
	child = fork();
	if (child == 0)
		_exit(get(h, NULL) == 0 ? 0 : 1);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK_INT(b.connections, 2);
	CHECK_INT(get(h, NULL), 0);
	CHECK_INT(b.connections, 2);
	end(&b, h);
}

TEST(after_setuid_the_daemon_sees_the_new_user)
{
	int status = 1;
	pid_t child;
	BROKER(b, h, ANSWER, one_token);

	if (geteuid() != 0) {
		end(&b, h);
		return; /* only root can become somebody else */
	}
	child = fork();
	if (child == 0) {
		bool ok = get(h, NULL) == 0 && setresuid(12345, 12345, 12345) == 0 &&
			  get(h, NULL) == 0;

		_exit(ok ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK_INT(b.connections, 2);
	CHECK_INT(b.last_uid, 12345);
	end(&b, h);
}

TEST(a_descriptor_that_the_program_took_over_stays_untouched)
{
	char text[8] = "";
	int fd, mine;
	BROKER(b, h, ANSWER, one_token);

	CHECK_INT(get(h, NULL), 0);
	mine = open(b.dir, O_TMPFILE | O_RDWR, 0600);
	CHECK(mine >= 0);
	for (fd = 3; fd < mine; fd++) {
		struct stat st;

		/* our side of the connection is the newest socket below mine */
		if (fd != b.listener && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			break;
	}
	CHECK(fd < mine && dup2(mine, fd) == fd);
	CHECK_INT(get(h, NULL), 0);
	CHECK(write(fd, "mine", 4) == 4 && pread(mine, text, 4, 0) == 4);
	CHECK_STR(text, "mine");
	sftoken_close(h);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	close(mine);
	fake_broker_stop(&b);
}

TEST(a_socket_in_a_directory_of_everybody_is_not_trusted)
{
	struct sftoken_err err;
	BROKER(b, h, ANSWER, one_token);

	CHECK(chmod(b.dir, 0777) == 0);
	CHECK_INT(get(h, &err), SFTOKEN_E_REFUSED);
	CHECK(strstr(err.text, "chmod go-w") != NULL);
	sftoken_set_server_uid(h, geteuid());
	CHECK_INT(get(h, &err), 0);
	end(&b, h);
}

TEST(a_server_of_another_user_is_refused_when_one_was_named)
{
	struct sftoken_err err;
	BROKER(b, h, ANSWER, one_token);

	sftoken_set_server_uid(h, geteuid() + 1);
	CHECK_INT(get(h, &err), SFTOKEN_E_REFUSED);
	end(&b, h);
}

TEST(no_daemon_is_unreachable_after_connect_wait)
{
	struct sftoken_err err;
	struct sftoken *h;
	int64_t before;

	CHECK_INT(sftoken_open(&h, "/tmp/no-such-directory-of-sftokend/socket", NULL), 0);
	sftoken_set_connect_wait(h, 60);
	before = clock_mono_ms();
	CHECK_INT(get(h, &err), SFTOKEN_E_UNREACHABLE);
	CHECK(clock_mono_ms() - before >= 60);
	CHECK(strstr(err.text, "is sftokend running") != NULL);
	sftoken_close(h);
}

struct replies {
	int n, stop_after, result;
};

static int count_reply(const char *parameters, int continues, void *arg)
{
	struct replies *r = arg;

	(void)continues;
	CHECK(strstr(parameters, "accessToken") != NULL);
	return ++r->n == r->stop_after ? r->result : 0;
}

static const char *const three_tokens[] = { TOKEN("1", ",\"continues\":true"),
					    TOKEN("2", ",\"continues\":true"), TOKEN("3", ""),
					    NULL };

TEST(more_gives_every_reply)
{
	struct replies r = { 0 };
	BROKER(b, h, ANSWER, three_tokens);

	CHECK_INT(sftoken_call(h, "io.sftoken.Broker.WatchToken", NULL, SFTOKEN_CALL_MORE, 2000,
			       count_reply, &r, NULL),
		  0);
	CHECK_INT(r.n, 3);
	end(&b, h);
}

TEST(a_callback_can_end_the_call)
{
	struct replies r = { 0, 2, -99 };
	BROKER(b, h, ANSWER, three_tokens);

	CHECK_INT(sftoken_call(h, "io.sftoken.Broker.WatchToken", NULL, SFTOKEN_CALL_MORE, 2000,
			       count_reply, &r, NULL),
		  -99);
	CHECK_INT(r.n, 2);
	end(&b, h);
}

TEST(an_event_loop_can_run_a_call)
{
	struct replies got = { 0 };
	int r, turns = 0;
	BROKER(b, h, BYTE_BY_BYTE, three_tokens);

	r = sftoken_start(h, "io.sftoken.Broker.WatchToken", NULL, SFTOKEN_CALL_MORE, count_reply,
			  &got, NULL);
	CHECK_INT(r, 1);
	CHECK_INT(sftoken_start(h, "a.B", NULL, 0, NULL, NULL, NULL), SFTOKEN_E_INVALID);
	while (r > 0) {
		struct pollfd p = { sftoken_fd(h), (short)sftoken_events(h), 0 };

		CHECK(poll(&p, 1, 5000) == 1);
		r = sftoken_process(h, NULL);
		turns++;
	}
	CHECK_INT(r, 0);
	CHECK_INT(got.n, 3);
	CHECK(turns >= 1 && sftoken_fd(h) == -1);
	end(&b, h);
}

TEST(oneway_sends_and_returns)
{
	BROKER(b, h, ANSWER, one_token);

	CHECK_INT(sftoken_call(h, "io.sftoken.Broker.ReportRejected", "{\"generation\":1}",
			       SFTOKEN_CALL_ONEWAY, 1000, NULL, NULL, NULL),
		  0);
	CHECK_INT(get(h, NULL), 0); /* on the same connection: the call before it was taken */
	CHECK_INT(b.calls, 2);
	CHECK_INT(b.connections, 1);
	end(&b, h);
}

static void *get_many(void *arg)
{
	struct sftoken *h = arg;
	intptr_t failed = 0;

	for (int i = 0; i < 50; i++)
		failed += get(h, NULL) != 0;
	return (void *)failed;
}

TEST(threads_can_share_a_handle)
{
	pthread_t threads[16];
	BROKER(b, h, ANSWER, one_token);

	for (size_t i = 0; i < 16; i++)
		CHECK(pthread_create(&threads[i], NULL, get_many, h) == 0);
	for (size_t i = 0; i < 16; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		CHECK(failed == NULL);
	}
	CHECK_INT(b.calls, 800);
	end(&b, h);
}

/* b serves what would be the socket of the user whose $XDG_RUNTIME_DIR is *runtime, as soon as link is there. */
static void make_runtime(const struct fake_broker *b, char *runtime, char link[96])
{
	CHECK(mkdtemp(runtime) != NULL);
	CHECK(snprintf(link, 96, "%s/sftokend", runtime) > 0);
	CHECK(strcmp(strrchr(b->path, '/'), "/io.sftoken.Broker") == 0);
	CHECK(setenv("XDG_RUNTIME_DIR", runtime, 1) == 0);
	CHECK(unsetenv("SFTOKEN_SOCKET") == 0);
}

static void remove_runtime(const char *runtime, const char *link)
{
	(void)unlink(link);
	CHECK(rmdir(runtime) == 0);
	CHECK(unsetenv("XDG_RUNTIME_DIR") == 0);
}

TEST(the_socket_is_chosen_again_until_one_answers)
{
	char runtime[] = "/tmp/test-runtime-XXXXXX", link[96];
	struct fake_broker b = { .replies = one_token };
	struct sftoken_err err;
	struct sftoken *h;

	CHECK(fake_broker_start(&b));
	make_runtime(&b, runtime, link);
	CHECK_INT(sftoken_open(&h, NULL, NULL), 0);
	CHECK_STR(sftoken_path(h), "/run/sftokend/io.sftoken.Broker");
	sftoken_set_connect_wait(h, 0);
	CHECK_INT(get(h, &err), SFTOKEN_E_UNREACHABLE);
	CHECK(strstr(err.text, runtime) != NULL); /* both that were tried */
	CHECK(strstr(err.text, "/run/sftokend/io.sftoken.Broker") != NULL);

	CHECK(symlink(b.dir, link) == 0);
	CHECK_INT(get(h, &err), 0);
	CHECK(strncmp(sftoken_path(h), link, strlen(link)) == 0);

	/* his daemon is being restarted: that is no reason to ask another one */
	CHECK(unlink(link) == 0);
	fake_broker_stop(&b);
	CHECK_INT(get(h, &err), SFTOKEN_E_UNREACHABLE);
	CHECK(strstr(err.text, runtime) != NULL);
	CHECK(strstr(err.text, "/run/sftokend/io.sftoken.Broker") == NULL);
	sftoken_close(h);
	remove_runtime(runtime, link);
}

CHECK_MAIN()

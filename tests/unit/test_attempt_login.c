/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that a person begins, and those that must ask first where the server has its endpoints. */
#include <stdlib.h>

#include "base/clock.h"
#include "proto/messages.h"
#include "tests/unit/attempt_fixture.h"

/* What the callbacks saw. */
static struct seen {
	unsigned done, grants;
	enum problem_class class;
	char message[ERR_TEXT_MAX];
} seen;

static void on_done(const struct attempt_result *r, void *arg)
{
	(void)arg;
	seen.done++;
	seen.grants += r->grant != NULL;
	seen.class = r->problem ? r->problem->class : PROBLEM_NONE;
	snprintf(seen.message, sizeof seen.message, "%s", r->problem ? r->problem->message : "");
}

static void start(void)
{
	seen = (struct seen){ 0 };
	attempts_begin();
}

static struct attempt *scheduled(void)
{
	struct attempt_order order = { .credential = &credential,
				       .kind = ATTEMPT_SCHEDULED,
				       .done = on_done };

	return attempt_start(attempts, &order);
}

/* --- logins --- */

#define CODE \
	"{\"device_code\":\"D\",\"user_code\":\"ABCD1234\",\"verification_uri\":\"https://a.my.salesforce.com/c\",\"interval\":1}"

static struct {
	unsigned n;
	char user_code[20];
	struct attempt *cancel;
} prompted;

static void on_prompt(const struct flow_prompt *p, void *arg)
{
	(void)arg;
	prompted.n++;
	snprintf(prompted.user_code, sizeof prompted.user_code, "%s", p->user_code);
	attempt_cancel(TAKE(prompted.cancel));
}

static struct attempt *device(void)
{
	struct attempt_order order = { .credential = &credential,
				       .kind = ATTEMPT_DEMANDED,
				       .flow = &flow_login_device,
				       .prompt = on_prompt,
				       .done = on_done };

	memset(&prompted, 0, sizeof prompted);
	return attempt_start(attempts, &order);
}

static void wait_for_call(void)
{
	while (!fake_http_in_flight())
		turn();
}

TEST(a_login_exchanges_the_code_that_it_was_given)
{
	CLEANUP(secret_unrefp) struct secret *code = secret_new("C", 1);
	char redirect[] = "http://localhost:1717/OauthRedirect";
	struct flow_login login = { .code = code, .redirect_uri = redirect };
	struct attempt_order order = { .credential = &credential,
				       .kind = ATTEMPT_DEMANDED,
				       .flow = &flow_login_web_server,
				       .login = &login,
				       .done = on_done };

	start();
	REQUIRE(attempt_start(attempts, &order) != NULL);
	CHECK(strstr(secret_bytes(fake_http_calls->req.body),
		     "code=C&redirect_uri=http%3A%2F%2Flocalhost"));
	CHECK(fake_http_calls->req.fresh && !fake_http_calls->req.about_to_send);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.grants, 1);
	stop();
}

TEST(a_device_login_shows_its_code_and_asks_again)
{
	start();
	REQUIRE(device() != NULL);
	fake_http_answer(HTTP_ANSWERED, 200, CODE);
	CHECK_INT(prompted.n, 1);
	CHECK_STR(prompted.user_code, "ABCD1234");
	wait_for_call();
	CHECK(strstr(secret_bytes(fake_http_calls->req.body), "grant_type=device&code=D"));
	fake_http_answer(HTTP_ANSWERED, 400, "{\"error\":\"authorization_pending\"}");
	wait_for_call();
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.grants, 1);
	CHECK_INT(prompted.n, 1);
	stop();
}

TEST(a_device_login_outlasts_a_host_that_does_not_answer)
{
	struct attempt *t;
	int64_t end_ms;

	start();
	settings.limits.breaker_failures = 1;
	attempts_configure(attempts, &settings);
	t = device();
	REQUIRE(t != NULL);
	fake_http_answer(HTTP_ANSWERED, 200, CODE);
	scheduled();
	fake_http_answer(HTTP_UNSENT, 0, NULL);
	CHECK_INT(seen.done, 1);
	CHECK(attempts_host_open_ms(attempts, login_url) != 0);
	/* the gate sends the next question away, which is no end */
	for (end_ms = clock_now_ms() + 1200; clock_now_ms() < end_ms;)
		turn();
	CHECK_INT(fake_http_in_flight(), 0);
	CHECK_INT(seen.done, 1);
	attempt_cancel(t);
	stop();
}

TEST(a_prompt_may_cancel)
{
	struct attempt *t;

	start();
	t = device();
	REQUIRE(t != NULL);
	prompted.cancel = t;
	fake_http_answer(HTTP_ANSWERED, 200, CODE);
	turn();
	CHECK_INT(prompted.n, 1);
	CHECK_INT(seen.done, 0);
	stop();
}

/* --- servers that are not Salesforce --- */

#define ISSUER "https://op.example"
#define PLACES "{\"issuer\":\"" ISSUER "\",\"token_endpoint\":\"https://op.example/token\"}"
#define TOKEN "{\"access_token\":\"a\",\"token_type\":\"bearer\"}"

static struct {
	unsigned n;
	char token[80];
	enum problem_class class;
} found;

static void on_found(const struct endpoints *e, const struct problem *p, void *arg)
{
	(void)arg;
	found.n++;
	snprintf(found.token, sizeof found.token, "%s", e ? e->token : "");
	found.class = p ? p->class : PROBLEM_NONE;
}

static void other_server(void)
{
	static char issuer[] = ISSUER;

	start();
	memset(&found, 0, sizeof found);
	credential.issuer = credential.login_url = issuer;
}

static void answered(const char *url, long status, const char *body)
{
	wait_for_call();
	CHECK_STR(fake_http_calls->req.url, url);
	fake_http_answer(HTTP_ANSWERED, status, body);
}

TEST(a_server_is_asked_first_where_its_endpoints_are)
{
	struct endpoints *e;

	other_server();
	CHECK(attempts_endpoints(attempts, &credential) == NULL);
	REQUIRE(scheduled() != NULL);
	CHECK(!fake_http_calls->req.post);
	answered(ISSUER "/.well-known/openid-configuration", 404, "");
	answered(ISSUER "/.well-known/oauth-authorization-server", 200, PLACES);
	answered("https://op.example/token", 200, TOKEN);
	CHECK_INT(seen.grants, 1);
	e = attempts_endpoints(attempts, &credential);
	REQUIRE(e != NULL);
	CHECK_STR(e->token, "https://op.example/token");
	endpoints_unref(e);
	/* not again */
	scheduled();
	answered("https://op.example/token", 200, TOKEN);
	CHECK_INT(seen.grants, 2);
	stop();
}

TEST(endpoints_that_have_moved_are_forgotten)
{
	static const long statuses[] = { 404, 405, 308 };

	other_server();
	for (unsigned i = 0; i < 3; i++) {
		scheduled();
		answered(ISSUER "/.well-known/openid-configuration", 200, PLACES);
		answered("https://op.example/token", statuses[i], "");
		CHECK_INT(seen.done, i + 1);
		CHECK(attempts_endpoints(attempts, &credential) == NULL);
	}
	scheduled();
	answered(ISSUER "/.well-known/openid-configuration", 200, PLACES);
	answered("https://op.example/token", 400, "{\"error\":\"invalid_client\"}");
	CHECK(endpoints_unref(attempts_endpoints(attempts, &credential)) == NULL &&
	      seen.class == PROBLEM_ADMIN);
	scheduled();
	answered("https://op.example/token", 200, TOKEN);
	stop();
}

TEST(a_server_without_a_document_is_a_reason_to_fail)
{
	other_server();
	scheduled();
	answered(ISSUER "/.well-known/openid-configuration", 200, "{\"issuer\":\"x\"}");
	CHECK_INT(seen.done, 1);
	CHECK_INT(seen.class, PROBLEM_ADMIN);
	CHECK(strstr(seen.message, "Issuer="));
	scheduled();
	answered(ISSUER "/.well-known/openid-configuration", 503, "");
	CHECK_INT(seen.class, PROBLEM_RETRY);
	stop();
}

TEST(the_refresh_token_waits_for_the_endpoints)
{
	CLEANUP(secret_unrefp) struct secret *token = secret_new("R", 1);
	struct attempt_order order = { .credential = &credential,
				       .refresh_token = token,
				       .done = on_done };

	other_server();
	credential.grant_type = GRANT_REFRESH_TOKEN;
	REQUIRE(attempt_start(attempts, &order) != NULL);
	CHECK(!fake_http_calls->req.fresh && !fake_http_calls->req.about_to_send &&
	      !fake_http_calls->req.body);
	answered(ISSUER "/.well-known/openid-configuration", 200, PLACES);
	wait_for_call();
	CHECK(fake_http_calls->req.fresh && fake_http_calls->req.about_to_send);
	answered("https://op.example/token", 200, TOKEN);
	CHECK_INT(seen.grants, 1);
	stop();
}

TEST(endpoints_alone)
{
	struct attempt *t;

	other_server();
	REQUIRE(attempt_discover(attempts, &credential, on_found, NULL) != NULL);
	answered(ISSUER "/.well-known/openid-configuration", 200, PLACES);
	CHECK_INT(found.n, 1);
	CHECK_STR(found.token, "https://op.example/token");
	attempt_discover(attempts, &credential, on_found, NULL);
	fake_http_answer(HTTP_UNSENT, 0, NULL);
	CHECK_INT(found.n, 2);
	CHECK_INT(found.class, PROBLEM_RETRY);
	t = attempt_discover(attempts, &credential, on_found, NULL);
	attempt_cancel(t);
	CHECK_INT(found.n, 2);
	credential.issuer = NULL;
	CHECK(attempt_discover(attempts, &credential, on_found, NULL) == NULL);
	stop();
}

/* A reload puts another object in the place of an unchanged credential, whatever is asked for it at this moment. */
TEST(whoever_asks_for_endpoints_may_lose_the_credential)
{
	other_server();
	credential.issuer = strdup(ISSUER);
	REQUIRE(attempt_discover(attempts, &credential, on_found, NULL) != NULL);
	free(credential.issuer);
	credential.issuer = NULL;
	answered(ISSUER "/.well-known/openid-configuration", 404, "");
	answered(ISSUER "/.well-known/oauth-authorization-server", 200, PLACES);
	CHECK_INT(found.n, 1);
	CHECK_STR(found.token, "https://op.example/token");
	stop();
}

CHECK_MAIN()

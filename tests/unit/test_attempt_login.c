/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that a person begins, and those that must ask first where the server has its endpoints. */
#include "base/clock.h"
#include "daemon/mint/attempt.h"
#include "proto/messages.h"
#include "tests/unit/check.h"
#include "tests/unit/fake_http.h"

#define GOOD \
	"{\"access_token\":\"00D1!a\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.my.salesforce.com\"}"

static char login_url[] = "https://acme.my.salesforce.com", client_id[] = "CK";
static struct credential credential;
static struct settings settings;
static struct loop *loop;
static struct attempts *attempts;

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

static void stop_loop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

/* Lets everything happen that is due now. */
static void turn(void)
{
	CLEANUP(timer_freep) struct timer *t = timer_new(loop, stop_loop, NULL);

	timer_set(t, 0);
	loop_run(loop, NULL);
	timer_set(t, 0);
	loop_run(loop, NULL);
}

static void start(void)
{
	settings = (struct settings){ .network.timeout_ms = 15000,
				      .limits = { .max_scheduled_in_flight = 8,
						  .max_demanded_in_flight = 64,
						  .breaker_failures = 5,
						  .backoff_first_ms = 60000,
						  .backoff_max_ms = 300000,
						  .demand_gap_ms = 30000 } };
	credential = (struct credential){ .grant_type = GRANT_CLIENT_CREDENTIALS,
					  .login_url = login_url,
					  .client_id = client_id,
					  .client_secret = secret_new("s", 1) };
	seen = (struct seen){ 0 };
	fake_http_submitted = fake_http_cancelled = 0;
	loop = loop_new(NULL);
	attempts = attempts_new(loop, NULL, &settings, NULL);
}

static void stop(void)
{
	CHECK_INT(fake_http_in_flight(), 0);
	attempts_free(attempts);
	loop_free(loop);
	secret_unref(credential.client_secret);
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

CHECK_MAIN()

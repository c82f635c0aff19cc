/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of flows on the real loop, with answers that the test gives. */
#include "daemon/mint/salesforce.h"
#include "proto/messages.h"
#include "tests/unit/attempt_fixture.h"

/* What the callbacks saw. */
static struct seen {
	unsigned done, grants;
	enum problem_class class;
	enum http_outcome outcome;
	int64_t retry_after_ms;
	char message[ERR_TEXT_MAX];
	long status;
	struct attempt *cancel; /* to be cancelled from within done() */
	unsigned spends;
	bool refuse; /* what about_to_spend() says */
	void *arg, *spend_arg;
	bool spend_unknown;
	char salvaged[40];
} seen;

static void on_done(const struct attempt_result *r, void *arg)
{
	struct attempt **slot = arg;

	if (slot)
		*slot = NULL;
	seen.done++;
	seen.arg = arg;
	snprintf(seen.salvaged, sizeof seen.salvaged, "%s",
		 r->salvaged ? secret_bytes(r->salvaged) : "");
	seen.grants += r->grant != NULL;
	if (r->problem) {
		seen.class = r->problem->class;
		seen.spend_unknown = r->problem->spend_unknown;
		seen.outcome = r->problem->outcome;
		seen.retry_after_ms = r->problem->retry_after_ms;
		snprintf(seen.message, sizeof seen.message, "%s", r->problem->message);
	}
	attempt_cancel(TAKE(seen.cancel));
}

static int on_spend(void *arg, struct err *err)
{
	seen.spends++;
	seen.spend_arg = arg;
	return seen.refuse ? err_set(err, ERR_RETRY, "the disk is full") : 0;
}

static void on_response(const struct http_response *res, void *arg)
{
	(void)arg;
	seen.done++;
	seen.outcome = res->outcome;
	seen.status = res->status;
}

static void start(void)
{
	seen = (struct seen){ 0 };
	attempts_begin();
}

static struct attempt *begin(enum attempt_kind kind, void *arg)
{
	struct attempt_order order = { .credential = &credential, .kind = kind, .done = on_done, .arg = arg };

	return attempt_start(attempts, &order);
}

static struct attempt *scheduled(void *arg)
{
	return begin(ATTEMPT_SCHEDULED, arg);
}

/* A refresh with the token "old". base_url NULL: where the credential says. */
static struct attempt *refresh(const char *base_url)
{
	CLEANUP(secret_unrefp) struct secret *token = secret_new("old", 3);
	char base[80];
	struct attempt_order order = {
		.credential = &credential, .refresh_token = token, .base_url = base_url ? base : NULL, .about_to_spend = on_spend, .done = on_done
	};
	struct attempt *t;

	credential.grant_type = GRANT_REFRESH_TOKEN;
	snprintf(base, sizeof base, "%s", base_url ? base_url : "");
	t = attempt_start(attempts, &order);
	memset(base, 'x', sizeof base); /* it is the attempt's own now, like the token */
	return t;
}

TEST(a_run_ends_with_a_token)
{
	start();
	REQUIRE(scheduled(NULL) != NULL);
	REQUIRE(fake_http_in_flight() == 1);
	CHECK_STR(fake_http_calls->req.url, "https://acme.my.salesforce.com/services/oauth2/token");
	CHECK_INT(seen.done, 0);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.done, 1);
	CHECK_INT(seen.grants, 1);
	stop();
}

TEST(a_run_ends_with_a_problem)
{
	start();
	scheduled(NULL);
	fake_http_answer(HTTP_ANSWERED, 400, "{\"error\":\"inactive_user\"}");
	CHECK_INT(seen.class, PROBLEM_ADMIN);
	scheduled(NULL);
	fake_http_answer(HTTP_UNSENT, 0, NULL);
	CHECK_INT(seen.class, PROBLEM_RETRY);
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK_INT(seen.done, 2);
	stop();
}

TEST(what_cannot_be_asked_ends_in_the_next_turn)
{
	struct secret *secret;

	start();
	secret = TAKE(credential.client_secret);
	REQUIRE(scheduled(NULL) != NULL);
	CHECK_INT(seen.done, 0); /* never from within */
	turn();
	CHECK_INT(seen.done, 1);
	CHECK_INT(seen.class, PROBLEM_ADMIN);
	CHECK(strstr(seen.message, "ClientSecret="));
	CHECK_INT(fake_http_submitted, 0);
	credential.client_secret = secret;
	fake_http_out_of_memory = true;
	REQUIRE(scheduled(NULL) != NULL);
	turn();
	fake_http_out_of_memory = false;
	CHECK_INT(seen.done, 2);
	CHECK_INT(seen.class, PROBLEM_RETRY);
	stop();
}

TEST(hosts_that_are_not_allowed_get_nothing)
{
	char other[] = "other.example", *one[] = { other };

	start();
	settings.network.allowed_hosts = (struct config_list){ one, 1 };
	attempts_configure(attempts, &settings);
	REQUIRE(scheduled(NULL) != NULL);
	turn();
	CHECK_INT(fake_http_submitted, 0);
	CHECK_INT(seen.class, PROBLEM_ADMIN);
	CHECK(strstr(seen.message, "AllowedHosts="));
	settings.network.allowed_hosts = (struct config_list){ 0 };
	attempts_configure(attempts, &settings);
	scheduled(NULL);
	CHECK_INT(fake_http_in_flight(), 1);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.grants, 1);
	stop();
}

TEST(unknown_grants_do_not_start)
{
	start();
	credential.grant_type = -1;
	CHECK(scheduled(NULL) == NULL);
	stop();
}

TEST(what_only_a_person_can_get_is_refused_in_words)
{
	start();
	credential.grant_type = GRANT_USER_AGENT;
	REQUIRE(scheduled(NULL) != NULL);
	CHECK_INT(fake_http_submitted, 0);
	turn();
	CHECK_INT(seen.done, 1);
	CHECK_INT(seen.class, PROBLEM_LOGIN);
	CHECK(strstr(seen.message, "sftoken login"));
	stop();
}

TEST(eight_at_once_and_demand_first)
{
	struct attempt *t[12];

	start();
	for (size_t i = 0; i < 12; i++)
		t[i] = scheduled(&t[i]);
	CHECK_INT(fake_http_in_flight(), 8);
	attempt_demand(t[11]);
	CHECK_INT(fake_http_in_flight(), 9);
	for (unsigned i = 0; i < 12; i++)
		fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.grants, 12);
	CHECK_INT(fake_http_submitted, 12);
	stop();
}

TEST(cancelled_runs_are_silent_and_make_room)
{
	struct attempt *t[12];

	start();
	for (size_t i = 0; i < 12; i++)
		t[i] = scheduled(NULL);
	attempt_cancel(t[11]); /* waiting */
	attempt_cancel(t[0]);  /* under way */
	CHECK_INT(fake_http_cancelled, 1);
	CHECK_INT(fake_http_in_flight(), 8);
	for (size_t i = 1; i < 11; i++)
		attempt_cancel(t[i]);
	attempt_cancel(NULL);
	secret_unref(TAKE(credential.client_secret));
	attempt_cancel(scheduled(NULL)); /* about to end */
	turn();
	CHECK_INT(seen.done, 0);
	stop();
}

TEST(a_run_may_be_cancelled_when_another_ends)
{
	start();
	scheduled(NULL);
	seen.cancel = scheduled(NULL);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.done, 1);
	CHECK_INT(fake_http_cancelled, 1);
	stop();
}

TEST(a_host_that_does_not_answer_is_left_alone)
{
	int64_t open_ms;

	start();
	for (unsigned i = 0; i < 7; i++)
		scheduled(NULL);
	for (unsigned i = 0; i < 5; i++)
		fake_http_answer(i % 2 ? HTTP_UNKNOWN : HTTP_ANSWERED, 503, "");
	open_ms = attempts_host_open_ms(attempts, "https://ACME.my.salesforce.com:443/x");
	CHECK(open_ms > loop_now_ms(loop));
	CHECK_INT(attempts_host_open_ms(attempts, "https://other.my.salesforce.com"), 0);
	seen.done = 0;
	scheduled(NULL);
	begin(ATTEMPT_DEMANDED, NULL);
	CHECK_INT(fake_http_in_flight(), 2); /* those of before */
	CHECK_INT(seen.done, 0);
	turn();
	CHECK_INT(seen.done, 2);
	CHECK_INT(seen.class, PROBLEM_RETRY);
	CHECK_INT(seen.outcome, HTTP_REFUSED);
	CHECK(seen.retry_after_ms > 0 && seen.retry_after_ms <= 60000);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD); /* the host is back */
	CHECK_INT(attempts_host_open_ms(attempts, login_url), 0);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	stop();
}

static struct http_request userinfo(void)
{
	return (struct http_request){ .url = salesforce_url(login_url, "userinfo") };
}

TEST(single_requests_pass_the_same_gate)
{
	struct http_request req;

	start();
	for (unsigned i = 0; i < 8; i++)
		scheduled(NULL);
	req = (struct http_request){ .url = salesforce_url(login_url, "introspect"), .post = true };
	CHECK(attempt_request(attempts, &req, on_response, NULL) != NULL);
	CHECK_INT(fake_http_in_flight(), 8); /* an introspection waits with the scheduled ones */
	req = userinfo();
	CHECK(attempt_request(attempts, &req, on_response, NULL) != NULL);
	CHECK(req.url == NULL);
	CHECK_INT(fake_http_in_flight(), 9); /* a check does not */
	for (unsigned i = 0; i < 10; i++)
		fake_http_answer(HTTP_ANSWERED, i == 8 ? 403 : 200, GOOD);
	CHECK_INT(seen.done, 10);
	stop();
}

TEST(single_requests_to_a_dead_host_are_refused)
{
	struct http_request req;

	start();
	for (unsigned i = 0; i < 5; i++) {
		scheduled(NULL);
		fake_http_answer(HTTP_UNSENT, 0, NULL);
	}
	seen.done = 0;
	req = userinfo();
	CHECK(attempt_request(attempts, &req, on_response, NULL) != NULL);
	CHECK_INT(seen.done, 0);
	turn();
	CHECK_INT(seen.done, 1);
	CHECK_INT(seen.outcome, HTTP_REFUSED);
	stop();
}

TEST(the_deadline_holds_even_if_http_forgets_it)
{
	start();
	settings.network.timeout_ms = 1;
	attempts_configure(attempts, &settings);
	scheduled(NULL);
	while (!seen.done) /* a quarter of a second of grace */
		turn();
	CHECK_INT(seen.outcome, HTTP_UNKNOWN);
	CHECK_INT(fake_http_cancelled, 1);
	stop();
}

TEST(a_spend_goes_out_once_on_a_connection_of_its_own)
{
	start();
	REQUIRE(refresh(NULL) != NULL);
	REQUIRE(fake_http_in_flight() == 1);
	CHECK(fake_http_calls->req.fresh);
	CHECK_STR(secret_bytes(fake_http_calls->req.body),
		  "grant_type=refresh_token&refresh_token=old&client_id=CK&client_secret=s");
	CHECK_INT(seen.spends, 1);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.grants, 1);
	credential.grant_type = GRANT_CLIENT_CREDENTIALS;
	scheduled(NULL);
	REQUIRE(fake_http_in_flight() == 1);
	CHECK(!fake_http_calls->req.fresh && !fake_http_calls->req.about_to_send);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.spends, 1);
	stop();
}

TEST(a_spend_that_may_not_be_is_not)
{
	start();
	seen.refuse = true;
	REQUIRE(refresh(NULL) != NULL);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK_INT(seen.grants, 0);
	CHECK_INT(seen.outcome, HTTP_REFUSED);
	CHECK_INT(seen.class, PROBLEM_RETRY);
	CHECK(strstr(seen.message, "the disk is full"));
	CHECK(!seen.spend_unknown);
	stop();
}

TEST(a_token_goes_where_it_was_given)
{
	start();
	REQUIRE(refresh("https://other.my.salesforce.com") != NULL);
	REQUIRE(fake_http_in_flight() == 1);
	CHECK_STR(fake_http_calls->req.url,
		  "https://other.my.salesforce.com/services/oauth2/token");
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	for (unsigned i = 0; i < 5; i++) {
		refresh("https://other.my.salesforce.com");
		fake_http_answer(HTTP_UNSENT, 0, NULL);
	}
	/* that host is left alone, and not the one of LoginUrl= */
	CHECK(attempts_host_open_ms(attempts, "https://other.my.salesforce.com") > 0);
	CHECK_INT(attempts_host_open_ms(attempts, login_url), 0);
	seen.done = 0;
	REQUIRE(refresh("https://evil.example") != NULL);
	CHECK_INT(fake_http_in_flight(), 0);
	turn();
	CHECK_INT(seen.done, 1);
	CHECK_INT(seen.class, PROBLEM_ADMIN);
	CHECK(strstr(seen.message, "AllowedHosts="));
	CHECK_INT(seen.spends, 6);
	stop();
}

TEST(without_a_token_a_person_must_act)
{
	start();
	credential.grant_type = GRANT_REFRESH_TOKEN;
	REQUIRE(scheduled(NULL) != NULL);
	turn();
	CHECK_INT(seen.class, PROBLEM_LOGIN);
	CHECK(strstr(seen.message, "sftoken import"));
	CHECK_INT(fake_http_submitted, 0);
	stop();
}

TEST(lost_answers_leave_the_spend_unknown)
{
	start();
	refresh(NULL);
	fake_http_answer(HTTP_UNKNOWN, 0, NULL);
	CHECK(seen.spend_unknown);
	CHECK_STR(seen.salvaged, "");
	refresh(NULL);
	fake_http_answer(HTTP_UNKNOWN, 200, "{\"refresh_token\":\"new\",\"acc");
	CHECK(!seen.spend_unknown);
	CHECK_INT(seen.class, PROBLEM_RETRY);
	CHECK_STR(seen.salvaged, "new");
	refresh(NULL);
	fake_http_answer(HTTP_UNSENT, 0, NULL);
	CHECK(!seen.spend_unknown);
	stop();
}

/* That deadline knows whether the token has left. */
TEST(what_never_left_is_unsent_at_the_deadline)
{
	start();
	settings.network.timeout_ms = 1;
	attempts_configure(attempts, &settings);
	fake_http_connecting = true;
	refresh(NULL);
	fake_http_connecting = false;
	while (!seen.done)
		turn();
	CHECK_INT(seen.outcome, HTTP_UNSENT);
	CHECK(!seen.spend_unknown);
	seen.done = 0;
	refresh(NULL);
	while (!seen.done)
		turn();
	CHECK_INT(seen.outcome, HTTP_UNKNOWN);
	CHECK(seen.spend_unknown);
	CHECK_INT(seen.spends, 1);
	stop();
}

TEST(who_is_called_may_change_on_the_way)
{
	struct attempt *t, *first = NULL, *second = NULL;
	struct attempt_order order = { .credential = &credential, .about_to_spend = on_spend, .done = on_done, .arg = &first };

	start();
	credential.grant_type = GRANT_REFRESH_TOKEN;
	order.refresh_token = credential.client_secret;
	for (unsigned i = 0; i < 8; i++)
		refresh(NULL);
	t = attempt_start(attempts, &order); /* waits at the gate */
	REQUIRE(t != NULL && fake_http_in_flight() == 8);
	attempt_set_arg(t, &second);
	fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK(seen.spend_arg == &second);
	for (unsigned i = 0; i < 8; i++)
		fake_http_answer(HTTP_ANSWERED, 200, GOOD);
	CHECK(seen.arg == &second);
	stop();
}

CHECK_MAIN()

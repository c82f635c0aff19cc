/* SPDX-License-Identifier: Apache-2.0 */
/* Logins with the real keeper and store: what scenarios cannot bring about, and that nothing secret is told. */
#include "daemon/mint/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/unit/check.h"
#include "tests/unit/empty_store.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/turns.h"

#define HOST "https://acme.my.salesforce.com"
#define REDIRECT "http://localhost:1717/OauthRedirect"
#define TOKEN(access, refresh) \
	"{\"access_token\":\"" access "\",\"refresh_token\":\"" refresh \
	"\",\"token_type\":\"Bearer\",\"instance_url\":\"" HOST "\",\"id\":\"" HOST "/id/00D" \
	"000000000001AAA/005000000000001AAA\"}"

static struct settings settings;
static struct loop *loop;
static struct keeper_context context;
static struct keeper *k;
static struct logins *all;
static char told[8192]; /* all that was logged or said */
static unsigned offered, ended;
static struct login_reply last;
static char last_url[2048], last_id[64], last_message[400];

static void heard(struct keeper *keeper, void *arg)
{
	(void)keeper;
	(void)arg;
}

static void all_spent(void *arg)
{
	(void)arg;
}

static void tell(const char *text)
{
	size_t used = strlen(told);

	if (text)
		snprintf(told + used, sizeof told - used, "%s\n", text);
}

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	(void)level;
	(void)arg;
	tell(event);
	for (size_t i = 0; i < n; i++)
		tell(fields[i].text);
}

static void remember(const struct login *l)
{
	login_describe(l, &last);
	snprintf(last_id, sizeof last_id, "%s", last.login_id);
	snprintf(last_url, sizeof last_url, "%s",
		 last.authorization_url ? last.authorization_url : "");
	snprintf(last_message, sizeof last_message, "%s", last.message ? last.message : "");
	tell(last.message);
}

static void on_offered(struct login *l, void *arg)
{
	(void)arg;
	offered++;
	remember(l);
}

static void on_ended(struct login *l, void *arg)
{
	(void)arg;
	ended++;
	remember(l);
}

/* Lets what is due be done. */
static void turn(void)
{
	turns(loop, 3);
}

static struct credential *new_credential(int grant_type)
{
	struct credential *c = calloc(1, sizeof *c);

	*c = (struct credential){ .refs = 1,
				  .name = strdup("org"),
				  .grant_type = grant_type,
				  .login_url = strdup(HOST),
				  .client_id = strdup("CK"),
				  .client_secret = secret_new("s3cret", 6),
				  .session_timeout_ms = 7200000,
				  .introspect = INTROSPECT_NO,
				  .renew_when_idle = true };
	return c;
}

static void begin(int grant_type)
{
	const struct login_handlers handlers = { .offered = on_offered, .ended = on_ended };
	struct credential *c = new_credential(grant_type);

	settings = (struct settings){ .network.timeout_ms = 15000 };
	limits_default(&settings.limits);
	told[0] = '\0';
	offered = ended = fake_http_submitted = fake_http_cancelled = 0;
	log_set_sink(sink, NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	loop = loop_new(NULL);
	context = (struct keeper_context){ .loop = loop,
					   .settings = &settings,
					   .attempts = attempts_new(loop, NULL, &settings, NULL),
					   .store = empty_store(),
					   .random = 7,
					   .changed = heard,
					   .settled = heard,
					   .spent = all_spent };
	TAILQ_INIT(&context.dirty);
	k = keeper_new(&context, c, NULL);
	credential_unref(c);
	keeper_start(k);
	all = logins_new(&handlers, NULL);
}

static void end(void)
{
	logins_free(all);
	keeper_free(k);
	keeper_free_retired(&context);
	CHECK_INT(fake_http_in_flight(), 0);
	attempts_free(context.attempts);
	store_close(context.store);
	loop_free(loop);
	log_set_sink(NULL, NULL);
}

static struct login *start(void)
{
	const struct login_order order = {
		.keeper = k, .flow = login_flow_of(keeper_credential(k), -1), .uid = 1000, .pid = 7
	};
	struct err err = { 0 };
	struct login *l = login_start(all, &order, &err);

	turn();
	return l;
}

/* The answer of the browser, with the state of the last offer. */
static int complete(const char *code)
{
	char url[512], state[64] = "";
	const char *at = strstr(last_url, "&state=");
	CLEANUP(secret_unrefp) struct secret *s = NULL;
	struct login *l = logins_find(all, last_id);
	struct err err;
	int r;

	if (at)
		snprintf(state, sizeof state, "%.43s", at + 7);
	snprintf(url, sizeof url, REDIRECT "?code=%s&state=%s", code, state);
	s = secret_new(url, strlen(url));
	r = l ? login_complete(l, s, &err) : -1;
	turn();
	return r;
}

static void answer(const char *body)
{
	fake_http_answer(HTTP_ANSWERED, 200, body);
	turn();
}

TEST(nothing_secret_is_told)
{
	const char *at, *body;
	char state[44], verifier[100];

	begin(GRANT_WEB_SERVER);
	start();
	CHECK_INT(offered, 1);
	CHECK_INT(strlen(last_id), 22);
	at = strstr(last_url, "&state=");
	REQUIRE(at);
	snprintf(state, sizeof state, "%s", at + 7);
	CHECK_INT(strcspn(at + 7, "&"), 43);
	CHECK_INT(complete("SECRETcode"), 0);
	REQUIRE(fake_http_in_flight() == 1);
	body = secret_bytes(fake_http_calls->req.body);
	at = strstr(body, "code_verifier=");
	REQUIRE(at);
	snprintf(verifier, sizeof verifier, "%.86s", at + 14);
	CHECK_INT(strcspn(at + 14, "&"), 86);
	answer(TOKEN("SECRETaccess", "SECRETrefresh"));
	answer("{\"preferred_username\":\"me@example.com\"}");
	CHECK_INT(ended, 1);
	CHECK_INT(last.state, LOGIN_SUCCEEDED);
	CHECK(strstr(last_message, "logged in as me@example.com"));
	CHECK(strstr(told, "login.started") && strstr(told, "login.succeeded"));
	CHECK(!strstr(told, "SECRET") && !strstr(told, state) && !strstr(told, verifier));
	CHECK_STR(keeper_token(k)->username, "me@example.com");
	end();
}

static void log_in_as(const char *token, const char *user)
{
	char body[100];

	start();
	CHECK_INT(complete("code"), 0);
	REQUIRE(fake_http_in_flight() == 1);
	answer(token);
	snprintf(body, sizeof body, "{\"preferred_username\":\"%s\"}", user);
	answer(body);
	CHECK_INT(last.state, LOGIN_SUCCEEDED);
}

TEST(a_login_of_another_person_says_whose_it_replaces)
{
	begin(GRANT_WEB_SERVER);
	log_in_as(TOKEN("A1", "R1"), "anna@example.com");
	CHECK(!strstr(last_message, "before"));
	log_in_as(TOKEN("A2", "R2"), "Anna@example.com");
	CHECK(!strstr(last_message, "before"));
	fake_http_answer(HTTP_ANSWERED, 200, ""); /* the grant that was replaced is revoked */
	log_in_as(TOKEN("A3", "R3"), "bob@example.com");
	CHECK(strstr(last_message, "logged in as bob@example.com (before: Anna@example.com), "));
	fake_http_answer(HTTP_ANSWERED, 200, "");
	end();
}

TEST(two_logins_have_nothing_in_common)
{
	char first[2048], id[64];

	begin(GRANT_WEB_SERVER);
	start();
	snprintf(first, sizeof first, "%s", strstr(last_url, "&state="));
	snprintf(id, sizeof id, "%s", last_id);
	start();
	CHECK(strcmp(id, last_id) != 0);
	CHECK(strncmp(first, strstr(last_url, "&state="), 50) != 0);
	CHECK(strcmp(strstr(first, "code_challenge="), strstr(last_url, "code_challenge=")) != 0);
	end();
}

TEST(a_store_that_cannot_keep_it_is_told_before_the_person_acts)
{
	const struct login_order order = { .keeper = NULL, .flow = LOGIN_WEB_SERVER };
	struct login_order o = order;
	struct err err = { 0 };

	begin(GRANT_WEB_SERVER);
	disk_fail_kind(DISK_WRITE, ENOSPC);
	disk_fail_kind(DISK_SYNC_DATA, EIO);
	keeper_set_enabled(k, true);
	REQUIRE(store_state(context.store) != STORE_OK);
	o.keeper = k;
	CHECK(!login_start(all, &o, &err));
	CHECK_INT(err.code, ERR_ADMIN);
	CHECK(err.text[0] != '\0');
	CHECK_INT(offered, 0);
	end();
}

TEST(a_store_that_fails_in_the_end_changes_nothing_and_the_grant_is_revoked)
{
	begin(GRANT_WEB_SERVER);
	start();
	complete("c1");
	answer(TOKEN("A1", "R1"));
	disk_fail_kind(DISK_WRITE, EIO);
	disk_fail_kind(DISK_ALLOCATE, ENOSPC);
	answer("{}");
	CHECK_INT(ended, 1);
	CHECK_INT(last.state, LOGIN_CANCELLED);
	CHECK(!keeper_token(k));
	CHECK(!keeper_stored(k)->refresh.token);
	CHECK_INT(keeper_schedule(k)->state, STATE_LOGIN_REQUIRED);
	REQUIRE(fake_http_in_flight() == 1);
	CHECK(strstr(fake_http_calls->req.url, "/revoke"));
	CHECK_STR(secret_bytes(fake_http_calls->req.body), "token=R1");
	answer("");
	end();
}

TEST(so_many_at_a_time)
{
	struct login_order order = { .flow = LOGIN_WEB_SERVER };
	struct err err = { 0 };

	begin(GRANT_WEB_SERVER);
	order.keeper = k;
	for (int i = 0; i < LOGINS_OF_CREDENTIAL_MAX; i++)
		CHECK(login_start(all, &order, &err));
	CHECK(!login_start(all, &order, &err));
	CHECK_INT(err.code, ERR_RETRY);
	CHECK(err.retry_after_ms > 0);
	turn();
	CHECK_INT(offered, LOGINS_OF_CREDENTIAL_MAX);
	login_cancel(logins_find(all, last_id), "enough");
	CHECK_INT(last.state, LOGIN_CANCELLED);
	CHECK(login_start(all, &order, &err));
	end();
}

TEST(so_many_in_a_minute)
{
	struct login_order order = { .flow = LOGIN_WEB_SERVER, .uid = geteuid() + 1 };
	struct err err = { 0 };

	begin(GRANT_WEB_SERVER);
	order.keeper = k;
	for (int i = 0; i < LOGIN_STARTS_MAX; i++) {
		REQUIRE(login_start(all, &order, &err));
		turn();
		login_cancel(logins_find(all, last_id), "gone again");
		turn();
	}
	CHECK(!login_start(all, &order, &err));
	CHECK_INT(err.code, ERR_RETRY);
	CHECK(err.retry_after_ms > 0 && err.retry_after_ms <= 60000);
	order.uid++;
	CHECK(login_start(all, &order, &err));
	/* who may do anything anyway */
	order.uid = 0;
	CHECK(login_start(all, &order, &err));
	order.uid = geteuid();
	CHECK(login_start(all, &order, &err));
	end();
}

TEST(what_is_in_use_when_the_person_goes_stays)
{
	begin(GRANT_WEB_SERVER);
	start();
	complete("c1");
	answer(TOKEN("A1", "R1"));
	/* the keeper takes it in this call, and tells in the next turn */
	fake_http_answer(HTTP_ANSWERED, 200, "{}");
	CHECK(keeper_token(k));
	login_cancel(logins_find(all, last_id), "gone");
	CHECK_INT(ended, 1);
	CHECK_INT(last.state, LOGIN_SUCCEEDED);
	turn();
	CHECK_INT(ended, 1);
	CHECK_INT(fake_http_in_flight(), 0);
	end();
}

TEST(who_goes_while_userinfo_is_asked_leaves_no_grant_behind)
{
	begin(GRANT_WEB_SERVER);
	start();
	complete("c1");
	answer(TOKEN("A1", "R1"));
	login_cancel(logins_find(all, last_id), "gone");
	turn();
	CHECK_INT(last.state, LOGIN_CANCELLED);
	CHECK(!keeper_token(k));
	REQUIRE(fake_http_in_flight() == 1);
	CHECK_STR(secret_bytes(fake_http_calls->req.body), "token=R1");
	answer("");
	end();
}

TEST(the_keeper_ends_in_each_phase)
{
	for (int phase = 0; phase < 4; phase++) {
		begin(GRANT_WEB_SERVER);
		if (phase == 0) {
			const struct login_order order = { .keeper = k, .flow = LOGIN_WEB_SERVER };

			CHECK(login_start(all, &order, NULL));
		} else {
			start();
		}
		if (phase >= 2)
			complete("c1");
		if (phase >= 3)
			answer(TOKEN("A1", "R1"));
		logins_keeper_gone(all, k, NULL, "it was removed");
		CHECK_INT(ended, 1);
		CHECK_INT(last.state, LOGIN_FAILED);
		CHECK_STR(last_message, "it was removed");
		keeper_free(TAKE(k));
		turn();
		if (phase == 2)
			answer(TOKEN("A1", "R1"));
		CHECK_INT(ended, 1);
		if (phase == 3)
			answer(""); /* the revocation */
		end();
	}
}

TEST(out_of_memory_ends_clearly)
{
	begin(GRANT_WEB_SERVER);
	start();
	fake_http_out_of_memory = true;
	complete("c1");
	turn();
	fake_http_out_of_memory = false;
	CHECK_INT(ended, 1);
	CHECK_INT(last.state, LOGIN_FAILED);
	CHECK(last_message[0] != '\0');
	end();
}

TEST(a_login_that_lacks_its_client_secret_says_so)
{
	begin(GRANT_WEB_SERVER);
	((struct credential *)(uintptr_t)keeper_credential(k))->missing = strdup(
		"the client secret is not given yet");
	start();
	CHECK_INT(offered, 0);
	CHECK_INT(ended, 1);
	CHECK_STR(last_message, "the client secret is not given yet");
	end();
}

/* AllowedHosts= as it is now, not as it was when the server was asked where its endpoints are. */
TEST(userinfo_is_not_asked_at_a_host_that_is_not_allowed_any_more)
{
	static char pattern[] = "*.example", *hosts[] = { pattern };
	struct credential *c;

	begin(GRANT_WEB_SERVER);
	c = (struct credential *)(uintptr_t)keeper_credential(k);
	free(c->login_url);
	c->login_url = strdup("https://op.example");
	c->issuer = strdup("https://op.example");
	settings.network.allowed_hosts = (struct config_list){ .items = hosts, .n = 1 };
	attempts_configure(context.attempts, &settings);
	start();
	answer("{\"issuer\":\"https://op.example\",\"token_endpoint\":\"https://op.example/token\","
	       "\"authorization_endpoint\":\"https://op.example/auth\","
	       "\"userinfo_endpoint\":\"https://users.example/me\"}");
	REQUIRE(offered == 1);
	settings.network.allowed_hosts = (struct config_list){ 0 };
	CHECK_INT(complete("c1"), 0);
	answer("{\"access_token\":\"A1\",\"refresh_token\":\"R1\",\"token_type\":\"Bearer\"}");
	CHECK_INT(fake_http_in_flight(), 0);
	CHECK_INT(ended, 1);
	CHECK_INT(last.state, LOGIN_SUCCEEDED);
	end();
}

/* What the server gave is either kept or revoked: the daemon does not stop between. */
TEST(the_end_of_the_daemon_waits_for_each_grant)
{
	begin(GRANT_DEVICE);
	start();
	answer("{\"device_code\":\"D\",\"user_code\":\"ABCD1234\",\"verification_uri\":"
	       "\"https://acme.my.salesforce.com/c\",\"interval\":1}");
	REQUIRE(offered == 1);
	CHECK_INT(context.spending, 0);
	while (!fake_http_in_flight())
		turn();
	answer(TOKEN("A1", "R1"));
	CHECK_INT(context.spending, 1);
	answer("{\"preferred_username\":\"me@example.com\"}");
	CHECK_INT(ended, 1);
	CHECK_INT(last.state, LOGIN_SUCCEEDED);
	CHECK_INT(context.spending, 0);
	end();
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Login and CompleteLogin: who may, what is said when, and that the URL does not stay. */
#include "check.h"

#include <stdlib.h>

#include "daemon/mint/manager_parts.h"
#include "manager_fixture.h"
#include "manager_logins.h"

#define MANAGER "io.sftoken.Manager."
#define DENIED "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}"
#define NO_SUCH_CREDENTIAL(name) \
	"{\"error\":\"" MANAGER "NoSuchCredential\",\"parameters\":{\"credential\":\"" name "\"}}"
#define NO_SUCH_LOGIN(id) \
	"{\"error\":\"" MANAGER "NoSuchLogin\",\"parameters\":{\"loginId\":\"" id "\"}}"
#define MISMATCH(id) \
	"{\"error\":\"" MANAGER "StateMismatch\",\"parameters\":{\"loginId\":\"" id "\"}}"
#define ENDED(id, state, message) \
	"{\"parameters\":{\"loginId\":\"" id "\",\"state\":\"" state \
	"\",\"authorizationUrl\":null,\"verificationUri\":null,\"verificationUriComplete\":null," \
	"\"userCode\":null,\"expiresAt\":null,\"intervalSeconds\":null,\"message\":\"" message \
	"\"}}"

static const char *last(const struct fake_caller *c)
{
	return c->n_replies ? c->replies[c->n_replies - 1] : NULL;
}

static struct fake_caller *login(uid_t uid, const char *parameters)
{
	struct fake_caller *c = manager_caller(uid);

	fake_call(c, MANAGER "Login", parameters, true);
	return c;
}

static struct fake_caller *complete(uid_t uid, const char *id, const char *url)
{
	struct fake_caller *c = manager_caller(uid);
	char parameters[400];

	snprintf(parameters, sizeof parameters, "{\"loginId\":\"%s\",\"redirectUrl\":\"%s\"}", id,
		 url);
	fake_call(c, MANAGER "CompleteLogin", parameters, false);
	return c;
}

TEST(a_login_has_two_replies)
{
	struct fake_caller *c;

	manager_begin();
	c = login(0, "{\"credential\":\"refresh\"}");
	CHECK(!last(c));
	CHECK_INT(manager_login_order(1)->flow, LOGIN_WEB_SERVER);
	manager_login_offer(1, "https://login/x");
	CHECK_STR(last(c),
		  "{\"parameters\":{\"loginId\":\"L1\",\"state\":\"pending\","
		  "\"authorizationUrl\":\"https://login/x\",\"verificationUri\":null,"
		  "\"verificationUriComplete\":null,\"userCode\":null,\"expiresAt\":1800000300,"
		  "\"intervalSeconds\":null,\"message\":null},\"continues\":true}");
	CHECK(!c->final);
	manager_login_end(1, LOGIN_SUCCEEDED, "logged in");
	CHECK_STR(last(c), ENDED("L1", "succeeded", "logged in"));
	CHECK(c->final);
	CHECK_INT(c->n_replies, 2);
	manager_end();
}

TEST(a_login_that_cannot_begin_has_one_reply)
{
	struct fake_caller *c;

	manager_begin();
	c = login(0, "{\"credential\":\"refresh\"}");
	manager_login_end(1, LOGIN_FAILED, "no network");
	CHECK_STR(last(c), ENDED("L1", "failed", "no network"));
	CHECK(c->final);
	manager_end();
}

TEST(who_completes_hears_the_same_and_the_token_is_published_before)
{
	struct fake_caller *c, *d;
	unsigned flushes;

	manager_begin();
	c = login(0, "{\"credential\":\"refresh\"}");
	manager_login_offer(1, "https://login/x");
	d = complete(0, "L1", "http://localhost/?code=1\\n");
	CHECK_STR(manager_logins.completed, "http://localhost/?code=1");
	CHECK(!last(d));
	manager_logins.status = 1;
	CHECK_STR(last(complete(0, "L1", "http://localhost/?code=1")),
		  "{\"parameters\":{\"state\":\"pending\",\"message\":null}}");
	flushes = manager_fake.flushes;
	manager_login_end(1, LOGIN_SUCCEEDED, "logged in");
	CHECK(manager_fake.flushes > flushes);
	CHECK_STR(last(d), "{\"parameters\":{\"state\":\"succeeded\",\"message\":\"logged in\"}}");
	CHECK_STR(last(c), ENDED("L1", "succeeded", "logged in"));
	CHECK_STR(last(complete(0, "L1", "http://localhost/?code=1")), NO_SUCH_LOGIN("L1"));
	manager_end();
}

TEST(errors_of_a_completion_change_nothing)
{
	manager_begin();
	login(0, "{\"credential\":\"refresh\"}");
	manager_logins.status = err_set(&manager_logins.err, ERR_DENIED, "another state");
	CHECK_STR(last(complete(0, "L1", "x")), MISMATCH("L1"));
	manager_logins.status = err_set(&manager_logins.err, ERR_INPUT, "it is none");
	CHECK_STR(last(complete(0, "L1", "x")),
		  "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{"
		  "\"parameter\":\"redirectUrl\",\"message\":\"it is none\"}}");
	CHECK_STR(last(complete(0, "L9", "x")), NO_SUCH_LOGIN("L9"));
	CHECK_INT(manager_logins.cancelled, 0);
	CHECK(!strstr(manager_fake.log, "localhost"));
	manager_end();
}

TEST(whoever_goes_cancels_what_it_started_and_only_that)
{
	struct fake_caller *c, *d;

	manager_begin();
	c = login(0, "{\"credential\":\"refresh\"}");
	manager_login_offer(1, "https://login/x");
	d = complete(0, "L1", "x");
	fake_hang_up(d);
	CHECK_INT(manager_logins.cancelled, 0);
	d = complete(0, "L1", "x");
	fake_hang_up(c);
	CHECK_INT(manager_logins.cancelled, 1);
	CHECK_STR(last(d), "{\"parameters\":{\"state\":\"cancelled\",\"message\":\"whoever started "
			   "the login has gone\"}}");
	manager_end();
}

TEST(what_cannot_begin_is_said_at_once)
{
	manager_begin();
	CHECK_STR(last(login(0, "{\"credential\":\"nobody\"}")), NO_SUCH_CREDENTIAL("nobody"));
	CHECK_STR(last(login(0, "{\"credential\":\"bearer\"}")),
		  "{\"error\":\"" MANAGER "FlowNotConfigured\",\"parameters\":{\"credential\":"
		  "\"bearer\",\"flow\":\"web_server\"}}");
	CHECK_STR(last(login(0, "{\"credential\":\"refresh\",\"flow\":\"user_agent\"}")),
		  "{\"error\":\"" MANAGER "FlowNotConfigured\",\"parameters\":{\"credential\":"
		  "\"refresh\",\"flow\":\"user_agent\"}}");
	CHECK(strstr(last(login(0, "{\"credential\":\"refresh\",\"redirectUri\":\"http://x/\"}")),
		     "\"parameter\":\"redirectUri\""));
	CHECK_INT(manager_logins.started, 0);
	err_set(&manager_logins.err, ERR_RETRY, "too many");
	manager_logins.err.retry_after_ms = 60000;
	CHECK_STR(last(login(0, "{\"credential\":\"refresh\"}")),
		  "{\"error\":\"io.sftoken.Broker.RateLimited\",\"parameters\":{"
		  "\"retryAfterSeconds\":60}}");
	err_set(&manager_logins.err, ERR_ADMIN, "a copy");
	CHECK_STR(last(login(0, "{\"credential\":\"refresh\"}")),
		  "{\"error\":\"" MANAGER "SecretStoreUnavailable\",\"parameters\":{\"message\":"
		  "\"a copy\"}}");
	manager_end();
}

/* --- AllowLogin= --- */

static int64_t allowed[] = { 2000 };

static void begin_allowed(void)
{
	manager_begin();
	manager_keepers[1].credential.login_uids = allowed;
	manager_keepers[1].credential.n_login_uids = 1;
}

TEST(a_user_of_allow_login_may_do_that_and_nothing_else)
{
	static const char *const others[][2] = {
		{ "Refresh", "{\"credential\":\"refresh\"}" },
		{ "ImportSecret",
		  "{\"credential\":\"refresh\",\"kind\":\"refresh_token\",\"value\":\"x\"}" },
		{ "Revoke", "{\"credential\":\"refresh\",\"forgetSecrets\":true}" },
		{ "SetEnabled", "{\"credential\":\"refresh\",\"enabled\":true}" },
		{ "Status", "{}" },
		{ "Reload", "{}" },
		{ "Adopt", "{}" },
	};
	struct fake_caller *c;

	begin_allowed();
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		check_row(others[i][0]);
		if (i % 7 == 0) {
			manager_end();
			begin_allowed();
		}
		manager_caller(2000);
		CHECK_STR(manager_call(others[i][0], others[i][1]), DENIED);
	}
	check_row(NULL);
	manager_end();
	begin_allowed();
	c = login(2000, "{\"credential\":\"refresh\"}");
	CHECK(!last(c));
	CHECK_INT(manager_login_order(1)->uid, 2000);
	/* as if it did not exist */
	CHECK_STR(last(login(2000, "{\"credential\":\"other\"}")), NO_SUCH_CREDENTIAL("other"));
	CHECK_STR(last(login(2000, "{\"credential\":\"bearer\"}")), NO_SUCH_CREDENTIAL("bearer"));
	CHECK_STR(last(login(2001, "{\"credential\":\"refresh\"}")), DENIED);
	CHECK_STR(last(complete(2001, "L1", "x")), DENIED);
	manager_end();
}

TEST(a_login_belongs_to_who_started_it)
{
	begin_allowed();
	login(0, "{\"credential\":\"refresh\"}");
	login(2000, "{\"credential\":\"refresh\"}");
	CHECK_STR(last(complete(2000, "L1", "x")), NO_SUCH_LOGIN("L1"));
	CHECK(!last(complete(2000, "L2", "x")));
	CHECK(!last(complete(0, "L2", "x")));
	/* not allowed any more */
	manager_keepers[1].credential.n_login_uids = 0;
	CHECK_STR(last(complete(2000, "L2", "x")), DENIED);
	manager_end();
}

TEST(the_overflow_uid_is_nobody)
{
	allowed[0] = PEER_OVERFLOW_UID;
	begin_allowed();
	CHECK_STR(last(login(PEER_OVERFLOW_UID, "{\"credential\":\"refresh\"}")), DENIED);
	allowed[0] = 2000;
	manager_end();
}

/* Whoever may log in, or only connect, does not keep administrators out. */
TEST(some_connections_are_kept_for_administrators)
{
	enum { ALL = 256, OF_USER = 32, KEPT = 32 };
	static struct fake_caller many[ALL + 1];
	size_t n = 0;

	memset(many, 0, sizeof many);
	begin_allowed();
	while (n < ALL && fake_connect(&many[n], "manager", 2000))
		n++;
	CHECK_INT(n, OF_USER);
	for (uid_t uid = 3000; n < ALL && fake_connect(&many[n], "manager", uid); uid++)
		n++;
	CHECK_INT(n, ALL - KEPT);
	while (n < ALL && fake_connect(&many[n], "manager", 0))
		n++;
	CHECK_INT(n, ALL);
	CHECK(!fake_connect(&many[n], "manager", 0));
	/* said, but not each time */
	REQUIRE(strstr(manager_fake.log, "manager.full"));
	CHECK(!strstr(strstr(manager_fake.log, "manager.full") + 1, "manager.full"));
	manager_end();
	for (size_t i = 0; i < n; i++)
		fake_caller_fini(&many[i]);
}

CHECK_MAIN()

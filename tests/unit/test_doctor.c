/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_judge.c and doctor_way.c: what is found out becomes steps, causes and actions. */
#include "check.h"

#include "doctor_fixture.h"

/* --- good --- */

TEST(a_good_set_up_is_good)
{
	struct credential c = client();
	struct grant token = some_grant();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	f.token = &token;
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_STEPS);
	for (int step = 0; step < DOCTOR_STEPS; step++) {
		bool none = step == DOCTOR_AUDIENCE || step == DOCTOR_KEY;

		check_row(doctor_step_names[step]);
		CHECK_INT(found[step].outcome, none ? CHECK_SKIPPED : CHECK_OK);
		CHECK_INT(found[step].actor, ACTOR_NONE);
		CHECK_STR(found[step].action, "");
		CHECK(found[step].message[0]);
	}
	check_row(NULL);
}

TEST(a_jwt_has_audience_and_key)
{
	struct credential c = bearer();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	snprintf(f.fingerprint, sizeof(f.fingerprint), "SHA256:abc");
	judge_all(&f);
	CHECK_STR(found[DOCTOR_AUDIENCE].message, "https://login.salesforce.com (by LoginUrl=)");
	CHECK_STR(found[DOCTOR_KEY].message,
		  "the private key can be used; its public key is SHA256:abc");
}

/* --- the way there --- */

TEST(each_way_of_not_getting_there_has_its_step)
{
	static const struct {
		enum http_why why;
		enum doctor_step step;
		enum check_actor actor;
		const char *message, *action;
	} rows[] = {
		{ HTTP_WHY_NAME, DOCTOR_NAME, ACTOR_NOBODY,
		  "acme.my.salesforce.com has no address (libcurl)", "LoginUrl=" },
		{ HTTP_WHY_CONNECT, DOCTOR_NAME, ACTOR_NOBODY, "takes no connection", "firewall" },
		{ HTTP_WHY_TIMEOUT, DOCTOR_NAME, ACTOR_NOBODY, "in time", "Proxy=" },
		{ HTTP_WHY_PROXY, DOCTOR_NAME, ACTOR_ADMINISTRATOR, "the proxy", "Proxy=" },
		{ HTTP_WHY_NONE, DOCTOR_NAME, ACTOR_NOBODY, "cannot be reached", "network" },
		{ HTTP_WHY_CA_FILE, DOCTOR_TLS, ACTOR_ADMINISTRATOR, "cannot be read", "CaFile=" },
		{ HTTP_WHY_UNTRUSTED, DOCTOR_TLS, ACTOR_ADMINISTRATOR, "does not trust",
		  "CaFile=" },
		{ HTTP_WHY_EXPIRED, DOCTOR_TLS, ACTOR_ADMINISTRATOR, "expired", "clock" },
		{ HTTP_WHY_WRONG_NAME, DOCTOR_TLS, ACTOR_ADMINISTRATOR, "another name",
		  "LoginUrl=" },
		{ HTTP_WHY_TLS, DOCTOR_TLS, ACTOR_ADMINISTRATOR, "no TLS connection", "proxy" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct credential c = client();
		struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

		check_row(rows[i].message);
		f.probe = (struct doctor_probe){ .done = true,
						 .outcome = HTTP_UNSENT,
						 .why = rows[i].why,
						 .problem = "a hint: check this: libcurl" };
		f.asked = DOCTOR_NOT_ASKED;
		judge_all(&f);
		CHECK(!doctor_may_ask(&f));
		CHECK_INT(first_failed(), rows[i].step);
		CHECK_INT(found[rows[i].step].actor, rows[i].actor);
		check_has(found[rows[i].step].message, rows[i].message);
		check_has(found[rows[i].step].action, rows[i].action);
		CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_SKIPPED);
		check_has(found[DOCTOR_GRANT].message, doctor_step_names[rows[i].step]);
		CHECK_INT(found[DOCTOR_APPROVAL].outcome, CHECK_SKIPPED);
	}
	check_row(NULL);
}

TEST(a_host_that_is_not_allowed_is_not_contacted)
{
	struct credential c = client();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	f.probe = (struct doctor_probe){ 0 };
	f.asked = DOCTOR_NOT_ASKED;
	snprintf(f.host_problem, sizeof(f.host_problem), "x is not an allowed host: add it");
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_HOST);
	CHECK_STR(found[DOCTOR_HOST].message, "x is not an allowed host");
	CHECK_STR(found[DOCTOR_HOST].action, "add it");
	CHECK_INT(found[DOCTOR_NAME].outcome, CHECK_SKIPPED);
	CHECK(!doctor_may_ask(&f));
}

TEST(clocks_are_judged_by_how_far_they_are)
{
	static const struct {
		int64_t skew_s;
		enum check_outcome outcome;
		const char *message;
	} rows[] = {
		{ 0, CHECK_OK, "" },
		{ 29, CHECK_OK, "" },
		{ -29, CHECK_OK, "" },
		{ 31, CHECK_WARNING, "31 s behind" },
		{ -120, CHECK_WARNING, "2 min ahead of" },
		{ 180, CHECK_WARNING, "behind" },
		{ 181, CHECK_FAILED, "behind" },
		{ -600, CHECK_FAILED, "10 min ahead of" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct credential c = client();
		struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

		check_row(rows[i].message);
		f.probe.skew_ms = rows[i].skew_s * 1000;
		judge_all(&f);
		CHECK_INT(found[DOCTOR_CLOCK].outcome, rows[i].outcome);
		check_has(found[DOCTOR_CLOCK].message, rows[i].message);
		CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_OK);
	}
	check_row(NULL);
}

/* --- the host --- */

static void judge_url(const char *url, const char *username, struct credential c)
{
	struct doctor_facts f;

	c.login_url = (char *)(uintptr_t)url;
	c.username = (char *)(uintptr_t)username;
	f = facts_of(&c, RENEW_ITSELF);
	f.asked = DOCTOR_NOT_ASKED;
	judge_all(&f);
	CHECK_INT(doctor_may_ask(&f), found[DOCTOR_HOST].outcome != CHECK_FAILED);
}

TEST(login_urls_that_are_none)
{
	judge_url("https://acme.lightning.force.com", NULL, client());
	CHECK_STR(found[DOCTOR_HOST].action, "set LoginUrl=https://acme.my.salesforce.com");
	judge_url("https://acme--uat.sandbox.my.salesforce-setup.com", NULL, client());
	CHECK_STR(found[DOCTOR_HOST].action,
		  "set LoginUrl=https://acme--uat.sandbox.my.salesforce.com");
	judge_url("https://login.salesforce.com", NULL, client());
	CHECK_INT(found[DOCTOR_HOST].outcome, CHECK_FAILED);
	check_has(found[DOCTOR_HOST].message, "My Domain");
	judge_url("https://login.salesforce.com", user, bearer());
	CHECK_INT(found[DOCTOR_HOST].outcome, CHECK_OK);
	judge_url("https://login.salesforce.com", "etl@example.com.uat", bearer());
	CHECK_INT(found[DOCTOR_HOST].outcome, CHECK_WARNING);
	check_has(found[DOCTOR_HOST].action, "test.salesforce.com");
	judge_url("https://acme.my.salesforce.com/home", user, bearer());
	CHECK_INT(found[DOCTOR_HOST].outcome, CHECK_WARNING);
	check_has(found[DOCTOR_HOST].message, "path");
}

TEST(an_audience_of_the_other_realm_is_noticed)
{
	struct credential c = bearer();
	char audience[] = "https://test.salesforce.com";
	struct doctor_facts f;

	c.audience = audience;
	f = facts_of(&c, RENEW_ITSELF);
	f.asked = DOCTOR_NOT_ASKED;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_AUDIENCE].outcome, CHECK_WARNING);
	f.asked = DOCTOR_GIVEN;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_AUDIENCE].outcome, CHECK_OK);
}

TEST(what_the_probe_saw_of_the_host)
{
	struct credential c = client();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	snprintf(f.probe.moved, sizeof(f.probe.moved), "https://new.my.salesforce.com");
	f.probe.status = 301;
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_HOST);
	check_has(found[DOCTOR_HOST].action, "set LoginUrl=https://new.my.salesforce.com");
	f = facts_of(&c, RENEW_ITSELF);
	f.probe.page = true;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_HOST].outcome, CHECK_OK); /* it gave a token */
	f.asked = DOCTOR_NO_ANSWER;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_HOST].outcome, CHECK_WARNING);
	CHECK_INT(first_failed(), DOCTOR_GRANT);
	CHECK_INT(found[DOCTOR_GRANT].actor, ACTOR_NOBODY);
}

TEST(the_certificate_of_the_key_is_watched)
{
	struct credential c = bearer();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	snprintf(f.certificate_day, sizeof f.certificate_day, "2026-12-24");
	f.certificate_left_s = 30 * 24 * 3600;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_KEY].outcome, CHECK_OK);
	check_has(found[DOCTOR_KEY].message, "its certificate ends on 2026-12-24");
	f.certificate_left_s = 7 * 24 * 3600;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_KEY].outcome, CHECK_WARNING);
	check_has(found[DOCTOR_KEY].message, "2026-12-24");
	check_has(found[DOCTOR_KEY].action, "upload it");
	snprintf(f.certificate_problem, sizeof f.certificate_problem,
		 "the certificate does not belong to PrivateKey= — name another one");
	judge_all(&f);
	CHECK_INT(found[DOCTOR_KEY].outcome, CHECK_WARNING);
	check_has(found[DOCTOR_KEY].action, "name another one");
	snprintf(f.key_problem, sizeof f.key_problem, "no key — make one");
	judge_all(&f);
	CHECK_INT(found[DOCTOR_KEY].outcome, CHECK_FAILED);
}

/* --- refresh tokens --- */

TEST(a_refresh_token_is_judged_by_what_is_known)
{
	struct credential c = refresher();
	struct grant token = some_grant();
	struct doctor_facts f = facts_of(&c, RENEW_REFRESH), good;

	f.token = &token;
	f.refresh_age_s = 300;
	good = f;
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_STEPS);
	check_has(found[DOCTOR_GRANT].message, "5 min ago");

	f = good;
	f.has_refresh = false;
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_GRANT);
	CHECK_INT(found[DOCTOR_GRANT].actor, ACTOR_PERSON);
	check_has(found[DOCTOR_GRANT].action, "sftoken login crm");

	f = good;
	f.refresh_foreign = true;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_GRANT].actor, ACTOR_PERSON);

	f = good;
	f.refresh_refused = true;
	judge_all(&f);
	check_has(found[DOCTOR_GRANT].message, "dead");

	f = good;
	snprintf(f.unknown, sizeof(f.unknown), "the answer is lost");
	judge_all(&f);
	CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_WARNING);
	f.usable = false;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_FAILED);

	f = good;
	set_answer(&f, "invalid_client", "");
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_GRANT);
	CHECK_INT(found[DOCTOR_GRANT].actor, ACTOR_ADMINISTRATOR);
	CHECK(!doctor_may_ask(&good));
}

TEST(a_suspect_store_spends_nothing)
{
	struct credential c = refresher();
	struct doctor_facts f = facts_of(&c, RENEW_REFRESH);

	f.store = STORE_SUSPECT;
	snprintf(f.store_why, sizeof(f.store_why), "it is a copy — sftoken adopt");
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_CONFIGURATION);
	CHECK_STR(found[DOCTOR_CONFIGURATION].action, "sftoken adopt");
	CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_SKIPPED);
	c = client();
	f = facts_of(&c, RENEW_ITSELF);
	f.store = STORE_READONLY;
	snprintf(f.store_why, sizeof(f.store_why), "no room");
	judge_all(&f);
	CHECK_INT(found[DOCTOR_CONFIGURATION].outcome, CHECK_WARNING);
	CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_OK);
}

TEST(a_grant_of_logins_alone_has_a_token_or_needs_one)
{
	struct credential c = client();
	struct grant token = some_grant();
	struct doctor_facts f;

	c.grant_type = GRANT_USER_AGENT;
	f = facts_of(&c, RENEW_PERSON);
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_GRANT);
	CHECK_INT(found[DOCTOR_GRANT].actor, ACTOR_PERSON);
	CHECK_STR(found[DOCTOR_GRANT].action, "sftoken login crm");
	f.token = &token;
	judge_all(&f);
	check_has(found[DOCTOR_GRANT].message, "another 2 h");
}

/* --- configuration --- */

TEST(what_is_missing_or_disabled_is_said_first)
{
	struct credential c = client();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	f.disabled = true;
	f.asked = DOCTOR_NOT_ASKED;
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_CONFIGURATION);
	CHECK_STR(found[DOCTOR_CONFIGURATION].action, "sftoken enable crm");
	CHECK(!doctor_may_ask(&f));
	f.disabled = false;
	CHECK(doctor_may_ask(&f));
	snprintf(f.missing, sizeof(f.missing), "the secret is not given — import it");
	CHECK(!doctor_may_ask(&f));
	judge_all(&f);
	CHECK_STR(found[DOCTOR_CONFIGURATION].action, "import it");
	check_has(found[DOCTOR_GRANT].message, "see configuration");
}

TEST(a_file_that_is_another_one_now_is_a_warning_or_part_of_what_is_worse)
{
	struct credential c = client();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	snprintf(f.stale, sizeof(f.stale), "/etc/x.conf was changed since it was read");
	judge_all(&f);
	CHECK_INT(found[DOCTOR_CONFIGURATION].outcome, CHECK_WARNING);
	CHECK_STR(found[DOCTOR_CONFIGURATION].message, f.stale);
	CHECK_STR(found[DOCTOR_CONFIGURATION].action, "sftoken reload");
	CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_OK);
	f.disabled = true;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_CONFIGURATION].outcome, CHECK_FAILED);
	check_has(found[DOCTOR_CONFIGURATION].message, "served; /etc/x.conf was changed since");
	CHECK_STR(found[DOCTOR_CONFIGURATION].action, "sftoken enable crm");
}

TEST(a_key_that_cannot_be_used_asks_nobody)
{
	struct credential c = bearer();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	f.asked = DOCTOR_NOT_ASKED;
	snprintf(f.key_problem, sizeof(f.key_problem), "it has 1024 bits: make another");
	CHECK(!doctor_may_ask(&f));
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_KEY);
	check_has(found[DOCTOR_GRANT].message, "see key");
}

/* --- scopes, token --- */

TEST(scopes_that_are_not_there)
{
	static const struct {
		enum renewal renewal;
		bool has_refresh;
		const char *given, *wanted, *message;
	} rows[] = {
		{ RENEW_ITSELF, false, "api id", NULL, "" },
		{ RENEW_ITSELF, false, "full", "web", "" },
		{ RENEW_ITSELF, false, "id apis", NULL, "api is not among them" },
		{ RENEW_PERSON, false, "api", NULL, "" },
		{ RENEW_REFRESH, false, "api", NULL, "refresh_token is not among them" },
		{ RENEW_REFRESH, true, "api", NULL, "" },
		{ RENEW_ITSELF, false, "api id", "api web", "web of Scopes= was not given" },
		{ RENEW_ITSELF, false, "api web", "api  web", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct credential c = client();
		struct grant token = some_grant();
		struct doctor_facts f = facts_of(&c, rows[i].renewal);

		check_row(rows[i].given);
		token.scope = (char *)(uintptr_t)rows[i].given;
		c.scopes = (char *)(uintptr_t)rows[i].wanted;
		f.token = &token;
		f.has_refresh = rows[i].has_refresh;
		judge_all(&f);
		CHECK_INT(found[DOCTOR_SCOPES].outcome,
			  rows[i].message[0] ? CHECK_WARNING : CHECK_OK);
		check_has(found[DOCTOR_SCOPES].message, rows[i].message);
		CHECK_INT(found[DOCTOR_SCOPES].action[0] != '\0', rows[i].message[0] != '\0');
	}
	check_row(NULL);
}

TEST(what_userinfo_says_of_the_token)
{
	struct credential c = client();
	struct grant token = some_grant();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	f.token = &token;
	f.userinfo = (struct doctor_userinfo){ .done = true,
					       .liveness = TOKEN_DEAD,
					       .status = 403 };
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_TOKEN);
	check_has(found[DOCTOR_TOKEN].action, "sftoken refresh crm");
	f.userinfo.liveness = TOKEN_UNSURE;
	judge_all(&f);
	check_has(found[DOCTOR_TOKEN].action, "IP");
	f.userinfo.status = 500;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_TOKEN].outcome, CHECK_WARNING);
	token.jwt_exp_s = 1;
	f.userinfo = (struct doctor_userinfo){ .done = true,
					       .liveness = TOKEN_ALIVE,
					       .username = "a@b.c" };
	judge_all(&f);
	check_has(found[DOCTOR_TOKEN].message, "a@b.c; in JWT format");
}

/* OpenID Connect Core 5.3.1: it needs the scope openid, which a client without a person hardly has. */
TEST(userinfo_of_another_server_says_nothing_without_openid)
{
	static char issuer[] = "https://op.example", api[] = "api", openid[] = "api openid",
		    none[] = "";
	static const struct {
		char *given, *asked;
		long status;
		enum check_outcome outcome;
	} rows[] = {
		{ api, NULL, 401, CHECK_SKIPPED },   { api, openid, 403, CHECK_SKIPPED },
		{ none, NULL, 401, CHECK_SKIPPED },  { none, openid, 401, CHECK_FAILED },
		{ openid, NULL, 401, CHECK_FAILED }, { api, NULL, 500, CHECK_FAILED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct credential c = client();
		struct grant token = some_grant();
		struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

		c.issuer = issuer;
		c.scopes = rows[i].asked;
		token.scope = rows[i].given;
		f.token = &token;
		f.userinfo = (struct doctor_userinfo){ .done = true,
						       .liveness = TOKEN_DEAD,
						       .status = rows[i].status };
		judge_all(&f);
		CHECK_INT(found[DOCTOR_TOKEN].outcome, rows[i].outcome);
		if (rows[i].outcome == CHECK_SKIPPED)
			check_has(found[DOCTOR_TOKEN].message, "needs the scope openid");
		c.issuer = NULL;
		judge_all(&f);
		CHECK_INT(found[DOCTOR_TOKEN].outcome, CHECK_FAILED);
	}
}

TEST(an_issuer_is_mended_in_its_own_line)
{
	static char issuer[] = "https://op.example";

	for (int why = 0; why <= HTTP_WHY_TLS; why++) {
		struct credential c = client();
		struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

		c.issuer = issuer;
		f.probe.outcome = HTTP_UNSENT;
		f.probe.why = (enum http_why)why;
		judge_all(&f);
		for (int step = 0; step <= DOCTOR_HOST; step++) {
			CHECK(!strstr(found[step].action, "LoginUrl="));
			CHECK(!strstr(found[step].action, "salesforce.com"));
		}
		if (why == HTTP_WHY_NAME || why == HTTP_WHY_WRONG_NAME)
			check_has(found[first_failed()].action, " Issuer=");
	}
}

TEST(an_interrupted_walk_fails_once)
{
	struct credential c = client();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	for (int step = DOCTOR_CLOCK; step < DOCTOR_STEPS; step++) {
		doctor_interrupted(&f, (enum doctor_step)step, &found[step]);
		CHECK_INT(found[step].outcome, step == DOCTOR_CLOCK ? CHECK_FAILED : CHECK_SKIPPED);
		CHECK_INT(found[step].actor, step == DOCTOR_CLOCK ? ACTOR_NOBODY : ACTOR_NONE);
	}
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_words.c: answers become steps and clicks; user names, hosts, userinfo. */
#include "check.h"

#include "doctor_fixture.h"

/* --- answers --- */

static const struct {
	int grant_type;
	const char *error, *description;
	enum doctor_step step;
	enum check_actor actor;
	const char *message, *action;
} refusals[] = {
	{ GRANT_JWT_BEARER, "invalid_grant", "user hasn't approved this consumer", DOCTOR_APPROVAL,
	  ACTOR_ADMINISTRATOR, "not pre-authorized", "Permitted Users" },
	{ GRANT_JWT_BEARER, "invalid_app_access", "user is not admin approved to access this app",
	  DOCTOR_APPROVAL, ACTOR_ADMINISTRATOR, "may not use this app", "permission set" },
	{ GRANT_JWT_BEARER, "invalid_grant", "invalid assertion", DOCTOR_KEY, ACTOR_ADMINISTRATOR,
	  "cannot verify", "digital signatures" },
	{ GRANT_JWT_BEARER, "invalid_client", "invalid client credentials", DOCTOR_KEY,
	  ACTOR_ADMINISTRATOR, "another certificate", "digital signatures" },
	{ GRANT_JWT_BEARER, "invalid_grant", "audience is invalid", DOCTOR_AUDIENCE,
	  ACTOR_ADMINISTRATOR, "another audience", "Audience=" },
	{ GRANT_JWT_BEARER, "invalid_grant", "expired authorization code", DOCTOR_CLOCK,
	  ACTOR_NOBODY, "expired", "clock" },
	{ GRANT_JWT_BEARER, "inactive_user", "user is inactive", DOCTOR_APPROVAL,
	  ACTOR_ADMINISTRATOR, "inactive", "Active" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "no client credentials user enabled",
	  DOCTOR_APPROVAL, ACTOR_ADMINISTRATOR, "no user to run as", "Run As" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "client credentials flow not enabled",
	  DOCTOR_GRANT, ACTOR_ADMINISTRATOR, "flow is off", "Enable Client Credentials Flow" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "request not supported on this domain",
	  DOCTOR_HOST, ACTOR_ADMINISTRATOR, "My Domain", "LoginUrl=" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_client_id", "client identifier invalid", DOCTOR_GRANT,
	  ACTOR_ADMINISTRATOR, "client id", "ClientId=" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_client", "invalid client credentials", DOCTOR_GRANT,
	  ACTOR_ADMINISTRATOR, "refuses the client", "ClientSecret=" },
	{ GRANT_CLIENT_CREDENTIALS, "OAUTH_APP_BLOCKED", "", DOCTOR_APPROVAL, ACTOR_ADMINISTRATOR,
	  "blocked", "Unblock" },
	{ GRANT_CLIENT_CREDENTIALS, "app_not_found", "", DOCTOR_APPROVAL, ACTOR_ADMINISTRATOR,
	  "not installed", "install it" },
	{ GRANT_CLIENT_CREDENTIALS, "OAUTH_EC_APP_NOT_FOUND", "", DOCTOR_APPROVAL,
	  ACTOR_ADMINISTRATOR, "not installed", "install it" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "ip restricted", DOCTOR_APPROVAL,
	  ACTOR_ADMINISTRATOR, "this address", "IP ranges" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "user is locked", DOCTOR_APPROVAL,
	  ACTOR_NOBODY, "locked out", "unlock" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_scope", "", DOCTOR_SCOPES, ACTOR_ADMINISTRATOR,
	  "scope", "OAuth settings" },
	{ GRANT_CLIENT_CREDENTIALS, "unsupported_grant_type", "", DOCTOR_GRANT, ACTOR_ADMINISTRATOR,
	  "not enabled", "GrantType=" },
	{ GRANT_CLIENT_CREDENTIALS, "login rate exceeded", "number of logins exceeded",
	  DOCTOR_GRANT, ACTOR_NOBODY, "too many logins", "wait" },
	{ GRANT_CLIENT_CREDENTIALS, "#redirect", "", DOCTOR_HOST, ACTOR_ADMINISTRATOR, "elsewhere",
	  "LoginUrl=" },
	{ GRANT_CLIENT_CREDENTIALS, "#host", "", DOCTOR_HOST, ACTOR_ADMINISTRATOR, "not allowed",
	  "AllowedHosts=" },
	{ GRANT_CLIENT_CREDENTIALS, "#page", "", DOCTOR_GRANT, ACTOR_NOBODY, "web page", "" },
	{ GRANT_CLIENT_CREDENTIALS, "#server", "", DOCTOR_GRANT, ACTOR_NOBODY, "in trouble", "" },
	{ GRANT_CLIENT_CREDENTIALS, "brand_new_error", "", DOCTOR_GRANT, ACTOR_ADMINISTRATOR,
	  "not known here", "look it up" },
};

TEST(each_refusal_has_its_step_and_its_click)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct credential c = refusals[i].grant_type == GRANT_JWT_BEARER ? bearer()
										 : client();
		struct doctor_facts f = facts_of(&c, RENEW_ITSELF);
		const struct doctor_finding *step = &found[refusals[i].step];

		check_row(refusals[i].description[0] ? refusals[i].description : refusals[i].error);
		set_answer(&f, refusals[i].error, refusals[i].description);
		judge_all(&f);
		CHECK_INT(first_failed(), refusals[i].step);
		CHECK_INT(step->actor, refusals[i].actor);
		check_has(step->message, refusals[i].message);
		check_has(step->action, refusals[i].action);
		CHECK_INT(found[DOCTOR_GRANT].outcome,
			  refusals[i].step == DOCTOR_GRANT ? CHECK_FAILED : CHECK_SKIPPED);
		if (refusals[i].step != DOCTOR_GRANT)
			check_has(found[DOCTOR_GRANT].message, doctor_step_names[refusals[i].step]);
		CHECK_INT(found[DOCTOR_TOKEN].outcome, CHECK_SKIPPED);
	}
	check_row(NULL);
}

/* Whatever the error table will say one day: some step fails, and the action is not lost. */
TEST(no_row_of_the_error_table_goes_unseen)
{
	for (size_t i = 0; i < oauth_n_errors; i++) {
		const struct oauth_error_row *row = &oauth_errors[i];

		for (int grant_type = 0; grant_type <= GRANT_TOKEN_EXCHANGE; grant_type++) {
			struct credential c = client();
			struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

			if (row->grant_type != -1 && row->grant_type != grant_type)
				continue;
			c.grant_type = grant_type;
			check_row(row->sentence);
			set_answer(&f, row->error ? row->error : "x",
				   row->description ? row->description : "");
			judge_all(&f);
			CHECK(first_failed() < DOCTOR_TOKEN);
			if (first_failed() < DOCTOR_STEPS && strstr(row->sentence, ": "))
				CHECK(found[first_failed()].action[0]);
		}
	}
	check_row(NULL);
}

TEST(an_earlier_answer_says_when_it_can_be_asked_again)
{
	struct credential c = client();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	set_answer(&f, "login rate exceeded", "");
	f.answer.earlier = true;
	f.answer.retry_s = 17;
	judge_all(&f);
	check_has(found[DOCTOR_GRANT].message, "can be asked again in 17 s");
	f = facts_of(&c, RENEW_ITSELF);
	f.asked = DOCTOR_NOT_ASKED;
	f.answer.retry_s = 600;
	judge_all(&f);
	CHECK_INT(found[DOCTOR_GRANT].outcome, CHECK_SKIPPED);
	check_has(found[DOCTOR_GRANT].message, "again in 10 min");
}

TEST(a_client_that_signs_is_refused_for_its_key)
{
	struct credential c = client();
	struct doctor_facts f;

	c.client_auth = PRIVATE_KEY_JWT;
	f = facts_of(&c, RENEW_ITSELF);
	set_answer(&f, "invalid_client", "invalid client credentials");
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_KEY);
}

/* Only at the seams of our own sentences: a path, a description and libcurl's words may hold any other. */
TEST(words_of_the_keeper_are_split_at_our_own_seams)
{
	static const struct {
		const char *text, *message, *action;
	} rows[] = {
		{ "it is so — do this", "it is so", "do this" },
		{ "it is so", "it is so", "" },
		{ "it is so (host: x)", "it is so (host: x)", "" },
		{ "SubjectToken=: /run/a: b/token does not exist — put the secret there or mend the path",
		  "SubjectToken=: /run/a: b/token does not exist",
		  "put the secret there or mend the path" },
		{ "Assertion=: others have access to /a (mode 0644) — chmod 600 /a",
		  "Assertion=: others have access to /a (mode 0644)", "chmod 600 /a" },
		{ "left alone for 5 s: check the network and LoginUrl=", "left alone for 5 s",
		  "check the network and LoginUrl=" },
		{ "no connection: Connection refused", "no connection: Connection refused", "" },
	};
	struct credential c = client();
	struct doctor_answer answer = { .error = BROKER_NOT_SERVED };
	struct doctor_cause cause;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].text);
		snprintf(answer.message, sizeof(answer.message), "%s", rows[i].text);
		doctor_read_answer(&c, &answer, &cause);
		CHECK_STR(cause.message, rows[i].message);
		CHECK_STR(cause.action, rows[i].action);
	}
	check_row(NULL);
}

TEST(a_file_that_is_missing_is_for_an_administrator)
{
	struct credential c = client();
	struct doctor_facts f = facts_of(&c, RENEW_ITSELF);

	f.asked = DOCTOR_REFUSED;
	f.answer = (struct doctor_answer){ .error = BROKER_UNAVAILABLE, .retry_s = 1 };
	snprintf(f.answer.message, sizeof(f.answer.message),
		 "SubjectToken=: /a is empty — write the secret into it");
	judge_all(&f);
	CHECK_INT(first_failed(), DOCTOR_GRANT);
	CHECK_INT(found[DOCTOR_GRANT].actor, ACTOR_ADMINISTRATOR);
	CHECK_STR(found[DOCTOR_GRANT].message, "SubjectToken=: /a is empty");
	CHECK_STR(found[DOCTOR_GRANT].action, "write the secret into it");
}

/* --- user names, userinfo --- */

TEST(user_names_of_sandboxes)
{
	static const struct {
		const char *username;
		bool sandbox;
	} rows[] = {
		{ "a@example.com.uat", true },
		{ "a@example.co.uk.dev1", true },
		{ "a@example.com", false },
		{ "a@example.co.uk", false },
		{ "a@example.travel", false },
		{ "a@sub.example.travel", false },
		{ "a@example.com.de", false },
		{ "nobody", false },
		{ "a@com.uat", false },
		{ "a@.uat", false },
		{ "@", false },
		{ "a@b.com.", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].username);
		CHECK_INT(doctor_sandbox_username(rows[i].username), rows[i].sandbox);
	}
	check_row(NULL);
}

TEST(userinfo_is_read_strictly)
{
	static const struct {
		const char *body, *username, *organization;
	} rows[] = {
		{ "{\"preferred_username\":\"a@b.c\",\"organization_id\":\"00Dxx0000001gPLEAY\"}",
		  "a@b.c", "00Dxx0000001gPLEAY" },
		{ "{\"preferred_username\":\"a@b.c\"", "", "" },
		{ "[\"a@b.c\"]", "", "" },
		{ "{\"preferred_username\":[\"a@b.c\"]}", "", "" },
		{ "{\"preferred_username\":\"a@b.c\\u001b[31m\"}", "", "" },
		{ "{\"preferred_username\":\"00Dxx0000001gPL!AQ0AQ@x\"}", "", "" },
		{ "{\"preferred_username\":\"nobody\"}", "", "" },
		{ "{\"organization_id\":\"00Dxx0000001gPLEAY0000\"}", "", "" },
		{ "{\"preferred_username\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c\"}",
		  "", "" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct doctor_userinfo u = { 0 };
		char body[300];

		check_row(rows[i].body);
		snprintf(body, sizeof(body), "%s", rows[i].body);
		doctor_read_userinfo(body, strlen(body), &u);
		CHECK_STR(u.username, rows[i].username);
		CHECK_STR(u.organization_id, rows[i].organization);
	}
	check_row(NULL);
	doctor_read_userinfo(NULL, 0, &(struct doctor_userinfo){ 0 });
}

CHECK_MAIN()

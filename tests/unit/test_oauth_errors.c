/* SPDX-License-Identifier: Apache-2.0 */
/* The table of errors, row by row as the facts have it, and what is made of an answer that is no token. */
#include "base/clock.h"
#include "daemon/mint/oauth.h"
#include "proto/messages.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"

enum {
	JWT = GRANT_JWT_BEARER,
	CC = GRANT_CLIENT_CREDENTIALS,
	REFRESH = GRANT_REFRESH_TOKEN,
	WEB = GRANT_WEB_SERVER,
	AGENT = GRANT_USER_AGENT,
	DEVICE = GRANT_DEVICE,
	SAML = GRANT_SAML_BEARER,
	EXCHANGE = GRANT_TOKEN_EXCHANGE
};

/* What the server says, what it means, and a word that the sentence for a person must have. */
static const struct row {
	int grant;
	const char *error, *description;
	enum problem_class class;
	const char *word;
} rows[] = {
	{ JWT, "invalid_grant", "expired authorization code", PROBLEM_CLOCK, "clock" },
	{ JWT, "invalid_grant", "user hasn't approved this consumer", PROBLEM_ADMIN, "pre-authorized" },
	{ JWT, "invalid_app_access", "user is not admin approved to access this app", PROBLEM_ADMIN, "permission set" },
	{ CC, "invalid_app_access", "user is not admin approved to access this app", PROBLEM_ADMIN, "permission set" },
	{ JWT, "invalid_grant", "invalid assertion", PROBLEM_ADMIN, "certificate" },
	{ JWT, "invalid_client", "invalid client credentials", PROBLEM_ADMIN, "certificate" },
	{ JWT, "invalid_grant", "audience is invalid", PROBLEM_ADMIN, "Audience=" },
	{ JWT, "invalid_grant", "Audience validation failed", PROBLEM_ADMIN, "Audience=" },
	{ JWT, "invalid_client_id", "client identifier invalid", PROBLEM_ADMIN, "ClientId=" },
	{ CC, "invalid_client_id", "client identifier invalid", PROBLEM_ADMIN, "10 minutes" },
	{ CC, "invalid_client", "invalid client credentials", PROBLEM_ADMIN, "ClientSecret=" },
	{ CC, "app_not_found", "External client app is not installed in this org", PROBLEM_ADMIN, "install it" },
	{ JWT, "OAUTH_EC_APP_NOT_FOUND", "External client app is not installed in this org", PROBLEM_ADMIN, "install it" },
	{ JWT, "OAUTH_APP_BLOCKED", "this app is blocked by admin", PROBLEM_ADMIN, "unblock" },
	{ CC, "invalid_grant", "no client credentials user enabled", PROBLEM_ADMIN, "Run As" },
	{ CC, "invalid_grant", "request not supported on this domain", PROBLEM_ADMIN, "my.salesforce.com" },
	{ JWT, "invalid_grant", "request not supported on this domain", PROBLEM_ADMIN, "my.salesforce.com" },
	{ CC, "invalid_grant", "client credentials flow not enabled", PROBLEM_ADMIN, "Enable Client Credentials Flow" },
	{ JWT, "invalid_grant", "ip restricted", PROBLEM_ADMIN, "IP" },
	{ CC, "invalid_grant", "ip restricted or invalid login hours", PROBLEM_ADMIN, "IP" },
	{ JWT, "invalid_grant", "invalid login hours", PROBLEM_ADMIN, "login hours" },
	{ JWT, "invalid_grant", "user is locked", PROBLEM_RATE, "locked" },
	{ JWT, "invalid_grant", "token request is already being processed", PROBLEM_RETRY, "repeated" },
	{ JWT, "inactive_user", "user is inactive", PROBLEM_ADMIN, "activate" },
	{ CC, "inactive_org", "org is locked, closed, or suspended", PROBLEM_ADMIN, "org" },
	{ JWT, "rate_limit_exceeded", "number of logins exceeded", PROBLEM_RATE, "hour" },
	{ JWT, "login_rate_exceeded", "", PROBLEM_RATE, "hour" },
	{ JWT, "invalid_grant", "login rate exceeded", PROBLEM_RATE, "hour" },
	{ CC, "something_else", "login rate exceeded", PROBLEM_RATE, "hour" },
	{ CC, "something_else", "number of logins exceeded", PROBLEM_RATE, "hour" },
	{ JWT, "unknown_error", "retry your request", PROBLEM_RETRY, "repeated" },
	{ CC, "server_error", "", PROBLEM_RETRY, "repeated" },
	{ CC, "temporarily_unavailable", "", PROBLEM_RETRY, "repeated" },
	{ JWT, "unsupported_grant_type", "grant type not supported", PROBLEM_ADMIN, "GrantType=" },
	{ CC, "unauthorized_client", "", PROBLEM_ADMIN, "GrantType=" },
	{ CC, "access_denied", "", PROBLEM_ADMIN, "policies" },
	{ CC, "invalid_scope", "the requested scope is not allowed", PROBLEM_ADMIN, "scope" },
	{ JWT, "invalid_request", "HTTPS required", PROBLEM_ADMIN, "https" },
	{ JWT, "invalid_request", "must use HTTP POST", PROBLEM_BUG, "invalid" },
	{ JWT, "invalid_request", "scope parameter not supported", PROBLEM_BUG, "invalid" },
	{ REFRESH, "invalid_grant", "expired access/refresh token", PROBLEM_LOGIN, "sftoken import" },
	{ REFRESH, "invalid_grant", "token request is already being processed", PROBLEM_RETRY, "busy" },
	{ REFRESH, "invalid_grant", "expired authorization code", PROBLEM_RETRY, "busy" },
	{ REFRESH, "invalid_grant", "ip restricted", PROBLEM_ADMIN, "IP" },
	{ REFRESH, "invalid_grant", "invalid login hours", PROBLEM_ADMIN, "login hours" },
	{ REFRESH, "invalid_grant", "user is locked", PROBLEM_RATE, "locked" },
	{ REFRESH, "invalid_app_access", "user is not admin approved to access this app", PROBLEM_ADMIN, "permission set" },
	{ REFRESH, "invalid_client_id", "client identifier invalid", PROBLEM_ADMIN, "ClientId=" },
	{ REFRESH, "invalid_client", "invalid client credentials", PROBLEM_ADMIN, "ClientSecret=" },
	{ REFRESH, "app_not_found", "External client app is not installed in this org", PROBLEM_ADMIN, "install it" },
	{ REFRESH, "inactive_user", "user is inactive", PROBLEM_ADMIN, "activate" },
	{ REFRESH, "inactive_org", "org is locked, closed, or suspended", PROBLEM_ADMIN, "org" },
	{ REFRESH, "rate_limit_exceeded", "number of logins exceeded", PROBLEM_RATE, "hour" },
	{ REFRESH, "invalid_grant", "login rate exceeded", PROBLEM_RATE, "hour" },
	{ REFRESH, "unknown_error", "retry your request", PROBLEM_RETRY, "repeated" },
	{ REFRESH, "server_error", "", PROBLEM_RETRY, "repeated" },
	{ REFRESH, "temporarily_unavailable", "", PROBLEM_RETRY, "repeated" },
	{ REFRESH, "unsupported_grant_type", "grant type not supported", PROBLEM_ADMIN, "GrantType=" },
	{ REFRESH, "invalid_scope", "the requested scope is not allowed", PROBLEM_ADMIN, "scope" },
	{ REFRESH, "invalid_request", "HTTPS required", PROBLEM_ADMIN, "https" },
	{ REFRESH, "invalid_request", "must use HTTP POST", PROBLEM_BUG, "ClientSecret=" },
	{ REFRESH, "invalid_grant", "never seen before", PROBLEM_LOGIN, "sftoken import" },
	{ REFRESH, "invalid_grant", "", PROBLEM_LOGIN, "sftoken import" },
	{ REFRESH, "never_seen_before", "", PROBLEM_ADMIN, "not known" },
	/* a code */
	{ WEB, "invalid_grant", "expired authorization code", PROBLEM_LOGIN, "15 minutes" },
	{ WEB, "invalid_grant", "invalid code verifier", PROBLEM_LOGIN, "newest link" },
	{ WEB, "invalid_grant", "token request is already being processed", PROBLEM_RETRY, "busy" },
	{ WEB, "invalid_grant", "ip restricted", PROBLEM_ADMIN, "IP" },
	{ WEB, "invalid_grant", "", PROBLEM_LOGIN, "log in again" },
	{ WEB, "invalid_client", "invalid client credentials", PROBLEM_ADMIN, "ClientAuth=" },
	{ WEB, "invalid_client_id", "client identifier invalid", PROBLEM_ADMIN, "ClientId=" },
	{ WEB, "redirect_uri_mismatch", "redirect_uri must match configuration", PROBLEM_ADMIN, "Callback URLs" },
	{ WEB, "app_not_found", "External client app is not installed in this org", PROBLEM_ADMIN, "install it" },
	{ WEB, "invalid_request", "HTTPS required", PROBLEM_ADMIN, "https" },
	{ WEB, "invalid_request", "must use HTTP POST", PROBLEM_BUG, "RedirectUri=" },
	/* the page of the login */
	{ WEB, "access_denied", "end-user denied authorization", PROBLEM_LOGIN, "Allow" },
	{ WEB, "access-denied", "", PROBLEM_LOGIN, "Allow" },
	{ AGENT, "access_denied", "end-user denied authorization", PROBLEM_LOGIN, "Allow" },
	{ AGENT, "access-denied", "", PROBLEM_LOGIN, "Allow" },
	{ WEB, "immediate_unsuccessful", "", PROBLEM_LOGIN, "confirm" },
	{ AGENT, "immediate_unsuccessful", "", PROBLEM_LOGIN, "confirm" },
	{ WEB, "unsupported_response_type", "", PROBLEM_ADMIN, "enable the flow" },
	{ AGENT, "unsupported_response_type", "", PROBLEM_ADMIN, "web_server" },
	{ WEB, "OAUTH_APP_ACCESS_DENIED", "user is not admin approved to access this app", PROBLEM_ADMIN, "permission set" },
	{ WEB, "OAUTH_APP_BLOCKED", "this app is blocked by admin", PROBLEM_ADMIN, "unblock" },
	{ WEB, "OAUTH_APPROVAL_ERROR_GENERIC", "An unexpected error has occured during authentication. Please try again.", PROBLEM_ADMIN, "policies" },
	{ AGENT, "OAUTH_EC_APP_NOT_FOUND", "External client app is not installed in this org", PROBLEM_ADMIN, "install it" },
	{ WEB, "redirect_uri_missing", "redirect_uri not provided", PROBLEM_BUG, "RedirectUri=" },
	{ WEB, "invalid_request", "missing required code challenge", PROBLEM_BUG, "link" },
	{ AGENT, "invalid_request", "missing required code challenge", PROBLEM_ADMIN, "Require Proof Key" },
	{ CC, "invalid_request", "missing required code challenge", PROBLEM_ADMIN, "Require Proof Key" },
	{ WEB, "invalid_scope", "the requested scope is not allowed", PROBLEM_ADMIN, "Scopes=" },
	{ WEB, "server_error", "", PROBLEM_RETRY, "repeated" },
	/* a device code */
	{ DEVICE, "authorization_pending", "", PROBLEM_RETRY, "nobody" },
	{ DEVICE, "slow_down", "", PROBLEM_RETRY, "less often" },
	{ DEVICE, "access_denied", "", PROBLEM_LOGIN, "refused" },
	{ DEVICE, "expired_token", "", PROBLEM_LOGIN, "in time" },
	{ DEVICE, "invalid_grant", "", PROBLEM_LOGIN, "expired, or was used" },
	{ DEVICE, "invalid_request", "", PROBLEM_BUG, "invalid" },
	{ DEVICE, "server_error", "", PROBLEM_RETRY, "repeated" },
	{ DEVICE, "unsupported_grant_type", "", PROBLEM_ADMIN, "Enable for Device Flow" },
	{ DEVICE, "unauthorized_client", "", PROBLEM_ADMIN, "Enable for Device Flow" },
	/* SAML bearer */
	{ SAML, "invalid_grant", "expired authorization code", PROBLEM_CLOCK, "Assertion=" },
	{ SAML, "invalid_grant", "user hasn't approved this consumer", PROBLEM_ADMIN, "pre-authorized" },
	{ SAML, "invalid_grant", "invalid assertion", PROBLEM_ADMIN, "certificate" },
	{ SAML, "invalid_grant", "Audience validation failed", PROBLEM_ADMIN, "Audience=" },
	{ SAML, "invalid_grant", "recipient is invalid", PROBLEM_ADMIN, "Recipient=" },
	{ SAML, "invalid_client", "invalid client credentials", PROBLEM_ADMIN, "certificate" },
	{ SAML, "invalid_app_access", "user is not admin approved to access this app", PROBLEM_ADMIN, "permission set" },
	{ SAML, "invalid_grant", "", PROBLEM_ADMIN, "login history" },
	/* token exchange */
	{ EXCHANGE, "invalid_grant", "user hasn't approved this consumer", PROBLEM_ADMIN, "pre-authorized" },
	{ EXCHANGE, "invalid_grant", "", PROBLEM_ADMIN, "TokenHandler=" },
	{ EXCHANGE, "invalid_request", "", PROBLEM_ADMIN, "SubjectTokenType=" },
	{ EXCHANGE, "invalid_target", "", PROBLEM_ADMIN, "target" },
	{ EXCHANGE, "unsupported_grant_type", "grant type not supported", PROBLEM_ADMIN, "GrantType=" },
	{ CC, "invalid_grant", "expired access/refresh token", PROBLEM_ADMIN, "login history" },
	/* catch-alls; words of other grants do not count for these */
	{ CC, "invalid_grant", "expired authorization code", PROBLEM_ADMIN, "login history" },
	{ JWT, "invalid_grant", "no client credentials user enabled", PROBLEM_ADMIN, "login history" },
	{ JWT, "invalid_grant", "never seen before", PROBLEM_ADMIN, "login history" },
	{ JWT, "never_seen_before", "", PROBLEM_ADMIN, "not known" },
	/* case and order of words around do not matter */
	{ JWT, "INVALID_GRANT", "Expired Authorization Code (x)", PROBLEM_CLOCK, "clock" },
	{ JWT, "invalid_grant", "error: USER HASN'T APPROVED THIS CONSUMER.", PROBLEM_ADMIN, "pre-authorized" },
};

static struct problem classify(long status, const char *type, const char *body, int grant)
{
	struct http_response res = answer(status, type, body, strlen(body));
	struct problem p;

	oauth_classify(&res, grant, &p);
	answer_free(&res);
	return p;
}

TEST(each_error_has_its_row)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		const struct oauth_error_row *found = oauth_error_find(r->grant, r->error,
								       r->description);
		char body[300];
		struct problem p;

		check_row(r->description[0] ? r->description : r->error);
		CHECK_INT(found->class, r->class);
		if (!strstr(found->sentence, r->word))
			CHECK_STR(found->sentence, r->word);
		snprintf(body, sizeof body, "{\"error_description\":\"%s\",\"error\":\"%s\"}",
			 r->description, r->error);
		p = classify(400, JSON_TYPE, body, r->grant);
		CHECK_INT(p.class, r->class);
		CHECK_STR(p.error, r->error);
		CHECK_STR(p.description, r->description);
		CHECK_INT(p.http_status, 400);
		CHECK(!strncmp(p.message, found->sentence, strlen(found->sentence)));
		CHECK(!p.spend_unknown);
	}
}

TEST(class_state_error_and_exit_status_agree)
{
	static const struct {
		int state, error, exit;
	} want[] = {
		[PROBLEM_RETRY] = { STATE_BACKOFF, BROKER_UNAVAILABLE, 75 },
		[PROBLEM_RATE] = { STATE_BACKOFF, BROKER_UNAVAILABLE, 75 },
		[PROBLEM_CLOCK] = { STATE_BACKOFF, BROKER_UNAVAILABLE, 75 },
		[PROBLEM_LOGIN] = { STATE_LOGIN_REQUIRED, BROKER_LOGIN_REQUIRED, 80 },
		[PROBLEM_ADMIN] = { STATE_SUSPENDED, BROKER_REJECTED, 76 },
		[PROBLEM_BUG] = { STATE_SUSPENDED, BROKER_REJECTED, 76 },
	};

	for (size_t i = 0; i < oauth_n_errors; i++) {
		const struct oauth_error_row *r = &oauth_errors[i];
		bool here = r->class == PROBLEM_ADMIN && r->error && r->error[0] == '#';

		check_row(r->sentence);
		REQUIRE(r->class > PROBLEM_NONE && r->class <= PROBLEM_BUG);
		/* a person can log in for the grants that begin with a person alone */
		CHECK(r->class != PROBLEM_LOGIN || r->grant_type == REFRESH ||
		      r->grant_type == WEB || r->grant_type == AGENT || r->grant_type == DEVICE);
		CHECK_INT(r->state, want[r->class].state);
		CHECK_INT(r->broker_error, here ? (int)BROKER_NOT_SERVED : want[r->class].error);
		CHECK_INT(r->exit_status, want[r->class].exit);
	}
}

/* A row that an earlier one hides would never count. */
TEST(every_row_can_be_reached)
{
	for (size_t i = 0; i < oauth_n_errors; i++) {
		const struct oauth_error_row *r = &oauth_errors[i];
		int grant = r->grant_type >= 0 ? r->grant_type : CC;
		const struct oauth_error_row *found = oauth_error_find(
			grant, r->error ? r->error : "unheard_of", r->description);

		check_row(r->sentence);
		if (found !=
		    r) /* an ANY row behind one for the same words of this grant: then the other grant reaches it */
			found = oauth_error_find(JWT, r->error ? r->error : "unheard_of",
						 r->description);
		CHECK(found == r);
	}
}

TEST(sentences_fit_and_say_something)
{
	for (size_t i = 0; i < oauth_n_errors; i++) {
		check_row(oauth_errors[i].sentence);
		CHECK(strlen(oauth_errors[i].sentence) >= 20);
		CHECK(strlen(oauth_errors[i].sentence) <=
		      220); /* room for the server's words in ERR_TEXT_MAX */
	}
}

TEST(answers_that_are_no_oauth_errors)
{
	static const struct {
		long status;
		const char *type, *body;
		enum problem_class class;
		const char *word;
	} table[] = {
		{ 503, "text/html", "<html>We are down for maintenance</html>", PROBLEM_RETRY, "503" },
		{ 200, "text/html", "<html>We are down for maintenance</html>", PROBLEM_RETRY, "web page" },
		{ 404, "text/html", "<html>not found</html>", PROBLEM_RETRY, "web page" },
		{ 400, "text/plain", "nonsense", PROBLEM_RETRY, "not JSON" },
		{ 403, "text/plain", "Bad_OAuth_Token", PROBLEM_RETRY, "not JSON" },
		{ 200, "text/plain", "Destination URL not reset", PROBLEM_RETRY, "not settled" },
		{ 200, "application/json", "{\"message\":\"URL_NOT_RESET\"}", PROBLEM_RETRY, "not settled" },
		{ 429, "text/plain", "slow", PROBLEM_RATE, "too many" },
		{ 429, "application/json", "{\"error\":\"invalid_grant\"}", PROBLEM_RATE, "too many" },
		{ 420, "application/json", "{}", PROBLEM_RETRY, "420" },
		{ 500, "application/json", "[{\"errorCode\":\"SERVER_UNAVAILABLE\"}]", PROBLEM_RETRY, "500" },
		{ 500, "application/json", "{\"error\":\"invalid_grant\"}", PROBLEM_RETRY, "trouble" },
		{ 503, "application/json", "{\"error\":\"rate_limit_exceeded\"}", PROBLEM_RATE, "hour" },
		{ 502, "", "", PROBLEM_RETRY, "502" },
		{ 504, "", "", PROBLEM_RETRY, "504" },
		{ 401, "", "", PROBLEM_ADMIN, "ClientAuth=" },
		{ 401, "application/json", "{\"error\":\"invalid_client\"}", PROBLEM_ADMIN, "ClientAuth=" },
		{ 401, "application/json", "[{\"errorCode\":\"INVALID_SESSION_ID\"}]", PROBLEM_RETRY, "JSON object" },
		{ 400, "application/json", "{\"error\":7}", PROBLEM_RETRY, "LoginUrl=" },
		{ 400, "application/json", "{\"error\":\"invalid_grant\"", PROBLEM_RETRY, "damaged" },
		{ 400, "application/json", "{\"error\":\"invalid_grant\",\"error\":\"x\"}", PROBLEM_RETRY, "damaged" },
		{ 400, "text/plain", "{\"error\":\"inactive_user\"}", PROBLEM_ADMIN, "activate" },
		/* no server can name a row that is not for it */
		{ 400, "application/json", "{\"error\":\"#unsent\"}", PROBLEM_ADMIN, "not known" },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct problem p = classify(table[i].status, table[i].type, table[i].body, CC);

		check_row(table[i].body);
		CHECK_INT(p.class, table[i].class);
		if (!strstr(p.message, table[i].word))
			CHECK_STR(p.message, table[i].word);
	}
}

TEST(a_redirect_names_the_host_and_nothing_else)
{
	static const struct {
		const char *location, *word;
	} table[] = {
		{ "https://new.my.salesforce.com/login?secret=SECRET", "(HTTP 302, moved to https://new.my.salesforce.com)" },
		{ "https://user:SECRET@evil.example/", "(HTTP 302)" },
		{ "http://evil.example/", "(HTTP 302)" },
		{ "file:///etc/SECRET", "(HTTP 302)" },
		{ "", "(HTTP 302)" },
		{ "/relative/SECRET", "(HTTP 302)" },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct http_response res = answer(302, "text/html", "", 0);
		struct problem p;

		check_row(table[i].location);
		res.location = table[i].location;
		oauth_classify(&res, JWT, &p);
		answer_free(&res);
		CHECK_INT(p.class, PROBLEM_ADMIN);
		CHECK(strstr(p.message, "LoginUrl="));
		CHECK(!strstr(p.message, "SECRET"));
		if (!strstr(p.message, table[i].word))
			CHECK_STR(p.message, table[i].word);
	}
}

TEST(what_never_came_is_worth_another_try)
{
	static const enum http_outcome outcomes[] = { HTTP_UNSENT, HTTP_UNKNOWN, HTTP_TOO_BIG, HTTP_REFUSED };

	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		struct http_response res = { .outcome = outcomes[i], .content_type = "", .location = "", .problem = "why it is so" };
		struct problem p;

		oauth_classify(&res, CC, &p);
		CHECK_INT(p.class, PROBLEM_RETRY);
		CHECK_INT(p.outcome, outcomes[i]);
		CHECK_INT(p.http_status, 0);
		CHECK(strstr(p.message, "(why it is so)"));
	}
}

TEST(the_wish_of_the_server_is_passed_on)
{
	struct http_response res = answer(503, "text/plain", "", 0);
	struct problem p;

	res.retry_after_ms = 17000;
	oauth_classify(&res, CC, &p);
	answer_free(&res);
	CHECK_INT(p.retry_after_ms, 17000);
}

TEST(a_clock_error_says_how_far_we_are_off)
{
	struct http_response res = answer_json(
		400,
		"{\"error\":\"invalid_grant\",\"error_description\":\"expired authorization code\"}");
	struct problem p;

	res.date_real_ms = clock_real_ms() + 600000;
	oauth_classify(&res, JWT, &p);
	CHECK(p.skew_ms > 590000 && p.skew_ms <= 600000);
	res.date_real_ms = 0;
	oauth_classify(&res, JWT, &p);
	answer_free(&res);
	CHECK_INT(p.skew_ms, 0);
}

TEST(the_words_of_the_server_are_cleaned)
{
	static const struct {
		const char *said, *shown;
	} table[] = {
		{ "plain words, with (signs): a=b", "plain words, with (signs): a=b" },
		{ "token 00D000000000001!AQ.x_y is bad", "token [cut] is bad" },
		{ "token 00D000000000001%21AQ is bad", "token [cut] is bad" },
		{ "t=00D1!x", "[cut]" },
		{ "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "[cut]" },
		{ "a 5Aep861TSESvWeug_xvFHRBTTbf_YrTWgEyjBJrhYCFcQAtnS end", "a [cut] end" },
		{ "see https://login.salesforce.com/services/oauth2/token", "see https://login.salesforce.com/services/oauth2/token" },
		{ "//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "[cut]" },
		{ "line\\nbreak\\u001b[31m", "line?break?[31m" },
		{ "gr\\u00fc\\u00dfe", "gr????e" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		char body[300];
		struct problem p;

		snprintf(body, sizeof body, "{\"error\":\"e\",\"error_description\":\"%s\"}",
			 table[i].said);
		p = classify(400, JSON_TYPE, body, CC);
		check_row(table[i].said);
		CHECK_STR(p.description, table[i].shown);
	}
}

TEST(long_words_of_the_server_are_cut)
{
	char body[3000] = "{\"error\":\"e\",\"error_description\":\"", *at = body + strlen(body);
	struct problem p;

	for (size_t i = 0; i < 500; i++, at += 4)
		memcpy(at, "ab, ", 4);
	memcpy(at, "\"}", 3);
	p = classify(400, JSON_TYPE, body, CC);
	CHECK_INT(strlen(p.description), sizeof p.description - 1);
	CHECK_INT(strlen(p.message), sizeof p.message - 1);
	memset(body + 34, 'x', 1999); /* one word: too long to show any of it */
	p = classify(400, JSON_TYPE, body, CC);
	CHECK_INT(strlen(p.description) < 20, 1);
}

CHECK_MAIN()

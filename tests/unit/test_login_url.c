/* SPDX-License-Identifier: Apache-2.0 */
/* The URL that a person opens, and the one that the browser is sent to. */
#include "daemon/mint/login_url.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

#define REDIRECT "http://localhost:1717/OauthRedirect"

/* RFC 7636 appendix B */
#define VERIFIER "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

static char base[] = "https://acme.my.salesforce.com", client[] = "3MVG9.a b";
static struct endpoints endpoints;

static struct credential salesforce(void)
{
	return (struct credential){ .login_url = base, .client_id = client };
}

static const char *make(struct credential *c, int flow, const struct endpoints *e, struct err *err)
{
	static char text[4096];
	CLEANUP(secret_unrefp) struct secret *state = secret_new("STATE-_1", 8);
	CLEANUP(secret_unrefp) struct secret *verifier = secret_new(VERIFIER, strlen(VERIFIER));
	const struct login_request r = { c, e, flow, REDIRECT, state, verifier };
	struct buf b;
	int status;

	buf_init(&b, sizeof text - 1);
	status = login_url_make(&r, &b, err);
	snprintf(text, sizeof text, "%s", status == 0 ? b.data : "");
	buf_fini(&b);
	return text;
}

TEST(the_url_of_the_web_server_flow_has_state_and_challenge)
{
	struct credential c = salesforce();
	char user[] = "me@example.com", scopes[] = "api web";

	CHECK_STR(make(&c, LOGIN_WEB_SERVER, NULL, NULL),
		  "https://acme.my.salesforce.com/services/oauth2/authorize?response_type=code&"
		  "client_id=3MVG9.a+b&redirect_uri=http%3A%2F%2Flocalhost%3A1717%2FOauthRedirect&"
		  "state=STATE-_1&code_challenge=" CHALLENGE "&code_challenge_method=S256");
	c.username = user;
	c.scopes = scopes;
	CHECK_STR(make(&c, LOGIN_WEB_SERVER, NULL, NULL),
		  "https://acme.my.salesforce.com/services/oauth2/authorize?response_type=code&"
		  "client_id=3MVG9.a+b&redirect_uri=http%3A%2F%2Flocalhost%3A1717%2FOauthRedirect&"
		  "scope=api+web+refresh_token&state=STATE-_1&code_challenge=" CHALLENGE
		  "&code_challenge_method=S256&login_hint=me%40example.com");
}

TEST(the_url_of_the_user_agent_flow_has_no_challenge)
{
	struct credential c = salesforce();

	CHECK_STR(make(&c, LOGIN_USER_AGENT, NULL, NULL),
		  "https://acme.my.salesforce.com/services/oauth2/authorize?response_type=token&"
		  "client_id=3MVG9.a+b&redirect_uri=http%3A%2F%2Flocalhost%3A1717%2FOauthRedirect&"
		  "state=STATE-_1");
}

TEST(another_server_says_where_its_page_is)
{
	struct credential c = salesforce();
	char page[] = "https://id.example.com/auth?realm=x";
	struct err err = { 0 };

	c.issuer = base;
	CHECK_STR(make(&c, LOGIN_WEB_SERVER, &endpoints, &err), "");
	CHECK_INT(err.code, ERR_ADMIN);
	endpoints.authorization = page;
	CHECK(strncmp(make(&c, LOGIN_WEB_SERVER, &endpoints, NULL),
		      "https://id.example.com/auth?realm=x&response_type=code&client_id=", 65) ==
	      0);
	CHECK(strstr(make(&c, LOGIN_WEB_SERVER, &endpoints, NULL),
		     "&scope=openid+offline_access&"));
}

TEST(scopes_without_which_no_refresh_token_comes_are_added)
{
	static const struct {
		const char *scopes, *asked;
		int flow;
		bool issuer;
	} rows[] = {
		{ NULL, "", LOGIN_WEB_SERVER, false },
		{ "api", "api refresh_token", LOGIN_WEB_SERVER, false },
		{ "api", "api refresh_token", LOGIN_DEVICE, false },
		{ "api", "api", LOGIN_USER_AGENT, false },
		{ "refresh_token api", "refresh_token api", LOGIN_WEB_SERVER, false },
		{ "api offline_access", "api offline_access", LOGIN_WEB_SERVER, false },
		{ "my_refresh_token", "my_refresh_token refresh_token", LOGIN_WEB_SERVER, false },
		{ "refresh_tokens", "refresh_tokens refresh_token", LOGIN_WEB_SERVER, false },
		{ NULL, "openid offline_access", LOGIN_WEB_SERVER, true },
		{ "openid", "openid offline_access", LOGIN_DEVICE, true },
		{ NULL, "openid", LOGIN_USER_AGENT, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct credential c = salesforce();
		struct buf b;

		buf_init(&b, 200);
		c.scopes = (char *)(uintptr_t)rows[i].scopes;
		c.issuer = rows[i].issuer ? base : NULL;
		check_row(rows[i].asked);
		login_scopes(&c, rows[i].flow, &b);
		CHECK_STR(b.len ? b.data : "", rows[i].asked);
		buf_fini(&b);
	}
	check_row(NULL);
}

TEST(only_the_port_may_differ_and_only_where_it_is_0)
{
	static const struct {
		const char *configured, *uri;
		bool allowed;
	} rows[] = {
		{ NULL, REDIRECT, true },
		{ NULL, "http://localhost:1718/OauthRedirect", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:0/cb", true },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:40123/cb", true },
		{ "http://[::1]:0/cb", "http://[::1]:65535/cb", true },
		{ "http://localhost:0/cb", "http://localhost:1/cb", true },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:00080/cb", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:123456/cb", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:/cb", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1/cb", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:80@evil.example/cb", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:80/cb/more", false },
		{ "http://127.0.0.1:0/cb", "http://127.0.0.1:80/CB", false },
		{ "http://127.0.0.1:0/cb", "http://localhost:80/cb", false },
		{ "http://127.0.0.1:0/cb", "https://127.0.0.1:80/cb", false },
		{ "http://127.0.0.1:01/cb", "http://127.0.0.1:80/cb", false },
		{ "https://example.com:0/cb", "https://example.com:80/cb", false },
		{ "http://127.0.0.1.evil:0/cb", "http://127.0.0.1.evil:80/cb", false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct credential c = salesforce();

		c.redirect_uri = (char *)(uintptr_t)rows[i].configured;
		check_row(rows[i].uri);
		CHECK_INT(login_redirect_allowed(&c, rows[i].uri), rows[i].allowed);
	}
	check_row(NULL);
}

/* --- what comes back --- */

static int read_url(const char *text, const char *redirect, struct login_answer *a, struct err *err)
{
	CLEANUP(secret_unrefp) struct secret *url = secret_new(text, strlen(text));

	return login_answer_read(url, redirect, a, err);
}

TEST(code_and_state_are_decoded_once)
{
	struct login_answer a;

	CHECK_INT(read_url(REDIRECT "?code=aPrx%3D%3D%2520x&state=S+1&sfdc_community_url=https%3A",
			   REDIRECT, &a, NULL),
		  0);
	CHECK_STR(a.code, "aPrx==%20x");
	CHECK_STR(a.state, "S 1");
	CHECK(!a.error && !a.access_token);
	login_answer_fini(&a);
	CHECK_INT(read_url(REDIRECT "#access_token=00D%21x&token_type=Bearer&state=S", REDIRECT, &a,
			   NULL),
		  0);
	CHECK_STR(a.access_token, "00D!x");
	CHECK_STR(a.state, "S");
	login_answer_fini(&a);
	/* both: a server that ends its redirects in "#_=_" */
	CHECK_INT(read_url(REDIRECT "?code=c&state=S#_=_", REDIRECT, &a, NULL), 0);
	CHECK_STR(a.code, "c");
	CHECK_STR(a.state, "S");
	login_answer_fini(&a);
}

TEST(words_of_a_refusal_may_have_any_bytes)
{
	struct login_answer a;

	CHECK_INT(read_url(REDIRECT "?error=denied&error_description=a%0Ab%1b[31m%00c%7F&state=S",
			   REDIRECT, &a, NULL),
		  0);
	CHECK_STR(a.error, "denied");
	CHECK_STR(a.error_description, "a?b?[31m?c?");
	CHECK_STR(a.state, "S");
	login_answer_fini(&a);
	CHECK_INT(read_url(REDIRECT "?error=denied&error_description=%&state=S", REDIRECT, &a,
			   NULL),
		  -ERR_INPUT);
	CHECK_INT(read_url(REDIRECT "?error=a%0A&state=S", REDIRECT, &a, NULL), -ERR_INPUT);
}

TEST(what_is_not_the_answer_of_this_login_is_refused)
{
	static const char *const urls[] = {
		"",
		REDIRECT,
		REDIRECT "X?code=c&state=s",
		REDIRECT "/?code=c&state=s",
		REDIRECT "&code=c&state=s",
		"http://localhost:1718/OauthRedirect?code=c&state=s",
		"https://localhost:1717/OauthRedirect?code=c&state=s",
		"http://localhost:1717@evil.example/OauthRedirect?code=c&state=s",
		" " REDIRECT "?code=c&state=s",
		REDIRECT "?code=c&code=d&state=s",
		REDIRECT "?state=s&code=c&state=s",
		REDIRECT "?state=s&code=c#state=s",
		REDIRECT "?state=s&error=a&error=b",
		REDIRECT "?st%61te=s&state=s",
		REDIRECT "?code=c%&state=s",
		REDIRECT "?code=c%2&state=s",
		REDIRECT "?code=%zz&state=s",
		REDIRECT "?code=%00&state=s",
		REDIRECT "?code=a%0ab&state=s",
		REDIRECT "?code=a%7f&state=s",
		REDIRECT "?code=a\tb&state=s",
	};

	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct login_answer a;
		struct err err = { 0 };

		check_row(urls[i]);
		CHECK_INT(read_url(urls[i], REDIRECT, &a, &err), -ERR_INPUT);
		CHECK(!a.bytes && !a.code && !a.state);
		CHECK(err.text[0] && !strstr(err.text, "code=") && !strstr(err.text, "evil"));
	}
	check_row(NULL);
}

TEST(a_url_that_is_too_long_or_has_a_nul_is_refused)
{
	char *text = malloc(LOGIN_URL_BYTES_MAX + 2);
	CLEANUP(secret_unrefp) struct secret *url = NULL;
	CLEANUP(secret_unrefp) struct secret *nul = secret_new(REDIRECT "?code=c\0&state=s", 52);
	struct login_answer a;

	memset(text, 'a', LOGIN_URL_BYTES_MAX + 1);
	memcpy(text, REDIRECT "?code=", strlen(REDIRECT) + 6);
	url = secret_new(text, LOGIN_URL_BYTES_MAX + 1);
	CHECK_INT(login_answer_read(url, REDIRECT, &a, NULL), -ERR_INPUT);
	CHECK_INT(login_answer_read(nul, REDIRECT, &a, NULL), -ERR_INPUT);
	free(text);
}

TEST(redirect_uris_of_all_kinds)
{
	static const char *const rows[][2] = {
		{ "myapp:/cb", "myapp:/cb?code=c&state=s" },
		{ "http://localhost:1717", "http://localhost:1717/?code=c&state=s" },
		{ "http://localhost:1717", "http://localhost:1717?code=c&state=s" },
		{ "https://example.com/cb", "https://example.com/cb#code=c&state=s" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct login_answer a;

		check_row(rows[i][1]);
		CHECK_INT(read_url(rows[i][1], rows[i][0], &a, NULL), 0);
		CHECK_STR(a.code ? a.code : "", "c");
		CHECK_STR(a.state ? a.state : "", "s");
		login_answer_fini(&a);
	}
	check_row(NULL);
}

/* --- userinfo --- */

static bool read_user(long status, const char *text, struct login_user *u)
{
	char body[1024];
	struct http_response res = {
		.outcome = HTTP_ANSWERED, .status = status, .body = body, .size = strlen(text)
	};

	memcpy(body, text, strlen(text) + 1);
	return login_user_read(&res, u);
}

TEST(userinfo_says_who_it_is)
{
	struct login_user u;

	CHECK(read_user(
		200,
		"{\"sub\":\"x\",\"user_id\":\"005A\",\"organization_id\":\"00DA\","
		"\"preferred_username\":\"me@example.com\",\"address\":{\"user_id\":\"no\"}}",
		&u));
	CHECK_STR(u.username, "me@example.com");
	CHECK_STR(u.user_id, "005A");
	CHECK_STR(u.organization_id, "00DA");
	CHECK(!read_user(403, "{\"user_id\":\"005A\"}", &u));
	CHECK_STR(u.user_id, "");
	CHECK(!read_user(200, "[]", &u));
	CHECK(!read_user(200, "<html>", &u));
	CHECK(read_user(200, "{\"preferred_username\":\"a b\\u001b[0m\",\"user_id\":5}", &u));
	CHECK_STR(u.username, "");
	CHECK_STR(u.user_id, "");
}

TEST(ids_are_equal_by_their_first_15_characters)
{
	CHECK(login_same_id("00D000000000001", "00D000000000001AAA"));
	CHECK(login_same_id("00D000000000001AAA", "00D000000000001AAA"));
	CHECK(!login_same_id("00D000000000001AAA", "00D000000000002AAA"));
	CHECK(!login_same_id("00d000000000001AAA", "00D000000000001AAA"));
	CHECK(!login_same_id("", ""));
	CHECK(!login_same_id(NULL, "00D000000000001AAA"));
	CHECK(!login_same_id("00D", "00D"));
}

CHECK_MAIN()

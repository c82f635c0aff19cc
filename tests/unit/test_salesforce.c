/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/salesforce.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"

#define LOGIN "https://login.salesforce.com"
#define TEST_LOGIN "https://test.salesforce.com"

TEST(endpoints_have_exactly_one_slash)
{
	static const struct {
		const char *base, *url;
	} rows[] = {
		{ LOGIN, LOGIN "/services/oauth2/token" },
		{ LOGIN "/", LOGIN "/services/oauth2/token" },
		{ LOGIN "///", LOGIN "/services/oauth2/token" },
		{ "https://a.my.site.com/site", "https://a.my.site.com/site/services/oauth2/token" },
		{ "http://127.0.0.1:8080", "http://127.0.0.1:8080/services/oauth2/token" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(cleanup_free) char *url = salesforce_url(rows[i].base, "token");

		CHECK_STR(url, rows[i].url);
	}
}

static const struct url_row {
	const char *url;
	int code; /* 0: allowed, ERR_ADMIN: not in the list, ERR_INPUT: no such URL */
} urls[] = {
	{ "https://login.salesforce.com", 0 },
	{ "https://acme.my.salesforce.com", 0 },
	{ "https://acme--dev.sandbox.my.salesforce.com", 0 },
	{ "https://ACME.My.SalesForce.COM", 0 },
	{ "HTTPS://acme.my.salesforce.com", 0 },
	{ "https://acme.my.salesforce.com/", 0 },
	{ "https://acme.my.salesforce.com:443", 0 },
	{ "https://acme.my.salesforce.com/services/oauth2/token", 0 },
	{ "https://acme.my.site.com/site", 0 },
	{ "https://a.b.c.d.salesforce.com", 0 },
	{ "https://acme.my.salesforce.mil", 0 },
	{ "https://x.my.sfcrmproducts.cn", 0 },
	{ "https://broker.example:8443/token", 0 },
	{ "https://Broker.Example:8443", 0 },
	/* well made, but not in the list */
	{ "https://salesforce.com", ERR_ADMIN },
	{ "https://evilsalesforce.com", ERR_ADMIN },
	{ "https://a.salesforce.com.evil.example", ERR_ADMIN },
	{ "https://salesforce.com.evil.example", ERR_ADMIN },
	{ "https://my.site.com", ERR_ADMIN },
	{ "https://a.site.com", ERR_ADMIN },
	{ "https://acme.my.salesforce.com:8443", ERR_ADMIN },
	{ "https://acme.my.salesforce.com:80", ERR_ADMIN },
	{ "https://broker.example", ERR_ADMIN },
	{ "https://broker.example:8444", ERR_ADMIN },
	{ "https://a.broker.example:8443", ERR_ADMIN },
	{ "https://127.0.0.1", ERR_ADMIN },
	{ "http://127.0.0.1:8443", ERR_ADMIN },
	{ "http://[::1]:8443", ERR_ADMIN },
	{ "https://169.254.169.254", ERR_ADMIN },
	{ "https://[fe80::1]", ERR_ADMIN },
	{ "https://2130706433", ERR_ADMIN },
	/* no URL that we take */
	{ "", ERR_INPUT },
	{ "login.salesforce.com", ERR_INPUT },
	{ "//login.salesforce.com", ERR_INPUT },
	{ "https:login.salesforce.com", ERR_INPUT },
	{ "https:/login.salesforce.com", ERR_INPUT },
	{ "https://", ERR_INPUT },
	{ "https:///token", ERR_INPUT },
	{ "http://login.salesforce.com", ERR_INPUT },
	{ "http://localhost:8080", ERR_INPUT },
	{ "http://127.0.0.2", ERR_INPUT },
	{ "http://127.1", ERR_INPUT },
	{ "http://127.0.0.1.evil.example", ERR_INPUT },
	{ "http://0x7f000001", ERR_INPUT },
	{ "http://[::2]", ERR_INPUT },
	{ "http://[::ffff:127.0.0.1]", ERR_INPUT },
	{ "ftp://login.salesforce.com", ERR_INPUT },
	{ "file:///etc/passwd", ERR_INPUT },
	{ "javascript:alert(1)", ERR_INPUT },
	{ "https://login.salesforce.com.", ERR_INPUT },
	{ "https://login..salesforce.com", ERR_INPUT },
	{ "https://.salesforce.com", ERR_INPUT },
	{ "https://-a.salesforce.com", ERR_INPUT },
	{ "https://a-.salesforce.com", ERR_INPUT },
	{ "https://a_b.salesforce.com", ERR_INPUT },
	{ "https://*.salesforce.com", ERR_INPUT },
	{ "https://b\xc3\xbc" "cher.salesforce.com", ERR_INPUT },
	{ "https://a%2esalesforce.com", ERR_INPUT },
	{ "https://evil.example%00.salesforce.com", ERR_INPUT },
	{ "https://evil.example\\.salesforce.com", ERR_INPUT },
	{ "https://evil.example\\@a.salesforce.com", ERR_INPUT },
	{ "https://user@a.salesforce.com", ERR_INPUT },
	{ "https://user:pass@a.salesforce.com", ERR_INPUT },
	{ "https://a.salesforce.com@evil.example", ERR_INPUT },
	{ "https://a.salesforce.com:443@evil.example", ERR_INPUT },
	{ "https://evil.example?.salesforce.com", ERR_INPUT },
	{ "https://evil.example#.salesforce.com", ERR_INPUT },
	{ "https://a.salesforce.com/?x=1", ERR_INPUT },
	{ "https://a.salesforce.com/#x", ERR_INPUT },
	{ "https://a.salesforce.com:", ERR_INPUT },
	{ "https://a.salesforce.com:0", ERR_INPUT },
	{ "https://a.salesforce.com:65536", ERR_INPUT },
	{ "https://a.salesforce.com:443x", ERR_INPUT },
	{ "https://a.salesforce.com:-1", ERR_INPUT },
	{ "https://a.salesforce.com:443:443", ERR_INPUT },
	{ "https://a.salesforce.com/../x", ERR_INPUT },
	{ "https://a.salesforce.com/./x", ERR_INPUT },
	{ "https://a.salesforce.com/x/..", ERR_INPUT },
	{ "https://a.salesforce.com/a b", ERR_INPUT },
	{ " https://a.salesforce.com", ERR_INPUT },
	{ "https://a.salesforce.com ", ERR_INPUT },
	{ "https://a.salesforce.com\n", ERR_INPUT },
	{ "https://a.salesforce.com\r\nHost: x", ERR_INPUT },
	{ "https://[::1", ERR_INPUT },
	{ "https://[]", ERR_INPUT },
	{ "https://[::1]x", ERR_INPUT },
	{ "https://[fe80::1%25eth0]", ERR_INPUT },
};

TEST(only_allowed_hosts_are_contacted)
{
	struct config_list hosts;

	REQUIRE(salesforce_hosts(&hosts, NULL, "https://broker.example:8443/x", NULL) == 0);
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct err err = { 0 };

		check_row(urls[i].url);
		CHECK_INT(salesforce_check_url(urls[i].url, &hosts, &err), -urls[i].code);
		CHECK_INT(err.code, urls[i].code);
	}
	salesforce_hosts_fini(&hosts);
}

TEST(a_url_is_at_most_1_KiB)
{
	char url[1100] = "https://a.salesforce.com/";
	struct config_list hosts;

	REQUIRE(salesforce_hosts(&hosts, NULL, NULL, NULL) == 0);
	memset(url + 25, 'a', 999);
	CHECK_INT(salesforce_check_url(url, &hosts, NULL), 0);
	url[1024] = 'a';
	CHECK_INT(salesforce_check_url(url, &hosts, NULL), -ERR_INPUT);
	salesforce_hosts_fini(&hosts);
}

TEST(configured_hosts_replace_the_default_ones)
{
	char *items[] = { (char[]){ "one.example" }, (char[]){ "*.Two.example:444" } };
	struct config_list configured = { items, 2 }, hosts;

	REQUIRE(salesforce_hosts(&hosts, &configured, LOGIN, NULL) == 0);
	CHECK_INT(hosts.n, 2);
	CHECK_INT(salesforce_check_url("https://one.example", &hosts, NULL), 0);
	CHECK_INT(salesforce_check_url("https://a.two.example:444", &hosts, NULL), 0);
	CHECK_INT(salesforce_check_url("https://a.two.example", &hosts, NULL), -ERR_ADMIN);
	CHECK_INT(salesforce_check_url(LOGIN, &hosts, NULL), -ERR_ADMIN);
	salesforce_hosts_fini(&hosts);
}

TEST(the_login_host_is_allowed_with_its_port_alone)
{
	struct config_list hosts;

	REQUIRE(salesforce_hosts(&hosts, NULL, "http://127.0.0.1:4711", NULL) == 0);
	CHECK_INT(salesforce_check_url("http://127.0.0.1:4711/x", &hosts, NULL), 0);
	CHECK_INT(salesforce_check_url("https://127.0.0.1:4711/x", &hosts, NULL), 0);
	CHECK_INT(salesforce_check_url("http://127.0.0.1:4712", &hosts, NULL), -ERR_ADMIN);
	CHECK_INT(salesforce_check_url("http://[::1]:4711", &hosts, NULL), -ERR_ADMIN);
	salesforce_hosts_fini(&hosts);
	REQUIRE(salesforce_hosts(&hosts, NULL, "http://[::1]:4711", NULL) == 0);
	CHECK_INT(salesforce_check_url("http://[::1]:4711", &hosts, NULL), 0);
	salesforce_hosts_fini(&hosts);
	REQUIRE(salesforce_hosts(&hosts, NULL, "http://127.0.0.1", NULL) == 0);
	CHECK_INT(salesforce_check_url("http://127.0.0.1", &hosts, NULL), 0);
	CHECK_INT(salesforce_check_url("http://127.0.0.1:443", &hosts, NULL), -ERR_ADMIN);
	salesforce_hosts_fini(&hosts);
}

TEST(an_instance_url_has_one_form)
{
	static const struct {
		const char *url, *form;
	} rows[] = {
		{ "https://Acme.My.Salesforce.com", "https://acme.my.salesforce.com" },
		{ "https://acme.my.salesforce.com/", "https://acme.my.salesforce.com" },
		{ "https://acme.my.salesforce.com:443/", "https://acme.my.salesforce.com" },
		{ "http://127.0.0.1:8080", "http://127.0.0.1:8080" },
		{ "https://acme.my.salesforce.com/x", NULL },
		{ "https://evil.example", NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(cleanup_free)
		char *form = salesforce_instance_url(rows[i].url, &answer_hosts, NULL);

		CHECK_STR(form, rows[i].form);
	}
}

TEST(the_audience_comes_from_the_login_url)
{
	static struct {
		char login[80], configured[80];
		const char *audience;
	} rows[] = {
		{ LOGIN, "", LOGIN },
		{ TEST_LOGIN, "", TEST_LOGIN },
		{ "https://Test.Salesforce.com/", "", TEST_LOGIN },
		{ "https://acme.my.salesforce.com", "", LOGIN },
		{ "https://acme.develop.my.salesforce.com", "", LOGIN },
		{ "https://acme--uat.sandbox.my.salesforce.com", "", TEST_LOGIN },
		{ "https://x.scratch.my.salesforce.com", "", TEST_LOGIN },
		{ "https://acme.my.site.com/vforcesite", "", "https://acme.my.site.com/vforcesite" },
		{ "https://acme.my.site.com/", "", "https://acme.my.site.com" },
		{ "http://127.0.0.1:8080", "", "http://127.0.0.1:8080" },
		{ "https://sandbox.example", "", "https://sandbox.example" },
		{ "https://acme.my.salesforce.com", TEST_LOGIN, TEST_LOGIN },
		{ LOGIN, "login.salesforce.com", "login.salesforce.com" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct credential c = { .login_url = rows[i].login, .audience = rows[i].configured[0] ? rows[i].configured : NULL };
		CLEANUP(cleanup_free) char *audience = salesforce_audience(&c);

		check_row(rows[i].login);
		CHECK_STR(audience, rows[i].audience);
	}
}

TEST(identity_urls)
{
	static const struct {
		const char *url, *org, *user;
	} rows[] = {
		{ LOGIN "/id/00Dx0000000BV7zEAK/005x00000012Q9PAAU", "00Dx0000000BV7zEAK", "005x00000012Q9PAAU" },
		{ LOGIN "/id/00Dx0000000BV7z/005x00000012Q9P", "00Dx0000000BV7z", "005x00000012Q9P" },
		{ "", NULL, NULL },
		{ "/", NULL, NULL },
		{ "00Dx0000000BV7z/005x00000012Q9P", NULL, NULL },
		{ LOGIN "/id/00Dx0000000BV7z/", NULL, NULL },
		{ LOGIN "/id//005x00000012Q9P", NULL, NULL },
		{ LOGIN "/id/00Dx0000000BV7z/005x00000012Q9P/", NULL, NULL },
		{ LOGIN "/id/00Dx0000000BV7zE/005x00000012Q9P", NULL, NULL },
		{ LOGIN "/id/00Dx0000000BV7-/005x00000012Q9P", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(cleanup_free) char *org = NULL;
		CLEANUP(cleanup_free) char *user = NULL;

		check_row(rows[i].url);
		CHECK_INT(salesforce_identity(rows[i].url, &org, &user, NULL),
			  rows[i].org ? 0 : -ERR_PROTOCOL);
		CHECK_STR(org, rows[i].org);
		CHECK_STR(user, rows[i].user);
	}
}

TEST(the_life_of_a_jwt)
{
	static const struct {
		const char *token;
		int64_t exp, iat;
	} rows[] = {
		{ "eyJ9.eyJleHAiOjE4MDAwMDAwMDAsImlhdCI6MTc5OTk5MjgwMH0.c2ln", 1800000000, 1799992800 },
		{ "eyJ9.eyJleHAiOjE4MDAwMDAwMDB9.", 1800000000, 0 },             /* {"exp":1800000000} */
		{ "eyJ9.eyJpYXQiOjE3OTk5OTI4MDB9.c2ln", 0, 1799992800 },          /* no exp */
		{ "eyJ9.eyJleHAiOiIxODAwMDAwMDAwIn0.c2ln", 0, 0 },                /* a string */
		{ "eyJ9.eyJleHAiOjE4MDAwMDAwMDAwMDB9.c2ln", 0, 0 },               /* milliseconds */
		{ "eyJ9.eyJleHAiOjEsImV4cCI6Mn0.c2ln", 0, 0 },                    /* twice */
		{ "eyJ9.bm9uc2Vuc2U.c2ln", 0, 0 },                                /* no JSON */
		{ "eyJ9.W10.c2ln", 0, 0 },                                        /* [] */
		{ "eyJ9..c2ln", 0, 0 },
		{ "eyJ9.e!.c2ln", 0, 0 },
		{ "eyJ9.eyJleHAiOjE4MDAwMDAwMDB9", 0, 0 },
		{ "eyJ9.eyJleHAiOjE4MDAwMDAwMDB9.a.b", 0, 0 },
		{ "00Dx!eyJ.a.b", 0, 0 },
		{ "eyJ", 0, 0 },
		{ "", 0, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t exp = -1, iat = -1;

		check_row(rows[i].token);
		CHECK_INT(salesforce_jwt_life(rows[i].token, strlen(rows[i].token), &exp, &iat),
			  rows[i].exp != 0);
		CHECK_INT(exp, rows[i].exp);
		CHECK_INT(iat, rows[i].iat);
	}
}

TEST(userinfo_tells_dead_from_alive)
{
	static const struct {
		long status;
		const char *type, *body;
		enum liveness life;
	} rows[] = {
		{ 200, "application/json", "{\"sub\":\"x\"}", TOKEN_ALIVE },
		{ 200, "text/html", "<html>maintenance</html>", TOKEN_UNSURE },
		{ 401, "application/json", "[]", TOKEN_DEAD },
		{ 403, "text/plain", "Bad_OAuth_Token", TOKEN_DEAD },
		{ 403, "text/plain", "Missing_OAuth_Token", TOKEN_UNSURE },
		{ 403, "application/json", "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\"}]", TOKEN_UNSURE },
		{ 403, "", "", TOKEN_UNSURE },
		{ 302, "", "", TOKEN_UNSURE },
		{ 404, "text/plain", "Bad_OAuth_Token", TOKEN_UNSURE },
		{ 500, "", "", TOKEN_UNSURE },
		{ 503, "text/html", "<html>", TOKEN_UNSURE },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_response res = answer(rows[i].status, rows[i].type, rows[i].body,
						  strlen(rows[i].body));

		check_row(rows[i].body);
		CHECK_INT(salesforce_userinfo_answer(&res), rows[i].life);
		res.outcome = HTTP_UNKNOWN;
		CHECK_INT(salesforce_userinfo_answer(&res), TOKEN_UNSURE);
		answer_free(&res);
	}
}

TEST(userinfo_goes_to_the_instance)
{
	char instance[] = "https://acme.my.salesforce.com";
	struct secret *token = secret_new("00D1!a", 6);
	struct grant g = { .access_token = token, .instance_url = instance };
	struct http_request req;

	REQUIRE(salesforce_userinfo_request(&g, &req, NULL) == 0);
	CHECK_STR(req.url, "https://acme.my.salesforce.com/services/oauth2/userinfo");
	CHECK(!req.post && !req.body && !req.basic && secret_equal(req.bearer, token));
	http_request_fini(&req);
	secret_unref(token);
}

TEST(a_token_is_revoked_where_it_was_made)
{
	struct secret *token = secret_new("5Aep!+", 6);
	struct http_request req;

	REQUIRE(salesforce_revoke_request("https://acme.my.salesforce.com/", token, &req, NULL) ==
		0);
	CHECK_STR(req.url, "https://acme.my.salesforce.com/services/oauth2/revoke");
	CHECK_STR(secret_bytes(req.body), "token=5Aep%21%2B");
	CHECK(req.post && !req.bearer && !req.basic);
	http_request_fini(&req);
	secret_unref(token);
}

TEST(what_is_gone_is_revoked)
{
	static const struct {
		long status;
		const char *body;
		int code;
	} rows[] = {
		{ 200, "", 0 },
		{ 200, "{}", 0 },
		{ 200, "<html>maintenance</html>", ERR_RETRY },
		{ 400, "error=invalid_token&error_description=x", 0 },
		{ 400, "error_description=x&error=unsupported_token_type\r\n", 0 },
		{ 400, "{\"error\":\"invalid_token\"}", 0 },
		{ 400, "{\"error_description\":\"x\",\"error\":\"unsupported_token\\u005ftype\"}", 0 },
		{ 400, "error=invalid_tokens", ERR_ADMIN },
		{ 400, "xerror=invalid_token", ERR_ADMIN },
		{ 400, "error_description=error=invalid_token", ERR_ADMIN },
		{ 400, "{\"error\":\"invalid_request\",\"x\":\"invalid_token\"}", ERR_ADMIN },
		{ 400, "{\"error\":[\"invalid_token\"]}", ERR_ADMIN },
		{ 400, "[\"error\",\"invalid_token\"]", ERR_ADMIN },
		{ 400, "", ERR_ADMIN },
		{ 404, "error=invalid_token", ERR_ADMIN },
		{ 302, "", ERR_ADMIN },
		{ 429, "error=invalid_token", ERR_RETRY },
		{ 500, "", ERR_RETRY },
		{ 503, "<html>", ERR_RETRY },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_response res = answer(rows[i].status, "", rows[i].body,
						  strlen(rows[i].body));
		struct err err = { 0 };

		check_row(rows[i].body);
		res.retry_after_ms = 7000;
		CHECK_INT(salesforce_revoke_answer(&res, &err), -rows[i].code);
		CHECK_INT(err.code, rows[i].code);
		CHECK_INT(err.retry_after_ms, rows[i].code == ERR_RETRY ? 7000 : 0);
		answer_free(&res);
	}
}

TEST(a_revocation_that_was_not_answered_is_to_be_repeated)
{
	struct http_response res = { .outcome = HTTP_UNKNOWN, .status = 200, .content_type = "", .location = "", .problem = "why" };
	struct err err = { 0 };

	CHECK_INT(salesforce_revoke_answer(&res, &err), -ERR_RETRY);
	CHECK_STR(err.text, "why");
}

CHECK_MAIN()

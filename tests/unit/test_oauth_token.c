/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the answer of the token endpoint: what is a token, and everything that is none. */
#include "daemon/mint/oauth.h"
#include "proto/messages.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"

#define GOOD                                                                                              \
	"{\"access_token\":\"00D000000000001!AQ.x_y\",\"instance_url\":\"https://Acme.my.salesforce.com\"," \
	"\"id\":\"https://login.salesforce.com/id/00Dx0000000BV7zEAK/005x00000012Q9PAAU\","                  \
	"\"token_type\":\"Bearer\",\"scope\":\"id api\",\"issued_at\":\"1278448832702\",\"signature\":\"x\"}"

/* One with the members in quotes replaced: access_token, token_type, instance_url. */
#define TOKEN(token) "{\"access_token\":" token ",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.salesforce.com\"}"
#define TYPE(type) "{\"access_token\":\"t\",\"token_type\":" type ",\"instance_url\":\"https://a.salesforce.com\"}"
#define URL(url) "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"instance_url\":" url "}"
#define EXTRA(extra) "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.salesforce.com\"," extra "}"

static struct grant *read_answer(struct http_response res, struct problem *p)
{
	struct grant *g = oauth_read_token(&res, GRANT_JWT_BEARER, &answer_hosts, NULL, p);

	answer_free(&res);
	return g;
}

static struct grant *read_body(const char *body)
{
	struct problem p;

	return read_answer(answer_json(200, body), &p);
}

TEST(a_token_is_read_with_all_that_it_says)
{
	struct problem p;
	struct http_response res = answer_json(200, GOOD);
	CLEANUP(grant_unrefp) struct grant *g = NULL;

	res.sent_ms = 77;
	g = read_answer(res, &p);
	REQUIRE(g != NULL);
	CHECK_INT(p.class, PROBLEM_NONE);
	CHECK_STR(secret_bytes(g->access_token), "00D000000000001!AQ.x_y");
	CHECK_STR(g->instance_url, "https://acme.my.salesforce.com");
	CHECK_STR(g->token_type, "Bearer");
	CHECK_STR(g->scope, "id api");
	CHECK_STR(g->identity_url,
		  "https://login.salesforce.com/id/00Dx0000000BV7zEAK/005x00000012Q9PAAU");
	CHECK_STR(g->organization_id, "00Dx0000000BV7zEAK");
	CHECK_STR(g->user_id, "005x00000012Q9PAAU");
	CHECK_INT(g->issued_at_real_ms, 1278448832702);
	CHECK_INT(g->expires_in_ms, 0);
	CHECK_INT(g->jwt_exp_s, 0);
	CHECK_INT(g->sent_ms, 77);
}

TEST(a_token_needs_no_more_than_three_members)
{
	CLEANUP(grant_unrefp) struct grant *g = read_body(TYPE("\"bearer\""));

	REQUIRE(g != NULL);
	CHECK_STR(g->token_type, "Bearer");
	CHECK_STR(g->scope, "");
	CHECK_STR(g->identity_url, NULL);
	CHECK_STR(g->organization_id, NULL);
}

TEST(the_life_is_a_number_of_seconds_or_absent)
{
	static const struct {
		const char *body;
		int64_t ms;
	} rows[] = {
		{ EXTRA("\"expires_in\":7200"), 7200000 },     { EXTRA("\"expires_in\":\"7200\""), 7200000 },
		{ EXTRA("\"expires_in\":1"), 1000 },           { EXTRA("\"expires_in\":86400"), 86400000 },
		{ EXTRA("\"expires_in\":86401"), 0 },          { EXTRA("\"expires_in\":0"), 0 },
		{ EXTRA("\"expires_in\":-5"), 0 },             { EXTRA("\"expires_in\":7200.5"), 0 },
		{ EXTRA("\"expires_in\":null"), 0 },           { EXTRA("\"expires_in\":true"), 0 },
		{ EXTRA("\"expires_in\":\"\""), 0 },           { EXTRA("\"expires_in\":\" 7200\""), 0 },
		{ EXTRA("\"expires_in\":\"72e2\""), 0 },       { EXTRA("\"expires_in\":{}"), 0 },
		{ EXTRA("\"expires_in\":9223372036854775807"), 0 },
		{ EXTRA("\"expires_in\":\"99999999999999999999\""), 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(grant_unrefp) struct grant *g = read_body(rows[i].body);

		check_row(rows[i].body);
		if (CHECK(g != NULL))
			CHECK_INT(g->expires_in_ms, rows[i].ms);
	}
}

TEST(what_may_be_missing_may_be_strange)
{
	static const char *const bodies[] = {
		EXTRA("\"scope\":7"), EXTRA("\"scope\":\"a\\nb\""), EXTRA("\"id\":\"nonsense\""), EXTRA("\"id\":[]"),
		EXTRA("\"id\":\"https://x/id/00D/005\""), EXTRA("\"issued_at\":\"soon\""), EXTRA("\"unknown\":{\"a\":[1,2]}"),
	};

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		CLEANUP(grant_unrefp) struct grant *g = read_body(bodies[i]);

		check_row(bodies[i]);
		if (CHECK(g != NULL)) {
			CHECK_STR(g->scope, "");
			CHECK_STR(g->identity_url, NULL);
			CHECK_INT(g->issued_at_real_ms, 0);
		}
	}
}

TEST(the_end_of_a_jwt_is_read_from_it)
{
	/* {"exp":1800000000,"iat":1799992800} */
	CLEANUP(grant_unrefp)
	struct grant *g = read_body(TOKEN(
		"\"eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDAsImlhdCI6MTc5OTk5MjgwMH0.c2ln\""));

	REQUIRE(g != NULL);
	CHECK_INT(g->jwt_exp_s, 1800000000);
	CHECK_INT(g->jwt_iat_s, 1799992800);
}

TEST(loopback_may_be_plain)
{
	CLEANUP(grant_unrefp) struct grant *g = read_body(URL("\"http://127.0.0.1:8080/\""));

	REQUIRE(g != NULL);
	CHECK_STR(g->instance_url, "http://127.0.0.1:8080");
}

static const struct bad {
	const char *name, *body;
	size_t size; /* 0: strlen */
	const char *why; /* part of the message */
} bads[] = {
	{ "empty", "", 0, "JSON" },
	{ "spaces", " \n ", 0, NULL },
	{ "truncated in a name", "{\"access_tok", 0, NULL },
	{ "truncated in the token", "{\"access_token\":\"00D1!abc", 0, NULL },
	{ "truncated before the end", "{\"access_token\":\"t\",\"token_type\":\"Bearer\"", 0, NULL },
	{ "truncated after a comma", "{\"access_token\":\"t\",", 0, NULL },
	{ "html", "<html><body>We are down for maintenance</body></html>", 0, "web page" },
	{ "html after spaces", "\r\n  <!DOCTYPE html>", 0, "web page" },
	{ "xml", "<?xml version=\"1.0\"?><OAuth/>", 0, "web page" },
	{ "plain text", "Bad_OAuth_Token", 0, NULL },
	{ "urlencoded", "access_token=t&token_type=Bearer", 0, NULL },
	{ "array", "[]", 0, "object" },
	{ "array around a token", "[" GOOD "]", 0, "object" },
	{ "string", "\"token\"", 0, "object" },
	{ "number", "1", 0, "object" },
	{ "null", "null", 0, "object" },
	{ "no members", "{}", 0, "access_token" },
	{ "trailing data", GOOD "x", 0, NULL },
	{ "two objects", GOOD GOOD, 0, NULL },
	{ "byte order mark", "\xef\xbb\xbf" GOOD, 0, NULL },
	{ "NUL after it", GOOD "\0", sizeof GOOD, NULL },
	{ "NUL inside", "{\"access_token\":\"t\0t\"}", 22, NULL },
	{ "escaped NUL in the token", TOKEN("\"t\\u0000t\""), 0, NULL },
	{ "duplicate token", "{\"access_token\":\"a\",\"access_token\":\"b\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.salesforce.com\"}", 0, NULL },
	{ "duplicate by escape", "{\"access_token\":\"a\",\"access\\u005ftoken\":\"b\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.salesforce.com\"}", 0, NULL },
	{ "single quotes", "{'access_token':'t'}", 0, NULL },
	{ "comment", "{/*x*/\"access_token\":\"t\"}", 0, NULL },
	{ "NaN", EXTRA("\"x\":NaN"), 0, NULL },
	{ "TRUE", EXTRA("\"x\":TRUE"), 0, NULL },
	{ "leading zero", EXTRA("\"x\":01"), 0, NULL },
	{ "trailing comma", EXTRA("\"x\":1,"), 0, NULL },
	{ "raw control character", "{\"access_token\":\"a\nb\"}", 0, NULL },
	{ "invalid UTF-8", EXTRA("\"x\":\"\xff\""), 0, NULL },
	{ "overlong UTF-8", EXTRA("\"x\":\"\xc0\xaf\""), 0, NULL },
	{ "lone surrogate", EXTRA("\"x\":\"\\ud800\""), 0, NULL },
	{ "too deep", EXTRA("\"x\":[[[[[[[[[1]]]]]]]]]"), 0, NULL },
	{ "gzip", "\x1f\x8b\x08\0\0\0\0\0", 8, NULL },
	{ "token null", TOKEN("null"), 0, "access_token" },
	{ "token a number", TOKEN("17"), 0, "access_token" },
	{ "token an object", TOKEN("{}"), 0, "access_token" },
	{ "token empty", TOKEN("\"\""), 0, "access_token" },
	{ "space in the token", TOKEN("\"a b\""), 0, "access_token" },
	{ "newline in the token", TOKEN("\"a\\nb\""), 0, "access_token" },
	{ "CR and LF in the token", TOKEN("\"a\\r\\nX-Evil: 1\""), 0, "access_token" },
	{ "tab in the token", TOKEN("\"a\\tb\""), 0, "access_token" },
	{ "DEL in the token", TOKEN("\"a\\u007fb\""), 0, "access_token" },
	{ "umlaut in the token", TOKEN("\"\\u00e4\""), 0, "access_token" },
	{ "no token type", "{\"access_token\":\"t\",\"instance_url\":\"https://a.salesforce.com\"}", 0, "token_type" },
	{ "another token type", TYPE("\"MAC\""), 0, "token_type" },
	{ "token type null", TYPE("null"), 0, "token_type" },
	{ "no instance", "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}", 0, "instance_url" },
	{ "instance null", URL("null"), 0, "instance_url" },
	{ "instance empty", URL("\"\""), 0, "instance_url" },
	{ "instance plain", URL("\"http://a.salesforce.com\""), 0, "instance_url" },
	{ "instance ftp", URL("\"ftp://a.salesforce.com\""), 0, "instance_url" },
	{ "instance file", URL("\"file:///etc/passwd\""), 0, "instance_url" },
	{ "instance without scheme", URL("\"a.salesforce.com\""), 0, "instance_url" },
	{ "instance elsewhere", URL("\"https://evil.example\""), 0, "AllowedHosts" },
	{ "instance that looks right", URL("\"https://a.salesforce.com.evil.example\""), 0, "AllowedHosts" },
	{ "instance with a user", URL("\"https://a.salesforce.com@evil.example\""), 0, "instance_url" },
	{ "instance with a port", URL("\"https://a.salesforce.com:8443\""), 0, "AllowedHosts" },
	{ "instance with a path", URL("\"https://a.salesforce.com/x\""), 0, "path" },
	{ "instance with a query", URL("\"https://a.salesforce.com?x\""), 0, "instance_url" },
	{ "instance with a fragment", URL("\"https://a.salesforce.com#x\""), 0, "instance_url" },
	{ "instance with CR and LF", URL("\"https://a.salesforce.com\\r\\nHost: x\""), 0, "instance_url" },
	{ "instance of the wrong port on loopback", URL("\"http://127.0.0.1:8081\""), 0, "AllowedHosts" },
	{ "an error with a token", EXTRA("\"error\":\"invalid_grant\""), 0, NULL },
};

TEST(nothing_else_is_a_token)
{
	for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
		const struct bad *b = &bads[i];
		struct problem p;
		CLEANUP(grant_unrefp)
		struct grant *g = read_answer(
			answer(200, JSON_TYPE, b->body, b->size ? b->size : strlen(b->body)), &p);

		check_row(b->name);
		CHECK(g == NULL);
		CHECK(p.class != PROBLEM_NONE);
		CHECK_INT(p.http_status, 200);
		CHECK(p.message[0] != '\0');
		if (b->why && !strstr(p.message, b->why))
			CHECK_STR(p.message, b->why);
	}
}

static char *with_token_of(size_t size)
{
	static const char before[] =
		"{\"token_type\":\"Bearer\",\"instance_url\":\"https://a.salesforce.com\",\"access_token\":\"";
	char *body = calloc(1, sizeof before + size + 3);

	if (body) {
		memcpy(body, before, sizeof before - 1);
		memset(body + sizeof before - 1, 'a', size);
		memcpy(body + sizeof before - 1 + size, "\"}", 2);
	}
	return body;
}

TEST(a_token_has_at_most_16_KiB)
{
	CLEANUP(cleanup_free) char *longest = with_token_of(16 * 1024);
	CLEANUP(cleanup_free) char *longer = with_token_of(16 * 1024 + 1);
	CLEANUP(grant_unrefp) struct grant *g = NULL;

	REQUIRE(longest && longer);
	g = read_body(longest);
	CHECK(g && secret_size(g->access_token) == 16 * 1024);
	CHECK(read_body(longer) == NULL);
}

TEST(the_type_is_judged_by_its_beginning)
{
	static const struct {
		const char *type;
		bool fine;
	} rows[] = {
		{ "application/json", true },   { "application/json;charset=UTF-8", true }, { "Application/JSON ; x", true },
		{ "text/html", false },         { "", false },                              { "application/jsonx", false },
		{ "application/json+x", false }, { "application/json-seq", false },         { "text/plain", false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct problem p;
		CLEANUP(grant_unrefp)
		struct grant *g = read_answer(answer(200, rows[i].type, GOOD, strlen(GOOD)), &p);

		check_row(rows[i].type);
		CHECK_INT(g != NULL, rows[i].fine);
		if (!rows[i].fine)
			CHECK_INT(p.class, PROBLEM_RETRY);
	}
}

TEST(other_success_codes_are_no_token)
{
	static const long codes[] = { 201, 202, 204, 206, 100, 0, 302, 400, 500 };

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		struct problem p;

		CHECK(read_answer(answer_json(codes[i], GOOD), &p) == NULL);
		CHECK(p.class != PROBLEM_NONE);
	}
}

TEST(no_message_holds_the_token)
{
	static const char *const bodies[] = {
		TOKEN("\"00D000000000001!SECRETSECRET\"") "x", URL("\"https://evil.example/00D000000000001!SECRETSECRET\""),
		"{\"error\":\"00D000000000001!SECRETSECRET\"}",
		"{\"error\":\"x\",\"error_description\":\"bad token 00D000000000001!SECRETSECRET given\"}",
	};

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct problem p;

		check_row(bodies[i]);
		CHECK(read_answer(answer_json(200, bodies[i]), &p) == NULL);
		CHECK(!strstr(p.message, "SECRET") && !strstr(p.description, "SECRET") &&
		      !strstr(p.error, "SECRET"));
	}
}

static struct introspection introspect(const char *body, struct problem *p)
{
	struct http_response res = answer_json(200, body);
	struct introspection in;

	oauth_read_introspection(&res, &in, p);
	answer_free(&res);
	return in;
}

TEST(introspection_says_alive_and_until_when)
{
	struct problem p;
	struct introspection in = introspect(
		"{\"active\":true,\"exp\":1528502109,\"iat\":1528494909,\"username\":\"u@x\",\"token_type\":\"access_token\"}",
		&p);

	CHECK_INT(in.active, 1);
	CHECK_INT(in.exp_s, 1528502109);
	CHECK_INT(in.iat_s, 1528494909);
	CHECK_STR(in.username, "u@x");
	in = introspect("{\"active\":false}", &p);
	CHECK_INT(in.active, 0);
	CHECK_INT(in.exp_s, 0);
	in = introspect("{\"active\":true,\"exp\":1528502109000}", &p);
	CHECK_INT(in.exp_s, 0);
}

TEST(introspection_that_cannot_be_read_says_nothing)
{
	static const char *const bodies[] = { "", "{}", "{\"active\":\"true\"}", "{\"active\":1}", "[]", "<html>", "{\"active\":true",
					      "{\"active\":true,\"active\":false}", "{\"error\":\"invalid_client\"}" };

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct problem p;

		check_row(bodies[i]);
		CHECK_INT(introspect(bodies[i], &p).active, -1);
		CHECK(p.class != PROBLEM_NONE);
	}
}

CHECK_MAIN()

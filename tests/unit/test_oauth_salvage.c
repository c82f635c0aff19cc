/* SPDX-License-Identifier: Apache-2.0 */
/* The next refresh token out of answers that are no answers: exactly the right one or none. And when nobody can say whether it was replaced. */
#include "daemon/mint/oauth.h"
#include "proto/messages.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"

#define GOOD \
	"{\"access_token\":\"00D1!a\",\"refresh_token\":\"5Aep861TSES.x_y\",\"scope\":\"refresh_token api\"," \
	"\"instance_url\":\"https://a.my.salesforce.com\",\"token_type\":\"Bearer\"}"

static struct secret *salvage(const char *body, size_t size)
{
	struct http_response res = answer(200, JSON_TYPE, body, size);
	struct secret *s = oauth_salvage_refresh(&res);

	CHECK_MEM(res.body, size, body, size);
	answer_free(&res);
	return s;
}

static void check_salvage(const char *body, const char *want)
{
	CLEANUP(secret_unrefp) struct secret *s = salvage(body, strlen(body));

	check_row(body);
	CHECK_STR(s ? secret_bytes(s) : NULL, want);
	check_row(NULL);
}

TEST(one_complete_token_is_found)
{
	static const struct {
		const char *body, *token;
	} rows[] = {
		{ GOOD, "5Aep861TSES.x_y" },
		{ "{\"refresh_token\":\"a\"", "a" },
		{ " \n\t{ \"x\" : [ { } , 1 ] , \"refresh_token\" \r\n:\t\"a\" , ", "a" },
		{ "{\"refresh_token\":\"a\\/b\\u0021\\\"c\\\\\"", "a/b!\"c\\" },
		{ "{\"refresh\\u005ftoken\":\"a\",", "a" },
		{ "{\"access_token\":\"x\",\"access_token\":\"y\",\"refresh_token\":\"a\"}", "a" },
		{ "{\"scope\":\"refresh_token\",\"refresh_token\":\"a\"}", "a" },
		{ "{\"scope\":\"refresh_token: \\\"refresh_token\\\",\",\"refresh_token\":\"a\"}",
		  "a" },
		{ "{\"x\":\"\x01\xff\\q\",\"refresh_token\":\"a\",\"y\":nul", "a" },
		{ "{\"refresh_token\":\"a\"}garbage", "a" },
		{ "{\"refresh_token\":\"a\"}\r\n", "a" },
		{ "{\"refresh_token\":\"a\",\"error_description\":\"\"", "a" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_salvage(rows[i].body, rows[i].token);
}

TEST(with_any_doubt_there_is_none)
{
	static const char *const bodies[] = {
		"",
		"{}",
		"<html>{\"refresh_token\":\"a\"}",
		"[{\"refresh_token\":\"a\"}]",
		"\"refresh_token\":\"a\"",
		/* twice, in whatever form */
		"{\"refresh_token\":\"a\",\"refresh_token\":\"b\"}",
		"{\"refresh_token\":\"a\",\"refresh_token\":\"a\"}",
		"{\"refresh_token\":\"a\",\"refresh_token\":",
		"{\"refresh_token\":\"a\",\"refresh_token\":\"b",
		"{\"refresh_token\":\"a\",\"refresh_token\"",
		"{\"refresh_token\":\"a\",\"refresh\\u005ftoken\":\"b\"}",
		"{\"refresh_token\":\"a\"}{\"refresh_token\":\"b\"}",
		"{\"refresh_token\":\"a\",\"x\":{\"refresh_token\":\"b\"}}",
		"{\"refresh_token\":\"a\",\"x\":\"y,\"refresh_token\":\"b\"}",
		/* not on the first level of the first object */
		"{\"x\":{\"refresh_token\":\"a\"}}",
		"{\"x\":{\"refresh_token\":\"a\"",
		"{}{\"refresh_token\":\"a\"}",
		"{}}{\"refresh_token\":\"a\"}",
		"{\"x\":1}],{\"refresh_token\":\"a\"}",
		/* not a name, not a value */
		"{\"x\":\"refresh_token\"}",
		"{\"x\":\"\\\"refresh_token\\\":\\\"a\\\"\"}",
		"{\"x\":\"y,\"refresh_token\":\"a\"}",
		"{\"x\":\"y\"\"refresh_token\":\"a\"}",
		"{x\"refresh_token\":\"a\"}",
		"{\"refresh_token\" \"a\"}",
		"{\"refresh_token\":a}",
		"{\"refresh_token\":null}",
		"{\"refresh_token\":7}",
		"{\"refresh_token\":[\"a\"]}",
		"{\"refresh_token\":\"\"}",
		/* not complete, or with something wrong behind it */
		"{\"refresh_token\"",
		"{\"refresh_token\":",
		"{\"refresh_token\":\"a",
		"{\"refresh_token\":\"a\\\"",
		"{\"refresh_token\":\"a\"b\"}",
		"{\"refresh_token\":\"a\":1}",
		"{\"refresh_token\":\"a,\"scope\":\"api\"}",
		"{\"refresh_token\":\"a\"]",
		/* bytes that no token has */
		"{\"refresh_token\":\"a b\"}",
		"{\"refresh_token\":\"a\\u0000b\"}",
		"{\"refresh_token\":\"a\\nb\"}",
		"{\"refresh_token\":\"a\nb\"}",
		"{\"refresh_token\":\"a\\u00e4\"}",
		"{\"refresh_token\":\"a\xc3\xa4\"}",
		"{\"refresh_token\":\"a\xff\"}",
		"{\"refresh_token\":\"a\\x\"}",
		"{\"refresh_token\":\"a\\u12\"}",
		"{\"refresh_token\":\"a\x7f\"}",
		/* an error gives no token */
		"{\"error\":\"invalid_grant\",\"refresh_token\":\"a\"",
		"{\"refresh_token\":\"a\",\"error\":\"inv",
		"{\"refresh_token\":\"a\",\"error\"",
	};

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		check_salvage(bodies[i], NULL);
}

/* Wherever an answer breaks off: from the closing quote on the token is found, and never any part of it. */
TEST(an_answer_cut_anywhere_gives_all_or_nothing)
{
	static const char *const bodies[] = {
		GOOD,
		"{\"refresh_token\":\"5Aep861TSES.x_y\"}",
		"{\"scope\":\"refresh_token\",\"refresh_token\" : \"5Aep861\\u0054SES\\u002ex\\u005Fy\" ,\"x\":{\"y\":\"z\"}}",
	};

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		const char *whole = bodies[i], *name = strstr(whole, "\"refresh_token\""), *end;

		if (!strchr(":", name[15]) && name[15] != ' ')
			name = strstr(name + 1, "\"refresh_token\"");
		end = strchr(strchr(name + 15, '"') + 1, '"') + 1;
		check_row(whole);
		for (size_t size = 0; size <= strlen(whole); size++) {
			CLEANUP(secret_unrefp) struct secret *s = salvage(whole, size);

			CHECK_STR(s ? secret_bytes(s) : NULL,
				  size >= (size_t)(end - whole) ? "5Aep861TSES.x_y" : NULL);
		}
	}
}

/* One byte lost, or another one in its place: the right token, or none. Only where the token itself was hit may it be another. */
static size_t right_tokens(const char *body, size_t size)
{
	CLEANUP(secret_unrefp) struct secret *s = salvage(body, size);

	if (s)
		CHECK_STR(secret_bytes(s), "5Aep861TSES.x_y");
	return s != NULL;
}

TEST(a_damaged_answer_gives_no_other_token)
{
	static const char good[] = GOOD, damage[] = "\"\\{}[]:,x\n\x80";
	const char *token = strstr(good, "5Aep861");
	size_t size = sizeof good - 1, found = 0;

	for (size_t at = 0; at < size; at++) {
		char body[sizeof good];

		if (good + at >= token && good + at < token + strlen("5Aep861TSES.x_y"))
			continue;
		memcpy(body, good, at);
		memcpy(body + at, good + at + 1, size - at);
		found += right_tokens(body, size - 1);
		memcpy(body, good, sizeof good);
		for (size_t i = 0; i < sizeof damage; i++) { /* the NUL at its end as well */
			body[at] = damage[i];
			found += right_tokens(body, size);
		}
	}
	CHECK(found > 500);
}

TEST(a_token_has_at_most_16_KiB)
{
	for (size_t size = 16 * 1024; size <= 16 * 1024 + 1; size++) {
		CLEANUP(cleanup_free) char *body = malloc(size + 40);
		size_t at = strlen("{\"refresh_token\":\"");
		struct secret *s;

		REQUIRE(body != NULL);
		memcpy(body, "{\"refresh_token\":\"", at);
		memset(body + at, 'a', size);
		body[at + size] = '"';
		s = salvage(body, at + size + 1);
		CHECK_INT(s ? secret_size(s) : 0, size == 16 * 1024 ? size : 0);
		secret_unref(s);
	}
}

TEST(only_what_came_with_200_counts)
{
	static const enum http_outcome outcomes[] = { HTTP_ANSWERED, HTTP_UNKNOWN, HTTP_TOO_BIG,
						      HTTP_UNSENT, HTTP_REFUSED };

	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		struct http_response res = answer(200, "text/html", GOOD, strlen(GOOD));
		struct secret *s;

		res.outcome = outcomes[i];
		s = oauth_salvage_refresh(&res);
		CHECK_INT(s != NULL, i < 3);
		secret_unref(s);
		res.status = 500;
		CHECK(oauth_salvage_refresh(&res) == NULL);
		res.status = 0;
		CHECK(oauth_salvage_refresh(&res) == NULL);
		answer_free(&res);
		res.status = 200;
		CHECK(oauth_salvage_refresh(&res) == NULL);
	}
}

/* --- who knows what became of the token --- */

#define TOKEN(rest) \
	"{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.salesforce.com\"" rest \
	"}"

static const struct {
	enum http_outcome outcome;
	long status;
	const char *body;
	bool unknown;
} answers[] = {
	{ HTTP_UNSENT, 0, "", false },
	{ HTTP_REFUSED, 0, "", false },
	{ HTTP_UNKNOWN, 0, "", true },
	{ HTTP_UNKNOWN, 200, "{", true },
	{ HTTP_UNKNOWN, 400, "{\"error\":\"inv", true },
	{ HTTP_TOO_BIG, 200, "xxx", true },
	{ HTTP_ANSWERED, 400, "{\"error\":\"invalid_grant\"}", false },
	{ HTTP_ANSWERED, 500, "{\"error\":\"server_error\"}", false },
	{ HTTP_ANSWERED, 502, "{\"error\":\"unknown_error\"}", false },
	{ HTTP_ANSWERED, 200, "{\"error\":\"unknown_error\"}", false },
	{ HTTP_ANSWERED, 429, "slow down", false },
	{ HTTP_ANSWERED, 503, "<html>maintenance</html>", false },
	{ HTTP_ANSWERED, 302, "", false },
	{ HTTP_ANSWERED, 404, "<html>", false },
	{ HTTP_ANSWERED, 400, "nonsense", false },
	{ HTTP_ANSWERED, 500, "<html>", true },
	{ HTTP_ANSWERED, 502, "", true },
	{ HTTP_ANSWERED, 504, "{}", true },
	{ HTTP_ANSWERED, 200, "<html>maintenance</html>", true },
	{ HTTP_ANSWERED, 200, "", true },
	{ HTTP_ANSWERED, 200, "{}", true },
	{ HTTP_ANSWERED, 200, "[]", true },
	{ HTTP_ANSWERED, 200, "Destination URL not reset", true },
	{ HTTP_ANSWERED, 204, "", true },
	{ HTTP_ANSWERED, 200, TOKEN(",\"refresh_token\":7"), true },
	{ HTTP_ANSWERED, 200, TOKEN(",\"refresh_token\":\"\""), true },
	{ HTTP_ANSWERED, 200, TOKEN(",\"refresh_token\":\"a b\""), true },
	/* an answer of the token endpoint that keeps the token, though it is of no use */
	{ HTTP_ANSWERED, 200, "{\"access_token\":\"t\",\"token_type\":\"MAC\"}", false },
	{ HTTP_ANSWERED, 200,
	  "{\"access_token\":\"t\",\"token_type\":\"MAC\",\"refresh_token\":null}", false },
	{ HTTP_ANSWERED, 200,
	  "{\"access_token\":\"t\",\"token_type\":\"MAC\",\"refresh_token\":\"r\"}", true },
};

TEST(the_rule_of_unknown_spends)
{
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		struct http_response res = answer_json(answers[i].status, answers[i].body);
		struct problem p;

		check_row(answers[i].body);
		res.outcome = answers[i].outcome;
		res.problem = "x";
		CHECK(oauth_read_token(&res, GRANT_REFRESH_TOKEN, &answer_hosts, NULL, &p) == NULL);
		CHECK_INT(p.spend_unknown, answers[i].unknown);
		grant_unref(oauth_read_token(&res, GRANT_JWT_BEARER, &answer_hosts, NULL, &p));
		CHECK(!p.spend_unknown); /* nothing is spent */
		answer_free(&res);
	}
}

static struct grant *read_refresh(const char *body, int grant_type)
{
	struct http_response res = answer_json(200, body);
	struct problem p;
	struct grant *g = oauth_read_token(&res, grant_type, &answer_hosts, NULL, &p);

	CHECK(!g || (!p.spend_unknown && p.class == PROBLEM_NONE));
	answer_free(&res);
	return g;
}

TEST(the_next_token_comes_with_the_grant)
{
	static const struct {
		const char *body, *token;
	} rows[] = {
		{ GOOD, "5Aep861TSES.x_y" },
		{ TOKEN(",\"refresh_token\":\"a\\/b\""), "a/b" },
		{ TOKEN(""), NULL }, /* rotation off */
		{ TOKEN(",\"refresh_token\":null"), NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(grant_unrefp)
		struct grant *g = read_refresh(rows[i].body, GRANT_REFRESH_TOKEN);

		check_row(rows[i].body);
		REQUIRE(g != NULL);
		CHECK_STR(g->refresh_token ? secret_bytes(g->refresh_token) : NULL, rows[i].token);
	}
}

/* Grants that begin anew each time have no use for one, and are not stopped by a strange one. */
TEST(other_grants_take_none)
{
	CLEANUP(grant_unrefp) struct grant *good = read_refresh(GOOD, GRANT_JWT_BEARER);
	CLEANUP(grant_unrefp)
	struct grant *strange = read_refresh(TOKEN(",\"refresh_token\":7"), GRANT_JWT_BEARER);

	CHECK(good && !good->refresh_token);
	CHECK(strange && !strange->refresh_token);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a server says that its endpoints are, and what is not believed. */
#include <stdio.h>

#include "daemon/mint/discovery.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"

#define ISSUER "https://op.example/realms/a"
#define REST \
	"\"authorization_endpoint\":\"https://op.example/auth\",\"scopes_supported\":[\"openid\"]," \
	"\"device_authorization_endpoint\":\"https://op.example/device\",\"userinfo_endpoint\":\"https://api.op.example/me\"," \
	"\"introspection_endpoint\":\"https://op.example/introspect\",\"revocation_endpoint\":\"https://op.example/revoke\""
#define TOKEN "\"token_endpoint\":\"https://op.example/token\""

static char *host_items[] = { (char[]){ "op.example" }, (char[]){ "*.op.example" },
			      (char[]){ "127.0.0.1:8080" } };
static const struct config_list hosts = { host_items, 3 };

static const char *url_of(const char *issuer, unsigned place)
{
	static char text[400];
	struct http_request req = { 0 };
	struct err err = { 0 };

	if (discovery_request(issuer, place, &req, &err) < 0)
		snprintf(text, sizeof text, "%s", err.text);
	else
		snprintf(text, sizeof text, "%s%s",
			 req.post || req.body || req.bearer ? "POST " : "", req.url);
	http_request_fini(&req);
	return text;
}

TEST(the_two_places)
{
	CHECK_STR(url_of("https://op.example", 0),
		  "https://op.example/.well-known/openid-configuration");
	CHECK_STR(url_of("https://op.example/", 0),
		  "https://op.example/.well-known/openid-configuration");
	CHECK_STR(url_of(ISSUER, 0), ISSUER "/.well-known/openid-configuration");
	CHECK_STR(url_of("https://op.example:8443/", 1),
		  "https://op.example:8443/.well-known/oauth-authorization-server");
	CHECK_STR(url_of(ISSUER "/", 1),
		  "https://op.example/.well-known/oauth-authorization-server/realms/a");
	CHECK_STR(url_of("http://op.example", 0), "Issuer= is not a URL that can be asked");
}

static enum discovery read_as(long status, const char *body, unsigned place, struct endpoints **e,
			      struct problem *p)
{
	struct http_response res = answer_json(status, body);
	enum discovery d = discovery_read(&res, ISSUER, place, &hosts, e, p);

	answer_free(&res);
	return d;
}

TEST(a_document_is_read)
{
	struct endpoints *e = NULL;
	struct problem p;

	REQUIRE(read_as(200, "{\"issuer\":\"" ISSUER "\"," TOKEN "," REST "}", 0, &e, &p) ==
		DISCOVERY_FOUND);
	CHECK_STR(e->issuer, ISSUER);
	CHECK_STR(e->token, "https://op.example/token");
	CHECK_STR(e->authorization, "https://op.example/auth");
	CHECK_STR(e->device_authorization, "https://op.example/device");
	CHECK_STR(e->userinfo, "https://api.op.example/me");
	CHECK_STR(e->introspection, "https://op.example/introspect");
	CHECK_STR(e->revocation, "https://op.example/revoke");
	CHECK_INT(e->refs, 1);
	e = endpoints_unref(e);
	REQUIRE(read_as(200, "{" TOKEN ",\"userinfo_endpoint\":1,\"issuer\":\"" ISSUER "\"}", 1, &e,
			&p) == DISCOVERY_FOUND);
	CHECK(!e->userinfo && !e->revocation);
	endpoints_unref(e);
}

TEST(what_is_not_believed)
{
	static const struct {
		long status;
		const char *body, *word;
		unsigned place;
		enum discovery d;
		enum problem_class class;
	} rows[] = {
		{ 200, "{\"issuer\":\"https://op.example/realms/a/\"," TOKEN "}",
		  "another issuer (https://op.example/realms/a/)", 0, DISCOVERY_FAILED,
		  PROBLEM_ADMIN },
		{ 200, "{" TOKEN "}", "(none)", 0, DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 200, "{\"issuer\":\"" ISSUER "\"}", "no token_endpoint", 0, DISCOVERY_FAILED,
		  PROBLEM_ADMIN },
		{ 200, "{\"issuer\":\"" ISSUER "\",\"token_endpoint\":7}", "no token_endpoint", 0,
		  DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 200, "{\"issuer\":\"" ISSUER "\",\"token_endpoint\":\"https://evil.example/\"}",
		  "AllowedHosts=", 0, DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 200, "{\"issuer\":\"" ISSUER "\",\"token_endpoint\":\"http://op.example/\"}",
		  "use https", 0, DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 200,
		  "{\"issuer\":\"" ISSUER "\"," TOKEN
		  ",\"revocation_endpoint\":\"https://evil.example/\"}",
		  "revocation_endpoint", 0, DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 200,
		  "{\"issuer\":\"" ISSUER "\"," TOKEN
		  ",\"authorization_endpoint\":\"file:///etc/passwd\"}",
		  "authorization_endpoint", 0, DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 200, "{\"issuer\":\"" ISSUER "\"," TOKEN "," TOKEN "}", "", 0,
		  DISCOVERY_ELSEWHERE, PROBLEM_NONE },
		{ 404, "", "", 0, DISCOVERY_ELSEWHERE, PROBLEM_NONE },
		{ 200, "<html>", "", 0, DISCOVERY_ELSEWHERE, PROBLEM_NONE },
		{ 302, "", "", 0, DISCOVERY_ELSEWHERE, PROBLEM_NONE },
		{ 200, "[]", "no discovery document", 1, DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 404, "", "HTTP 404", 1, DISCOVERY_FAILED, PROBLEM_ADMIN },
		{ 503, "", "in trouble", 0, DISCOVERY_FAILED, PROBLEM_RETRY },
		{ 429, "", "too many", 0, DISCOVERY_FAILED, PROBLEM_RATE },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct endpoints *e = NULL;
		struct problem p;

		check_row(rows[i].body);
		CHECK_INT(read_as(rows[i].status, rows[i].body, rows[i].place, &e, &p), rows[i].d);
		CHECK(e == NULL);
		if (rows[i].d == DISCOVERY_ELSEWHERE)
			continue;
		CHECK_INT(p.class, rows[i].class);
		if (!strstr(p.message, rows[i].word))
			CHECK_STR(p.message, rows[i].word);
	}
}

TEST(no_answer_is_a_reason_to_try_again)
{
	struct http_response res = {
		.outcome = HTTP_UNSENT, .content_type = "", .location = "", .problem = "no address"
	};
	struct endpoints *e = NULL;
	struct problem p;

	CHECK_INT(discovery_read(&res, ISSUER, 0, &hosts, &e, &p), DISCOVERY_FAILED);
	CHECK_INT(p.class, PROBLEM_RETRY);
	CHECK(strstr(p.message, "no address"));
}

CHECK_MAIN()

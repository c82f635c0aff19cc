/* SPDX-License-Identifier: Apache-2.0 */
/* The listener of logins: what a request may be, who is heard, who waits, and who can take its port. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/cli/redirect_parts.h"
#include "tests/unit/check.h"

#define STATE "c3RhdGUtb2YtdGhlLWxvZ2lu"
#define NONCE "00112233445566778899aabbccddeeff"
#define HOST "Host: localhost:1717\r\n"
#define ORIGIN "Origin: http://localhost:1717\r\n"

/* --- URIs --- */

TEST(a_redirect_uri_says_where_to_listen)
{
	static const struct {
		const char *text;
		int code;
		bool v4, v6;
		unsigned port;
		const char *origin, *path;
	} rows[] = {
		{ "http://localhost:1717/OauthRedirect", 0, true, true, 1717,
		  "http://localhost:1717", "/OauthRedirect" },
		{ "HTTP://LocalHost:1717/x", 0, true, true, 1717, "http://localhost:1717", "/x" },
		{ "http://127.0.0.1:0/x?a=b", 0, true, false, 0, "http://127.0.0.1:0", "/x" },
		{ "http://[::1]:65535/", 0, false, true, 65535, "http://[::1]:65535", "/" },
		{ "http://localhost", 0, true, true, 80, "http://localhost", "" },
		{ "http://[::1]", 0, false, true, 80, "http://[::1]", "" },
		{ "http://localhost:80/x", 0, true, true, 80, "http://localhost", "/x" },
		{ "https://localhost:1717/x", 0, false, false, 0, "", "https" },
		{ "com.example.app:/x", 0, false, false, 0, "", "com" },
		{ "http://localhost.evil.example:1717/", 0, false, false, 1717, "", "/" },
		{ "http://127.0.0.2:1717/", 0, false, false, 1717, "", "/" },
		{ "http://0.0.0.0:1717/", 0, false, false, 1717, "", "/" },
		{ "http://192.0.2.1/", 0, false, false, 80, "", "/" },
		{ "http://localhost:65536/", -EINVAL, false, false, 0, "", "" },
		{ "http://localhost:/", -EINVAL, false, false, 0, "", "" },
		{ "http://localhost:17x/", -EINVAL, false, false, 0, "", "" },
		{ "http://localhost:+17/", -EINVAL, false, false, 0, "", "" },
		{ "http://user@localhost:1717/", -EINVAL, false, false, 0, "", "" },
		{ "http://localhost:1717@evil.example/", -EINVAL, false, false, 0, "", "" },
		{ "http://localhost:1717/#x", -EINVAL, false, false, 0, "", "" },
		{ "http://localhost:1717/ x", -EINVAL, false, false, 0, "", "" },
		{ "http://localhost:1717/\r\nx", -EINVAL, false, false, 0, "", "" },
		{ "http://:1717/", -EINVAL, false, false, 0, "", "" },
		{ "http://[::1:1717/", -EINVAL, false, false, 0, "", "" },
		{ "/OauthRedirect", -EINVAL, false, false, 0, "", "" },
		{ "", -EINVAL, false, false, 0, "", "" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct redirect_uri uri;

		check_row(rows[i].text);
		if (!CHECK_INT(redirect_uri_parse(rows[i].text, &uri), rows[i].code) ||
		    rows[i].code)
			continue;
		CHECK_INT(uri.v4, rows[i].v4);
		CHECK_INT(uri.v6, rows[i].v6);
		CHECK_INT(uri.port, rows[i].port);
		CHECK_STR(uri.origin, rows[i].origin);
		if (rows[i].origin[0])
			CHECK_MEM(uri.text + uri.path, uri.path_len, rows[i].path,
				  strlen(rows[i].path));
	}
}

static void check_port(const char *text, unsigned port, const char *wanted)
{
	struct redirect_uri uri;
	char *changed;

	check_row(text);
	CHECK_INT(redirect_uri_parse(text, &uri), 0);
	changed = redirect_uri_with_port(&uri, port);
	CHECK_STR(changed, wanted);
	free(changed);
}

TEST(only_the_port_is_changed)
{
	check_port("http://localhost:0/x?a=b:0", 4711, "http://localhost:4711/x?a=b:0");
	check_port("http://[::1]:0/x", 1, "http://[::1]:1/x");
	check_port("http://127.0.0.1", 65535, "http://127.0.0.1:65535");
}

static void check_parameter(const char *url, const char *name, const char *wanted)
{
	char *value = url_parameter(url, name);

	check_row(url);
	CHECK_STR(value, wanted);
	free(value);
}

TEST(a_parameter_of_a_url_is_decoded)
{
	check_parameter("https://x/?a=1&redirect_uri=http%3A%2F%2Flocalhost%3a0%2Fx&b=2",
			"redirect_uri", "http://localhost:0/x");
	check_parameter("https://x/?state=a%2bb+c", "state", "a+b c");
	check_parameter("https://x/?xstate=1&state=2", "state", "2");
	check_parameter("https://x/?state=1&state=2", "state", "1");
	check_parameter("https://x/?state=", "state", "");
	check_parameter("https://x/?state", "state", NULL);
	check_parameter("https://x/?a=1#state=2", "state", NULL);
	check_parameter("https://x/#?state=2", "state",
			"2"); /* no URL of ours, and nothing follows from it */
	check_parameter("https://x/", "state", NULL);
	check_parameter("https://x/?state=%", "state", "%");
	check_parameter("https://x/?state=%4", "state", "%4");
	check_parameter("https://x/?state=%4g%41", "state", "%4gA");
}

/* --- requests --- */

static void make_rules(struct request_rules *rules, const char *uri, bool relay)
{
	*rules = (struct request_rules){ .relay = relay, .nonce = NONCE };
	CHECK_INT(redirect_uri_parse(uri, &rules->uri), 0);
}

struct request_row {
	const char *text;
	int status; /* 0: it is a redirect, 200: the relay page, 1: more is needed */
};

static int status_of(const struct request *request)
{
	switch (request->kind) {
	case REQUEST_MORE:
		return 1;
	case REQUEST_REDIRECT:
		return 0;
	case REQUEST_RELAY:
		return 200;
	default:
		return request->status;
	}
}

/* At whatever byte the network cuts it: the verdict is the same, and comes no earlier than the end for what is let in. */
static void check_split(const struct request_rules *rules, const struct request_row *row)
{
	size_t len = strlen(row->text);
	struct request request;

	check_row(row->text);
	for (size_t i = 0; i < len; i++) {
		char *part = malloc(i + 1); /* so that a look behind its end is seen */
		int status;

		REQUIRE(part != NULL);
		memcpy(part, row->text, i);
		request_judge(rules, part, i, &request);
		status = status_of(&request);
		CHECK(status == 1 || (status == row->status && status >= 400));
		free(part);
	}
	request_judge(rules, row->text, len, &request);
	CHECK_INT(status_of(&request), row->status);
}

#define QUERY "code=x&state=" STATE

TEST(one_shape_of_request_is_let_in)
{
	static const struct request_row rows[] = {
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 0 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.0\r\n" HOST "\r\n", 0 },
		{ "GET /OauthRedirect?" QUERY
		  " HTTP/1.1\r\nhOST:\tLOCALHOST:1717 \r\nContent-Length: 0\r\nX: \xe9\r\n\r\n",
		  0 },
		{ "GET /OauthRedirect?state=x HTTP/1.1\r\n" HOST "\r\n", 0 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "\r", 1 },
		{ "GET /OauthRedirect?" QUERY, 1 },
		{ "GET /OauthRedirect HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect? HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?code=x HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?code=x&state= HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?code=x&state HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?xstate=x HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?error=x HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?state=\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?state=x#y HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\nHost: localhost\r\n\r\n", 421 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\nHost: localhost:17170\r\n\r\n", 421 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\nHost: 127.0.0.1:1717\r\n\r\n", 421 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\nHost: evil.example:1717\r\n\r\n", 421 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\nHost:\r\n\r\n", 421 },
		{ "GET /other?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 404 },
		{ "GET /OauthRedirect/?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 404 },
		{ "GET /oauthredirect?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 404 },
		{ "GET /%4fauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 404 },
		{ "HEAD /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 405 },
		{ "POST /OauthRedirect HTTP/1.1\r\n" HOST ORIGIN "X-Sftoken-Nonce: " NONCE
		  "\r\nContent-Length: 7\r\n\r\n",
		  405 },
		{ "GET http://localhost:1717/OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "\r\n",
		  400 },
		{ "GET  /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY "\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1 x\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/2.0\r\n" HOST "\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST
		  "Transfer-Encoding: chunked\r\n\r\n",
		  400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n",
		  400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST
		  "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
		  400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST
		  "Content-Length: 00000000000000000000\r\n\r\n",
		  400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "nothing\r\n\r\n", 400 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400 },
	};
	/* these are known to be wrong before their end */
	static const char *const early[] = {
		"\r\n\r\n", "\n",   "\x16\x03\x01", "GET /OauthRedirect?state=x HTTP/1.1\n",
		"G\rE",     "G\x7f"
	};
	struct request_rules rules;
	struct request request;

	make_rules(&rules, "http://localhost:1717/OauthRedirect", false);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_split(&rules, &rows[i]);
	for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
		check_row(early[i]);
		request_judge(&rules, early[i], strlen(early[i]), &request);
		CHECK_INT(status_of(&request), 400);
	}
	request_judge(&rules, "GET /\0", 6, &request);
	CHECK_INT(status_of(&request), 400);
}

TEST(a_browser_that_asks_for_its_icon_misses_nothing)
{
	struct request_rules rules;
	struct request request;
	const char icon[] = "GET /favicon.ico HTTP/1.1\r\n" HOST "\r\n",
		   other[] = "GET /favicon.icon HTTP/1.1\r\n" HOST "\r\n";

	make_rules(&rules, "http://localhost:1717/OauthRedirect", false);
	request_judge(&rules, icon, sizeof icon - 1, &request);
	CHECK_INT(request.status, 404);
	CHECK(!request.miss);
	request_judge(&rules, other, sizeof other - 1, &request);
	CHECK_INT(request.status, 404);
	CHECK(request.miss);
}

static void check_url(const char *uri, const char *text, const char *wanted)
{
	struct request_rules rules;
	struct request request;
	char *url;

	check_row(uri);
	make_rules(&rules, uri, true);
	request_judge(&rules, text, strlen(text), &request);
	CHECK_INT(request.kind, REQUEST_REDIRECT);
	url = request_url(&rules, &request);
	CHECK_STR(url, wanted);
	free(url);
}

TEST(the_url_is_what_the_browser_was_sent_to)
{
	check_url("http://localhost:1717/x", "GET /x?a=%20&state=s HTTP/1.1\r\n" HOST "\r\n",
		  "http://localhost:1717/x?a=%20&state=s");
	check_url("http://localhost:1717", "GET /?state=s HTTP/1.1\r\n" HOST "\r\n",
		  "http://localhost:1717?state=s");
	check_url("http://localhost:1717/x?t=1", "GET /x?t=1&state=s HTTP/1.1\r\n" HOST "\r\n",
		  "http://localhost:1717/x?t=1&state=s");
	check_url("http://localhost/x", "GET /x?state=s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		  "http://localhost/x?state=s");
	check_url("http://localhost:1717/x",
		  "POST /x HTTP/1.1\r\n" HOST ORIGIN "X-Sftoken-Nonce: " NONCE
		  "\r\nContent-Length: 7\r\n\r\nstate=s",
		  "http://localhost:1717/x#state=s");
}

#define POST "POST /OauthRedirect HTTP/1.1\r\n"
#define KNOWS "X-Sftoken-Nonce: " NONCE "\r\n"

TEST(the_relay_page_alone_may_post)
{
	static const struct request_row rows[] = {
		{ "GET /OauthRedirect HTTP/1.1\r\n" HOST "\r\n", 200 },
		{ "GET /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST "\r\n", 0 },
		{ "GET /OauthRedirect? HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ POST HOST ORIGIN KNOWS "Content-Length: 7\r\n\r\nstate=s", 0 },
		{ POST HOST ORIGIN KNOWS "Content-Length: 8\r\n\r\nstate=s", 1 },
		{ POST HOST KNOWS "Content-Length: 7\r\n\r\n", 403 },
		{ POST HOST "Origin: null\r\n" KNOWS "Content-Length: 7\r\n\r\n", 403 },
		{ POST HOST "Origin: http://localhost\r\n" KNOWS "Content-Length: 7\r\n\r\n", 403 },
		{ POST HOST "Origin: https://localhost:1717\r\n" KNOWS "Content-Length: 7\r\n\r\n",
		  403 },
		{ POST HOST ORIGIN "Content-Length: 7\r\n\r\n", 403 },
		{ POST HOST ORIGIN "X-Sftoken-Nonce:\r\nContent-Length: 7\r\n\r\n", 403 },
		{ POST HOST ORIGIN
		  "X-Sftoken-Nonce: 00112233445566778899aabbccddeefe\r\nContent-Length: 7\r\n\r\n",
		  403 },
		{ POST HOST ORIGIN
		  "X-Sftoken-Nonce: 00112233445566778899aabbccddeef\r\nContent-Length: 7\r\n\r\n",
		  403 },
		{ POST HOST ORIGIN "X-Sftoken-Nonce: " NONCE NONCE "\r\nContent-Length: 7\r\n\r\n",
		  403 },
		{ POST HOST ORIGIN KNOWS KNOWS "Content-Length: 7\r\n\r\n", 400 },
		{ POST HOST ORIGIN ORIGIN KNOWS "Content-Length: 7\r\n\r\n", 400 },
		{ POST HOST ORIGIN KNOWS "\r\n", 411 },
		{ POST HOST ORIGIN KNOWS "Content-Length: 16385\r\n\r\n", 413 },
		{ POST HOST ORIGIN KNOWS "Content-Length: 0\r\n\r\n", 400 },
		{ POST HOST ORIGIN KNOWS "Content-Length: 4\r\n\r\na=bc", 400 },
		{ POST HOST ORIGIN KNOWS "Content-Length: 9\r\n\r\nstate=s x", 400 },
		{ POST HOST ORIGIN KNOWS "Transfer-Encoding: chunked\r\n\r\n", 400 },
		{ POST "Host: evil.example:1717\r\n" ORIGIN KNOWS "Content-Length: 7\r\n\r\n",
		  421 },
		{ "POST /OauthRedirect?" QUERY " HTTP/1.1\r\n" HOST ORIGIN KNOWS
		  "Content-Length: 7\r\n\r\n",
		  400 },
		{ "PUT /OauthRedirect HTTP/1.1\r\n" HOST ORIGIN KNOWS "Content-Length: 7\r\n\r\n",
		  405 },
	};
	struct request_rules rules;

	make_rules(&rules, "http://localhost:1717/OauthRedirect", true);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_split(&rules, &rows[i]);
}

TEST(a_head_has_at_most_8_KiB_and_a_body_16)
{
	static const char end[] = "\r\n\r\nstate=", late[] = "x\r\n\r\n"; /* one byte more */
	static char text[REDIRECT_HEAD_MAX + REDIRECT_BODY_MAX + 1];
	struct request_rules rules;
	struct request request;
	size_t head;

	make_rules(&rules, "http://localhost:1717/OauthRedirect", true);
	memset(text, 'a', sizeof text);
	request_judge(&rules, text, REDIRECT_HEAD_MAX - 1, &request);
	CHECK_INT(request.kind, REQUEST_MORE);
	request_judge(&rules, text, REDIRECT_HEAD_MAX, &request);
	CHECK_INT(request.status, 431);
	head = (size_t)snprintf(
		text, sizeof text,
		POST HOST ORIGIN KNOWS "Content-Length: %d\r\nX: ", REDIRECT_BODY_MAX);
	memset(text + head, 'x', REDIRECT_HEAD_MAX - 4 - head);
	memcpy(text + REDIRECT_HEAD_MAX - 4, end, sizeof end - 1);
	memset(text + REDIRECT_HEAD_MAX + 6, 'b', REDIRECT_BODY_MAX - 6);
	request_judge(&rules, text, sizeof text - 2, &request);
	CHECK_INT(request.kind, REQUEST_MORE);
	request_judge(&rules, text, sizeof text - 1, &request);
	CHECK_INT(request.kind, REQUEST_REDIRECT);
	CHECK_INT(request.part_len, REDIRECT_BODY_MAX);
	memcpy(text + REDIRECT_HEAD_MAX - 4, late, sizeof late - 1);
	request_judge(&rules, text, sizeof text - 1, &request);
	CHECK_INT(request.status, 431);
}

TEST(secrets_are_the_same_or_not)
{
	CHECK(same_secret("abc", 3, "abc"));
	CHECK(!same_secret("abd", 3, "abc"));
	CHECK(!same_secret("abcabc", 6, "abc"));
	CHECK(!same_secret("ab", 2, "abc"));
	CHECK(!same_secret("", 0, "abc"));
	CHECK(!same_secret("abc", 3, ""));
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Salesforce says: "reply token T1 expires_in=900", "reply error invalid_grant "text"", "reply 503", "reply active exp=+900", "reply lost" ...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/oauth.h"
#include "tests/scenario/script.h"

#define INSTANCE "https://example.my.salesforce.com"
#define IDENTITY "https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA"

static int64_t seconds(const char *text)
{
	return text ? strtoll(text[0] == '+' ? text + 1 : text, NULL, 10) : 0;
}

/* The server's clock: ours, and date=+N seconds. */
static int64_t server_ms(char **words, size_t n)
{
	return clock_real_ms() / 1000 * 1000 + seconds(script_option(words, n, "date")) * 1000;
}

/* A token in JWT format that lives so long and was made age= seconds ago. */
static char *jwt_token(const char *name, int64_t now_s, int64_t life_s)
{
	char claims[160];
	struct buf b;

	snprintf(claims, sizeof claims, "{\"n\":\"%s\",\"iat\":%lld,\"exp\":%lld}", name,
		 (long long)now_s, (long long)(now_s + life_s));
	buf_init(&b, 1024);
	buf_add_text(&b, "eyJhbGciOiJSUzI1NiJ9.");
	oauth_base64url(&b, claims, strlen(claims));
	buf_add_text(&b, ".c2lnbmF0dXJl");
	return b.data;
}

static void token_body(struct script *s, struct buf *body, char **words, size_t n)
{
	struct script_token *t = script_token(s, words[1]);
	const char *expires_in = script_option(words, n, "expires_in"),
		   *life = script_option(words, n, "jwt_life");
	const char *instance = script_option(words, n, "instance");

	if (!t->text)
		t->text = life ? jwt_token(t->name,
					   server_ms(words, n) / 1000 -
						   seconds(script_option(words, n, "age")),
					   seconds(life))
			       : strdup(t->name);
	buf_addf(body,
		 "{\"access_token\":\"%s\",\"instance_url\":\"%s\",\"id\":\"" IDENTITY
		 "\",\"token_type\":\"Bearer\",\"scope\":\"api id\"",
		 t->text, instance ? instance : INSTANCE);
	if (expires_in)
		buf_addf(body, ",\"expires_in\":%s", expires_in);
	if (script_option(words, n, "refresh"))
		buf_addf(body, ",\"refresh_token\":\"%s\"", script_option(words, n, "refresh"));
	buf_add_text(body, "}");
}

static void active_body(struct buf *body, char **words, size_t n)
{
	const char *exp = script_option(words, n, "exp");

	buf_add_text(
		body,
		"{\"active\":true,\"token_type\":\"access_token\",\"client_id\":\"3MVG9.app\"");
	if (exp)
		buf_addf(body, ",\"exp\":%lld",
			 (long long)(server_ms(words, n) / 1000 + seconds(exp)));
	buf_add_text(body, "}");
}

/* Userinfo: who the token belongs to. */
static void user_body(struct buf *body, char **words, size_t n)
{
	const char *id = script_option(words, n, "id");

	buf_addf(body,
		 "{\"sub\":\"" IDENTITY
		 "\",\"user_id\":\"%s\",\"organization_id\":\"00D000000000001AAA\","
		 "\"preferred_username\":\"%s\"}",
		 id ? id : "005000000000001AAA", words[1]);
}

static void device_body(struct buf *body, char **words, size_t n)
{
	const char *expires_in = script_option(words, n, "expires_in");

	buf_addf(body,
		 "{\"device_code\":\"%s\",\"user_code\":\"ABCD1234\",\"verification_uri\":"
		 "\"https://example.my.salesforce.com/setup/connect\",\"interval\":5",
		 words[1]);
	if (expires_in)
		buf_addf(body, ",\"expires_in\":%s", expires_in);
	buf_add_text(body, "}");
}

static bool login_body(struct buf *body, char **words, size_t n)
{
	if (n < 2)
		return false;
	if (strcmp(words[0], "user") == 0)
		user_body(body, words, n);
	else if (strcmp(words[0], "device") == 0)
		device_body(body, words, n);
	else
		return false;
	return true;
}

/* Without its closing brace: not JSON, but all members came. */
static void drop_last(struct buf *b)
{
	b->data[--b->len] = '\0';
}

static bool outcome(struct http_response *res, const char *word)
{
	static const struct {
		const char *word;
		enum http_outcome outcome;
		const char *problem;
	} table[] = {
		{ "lost", HTTP_UNKNOWN, "the connection was closed before the answer came" },
		{ "unsent", HTTP_UNSENT, "cannot connect" },
		{ "huge", HTTP_TOO_BIG, "the answer is too big" },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (strcmp(word, table[i].word) != 0)
			continue;
		res->outcome = table[i].outcome;
		res->problem = table[i].problem;
		return true;
	}
	return false;
}

static bool fill(struct script *s, struct http_response *res, struct buf *body, char **words,
		 size_t n)
{
	const char *what = words[0], *text = script_option(words, n, "body");

	res->status = 200;
	if (strcmp(what, "token") == 0 && n >= 2) {
		token_body(s, body, words, n);
	} else if (strcmp(what, "cut") == 0 &&
		   n >= 2) { /* the connection ends in the middle of a token */
		token_body(s, body, words, n);
		drop_last(body);
		res->outcome = HTTP_UNKNOWN;
		res->problem = "the answer broke off";
	} else if (strcmp(what, "error") == 0 && n >= 3) {
		res->status = 400;
		buf_addf(body, "{\"error\":\"%s\",\"error_description\":\"%s\"}", words[1],
			 words[2]);
	} else if (login_body(body, words, n)) {
		return true;
	} else if (strcmp(what, "active") == 0) {
		active_body(body, words, n);
	} else if (strcmp(what, "inactive") == 0) {
		buf_add_text(body, "{\"active\":false}");
	} else if (strcmp(what, "html") == 0) {
		res->content_type = "text/html";
		buf_add_text(body, "<html><body>We are down for maintenance</body></html>");
	} else if (outcome(res, what)) {
		return true;
	} else if (strspn(what, "0123456789") == 3) {
		res->status = strtol(what, NULL, 10);
		buf_add_text(body, text ? text : "{}");
	} else {
		return false;
	}
	return true;
}

void script_answer(struct script *s, char **words, size_t n)
{
	struct http_response res = { .outcome = HTTP_ANSWERED,
				     .content_type = "application/json",
				     .location = "" };
	struct buf body;

	buf_init(&body, HTTP_BODY_MAX);
	buf_add_text(&body, "");
	if (n == 0 || !fill(s, &res, &body, words, n)) {
		script_fail(s, "\"reply %s\" means nothing", n ? words[0] : "");
		buf_fini(&body);
		return;
	}
	res.retry_after_ms = seconds(script_option(words, n, "retry_after")) * 1000;
	res.date_real_ms = script_option(words, n, "no_date") ? 0 : server_ms(words, n);
	buf_reserve(&body, 1);
	res.body = body.data;
	if (res.body)
		res.body[body.len] = '\0';
	res.size = body.len;
	if (!fake_answer(&res))
		script_fail(s, "there is no request to reply to");
	buf_fini(&body);
}

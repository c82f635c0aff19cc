/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/salesforce.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "daemon/mint/oauth.h"
#include "proto/json.h"

enum { JWT_PAYLOAD_MAX = 12 * 1024, ENDPOINT_MAX = 1200, LOOK_AT = 1024 };

char *salesforce_url(const char *base, const char *what)
{
	size_t size = strlen(base);
	CLEANUP(buf_finip) struct buf b;

	while (size && base[size - 1] == '/')
		size--;
	buf_init(&b, ENDPOINT_MAX);
	buf_add(&b, base, size);
	buf_add_text(&b, "/services/oauth2/");
	buf_add_text(&b, what);
	return buf_failed(&b) ? NULL : TAKE(b.data);
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size > end_size && !strcmp(text + size - end_size, end);
}

/* salesforce-oauth.md 11: sandboxes and scratch orgs belong to test.salesforce.com, all others to login.salesforce.com. */
static const char *salesforce_realm(const char *host)
{
	if (!ends_with(host, ".salesforce.com"))
		return NULL;
	if (!strcmp(host, "test.salesforce.com") || strstr(host, ".sandbox.") ||
	    strstr(host, ".scratch."))
		return "https://test.salesforce.com";
	return "https://login.salesforce.com";
}

char *salesforce_audience(const struct credential *c)
{
	struct url parts;
	const char *realm;
	char *copy;
	size_t size;

	if (c->audience && c->audience[0])
		return strdup(c->audience);
	if (salesforce_parse_url(c->login_url, &parts, NULL) == 0 &&
	    (realm = salesforce_realm(parts.host)))
		return strdup(realm);
	copy = strdup(c->login_url);
	for (size = copy ? strlen(copy) : 0; size && copy[size - 1] == '/'; size--)
		copy[size - 1] = '\0';
	return copy;
}

char *salesforce_recipient(const struct credential *c, const char *audience)
{
	struct url parts;

	/* Salesforce's own sample has the token endpoint for an audience */
	if (ends_with(audience, "/services/oauth2/token"))
		return strdup(audience);
	return salesforce_url(salesforce_parse_url(audience, &parts, NULL) == 0 ? audience
										: c->login_url,
			      "token");
}

static bool id_ok(const char *text, size_t size)
{
	if (size != 15 && size != 18)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!isalnum((unsigned char)text[i]))
			return false;
	}
	return true;
}

int salesforce_identity(const char *identity_url, char **organization_id, char **user_id,
			struct err *err)
{
	const char *user = strrchr(identity_url, '/'), *org = user;
	char *org_copy, *user_copy;

	while (org && org > identity_url && org[-1] != '/')
		org--;
	if (!user || !org || org == identity_url || !id_ok(org, (size_t)(user - org)) ||
	    !id_ok(user + 1, strlen(user + 1)))
		return err_set(err, ERR_PROTOCOL,
			       "the identity URL does not end in an organization and a user id");
	org_copy = strndup(org, (size_t)(user - org));
	user_copy = strdup(user + 1);
	if (!org_copy || !user_copy) {
		free(org_copy);
		free(user_copy);
		return err_oom(err);
	}
	*organization_id = org_copy;
	*user_id = user_copy;
	return 0;
}

/* A NumericDate (RFC 7519 2) between 2001 and 2100; other values are not believed. */
static int64_t numeric_date(struct json_value v)
{
	int64_t s = json_type(v) == JSON_INT ? json_int(v) : 0;

	return s >= 1000000000 && s <= 4102444800 ? s : 0;
}

bool salesforce_jwt_life(const char *token, size_t size, int64_t *exp_s, int64_t *iat_s)
{
	const char *end = token + size, *first, *second;
	CLEANUP(buf_finip) struct buf payload;
	struct json_value key, value;

	*exp_s = *iat_s = 0;
	buf_init(&payload, JWT_PAYLOAD_MAX);
	if (size < 5 || strncmp(token, "eyJ", 3) != 0)
		return false;
	first = memchr(token, '.', size);
	second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
	if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
		return false;
	if (oauth_base64url_decode(first + 1, (size_t)(second - first - 1), &payload) < 0 ||
	    !payload.len || json_check(payload.data, payload.len, JSON_DEPTH_MAX, NULL) < 0)
		return false;
	value = json_root(payload.data, payload.len);
	if (json_type(value) != JSON_OBJECT)
		return false;
	for (struct json_iter i = json_iterate(value); json_next(&i, &key, &value);) {
		if (json_is(key, "exp"))
			*exp_s = numeric_date(value);
		else if (json_is(key, "iat"))
			*iat_s = numeric_date(value);
	}
	return *exp_s != 0;
}

int salesforce_userinfo_request(const struct grant *g, struct http_request *req, struct err *err)
{
	*req = (struct http_request){ .url = salesforce_url(g->instance_url, "userinfo"),
				      .endpoint = HTTP_USERINFO,
				      .bearer = secret_ref(g->access_token) };
	if (req->url)
		return 0;
	http_request_fini(req);
	return err_oom(err);
}

/* Whether text stands somewhere in the first bytes of the body. */
static bool body_has(const struct http_response *res, const char *text)
{
	size_t size = res->size < LOOK_AT ? res->size : LOOK_AT;

	return res->body && memmem(res->body, size, text, strlen(text));
}

static bool body_is_page(const struct http_response *res)
{
	size_t at = 0;

	while (res->body && at < res->size && isspace((unsigned char)res->body[at]))
		at++;
	return res->body && at < res->size && res->body[at] == '<';
}

/* salesforce-oauth.md 6: 403 with the bare text Bad_OAuth_Token. A page of HTML with 200 is maintenance, not an answer (8.3). */
enum liveness salesforce_userinfo_answer(const struct http_response *res)
{
	if (res->outcome != HTTP_ANSWERED)
		return TOKEN_UNSURE;
	if (res->status == 200)
		return body_is_page(res) ? TOKEN_UNSURE : TOKEN_ALIVE;
	if (res->status == 401 || (res->status == 403 && body_has(res, "Bad_OAuth_Token")))
		return TOKEN_DEAD;
	return TOKEN_UNSURE;
}

int salesforce_revoke_request(const char *base_url, const struct secret *token,
			      struct http_request *req, struct err *err)
{
	CLEANUP(buf_finip) struct buf form;

	buf_init(&form, HTTP_BODY_MAX);
	oauth_form_add(&form, "token", secret_bytes(token), secret_size(token));
	*req = (struct http_request){ .post = true,
				      .endpoint = HTTP_REVOCATION,
				      .url = salesforce_url(base_url, "revoke") };
	req->body = buf_failed(&form) ? NULL : secret_new(form.data, form.len);
	if (req->url && req->body)
		return 0;
	http_request_fini(req);
	return err_oom(err);
}

static bool json_error_is(char *text, size_t size, const char *word)
{
	struct json_value root, key, value;

	if (json_check(text, size, JSON_DEPTH_MAX, NULL) < 0)
		return false;
	root = json_root(text, size);
	if (json_type(root) != JSON_OBJECT)
		return false;
	for (struct json_iter i = json_iterate(root); json_next(&i, &key, &value);) {
		if (json_is(key, "error"))
			return json_type(value) == JSON_STRING && json_is(value, word);
	}
	return false;
}

/* error=word, between ampersands, of a form. */
static bool form_error_is(const char *text, size_t size, const char *word)
{
	const char *end = text + size;
	size_t length = strlen(word);

	while (text < end) {
		const char *next = memchr(text, '&', (size_t)(end - text));
		size_t field = (size_t)((next ? next : end) - text);

		while (field && isspace((unsigned char)text[field - 1]))
			field--;
		if (field > 6 && !memcmp(text, "error=", 6))
			return field - 6 == length && !memcmp(text + 6, word, length);
		text = next ? next + 1 : end;
	}
	return false;
}

static bool error_is(const struct http_response *res, const char *word)
{
	return res->body && (json_error_is(res->body, res->size, word) ||
			     form_error_is(res->body, res->size, word));
}

/* salesforce-oauth.md 7.1: the error comes as a form or as JSON; either way one of two words that a token endpoint uses for nothing else. */
static bool is_gone(const struct http_response *res)
{
	static const char *const words[] = { "invalid_token", "unsupported_token_type" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (error_is(res, words[i]))
			return true;
	}
	return false;
}

int salesforce_revoke_answer(const struct http_response *res, struct err *err)
{
	if (res->outcome != HTTP_ANSWERED)
		return err_set(err, ERR_RETRY, "%s",
			       res->problem ? res->problem : "the server did not answer");
	if (res->status == 200 && !body_is_page(res))
		return 0;
	if (res->status == 400 && is_gone(res))
		return 0;
	if (res->status == 200 || res->status == 429 || res->status >= 500) {
		err_set(err, ERR_RETRY, "the server cannot revoke it now (HTTP %ld)", res->status);
		if (err)
			err->retry_after_ms = res->retry_after_ms;
		return -ERR_RETRY;
	}
	return err_set(
		err, ERR_ADMIN,
		"the server does not revoke it (HTTP %ld): check LoginUrl=, or revoke it in Salesforce, Setup, "
		"Connected Apps OAuth Usage",
		res->status);
}

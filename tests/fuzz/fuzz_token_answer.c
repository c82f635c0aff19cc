/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any answer of any server. The first byte chooses what is read and with which status and type, the rest is the body (or the header field, or the URL).
 * A grant that comes out keeps every promise that its readers rely on; a problem has a class and clean words.
 */
#include "fuzz.h"

#include "daemon/mint/http_header.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "proto/messages.h"

static char *host_items[] = { (char[]){ "*.salesforce.com" }, (char[]){ "127.0.0.1:8080" } };
static const struct config_list hosts = { host_items, 2 };

static void must_be_clean(const char *text)
{
	for (; *text; text++)
		MUST(*text >= ' ' && *text <= '~');
}

static void must_be_problem(const struct problem *p)
{
	MUST(p->class > PROBLEM_NONE && p->class <= PROBLEM_BUG);
	MUST(p->message[0]);
	MUST(memchr(p->message, 0, sizeof p->message));
	MUST(memchr(p->description, 0, sizeof p->description));
	must_be_clean(p->description);
	must_be_clean(p->error);
	MUST(!strstr(p->description, "eyJ") && !strchr(p->error, '#'));
}

static bool is_token(const struct secret *s)
{
	const char *token = secret_bytes(s);
	size_t size = strlen(token);

	while (*token > ' ' && *token <= '~')
		token++;
	return size > 0 && size <= 16 * 1024 && size == secret_size(s) && !*token;
}

static void must_be_grant(const struct grant *g)
{
	struct url url;

	MUST(is_token(g->access_token));
	MUST(!g->refresh_token || is_token(g->refresh_token));
	MUST(!strcmp(g->token_type, "Bearer"));
	MUST(salesforce_check_url(g->instance_url, &hosts, NULL) == 0);
	MUST(salesforce_parse_url(g->instance_url, &url, NULL) == 0 && !url.path[0]);
	MUST(g->expires_in_ms >= 0 && g->expires_in_ms <= 86400000);
	MUST(g->jwt_exp_s >= 0 && g->issued_at_real_ms >= 0);
	MUST(!g->identity_url == !g->organization_id && !g->identity_url == !g->user_id);
	must_be_clean(g->scope);
}

/* What is salvaged is what the strict reader finds, where both find something. */
static void read_salvage(const struct http_response *res, const struct grant *g)
{
	struct secret *s = oauth_salvage_refresh(res);

	MUST(!s || (res->status == 200 && is_token(s)));
	if (s && g && g->refresh_token)
		MUST(secret_equal(s, g->refresh_token));
	secret_unref(s);
}

static void read_token(const struct http_response *res, int grant_type)
{
	struct problem p;
	struct grant *g = oauth_read_token(res, grant_type, &hosts, NULL, &p);

	if (g) {
		MUST(res->status == 200 && p.class == PROBLEM_NONE);
		must_be_grant(g);
		MUST(!p.spend_unknown);
	} else {
		must_be_problem(&p);
		MUST(!p.spend_unknown || grant_type == GRANT_REFRESH_TOKEN);
	}
	read_salvage(res, g);
	grant_unref(g);
}

static void read_introspection(const struct http_response *res)
{
	struct introspection in;
	struct problem p;

	oauth_read_introspection(res, &in, &p);
	MUST(in.active >= -1 && in.active <= 1 && in.exp_s >= 0 && in.iat_s >= 0);
	MUST(memchr(in.username, 0, sizeof in.username));
	if (in.active < 0)
		must_be_problem(&p);
	(void)salesforce_userinfo_answer(res);
}

static void read_body(uint8_t choice, const uint8_t *data, size_t size)
{
	static const long codes[] = { 200, 400, 401, 403, 429, 302, 503, 200 };
	static const int grants[] = { GRANT_CLIENT_CREDENTIALS, GRANT_JWT_BEARER, GRANT_REFRESH_TOKEN, GRANT_REFRESH_TOKEN };
	static const char *const types[] = { "application/json;charset=UTF-8", "text/html" };
	struct http_response res = { .status = codes[choice & 7], .content_type = types[choice >> 3 & 1], .location = "", .size = size };
	int grant = grants[choice >> 4 & 3];
	struct problem p;

	res.body = fuzz_copy(data, size);
	oauth_classify(&res, grant, &p);
	must_be_problem(&p);
	read_token(&res, grant);
	read_introspection(&res);
	MUST(memcmp(res.body, data, size) == 0);
	free(res.body);
}

static void read_text(const char *text)
{
	struct http_response res = { .status = 307, .content_type = "", .location = text };
	int64_t wait = http_header_retry_after(text, INT64_C(1700000000000), 3600000), exp, iat;
	char *org = NULL, *user = NULL, *instance;
	struct problem p;
	struct url url;

	MUST(wait >= 0 && wait <= 3600000);
	MUST(http_header_date(text) >= 0);
	if (salesforce_check_url(text, &hosts, NULL) == 0) {
		MUST(salesforce_parse_url(text, &url, NULL) == 0);
		MUST(url.https || url_is_loopback(&url));
		MUST(!strpbrk(text, "@?#%\\ \r\n"));
		instance = salesforce_instance_url(text, &hosts, NULL);
		MUST(!instance == (url.path[0] && strcmp(url.path, "/") != 0));
		free(instance);
	}
	if (salesforce_identity(text, &org, &user, NULL) == 0)
		MUST((strlen(org) == 15 || strlen(org) == 18) &&
		     (strlen(user) == 15 || strlen(user) == 18));
	free(org);
	free(user);
	salesforce_jwt_life(text, strlen(text), &exp, &iat);
	MUST(exp >= 0 && iat >= 0);
	oauth_classify(&res, GRANT_JWT_BEARER, &p);
	must_be_problem(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size || size > HTTP_BODY_MAX)
		return 0;
	if (data[0] < 128) {
		read_body(data[0], data + 1, size - 1);
		return 0;
	}
	text = fuzz_copy(data, size);
	memmove(text, text + 1, size - 1);
	text[size - 1] = '\0';
	read_text(text);
	free(text);
	return 0;
}

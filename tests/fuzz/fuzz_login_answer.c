/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a browser brings at the end of a login: the first byte chooses the redirect URI, the rest is the address. What is read keeps the promises of login_url.h, and a token that comes out
 * of a fragment is one that may be used.
 */
#include "fuzz.h"

#include "daemon/mint/login_url.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"

static char *host_items[] = { (char[]){ "*.salesforce.com" }, (char[]){ "127.0.0.1:8080" } };
static const struct config_list hosts = { host_items, 2 };
static const char *const redirects[] = { "http://localhost:1717/OauthRedirect", "app:/cb",
					 "https://example.com/cb?x=1", "http://127.0.0.1:1" };

static void must_be_text(const char *text)
{
	for (; text && *text; text++)
		MUST((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void must_be_grant(const struct login_answer *a)
{
	const struct oauth_fragment f = { a->access_token, a->token_type, a->instance_url, a->id,
					  a->scope,        a->expires_in, a->issued_at };
	struct problem p;
	struct grant *g = oauth_read_fragment(&f, &hosts, 1000, &p);

	if (!g) {
		MUST(p.message[0]);
		return;
	}
	MUST(secret_size(g->access_token) > 0 && secret_size(g->access_token) <= 16 * 1024);
	MUST(salesforce_check_url(g->instance_url, &hosts, NULL) == 0);
	MUST(g->organization_id && g->user_id && !g->refresh_token);
	MUST(g->expires_in_ms >= 0);
	grant_unref(g);
}

static void must_be_answer(const struct login_answer *a)
{
	const char *const texts[] = { a->state, a->code, a->error, a->error_description, a->iss,
				      a->access_token, a->id, a->instance_url };
	struct problem p;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		must_be_text(texts[i]);
	if (a->error) {
		oauth_classify_redirect(0, a->error, a->error_description, &p);
		MUST(p.class != PROBLEM_NONE && p.message[0]);
	}
	must_be_grant(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login_answer a;
	struct secret *url;
	const char *redirect;
	struct err err = { 0 };

	if (size == 0)
		return 0;
	redirect = redirects[data[0] % (sizeof redirects / sizeof redirects[0])];
	url = secret_new(data + 1, size - 1);
	MUST(url);
	if (login_answer_read(url, redirect, &a, &err) == 0) {
		must_be_answer(&a);
		login_answer_fini(&a);
	} else {
		MUST(err.text[0] && !a.bytes && !a.state && !a.code);
	}
	secret_unref(url);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include <stdlib.h>

#include "base/clock.h"

int64_t fixture_now_ms, fixture_real_ms;
bool fixture_auto;
struct err fixture_err;

int64_t clock_now_ms(void)
{
	return fixture_now_ms;
}

int64_t clock_real_ms(void)
{
	return fixture_real_ms;
}

int64_t clock_mono_ms(void)
{
	return fixture_now_ms;
}

void fixture_begin(void)
{
	disk_reset();
	disk_add_dir(STATE, false);
	disk_add_dir(RUN, true);
	fixture_now_ms = 1000 * 1000;
	fixture_real_ms = INT64_C(1790000000000);
	fixture_auto = false;
}

static struct store *open_with(const struct secret *key)
{
	struct store_options options = {
		.state_dir = STATE,
		.runtime_dir = RUN,
		.key = key,
		.now_ms = fixture_now_ms,
		.now_real_ms = fixture_real_ms,
	};
	struct store *s = NULL;

	memset(&fixture_err, 0, sizeof(fixture_err));
	return store_open(&s, &options, &fixture_err) == 0 ? s : NULL;
}

struct store *fixture_open_key(const char *key)
{
	CLEANUP(secret_unrefp) struct secret *secret = fixture_secret(key);

	return open_with(secret);
}

struct store *fixture_open(void)
{
	return fixture_auto ? open_with(NULL)
			    : fixture_open_key("0123456789abcdef0123456789abcdef");
}

void fixture_crash(struct store *s, bool power)
{
	disk_freeze();
	store_close(s);
	disk_crash(disk_frozen(), power, 1);
}

struct secret *fixture_secret(const char *text)
{
	struct secret *s = secret_new(text, strlen(text));

	if (!s)
		abort();
	return s;
}

void fixture_token(struct stored *e, int64_t generation)
{
	struct grant *g = calloc(1, sizeof(*g));
	char text[32];

	snprintf(text, sizeof(text), "A%" PRId64, generation);
	if (!g)
		abort();
	g->refs = 1;
	g->access_token = fixture_secret(text);
	g->instance_url = strdup("https://example.my.salesforce.com");
	g->token_type = strdup("Bearer");
	g->scope = strdup("api refresh_token");
	g->sent_ms = fixture_now_ms;
	grant_unref(e->token.grant);
	free(e->token.origin);
	e->generation = generation;
	e->token = (struct stored_token){
		.grant = g,
		.origin = strdup("refresh_token\nhttps://login.salesforce.com\nclient\n"),
		.generation = generation,
		.issued_ms = fixture_now_ms,
		.life_ms = 7200000,
		.deadline_ms = fixture_now_ms + 7200000,
		.vouched_ms = fixture_now_ms,
		.source = EXPIRY_CONFIGURED,
	};
}

struct stored *fixture_give(struct store *s, const char *name, int number)
{
	CLEANUP(secret_unrefp) struct secret *token = NULL;
	struct stored *e = store_get(s, name);
	char text[32];

	snprintf(text, sizeof(text), "R%d", number);
	token = fixture_secret(text);
	if (!e || store_give_refresh(s, e, token, "origin", "https://base", fixture_now_ms,
				     &fixture_err) < 0)
		return NULL;
	return e;
}

int fixture_spend(struct store *s, struct stored *e, int number)
{
	CLEANUP(secret_unrefp) struct secret *token = NULL;
	char text[32];
	int r = store_intend(s, e, fixture_now_ms, fixture_real_ms, &fixture_err);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "R%d", number);
	token = fixture_secret(text);
	fixture_token(e, e->generation + 1);
	return store_result(s, e, token, fixture_now_ms, &fixture_err);
}

int fixture_number(const struct stored *e)
{
	return e && e->refresh.token ? (int)strtol(secret_bytes(e->refresh.token) + 1, NULL, 10)
				     : -1;
}

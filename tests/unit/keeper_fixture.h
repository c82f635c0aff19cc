/* SPDX-License-Identifier: Apache-2.0 */
/* Keepers of the credential "etl", with the real attempts, an empty store and a network of fake_http.h. It is a header, as checks count in the file alone in which they stand (check.h). */
#ifndef TESTS_UNIT_KEEPER_FIXTURE_H
#define TESTS_UNIT_KEEPER_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "daemon/mint/keeper.h"
#include "tests/unit/check.h"
#include "tests/unit/empty_store.h"
#include "tests/unit/fake_http.h"

/* What a token endpoint says. */
#define TOKEN(text) \
	"{\"access_token\":\"" text \
	"\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.my.salesforce.com\"}"

static struct settings settings;
static struct loop *loop;
static struct keeper_context context;
/* What on_revoked() heard last. */
static int revoked_status;
static char revoked_text[ERR_TEXT_MAX];

static inline void heard(struct keeper *k, void *arg)
{
	(void)k;
	(void)arg;
}

static inline void all_spent(void *arg)
{
	(void)arg;
}

static inline void start(void)
{
	settings = (struct settings){ .network.timeout_ms = 15000 };
	limits_default(&settings.limits);
	fake_http_submitted = fake_http_cancelled = 0;
	loop = loop_new(NULL);
	context = (struct keeper_context){ .loop = loop,
					   .attempts = attempts_new(loop, NULL, &settings, NULL),
					   .store = empty_store(),
					   .settings = &settings,
					   .start_spread_ms = 3600000,
					   .random = 7,
					   .changed = heard,
					   .settled = heard,
					   .spent = all_spent };
	TAILQ_INIT(&context.dirty);
}

static inline void stop(void)
{
	CHECK_INT(fake_http_in_flight(), 0);
	attempts_free(context.attempts);
	store_close(context.store);
	loop_free(loop);
}

/* A keeper of a credential that is like that one, whose texts it takes over; name and client are filled in. */
static inline struct keeper *keeper_like(struct credential like)
{
	struct credential *c = calloc(1, sizeof *c);
	struct keeper *k;

	*c = like;
	c->refs = 1;
	c->name = strdup("etl");
	c->client_id = strdup("CK");
	c->client_secret = secret_new("s", 1);
	c->renew_when_idle = true;
	k = keeper_new(&context, c, NULL);
	credential_unref(c);
	return k;
}

/* For keeper_revoke(): remembers, and ends the loop. */
static inline void on_revoked(int status, const struct err *err, void *arg)
{
	(void)arg;
	revoked_status = status;
	snprintf(revoked_text, sizeof revoked_text, "%.*s", ERR_TEXT_MAX - 1, err->text);
	loop_stop(loop);
}

#endif

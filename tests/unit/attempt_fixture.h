/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts of a credential of the client credentials flow, with a network of fake_http.h. It is a header, as checks count in the file alone in which they stand (check.h). */
#ifndef TESTS_UNIT_ATTEMPT_FIXTURE_H
#define TESTS_UNIT_ATTEMPT_FIXTURE_H

#include "daemon/mint/attempt.h"
#include "tests/unit/check.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/turns.h"

/* What a token endpoint says. */
#define GOOD "{\"access_token\":\"00D1!a\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.my.salesforce.com\"}"

static char login_url[] = "https://acme.my.salesforce.com", client_id[] = "CK";
static struct credential credential;
static struct settings settings;
static struct loop *loop;
static struct attempts *attempts;

static inline void attempts_begin(void)
{
	settings = (struct settings){ .network.timeout_ms = 15000,
				      .limits = { .max_scheduled_in_flight = 8, .max_demanded_in_flight = 64, .breaker_failures = 5,
						  .backoff_first_ms = 60000, .backoff_max_ms = 300000, .demand_gap_ms = 30000 } };
	credential = (struct credential){ .grant_type = GRANT_CLIENT_CREDENTIALS, .login_url = login_url, .client_id = client_id,
					  .client_secret = secret_new("s", 1) };
	fake_http_submitted = fake_http_cancelled = 0;
	loop = loop_new(NULL);
	attempts = attempts_new(loop, NULL, &settings, NULL);
}

static inline void stop(void)
{
	CHECK_INT(fake_http_in_flight(), 0);
	attempts_free(attempts);
	loop_free(loop);
	secret_unref(credential.client_secret);
}

/* Lets everything happen that is due now. */
static inline void turn(void)
{
	turns(loop, 2);
}

#endif

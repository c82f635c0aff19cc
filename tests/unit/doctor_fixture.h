/* SPDX-License-Identifier: Apache-2.0 */
/* Set-ups in which all is well, to be spoilt by tests of the doctor. */
#ifndef TESTS_UNIT_DOCTOR_FIXTURE_H
#define TESTS_UNIT_DOCTOR_FIXTURE_H

#include "daemon/mint/doctor_judge.h"
#include "tests/unit/check.h"

#define LOGIN "https://acme.my.salesforce.com"

static struct doctor_finding found[DOCTOR_STEPS];

/* All is well; credential and token are the test's own. */
static inline struct doctor_facts facts_of(const struct credential *c, enum renewal renewal)
{
	struct doctor_facts f = {
		.credential = c,
		.renewal = renewal,
		.spends = renewal == RENEW_REFRESH,
		.probe = { .done = true,
			   .outcome = HTTP_ANSWERED,
			   .status = 200,
			   .has_date = true },
		.answer = { .error = -1 },
		.asked = renewal == RENEW_ITSELF ? DOCTOR_GIVEN : DOCTOR_NOT_ASKED,
		.has_refresh = renewal == RENEW_REFRESH,
		.usable = true,
		.left_s = 7200,
		.userinfo = { .done = true, .liveness = TOKEN_ALIVE, .status = 200 },
	};

	snprintf(f.base_url, sizeof(f.base_url), "%s", c->login_url);
	return f;
}

static inline void judge_all(struct doctor_facts *f)
{
	for (int step = 0; step < DOCTOR_STEPS; step++)
		doctor_judge(f, (enum doctor_step)step, &found[step]);
}

static char login[] = LOGIN, name[] = "crm", client_ref[] = "file:/s", key_ref[] = "file:/k",
	    user[] = "etl@example.com";
static char scope[] = "api refresh_token", instance[] = LOGIN;

static inline struct credential client(void)
{
	return (struct credential){ .name = name,
				    .grant_type = GRANT_CLIENT_CREDENTIALS,
				    .login_url = login,
				    .client_secret_ref = client_ref };
}

static inline struct credential bearer(void)
{
	/* only whether it is there counts here */
	void *some_key = name;

	return (struct credential){ .name = name,
				    .grant_type = GRANT_JWT_BEARER,
				    .login_url = login,
				    .username = user,
				    .private_key_ref = key_ref,
				    .private_key = some_key };
}

static inline struct credential refresher(void)
{
	return (struct credential){ .name = name,
				    .grant_type = GRANT_REFRESH_TOKEN,
				    .login_url = login };
}

static inline struct grant some_grant(void)
{
	return (struct grant){ .scope = scope, .instance_url = instance };
}

static inline enum doctor_step first_failed(void)
{
	int step = 0;

	while (step < DOCTOR_STEPS && found[step].outcome != CHECK_FAILED)
		step++;
	return (enum doctor_step)step;
}

static inline void check_has(const char *text, const char *part)
{
	CHECK(strstr(text, part) != NULL);
	if (!strstr(text, part))
		printf("# \"%s\" without \"%s\"\n", text, part);
}

static inline void set_answer(struct doctor_facts *f, const char *error, const char *description)
{
	const struct oauth_error_row *row = oauth_error_find(f->credential->grant_type, error,
							     description);

	f->asked = DOCTOR_REFUSED;
	f->token = NULL;
	f->answer = (struct doctor_answer){ .error = row->broker_error };
	if (error[0] != '#')
		snprintf(f->answer.oauth_error, sizeof(f->answer.oauth_error), "%s", error);
	snprintf(f->answer.description, sizeof(f->answer.description), "%s", description);
	snprintf(f->answer.message, sizeof(f->answer.message), "%s (HTTP 400, %s: %s)",
		 row->sentence, error, description);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The Manager's face over a registry with three credentials that only remembers what was asked of it. Callers come by tests/scenario/fake.h. */
#ifndef TESTS_UNIT_MANAGER_FIXTURE_H
#define TESTS_UNIT_MANAGER_FIXTURE_H

#include "daemon/mint/doctor.h"
#include "daemon/mint/manager_api.h"
#include "daemon/mint/salesforce.h"
#include "daemon/mint/store.h"
#include "tests/scenario/fake.h"

struct keeper {
	const char *name;
	struct credential credential;
	const char *unknown, *missing;
	bool enabled;
	int64_t expires; /* 0: no token */
	struct tally tally;
};

struct keeper_revocation {
	void (*done)(int status, const struct err *err, void *arg);
	void *arg;
	bool forget, forgotten; /* forgotten: nobody wants to hear of it */
};

enum { MANAGER_DOCTORS = 5 };

struct doctor {
	struct keeper *keeper; /* NULL: free */
	struct doctor_handlers handlers;
	unsigned settled, forgotten;
};

/* What the fakes answer, and what they were asked. Zeroed by manager_begin(). */
struct manager_fake {
	int status;        /* of give_refresh, supply, revoke (NULL), adopt */
	bool supply_alone; /* fails so, the others do well */
	struct err err;
	enum store_state store;
	const char *key_note;
	const char *counters; /* the front's answer, JSON; NULL: it has none */
	struct keeper_note notes[KEEPER_NOTES];
	size_t n_notes;
	const char *sfdx[4]; /* client id, client secret (NULL: none), refresh token, base URL */
	/* asked */
	char given[200], base_url[100];     /* keeper_give_refresh() */
	char supplied[STORED_SECRETS][200]; /* registry_supply() */
	size_t given_size, supplied_size;
	struct doctor doctors[MANAGER_DOCTORS];
	unsigned adopts, adopted, flushes;
	struct keeper_revocation revocation;
	char log[2000]; /* all lines */
};
extern struct manager_fake manager_fake;
/* "bearer" (jwt_bearer, key stored:), "refresh" (refresh_token, client secret stored:), "other" (refresh_token, client secret in a file) */
extern struct keeper manager_keepers[3];

void manager_begin(void);
void manager_end(void);

/* One call of uid 0, and its answer without {"parameters": }; NULL: none yet. Lives until manager_end(). */
const char *manager_call(const char *method, const char *parameters);
/* The newest reply, NULL: none; and the caller of the last manager_call(). */
const char *manager_replied(void);
struct fake_caller *manager_caller(uid_t uid);
struct manager *manager_under_test(void);

#endif

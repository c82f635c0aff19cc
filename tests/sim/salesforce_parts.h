/* SPDX-License-Identifier: Apache-2.0 */
/* Between salesforce.c (what the server does) and salesforce_net.c (what comes of it on the way). */
#ifndef SIM_SALESFORCE_PARTS_H
#define SIM_SALESFORCE_PARTS_H

#include "tests/sim/sim.h"

enum { SESSIONS = 16, GRANTS = 5 };

struct session {
	unsigned number, family;
	int64_t from, until;
	bool ended;
};

struct family {
	unsigned number;   /* 0: none */
	unsigned serial;   /* in force */
	unsigned received; /* the highest that the daemon is known to have */
	int64_t used;
	bool revoked;
};

struct org {
	struct sf_user user;
	struct session sessions[SESSIONS];
	struct family families[GRANTS];
	unsigned n_sessions, n_families;
	const char *refused, *refused_why;
};

struct sf {
	struct org orgs[SIM_CREDENTIALS];
	int64_t skew;
	enum sf_trouble trouble;
	unsigned noise;
};
extern struct sf sf;

/* Does what the request asks for, and says so. */
void sf_answer(size_t user, const struct http_request *req, struct sf_reply *reply);
void sf_write_error(struct sf_reply *reply, long status, const char *error,
		    const char *description);

#endif

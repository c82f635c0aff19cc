/* SPDX-License-Identifier: Apache-2.0 */
/* Between watch.c (tokens), watch_requests.c (what is sent) and watch_service.c (what callers and grants may expect). */
#ifndef SIM_WATCH_PARTS_H
#define SIM_WATCH_PARTS_H

#include "daemon/mint/keeper.h"
#include "daemon/mint/store.h"
#include "tests/sim/sim.h"

enum { TOKENS = 8, POSTS = 128, UNSYNCED_MS = 1100 };

/* What Salesforce has said of an access token. */
struct seen {
	uint64_t hash;
	int64_t known_at, limit; /* believed end at most, true time */
	bool received;
	int64_t dead_at; /* a refusal was confirmed; 0: not */
};

struct watched {
	struct seen seen[TOKENS];
	unsigned n_seen;
	/* generations */
	int64_t generation, generation_at, marked;
	uint64_t generation_hash;
	/* requests to the token endpoint */
	struct {
		int64_t at, life;
	} posts[POSTS];
	unsigned n_posts, in_flight, refresh_in_flight;
	int64_t month;
	double month_load;
	/* refresh tokens */
	unsigned family, serial; /* the newest that the daemon has had in its hands */
	unsigned sent_family, sent_serial;
	bool unknown; /* what became of that one */
	int64_t blocked_at_spend;
	bool excused;
	bool missed; /* had demand and no token when it was asked for the second time */
	/* permanent errors */
	int64_t permanent_at;
	bool permanent_login;
	unsigned permanent_family; /* whose token was refused */
	unsigned posts_since, interventions;
};
extern struct watched watched[SIM_CREDENTIALS];

uint64_t watch_hash(const char *text);
struct seen *watch_seen(size_t user, uint64_t hash);
void watch_note_reply(size_t user, const struct http_request *req, const struct sf_reply *reply);
void watch_note_received(size_t user, const struct http_request *req, const struct sf_reply *reply);
/* Requests to the token endpoint since then. */
unsigned watch_posts_since(size_t user, int64_t since);
void watch_requests_died(void);

#endif

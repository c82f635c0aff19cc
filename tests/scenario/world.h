/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole daemon without its parent: the real mint and the real front on the fakes, with credentials that a scenario describes.
 */
#ifndef SCENARIO_WORLD_H
#define SCENARIO_WORLD_H

#include "daemon/front/front.h"
#include "daemon/mint/attempt.h"
#include "daemon/mint/manager_api.h"
#include "daemon/mint/notices.h"
#include "daemon/mint/publish.h"
#include "daemon/mint/registry.h"
#include "daemon/mint/store.h"
#include "tests/scenario/fake.h"

enum { WORLD_CREDENTIALS_MAX = 64, WORLD_CALLER_UID = 1000, WORLD_OTHER_UID = 1001 };

/* Of grants that carry something of others, and of servers that are not Salesforce (world_flows.c); NULL and 0: not said. */
struct world_flow {
	int grant_type;
	const char *assertion, *subject, *issuer;
};
/* false: the word is none of these. */
bool world_flow_word(struct world_flow *f, const char *key, const char *value);
void world_flow_shape(const struct world_flow *f, struct credential *c);

/* What a line "credential NAME key=value ..." says; the words live as long as the scenario. */
struct world_credential {
	struct world_flow flow;
	const char *name;
	int grant; /* enum grant_type */
	bool secret, required, idle, removed;
	int64_t idle_stop_ms;
	int introspect;
	int64_t session_ms, renew_at;
	int64_t certificate_h; /* its end, in hours after the beginning; 0: none */
	const char *client, *alias, *uid;
	const char *user, *redirect, *scopes, *login_uid; /* of logins; NULL */
};

/* What people are told (world_events.c). */
enum { WORLD_EVENTS_MAX = 32 };
struct world_events {
	const char *unit; /* OnEvent=; NULL: not set */
	struct notices *notices;
	int store; /* the event that was told of it last */
	char told[WORLD_EVENTS_MAX][160];
	size_t n, taken;
};
void world_events_begin(struct world_events *e, struct loop *loop, struct registry *registry);
/* The oldest that no line has asked for, as "EVENT CREDENTIAL"; NULL: none. */
const char *world_events_next(struct world_events *e);

struct world {
	struct loop *loop;
	struct http *http;
	struct attempts *attempts;
	struct store *store;
	struct timer *store_tick;
	struct registry *registry;
	struct publish *publish;
	struct manager *manager;
	struct world_events events;
	int64_t began_s; /* wall clock */
	struct front *front;
	struct settings *settings;
	struct world_credential credentials[WORLD_CREDENTIALS_MAX];
	size_t n_credentials;
	bool started, fatal;
};

void world_begin(struct world *w);
/* Frees all; returns how many timers were left behind. */
size_t world_end(struct world *w);

/* Sets a [Limits] key; false: no such key or value. */
bool world_limit(struct world *w, const char *name, const char *value);
/* Adds or changes a credential (as of the next start or reload). false: a word that means nothing. */
bool world_define(struct world *w, char **words, size_t n);
struct world_credential *world_find(struct world *w, const char *name);

/* The first start of both programs. */
void world_start(struct world *w);
void world_start_mint(struct world *w);
void world_kill_mint(struct world *w);
/* TERM: nothing new begins; it ends at once, or with the next "mint begins", when the answer of a spend has come. */
void world_stop_mint(struct world *w);
void world_start_front(struct world *w);
void world_kill_front(struct world *w);
/* What the parent does when either began: a fresh link for both. */
void world_link(struct world *w);
/* 0 or negative with err. */
int world_reload(struct world *w, struct manager_reload *out, struct err *err);

#endif

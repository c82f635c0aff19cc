/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of keepers, ordered by name, and its replacement at a reload: the new set is built beside the old one and swapped; a mistake changes nothing.
 */
#ifndef MINT_REGISTRY_H
#define MINT_REGISTRY_H

#include "daemon/mint/keeper.h"

struct registry;

struct registry_handlers {
	void (*changed)(struct keeper *k, void *arg); /* see keeper_context */
	void (*settled)(struct keeper *k, void *arg);
	/* The keeper ends: drop every reference. name stays valid during the call. */
	void (*removed)(struct keeper *k, void *arg);
	/* A reload replaced old by new under the same name: move what waits for it. */
	void (*replaced)(struct keeper *old, struct keeper *new, void *arg);
	/* A reload changed who may log in (AllowLogin=), and nothing that k would have to end for. May be NULL. */
	void (*logins_changed)(struct keeper *k, void *arg);
	/* The last spend of a refresh token that was in flight has its answer in the store. May be NULL. */
	void (*spent)(void *arg);
	/* After a reload: rules and all access lists may be different. */
	void (*reloaded)(void *arg);
	void *arg;
};

struct registry *registry_new(struct loop *l, struct attempts *attempts, struct store *store,
			      const struct registry_handlers *handlers, uint64_t seed,
			      struct err *err);
void registry_free(
	struct registry *r); /* takes NULL; spends in flight are dropped, and so unknown */

/*
 * Nothing new begins from now on. Returns how many spends of a refresh token are in flight: their answers are waited for (handlers.spent() tells of the last).
 */
size_t registry_stop(struct registry *r);

/* Texts that a reload reports; owned. */
struct registry_names {
	char **items;
	size_t n;
};
struct registry_reload {
	struct registry_names added, changed, removed;
};
void registry_reload_fini(struct registry_reload *r);

/*
 * Replaces settings and set (references are taken). The first call fills the empty registry. Running attempts of changed and removed credentials are cancelled; where only [Access] has changed, all goes on. diff may be NULL.
 * 0 or -ERR_INTERNAL (then nothing has changed).
 */
int registry_swap(struct registry *r, struct settings *settings, struct credential_set *set,
		  struct registry_reload *diff, struct err *err);

/* Starts every keeper that has not begun: after the front has said what it holds, or when it does not come. */
void registry_start(struct registry *r);

size_t registry_count(const struct registry *r);
/* The one that has had news for the front the longest; NULL: none. */
struct keeper *registry_next_dirty(struct registry *r);
struct keeper *registry_at(struct registry *r, size_t i);
/* By name; by name or alias. NULL. */
struct keeper *registry_find(struct registry *r, const char *name);
struct keeper *registry_find_alias(struct registry *r, const char *name);
const struct settings *registry_settings(const struct registry *r);
struct attempts *registry_attempts(struct registry *r);
struct store *registry_store(struct registry *r);

/*
 * A secret of "sftoken import" for the credential of k: in the store first, synced, then in use at once. value is referred to, not taken over. 0, or negative with err, and nothing has
 * changed: -ERR_INPUT (this credential has no "stored:" of that kind), -ERR_ADMIN (it cannot be used), -ERR_RETRY (the store cannot be written).
 */
int registry_supply(struct registry *r, struct keeper *k, enum stored_secret kind,
		    struct secret *value, struct err *err);

/* The store is this machine's again (store_adopt() was called): what waited for that goes on. */
void registry_adopted(struct registry *r);

/* How many have a usable token; whether every Required= one is ready. */
size_t registry_count_usable(const struct registry *r);
bool registry_ready(const struct registry *r);

#endif

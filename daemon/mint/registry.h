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
	/* After a reload: rules and all access lists may be different. */
	void (*reloaded)(void *arg);
	void *arg;
};

struct registry *registry_new(struct loop *l, struct attempts *attempts,
			      const struct registry_handlers *handlers, uint64_t seed,
			      struct err *err);
void registry_free(struct registry *r); /* takes NULL */

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
 * Replaces settings and set (references are taken). The first call fills the empty registry. Running attempts of changed and removed credentials are cancelled. diff may be NULL.
 * 0 or -ERR_INTERNAL (then nothing has changed).
 */
int registry_swap(struct registry *r, struct settings *settings, struct credential_set *set,
		  struct registry_reload *diff, struct err *err);

/* Starts every keeper that has not begun: after the front has said what it holds, or when it does not come. */
void registry_start(struct registry *r);

size_t registry_count(const struct registry *r);
struct keeper *registry_at(struct registry *r, size_t i);
/* By name; by name or alias. NULL. */
struct keeper *registry_find(struct registry *r, const char *name);
struct keeper *registry_find_alias(struct registry *r, const char *name);
const struct settings *registry_settings(const struct registry *r);

/* How many have a usable token; whether every Required= one is ready. */
size_t registry_count_usable(const struct registry *r);
bool registry_ready(const struct registry *r);

#endif

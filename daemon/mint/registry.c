/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/log.h"
#include "daemon/mint/sign.h"
#include "daemon/mint/store.h"

/* So many credentials begin so far apart, up to StartSpread=: one or two do not wait for a herd that is not there. */
enum { START_SPREAD_EACH_MS = 100 };

struct registry {
	struct keeper_context context;
	struct registry_handlers handlers;
	struct settings *settings;
	struct credential_set *set;
	struct keeper **keepers; /* ordered by name, as the set */
	size_t n;
	bool begun;
};

static void changed(struct keeper *k, void *arg)
{
	struct registry *r = arg;

	r->handlers.changed(k, r->handlers.arg);
}

static void settled(struct keeper *k, void *arg)
{
	struct registry *r = arg;

	r->handlers.settled(k, r->handlers.arg);
}

static void spent(void *arg)
{
	struct registry *r = arg;

	if (r->handlers.spent)
		r->handlers.spent(r->handlers.arg);
}

struct registry *registry_new(struct loop *l, struct attempts *attempts, struct store *store,
			      const struct registry_handlers *handlers, uint64_t seed,
			      struct err *err)
{
	struct registry *r = calloc(1, sizeof *r);

	if (!r) {
		err_oom(err);
		return NULL;
	}
	r->handlers = *handlers;
	r->context = (struct keeper_context){
		.loop = l,
		.attempts = attempts,
		.store = store,
		.random = seed,
		.changed = changed,
		.settled = settled,
		.spent = spent,
		.arg = r,
	};
	TAILQ_INIT(&r->context.dirty);
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		keeper_free(r->keepers[i]);
	keeper_free_retired(&r->context);
	free(r->keepers);
	credential_set_unref(r->set);
	settings_unref(r->settings);
	free(r);
}

/* --- names for the answer of a reload --- */

static int add_name(struct registry_names *names, const char *name)
{
	char **items = grow_by_one(names->items, names->n, sizeof *items);

	if (!items)
		return -ERR_INTERNAL;
	names->items = items;
	items[names->n] = strdup(name);
	if (!items[names->n])
		return -ERR_INTERNAL;
	names->n++;
	return 0;
}

static void names_fini(struct registry_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	memset(names, 0, sizeof *names);
}

void registry_reload_fini(struct registry_reload *r)
{
	names_fini(&r->added);
	names_fini(&r->changed);
	names_fini(&r->removed);
}

/* --- the swap --- */

static struct keeper *find_in(struct keeper **keepers, size_t n, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, keeper_name(keepers[middle]));

		if (order == 0)
			return keepers[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* One plan for every credential of the new set: the old keeper stays, or a new one is there already. Nothing of it is visible before all of it is made. */
struct plan {
	struct keeper *old, *fresh;
};

static void plan_drop(struct plan *plan, size_t n)
{
	for (size_t i = 0; plan && i < n; i++)
		keeper_free(plan[i].fresh);
	free(plan);
}

/* Who may have the token is nothing that the server hears of: the keeper goes on, in back-off as well as with a login under way. */
static int plan_one(struct registry *r, struct plan *plan, struct credential *c,
		    struct registry_reload *diff, struct err *err)
{
	const struct credential *before;

	plan->old = find_in(r->keepers, r->n, c->name);
	before = plan->old ? keeper_credential(plan->old) : NULL;
	if (before && credential_equal(before, c))
		return 0;
	if (!before || !credential_equal_but_access(before, c)) {
		plan->fresh = keeper_new(&r->context, c, err);
		if (!plan->fresh)
			return -1;
	}
	return add_name(before ? &diff->changed : &diff->added, c->name);
}

static struct plan *make_plan(struct registry *r, struct credential_set *set,
			      struct registry_reload *diff, struct err *err)
{
	struct plan *plan = calloc(set->n + 1, sizeof *plan);

	for (size_t i = 0; plan && i < set->n; i++) {
		if (plan_one(r, &plan[i], set->items[i], diff, err) < 0) {
			plan_drop(plan, set->n);
			plan = NULL;
		}
	}
	if (!plan)
		err_oom(err);
	return plan;
}

static int by_name(const void *name, const void *item)
{
	return strcmp(name, (*(struct credential *const *)item)->name);
}

static bool in_set(const struct credential_set *set, const char *name)
{
	return set->n > 0 &&
	       bsearch(name, set->items, set->n, sizeof(struct credential *), by_name) != NULL;
}

static int list_removed(const struct registry *r, const struct credential_set *set,
			struct registry_reload *diff, struct err *err)
{
	for (size_t i = 0; i < r->n; i++)
		if (!in_set(set, keeper_name(r->keepers[i])) &&
		    add_name(&diff->removed, keeper_name(r->keepers[i])) < 0)
			return err_oom(err);
	return 0;
}

static void remove_keeper(struct registry *r, struct keeper *k)
{
	r->handlers.removed(k, r->handlers.arg);
	keeper_free(k);
}

static void go_on(struct registry *r, struct keeper *k, struct credential *c)
{
	bool same = credential_equal_logins(keeper_credential(k), c);

	keeper_set_credential(k, c);
	if (!same && r->handlers.logins_changed)
		r->handlers.logins_changed(k, r->handlers.arg);
}

/* From here on nothing can fail. The new array is whole before anybody is told: who is told may look at all keepers. */
static void commit(struct registry *r, struct plan *plan, struct keeper **keepers,
		   struct credential_set *set)
{
	struct keeper **old = r->keepers;
	size_t n_old = r->n;

	for (size_t i = 0; i < set->n; i++)
		keepers[i] = plan[i].fresh ? plan[i].fresh : plan[i].old;
	r->keepers = keepers;
	r->n = set->n;
	for (size_t i = 0; i < n_old; i++)
		if (!in_set(set, keeper_name(old[i])))
			remove_keeper(r, old[i]);
	for (size_t i = 0; i < set->n; i++) {
		if (plan[i].fresh && plan[i].old) {
			keeper_inherit(plan[i].fresh, plan[i].old);
			r->handlers.replaced(plan[i].old, plan[i].fresh, r->handlers.arg);
			keeper_free(plan[i].old);
		} else if (plan[i].fresh) {
			keeper_restore(plan[i].fresh);
		} else {
			go_on(r, plan[i].old, set->items[i]);
		}
	}
	free(old);
	free(plan);
}

/* Before the first attempt of the new set: it must not be judged by the old AllowedHosts=. */
static void use_settings(struct registry *r, struct settings *settings, size_t n)
{
	int64_t spread = (int64_t)n * START_SPREAD_EACH_MS;

	settings_ref(settings);
	settings_unref(r->settings);
	r->settings = settings;
	r->context.settings = settings;
	attempts_configure(r->context.attempts, settings);
	r->context.start_spread_ms = spread < settings->limits.start_spread_ms
					     ? spread
					     : settings->limits.start_spread_ms;
}

int registry_swap(struct registry *r, struct settings *settings, struct credential_set *set,
		  struct registry_reload *diff, struct err *err)
{
	struct registry_reload unheard = { 0 };
	struct registry_reload *names = diff ? diff : &unheard;
	struct keeper **keepers = calloc(set->n + 1, sizeof *keepers);
	struct plan *plan = keepers ? make_plan(r, set, names, err) : NULL;

	if (!plan || list_removed(r, set, names, err) < 0) {
		if (plan)
			plan_drop(plan, set->n);
		free(keepers);
		registry_reload_fini(names);
		return err_oom(err);
	}
	use_settings(r, settings, set->n);
	credential_set_ref(set);
	commit(r, plan, keepers, set);
	credential_set_unref(r->set);
	r->set = set;
	registry_reload_fini(&unheard);
	if (r->begun)
		registry_start(r);
	r->handlers.reloaded(r->handlers.arg);
	return 0;
}

void registry_start(struct registry *r)
{
	r->begun = true;
	for (size_t i = 0; i < r->n; i++)
		keeper_start(r->keepers[i]);
}

/* --- looking --- */

size_t registry_count(const struct registry *r)
{
	return r->n;
}

struct keeper *registry_next_dirty(struct registry *r)
{
	return TAILQ_FIRST(&r->context.dirty);
}

struct keeper *registry_at(struct registry *r, size_t i)
{
	return r->keepers[i];
}

struct keeper *registry_find(struct registry *r, const char *name)
{
	return find_in(r->keepers, r->n, name);
}

struct keeper *registry_find_alias(struct registry *r, const char *name)
{
	const struct credential *c = r->set ? credential_set_find(r->set, name) : NULL;

	return c ? registry_find(r, c->name) : NULL;
}

const struct settings *registry_settings(const struct registry *r)
{
	return r->settings;
}

struct attempts *registry_attempts(struct registry *r)
{
	return r->context.attempts;
}

struct store *registry_store(struct registry *r)
{
	return r->context.store;
}

size_t registry_stop(struct registry *r)
{
	r->context.stopping = true;
	return r->context.spending;
}

static void replace_in_set(struct credential_set *set, struct credential *c)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->items[i]->name, c->name) != 0)
			continue;
		credential_unref(set->items[i]);
		set->items[i] = credential_ref(c);
	}
}

int registry_supply(struct registry *r, struct keeper *k, enum stored_secret kind,
		    struct secret *value, struct err *err)
{
	const struct credential *c = keeper_credential(k);
	CLEANUP(credential_unrefp)
	struct credential *new = credential_with_secret(c, kind, value, sign_check_key, err);
	struct stored *e = store_get(r->context.store, c->name);
	int status;

	if (!new || !e)
		return new ? err_oom(err) : -(int)err->code;
	status = store_give_secret(r->context.store, e, kind, value, err);
	if (status < 0)
		return status;
	replace_in_set(r->set, new);
	keeper_set_credential(k, new);
	keeper_supplied(k);
	return 0;
}

void registry_adopted(struct registry *r)
{
	for (size_t i = 0; i < r->n; i++)
		keeper_store_mended(r->keepers[i]);
}

size_t registry_count_usable(const struct registry *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += keeper_usable(r->keepers[i]);
	return n;
}

bool registry_ready(const struct registry *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (keeper_credential(r->keepers[i])->required && !keeper_ready(r->keepers[i]))
			return false;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: the mint as daemon/mint/mint.c puts it together, its configuration, its starts and its ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "tests/sim/world_parts.h"

enum { FRONT_SAYS_MS = 60, STOP_WAIT_MS = 4800, RESTART_MS = 100 };

struct world world;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "sim: cannot %s\n", what);
	abort();
}

/* --- configuration --- */

const char *world_name(size_t user)
{
	return world.credentials[user].name;
}

size_t world_user_of(const char *name)
{
	return strtoul(name + 1, NULL, 10);
}

size_t world_count(void)
{
	return world.n;
}

static char *copy(const char *text)
{
	char *c = strdup(text);

	must(c != NULL, "copy");
	return c;
}

static struct credential *build_credential(struct world_credential *from)
{
	static const int grants[] = { [SF_CLIENT] = GRANT_CLIENT_CREDENTIALS,
				      [SF_JWT] = GRANT_JWT_BEARER,
				      [SF_REFRESH] = GRANT_REFRESH_TOKEN };
	size_t user = world_user_of(from->name);
	const struct sf_user *u = sf_user(user);
	struct credential *c = calloc(1, sizeof *c);
	char url[80], id[16];

	must(c != NULL, "allocate");
	snprintf(url, sizeof url, "https://example.my.salesforce.com/C%zu", user);
	snprintf(id, sizeof id, "C%zu", user);
	c->refs = 1;
	c->name = copy(from->name);
	c->grant_type = grants[u->kind];
	c->login_url = copy(url);
	c->client_id = copy(id);
	c->username = u->kind == SF_JWT ? copy("etl@example.com") : NULL;
	c->client_secret = u->kind == SF_CLIENT || u->introspects ? secret_new("s3cret", 6) : NULL;
	c->private_key = u->kind == SF_JWT ? secret_new("key", 3) : NULL;
	c->session_timeout_ms = from->applied_ms = from->session_ms;
	c->introspect = u->introspects ? INTROSPECT_AUTO : INTROSPECT_NO;
	c->renew_when_idle = from->renew_when_idle;
	c->idle_stop_ms = from->idle_stop_ms;
	return c;
}

static int by_name(const void *a, const void *b)
{
	const struct credential *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int swap(void)
{
	struct credential_set *set = calloc(1, sizeof *set);
	struct settings *settings = calloc(1, sizeof *settings);
	struct err err = { 0 };
	int r;

	must(set && settings, "allocate");
	set->refs = settings->refs = 1;
	set->items = calloc(world.n + 1, sizeof *set->items);
	must(set->items != NULL, "allocate");
	for (size_t i = 0; i < world.n; i++)
		if (!world.credentials[i].removed)
			set->items[set->n++] = build_credential(&world.credentials[i]);
	qsort(set->items, set->n, sizeof *set->items, by_name);
	limits_default(&settings->limits);
	settings->network.timeout_ms = 15 * SECONDS;
	settings->network.connect_timeout_ms = 5 * SECONDS;
	r = registry_swap(world.registry, settings, set, NULL, &err);
	credential_set_unref(set);
	settings_unref(settings);
	return r;
}

void world_reload(void)
{
	if (!world.registry || disk_dead())
		return;
	sim_note("reload");
	must(swap() == 0, "reload");
}

/* --- what mint.c does --- */

static void on_store_tick(void *arg)
{
	enum store_state before = store_state(world.store);

	(void)arg;
	if (!store_tick(world.store, clock_now_ms()))
		return;
	sim_note("store: %d -> %d: %s", (int)before, (int)store_state(world.store),
		 store_why(world.store));
	if (store_state(world.store) == STORE_OK && !disk_dead())
		registry_adopted(world.registry);
}

static void arm_store(void)
{
	int64_t due = store_due_ms(world.store);

	if (due && !timer_is_set(world.store_tick))
		timer_set(world.store_tick, due);
}

static void on_changed(struct keeper *k, void *arg)
{
	(void)arg;
	if (disk_dead())
		return;
	watch_marked(k, !timer_is_set(world.front_says));
	front_changed(k);
}

static void on_settled(struct keeper *k, void *arg)
{
	(void)k;
	(void)arg;
}

static void on_removed(struct keeper *k, void *arg)
{
	(void)arg;
	front_gone(world_user_of(keeper_name(k)));
}

static void on_replaced(struct keeper *old, struct keeper *new, void *arg)
{
	(void)old;
	(void)new;
	(void)arg;
}

static void on_spent(void *arg)
{
	(void)arg;
	if (world.stopping)
		disk_kill_now(false); /* it has nothing to do any more, and goes */
}

static void on_reloaded(void *arg)
{
	(void)arg;
}

static void on_clock_set(void *arg)
{
	(void)arg;
	for (size_t i = 0; world.registry && i < registry_count(world.registry) && !disk_dead();
	     i++)
		keeper_clock_set(registry_at(world.registry, i));
}

void world_notice_clock(void)
{
	if (world.registry && !disk_dead())
		on_clock_set(NULL);
}

static void on_front_says(void *arg)
{
	(void)arg;
	front_link();
	if (!disk_dead())
		registry_start(world.registry);
}

/* --- beginning --- */

/* false: the store says that the mint must not run. */
static bool open_store(void)
{
	const struct store_options options = {
		.state_dir = DISK_STATE,
		.runtime_dir = DISK_RUNTIME,
		.now_ms = clock_now_ms(),
		.now_real_ms = clock_real_ms(),
	};
	struct err err = { 0 };
	int r = store_open(&world.store, &options, &err);

	if (r == 0)
		return true;
	world.store = NULL;
	sim_note("store: %d %s", r, err.text);
	if (!disk_dead() && disk_fault() == DISK_GOOD)
		sim_broken(4, "the store does not open: %s", err.text);
	return false;
}

static void start_mint(void *arg)
{
	const struct registry_handlers handlers = {
		.changed = on_changed,
		.settled = on_settled,
		.removed = on_removed,
		.replaced = on_replaced,
		.spent = on_spent,
		.reloaded = on_reloaded,
	};
	struct settings settings = { .refs = 1 };
	struct err err = { 0 };

	(void)arg;
	world.starting = false;
	if (!world.power || world.registry)
		return;
	if (!open_store()) {
		world_start_mint(10 * SECONDS);
		return;
	}
	limits_default(&settings.limits);
	settings.network.timeout_ms = 15 * SECONDS;
	world.store_tick = timer_new(world.loop, on_store_tick, NULL);
	world.front_says = timer_new(world.loop, on_front_says, NULL);
	world.http = http_new(world.loop, &settings, &err);
	world.attempts = attempts_new(world.loop, world.http, &settings, &err);
	world.registry = registry_new(world.loop, world.attempts, world.store, &handlers,
				      sim_random(), &err);
	must(world.store_tick && world.front_says && world.registry, "start the mint");
	timer_set(world.front_says, clock_now_ms() + FRONT_SAYS_MS);
	must(swap() == 0, "load");
	sim_note("mint: begins, store %d", (int)store_state(world.store));
	watch_restarted(world.lost_power);
	world.lost_power = false;
}

void world_start_mint(int64_t after_ms)
{
	if (world.starting)
		return;
	world.starting = true;
	sim_at(sim_now() + after_ms, start_mint, NULL);
}

/* --- ending --- */

/* The process is dead: what these functions do has no effect but to free. */
static void free_mint(void)
{
	front_unlink();
	registry_free(TAKE(world.registry));
	attempts_free(TAKE(world.attempts));
	http_free(TAKE(world.http));
	net_reset();
	timer_free(TAKE(world.store_tick));
	timer_free(TAKE(world.front_says));
	store_close(TAKE(world.store));
	world.stopping = false;
}

static void power_on(void *arg)
{
	(void)arg;
	if (world.lost_power)
		fate_block(false);
	world.power = true;
	sim_boot();
	sim_note("machine: boots");
	world_start_mint(SECONDS);
}

static void bury(void)
{
	bool power = disk_dead_by_power();

	watch_died(power);
	sim_note("mint: is dead%s", power ? ", and the machine has lost its power" : "");
	free_mint();
	disk_restart();
	fate_disturb(SIM_CREDENTIALS);
	if (!power) {
		world_start_mint(RESTART_MS + sim_about(SECONDS));
		return;
	}
	world.power = false;
	world.lost_power = true;
	world.last_power_loss = sim_now();
	front_forget();
	fate_block(true);
	fate_power_off();
	sim_at(sim_now() + sim_about(30 * MINUTES), power_on, NULL);
}

/* TERM: what is in flight with a refresh token is waited for, up to StopTimeout=. */
static void stop_waited(void *arg)
{
	(void)arg;
	if (world.stopping)
		disk_kill_now(false);
}

void world_stop_mint(void)
{
	if (!world.registry || disk_dead() || world.stopping)
		return;
	sim_note("mint: is told to stop");
	world.stopping = true;
	if (registry_stop(world.registry) == 0)
		disk_kill_now(false);
	else
		sim_at(sim_now() + STOP_WAIT_MS, stop_waited, NULL);
}

/* --- all of it --- */

void world_begin(const struct world_options *options)
{
	struct err err = { 0 };

	memset(&world, 0, sizeof world);
	world.n = options->credentials;
	front_reset();
	net_reset();
	disk_reset();
	sf_reset();
	world.loop = loop_new(&err);
	must(world.loop != NULL, "begin");
	loop_on_clock_set(world.loop, on_clock_set, NULL);
	for (size_t i = 0; i < world.n; i++)
		world_define(i);
	power_on(NULL);
}

void world_go_on(void)
{
	watch_step();
	if (disk_dead()) {
		bury();
		return;
	}
	if (!world.registry)
		return;
	front_flush();
	if (!disk_dead())
		arm_store();
}

size_t world_end(void)
{
	size_t calls;

	disk_kill_now(false);
	front_unlink();
	registry_free(TAKE(world.registry));
	calls = net_calls();
	free_mint();
	loop_free(TAKE(world.loop));
	disk_reset();
	return sim_time_reset() + calls;
}

struct keeper *world_keeper(size_t user)
{
	return world.registry ? registry_find(world.registry, world.credentials[user].name) : NULL;
}

struct store *world_store(void)
{
	return world.store;
}

int64_t world_session_ms(size_t user)
{
	return world.credentials[user].applied_ms;
}

bool world_removed(size_t user)
{
	return world.credentials[user].removed;
}

bool world_running(void)
{
	return world.power && !sim_suspended();
}

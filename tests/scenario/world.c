/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/scenario/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/unit/disk.h"
#include "tests/unit/keys.h"

enum { SERVICE_UID = 990, DESCRIPTORS = 4096 };

static struct world *current; /* for handlers without an argument */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "scenario: cannot %s\n", what);
	abort();
}

/* --- configuration --- */

bool world_limit(struct world *w, const char *name, const char *value)
{
	for (size_t i = 0; i < settings_n_sections; i++) {
		const struct config_section *section = &settings_sections[i];

		for (size_t n = 0; strcmp(section->name, "Limits") == 0 && n < section->n_keys;
		     n++) {
			const struct config_key *key = &section->keys[n];
			int64_t number = key->type == CONFIG_DURATION ? config_duration(value)
								      : strtoll(value, NULL, 10);

			if (strcmp(key->name, name) != 0)
				continue;
			memcpy((char *)w->settings + section->offset + key->offset, &number,
			       sizeof number);
			return number >= 0;
		}
	}
	return false;
}

struct world_credential *world_find(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->n_credentials; i++)
		if (strcmp(w->credentials[i].name, name) == 0)
			return &w->credentials[i];
	return NULL;
}

static bool set_name(struct world_credential *c, const char *key, const char *value)
{
	if (strcmp(key, "client") == 0)
		c->client = value;
	else if (strcmp(key, "alias") == 0)
		c->alias = value;
	else if (strcmp(key, "uid") == 0)
		c->uid = value;
	else if (strcmp(key, "user") == 0)
		c->user = value;
	else if (strcmp(key, "redirect") == 0)
		c->redirect = value;
	else if (strcmp(key, "scopes") == 0)
		c->scopes = value;
	else if (strcmp(key, "login") == 0)
		c->login_uid = value;
	else
		return world_flow_word(&c->flow, key, value);
	return true;
}

static bool set_word(struct world_credential *c, const char *key, const char *value)
{
	if (strcmp(key, "grant") == 0) {
		c->flow.grant_type = 0;
		world_flow_word(&c->flow, key, value);
		for (c->grant = 0; grant_type_names[c->grant]; c->grant++)
			if (strcmp(value, grant_type_names[c->grant]) == 0)
				return true;
		return false;
	} else if (strcmp(key, "idle_stop") == 0)
		c->idle_stop_ms = config_duration(value);
	else if (strcmp(key, "secret") == 0)
		c->secret = strcmp(value, "yes") == 0;
	else if (strcmp(key, "required") == 0)
		c->required = strcmp(value, "yes") == 0;
	else if (strcmp(key, "idle") == 0)
		c->idle = strcmp(value, "yes") == 0;
	else if (strcmp(key, "introspect") == 0)
		c->introspect = strcmp(value, "no") == 0    ? INTROSPECT_NO
				: strcmp(value, "yes") == 0 ? INTROSPECT_YES
							    : INTROSPECT_AUTO;
	else if (strcmp(key, "session") == 0)
		c->session_ms = config_duration(value);
	else if (strcmp(key, "renew_at") == 0)
		c->renew_at = strtoll(value, NULL, 10);
	else if (strcmp(key, "certificate") == 0)
		c->certificate_h = strtoll(value, NULL, 10);
	else
		return set_name(c, key, value);
	return true;
}

bool world_define(struct world *w, char **words, size_t n)
{
	struct world_credential *c = world_find(w, words[0]);

	if (!c) {
		must(w->n_credentials < WORLD_CREDENTIALS_MAX, "hold so many credentials");
		c = &w->credentials[w->n_credentials++];
		*c = (struct world_credential){ .name = words[0],
						.grant = GRANT_CLIENT_CREDENTIALS,
						.idle = true,
						.session_ms = 7200000,
						.client = "3MVG9.app",
						.uid = "1000" };
	}
	c->removed = false;
	for (size_t i = 1; i < n; i++) {
		char *equals = strchr(words[i], '=');

		if (!equals)
			return false;
		*equals = '\0';
		if (!world_flow_word(&c->flow, words[i], equals + 1) &&
		    !set_word(c, words[i], equals + 1))
			return false;
	}
	return true;
}

static struct secret *private_key(void)
{
	static struct secret *key; /* making one takes longer than all scenarios */

	if (!key)
		key = keys_make("RSA", 2048, KEY_PKCS8, NULL);
	must(key != NULL, "make a key");
	return secret_ref(key);
}

static char *copy(const char *text)
{
	char *c = strdup(text);

	must(c != NULL, "copy");
	return c;
}

static struct credential *build_credential(const struct world *w,
					   const struct world_credential *from)
{
	struct credential *c = calloc(1, sizeof *c);
	bool jwt = from->grant == GRANT_JWT_BEARER;

	must(c != NULL, "allocate");
	c->refs = 1;
	c->name = copy(from->name);
	c->grant_type = from->grant;
	c->login_url = copy("https://example.my.salesforce.com");
	c->client_id = copy(from->client);
	c->username = jwt ? copy("etl@example.com") : from->user ? copy(from->user) : NULL;
	c->redirect_uri = from->redirect ? copy(from->redirect) : NULL;
	c->scopes = from->scopes ? copy(from->scopes) : NULL;
	c->client_secret = !jwt || from->secret ? secret_new("s3cret", 6) : NULL;
	c->private_key = jwt ? private_key() : NULL;
	if (from->login_uid) {
		c->login_uids = calloc(1, sizeof *c->login_uids);
		c->login_uids[0] = strtoll(from->login_uid, NULL, 10);
		c->n_login_uids = 1;
	}
	c->session_timeout_ms = from->session_ms;
	c->renew_at_percent = from->renew_at;
	/* client credentials always have a secret: "secret=no" there means that introspection is not to be used */
	c->introspect = !from->secret ? INTROSPECT_NO : from->introspect;
	c->renew_when_idle = from->idle;
	c->idle_stop_ms = from->idle_stop_ms;
	c->required = from->required;
	c->certificate_ends_s = from->certificate_h ? w->began_s + from->certificate_h * 3600 : 0;
	world_flow_shape(&from->flow, c);
	if (c->grant_type == GRANT_SAML_BEARER && !c->private_key)
		c->private_key = private_key();
	c->uids = calloc(1, sizeof *c->uids);
	c->uids[0] = strtoll(from->uid, NULL, 10);
	c->n_uids = 1;
	if (from->alias) {
		c->aliases.items = calloc(1, sizeof *c->aliases.items);
		c->aliases.items[0] = copy(from->alias);
		c->aliases.n = 1;
	}
	return c;
}

static int by_name(const void *a, const void *b)
{
	const struct credential *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static struct credential_set *build_set(const struct world *w)
{
	struct credential_set *set = calloc(1, sizeof *set);

	must(set != NULL, "allocate");
	set->refs = 1;
	set->items = calloc(w->n_credentials + 1, sizeof *set->items);
	for (size_t i = 0; i < w->n_credentials; i++)
		if (!w->credentials[i].removed)
			set->items[set->n++] = build_credential(w, &w->credentials[i]);
	qsort(set->items, set->n, sizeof *set->items, by_name);
	return set;
}

static struct settings *copy_settings(const struct world *w)
{
	const struct settings *from = w->settings;
	struct settings *s = calloc(1, sizeof *s);

	must(s != NULL, "allocate");
	s->refs = 1;
	s->listeners = calloc(1, sizeof *s->listeners);
	must(s->listeners != NULL, "allocate");
	s->listeners->name = copy("broker");
	s->limits = from->limits;
	s->daemon.on_event = w->events.unit ? copy(w->events.unit) : NULL;
	s->network.timeout_ms = from->network.timeout_ms;
	s->network.connect_timeout_ms = from->network.connect_timeout_ms;
	return s;
}

/* --- the store: as in mint.c --- */

static void arm_store(struct world *w)
{
	int64_t due = store_due_ms(w->store);

	if (due)
		timer_set(w->store_tick, due);
}

static void on_store_tick(void *arg)
{
	struct world *w = arg;

	if (store_tick(w->store, loop_now_ms(w->loop)) && store_state(w->store) == STORE_OK)
		registry_adopted(w->registry);
	notices_changed(w->events.notices);
	arm_store(w);
}

static void open_store(struct world *w)
{
	const struct store_options options = {
		.state_dir = "/state",
		.runtime_dir = "/run",
		.now_ms = clock_now_ms(),
		.now_real_ms = clock_real_ms(),
	};
	struct err err = { 0 };

	must(store_open(&w->store, &options, &err) == 0, err.text);
	w->store_tick = timer_new(w->loop, on_store_tick, w);
	must(w->store_tick != NULL, "make a timer");
	arm_store(w);
}

/* --- the mint --- */

static void on_changed(struct keeper *k, void *arg)
{
	struct world *w = arg;

	publish_changed(w->publish, k);
	notices_changed(w->events.notices);
	arm_store(w);
}

static void on_spent(void *arg)
{
	(void)arg; /* "mint begins" ends what has stopped */
}

static void on_clock_set(void *arg)
{
	struct world *w = arg;

	for (size_t i = 0; w->registry && i < registry_count(w->registry); i++)
		keeper_clock_set(registry_at(w->registry, i));
	notices_changed(w->events.notices);
}

static void on_settled(struct keeper *k, void *arg)
{
	struct world *w = arg;

	if (w->manager)
		manager_settled(w->manager, k);
}

static void on_removed(struct keeper *k, void *arg)
{
	struct world *w = arg;

	publish_removed(w->publish, keeper_name(k));
	if (w->manager)
		manager_removed(w->manager, k);
}

static void on_replaced(struct keeper *old, struct keeper *new, void *arg)
{
	struct world *w = arg;

	manager_replaced(w->manager, old, new);
}

static void on_logins_changed(struct keeper *k, void *arg)
{
	struct world *w = arg;

	manager_logins_changed(w->manager, k);
}

static void on_reloaded(void *arg)
{
	struct world *w = arg;

	publish_reloaded(w->publish);
	if (w->manager)
		manager_reloaded(w->manager);
}

static void on_taken_over(void *arg)
{
	struct world *w = arg;

	registry_start(w->registry);
	notices_begin(w->events.notices);
}

static void on_counters(const struct link_counters *c, void *arg)
{
	struct world *w = arg;

	manager_counters(w->manager, c);
}

static void on_other_build(void *arg)
{
	(void)arg;
	must(false, "be of another build");
}

static int on_reload(struct manager_reload *out, struct err *err, void *arg)
{
	return world_reload(arg, out, err);
}

static const struct config_notes *no_warnings(void *arg)
{
	(void)arg;
	return NULL;
}

static bool is_ready(void *arg)
{
	const struct world *w = arg;

	return registry_ready(w->registry);
}

static int swap(struct world *w, struct registry_reload *diff, struct err *err)
{
	struct credential_set *set = build_set(w);
	struct settings *settings = copy_settings(w);
	int r = registry_swap(w->registry, settings, set, diff, err);

	credential_set_unref(set);
	settings_unref(settings);
	return r;
}

int world_reload(struct world *w, struct manager_reload *out, struct err *err)
{
	int r = swap(w, &out->diff, err);

	if (r == 0)
		attempts_configure(w->attempts, registry_settings(w->registry));
	notices_changed(w->events.notices);
	return r;
}

void world_start_mint(struct world *w)
{
	const struct registry_handlers registry = {
		.changed = on_changed,
		.settled = on_settled,
		.removed = on_removed,
		.replaced = on_replaced,
		.logins_changed = on_logins_changed,
		.reloaded = on_reloaded,
		.spent = on_spent,
		.arg = w,
	};
	const struct publish_handlers publish = {
		.taken_over = on_taken_over,
		.counters = on_counters,
		.other_build = on_other_build,
		.arg = w,
	};
	const struct manager_handlers manager = {
		.reload = on_reload, .warnings = no_warnings, .ready = is_ready, .arg = w
	};
	struct err err = { 0 };

	open_store(w);
	w->http = http_new(w->loop, w->settings, &err);
	w->attempts = attempts_new(w->loop, w->http, w->settings, &err);
	w->registry = registry_new(w->loop, w->attempts, w->store, &registry, 42, &err);
	w->publish = publish_new(w->loop, w->registry, SERVICE_UID, &publish, &err);
	must(swap(w, NULL, &err) == 0, "load");
	attempts_configure(w->attempts, registry_settings(w->registry));
	world_events_begin(&w->events, w->loop, w->registry);
	w->manager = manager_new(w->loop, w->registry, w->publish, SERVICE_UID, &manager, &err);
	must(w->manager && manager_listen(w->manager, -1, "manager",
					  "/run/sftokend/io.sftoken.Manager", &err) == 0,
	     "start the mint");
}

void world_kill_mint(struct world *w)
{
	manager_free(TAKE(w->manager));
	notices_free(TAKE(w->events.notices));
	registry_free(TAKE(w->registry));
	publish_free(TAKE(w->publish));
	attempts_free(TAKE(w->attempts));
	http_free(TAKE(w->http));
	timer_free(TAKE(w->store_tick));
	store_close(TAKE(w->store));
}

void world_stop_mint(struct world *w)
{
	if (registry_stop(w->registry) == 0)
		world_kill_mint(w);
}

/* --- the front --- */

static void on_front_ready(struct front *f)
{
	(void)f;
}

static void on_front_fatal(const char *why)
{
	fprintf(stderr, "# the front cannot go on: %s\n", why);
	current->fatal = true;
}

static const struct front_events front_events = { .ready = on_front_ready,
						  .fatal = on_front_fatal };

void world_start_front(struct world *w)
{
	struct err err = { 0 };

	w->front = front_new(w->loop, DESCRIPTORS, &front_events, &err);
	must(w->front && front_add_listener(w->front, -1, "broker",
					    "/run/sftokend/io.sftoken.Broker", false, &err) == 0,
	     "start the front");
	front_open(w->front);
}

/* Its callers must have been hung up. */
void world_kill_front(struct world *w)
{
	front_free(TAKE(w->front));
}

void world_link(struct world *w)
{
	struct err err = { 0 };
	int mint_end, front_end;

	fake_link_pair(&mint_end, &front_end);
	must(publish_link(w->publish, mint_end, &err) == 0 &&
		     front_link_use(w->front->link, front_end, &err) == 0,
	     "make a link");
}

/* --- all of it --- */

void world_begin(struct world *w)
{
	struct err err;

	memset(w, 0, sizeof *w);
	current = w;
	fake_link_reset();
	fake_http_reset();
	disk_reset();
	disk_add_dir("/state", false);
	disk_add_dir("/run", true);
	w->loop = loop_new(&err);
	w->settings = calloc(1, sizeof *w->settings);
	must(w->loop && w->settings, "begin");
	loop_on_clock_set(w->loop, on_clock_set, w);
	w->began_s = clock_real_ms() / 1000;
	w->settings->refs = 1;
	limits_default(&w->settings->limits);
	w->settings->limits.renew_jitter_percent =
		0; /* scenarios name moments; "limit RenewJitter=5" brings it back */
	w->settings->limits.start_spread_ms = 0;
	w->settings->network.timeout_ms = 15000;
	w->settings->network.connect_timeout_ms = 5000;
}

void world_start(struct world *w)
{
	world_start_mint(w);
	world_start_front(w);
	world_link(w);
	w->started = true;
}

size_t world_end(struct world *w)
{
	if (w->manager)
		world_kill_mint(w);
	if (w->front)
		world_kill_front(w);
	loop_free(w->loop);
	settings_unref(w->settings);
	return fake_time_reset();
}

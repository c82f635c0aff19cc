/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/manager_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/mint/flow.h"
#include "daemon/mint/logs.h"
#include "daemon/mint/publish.h"

const char *const doctor_step_names[DOCTOR_STEPS] = { [DOCTOR_CONFIGURATION] = "configuration", [DOCTOR_TOKEN] = "token" };

struct manager_fake manager_fake;
struct keeper manager_keepers[3];

static struct settings settings = { .daemon = { .admin_group = NULL } };
static struct manager *manager;
static struct fake_caller callers[8];
static size_t n_callers;
/* never looked into: only their addresses are handed around */
static struct registry {
	char unused;
} the_registry;
static struct store {
	char unused;
} the_store;
static struct loop {
	char unused;
} the_loop;
static struct timer {
	char unused;
} the_timer;

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	char *log = manager_fake.log;
	size_t room = sizeof manager_fake.log, at = strlen(log);

	(void)level;
	(void)arg;
	at += (size_t)snprintf(log + at, room - at, "%s", event);
	for (size_t i = 0; i < n && at < room; i++)
		at += (size_t)(fields[i].text
				       ? snprintf(log + at, room - at, " %s=%s", fields[i].name,
						  fields[i].text)
				       : snprintf(log + at, room - at, " %s=%lld", fields[i].name,
						  (long long)fields[i].number));
	if (at < room)
		snprintf(log + at, room - at, "\n");
}

/* --- the registry --- */

struct keeper *registry_find_alias(struct registry *r, const char *name)
{
	(void)r;
	for (size_t i = 0; i < 3; i++)
		if (strcmp(manager_keepers[i].name, name) == 0)
			return &manager_keepers[i];
	return NULL;
}

struct keeper *registry_find(struct registry *r, const char *name)
{
	return registry_find_alias(r, name);
}

size_t registry_count(const struct registry *r)
{
	(void)r;
	return 3;
}

struct keeper *registry_at(struct registry *r, size_t i)
{
	(void)r;
	return &manager_keepers[i];
}

const struct settings *registry_settings(const struct registry *r)
{
	(void)r;
	return &settings;
}

struct store *registry_store(struct registry *r)
{
	(void)r;
	return &the_store;
}

static int fail(struct err *err)
{
	*err = manager_fake.err;
	return manager_fake.status;
}

int registry_supply(struct registry *r, struct keeper *k, enum stored_secret kind,
		    struct secret *value, struct err *err)
{
	(void)r;
	(void)k;
	if (manager_fake.status < 0)
		return fail(err);
	snprintf(manager_fake.supplied[kind], sizeof manager_fake.supplied[kind], "%s",
		 secret_bytes(value));
	manager_fake.supplied_size = secret_size(value);
	return 0;
}

void registry_adopted(struct registry *r)
{
	(void)r;
	manager_fake.adopted++;
}

void registry_reload_fini(struct registry_reload *r)
{
	(void)r;
}

/* --- keepers --- */

const struct credential *keeper_credential(const struct keeper *k)
{
	return &k->credential;
}

const char *keeper_name(const struct keeper *k)
{
	return k->name;
}

struct tally *keeper_tally(const struct keeper *k)
{
	return &((struct keeper *)k)->tally;
}

const struct grant *keeper_token(const struct keeper *k)
{
	static const struct grant grant;

	return k->expires ? &grant : NULL;
}

const struct keeper_wall *keeper_wall(struct keeper *k)
{
	static struct keeper_wall wall;

	wall = (struct keeper_wall){ .issued = k->expires - 7200, .expires = k->expires };
	return &wall;
}

int64_t keeper_generation(const struct keeper *k)
{
	(void)k;
	return 1;
}

const struct schedule *keeper_schedule(const struct keeper *k)
{
	static struct schedule schedule;

	(void)k;
	return &schedule;
}

struct keeper_problem keeper_problem(const struct keeper *k)
{
	(void)k;
	return (struct keeper_problem){ .error = -1 };
}

struct keeper_problem keeper_no_refresh(const struct keeper *k)
{
	(void)k;
	return (struct keeper_problem){ .error = BROKER_UNAVAILABLE, .message = "not now" };
}

bool keeper_refresh(struct keeper *k)
{
	(void)k;
	return false;
}

void keeper_set_enabled(struct keeper *k, bool enabled)
{
	k->enabled = enabled;
}

int keeper_give_refresh(struct keeper *k, struct secret *token, const char *base_url,
			struct err *err)
{
	(void)k;
	if (manager_fake.status < 0 && !manager_fake.supply_alone)
		return fail(err);
	snprintf(manager_fake.given, sizeof manager_fake.given, "%s", secret_bytes(token));
	snprintf(manager_fake.base_url, sizeof manager_fake.base_url, "%s",
		 base_url ? base_url : "-");
	manager_fake.given_size = secret_size(token);
	return 0;
}

struct keeper_revocation *keeper_revoke(struct keeper *k, bool forget,
					void (*done)(int status, const struct err *err, void *arg),
					void *arg, struct err *err)
{
	(void)k;
	if (manager_fake.status < 0) {
		fail(err);
		return NULL;
	}
	manager_fake.revocation = (struct keeper_revocation){ done, arg, forget, false };
	return &manager_fake.revocation;
}

void keeper_revocation_forget(struct keeper_revocation *r)
{
	if (r)
		r->forgotten = true;
}

size_t keeper_history(const struct keeper *k, struct keeper_note notes[KEEPER_NOTES])
{
	(void)k;
	memcpy(notes, manager_fake.notes, sizeof manager_fake.notes);
	return manager_fake.n_notes;
}

/* Lives until the next call, as the real one's: a caller that keeps the pointer shows the wrong text. */
const char *keeper_unknown(const struct keeper *k)
{
	static char text[100];

	snprintf(text, sizeof text, "%s", k->unknown ? k->unknown : "stale");
	return k->unknown ? text : NULL;
}

const char *credential_missing(const struct credential *c)
{
	for (size_t i = 0; i < 3; i++)
		if (c == &manager_keepers[i].credential)
			return manager_keepers[i].missing;
	return NULL;
}

/* --- doctors: tests/unit/test_manager.c lets them speak --- */

struct doctor *doctor_new(struct loop *l, struct registry *r, struct keeper *k,
			  const struct doctor_handlers *handlers)
{
	struct doctor *d = NULL;

	(void)l;
	(void)r;
	for (size_t i = 0; i < MANAGER_DOCTORS && !d; i++)
		if (!manager_fake.doctors[i].keeper)
			d = &manager_fake.doctors[i];
	if (!d)
		abort();
	*d = (struct doctor){ .keeper = k, .handlers = *handlers };
	return d;
}

void doctor_free(struct doctor *d)
{
	if (d)
		*d = (struct doctor){ 0 };
}

const struct keeper *doctor_keeper(const struct doctor *d)
{
	return d->keeper;
}

void doctor_settled(struct doctor *d)
{
	d->settled++;
}

void doctor_forget(struct doctor *d)
{
	d->forgotten++;
}

/* --- the store, flows, Salesforce --- */

enum store_state store_state(const struct store *s)
{
	(void)s;
	return manager_fake.store;
}

struct store_counters store_counters(const struct store *s)
{
	(void)s;
	return (struct store_counters){ .records = 11, .syncs = 12, .failures = 13, .bytes = 14 };
}

const char *store_why(const struct store *s)
{
	(void)s;
	return manager_fake.store == STORE_OK ? "" : "why the store is not ok";
}

const char *store_key_note(struct store *s)
{
	(void)s;
	return manager_fake.key_note ? manager_fake.key_note : "";
}

int store_adopt(struct store *s, struct err *err)
{
	(void)s;
	manager_fake.adopts++;
	if (manager_fake.status < 0)
		return fail(err);
	manager_fake.store = STORE_OK;
	return 0;
}

const struct flow_ops *flow_find(int grant_type)
{
	static const struct flow_ops itself = { .renewal = RENEW_ITSELF },
				     refresh = { .renewal = RENEW_REFRESH };

	return grant_type == GRANT_REFRESH_TOKEN ? &refresh : &itself;
}

static struct secret *secret_of(const char *text)
{
	return text ? secret_new(text, strlen(text)) : NULL;
}

int salesforce_parse_sfdx(const struct secret *text, struct sfdx_auth_url *out, struct err *err)
{
	(void)text;
	if (!manager_fake.sfdx[0])
		return err_set(err, ERR_INPUT, "this does not begin with force://");
	*out = (struct sfdx_auth_url){
		.client_id = strdup(manager_fake.sfdx[0]),
		.client_secret = secret_of(manager_fake.sfdx[1]),
		.refresh_token = secret_of(manager_fake.sfdx[2]),
		.base_url = strdup(manager_fake.sfdx[3]),
	};
	return 0;
}

void sfdx_auth_url_fini(struct sfdx_auth_url *u)
{
	free(u->client_id);
	free(u->base_url);
	secret_unref(u->client_secret);
	secret_unref(u->refresh_token);
}

/* --- publish, logs, time --- */

void publish_flush(struct publish *p)
{
	(void)p;
	manager_fake.flushes++;
}

void publish_count(struct publish *p)
{
	struct link_counters c = { 0 };
	char *text = manager_fake.counters ? strdup(manager_fake.counters) : NULL;

	(void)p;
	if (text)
		c.counters = json_root(text, strlen(text));
	manager_counters(manager, text ? &c : NULL);
	free(text);
}

int64_t logs_dropped(void)
{
	return 3;
}

void logs_set_level(enum log_level level)
{
	(void)level;
}

void logs_watch(void (*seen)(const char *event, const struct log_field *fields, size_t n,
			     void *arg),
		void *arg)
{
	(void)seen;
	(void)arg;
}

int64_t loop_now_ms(struct loop *l)
{
	(void)l;
	return FAKE_START_MS;
}

struct timer *timer_new(struct loop *l, void (*fired)(void *arg), void *arg)
{
	(void)l;
	(void)fired;
	(void)arg;
	return &the_timer;
}

void timer_set(struct timer *t, int64_t at_ms)
{
	(void)t;
	(void)at_ms;
}

void timer_clear(struct timer *t)
{
	(void)t;
}

void timer_free(struct timer *t)
{
	(void)t;
}

/* --- a manager --- */

static const struct config_notes *no_warnings(void *arg)
{
	(void)arg;
	return NULL;
}

static bool ready(void *arg)
{
	(void)arg;
	return true;
}

void manager_begin(void)
{
	static const struct manager_handlers handlers = { .warnings = no_warnings, .ready = ready };
	static char app[] = "3MVG9app", stored[] = "stored:", file[] = "file:/run/secret";

	memset(&manager_fake, 0, sizeof manager_fake);
	memset(manager_keepers, 0, sizeof manager_keepers);
	manager_keepers[0] = (struct keeper){ .name = "bearer", .credential = { .grant_type = GRANT_JWT_BEARER, .client_id = app, .private_key_ref = stored } };
	manager_keepers[1] = (struct keeper){ .name = "refresh", .credential = { .grant_type = GRANT_REFRESH_TOKEN, .client_id = app, .client_secret_ref = stored } };
	manager_keepers[2] = (struct keeper){ .name = "other", .credential = { .grant_type = GRANT_REFRESH_TOKEN, .client_id = app, .client_secret_ref = file } };
	log_set_sink(sink, NULL);
	manager = manager_new(&the_loop, &the_registry, NULL, 999, &handlers, NULL);
	if (!manager || manager_listen(manager, -1, "manager", "/run/m", NULL) < 0)
		abort();
}

void manager_end(void)
{
	for (size_t i = 0; i < n_callers; i++)
		fake_caller_fini(&callers[i]);
	n_callers = 0;
	manager_free(manager);
	manager = NULL;
	log_set_sink(NULL, NULL);
}

struct manager *manager_under_test(void)
{
	return manager;
}

struct fake_caller *manager_caller(uid_t uid)
{
	struct fake_caller *c = &callers[n_callers++];

	if (n_callers > sizeof callers / sizeof callers[0] || !fake_connect(c, "manager", uid))
		abort();
	return c;
}

const char *manager_replied(void)
{
	const struct fake_caller *c = &callers[n_callers - 1];

	return c->n_replies ? c->replies[c->n_replies - 1] : NULL;
}

const char *manager_call(const char *method, const char *parameters)
{
	struct fake_caller *c = n_callers ? &callers[n_callers - 1] : manager_caller(0);
	size_t before = c->n_replies;
	char full[100];

	snprintf(full, sizeof full, MANAGER_INTERFACE ".%s", method);
	fake_call(c, full, parameters, false);
	return c->n_replies > before ? manager_replied() : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refresh, SetEnabled, Reload, Ping, SetLogLevel.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/mint/login.h"
#include "daemon/mint/logs.h"
#include "daemon/mint/manager_parts.h"
#include "daemon/mint/publish.h"

static struct opt_int some(int64_t value)
{
	return (struct opt_int){ value, true };
}

/* --- Refresh --- */

static int64_t seconds_until(const struct client *c, int64_t at_ms)
{
	int64_t left = at_ms - loop_now_ms(c->manager->loop);

	return left > 0 ? (left + 999) / 1000 : 1;
}

static void answer_problem(struct client *c, struct keeper *k, const struct keeper_problem *p)
{
	struct broker_error_fields fields = {
		.credential = c->credential,
		.grant_type = keeper_credential(k)->grant_type,
		.state = (int)keeper_schedule(k)->state,
		.message = p->message,
		.oauth_error = p->oauth_error,
		.description = p->description,
		.http_status = some(p->http_status),
		.retry_after_s = some(seconds_until(c, p->retry_at_ms)),
	};

	manager_broker_error(c, (enum broker_error)p->error, &fields);
}

static void answer_refresh(struct client *c, struct keeper *k)
{
	struct keeper_problem p = keeper_problem(k);
	struct refresh_reply reply = { some(keeper_generation(k)) };

	c->keeper = NULL;
	if (c->timer)
		timer_clear(c->timer);
	if (p.error >= 0)
		answer_problem(c, k, &p);
	else
		manager_reply(c, &refresh_reply_table, &reply);
}

/* No attempt could be started, though nothing is wrong: the budget or Retry-After is in the way. */
static void answer_not_now(struct client *c, struct keeper *k)
{
	struct keeper_problem p = keeper_problem(k);

	if (p.error < 0)
		p = keeper_no_refresh(k);
	answer_problem(c, k, &p);
}

static void refresh_timed_out(void *arg)
{
	struct client *c = arg;
	struct broker_error_fields fields = { .credential = c->credential, .wait_s = some(c->wait_s) };

	if (c->waits != WAITS_REFRESH)
		return;
	c->keeper = NULL;
	manager_broker_error(c, BROKER_TIMED_OUT, &fields);
}

static bool wait_for_refresh(struct client *c, struct keeper *k)
{
	struct manager *m = c->manager;

	if (!c->timer)
		c->timer = timer_new(m->loop, refresh_timed_out, c);
	if (!c->timer)
		return false;
	c->waits = WAITS_REFRESH;
	c->keeper = k;
	timer_set(c->timer, loop_now_ms(m->loop) + c->wait_s * 1000);
	return true;
}

void manager_call_refresh(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct refresh_call *p = params;
	const struct limits *l = &registry_settings(c->manager->registry)->limits;
	struct keeper *k = registry_find_alias(c->manager->registry, p->credential);

	(void)call;
	if (!k) {
		manager_no_such_credential(c, p->credential);
		return;
	}
	snprintf(c->credential, sizeof c->credential, "%s", p->credential);
	c->wait_s = p->wait_s.set ? p->wait_s.value : l->default_wait_ms / 1000;
	if (c->wait_s > l->max_wait_ms / 1000)
		c->wait_s = l->max_wait_ms / 1000;
	log_event(LOG_LEVEL_INFO, "manager.refresh", F_STR("credential", keeper_name(k)),
		  F_INT("uid", connection_peer(c->connection)->uid),
		  F_INT("pid", connection_peer(c->connection)->pid));
	if (!keeper_refresh(k))
		answer_not_now(c, k);
	else if (!wait_for_refresh(c, k))
		connection_close(c->connection);
}

/* The attempt of k has ended: everybody who waits for it hears how. The list may change while it is walked. */
void manager_settled(struct manager *m, struct keeper *k)
{
	struct client *c = m->clients, *next;

	for (; c; c = next) {
		next = c->next;
		if (c->waits != WAITS_REFRESH || c->keeper != k)
			continue;
		publish_flush(m->publish);
		answer_refresh(c, k);
	}
	manager_doctors_settled(m, k);
}

void manager_removed(struct manager *m, struct keeper *k)
{
	struct client *c, *next;

	logins_keeper_gone(m->logins, k, NULL,
			   "the credential was removed from the configuration meanwhile");
	c = m->clients;
	for (; c; c = next) {
		next = c->next;
		if (c->waits != WAITS_REFRESH || c->keeper != k)
			continue;
		c->keeper = NULL;
		timer_clear(c->timer);
		manager_no_such_credential(c, c->credential);
	}
	manager_doctors_forget(m, k);
}

static const char changed_meanwhile
	[] = "the configuration of the credential was changed meanwhile: log in again";

/* Who began a login may not be among those who may any more. */
void manager_logins_changed(struct manager *m, struct keeper *k)
{
	logins_keeper_gone(m->logins, k, k, changed_meanwhile);
}

/* The attempt that somebody waited for was cancelled with the old settings; a new one begins with the new ones. */
void manager_replaced(struct manager *m, struct keeper *old, struct keeper *new)
{
	bool waited = false;

	logins_keeper_gone(m->logins, old, new, changed_meanwhile);
	for (struct client *c = m->clients; c; c = c->next) {
		if (c->waits != WAITS_REFRESH || c->keeper != old)
			continue;
		c->keeper = new;
		waited = true;
	}
	if (waited && !keeper_refresh(new))
		manager_settled(m, new);
	manager_doctors_forget(m, old);
}

/* --- SetEnabled --- */

void manager_call_set_enabled(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct set_enabled_call *p = params;
	struct keeper *k = registry_find_alias(c->manager->registry, p->credential);

	(void)call;
	if (!k) {
		manager_no_such_credential(c, p->credential);
		return;
	}
	log_event(LOG_LEVEL_NOTICE, p->enabled.value ? "manager.enable" : "manager.disable",
		  F_STR("credential", keeper_name(k)),
		  F_INT("uid", connection_peer(c->connection)->uid),
		  F_INT("pid", connection_peer(c->connection)->pid));
	keeper_set_enabled(k, p->enabled.value);
	if (store_state(registry_store(c->manager->registry)) == STORE_READONLY)
		log_event(LOG_LEVEL_WARNING, "manager.not_kept",
			  F_STR("credential", keeper_name(k)),
			  F_STR("why", store_why(registry_store(c->manager->registry))));
	publish_flush(c->manager->publish);
	manager_reply_empty(c);
}

/* --- Reload --- */

void manager_reload_fini(struct manager_reload *r)
{
	registry_reload_fini(&r->diff);
	config_notes_fini(&r->warnings);
	free(r->file);
	free(r->message);
	memset(r, 0, sizeof *r);
}

static struct text_list first_names(const struct registry_names *names)
{
	return (struct text_list){
		.items = (const char *const *)names->items,
		.n = names->n < MANAGER_NAMES_MAX ? names->n : MANAGER_NAMES_MAX,
	};
}

static void answer_reload(struct client *c, const struct manager_reload *r)
{
	const char *warnings[MANAGER_WARNINGS_MAX];
	struct reload_reply reply = {
		.added = some((int64_t)r->diff.added.n),
		.changed = some((int64_t)r->diff.changed.n),
		.removed = some((int64_t)r->diff.removed.n),
		.added_names = first_names(&r->diff.added),
		.changed_names = first_names(&r->diff.changed),
		.removed_names = first_names(&r->diff.removed),
		.warnings = { .items = warnings },
	};

	for (size_t i = 0; i < r->warnings.n && i < MANAGER_WARNINGS_MAX; i++)
		warnings[reply.warnings.n++] = r->warnings.items[i].text;
	manager_reply(c, &reload_reply_table, &reply);
}

static void answer_bad_configuration(struct client *c, const struct manager_reload *r,
				     const struct err *err)
{
	struct configuration_invalid_error params = {
		.file = r->file ? r->file : "", .line = some(r->line), .message = r->message ? r->message : err->text,
	};

	manager_error(c, MANAGER_INTERFACE ".ConfigurationInvalid", &configuration_invalid_table,
		      &params);
}

static int reload(struct client *c, struct manager_reload *r, struct err *err)
{
	struct manager *m = c->manager;
	int status;

	log_event(LOG_LEVEL_NOTICE, "manager.reload",
		  F_INT("uid", connection_peer(c->connection)->uid),
		  F_INT("pid", connection_peer(c->connection)->pid));
	status = m->handlers.reload(r, err, m->handlers.arg);

	publish_flush(m->publish);
	return status;
}

void manager_call_reload(void *client, const struct varlink_call *call, const void *params)
{
	struct manager_reload r = { 0 };
	struct err err = { 0 };

	(void)call;
	(void)params;
	if (reload(client, &r, &err) == 0)
		answer_reload(client, &r);
	else
		answer_bad_configuration(client, &r, &err);
	manager_reload_fini(&r);
}

void manager_call_service_reload(void *client, const struct varlink_call *call, const void *params)
{
	struct manager_reload r = { 0 };
	struct err err = { 0 };

	(void)call;
	(void)params;
	if (reload(client, &r, &err) == 0)
		manager_reply_empty(client);
	else
		answer_bad_configuration(client, &r, &err);
	manager_reload_fini(&r);
}

/* --- io.systemd.service --- */

void manager_call_ping(void *client, const struct varlink_call *call, const void *params)
{
	(void)call;
	(void)params;
	manager_reply_empty(client);
}

void manager_call_set_log_level(void *client, const struct varlink_call *call, const void *params)
{
	/* syslog(3) severities; ours begin with err */
	static const enum log_level levels[] = { LOG_LEVEL_ERR,     LOG_LEVEL_ERR,    LOG_LEVEL_ERR,  LOG_LEVEL_ERR,
						 LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
	const struct set_log_level_call *p = params;
	struct client *c = client;

	(void)call;
	if (p->level.value < 0 || p->level.value > 7) {
		varlink_add_invalid_parameter(connection_out(c->connection), "level");
		connection_reply(c->connection, false);
		return;
	}
	logs_set_level(levels[p->level.value]);
	log_event(LOG_LEVEL_NOTICE, "manager.log_level",
		  F_STR("to", log_level_name(levels[p->level.value])),
		  F_INT("uid", connection_peer(c->connection)->uid));
	manager_reply_empty(c);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/manager_api.h"

#include <grp.h>
#include <string.h>

#include "daemon/mint/login.h"
#include "daemon/mint/logs.h"
#include "daemon/mint/manager_parts.h"
#include "daemon/mint/totals.h"

/*
 * Administrators are few; what they cost must not depend on how often they connect. Others come for AllowLogin= (or in vain): they do not keep administrators out, nor each other.
 */
enum { CLIENTS_MAX = 256, CLIENTS_KEPT = 32, CLIENTS_OF_USER = 32, FULL_TOLD_MS = 60 * 1000 };

static const struct varlink_method manager_methods[] = {
	{ "Login", &login_table, METHOD_MORE, manager_call_login },
	{ "CompleteLogin", &complete_login_table, 0, manager_call_complete_login },
	{ "ImportSecret", &import_secret_table, 0, manager_call_import },
	{ "Refresh", &refresh_table, 0, manager_call_refresh },
	{ "Revoke", &revoke_table, 0, manager_call_revoke },
	{ "Adopt", NULL, 0, manager_call_adopt },
	{ "SetEnabled", &set_enabled_table, 0, manager_call_set_enabled },
	{ "Reload", NULL, 0, manager_call_reload },
	{ "Status", NULL, 0, manager_call_status },
	{ "History", &credential_required_table, 0, manager_call_history },
	{ "Diagnose", &credential_required_table, METHOD_MORE, manager_call_diagnose },
	{ "Metrics", &metrics_table, 0, manager_call_metrics },
	{ "WatchEvents", &credential_call_table, METHOD_MORE, manager_call_watch_events },
};

static const struct varlink_method systemd_methods[] = {
	{ "Ping", NULL, 0, manager_call_ping },
	{ "Reload", NULL, 0, manager_call_service_reload },
	{ "SetLogLevel", &set_log_level_table, 0, manager_call_set_log_level },
};

static const struct varlink_interface manager_interface = {
	MANAGER_INTERFACE, manager_description, manager_methods, sizeof manager_methods / sizeof manager_methods[0],
};
static const struct varlink_interface systemd_interface = {
	"io.systemd.service", systemd_description, systemd_methods, sizeof systemd_methods / sizeof systemd_methods[0],
};
static const struct varlink_interface *const interfaces[] = { &manager_interface, &systemd_interface };

static const struct service service = {
	.vendor = "sftoken",
	.product = "sftokend",
	.version = SFTOKEN_VERSION,
	.url = "https://github.com/sftoken/sftokend",
	.interfaces = interfaces,
	.n_interfaces = sizeof interfaces / sizeof interfaces[0],
};

void manager_reply(struct client *c, const struct fields *table, const void *reply)
{
	struct buf *out = connection_out(c->connection);

	varlink_begin_reply(out);
	fields_encode(table, reply, out);
	varlink_end_reply(out, false);
	c->waits = WAITS_NOT;
	connection_reply(c->connection, false);
}

void manager_reply_empty(struct client *c)
{
	struct buf *out = connection_out(c->connection);

	varlink_begin_reply(out);
	json_begin_object(out);
	json_end_object(out);
	varlink_end_reply(out, false);
	c->waits = WAITS_NOT;
	connection_reply(c->connection, false);
}

void manager_error(struct client *c, const char *name, const struct fields *table,
		   const void *params)
{
	struct buf *out = connection_out(c->connection);

	varlink_begin_error(out, name);
	fields_encode(table, params, out);
	varlink_end_reply(out, false);
	c->waits = WAITS_NOT;
	connection_reply(c->connection, false);
}

void manager_broker_error(struct client *c, enum broker_error error,
			  const struct broker_error_fields *fields)
{
	c->waits = WAITS_NOT;
	broker_add_error(connection_out(c->connection), error, fields);
	connection_reply(c->connection, false);
}

void manager_no_such_credential(struct client *c, const char *name)
{
	struct credential_call params = { .credential = name };

	manager_error(c, MANAGER_INTERFACE ".NoSuchCredential", &credential_required_table,
		      &params);
}

/* --- who may --- */

bool manager_is_admin(const struct manager *m, const struct peer *p)
{
	if (p->uid == PEER_OVERFLOW_UID)
		return false;
	return p->uid == 0 || p->uid == m->service_uid ||
	       (m->admin_group && peer_in_group(p, m->admin_gid));
}

/* The group may be made later: looked up at every load, and never needed to exist. */
static void find_admin_group(struct manager *m)
{
	const char *name = registry_settings(m->registry)->daemon.admin_group;
	struct group *g = name ? getgrnam(name) : NULL;

	m->admin_group = g != NULL;
	m->admin_gid = g ? g->gr_gid : 0;
}

/* The users of AllowLogin= may log in, and nothing else. */
static bool may_call(const struct manager *m, const struct peer *p, const struct varlink_call *call)
{
	return manager_is_admin(m, p) ||
	       (manager_is_login_call(call) && manager_may_login_anywhere(m, p));
}

/* --- connections --- */

static void on_call(struct connection *connection, struct varlink_call *call, void *arg)
{
	struct manager *m = arg;
	struct client *c = connection_data(connection);
	struct buf *out = connection_out(connection);

	if (!may_call(m, connection_peer(connection), call))
		varlink_add_permission_denied(out);
	else if (service_dispatch(&service, call, c, out))
		return;
	connection_reply(connection, false);
}

static void on_drained(struct connection *connection, void *arg)
{
	(void)arg;
	manager_events_drained(connection_data(connection));
}

static void client_free(struct client *c)
{
	struct client **at = &c->manager->clients;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at) {
		*at = c->next;
		c->manager->n_clients--;
	}
	manager_login_closed(c);
	keeper_revocation_forget(c->revocation);
	doctor_free(c->doctor);
	timer_free(c->timer);
	free(c);
}

static void on_closed(struct connection *connection, void *arg)
{
	(void)arg;
	client_free(connection_data(connection));
}

static bool has_room(const struct manager *m, const struct peer *p)
{
	size_t n = 0;

	if (manager_is_admin(m, p))
		return m->n_clients < CLIENTS_MAX;
	for (const struct client *c = m->clients; c; c = c->next)
		n += connection_peer(c->connection)->uid == p->uid;
	return n < CLIENTS_OF_USER && m->n_clients < CLIENTS_MAX - CLIENTS_KEPT;
}

static struct client *client_new(struct manager *m, const struct peer *p)
{
	struct client *c = has_room(m, p) ? calloc(1, sizeof *c) : NULL;

	if (!c)
		return NULL;
	c->manager = m;
	c->next = m->clients;
	m->clients = c;
	m->n_clients++;
	return c;
}

/* Once a minute: whoever is turned away may come again at once, and must not fill the log. */
static void tell_full(struct manager *m, const struct peer *p)
{
	int64_t now_ms = loop_now_ms(m->loop);

	if (m->full_until_ms > now_ms)
		return;
	m->full_until_ms = now_ms + FULL_TOLD_MS;
	log_event(LOG_LEVEL_WARNING, "manager.full", F_INT("connections", (int64_t)m->n_clients),
		  F_INT("uid", p->uid));
}

static void on_accepted(struct listener *l, int sock, struct peer *peer, void *arg)
{
	struct manager *m = arg;
	struct client *c = client_new(m, peer);
	struct err err = { 0 };

	(void)l;
	if (!c) {
		tell_full(m, peer);
		peer_fini(peer);
		close(sock);
		return;
	}
	c->connection = connection_open(m->loop, sock, peer, &m->limits, &m->connection_handlers, m,
					c, &err);
	if (!c->connection)
		client_free(c);
}

static void on_paused(struct listener *l, int errnum, void *arg)
{
	(void)arg;
	log_event(LOG_LEVEL_WARNING, "listener.paused", F_STR("listener", listener_name(l)),
		  F_STR("why", strerror(errnum)));
}

/* --- life --- */

void manager_reloaded(struct manager *m)
{
	const struct limits *l = &registry_settings(m->registry)->limits;

	m->limits = (struct connection_limits){
		.request_timeout_ms = l->request_timeout_ms,
		.idle_timeout_ms = l->idle_timeout_ms,
		.stalled_ms = l->watch_stall_timeout_ms,
	};
	m->listener_handlers.pause_ms = l->accept_pause_ms;
	find_admin_group(m);
}

struct manager *manager_new(struct loop *l, struct registry *registry, struct publish *publish,
			    uid_t service_uid, const struct manager_handlers *handlers,
			    struct err *err)
{
	struct manager *m = calloc(1, sizeof *m);

	if (!m) {
		err_oom(err);
		return NULL;
	}
	m->logins = manager_logins_new(m, err);
	m->totals = totals_new();
	if (!m->logins || !m->totals) {
		logins_free(m->logins);
		free(m);
		return NULL;
	}
	m->loop = l;
	m->registry = registry;
	m->publish = publish;
	m->service_uid = service_uid;
	m->handlers = *handlers;
	m->connection_handlers = (struct connection_handlers){ .call = on_call, .drained = on_drained, .closed = on_closed, .erase_input = true };
	m->listener_handlers = (struct listener_handlers){ .accepted = on_accepted, .paused = on_paused, .arg = m };
	manager_reloaded(m);
	logs_watch(manager_event, m);
	return m;
}

void manager_free(struct manager *m)
{
	if (!m)
		return;
	logs_watch(NULL, NULL);
	for (size_t i = 0; i < m->n_listeners; i++)
		listener_close(m->listeners[i]);
	while (m->clients)
		connection_close(m->clients->connection);
	logins_free(m->logins);
	totals_free(m->totals);
	manager_about_fini(m);
	free(m);
}

int manager_listen(struct manager *m, int fd, const char *name, const char *path, struct err *err)
{
	struct listener *l;

	if (m->n_listeners == MANAGER_LISTENERS_MAX) {
		close(fd);
		return err_set(err, ERR_INTERNAL, "more than %d manager sockets",
			       MANAGER_LISTENERS_MAX);
	}
	l = listener_open(m->loop, fd, name, path, &m->listener_handlers, err);
	if (!l)
		return -ERR_INTERNAL;
	m->listeners[m->n_listeners++] = l;
	listener_enable(l, true);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Login and CompleteLogin, for administrators and for the users of AllowLogin=.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/mint/login.h"
#include "daemon/mint/manager_parts.h"
#include "daemon/mint/publish.h"

/* --- who may --- */

static bool among(int64_t id, const int64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool may_login(const struct credential *c, const struct peer *p)
{
	if (p->uid == PEER_OVERFLOW_UID)
		return false;
	if (among(p->uid, c->login_uids, c->n_login_uids))
		return true;
	for (size_t i = 0; i < c->n_login_gids; i++)
		if (peer_in_group(p, (gid_t)c->login_gids[i]))
			return true;
	return false;
}

/* Judged before the method is looked at: who may log in nowhere hears nothing but PermissionDenied. */
bool manager_may_login_anywhere(const struct manager *m, const struct peer *p)
{
	for (size_t i = 0; i < registry_count(m->registry); i++)
		if (may_login(keeper_credential(registry_at(m->registry, i)), p))
			return true;
	return false;
}

bool manager_is_login_call(const struct varlink_call *call)
{
	return strcmp(call->method, MANAGER_INTERFACE ".Login") == 0 ||
	       strcmp(call->method, MANAGER_INTERFACE ".CompleteLogin") == 0;
}

static bool allowed(const struct client *c, const struct credential *credential)
{
	const struct peer *p = connection_peer(c->connection);

	return manager_is_admin(c->manager, p) || may_login(credential, p);
}

/* --- replies --- */

static void send_login(struct client *c, const struct login *l, bool more)
{
	struct buf *out = connection_out(c->connection);
	struct login_reply reply;

	login_describe(l, &reply);
	varlink_begin_reply(out);
	fields_encode(&login_reply_table, &reply, out);
	varlink_end_reply(out, more);
	if (!more)
		c->waits = WAITS_NOT;
	connection_reply(c->connection, more);
}

static void offered(struct login *l, void *arg)
{
	struct manager *m = arg;
	struct client *c = m->clients, *next;

	for (; c; c = next) {
		next = c->next;
		if (c->waits == WAITS_LOGIN && c->login == l)
			send_login(c, l, true);
	}
}

static void complete(struct client *c, int state, const char *message)
{
	struct complete_login_reply reply = { state, message };

	manager_reply(c, &complete_login_reply_table, &reply);
}

/* The front has the token before anybody hears that there is one. The list may change while it is walked. */
static void ended(struct login *l, void *arg)
{
	struct manager *m = arg;
	struct client *c = m->clients, *next;
	struct login_reply how;

	login_describe(l, &how);
	publish_flush(m->publish);
	for (; c; c = next) {
		next = c->next;
		if (c->login != l)
			continue;
		c->login = NULL;
		if (c->waits == WAITS_COMPLETION)
			complete(c, how.state, how.message);
		else if (connection_busy(c->connection)) /* it has not even read the first reply */
			connection_close(c->connection);
		else
			send_login(c, l, false);
	}
}

struct logins *manager_logins_new(struct manager *m, struct err *err)
{
	const struct login_handlers handlers = { .offered = offered, .ended = ended, .arg = m };

	return logins_new(&handlers, err);
}

void manager_login_closed(struct client *c)
{
	struct login *l = c->login;

	c->login = NULL;
	if (l && c->waits == WAITS_LOGIN)
		login_cancel(l, "whoever started the login has gone");
}

/* --- Login --- */

static void flow_not_configured(struct client *c, const char *name, int flow,
				const struct credential *credential)
{
	struct flow_not_configured_error params = { name, flow };

	/* none was named: the one that people would expect */
	if (flow < 0)
		params.flow = credential->grant_type == GRANT_USER_AGENT ? LOGIN_USER_AGENT
									 : LOGIN_WEB_SERVER;
	manager_error(c, MANAGER_INTERFACE ".FlowNotConfigured", &flow_not_configured_table,
		      &params);
}

static void cannot_login(struct client *c, const struct err *err)
{
	struct broker_error_fields fields = { 0 };

	if (err->code == ERR_RETRY) {
		fields.retry_after_s = (struct opt_int){ err->retry_after_ms / 1000, true };
		manager_broker_error(c, BROKER_RATE_LIMITED, &fields);
	} else if (err->code == ERR_ADMIN) {
		manager_store_unavailable(c, err->text);
	} else {
		connection_close(c->connection);
	}
}

void manager_call_login(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct login_call *p = params;
	struct keeper *k = registry_find_alias(c->manager->registry, p->credential);
	const struct credential *credential = k ? keeper_credential(k) : NULL;
	const struct peer *peer = connection_peer(c->connection);
	struct login_order order = { .keeper = k, .uid = peer->uid, .pid = peer->pid };
	struct err err = { 0 };

	(void)call;
	if (!k || !allowed(c, credential)) {
		manager_no_such_credential(c, p->credential);
		return;
	}
	order.flow = login_flow_of(credential, p->flow);
	order.redirect_uri = p->redirect_uri;
	if (order.flow < 0) {
		flow_not_configured(c, p->credential, p->flow, credential);
		return;
	}
	if (p->redirect_uri && !login_redirect_allowed(credential, p->redirect_uri)) {
		manager_invalid(c, "redirectUri",
				"it must be RedirectUri=, or that with a port instead of 0");
		return;
	}
	c->login = login_start(c->manager->logins, &order, &err);
	if (c->login)
		c->waits = WAITS_LOGIN;
	else
		cannot_login(c, &err);
}

/* --- CompleteLogin --- */

static void login_error(struct client *c, const char *name, const struct fields *table,
			const char *login_id)
{
	struct login_error params = { login_id };

	manager_error(c, name, table, &params);
}

/* Into locked memory, and out of the message. NULL: out of memory. */
static struct secret *take_url(const char *text)
{
	size_t size = strlen(text), kept = size;
	struct secret *s;

	/* what is pasted may end in a newline */
	while (kept > 0 && strchr(" \r\n", text[kept - 1]))
		kept--;
	s = secret_new(text, kept);
	explicit_bzero((void *)(uintptr_t)text, size);
	return s;
}

static struct login *find(const struct client *c, const char *id)
{
	const struct peer *p = connection_peer(c->connection);
	struct login *l = logins_find(c->manager->logins, id);

	if (!l || (!manager_is_admin(c->manager, p) &&
		   (login_uid(l) != p->uid || !may_login(login_credential(l), p))))
		return NULL;
	return l;
}

static void refuse_completion(struct client *c, const char *id, const struct err *err)
{
	if (err->code == ERR_DENIED)
		login_error(c, MANAGER_INTERFACE ".StateMismatch", &state_mismatch_table, id);
	else if (err->code == ERR_INPUT)
		manager_invalid(c, "redirectUrl", err->text);
	else
		connection_close(c->connection);
}

void manager_call_complete_login(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct complete_login_call *p = params;
	CLEANUP(secret_unrefp) struct secret *url = take_url(p->redirect_url);
	struct login *l = find(c, p->login_id);
	struct err err = { 0 };
	int r;

	(void)call;
	if (!url) {
		connection_close(c->connection);
		return;
	}
	if (!l) {
		login_error(c, MANAGER_INTERFACE ".NoSuchLogin", &no_such_login_table, p->login_id);
		return;
	}
	r = login_complete(l, url, &err);
	if (r < 0) {
		refuse_completion(c, p->login_id, &err);
	} else if (r > 0) {
		complete(c, LOGIN_PENDING, NULL);
	} else {
		c->login = l;
		c->waits = WAITS_COMPLETION;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ImportSecret, Revoke, Adopt, History: what administrators do with what the store keeps. No value of a secret is ever in a reply, an error or the log.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/mint/flow.h"
#include "daemon/mint/manager_parts.h"
#include "daemon/mint/publish.h"
#include "daemon/mint/salesforce.h"

enum { LINE_MAX_BYTES = 16 * 1024, HISTORY_BYTES_MAX = 48 * 1024, REVOKE_AGAIN_MS = 5000 };

void manager_store_unavailable(struct client *c, const char *message)
{
	struct store_unavailable_error params = { message };

	manager_error(c, MANAGER_INTERFACE ".SecretStoreUnavailable", &store_unavailable_table,
		      &params);
}

/* --- ImportSecret --- */

struct invalid_parameter {
	const char *parameter, *message;
};
static const struct field invalid_parameter_rows[] = {
	{ "parameter", FIELD_TEXT, 0, AT(struct invalid_parameter, parameter), 0, 0, NULL },
	{ "message", FIELD_TEXT, 0, AT(struct invalid_parameter, message), 0, 0, NULL },
};
static const struct fields invalid_parameter_table = FIELDS(invalid_parameter_rows,
							    struct invalid_parameter);

void manager_invalid(struct client *c, const char *parameter, const char *message)
{
	struct invalid_parameter params = { parameter, message };

	manager_error(c, "org.varlink.service.InvalidParameter", &invalid_parameter_table, &params);
}

/* One value on its way into the store. */
struct import {
	struct client *client;
	struct keeper *keeper;
	int kind; /* enum secret_kind */
	struct secret *value;
	const char *bad; /* the parameter that err speaks of */
};

/* A line is what tokens are: printable, without spaces. A file is any text. */
static bool is_file(int kind)
{
	return kind == SECRET_PRIVATE_KEY || kind == SECRET_ASSERTION;
}

static bool belongs(unsigned char ch, bool file)
{
	if (file)
		return ch >= ' ' ? ch != 0x7f : ch == '\n' || ch == '\r' || ch == '\t';
	return ch > ' ' && ch < 0x7f;
}

/* The value without the newline that editors and echo put at its end. NULL: out of memory. Erases it in the message. */
static struct secret *take_value(const char *text, int kind)
{
	size_t size = strlen(text), kept = size;
	struct secret *s;

	if (kind != SECRET_PRIVATE_KEY && kept > 0 && text[kept - 1] == '\n')
		kept--;
	if (kept < size && kept > 0 && text[kept - 1] == '\r')
		kept--;
	s = secret_new(text, kept);
	explicit_bzero((void *)(uintptr_t)text, size);
	return s;
}

static int check_value(struct import *i, struct err *err)
{
	const char *bytes = secret_bytes(i->value);
	size_t size = secret_size(i->value);

	i->bad = "value";
	if (size == 0)
		return err_set(err, ERR_INPUT, "the secret is empty");
	if (!is_file(i->kind) && size > LINE_MAX_BYTES)
		return err_set(err, ERR_INPUT, "the secret is longer than 16 KiB");
	for (size_t at = 0; at < size; at++)
		if (!belongs((unsigned char)bytes[at], is_file(i->kind)))
			return err_set(
				err, ERR_INPUT,
				"the secret has a space, a line break or another character at byte %zu that does not belong there",
				at + 1);
	return 0;
}

static int check_takes_refresh(struct import *i, struct err *err)
{
	const struct credential *c = keeper_credential(i->keeper);
	const struct flow_ops *flow = flow_find(c->grant_type);

	i->bad = "kind";
	if (flow && flow->renewal == RENEW_REFRESH)
		return 0;
	return err_set(
		err, ERR_INPUT,
		"\"%s\" takes no refresh token: its GrantType= is %s, see sftokend.credential(5)",
		keeper_name(i->keeper), grant_type_names[c->grant_type]);
}

static int import_refresh(struct import *i, struct err *err)
{
	if (check_takes_refresh(i, err) < 0)
		return -ERR_INPUT;
	i->bad = "value";
	return keeper_give_refresh(i->keeper, i->value, NULL, err);
}

static int supply(struct import *i, enum stored_secret kind, struct secret *value, struct err *err)
{
	int r = registry_supply(i->client->manager->registry, i->keeper, kind, value, err);

	i->bad = r == -ERR_INPUT ? "kind" : "value";
	return r;
}

/* Whether the client secret of an auth URL is to be stored: where the credential says so, and it is another one. */
static bool is_new_secret(const struct credential *c, const struct secret *secret)
{
	return secret && c->client_secret_ref && strncmp(c->client_secret_ref, "stored:", 7) == 0 &&
	       !secret_equal(secret, c->client_secret);
}

/* The client secret first: the refresh token is used as soon as it is there. */
static int import_parts(struct import *i, const struct sfdx_auth_url *u, struct err *err)
{
	const struct credential *c = keeper_credential(i->keeper);
	int status = 0;

	if (c->client_id && strcmp(c->client_id, u->client_id) != 0)
		return err_set(
			err, ERR_INPUT,
			"the auth URL is of another app: its client id is not the ClientId= of \"%s\"",
			keeper_name(i->keeper));
	if (is_new_secret(c, u->client_secret))
		status = supply(i, STORED_CLIENT_SECRET, u->client_secret, err);
	if (status < 0)
		return status;
	return keeper_give_refresh(i->keeper, u->refresh_token, u->base_url, err);
}

static int import_sfdx(struct import *i, struct err *err)
{
	struct sfdx_auth_url u = { 0 };
	int r;

	if (check_takes_refresh(i, err) < 0)
		return -ERR_INPUT;
	i->bad = "value";
	r = salesforce_parse_sfdx(i->value, &u, err);
	if (r == 0)
		r = import_parts(i, &u, err);
	sfdx_auth_url_fini(&u);
	return r;
}

static int import_value(struct import *i, struct err *err)
{
	if (check_value(i, err) < 0)
		return -ERR_INPUT;
	switch (i->kind) {
	case SECRET_REFRESH_TOKEN:
		return import_refresh(i, err);
	case SECRET_SFDX_AUTH_URL:
		return import_sfdx(i, err);
	case SECRET_CLIENT_SECRET:
		return supply(i, STORED_CLIENT_SECRET, i->value, err);
	case SECRET_PRIVATE_KEY:
		return supply(i, STORED_PRIVATE_KEY, i->value, err);
	default:
		return supply(i, STORED_ASSERTION, i->value, err);
	}
}

static void audit_import(const struct import *i, const char *outcome, const char *reason)
{
	const struct peer *p = connection_peer(i->client->connection);

	log_event(LOG_LEVEL_NOTICE, "manager.import", F_STR("credential", keeper_name(i->keeper)),
		  F_STR("kind", secret_kind_names[i->kind]), F_STR("outcome", outcome),
		  F_STR("reason", reason), F_INT("uid", p->uid), F_INT("pid", p->pid));
}

static void answer_import(const struct import *i, int status, const struct err *err)
{
	struct client *c = i->client;

	if (status == 0)
		manager_reply_empty(c);
	else if (status == -ERR_INPUT || status == -ERR_ADMIN || status == -ERR_PROTOCOL)
		manager_invalid(c, i->bad, err->text);
	else
		manager_store_unavailable(c, err->text);
}

void manager_call_import(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct import_secret_call *p = params;
	CLEANUP(secret_unrefp) struct secret *value = take_value(p->value, p->kind);
	struct import i = { c, registry_find_alias(c->manager->registry, p->credential), p->kind, value, "value" };
	struct err err = { 0 };
	int status;

	(void)call;
	if (!i.keeper) {
		manager_no_such_credential(c, p->credential);
		return;
	}
	snprintf(c->credential, sizeof c->credential, "%s", p->credential);
	status = value ? import_value(&i, &err) : err_oom(&err);
	audit_import(&i, status == 0 ? "done" : "refused", status == 0 ? NULL : err.text);
	publish_flush(c->manager->publish);
	answer_import(&i, status, &err);
}

/* --- Revoke --- */

static void revoke_refused(struct client *c, const struct err *err)
{
	struct broker_error_fields fields = { .credential = c->credential, .message = err->text };
	int64_t again_ms = err->retry_after_ms > 0 ? err->retry_after_ms : REVOKE_AGAIN_MS;

	if (err->code == ERR_RETRY) {
		fields.retry_after_s = (struct opt_int){ (again_ms + 999) / 1000, true };
		manager_broker_error(c, BROKER_UNAVAILABLE, &fields);
		return;
	}
	fields.oauth_error = "revocation_refused";
	fields.description = err->text;
	fields.http_status = (struct opt_int){ 0, true };
	manager_broker_error(c, BROKER_REJECTED, &fields);
}

static void revoked(int status, const struct err *err, void *arg)
{
	struct client *c = arg;

	c->revocation = NULL;
	publish_flush(c->manager->publish);
	if (status == 0)
		manager_reply_empty(c);
	else
		revoke_refused(c, err);
}

static void cannot_revoke(struct client *c, const struct err *err)
{
	if (err->code == ERR_INPUT)
		manager_invalid(c, "credential", err->text);
	else
		revoke_refused(c, err);
}

void manager_call_revoke(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct revoke_call *p = params;
	struct keeper *k = registry_find_alias(c->manager->registry, p->credential);
	struct err err = { 0 };

	(void)call;
	if (!k) {
		manager_no_such_credential(c, p->credential);
		return;
	}
	snprintf(c->credential, sizeof c->credential, "%s", p->credential);
	log_event(LOG_LEVEL_NOTICE, "manager.revoke", F_STR("credential", keeper_name(k)),
		  F_STR("forget", p->forget_secrets.value ? "yes" : "no"),
		  F_INT("uid", connection_peer(c->connection)->uid),
		  F_INT("pid", connection_peer(c->connection)->pid));
	c->waits = WAITS_REVOKE;
	c->revocation = keeper_revoke(k, p->forget_secrets.value, revoked, c, &err);
	if (!c->revocation)
		cannot_revoke(c, &err);
}

/* --- Adopt --- */

void manager_call_adopt(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	struct registry *r = c->manager->registry;
	bool suspect = store_state(registry_store(r)) == STORE_SUSPECT;
	struct err err = { 0 };
	int status = suspect ? store_adopt(registry_store(r), &err) : 0;

	(void)call;
	(void)params;
	log_event(LOG_LEVEL_NOTICE, "manager.adopt",
		  F_STR("outcome", status < 0 ? "refused"
				   : suspect  ? "done"
					      : "unchanged"),
		  F_STR("reason", status < 0 ? err.text : NULL),
		  F_INT("uid", connection_peer(c->connection)->uid),
		  F_INT("pid", connection_peer(c->connection)->pid));
	if (status < 0) {
		manager_store_unavailable(c, err.text);
		return;
	}
	if (suspect) {
		registry_adopted(r);
		publish_flush(c->manager->publish);
	}
	manager_reply_empty(c);
}

/* --- History --- */

static void add_note(struct buf *out, const struct keeper_note *note)
{
	struct attempt_info info = {
		.time = { note->time_s, true },
		.kind = note->kind,
		.outcome = note->outcome,
		.http_status = { note->http_status, note->http_status != 0 },
		.message = note->message,
	};

	fields_encode(&attempt_info_table, &info, out);
}

void manager_call_history(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct credential_call *p = params;
	struct keeper *k = registry_find_alias(c->manager->registry, p->credential);
	struct keeper_note notes[KEEPER_NOTES];
	CLEANUP(buf_finip) struct buf attempts;
	struct history_reply reply;
	size_t n;

	(void)call;
	buf_init(&attempts, HISTORY_BYTES_MAX);
	if (!k) {
		manager_no_such_credential(c, p->credential);
		return;
	}
	n = keeper_history(k, notes);
	json_begin_array(&attempts);
	for (size_t i = 0; i < n; i++)
		add_note(&attempts, &notes[i]);
	json_end_array(&attempts);
	if (buf_failed(&attempts)) {
		connection_close(c->connection);
		return;
	}
	reply.attempts = json_root(attempts.data, attempts.len);
	manager_reply(c, &history_reply_table, &reply);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/link_messages.h"

#include <string.h>

const char *const unit_event_names[UNIT_EVENTS + 1] = {
	[EVENT_LOGIN_REQUIRED] = "login_required",
	[EVENT_SUSPENDED] = "suspended",
	[EVENT_STORE_SUSPECT] = "store_suspect",
	[EVENT_STORE_READONLY] = "store_readonly",
	[EVENT_STORE_OK] = "store_ok",
	[EVENT_ENDS_IN_7_DAYS] = "ends_in_7_days",
	[EVENT_ENDS_IN_1_DAY] = "ends_in_1_day",
};

static const struct field link_hello_fields[] = {
	{ "build", FIELD_TEXT, 0, AT(struct link_hello, build), 0, 0, NULL },
};

static const struct field link_rules_fields[] = {
	{ "limits", FIELD_OBJECT, 0, AT(struct link_rules, limits), 0, 0, NULL },
	{ "default_credential", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_rules, default_credential), 0, 0, NULL },
	{ "listeners", FIELD_RAW, 0, AT(struct link_rules, listeners), 0, 0, NULL },
	{ "service_uid", FIELD_INT, 0, AT(struct link_rules, service_uid), 0, 0, NULL },
	{ "manager_uid", FIELD_INT, FIELD_OPTIONAL, AT(struct link_rules, manager_uid), 0, 0, NULL },
};

static const struct field link_credential_fields[] = {
	{ "name", FIELD_TEXT, 0, AT(struct link_credential, name), 0, 0, NULL },
	{ "aliases", FIELD_TEXTS, 0, AT(struct link_credential, aliases), 0, 0, NULL },
	{ "uids", FIELD_INTS, 0, AT(struct link_credential, uids), 0, 0, NULL },
	{ "gids", FIELD_INTS, 0, AT(struct link_credential, gids), 0, 0, NULL },
	{ "grant_type", FIELD_ENUM, 0, AT(struct link_credential, grant_type), 0, 0, grant_type_names },
	{ "state", FIELD_ENUM, 0, AT(struct link_credential, state), 0, 0, state_names },
	{ "username", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_credential, username), 0, 0, NULL },
	{ "upstream_attempts", FIELD_INT, 0, AT(struct link_credential, upstream_attempts), 0, 0, NULL },
	{ "attempt", FIELD_BOOL, 0, AT(struct link_credential, attempt), 0, 0, NULL },
	{ "next_attempt_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct link_credential, next_attempt_ms), 0, 0, NULL },
	{ "last_error", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_credential, last_error), 0, 0, NULL },
	{ "renewal_ends_session", FIELD_BOOL, FIELD_OPTIONAL, AT(struct link_credential, renewal_ends_session), 0, 0, NULL },
	{ "load_units", FIELD_TEXTS, FIELD_OPTIONAL, AT(struct link_credential, load_units), 0, 0, NULL },
	{ "units", FIELD_TEXTS, FIELD_OPTIONAL, AT(struct link_credential, units), 0, 0, NULL },
	{ "executables", FIELD_TEXTS, FIELD_OPTIONAL, AT(struct link_credential, executables), 0, 0, NULL },
};

static const struct field link_publish_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_publish, credential), 0, 0, NULL },
	{ "origin", FIELD_TEXT, 0, AT(struct link_publish, origin), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct link_publish, generation), 0, 0, NULL },
	{ "token", FIELD_TEXT, FIELD_SECRET, AT(struct link_publish, token), 0, 0, NULL },
	{ "instance_url", FIELD_TEXT, 0, AT(struct link_publish, instance_url), 0, 0, NULL },
	{ "life_ms", FIELD_INT, 0, AT(struct link_publish, life_ms), 0, 0, NULL },
	{ "issued_ms", FIELD_INT, 0, AT(struct link_publish, issued_ms), 0, 0, NULL },
	{ "deadline_ms", FIELD_INT, 0, AT(struct link_publish, deadline_ms), 0, 0, NULL },
	{ "refresh_after_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct link_publish, refresh_after_ms), 0, 0, NULL },
	{ "issued_wall", FIELD_INT, 0, AT(struct link_publish, issued_wall), 0, 0, NULL },
	{ "expires_wall", FIELD_INT, 0, AT(struct link_publish, expires_wall), 0, 0, NULL },
	{ "refresh_after_wall", FIELD_INT, FIELD_OPTIONAL, AT(struct link_publish, refresh_after_wall), 0, 0, NULL },
	{ "expiry_source", FIELD_ENUM, 0, AT(struct link_publish, expiry_source), 0, 0, expiry_source_names },
	{ "unchanged", FIELD_BOOL, 0, AT(struct link_publish, unchanged), 0, 0, NULL },
	{ "reported", FIELD_BOOL, 0, AT(struct link_publish, reported), 0, 0, NULL },
	{ "vouched_ms", FIELD_INT, 0, AT(struct link_publish, vouched_ms), 0, 0, NULL },
	{ "scopes", FIELD_TEXTS, 0, AT(struct link_publish, scopes), 0, 0, NULL },
	{ "identity_url", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_publish, identity_url), 0, 0, NULL },
	{ "organization_id", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_publish, organization_id), 0, 0, NULL },
	{ "user_id", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_publish, user_id), 0, 0, NULL },
	{ "username", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_publish, username), 0, 0, NULL },
};

static const struct field link_dead_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_dead, credential), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct link_dead, generation), 0, 0, NULL },
};

static const struct field link_verdict_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_verdict, credential), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct link_verdict, generation), 0, 0, NULL },
	{ "at_ms", FIELD_INT, 0, AT(struct link_verdict, at_ms), 0, 0, NULL },
	{ "next_check_ms", FIELD_INT, 0, AT(struct link_verdict, next_check_ms), 0, 0, NULL },
	{ "alive", FIELD_BOOL, 0, AT(struct link_verdict, alive), 0, 0, NULL },
};

static const struct field link_problem_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_problem, credential), 0, 0, NULL },
	{ "error", FIELD_ENUM, FIELD_OPTIONAL, AT(struct link_problem, error), 0, 0, broker_error_names },
	{ "permanent", FIELD_BOOL, FIELD_OPTIONAL, AT(struct link_problem, permanent), 0, 0, NULL },
	{ "message", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_problem, message), 0, 0, NULL },
	{ "oauth_error", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_problem, oauth_error), 0, 0, NULL },
	{ "description", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_problem, description), 0, 0, NULL },
	{ "http_status", FIELD_INT, FIELD_OPTIONAL, AT(struct link_problem, http_status), 0, 0, NULL },
	{ "retry_at_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct link_problem, retry_at_ms), 0, 0, NULL },
};

static const struct field link_name_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_name, credential), 0, 0, NULL },
};

static const struct field link_have_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_have, credential), 0, 0, NULL },
	{ "origin", FIELD_TEXT, 0, AT(struct link_have, origin), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct link_have, generation), 0, 0, NULL },
	{ "token", FIELD_TEXT, FIELD_SECRET, AT(struct link_have, token), 0, 0, NULL },
	{ "instance_url", FIELD_TEXT, 0, AT(struct link_have, instance_url), 0, 0, NULL },
	{ "life_ms", FIELD_INT, 0, AT(struct link_have, life_ms), 0, 0, NULL },
	{ "issued_ms", FIELD_INT, 0, AT(struct link_have, issued_ms), 0, 0, NULL },
	{ "deadline_ms", FIELD_INT, 0, AT(struct link_have, deadline_ms), 0, 0, NULL },
	{ "vouched_ms", FIELD_INT, 0, AT(struct link_have, vouched_ms), 0, 0, NULL },
	{ "issued_wall", FIELD_INT, 0, AT(struct link_have, issued_wall), 0, 0, NULL },
	{ "expiry_source", FIELD_ENUM, 0, AT(struct link_have, expiry_source), 0, 0, expiry_source_names },
	{ "unchanged", FIELD_BOOL, 0, AT(struct link_have, unchanged), 0, 0, NULL },
	{ "scopes", FIELD_TEXTS, 0, AT(struct link_have, scopes), 0, 0, NULL },
	{ "identity_url", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_have, identity_url), 0, 0, NULL },
	{ "organization_id", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_have, organization_id), 0, 0, NULL },
	{ "user_id", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_have, user_id), 0, 0, NULL },
	{ "username", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_have, username), 0, 0, NULL },
	{ "held_until_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct link_have, held_until_ms), 0, 0, NULL },
};

static const struct field link_hold_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_hold, credential), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct link_hold, generation), 0, 0, NULL },
	{ "until_ms", FIELD_INT, 0, AT(struct link_hold, until_ms), 0, 0, NULL },
};

static const struct field link_want_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_want, credential), 0, 0, NULL },
	{ "min_left_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct link_want, min_left_ms), 0, 0, NULL },
	{ "not_generation", FIELD_INT, FIELD_OPTIONAL, AT(struct link_want, not_generation), 0, 0, NULL },
	{ "deadline_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct link_want, deadline_ms), 0, 0, NULL },
};

static const struct field link_report_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_report, credential), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct link_report, generation), 0, 0, NULL },
	{ "deadline_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct link_report, deadline_ms), 0, 0, NULL },
	{ "uid", FIELD_INT, FIELD_OPTIONAL, AT(struct link_report, uid), 0, 0, NULL },
	{ "pid", FIELD_INT, FIELD_OPTIONAL, AT(struct link_report, pid), 0, 0, NULL },
	{ "http_status", FIELD_INT, FIELD_OPTIONAL, AT(struct link_report, http_status), 0, 0, NULL },
	{ "error_code", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_report, error_code), 0, 0, NULL },
};

static const struct field link_served_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct link_served, credential), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct link_served, generation), 0, 0, NULL },
	{ "uid", FIELD_INT, FIELD_OPTIONAL, AT(struct link_served, uid), 0, 0, NULL },
	{ "gid", FIELD_INT, FIELD_OPTIONAL, AT(struct link_served, gid), 0, 0, NULL },
	{ "pid", FIELD_INT, FIELD_OPTIONAL, AT(struct link_served, pid), 0, 0, NULL },
	{ "count", FIELD_INT, 0, AT(struct link_served, count), 0, 0, NULL },
	{ "reason", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_served, reason), 0, 0, NULL },
};

static const struct field link_identify_fields[] = {
	{ "id", FIELD_INT, 0, AT(struct link_identify, id), 0, 0, NULL },
	{ "pid", FIELD_INT, 0, AT(struct link_identify, pid), 0, 0, NULL },
};

static const struct field link_identity_fields[] = {
	{ "id", FIELD_INT, 0, AT(struct link_identity, id), 0, 0, NULL },
	{ "unit", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_identity, unit), 0, 0, NULL },
	{ "executable", FIELD_TEXT, FIELD_OPTIONAL, AT(struct link_identity, executable), 0, 0, NULL },
};

static const struct field link_log_fields[] = {
	{ "level", FIELD_INT, 0, AT(struct link_log, level), 0, 4, NULL },
	{ "event", FIELD_TEXT, 0, AT(struct link_log, event), 0, 0, NULL },
	{ "fields", FIELD_OBJECT, FIELD_OPTIONAL, AT(struct link_log, fields), 0, 0, NULL },
};

static const struct field link_counters_fields[] = {
	{ "counters", FIELD_OBJECT, 0, AT(struct link_counters, counters), 0, 0, NULL },
	{ "listeners", FIELD_OBJECT, FIELD_OPTIONAL, AT(struct link_counters, listeners), 0, 0, NULL },
	{ "warnings", FIELD_TEXTS, FIELD_OPTIONAL, AT(struct link_counters, warnings), 0, 0, NULL },
};

static const struct field control_listener_fields[] = {
	{ "name", FIELD_TEXT, 0, AT(struct control_listener, name), 0, 0, NULL },
	{ "interface", FIELD_TEXT, 0, AT(struct control_listener, interface), 0, 0, NULL },
	{ "path", FIELD_TEXT, 0, AT(struct control_listener, path), 0, 0, NULL },
};

static const struct field control_ready_fields[] = {
	{ "ready", FIELD_BOOL, 0, AT(struct control_ready, ready), 0, 0, NULL },
	{ "status", FIELD_TEXT, FIELD_OPTIONAL, AT(struct control_ready, status), 0, 0, NULL },
};

static const struct field control_reloaded_fields[] = {
	{ "ok", FIELD_BOOL, 0, AT(struct control_reloaded, ok), 0, 0, NULL },
	{ "message", FIELD_TEXT, FIELD_OPTIONAL, AT(struct control_reloaded, message), 0, 0, NULL },
};

static const struct field control_about_fields[] = {
	{ "parent_pid", FIELD_INT, FIELD_OPTIONAL, AT(struct control_about, parent_pid), 0, 0, NULL },
	{ "mint_pid", FIELD_INT, FIELD_OPTIONAL, AT(struct control_about, mint_pid), 0, 0, NULL },
	{ "front_pid", FIELD_INT, FIELD_OPTIONAL, AT(struct control_about, front_pid), 0, 0, NULL },
	{ "started_wall", FIELD_INT, FIELD_OPTIONAL, AT(struct control_about, started_wall), 0, 0, NULL },
	{ "mint_restarts", FIELD_INT, FIELD_OPTIONAL, AT(struct control_about, mint_restarts), 0, 0, NULL },
	{ "front_restarts", FIELD_INT, FIELD_OPTIONAL, AT(struct control_about, front_restarts), 0, 0, NULL },
	{ "warnings", FIELD_TEXTS, FIELD_OPTIONAL, AT(struct control_about, warnings), 0, 0, NULL },
};

static const struct field control_event_fields[] = {
	{ "event", FIELD_ENUM, 0, AT(struct control_event, event), 0, 0, unit_event_names },
	{ "credential", FIELD_TEXT, 0, AT(struct control_event, credential), 0, 0, NULL },
};

static const struct field control_idle_fields[] = {
	{ "after_ms", FIELD_INT, FIELD_OPTIONAL, AT(struct control_idle, after_ms), 0, 0, NULL },
};

/* One row a type; a row without fields is a message that its name says in full. */
struct row {
	const char *name;
	struct fields fields;
};

static const struct row link_rows[LINK_TYPES] = {
	[LINK_HELLO] = { "Hello", FIELDS(link_hello_fields, struct link_hello) },
	[LINK_RULES] = { "Rules", FIELDS(link_rules_fields, struct link_rules) },
	[LINK_CREDENTIAL] = { "Credential", FIELDS(link_credential_fields, struct link_credential) },
	[LINK_PUBLISH] = { "Publish", FIELDS(link_publish_fields, struct link_publish) },
	[LINK_DEAD] = { "Dead", FIELDS(link_dead_fields, struct link_dead) },
	[LINK_VERDICT] = { "Verdict", FIELDS(link_verdict_fields, struct link_verdict) },
	[LINK_PROBLEM] = { "Problem", FIELDS(link_problem_fields, struct link_problem) },
	[LINK_REMOVE] = { "Remove", FIELDS(link_name_fields, struct link_name) },
	[LINK_SYNCED] = { .name = "Synced" },
	[LINK_COUNT] = { .name = "Count" },
	[LINK_HAVE] = { "Have", FIELDS(link_have_fields, struct link_have) },
	[LINK_HAVE_ALL] = { .name = "HaveAll" },
	[LINK_HOLD] = { "Hold", FIELDS(link_hold_fields, struct link_hold) },
	[LINK_WANT] = { "Want", FIELDS(link_want_fields, struct link_want) },
	[LINK_REPORT] = { "Report", FIELDS(link_report_fields, struct link_report) },
	[LINK_SERVED] = { "Served", FIELDS(link_served_fields, struct link_served) },
	[LINK_LOG] = { "Log", FIELDS(link_log_fields, struct link_log) },
	[LINK_COUNTERS] = { "Counters", FIELDS(link_counters_fields, struct link_counters) },
	[LINK_IDENTIFY] = { "Identify", FIELDS(link_identify_fields, struct link_identify) },
	[LINK_IDENTITY] = { "Identity", FIELDS(link_identity_fields, struct link_identity) },
};

static const struct row control_rows[CONTROL_TYPES] = {
	[CONTROL_LISTENER] = { "Listener", FIELDS(control_listener_fields, struct control_listener) },
	[CONTROL_LISTENERS_END] = { .name = "ListenersEnd" },
	[CONTROL_LINK] = { .name = "Link" },
	[CONTROL_PING] = { .name = "Ping" },
	[CONTROL_RELOAD] = { .name = "Reload" },
	[CONTROL_STOP] = { .name = "Stop" },
	[CONTROL_WRITE_STATUS] = { .name = "WriteStatus" },
	[CONTROL_ABOUT] = { "About", FIELDS(control_about_fields, struct control_about) },
	[CONTROL_PONG] = { .name = "Pong" },
	[CONTROL_READY] = { "Ready", FIELDS(control_ready_fields, struct control_ready) },
	[CONTROL_RELOADED] = { "Reloaded", FIELDS(control_reloaded_fields, struct control_reloaded) },
	[CONTROL_EVENT] = { "Event", FIELDS(control_event_fields, struct control_event) },
	[CONTROL_ON_EVENT] = { .name = "OnEvent" },
	[CONTROL_IDLE] = { "Idle", FIELDS(control_idle_fields, struct control_idle) },
};

/* The row that the member "type" of a packet names, or -1. The packet is not changed. */
static int find_type(const struct row *rows, int n, struct json_value packet)
{
	struct json_iter i = json_iterate(packet);
	struct json_value key, value;
	int type;

	while (json_next(&i, &key, &value)) {
		if (!json_is(key, "type"))
			continue;
		for (type = 0; type < n; type++)
			if (json_is(value, rows[type].name))
				return type;
		return -1;
	}
	return -1;
}

/* Returns the type, or -ERR_PROTOCOL. body: where the struct of that type goes. */
static int decode(const struct row *rows, int n, char *packet, size_t len, void *body,
		  struct err *err)
{
	struct json_value root;
	const char *bad;
	int r, type;

	r = json_check(packet, len, JSON_DEPTH_MAX, err);
	if (r < 0)
		return r;
	root = json_root(packet, len);
	if (json_type(root) != JSON_OBJECT)
		return err_set(err, ERR_PROTOCOL, "packet is not an object");
	type = find_type(rows, n, root);
	if (type < 0)
		return err_set(err, ERR_PROTOCOL, "packet of unknown type");
	r = fields_decode(&rows[type].fields, root, UNKNOWN_IGNORE, body, &bad, NULL);
	if (r < 0)
		return err_set(err, ERR_PROTOCOL, "packet %s: bad %s", rows[type].name, bad);
	return type;
}

static void encode(const struct row *row, const void *body, struct buf *out)
{
	json_begin_object(out);
	json_key(out, "type");
	json_add_text(out, row->name);
	fields_encode_members(&row->fields, body, out);
	json_end_object(out);
}

int link_decode(char *packet, size_t len, struct link_message *m, struct err *err)
{
	int type;

	memset(m, 0, sizeof(*m));
	type = decode(link_rows, LINK_TYPES, packet, len, &m->hello, err);
	if (type < 0)
		return type;
	m->type = (enum link_type)type;
	return 0;
}

int control_decode(char *packet, size_t len, struct control_message *m, struct err *err)
{
	int type;

	memset(m, 0, sizeof(*m));
	type = decode(control_rows, CONTROL_TYPES, packet, len, &m->listener, err);
	if (type < 0)
		return type;
	m->type = (enum control_type)type;
	return 0;
}

void link_encode(const struct link_message *m, struct buf *out)
{
	encode(&link_rows[m->type], &m->hello, out);
}

void control_encode(const struct control_message *m, struct buf *out)
{
	encode(&control_rows[m->type], &m->listener, out);
}

const char *link_type_name(enum link_type type)
{
	return (unsigned)type < LINK_TYPES ? link_rows[type].name : "?";
}

const char *control_type_name(enum control_type type)
{
	return (unsigned)type < CONTROL_TYPES ? control_rows[type].name : "?";
}

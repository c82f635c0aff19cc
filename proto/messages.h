/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public messages of io.sftoken.Broker and io.sftoken.Manager, one struct and one field table each. The tables agree with the .varlink files
 * (a lint test compares them). Times: *_at in seconds since 1970, as on the wire.
 */
#ifndef PROTO_MESSAGES_H
#define PROTO_MESSAGES_H

#include "proto/fields.h"

#define BROKER_INTERFACE "io.sftoken.Broker"
#define MANAGER_INTERFACE "io.sftoken.Manager"

enum { CREDENTIAL_NAME_MAX = 128, REASON_MAX = 256, ALIASES_MAX = 8 };

/* In the order of the enumerations in the .varlink files. */
enum grant_type {
	GRANT_WEB_SERVER, GRANT_USER_AGENT, GRANT_JWT_BEARER, GRANT_CLIENT_CREDENTIALS, GRANT_DEVICE, GRANT_REFRESH_TOKEN,
	GRANT_SAML_BEARER, GRANT_TOKEN_EXCHANGE,
};
enum state { STATE_EMPTY, STATE_MINTING, STATE_VALID, STATE_RENEWING, STATE_BACKOFF, STATE_LOGIN_REQUIRED, STATE_SUSPENDED, STATE_DISABLED };
enum validity { VALIDITY_FRESH, VALIDITY_ASSUMED, VALIDITY_REPORTED };
enum expiry_source { EXPIRY_RESPONSE, EXPIRY_TOKEN, EXPIRY_INTROSPECTION, EXPIRY_LEARNED, EXPIRY_CONFIGURED };
extern const char *const grant_type_names[],
	*const state_names[], *const validity_names[], *const expiry_source_names[];
/* Manager.SecretKind; Manager.StoreState in the order of enum store_state (daemon/mint/store.h) */
enum secret_kind { SECRET_REFRESH_TOKEN, SECRET_CLIENT_SECRET, SECRET_PRIVATE_KEY, SECRET_SFDX_AUTH_URL, SECRET_ASSERTION };
extern const char *const secret_kind_names[], *const store_state_names[];

/* Manager.LoginFlow, Manager.LoginState */
enum login_flow { LOGIN_WEB_SERVER, LOGIN_USER_AGENT, LOGIN_DEVICE };
enum login_state { LOGIN_PENDING, LOGIN_SUCCEEDED, LOGIN_FAILED, LOGIN_EXPIRED, LOGIN_CANCELLED };
extern const char *const login_flow_names[], *const login_state_names[];

/* [A-Za-z0-9][A-Za-z0-9._@-]{0,127} */
bool credential_name_ok(const char *name);

/* type Token; access_token is secret: the struct is filled only to be encoded, or by the client */
struct token_fields {
	const char *access_token, *token_type, *instance_url, *credential;
	struct opt_int generation, issued_at, expires_at;
	int expiry_source, validity;
	struct opt_int refresh_after;
	struct text_list scopes;
	const char *identity_url, *organization_id, *user_id, *username;
	struct opt_int expires_in_s; /* last in the object */
};
extern const struct fields token_fields_table;

/* type CredentialInfo */
struct credential_info {
	const char *name;
	struct text_list aliases;
	int grant_type, state;
	const char *instance_url, *username;
	struct opt_int generation, expires_at;
	int expiry_source; /* -1: null */
	struct opt_int next_refresh_at, upstream_attempts;
	const char *last_error;
};
extern const struct fields credential_info_table;

struct get_token_call {
	const char *credential;
	struct opt_int min_valid_s, rejected_generation, wait_s;
	struct opt_bool allow_stale;
	const char *reason;
};
extern const struct fields get_token_table;

/* WatchToken, GetCredential; also Manager.Refresh etc. where only a credential is named */
struct credential_call {
	const char *credential;
};
extern const struct fields credential_call_table;     /* ?string */
extern const struct fields credential_required_table; /* string */

struct hold_token_call {
	const char *credential;
	struct opt_int max_s;
};
extern const struct fields hold_token_table;

/* The replies after the first one, which begins with a token. */
struct hold_token_reply {
	struct json_value token;
	struct opt_int generation, ends_in_s;
	struct opt_bool ending;
};
extern const struct fields hold_token_reply_table;

struct report_rejected_call {
	const char *credential;
	struct opt_int generation, http_status;
	const char *error_code;
};
extern const struct fields report_rejected_table;

struct report_rejected_reply {
	struct opt_bool accepted;
	struct opt_int generation;
};
extern const struct fields report_rejected_reply_table;

struct list_credentials_call {
	const char *after;
};
extern const struct fields list_credentials_table;

/* --- the errors of io.sftoken.Broker: one struct for all, the error decides which members are written --- */

enum broker_error {
	BROKER_NO_SUCH_CREDENTIAL, BROKER_LOGIN_REQUIRED, BROKER_NOT_SERVED, BROKER_REJECTED, BROKER_UNAVAILABLE, BROKER_TIMED_OUT,
	BROKER_LIFETIME_TOO_SHORT, BROKER_RATE_LIMITED, BROKER_SHUTTING_DOWN, BROKER_ERRORS
};
extern const char *const broker_error_names[]; /* "NoSuchCredential", ... */

struct broker_error_fields {
	const char *credential; /* what the caller sent, "" for null */
	int grant_type, state;
	const char *message, *oauth_error, *description;
	struct opt_int http_status, retry_after_s, wait_s, min_valid_s, max_valid_s;
};
extern const struct fields broker_error_tables[BROKER_ERRORS];

/* Appends a whole error reply with its NUL. */
void broker_add_error(struct buf *out, enum broker_error error,
		      const struct broker_error_fields *fields);

/* --- io.sftoken.Manager, the methods that exist in this version --- */

struct login_call {
	const char *credential;
	int flow; /* enum login_flow, -1: the credential's */
	const char *redirect_uri;
};
extern const struct fields login_table;

struct login_reply {
	const char *login_id;
	int state; /* enum login_state */
	const char *authorization_url, *verification_uri, *verification_uri_complete, *user_code;
	struct opt_int expires_at, interval_s;
	const char *message;
};
extern const struct fields login_reply_table;

/* redirect_url is secret: it is taken into a struct secret and erased in the message at once */
struct complete_login_call {
	const char *login_id, *redirect_url;
};
extern const struct fields complete_login_table;

struct complete_login_reply {
	int state; /* enum login_state */
	const char *message;
};
extern const struct fields complete_login_reply_table;

/* NoSuchLogin, StateMismatch */
struct login_error {
	const char *login_id;
};
extern const struct fields no_such_login_table, state_mismatch_table;

struct flow_not_configured_error {
	const char *credential;
	int flow;
};
extern const struct fields flow_not_configured_table;

struct refresh_call {
	const char *credential;
	struct opt_int wait_s;
};
extern const struct fields refresh_table;

struct refresh_reply {
	struct opt_int generation;
};
extern const struct fields refresh_reply_table;

struct set_enabled_call {
	const char *credential;
	struct opt_bool enabled;
};
extern const struct fields set_enabled_table;

/* value is secret: it is taken into a struct secret and erased in the message at once */
struct import_secret_call {
	const char *credential;
	int kind; /* enum secret_kind */
	const char *value;
};
extern const struct fields import_secret_table;

struct revoke_call {
	const char *credential;
	struct opt_bool forget_secrets;
};
extern const struct fields revoke_table;

/* type Attempt */
struct attempt_info {
	struct opt_int time;
	const char *kind, *outcome;
	struct opt_int http_status;
	const char *message;
};
extern const struct fields attempt_info_table;

struct history_reply {
	struct json_value attempts; /* encoded array */
};
extern const struct fields history_reply_table;

struct reload_reply {
	struct opt_int added, changed, removed;
	struct text_list added_names, changed_names, removed_names, warnings;
};
extern const struct fields reload_reply_table;

/* Manager.CheckOutcome, Manager.CheckActor */
enum check_outcome { CHECK_OK, CHECK_WARNING, CHECK_FAILED, CHECK_SKIPPED };
enum check_actor { ACTOR_NONE = -1, ACTOR_NOBODY, ACTOR_PERSON, ACTOR_ADMINISTRATOR };
extern const char *const check_outcome_names[], *const check_actor_names[];

struct diagnose_reply {
	const char *step;
	int outcome; /* enum check_outcome */
	const char *message, *action;
	int actor; /* enum check_actor */
};
extern const struct fields diagnose_reply_table;

struct listener_info {
	const char *name, *protocol, *address, *role;
	struct opt_int connections;
};
extern const struct fields listener_info_table;

struct status_reply {
	const char *version;
	struct opt_int started_at;
	struct opt_bool ready;
	struct opt_int parent_pid, mint_pid, front_pid;
	int store; /* enum store_state */
	struct text_list configuration_files;
	struct json_value listeners; /* encoded array */
	struct text_list warnings;
};
extern const struct fields status_reply_table;

struct metrics_call {
	const char *after;
};
extern const struct fields metrics_table;

struct metrics_reply {
	const char *text, *next;
};
extern const struct fields metrics_reply_table;

struct event_reply {
	struct opt_int time;
	const char *event, *credential;
	struct opt_int peer_uid, peer_pid;
	struct json_value details;
};
extern const struct fields event_reply_table;

struct configuration_invalid_error {
	const char *file;
	struct opt_int line;
	const char *message;
};
extern const struct fields configuration_invalid_table;

struct store_unavailable_error {
	const char *message;
};
extern const struct fields store_unavailable_table;

/* io.systemd.service.SetLogLevel: syslog numbers 0..7 */
struct set_log_level_call {
	struct opt_int level;
};
extern const struct fields set_log_level_table;

#endif

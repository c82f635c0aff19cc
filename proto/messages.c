/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the public messages; tests/lint/varlink.py compares them with the .varlink files. */
#include "proto/messages.h"

#include <string.h>

#include "proto/varlink.h"

#define NULLABLE (FIELD_OPTIONAL | FIELD_NULLABLE)
#define SECONDS_MAX INT32_MAX
#define WAIT_MAX 300
#define DETAIL_MAX 128
#define REDIRECT_URI_MAX 2048
#define LOGIN_ID_MAX 64

const char *const grant_type_names[] = { "web_server", "user_agent", "jwt_bearer", "client_credentials", "device",
					 "refresh_token", "saml_bearer", "token_exchange", NULL };
const char *const state_names[] = { "empty", "minting", "valid", "renewing", "backoff", "login_required", "suspended",
				    "disabled", NULL };
const char *const validity_names[] = { "fresh", "assumed", "reported", NULL };
const char *const expiry_source_names[] = { "response", "token", "introspection", "learned", "configured", NULL };
const char *const secret_kind_names[] = { "refresh_token", "client_secret", "private_key", "sfdx_auth_url", "assertion", NULL };
const char *const login_flow_names[] = { "web_server", "user_agent", "device", NULL };
const char *const login_state_names[] = { "pending", "succeeded", "failed", "expired", "cancelled", NULL };
const char *const store_state_names[] = { "ok", "readonly", "suspect", NULL };

const char *const check_outcome_names[] = { "ok", "warning", "failed", "skipped", NULL };
const char *const check_actor_names[] = { "nobody", "person", "administrator", NULL };

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_mark(char c)
{
	return c == '.' || c == '_' || c == '@' || c == '-';
}

bool credential_name_ok(const char *name)
{
	size_t len = 0;

	/* not strspn(): it makes a table of the set at each call, and a start asks for each record of the store */
	while (is_letter_or_digit(name[len]) || (len > 0 && is_mark(name[len])))
		len++;
	return len > 0 && len <= CREDENTIAL_NAME_MAX && name[len] == '\0';
}

/* --- io.sftoken.Broker --- */

static const struct field token_fields[] = {
	{ "accessToken", FIELD_TEXT, FIELD_SECRET, AT(struct token_fields, access_token), 0, 0, NULL },
	{ "tokenType", FIELD_TEXT, 0, AT(struct token_fields, token_type), 0, 0, NULL },
	{ "instanceUrl", FIELD_TEXT, 0, AT(struct token_fields, instance_url), 0, 0, NULL },
	{ "credential", FIELD_TEXT, 0, AT(struct token_fields, credential), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct token_fields, generation), 0, 0, NULL },
	{ "issuedAt", FIELD_INT, 0, AT(struct token_fields, issued_at), 0, 0, NULL },
	{ "expiresAt", FIELD_INT, 0, AT(struct token_fields, expires_at), 0, 0, NULL },
	{ "expirySource", FIELD_ENUM, 0, AT(struct token_fields, expiry_source), 0, 0, expiry_source_names },
	{ "validity", FIELD_ENUM, 0, AT(struct token_fields, validity), 0, 0, validity_names },
	{ "refreshAfter", FIELD_INT, NULLABLE, AT(struct token_fields, refresh_after), 0, 0, NULL },
	{ "scopes", FIELD_TEXTS, 0, AT(struct token_fields, scopes), 0, 0, NULL },
	{ "identityUrl", FIELD_TEXT, NULLABLE, AT(struct token_fields, identity_url), 0, 0, NULL },
	{ "organizationId", FIELD_TEXT, NULLABLE, AT(struct token_fields, organization_id), 0, 0, NULL },
	{ "userId", FIELD_TEXT, NULLABLE, AT(struct token_fields, user_id), 0, 0, NULL },
	{ "username", FIELD_TEXT, NULLABLE, AT(struct token_fields, username), 0, 0, NULL },
	{ "expiresInSeconds", FIELD_INT, 0, AT(struct token_fields, expires_in_s), 0, 0, NULL },
};
const struct fields token_fields_table = FIELDS(token_fields, struct token_fields);

static const struct field credential_info_fields[] = {
	{ "name", FIELD_TEXT, 0, AT(struct credential_info, name), 0, 0, NULL },
	{ "aliases", FIELD_TEXTS, 0, AT(struct credential_info, aliases), 0, 0, NULL },
	{ "grantType", FIELD_ENUM, 0, AT(struct credential_info, grant_type), 0, 0, grant_type_names },
	{ "state", FIELD_ENUM, 0, AT(struct credential_info, state), 0, 0, state_names },
	{ "instanceUrl", FIELD_TEXT, NULLABLE, AT(struct credential_info, instance_url), 0, 0, NULL },
	{ "username", FIELD_TEXT, NULLABLE, AT(struct credential_info, username), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct credential_info, generation), 0, 0, NULL },
	{ "expiresAt", FIELD_INT, NULLABLE, AT(struct credential_info, expires_at), 0, 0, NULL },
	{ "expirySource", FIELD_ENUM, NULLABLE, AT(struct credential_info, expiry_source), 0, 0, expiry_source_names },
	{ "nextRefreshAt", FIELD_INT, NULLABLE, AT(struct credential_info, next_refresh_at), 0, 0, NULL },
	{ "upstreamAttempts", FIELD_INT, 0, AT(struct credential_info, upstream_attempts), 0, 0, NULL },
	{ "lastError", FIELD_TEXT, NULLABLE, AT(struct credential_info, last_error), 0, 0, NULL },
};
const struct fields credential_info_table = FIELDS(credential_info_fields, struct credential_info);

static const struct field get_token_fields[] = {
	{ "credential", FIELD_TEXT, FIELD_OPTIONAL, AT(struct get_token_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "minValidSeconds", FIELD_INT, FIELD_OPTIONAL, AT(struct get_token_call, min_valid_s), 0, SECONDS_MAX, NULL },
	{ "rejectedGeneration", FIELD_INT, FIELD_OPTIONAL, AT(struct get_token_call, rejected_generation), 0, INT64_MAX, NULL },
	{ "waitSeconds", FIELD_INT, FIELD_OPTIONAL, AT(struct get_token_call, wait_s), 0, WAIT_MAX, NULL },
	{ "allowStale", FIELD_BOOL, FIELD_OPTIONAL, AT(struct get_token_call, allow_stale), 0, 0, NULL },
	{ "reason", FIELD_TEXT, FIELD_OPTIONAL, AT(struct get_token_call, reason), 0, REASON_MAX, NULL },
};
const struct fields get_token_table = FIELDS(get_token_fields, struct get_token_call);

static const struct field hold_token_fields[] = {
	{ "credential", FIELD_TEXT, FIELD_OPTIONAL, AT(struct hold_token_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "maxSeconds", FIELD_INT, FIELD_OPTIONAL, AT(struct hold_token_call, max_s), 0, SECONDS_MAX, NULL },
};
const struct fields hold_token_table = FIELDS(hold_token_fields, struct hold_token_call);

static const struct field hold_token_reply_fields[] = {
	{ "token", FIELD_RAW, FIELD_OPTIONAL, AT(struct hold_token_reply, token), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct hold_token_reply, generation), 0, 0, NULL },
	{ "endsInSeconds", FIELD_INT, 0, AT(struct hold_token_reply, ends_in_s), 0, 0, NULL },
	{ "ending", FIELD_BOOL, 0, AT(struct hold_token_reply, ending), 0, 0, NULL },
};
const struct fields hold_token_reply_table = FIELDS(hold_token_reply_fields,
						    struct hold_token_reply);

static const struct field credential_call_fields[] = {
	{ "credential", FIELD_TEXT, FIELD_OPTIONAL, AT(struct credential_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
};
const struct fields credential_call_table = FIELDS(credential_call_fields, struct credential_call);

static const struct field credential_required_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct credential_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
};
const struct fields credential_required_table = FIELDS(credential_required_fields,
						       struct credential_call);

static const struct field report_rejected_fields[] = {
	{ "credential", FIELD_TEXT, FIELD_OPTIONAL, AT(struct report_rejected_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "generation", FIELD_INT, 0, AT(struct report_rejected_call, generation), 0, INT64_MAX, NULL },
	{ "httpStatus", FIELD_INT, FIELD_OPTIONAL, AT(struct report_rejected_call, http_status), 100, 599, NULL },
	{ "errorCode", FIELD_TEXT, FIELD_OPTIONAL, AT(struct report_rejected_call, error_code), 0, DETAIL_MAX, NULL },
};
const struct fields report_rejected_table = FIELDS(report_rejected_fields,
						   struct report_rejected_call);

static const struct field report_rejected_reply_fields[] = {
	{ "accepted", FIELD_BOOL, 0, AT(struct report_rejected_reply, accepted), 0, 0, NULL },
	{ "generation", FIELD_INT, 0, AT(struct report_rejected_reply, generation), 0, 0, NULL },
};
const struct fields report_rejected_reply_table = FIELDS(report_rejected_reply_fields,
							 struct report_rejected_reply);

static const struct field list_credentials_fields[] = {
	{ "after", FIELD_TEXT, FIELD_OPTIONAL, AT(struct list_credentials_call, after), 0, CREDENTIAL_NAME_MAX, NULL },
};
const struct fields list_credentials_table = FIELDS(list_credentials_fields,
						    struct list_credentials_call);

/* --- errors --- */

const char *const broker_error_names[] = { "NoSuchCredential", "LoginRequired", "NotServed", "Rejected", "Unavailable",
					   "TimedOut", "LifetimeTooShort", "RateLimited", "ShuttingDown", NULL };

static const struct field no_such_credential_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct broker_error_fields, credential), 0, 0, NULL },
};
static const struct field login_required_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct broker_error_fields, credential), 0, 0, NULL },
	{ "grantType", FIELD_ENUM, 0, AT(struct broker_error_fields, grant_type), 0, 0, grant_type_names },
	{ "message", FIELD_TEXT, 0, AT(struct broker_error_fields, message), 0, 0, NULL },
};
static const struct field not_served_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct broker_error_fields, credential), 0, 0, NULL },
	{ "state", FIELD_ENUM, 0, AT(struct broker_error_fields, state), 0, 0, state_names },
	{ "message", FIELD_TEXT, 0, AT(struct broker_error_fields, message), 0, 0, NULL },
};
static const struct field rejected_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct broker_error_fields, credential), 0, 0, NULL },
	{ "oauthError", FIELD_TEXT, 0, AT(struct broker_error_fields, oauth_error), 0, 0, NULL },
	{ "description", FIELD_TEXT, NULLABLE, AT(struct broker_error_fields, description), 0, 0, NULL },
	{ "httpStatus", FIELD_INT, 0, AT(struct broker_error_fields, http_status), 0, 0, NULL },
};
static const struct field unavailable_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct broker_error_fields, credential), 0, 0, NULL },
	{ "message", FIELD_TEXT, 0, AT(struct broker_error_fields, message), 0, 0, NULL },
	{ "retryAfterSeconds", FIELD_INT, 0, AT(struct broker_error_fields, retry_after_s), 0, 0, NULL },
};
static const struct field timed_out_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct broker_error_fields, credential), 0, 0, NULL },
	{ "waitSeconds", FIELD_INT, 0, AT(struct broker_error_fields, wait_s), 0, 0, NULL },
};
static const struct field lifetime_too_short_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct broker_error_fields, credential), 0, 0, NULL },
	{ "minValidSeconds", FIELD_INT, 0, AT(struct broker_error_fields, min_valid_s), 0, 0, NULL },
	{ "maxValidSeconds", FIELD_INT, 0, AT(struct broker_error_fields, max_valid_s), 0, 0, NULL },
};
static const struct field rate_limited_fields[] = {
	{ "retryAfterSeconds", FIELD_INT, 0, AT(struct broker_error_fields, retry_after_s), 0, 0, NULL },
};

const struct fields broker_error_tables[BROKER_ERRORS] = {
	[BROKER_NO_SUCH_CREDENTIAL] = FIELDS(no_such_credential_fields, struct broker_error_fields),
	[BROKER_LOGIN_REQUIRED] = FIELDS(login_required_fields, struct broker_error_fields),
	[BROKER_NOT_SERVED] = FIELDS(not_served_fields, struct broker_error_fields),
	[BROKER_REJECTED] = FIELDS(rejected_fields, struct broker_error_fields),
	[BROKER_UNAVAILABLE] = FIELDS(unavailable_fields, struct broker_error_fields),
	[BROKER_TIMED_OUT] = FIELDS(timed_out_fields, struct broker_error_fields),
	[BROKER_LIFETIME_TOO_SHORT] = FIELDS(lifetime_too_short_fields, struct broker_error_fields),
	[BROKER_RATE_LIMITED] = FIELDS(rate_limited_fields, struct broker_error_fields),
	[BROKER_SHUTTING_DOWN] = { NULL, 0, sizeof(struct broker_error_fields) },
};

void broker_add_error(struct buf *out, enum broker_error error,
		      const struct broker_error_fields *fields)
{
	buf_add_text(out, "{\"error\":\"" BROKER_INTERFACE ".");
	buf_add_text(out, broker_error_names[error]);
	buf_add_text(out, "\",\"parameters\":");
	fields_encode(&broker_error_tables[error], fields, out);
	varlink_end_reply(out, false);
}

/* --- io.sftoken.Manager --- */

static const struct field login_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct login_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "flow", FIELD_ENUM, FIELD_OPTIONAL, AT(struct login_call, flow), 0, 0, login_flow_names },
	{ "redirectUri", FIELD_TEXT, FIELD_OPTIONAL, AT(struct login_call, redirect_uri), 0, REDIRECT_URI_MAX, NULL },
};
const struct fields login_table = FIELDS(login_fields, struct login_call);

static const struct field login_reply_fields[] = {
	{ "loginId", FIELD_TEXT, 0, AT(struct login_reply, login_id), 0, 0, NULL },
	{ "state", FIELD_ENUM, 0, AT(struct login_reply, state), 0, 0, login_state_names },
	{ "authorizationUrl", FIELD_TEXT, NULLABLE, AT(struct login_reply, authorization_url), 0, 0, NULL },
	{ "verificationUri", FIELD_TEXT, NULLABLE, AT(struct login_reply, verification_uri), 0, 0, NULL },
	{ "verificationUriComplete", FIELD_TEXT, NULLABLE, AT(struct login_reply, verification_uri_complete), 0, 0, NULL },
	{ "userCode", FIELD_TEXT, NULLABLE, AT(struct login_reply, user_code), 0, 0, NULL },
	{ "expiresAt", FIELD_INT, NULLABLE, AT(struct login_reply, expires_at), 0, 0, NULL },
	{ "intervalSeconds", FIELD_INT, NULLABLE, AT(struct login_reply, interval_s), 0, 0, NULL },
	{ "message", FIELD_TEXT, NULLABLE, AT(struct login_reply, message), 0, 0, NULL },
};
const struct fields login_reply_table = FIELDS(login_reply_fields, struct login_reply);

static const struct field complete_login_fields[] = {
	{ "loginId", FIELD_TEXT, 0, AT(struct complete_login_call, login_id), 0, LOGIN_ID_MAX, NULL },
	{ "redirectUrl", FIELD_TEXT, FIELD_SECRET, AT(struct complete_login_call, redirect_url), 0, 0, NULL },
};
const struct fields complete_login_table = FIELDS(complete_login_fields,
						  struct complete_login_call);

static const struct field complete_login_reply_fields[] = {
	{ "state", FIELD_ENUM, 0, AT(struct complete_login_reply, state), 0, 0, login_state_names },
	{ "message", FIELD_TEXT, NULLABLE, AT(struct complete_login_reply, message), 0, 0, NULL },
};
const struct fields complete_login_reply_table = FIELDS(complete_login_reply_fields,
							struct complete_login_reply);

static const struct field no_such_login_fields[] = {
	{ "loginId", FIELD_TEXT, 0, AT(struct login_error, login_id), 0, 0, NULL },
};
const struct fields no_such_login_table = FIELDS(no_such_login_fields, struct login_error);

static const struct field state_mismatch_fields[] = {
	{ "loginId", FIELD_TEXT, 0, AT(struct login_error, login_id), 0, 0, NULL },
};
const struct fields state_mismatch_table = FIELDS(state_mismatch_fields, struct login_error);

static const struct field flow_not_configured_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct flow_not_configured_error, credential), 0, 0, NULL },
	{ "flow", FIELD_ENUM, 0, AT(struct flow_not_configured_error, flow), 0, 0, login_flow_names },
};
const struct fields flow_not_configured_table = FIELDS(flow_not_configured_fields,
						       struct flow_not_configured_error);

static const struct field refresh_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct refresh_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "waitSeconds", FIELD_INT, FIELD_OPTIONAL, AT(struct refresh_call, wait_s), 0, WAIT_MAX, NULL },
};
const struct fields refresh_table = FIELDS(refresh_fields, struct refresh_call);

static const struct field refresh_reply_fields[] = {
	{ "generation", FIELD_INT, 0, AT(struct refresh_reply, generation), 0, 0, NULL },
};
const struct fields refresh_reply_table = FIELDS(refresh_reply_fields, struct refresh_reply);

static const struct field set_enabled_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct set_enabled_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "enabled", FIELD_BOOL, 0, AT(struct set_enabled_call, enabled), 0, 0, NULL },
};
const struct fields set_enabled_table = FIELDS(set_enabled_fields, struct set_enabled_call);

static const struct field import_secret_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct import_secret_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "kind", FIELD_ENUM, 0, AT(struct import_secret_call, kind), 0, 0, secret_kind_names },
	{ "value", FIELD_TEXT, FIELD_SECRET, AT(struct import_secret_call, value), 0, 0, NULL },
};
const struct fields import_secret_table = FIELDS(import_secret_fields, struct import_secret_call);

static const struct field revoke_fields[] = {
	{ "credential", FIELD_TEXT, 0, AT(struct revoke_call, credential), 0, CREDENTIAL_NAME_MAX, NULL },
	{ "forgetSecrets", FIELD_BOOL, 0, AT(struct revoke_call, forget_secrets), 0, 0, NULL },
};
const struct fields revoke_table = FIELDS(revoke_fields, struct revoke_call);

static const struct field attempt_info_fields[] = {
	{ "time", FIELD_INT, 0, AT(struct attempt_info, time), 0, 0, NULL },
	{ "kind", FIELD_TEXT, 0, AT(struct attempt_info, kind), 0, 0, NULL },
	{ "outcome", FIELD_TEXT, 0, AT(struct attempt_info, outcome), 0, 0, NULL },
	{ "httpStatus", FIELD_INT, NULLABLE, AT(struct attempt_info, http_status), 0, 0, NULL },
	{ "message", FIELD_TEXT, NULLABLE, AT(struct attempt_info, message), 0, 0, NULL },
};
const struct fields attempt_info_table = FIELDS(attempt_info_fields, struct attempt_info);

static const struct field history_reply_fields[] = {
	{ "attempts", FIELD_RAW, 0, AT(struct history_reply, attempts), 0, 0, NULL },
};
const struct fields history_reply_table = FIELDS(history_reply_fields, struct history_reply);

static const struct field reload_reply_fields[] = {
	{ "added", FIELD_INT, 0, AT(struct reload_reply, added), 0, 0, NULL },
	{ "changed", FIELD_INT, 0, AT(struct reload_reply, changed), 0, 0, NULL },
	{ "removed", FIELD_INT, 0, AT(struct reload_reply, removed), 0, 0, NULL },
	{ "addedNames", FIELD_TEXTS, 0, AT(struct reload_reply, added_names), 0, 0, NULL },
	{ "changedNames", FIELD_TEXTS, 0, AT(struct reload_reply, changed_names), 0, 0, NULL },
	{ "removedNames", FIELD_TEXTS, 0, AT(struct reload_reply, removed_names), 0, 0, NULL },
	{ "warnings", FIELD_TEXTS, 0, AT(struct reload_reply, warnings), 0, 0, NULL },
};
const struct fields reload_reply_table = FIELDS(reload_reply_fields, struct reload_reply);

static const struct field diagnose_reply_fields[] = {
	{ "step", FIELD_TEXT, 0, AT(struct diagnose_reply, step), 0, 0, NULL },
	{ "outcome", FIELD_ENUM, 0, AT(struct diagnose_reply, outcome), 0, 0, check_outcome_names },
	{ "message", FIELD_TEXT, 0, AT(struct diagnose_reply, message), 0, 0, NULL },
	{ "action", FIELD_TEXT, NULLABLE, AT(struct diagnose_reply, action), 0, 0, NULL },
	{ "actor", FIELD_ENUM, NULLABLE, AT(struct diagnose_reply, actor), 0, 0, check_actor_names },
};
const struct fields diagnose_reply_table = FIELDS(diagnose_reply_fields, struct diagnose_reply);

static const struct field listener_info_fields[] = {
	{ "name", FIELD_TEXT, 0, AT(struct listener_info, name), 0, 0, NULL },
	{ "protocol", FIELD_TEXT, 0, AT(struct listener_info, protocol), 0, 0, NULL },
	{ "address", FIELD_TEXT, 0, AT(struct listener_info, address), 0, 0, NULL },
	{ "role", FIELD_TEXT, 0, AT(struct listener_info, role), 0, 0, NULL },
	{ "connections", FIELD_INT, 0, AT(struct listener_info, connections), 0, 0, NULL },
};
const struct fields listener_info_table = FIELDS(listener_info_fields, struct listener_info);

static const struct field status_reply_fields[] = {
	{ "version", FIELD_TEXT, 0, AT(struct status_reply, version), 0, 0, NULL },
	{ "startedAt", FIELD_INT, 0, AT(struct status_reply, started_at), 0, 0, NULL },
	{ "ready", FIELD_BOOL, 0, AT(struct status_reply, ready), 0, 0, NULL },
	{ "parentPid", FIELD_INT, 0, AT(struct status_reply, parent_pid), 0, 0, NULL },
	{ "mintPid", FIELD_INT, 0, AT(struct status_reply, mint_pid), 0, 0, NULL },
	{ "frontPid", FIELD_INT, 0, AT(struct status_reply, front_pid), 0, 0, NULL },
	{ "store", FIELD_ENUM, 0, AT(struct status_reply, store), 0, 0, store_state_names },
	{ "configurationFiles", FIELD_TEXTS, 0, AT(struct status_reply, configuration_files), 0, 0, NULL },
	{ "listeners", FIELD_RAW, 0, AT(struct status_reply, listeners), 0, 0, NULL },
	{ "warnings", FIELD_TEXTS, 0, AT(struct status_reply, warnings), 0, 0, NULL },
};
const struct fields status_reply_table = FIELDS(status_reply_fields, struct status_reply);

static const struct field event_reply_fields[] = {
	{ "time", FIELD_INT, 0, AT(struct event_reply, time), 0, 0, NULL },
	{ "event", FIELD_TEXT, 0, AT(struct event_reply, event), 0, 0, NULL },
	{ "credential", FIELD_TEXT, NULLABLE, AT(struct event_reply, credential), 0, 0, NULL },
	{ "peerUid", FIELD_INT, NULLABLE, AT(struct event_reply, peer_uid), 0, 0, NULL },
	{ "peerPid", FIELD_INT, NULLABLE, AT(struct event_reply, peer_pid), 0, 0, NULL },
	{ "details", FIELD_OBJECT, 0, AT(struct event_reply, details), 0, 0, NULL },
};
const struct fields event_reply_table = FIELDS(event_reply_fields, struct event_reply);

static const struct field configuration_invalid_fields[] = {
	{ "file", FIELD_TEXT, 0, AT(struct configuration_invalid_error, file), 0, 0, NULL },
	{ "line", FIELD_INT, 0, AT(struct configuration_invalid_error, line), 0, 0, NULL },
	{ "message", FIELD_TEXT, 0, AT(struct configuration_invalid_error, message), 0, 0, NULL },
};
const struct fields configuration_invalid_table = FIELDS(configuration_invalid_fields,
							 struct configuration_invalid_error);

static const struct field store_unavailable_fields[] = {
	{ "message", FIELD_TEXT, 0, AT(struct store_unavailable_error, message), 0, 0, NULL },
};
const struct fields store_unavailable_table = FIELDS(store_unavailable_fields,
						     struct store_unavailable_error);

static const struct field metrics_fields[] = {
	{ "after", FIELD_TEXT, NULLABLE, AT(struct metrics_call, after), 0, 0, NULL },
};
const struct fields metrics_table = FIELDS(metrics_fields, struct metrics_call);

static const struct field metrics_reply_fields[] = {
	{ "text", FIELD_TEXT, 0, AT(struct metrics_reply, text), 0, 0, NULL },
	{ "next", FIELD_TEXT, NULLABLE, AT(struct metrics_reply, next), 0, 0, NULL },
};
const struct fields metrics_reply_table = FIELDS(metrics_reply_fields, struct metrics_reply);

static const struct field set_log_level_fields[] = {
	{ "level", FIELD_INT, 0, AT(struct set_log_level_call, level), 0, 7, NULL },
};
const struct fields set_log_level_table = FIELDS(set_log_level_fields, struct set_log_level_call);

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "client/handle.h"
#include "proto/messages.h"

struct invalid_parameter {
	const char *parameter, *message;
};

struct flow_not_configured {
	const char *credential, *flow;
};

/* Which SFTOKEN_E_* an error of the broker is; index: enum broker_error. */
static const int broker_codes[BROKER_ERRORS] = {
	[BROKER_NO_SUCH_CREDENTIAL] = SFTOKEN_E_NO_SUCH_CREDENTIAL,
	[BROKER_LOGIN_REQUIRED] = SFTOKEN_E_LOGIN_REQUIRED,
	[BROKER_NOT_SERVED] = SFTOKEN_E_NOT_SERVED,
	[BROKER_REJECTED] = SFTOKEN_E_REJECTED,
	[BROKER_UNAVAILABLE] = SFTOKEN_E_UNAVAILABLE,
	[BROKER_TIMED_OUT] = SFTOKEN_E_TIMED_OUT,
	[BROKER_LIFETIME_TOO_SHORT] = SFTOKEN_E_LIFETIME_TOO_SHORT,
	[BROKER_RATE_LIMITED] = SFTOKEN_E_RATE_LIMITED,
	[BROKER_SHUTTING_DOWN] = SFTOKEN_E_SHUTTING_DOWN,
};

static const char *or_text(const char *text, const char *fallback)
{
	return text && *text ? text : fallback;
}

enum { WHO_SIZE = 300 };

/* "NAME" in quotes, as it was sent; nobody knows by which name the daemon chose a default. */
static const char *who(const struct broker_error_fields *f, char out[WHO_SIZE])
{
	if (!f->credential || !*f->credential)
		return "the default credential (none was named)";
	(void)snprintf(out, WHO_SIZE, "\"%s\"", f->credential);
	return out;
}

static int say_rejected(const struct broker_error_fields *f, struct sftoken_err *err, int code)
{
	char name[WHO_SIZE];

	if (strcmp(or_text(f->oauth_error, ""), "token_accepted_by_server") == 0)
		return fail(
			err, code,
			"Salesforce accepts this token of %s: the refusal that you saw has another cause (permissions, "
			"IP range, API limits); do not report it again",
			who(f, name));
	if (strcmp(or_text(f->oauth_error, ""), "revocation_refused") == 0)
		return fail(err, code, "%s was not revoked, and nothing was forgotten: %s",
			    who(f, name), or_text(f->description, ""));
	return fail(err, code,
		    "Salesforce refused a token for %s: %s%s%s; `sftoken show` says what to change",
		    who(f, name), or_text(f->oauth_error, "error"),
		    f->description && *f->description ? ": " : "", or_text(f->description, ""));
}

/* One sentence each: what happened, what to do. */
static int say(enum broker_error error, const struct broker_error_fields *f,
	       struct sftoken_err *err)
{
	const char *credential = or_text(f->credential, "");
	char name[WHO_SIZE];
	int code = broker_codes[error];

	switch (error) {
	case BROKER_NO_SUCH_CREDENTIAL:
		if (!*credential)
			return fail(
				err, code,
				"no default credential for you: name one (`sftoken list` shows them)");
		return fail(
			err, code,
			"no credential \"%s\", or you may not use it (`sftoken list` shows yours)",
			credential);
	case BROKER_LOGIN_REQUIRED:
	case BROKER_NOT_SERVED:
		return fail(err, code, "%s is not served: %s", who(f, name),
			    or_text(f->message, "an administrator must act"));
	case BROKER_REJECTED:
		return say_rejected(f, err, code);
	case BROKER_UNAVAILABLE:
		return fail(err, code, "%s is not available now: %s; try again in %lld s",
			    who(f, name), or_text(f->message, "Salesforce cannot be reached"),
			    (long long)f->retry_after_s.value);
	case BROKER_TIMED_OUT:
		return fail(err, code,
			    "no token for %s within %lld s: wait longer, or see `sftoken show`",
			    who(f, name), (long long)f->wait_s.value);
	case BROKER_LIFETIME_TOO_SHORT:
		return fail(
			err, code,
			"tokens of %s live %lld s at most now, you asked for %lld s: ask for less",
			who(f, name), (long long)f->max_valid_s.value,
			(long long)f->min_valid_s.value);
	case BROKER_RATE_LIMITED:
		return fail(err, code, "too many calls: try again in %lld s",
			    (long long)f->retry_after_s.value);
	default:
		return fail(err, code, "the daemon is stopping: try again in a moment");
	}
}

/* Our Manager says beside the parameter what is wrong with it. */
static int say_invalid(const struct varlink_reply *reply, struct sftoken_err *err)
{
	static const struct field fields[] = {
		{ "parameter", FIELD_TEXT, 0, AT(struct invalid_parameter, parameter), 0, 0, NULL },
		{ "message", FIELD_TEXT, FIELD_OPTIONAL, AT(struct invalid_parameter, message), 0,
		  0, NULL },
	};
	static const struct fields table = FIELDS(fields, struct invalid_parameter);
	struct invalid_parameter f = { 0 };
	const char *bad;

	if (fields_decode(&table, reply->parameters, UNKNOWN_NEWER, &f, &bad, NULL) < 0)
		return fail(err, SFTOKEN_E_INVALID, "the daemon answered %.120s", reply->error);
	if (f.message)
		return fail(err, SFTOKEN_E_INVALID, "the daemon refuses: %s", f.message);
	return fail(
		err, SFTOKEN_E_INVALID,
		"the daemon does not take this value of %.100s: see io.sftoken.Broker(7) for its range",
		f.parameter);
}

static int say_flow(const struct varlink_reply *reply, struct sftoken_err *err)
{
	static const struct field fields[] = {
		{ "credential", FIELD_TEXT, 0, AT(struct flow_not_configured, credential), 0, 0,
		  NULL },
		{ "flow", FIELD_TEXT, 0, AT(struct flow_not_configured, flow), 0, 0, NULL },
	};
	static const struct fields table = FIELDS(fields, struct flow_not_configured);
	struct flow_not_configured f = { 0 };
	const char *bad;

	if (fields_decode(&table, reply->parameters, UNKNOWN_NEWER, &f, &bad, NULL) < 0)
		return fail(err, SFTOKEN_E_OTHER, "the daemon answered %.120s", reply->error);
	return fail(
		err, SFTOKEN_E_OTHER,
		"\"%s\" does not log in by %s: its GrantType= says by what, see sftokend.credential(5)",
		f.credential, f.flow);
}

/* What goes wrong with logins; the sentences hold nothing of what was sent. 0: it is nothing of that. */
static int say_login(const struct varlink_reply *reply, struct sftoken_err *err)
{
	if (strcmp(reply->error, MANAGER_INTERFACE ".FlowNotConfigured") == 0)
		return say_flow(reply, err);
	if (strcmp(reply->error, MANAGER_INTERFACE ".NoSuchLogin") == 0)
		return fail(
			err, SFTOKEN_E_OTHER,
			"there is no such login, or it has ended: begin again with `sftoken login`");
	if (strcmp(reply->error, MANAGER_INTERFACE ".StateMismatch") == 0)
		return fail(err, SFTOKEN_E_OTHER,
			    "this address belongs to another login; nothing was changed");
	return 0;
}

static int other_error(const struct varlink_reply *reply, struct sftoken_err *err)
{
	const char *name = reply->error;
	int code = say_login(reply, err);

	if (code)
		return code;
	if (strcmp(name, "org.varlink.service.PermissionDenied") == 0)
		return fail(
			err, SFTOKEN_E_REFUSED,
			"you may not do this: it takes root, the service user or the admin group");
	if (strcmp(name, "org.varlink.service.InvalidParameter") == 0)
		return say_invalid(reply, err);
	if (strcmp(name, MANAGER_INTERFACE ".ConfigurationInvalid") == 0) {
		struct configuration_invalid_error f = { 0 };
		const char *bad;

		char line[24] = "";

		if (fields_decode(&configuration_invalid_table, reply->parameters, UNKNOWN_NEWER,
				  &f, &bad, NULL) == 0) {
			if (f.line.value > 0) /* 0: it concerns the whole file */
				snprintf(line, sizeof(line), ":%lld", (long long)f.line.value);
			return fail(
				err, SFTOKEN_E_OTHER,
				"the configuration has a mistake, nothing was changed: %s%s: %s (`sftoken check` shows all)",
				f.file, line, f.message);
		}
	}
	if (strcmp(name, MANAGER_INTERFACE ".SecretStoreUnavailable") == 0) {
		struct store_unavailable_error f = { 0 };
		const char *bad;

		if (fields_decode(&store_unavailable_table, reply->parameters, UNKNOWN_NEWER, &f,
				  &bad, NULL) == 0)
			return fail(err, SFTOKEN_E_OTHER, "the store takes nothing now: %s",
				    f.message);
	}
	if (strcmp(name, "org.varlink.service.MethodNotImplemented") == 0)
		return fail(err, SFTOKEN_E_OTHER, "this version of the daemon cannot do that yet");
	return fail(err, SFTOKEN_E_OTHER, "the daemon answered %.120s", name);
}

int error_from_reply(const struct varlink_reply *reply, struct sftoken_err *err)
{
	const size_t prefix = sizeof BROKER_INTERFACE; /* its dot takes the place of the NUL */
	struct broker_error_fields f = { 0 };
	const char *bad;
	int error = -1, code;

	if (strncmp(reply->error, BROKER_INTERFACE ".", prefix) == 0)
		error = fields_enum(broker_error_names, reply->error + prefix);
	if (strcmp(reply->error, MANAGER_INTERFACE ".NoSuchCredential") == 0)
		error = BROKER_NO_SUCH_CREDENTIAL;
	if (error < 0 || fields_decode(&broker_error_tables[error], reply->parameters,
				       UNKNOWN_NEWER, &f, &bad, NULL) < 0) {
		code = other_error(reply, err);
	} else {
		code = say((enum broker_error)error, &f, err);
		if (err && f.retry_after_s.set)
			err->retry_after_s = f.retry_after_s.value;
	}
	if (err)
		(void)snprintf(err->name, sizeof err->name, "%s", reply->error);
	return code;
}

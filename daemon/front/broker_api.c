/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/broker.h"

#include <string.h>

#include "daemon/front/identity.h"
#include "proto/messages.h"

/* clang-format off */
static const struct varlink_method methods[] = {
	{ "GetToken", &get_token_table, 0, broker_get_token },
	{ "WatchToken", &credential_call_table, METHOD_MORE, broker_watch_token },
	{ "HoldToken", &hold_token_table, METHOD_MORE, broker_hold_token },
	{ "ReportRejected", &report_rejected_table, 0, broker_report_rejected },
	{ "ListCredentials", &list_credentials_table, 0, broker_list_credentials },
	{ "GetCredential", &credential_call_table, 0, broker_get_credential },
};
/* clang-format on */

static const struct varlink_interface broker = {
	BROKER_INTERFACE,
	broker_description,
	methods,
	sizeof(methods) / sizeof(methods[0]),
};
static const struct varlink_interface *const interfaces[] = { &broker };

const struct service broker_service = {
	.vendor = "sftoken",
	.product = "sftokend",
	.version = SFTOKEN_VERSION,
	.url = "https://github.com/sftoken/sftokend",
	.interfaces = interfaces,
	.n_interfaces = 1,
};

bool broker_privileged(const struct front *f, uid_t uid)
{
	return uid == 0 || (f->rules.service_uid >= 0 && (int64_t)uid == f->rules.service_uid);
}

static const struct globs *globs_of(const struct caller *c)
{
	return c->front->listeners[c->listener].globs;
}

bool broker_allows(struct caller *c, const struct entry *e)
{
	enum policy judged = identity_judge(c, e);

	c->unknown = judged == POLICY_UNKNOWN;
	return judged == POLICY_YES;
}

/* Kept: with ten thousand credentials of others the look at each of them would cost more than everything else. */
static struct entry *find_null(struct caller *c)
{
	const struct table *t = &c->front->table;
	struct proof proof;
	bool unknown = false;

	if (c->null_version != t->version) {
		c->null_entry = table_default(t, connection_peer(c->connection),
					      identity_proof(c, &proof), globs_of(c), &unknown);
		/* what is only not known yet is looked at again */
		c->null_version = unknown ? 0 : t->version;
	}
	/* a process that is proven to be somebody may have ended since */
	if (c->null_entry && access_has_rules(&c->null_entry->access) &&
	    !broker_allows(c, c->null_entry))
		return NULL;
	c->unknown = unknown;
	return c->null_entry;
}

struct entry *broker_find(struct caller *c, const char *name)
{
	struct entry *e;

	c->unknown = false;
	if (!name)
		return find_null(c);
	e = table_find(&c->front->table, name);
	return e && broker_allows(c, e) ? e : NULL;
}

/* --- errors --- */

static void reply_error(struct caller *c, enum broker_error error,
			const struct broker_error_fields *fields)
{
	broker_add_error(connection_out(c->connection), error, fields);
	connection_reply(c->connection, false);
	broker_got(c, (enum get_outcome)(GOT_ERROR + error));
}

/* Who may not know of a credential must not learn by the wait either: uid and groups have been looked at before. */
static void reply_unknown(struct caller *c, const char *sent)
{
	const struct broker_error_fields fields = {
		.credential = sent,
		.message = "it could not be found out in time which unit and program asks",
		.retry_after_s = { .value = 1, .set = true },
	};

	reply_error(c, BROKER_UNAVAILABLE, &fields);
}

/* What a caller that was told "no such credential" may have meant; NULL: what does not exist. */
static const struct entry *meant(const struct table *t, const char *sent)
{
	if (*sent)
		return table_find(t, sent);
	if (t->default_credential)
		return table_find(t, t->default_credential);
	return t->n == 1 ? t->sorted[0] : NULL;
}

/* For the administrator alone: to the caller, it does not exist. */
static void note_refusal(struct caller *c, const char *sent)
{
	struct front *f = c->front;
	const struct entry *e = meant(&f->table, sent);
	const struct front_listener *l = &f->listeners[c->listener];
	struct proof proof;
	struct refusal call;

	if (!e)
		return;
	call = (struct refusal){
		.peer = connection_peer(c->connection),
		.proof = identity_proof(c, &proof),
		.name = entry_name(e),
		.name_hash = e->names[0].node.hash,
		.listener = l->name,
	};
	call.why = policy_look(&e->access, call.peer, call.proof, l->globs, call.name);
	if (call.why == WHY_NOT || call.why == WHY_UNKNOWN)
		return;
	f->counters.value[COUNT_CALLS_REFUSED]++;
	if (!refusals_note(&f->refusals, &call))
		f->counters.value[LIMIT_REFUSALS]++;
	else if (f->refusals.fresh)
		timer_set(f->refused, loop_now_ms(f->loop));
}

void broker_no_such(struct caller *c, const char *sent)
{
	const struct broker_error_fields fields = { .credential = sent };

	if (c->unknown) {
		reply_unknown(c, sent);
	} else {
		note_refusal(c, sent);
		reply_error(c, BROKER_NO_SUCH_CREDENTIAL, &fields);
	}
	c->unknown = false;
}

void broker_rate_limited(struct caller *c)
{
	const struct broker_error_fields fields = { .retry_after_s = { .value = 1, .set = true } };

	reply_error(c, BROKER_RATE_LIMITED, &fields);
}

void broker_shutting_down(struct caller *c)
{
	const struct broker_error_fields fields = { .credential = "" };

	reply_error(c, BROKER_SHUTTING_DOWN, &fields);
}

/* What a person reads when the mint has not said it in better words. */
static const char *default_message(enum broker_error error, const struct judgement *j, int state)
{
	switch (error) {
	case BROKER_LOGIN_REQUIRED:
		return "a person has to log in first";
	case BROKER_NOT_SERVED:
		return state == STATE_DISABLED
			       ? "the credential is disabled; an administrator can enable it"
			       : "the credential is suspended; an administrator has to act";
	default:
		return j->of_problem ? "Salesforce gave no token"
				     : "it is not known whether Salesforce still accepts the token";
	}
}

static struct opt_int number(int64_t value)
{
	return (struct opt_int){ .value = value, .set = true };
}

void broker_judged_error(struct caller *c, const struct entry *e, const struct judgement *j,
			 const char *sent, int64_t wait_s, int64_t min_valid_ms)
{
	struct broker_error_fields fields = {
		.credential = sent,
		.grant_type = e->grant_type,
		.state = e->judge.state,
		.message = default_message((enum broker_error)j->error, j, e->judge.state),
		.oauth_error = "token_accepted_by_server",
		.http_status = number(200),
		.retry_after_s = number(j->retry_after_s),
		.wait_s = number(wait_s),
		.min_valid_s = number(min_valid_ms < 0 ? 0 : min_valid_ms / 1000),
		.max_valid_s = number(j->max_valid_s),
	};

	if (j->held)
		fields.message =
			"a caller holds the session of the current token, and a renewal would end it";
	else if (j->of_problem && e->problem.message)
		fields.message = e->problem.message;
	else if (!j->of_problem && e->last_error && j->error != BROKER_UNAVAILABLE)
		fields.message = e->last_error;
	if (!j->alive) {
		fields.oauth_error = e->problem.oauth_error ? e->problem.oauth_error
							    : "unknown_error";
		fields.description = e->problem.description;
		fields.http_status = number(e->problem.http_status);
	}
	reply_error(c, (enum broker_error)j->error, &fields);
}

/* --- calls --- */

bool broker_may_report(struct caller *c)
{
	struct front *f = c->front;

	if (broker_privileged(f, c->user->uid) ||
	    bucket_take(&c->user->reports, f->rules.limits.max_reports_per_second,
			loop_now_ms(f->loop)))
		return true;
	f->counters.value[LIMIT_REPORTS]++;
	return false;
}

static bool may_call(struct caller *c)
{
	struct front *f = c->front;

	if (broker_privileged(f, c->user->uid) ||
	    bucket_take(&c->user->calls, f->rules.limits.max_calls_per_second,
			loop_now_ms(f->loop)))
		return true;
	f->counters.value[LIMIT_CALLS]++;
	return false;
}

/* Before anybody has looked at what the call wants: if it is a GetToken, the refusal counts as one. */
static void refuse(struct caller *c, const struct varlink_call *call,
		   void (*answer)(struct caller *c))
{
	if (strcmp(call->method, BROKER_INTERFACE ".GetToken") == 0)
		c->get_us = loop_now_us(c->front->loop);
	answer(c);
}

/* Nothing to say means that the call broke the protocol. */
static void reply_or_close(struct connection *c)
{
	if (connection_out(c)->len > 0 || buf_failed(connection_out(c)))
		connection_reply(c, false);
	else
		connection_close(c);
}

/* Probes look at who serves for ever, and need nothing. A call that is answered the short way (broker_shortcut()) is never the first. */
static void count_caller(struct caller *c, const char *method)
{
	static const char service[] = "org.varlink.service.";

	if (!c->spoke)
		idle_spoke(&c->front->idle);
	c->spoke = true;
	if (strncmp(method, service, sizeof(service) - 1) == 0)
		return;
	c->counted = true;
	idle_enter(&c->front->idle);
}

void broker_call(struct connection *c, struct varlink_call *call, void *front)
{
	struct front *f = front;
	struct caller *caller = connection_data(c);

	f->counters.value[COUNT_CALLS]++;
	if (!caller->counted)
		count_caller(caller, call->method);
	if (f->stopping)
		refuse(caller, call, broker_shutting_down);
	else if (!may_call(caller))
		refuse(caller, call, broker_rate_limited);
	else if (!identity_suspend(caller, call) &&
		 !service_dispatch(&broker_service, call, caller, connection_out(c)))
		reply_or_close(c);
	f->candidate = NULL;
}

void broker_resume(struct caller *c, const struct varlink_call *call)
{
	struct connection *connection = c->connection; /* c goes when it is closed */

	if (!service_dispatch(&broker_service, call, c, connection_out(connection)))
		reply_or_close(connection);
}

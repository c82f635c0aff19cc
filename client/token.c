/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that most programs need, and the token that they get. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/handle.h"
#include "proto/messages.h"

enum {
	WAIT_DEFAULT_S = 30,
	WAIT_MOST_S = 24 * 3600,
	ANSWER_SLACK_MS = 5000,
	SHORT_CALL_MS = 10000
};

struct sftoken_token {
	struct token_fields f;
	struct buf text; /* the reply, decoded in place: f points into it */
	struct buf json; /* the Token object as received */
	struct buf scope;
};

void sftoken_token_free(struct sftoken_token *t)
{
	if (!t)
		return;
	buf_fini(&t->text);
	buf_fini(&t->json);
	buf_fini(&t->scope);
	free(t);
}

static void token_freep(struct sftoken_token **t)
{
	sftoken_token_free(*t);
}

static int bad_token(struct sftoken_err *err)
{
	return fail(err, SFTOKEN_E_PROTOCOL,
		    "the daemon sent a token that this library does not understand");
}

/* {"token": {...}} */
static struct json_value token_object(struct buf *text)
{
	struct json_value key, value, none = { 0 };
	struct json_iter i;

	if (json_type(json_root(text->data, text->len)) != JSON_OBJECT)
		return none;
	i = json_iterate(json_root(text->data, text->len));
	while (json_next(&i, &key, &value))
		if (json_is(key, "token") && json_type(value) == JSON_OBJECT)
			return value;
	return none;
}

static void join_scopes(struct sftoken_token *t)
{
	struct json_iter i;
	struct json_value key, value;

	buf_add_text(&t->scope, "");
	if (!t->f.scopes.raw.start)
		return;
	i = json_iterate(t->f.scopes.raw);
	while (json_next(&i, &key, &value)) {
		if (t->scope.len)
			buf_add_char(&t->scope, ' ');
		buf_add_text(&t->scope, json_text(value, NULL));
	}
}

/* parameters are checked JSON. */
static int take_checked(const char *parameters, struct sftoken_token **out, struct sftoken_err *err)
{
	CLEANUP(token_freep) struct sftoken_token *t = calloc(1, sizeof *t);
	struct json_value object;
	const char *bad;

	if (!t)
		return fail(err, SFTOKEN_E_MEMORY, "out of memory");
	buf_init(&t->text, VARLINK_MESSAGE_MAX);
	buf_init(&t->json, VARLINK_MESSAGE_MAX);
	buf_init(&t->scope, VARLINK_MESSAGE_MAX);
	buf_add_text(&t->text, parameters);
	if (buf_failed(&t->text))
		return fail(err, SFTOKEN_E_MEMORY, "out of memory");
	object = token_object(&t->text);
	if (!object.start)
		return bad_token(err);
	buf_add(&t->json, object.start, (size_t)(object.end - object.start));
	if (fields_decode(&token_fields_table, object, UNKNOWN_NEWER, &t->f, &bad, NULL) < 0)
		return bad_token(err);
	join_scopes(t);
	if (buf_failed(&t->json) || buf_failed(&t->scope))
		return fail(err, SFTOKEN_E_MEMORY, "out of memory");
	*out = TAKE(t);
	return 0;
}

int sftoken_token_parse(const char *parameters, struct sftoken_token **out, struct sftoken_err *err)
{
	*out = NULL;
	if (json_check(parameters, strlen(parameters), JSON_DEPTH_MAX, NULL) < 0)
		return bad_token(err);
	return take_checked(parameters, out, err);
}

struct taken {
	struct sftoken_token *token;
	struct sftoken_err *err;
};

static int take_token(const char *parameters, int continues, void *arg)
{
	struct taken *taken = arg;

	(void)continues;
	return take_checked(parameters, &taken->token,
			    taken->err); /* the codec has checked the whole reply */
}

static struct get_token_call get_parameters(const struct sftoken_get_options *o)
{
	struct get_token_call call = { .credential = o->credential, .reason = o->reason };

	if (o->min_valid_s >= 0)
		call.min_valid_s = (struct opt_int){ o->min_valid_s, true };
	if (o->rejected_generation > 0)
		call.rejected_generation = (struct opt_int){ o->rejected_generation, true };
	if (o->wait_s >= 0)
		call.wait_s = (struct opt_int){ o->wait_s, true };
	if (o->allow_stale)
		call.allow_stale = (struct opt_bool){ true, true };
	return call;
}

/* wait_s is the caller's and may be any number; what the daemon does not accept it says itself. */
static int answer_within_ms(int wait_s)
{
	int wait = wait_s < 0 ? WAIT_DEFAULT_S : wait_s < WAIT_MOST_S ? wait_s : WAIT_MOST_S;

	return wait * 1000 + ANSWER_SLACK_MS;
}

int sftoken_get(struct sftoken *h, const struct sftoken_get_options *options,
		struct sftoken_token **out, struct sftoken_err *err)
{
	struct sftoken_get_options o = SFTOKEN_GET_OPTIONS_INIT;
	CLEANUP(buf_finip) struct buf parameters;
	struct get_token_call call;
	struct taken taken = { NULL, err };
	int timeout_ms, r;

	buf_init(&parameters, VARLINK_MESSAGE_MAX);
	if (!h || !out)
		return fail(err, SFTOKEN_E_INVALID, "sftoken_get: handle or out is NULL");
	*out = NULL;
	if (options)
		memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
	call = get_parameters(&o);
	fields_encode(&get_token_table, &call, &parameters);
	if (buf_failed(&parameters))
		return fail(err, SFTOKEN_E_INVALID,
			    "sftoken_get: the options are longer than 64 KiB");
	timeout_ms = o.timeout_ms > 0 ? o.timeout_ms : answer_within_ms(o.wait_s);
	handle_lock(h);
	r = call_locked(h, BROKER_INTERFACE ".GetToken", parameters.data, SFTOKEN_CALL_REPEAT,
			timeout_ms, take_token, &taken, err);
	handle_unlock(h);
	if (r < 0) {
		sftoken_token_free(taken.token);
		return r;
	}
	*out = taken.token;
	return taken.token ? 0 : bad_token(err);
}

struct taken_report {
	struct report_rejected_reply *reply;
	struct sftoken_err *err;
};

static int take_report(const char *parameters, int continues, void *arg)
{
	const struct taken_report *taken = arg;
	CLEANUP(buf_finip) struct buf text;
	const char *bad;

	(void)continues;
	buf_init(&text, VARLINK_MESSAGE_MAX);
	buf_add_text(&text, parameters);
	if (buf_failed(&text) || json_check(text.data, text.len, JSON_DEPTH_MAX, NULL) < 0 ||
	    fields_decode(&report_rejected_reply_table, json_root(text.data, text.len),
			  UNKNOWN_NEWER, taken->reply, &bad, NULL) < 0)
		return fail(taken->err, SFTOKEN_E_PROTOCOL,
			    "the daemon sent a reply that this library does not understand");
	return 0;
}

int sftoken_report(struct sftoken *h, const char *credential, int64_t generation, int http_status,
		   const char *error_code, int *accepted, int64_t *current, struct sftoken_err *err)
{
	struct report_rejected_call call = { .credential = credential,
					     .generation = { generation, true },
					     .error_code = error_code };
	struct report_rejected_reply reply = { 0 };
	struct taken_report taken = { &reply, err };
	CLEANUP(buf_finip) struct buf parameters;
	int r;

	buf_init(&parameters, VARLINK_MESSAGE_MAX);
	if (!h)
		return fail(err, SFTOKEN_E_INVALID, "sftoken_report: handle is NULL");
	if (http_status > 0)
		call.http_status = (struct opt_int){ http_status, true };
	fields_encode(&report_rejected_table, &call, &parameters);
	if (buf_failed(&parameters))
		return fail(err, SFTOKEN_E_INVALID,
			    "sftoken_report: the arguments are longer than 64 KiB");
	r = sftoken_call(h, BROKER_INTERFACE ".ReportRejected", parameters.data,
			 SFTOKEN_CALL_REPEAT, SHORT_CALL_MS, take_report, &taken, err);
	if (r < 0)
		return r;
	if (accepted)
		*accepted = reply.accepted.value;
	if (current)
		*current = reply.generation.value;
	return 0;
}

int sftoken_ping(struct sftoken *h, struct sftoken_err *err)
{
	return sftoken_call(h, "org.varlink.service.GetInfo", NULL, SFTOKEN_CALL_REPEAT,
			    SHORT_CALL_MS, NULL, NULL, err);
}

#define TEXT(name, member) \
	const char *sftoken_token_##name(const struct sftoken_token *t) \
	{ \
		return t->f.member; \
	}
#define NUMBER(name, member) \
	int64_t sftoken_token_##name(const struct sftoken_token *t) \
	{ \
		return t->f.member.value; \
	}

TEXT(access_token, access_token)
TEXT(type, token_type)
TEXT(instance_url, instance_url)
TEXT(credential, credential)
TEXT(identity_url, identity_url)
TEXT(organization_id, organization_id)
TEXT(user_id, user_id)
TEXT(username, username)
NUMBER(generation, generation)
NUMBER(issued_at, issued_at)
NUMBER(expires_at, expires_at)
NUMBER(refresh_after, refresh_after)
NUMBER(expires_in, expires_in_s)

const char *sftoken_token_validity(const struct sftoken_token *t)
{
	return t->f.validity >= 0 ? validity_names[t->f.validity] : NULL;
}

const char *sftoken_token_expiry_source(const struct sftoken_token *t)
{
	return t->f.expiry_source >= 0 ? expiry_source_names[t->f.expiry_source] : NULL;
}

const char *sftoken_token_scope(const struct sftoken_token *t)
{
	return t->scope.data;
}

const char *sftoken_token_json(const struct sftoken_token *t)
{
	return t->json.data;
}

static const char *field_text(const struct sftoken_token *t, const struct field *f, char *buffer,
			      size_t size)
{
	const void *at = (const char *)&t->f + f->offset;
	const struct opt_int *number = at;
	char digits[24];
	size_t length;
	int index;

	switch (f->type) {
	case FIELD_TEXT:
		return *(const char *const *)at;
	case FIELD_ENUM:
		index = *(const int *)at;
		return index >= 0 ? f->names[index] : NULL;
	case FIELD_TEXTS:
		return t->scope.data;
	case FIELD_INT:
		length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)number->value);
		if (!number->set || length >= size)
			return NULL;
		return memcpy(buffer, digits, length + 1);
	default:
		return NULL;
	}
}

const char *sftoken_token_field(const struct sftoken_token *t, const char *name, char *buffer,
				size_t size)
{
	for (size_t i = 0; i < token_fields_table.n; i++)
		if (strcmp(token_fields_table.field[i].name, name) == 0)
			return field_text(t, &token_fields_table.field[i], buffer, size);
	return NULL;
}

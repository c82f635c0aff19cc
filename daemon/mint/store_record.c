/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/store_record.h"

#include <string.h>

#include "base/utf8.h"

static const char *const kind_names[] = { "credential", "secrets", "suspect", NULL };
static const char *const spend_names[] = { "none", "intent", "unknown", NULL };

#define R(member) AT(struct store_record, member)
#define TEXT(name, member) \
	{ \
		name, FIELD_TEXT, FIELD_OPTIONAL, R(member), .max = STORE_TEXT_MAX \
	}
#define TOKEN(name, member) \
	{ \
		name, FIELD_TEXT, FIELD_OPTIONAL | FIELD_SECRET, R(member), .max = STORE_TOKEN_MAX \
	}
#define SECRET(name, kind) \
	{ \
		name, FIELD_TEXT, FIELD_OPTIONAL | FIELD_SECRET, R(secrets[kind]), \
			.max = STORE_SECRET_MAX \
	}
/* Times and counts: far beyond any of them, and far from where sums of them would overflow. */
#define NUMBER_MAX (INT64_C(1) << 53)
#define INTEGER(name, flags, member) \
	{ \
		name, FIELD_INT, flags, R(member), .min = -NUMBER_MAX, .max = NUMBER_MAX \
	}
#define NUMBER(name, member) INTEGER(name, FIELD_OPTIONAL, member)
#define FLAG(name, member) \
	{ \
		name, FIELD_BOOL, FIELD_OPTIONAL, R(member) \
	}

static const struct field record_fields[] = {
	{ "kind", FIELD_ENUM, 0, R(kind), .names = kind_names },
	{ "name", FIELD_TEXT, 0, R(name), .max = CREDENTIAL_NAME_MAX },
	{ "boot", FIELD_TEXT, 0, R(boot_id), .max = 39 },
	INTEGER("written", 0, written_ms),
	INTEGER("writtenReal", 0, written_real_ms),
	NUMBER("generation", generation),
	FLAG("disabled", disabled),
	TOKEN("accessToken", access_token),
	TEXT("origin", origin),
	NUMBER("tokenGeneration", token_generation),
	NUMBER("issued", issued_ms),
	NUMBER("life", life_ms),
	NUMBER("deadline", deadline_ms),
	NUMBER("vouched", vouched_ms),
	NUMBER("deadlineReal", deadline_real_ms),
	{ "source", FIELD_ENUM, FIELD_OPTIONAL, R(source), .names = expiry_source_names },
	FLAG("unchanged", unchanged),
	TEXT("instanceUrl", instance_url),
	TEXT("tokenType", token_type),
	TEXT("scope", scope),
	TEXT("identityUrl", identity_url),
	TEXT("organizationId", organization_id),
	TEXT("userId", user_id),
	TEXT("username", username),
	NUMBER("expiresIn", expires_in_ms),
	NUMBER("jwtExp", jwt_exp_s),
	NUMBER("jwtIat", jwt_iat_s),
	NUMBER("issuedAtReal", issued_at_real_ms),
	NUMBER("sent", sent_ms),
	TOKEN("refreshToken", refresh_token),
	TEXT("refreshOrigin", refresh_origin),
	TEXT("baseUrl", base_url),
	NUMBER("number", number),
	NUMBER("used", used_ms),
	FLAG("rotates", rotates),
	FLAG("refused", refused),
	{ "spend", FIELD_ENUM, FIELD_OPTIONAL, R(spend), .names = spend_names },
	NUMBER("spent", spent_ms),
	NUMBER("spentReal", spent_real_ms),
	{ "replays", FIELD_INT, FIELD_OPTIONAL, R(replays), .min = 0, .max = UINT32_MAX },
	NUMBER("learned", learned_ms),
	NUMBER("learnedDeath", learned_death_ms),
	{ "requests", FIELD_INTS, FIELD_OPTIONAL, R(requests) },
	NUMBER("nextCheck", next_check_ms),
	NUMBER("toldStates", told_states),
	NUMBER("toldGeneration", told_generation),
	NUMBER("toldToken", told_token),
	NUMBER("toldCertificate", told_certificate_s),
	NUMBER("toldDays", told_certificate_days),
	SECRET("clientSecret", STORED_CLIENT_SECRET),
	SECRET("privateKey", STORED_PRIVATE_KEY),
	SECRET("assertion", STORED_ASSERTION),
	{ "why", FIELD_TEXT, FIELD_OPTIONAL, R(why), .max = ERR_TEXT_MAX },
};
static const struct fields record_table = FIELDS(record_fields, struct store_record);

/* --- encoding --- */

/* What is not there is not written: the file stays small. */
static struct opt_int number(int64_t value)
{
	return (struct opt_int){ value, value != 0 };
}

static struct opt_bool flag(bool value)
{
	return (struct opt_bool){ value, value };
}

static const char *secret_text(const struct secret *s)
{
	return s ? secret_bytes(s) : NULL;
}

/* A secret comes back byte for byte only if it is text. */
static bool is_text(const struct secret *s)
{
	const char *p = s ? secret_bytes(s) : "";
	size_t left = s ? secret_size(s) : 0;

	while (left > 0) {
		size_t n = utf8_char_size(p, left);

		if (n == 0 || *p == '\0')
			return false;
		p += n;
		left -= n;
	}
	return true;
}

static int check_texts(const struct stored *e, struct err *err)
{
	bool fine = is_text(e->refresh.token) &&
		    (!e->token.grant || is_text(e->token.grant->access_token));

	for (int i = 0; i < STORED_SECRETS; i++)
		fine = fine && is_text(e->secrets[i]);
	return fine ? 0
		    : err_set(err, ERR_INPUT,
			      "%s: a token or secret is not text; the store keeps text only",
			      e->name);
}

static bool fits(const struct store_record *r, const struct field *f)
{
	const void *at = (const char *)r + f->offset;
	const struct opt_int *value = at;
	const char *text;

	if (f->type == FIELD_INT)
		return value->value >= f->min && value->value <= f->max;
	if (f->type != FIELD_TEXT)
		return true;
	memcpy(&text, at, sizeof(text));
	return !text || strlen(text) <= (size_t)f->max;
}

/* What would be refused when it is read is not written. */
static int check_fields(const struct store_record *r, struct err *err)
{
	for (size_t i = 0; i < record_table.n; i++)
		if (!fits(r, &record_fields[i]))
			return err_set(
				err, ERR_INPUT,
				"%s of %.128s is too long or too large; the store cannot keep it",
				record_fields[i].name, r->name);
	return 0;
}

static int encode(const struct store_record *r, struct buf *out, struct err *err)
{
	int rc = check_fields(r, err);

	if (rc < 0)
		return rc;
	fields_encode(&record_table, r, out);
	return buf_failed(out) ? err_oom(err) : 0;
}

static struct store_record begin(enum store_kind kind, const char *name,
				 const struct store_clock *clock)
{
	return (struct store_record){
		.kind = (int)kind,
		.name = name,
		.boot_id = clock->boot_id,
		.written_ms = { clock->now_ms, true },
		.written_real_ms = { clock->now_real_ms, true },
		.source = -1,
		.spend = -1,
	};
}

static void say_token(const struct stored_token *t, struct store_record *r)
{
	const struct grant *g = t->grant;

	r->token_generation = number(t->generation);
	r->issued_ms = number(t->issued_ms);
	r->life_ms = number(t->life_ms);
	r->deadline_ms = number(t->deadline_ms);
	r->vouched_ms = number(t->vouched_ms);
	r->deadline_real_ms = number(t->deadline_real_ms);
	r->origin = t->origin;
	r->source = (int)t->source;
	r->unchanged = flag(t->unchanged);
	r->access_token = secret_text(g->access_token);
	r->instance_url = g->instance_url;
	r->token_type = g->token_type;
	r->scope = g->scope;
	r->identity_url = g->identity_url;
	r->organization_id = g->organization_id;
	r->user_id = g->user_id;
	r->username = g->username;
	r->expires_in_ms = number(g->expires_in_ms);
	r->jwt_exp_s = number(g->jwt_exp_s);
	r->jwt_iat_s = number(g->jwt_iat_s);
	r->issued_at_real_ms = number(g->issued_at_real_ms);
	r->sent_ms = number(g->sent_ms);
}

static void say_refresh(const struct stored *e, struct store_record *r)
{
	r->refresh_token = secret_text(e->refresh.token);
	r->refresh_origin = e->refresh.origin;
	r->base_url = e->refresh.base_url;
	r->number = number(e->refresh.number);
	r->used_ms = number(e->refresh.used_ms);
	r->rotates = flag(e->refresh.rotates);
	r->refused = flag(e->refresh.refused);
	if (e->spend.state == SPEND_NONE)
		return;
	r->spend = (int)e->spend.state;
	r->spent_ms = number(e->spend.at_ms);
	r->spent_real_ms = number(e->spend.at_real_ms);
	r->replays = number((int64_t)e->spend.replays);
}

static void say_credential(const struct stored *e, struct store_record *r)
{
	r->generation = number(e->generation);
	r->disabled = flag(e->disabled);
	if (e->token.grant)
		say_token(&e->token, r);
	say_refresh(e, r);
	r->learned_ms = number(e->learned_ms);
	r->learned_death_ms = number(e->learned_death_ms);
	r->next_check_ms = number(e->next_check_ms);
	r->told_states = number(e->told.states);
	r->told_generation = number(e->told.generation);
	r->told_token = number(e->told.token);
	r->told_certificate_s = number(e->told.certificate_s);
	r->told_certificate_days = number(e->told.certificate_days);
	if (e->n_requests > 0)
		r->requests = (struct int_list){ .items = e->requests, .n = e->n_requests };
}

int store_record_encode(const struct stored *e, enum store_kind kind,
			const struct store_clock *clock, struct buf *out, struct err *err)
{
	struct store_record r = begin(kind, e->name, clock);
	int rc = check_texts(e, err);

	if (rc < 0)
		return rc;
	if (kind == STORE_KIND_CREDENTIAL)
		say_credential(e, &r);
	for (int i = 0; kind == STORE_KIND_SECRETS && i < STORED_SECRETS; i++)
		r.secrets[i] = secret_text(e->secrets[i]);
	return encode(&r, out, err);
}

int store_record_encode_why(const char *why, const struct store_clock *clock, struct buf *out,
			    struct err *err)
{
	struct store_record r = begin(STORE_KIND_SUSPECT, "", clock);

	r.why = why;
	return encode(&r, out, err);
}

/* --- decoding --- */

int store_record_decode(char *text, size_t size, struct store_record *out, struct err *err)
{
	int rc = json_check(text, size, 2, err);
	struct json_value root;

	if (rc < 0)
		return rc;
	root = json_root(text, size);
	if (json_type(root) != JSON_OBJECT)
		return err_set(err, ERR_PROTOCOL, "the record is not an object");
	rc = fields_decode(&record_table, root, UNKNOWN_REFUSE, out, NULL, err);
	if (rc == 0 && out->requests.n > STORED_REQUESTS)
		return err_set(err, ERR_PROTOCOL, "the record names too many requests");
	if (rc == 0 && out->kind != STORE_KIND_SUSPECT && !credential_name_ok(out->name))
		return err_set(err, ERR_PROTOCOL, "the record has no name of a credential");
	return rc;
}

/* From the clocks at which a record was written to those of now. */
struct shift {
	bool same_boot;
	bool known;      /* the wall clock does not stand before the time of writing */
	int64_t elapsed; /* since then, by the wall clock; 0 when it is not known */
	int64_t written_ms, written_real_ms, now_ms, now_real_ms;
};

static struct shift shift_of(const struct store_record *r, const struct store_clock *clock)
{
	struct shift s = {
		.same_boot = clock->boot_id[0] && strcmp(r->boot_id, clock->boot_id) == 0,
		.known = clock->now_real_ms >= r->written_real_ms.value,
		.written_ms = r->written_ms.value,
		.written_real_ms = r->written_real_ms.value,
		.now_ms = clock->now_ms,
		.now_real_ms = clock->now_real_ms,
	};

	s.elapsed = s.known ? s.now_real_ms - s.written_real_ms : 0;
	return s;
}

/* A time that was past when it was written; 0 is no time. */
static int64_t past(const struct shift *s, int64_t at_ms)
{
	if (s->same_boot || at_ms == 0)
		return at_ms;
	return s->now_ms - s->elapsed - (s->written_ms - at_ms);
}

/* A time that may lie ahead: what is left of it. */
static int64_t ahead(const struct shift *s, int64_t at_ms)
{
	int64_t left = at_ms - s->written_ms - s->elapsed;

	if (s->same_boot || at_ms == 0)
		return at_ms;
	return left > 0 ? s->now_ms + left : 0;
}

/*
 * The deadline of a token of another boot, by the wall clock, never later than its whole life. A clock that stands before the time of writing proves nothing: the token counts as ended. The
 * deadline by the wall clock stays known over any number of boots; there, more than a whole life left means that the clock stands before the beginning.
 */
static void shift_deadline(const struct shift *s, const struct store_record *r,
			   struct stored_token *t)
{
	bool carried = t->deadline_real_ms != 0;
	int64_t left;

	if (s->same_boot)
		return;
	if (!carried)
		t->deadline_real_ms = s->written_real_ms + (r->deadline_ms.value - s->written_ms);
	left = t->deadline_real_ms - s->now_real_ms;
	if (left > t->life_ms)
		left = carried ? 0 : t->life_ms;
	if (left < 0 || !s->known)
		left = 0;
	t->deadline_ms = s->now_ms + left;
}

static bool copy_text(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool copy_secret(const char *from, struct secret **to)
{
	*to = from ? secret_new(from, strlen(from)) : NULL;
	return *to || !from;
}

static struct grant *make_grant(const struct store_record *r, const struct shift *s)
{
	CLEANUP(grant_unrefp) struct grant *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->refs = 1;
	g->expires_in_ms = r->expires_in_ms.value;
	g->jwt_exp_s = r->jwt_exp_s.value;
	g->jwt_iat_s = r->jwt_iat_s.value;
	g->issued_at_real_ms = r->issued_at_real_ms.value;
	g->sent_ms = past(s, r->sent_ms.value);
	if (!copy_secret(r->access_token, &g->access_token) ||
	    !copy_text(r->instance_url, &g->instance_url) ||
	    !copy_text(r->token_type, &g->token_type) || !copy_text(r->scope, &g->scope) ||
	    !copy_text(r->identity_url, &g->identity_url) ||
	    !copy_text(r->organization_id, &g->organization_id) ||
	    !copy_text(r->user_id, &g->user_id) || !copy_text(r->username, &g->username))
		return NULL;
	return TAKE(g);
}

static bool apply_token(const struct store_record *r, const struct shift *s, struct stored_token *t)
{
	if (!r->access_token)
		return true;
	t->grant = make_grant(r, s);
	t->generation = r->token_generation.value;
	t->issued_ms = past(s, r->issued_ms.value);
	t->life_ms = r->life_ms.value;
	t->deadline_ms = r->deadline_ms.value;
	t->vouched_ms = past(s, r->vouched_ms.value);
	t->deadline_real_ms = r->deadline_real_ms.value;
	t->source = r->source < 0 ? EXPIRY_CONFIGURED : (enum expiry_source)r->source;
	t->unchanged = r->unchanged.value;
	shift_deadline(s, r, t);
	return t->grant && copy_text(r->origin, &t->origin);
}

static bool apply_refresh(const struct store_record *r, const struct shift *s, struct stored *e)
{
	e->refresh.number = r->number.value;
	e->refresh.used_ms = past(s, r->used_ms.value);
	e->refresh.rotates = r->rotates.value;
	e->refresh.refused = r->refused.value;
	/* nobody knows any more what became of a request that was on its way */
	e->spend.state = r->spend <= SPEND_NONE ? SPEND_NONE : SPEND_UNKNOWN;
	e->spend.at_ms = past(s, r->spent_ms.value);
	e->spend.at_real_ms = r->spent_real_ms.value;
	e->spend.replays = (unsigned)r->replays.value;
	return copy_secret(r->refresh_token, &e->refresh.token) &&
	       copy_text(r->refresh_origin, &e->refresh.origin) &&
	       copy_text(r->base_url, &e->refresh.base_url);
}

static void apply_requests(const struct store_record *r, const struct shift *s, struct stored *e)
{
	struct json_value key, value;
	struct json_iter i;

	if (!r->requests.raw.start)
		return;
	i = json_iterate(r->requests.raw);
	while (e->n_requests < STORED_REQUESTS && json_next(&i, &key, &value)) {
		int64_t at_ms = json_int(value);

		if (at_ms > -NUMBER_MAX && at_ms < NUMBER_MAX)
			e->requests[e->n_requests++] = past(s, at_ms);
	}
}

static bool apply_credential(const struct store_record *r, const struct shift *s, struct stored *e)
{
	e->generation = r->generation.value;
	e->disabled = r->disabled.value;
	e->learned_ms = r->learned_ms.value;
	e->learned_death_ms = r->learned_death_ms.value;
	e->next_check_ms = ahead(s, r->next_check_ms.value);
	e->told = (struct stored_told){ .states = r->told_states.value,
					.generation = r->told_generation.value,
					.token = r->told_token.value,
					.certificate_s = r->told_certificate_s.value,
					.certificate_days = r->told_certificate_days.value };
	apply_requests(r, s, e);
	return apply_token(r, s, &e->token) && apply_refresh(r, s, e);
}

static void drop_secrets(struct stored *e)
{
	for (int i = 0; i < STORED_SECRETS; i++)
		e->secrets[i] = secret_unref(e->secrets[i]);
}

static void drop_credential(struct stored *e)
{
	grant_unref(e->token.grant);
	free(e->token.origin);
	secret_unref(e->refresh.token);
	free(e->refresh.origin);
	free(e->refresh.base_url);
}

void store_record_fini(struct stored *e)
{
	drop_credential(e);
	drop_secrets(e);
	free(e->name);
	memset(e, 0, sizeof(*e));
}

int store_record_apply(const struct store_record *r, const struct store_clock *clock,
		       struct stored *e, struct err *err)
{
	struct shift s = shift_of(r, clock);
	struct stored new = { 0 };
	bool ok = true;

	if (r->kind == STORE_KIND_CREDENTIAL)
		ok = apply_credential(r, &s, &new);
	for (int i = 0; ok && r->kind == STORE_KIND_SECRETS && i < STORED_SECRETS; i++)
		ok = copy_secret(r->secrets[i], &new.secrets[i]);
	if (!ok) {
		store_record_fini(&new);
		return err_oom(err);
	}
	new.name = e->name;
	if (r->kind == STORE_KIND_CREDENTIAL) {
		memcpy(new.secrets, e->secrets, sizeof(new.secrets));
		drop_credential(e);
		*e = new;
	} else {
		drop_secrets(e);
		memcpy(e->secrets, new.secrets, sizeof(new.secrets));
	}
	return 0;
}

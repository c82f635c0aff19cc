/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/tokens.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/front/text.h"
#include "proto/varlink.h"

/* --- one token --- */

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *put_text(char **at, const char *text)
{
	size_t size = text_size(text);
	const char *copy = *at;

	if (!text)
		return NULL;
	memcpy(*at, text, size);
	*at += size;
	return copy;
}

/*
 * All texts of a token in one block: ten thousand tokens are ten thousand small blocks, not a
 * hundred thousand.
 */
static int copy_texts(struct token *t, struct link_publish *p)
{
	size_t n = text_count(p->scopes.raw),
	       raw_size = n ? (size_t)(p->scopes.raw.end - p->scopes.raw.start) : 0;
	struct json_value key, value;
	struct json_iter i;
	char *at;

	t->text = malloc(text_size(p->origin) + text_size(p->instance_url) +
			 text_size(p->identity_url) + text_size(p->organization_id) +
			 text_size(p->user_id) + text_size(p->username) + raw_size + 1);
	if (n > 0)
		t->scopes = calloc(n, sizeof(*t->scopes));
	if (!t->text || (n > 0 && !t->scopes))
		return -1;
	at = t->text;
	t->origin = put_text(&at, p->origin);
	t->instance_url = put_text(&at, p->instance_url);
	t->identity_url = put_text(&at, p->identity_url);
	t->organization_id = put_text(&at, p->organization_id);
	t->user_id = put_text(&at, p->user_id);
	t->username = put_text(&at, p->username);
	if (n == 0)
		return 0;
	i = json_iterate(p->scopes.raw);
	while (json_next(&i, &key, &value)) {
		if (json_type(value) == JSON_STRING)
			t->scopes[t->n_scopes++] = put_text(&at, json_text(value, NULL));
	}
	return 0;
}

struct token *token_new(struct link_publish *p, struct err *err)
{
	struct token *t = calloc(1, sizeof(*t));

	if (!t) {
		err_oom(err);
		return NULL;
	}
	t->refs = 1;
	t->ready_validity = -1;
	t->judge = (struct judge_token){
		.generation = p->generation.value,
		.life_ms = p->life_ms.value,
		.issued_ms = p->issued_ms.value,
		.deadline_ms = p->deadline_ms.value,
		.vouched_ms = p->vouched_ms.value,
		.unchanged = p->unchanged.value,
		.reported = p->reported.value,
	};
	t->refresh_after_ms = p->refresh_after_ms.value;
	t->issued_wall = p->issued_wall.value;
	t->expires_wall = p->expires_wall.value;
	t->refresh_after_wall = p->refresh_after_wall.set ? p->refresh_after_wall.value : -1;
	t->expiry_source = p->expiry_source;
	t->access = secret_new(p->token, strlen(p->token));
	if (!t->access || copy_texts(t, p) < 0) {
		token_unref(t);
		err_oom(err);
		return NULL;
	}
	return t;
}

struct token *token_ref(struct token *t)
{
	t->refs++;
	return t;
}

struct token *token_unref(struct token *t)
{
	if (!t || --t->refs > 0)
		return NULL;
	secret_unref(t->access);
	secret_unref(t->ready);
	free(t->scopes);
	free(t->text);
	free(t);
	return NULL;
}

static struct token_fields fields_of(const struct token *t, const char *name, int validity,
				     int64_t left_s)
{
	return (struct token_fields){
		.access_token = secret_bytes(t->access),
		.token_type = "Bearer",
		.instance_url = t->instance_url,
		.credential = name,
		.generation = { .value = t->judge.generation, .set = true },
		.issued_at = { .value = t->issued_wall, .set = true },
		.expires_at = { .value = t->expires_wall, .set = true },
		.expiry_source = t->expiry_source,
		.validity = validity,
		.refresh_after = { .value = t->refresh_after_wall,
				   .set = t->refresh_after_wall >= 0 },
		.scopes = { .items = t->scopes, .n = t->n_scopes },
		.identity_url = t->identity_url,
		.organization_id = t->organization_id,
		.user_id = t->user_id,
		.username = t->username,
		.expires_in_s = { .value = left_s, .set = true },
	};
}

static struct secret *build_ready(const struct token *t, const char *name, int validity)
{
	const struct token_fields fields = fields_of(t, name, validity, 0);
	CLEANUP(buf_finip) struct buf b;
	struct secret *ready;

	buf_init(&b, VARLINK_MESSAGE_MAX - TOKEN_TAIL_MAX);
	varlink_begin_reply(&b);
	json_begin_object(&b);
	json_key(&b, "token");
	fields_encode(&token_fields_table, &fields, &b);
	/*
	 * The table ends with "expiresInSeconds":0} - what stands before the number never changes.
	 */
	if (buf_failed(&b) || b.len < 2 || memcmp(b.data + b.len - 2, "0}", 2) != 0)
		return NULL;
	ready = secret_new_empty(b.len - 2 + TOKEN_TAIL_MAX);
	if (ready)
		memcpy(secret_edit(ready), b.data, b.len - 2);
	return ready;
}

/* What stands before the number, with room for its end, which is put there for each reply, so that it leaves in one piece. */
static char *ready_for(struct token *t, const char *name, int validity, size_t *size)
{
	if (!t->ready || t->ready_validity != validity) {
		struct secret *fresh = build_ready(t, name, validity);

		if (!fresh)
			return NULL;
		secret_unref(t->ready);
		t->ready = fresh;
		t->ready_validity = validity;
		t->tail_size = 0;
	}
	*size = secret_size(t->ready) - TOKEN_TAIL_MAX;
	return secret_edit(t->ready);
}

int64_t token_seconds_left(const struct token *t, int64_t now_ms)
{
	int64_t ms = t->judge.deadline_ms - now_ms;

	return ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
}

void token_add_object(struct buf *out, const struct token *t, const char *name, int validity,
		      int64_t now_ms)
{
	const struct token_fields fields = fields_of(t, name, validity,
						     token_seconds_left(t, now_ms));

	fields_encode(&token_fields_table, &fields, out);
}

/* The number and what closes the reply, NUL included; its size. */
static size_t write_tail(int64_t left_s, bool more, char *tail)
{
	static const char end[] = "}}}", continued[] = "}},\"continues\":true}";
	uint64_t rest = left_s < 0 ? -(uint64_t)left_s : (uint64_t)left_s;
	char digits[24];
	size_t n = 0, size = 0;

	do
		digits[n++] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (left_s < 0)
		tail[size++] = '-';
	while (n > 0)
		tail[size++] = digits[--n];
	if (more) {
		memcpy(tail + size, continued, sizeof(continued));
		return size + sizeof(continued);
	}
	memcpy(tail + size, end, sizeof(end));
	return size + sizeof(end);
}

const char *token_reply(struct token *t, const char *name, int validity, int64_t now_ms, bool more,
			size_t *size)
{
	int64_t left_s = token_seconds_left(t, now_ms);
	char *reply = ready_for(t, name, validity, size);

	if (!reply)
		return NULL;
	if (t->tail_size == 0 || t->tail_left_s != left_s || t->tail_more != more) {
		t->tail_size = (unsigned char)write_tail(left_s, more, reply + *size);
		t->tail_left_s = left_s;
		t->tail_more = more;
	}
	*size += t->tail_size;
	return reply;
}

const char *token_reply_with(struct token *t, const char *name, int validity, const char *tail,
			     size_t tail_size, size_t *size)
{
	char *reply = ready_for(t, name, validity, size);

	if (!reply)
		return NULL;
	assert(tail_size <= TOKEN_TAIL_MAX);
	memcpy(reply + *size, tail, tail_size);
	t->tail_size = 0;
	*size += tail_size;
	return reply;
}

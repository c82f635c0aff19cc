/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/broker.h"

#include "base/clock.h"

enum {
	LIST_MOST = 100,
	LIST_FRAME = 512, /* what stands around the credentials, "next" with its name included */
};

static struct opt_int wall_of(int64_t boottime_ms, int64_t now_ms)
{
	if (boottime_ms <= 0)
		return (struct opt_int){ 0 };
	return (struct opt_int){ .value = (clock_real_ms() + boottime_ms - now_ms) / 1000,
				 .set = true };
}

static struct opt_int next_refresh(const struct entry *e, int64_t now_ms)
{
	const struct token *t = e->token;

	/* The plan of a token was turned into wall time once, so that it does not flicker. */
	if (t && t->refresh_after_wall >= 0 && t->refresh_after_ms == e->judge.next_attempt_ms)
		return (struct opt_int){ .value = t->refresh_after_wall, .set = true };
	return wall_of(e->judge.next_attempt_ms, now_ms);
}

static void add_info(struct buf *out, const struct entry *e, int64_t now_ms)
{
	const char *aliases[ALIASES_MAX];
	const struct token *t = e->token;
	struct credential_info info = {
		.name = entry_name(e),
		.aliases = { .items = aliases, .n = e->n_names - 1 },
		.grant_type = e->grant_type,
		.state = e->judge.state,
		.instance_url = t ? t->instance_url : NULL,
		.username = e->username ? e->username
			    : t         ? t->username
					: NULL,
		.generation = { .value = e->generation, .set = true },
		.expires_at = { .value = t ? t->expires_wall : 0, .set = t != NULL },
		.expiry_source = t ? t->expiry_source : -1,
		.next_refresh_at = next_refresh(e, now_ms),
		.upstream_attempts = { .value = e->upstream_attempts, .set = true },
		.last_error = e->last_error,
	};

	for (size_t i = 1; i < e->n_names; i++)
		aliases[i - 1] = e->names[i].text;
	fields_encode(&credential_info_table, &info, out);
}

/*
 * Adds credentials from index at on; returns the name of the last one if there are more for this
 * caller, else NULL.
 */
static const char *add_page(struct caller *c, size_t at, struct buf *out)
{
	const struct table *t = &c->front->table;
	int64_t now = loop_now_ms(c->front->loop);
	const char *last = NULL;
	CLEANUP(buf_finip) struct buf one;
	int n = 0;

	buf_init(&one, VARLINK_MESSAGE_MAX);
	for (; at < t->n; at++) {
		const struct entry *e = t->sorted[at];

		if (!broker_allows(c, e))
			continue;
		buf_clear(&one);
		add_info(&one, e, now);
		if (n == LIST_MOST ||
		    (n > 0 && out->len + one.len + LIST_FRAME > VARLINK_MESSAGE_MAX))
			return last;
		json_add_raw(out, one.data, one.len);
		last = entry_name(e);
		n++;
	}
	return NULL;
}

void broker_list_credentials(void *caller, const struct varlink_call *call, const void *params)
{
	struct caller *c = caller;
	const struct list_credentials_call *p = params;
	struct buf *out = connection_out(c->connection);
	const char *next;

	(void)call;
	varlink_begin_reply(out);
	json_begin_object(out);
	json_key(out, "credentials");
	json_begin_array(out);
	next = add_page(c, table_after(&c->front->table, p->after), out);
	json_end_array(out);
	json_key(out, "next");
	json_add_text(out, next);
	json_end_object(out);
	varlink_end_reply(out, false);
	connection_reply(c->connection, false);
}

void broker_get_credential(void *caller, const struct varlink_call *call, const void *params)
{
	struct caller *c = caller;
	const struct credential_call *p = params;
	struct entry *e = broker_find(c, p->credential);
	struct buf *out;

	(void)call;
	if (!e) {
		broker_no_such(c, p->credential ? p->credential : "");
		return;
	}
	out = connection_out(c->connection);
	varlink_begin_reply(out);
	json_begin_object(out);
	json_key(out, "credential");
	add_info(out, e, loop_now_ms(c->front->loop));
	json_end_object(out);
	varlink_end_reply(out, false);
	connection_reply(c->connection, false);
}

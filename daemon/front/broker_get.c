/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/broker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- asking and judging --- */

static const struct judge_token no_token;

struct judgement broker_judge(struct front *f, struct entry *e, struct judge_ask *ask)
{
	int64_t now = loop_now_ms(f->loop);
	struct judgement j;

	e->judge.linked = front_link_synced(f->link);
	j = judge(e->token ? &e->token->judge : &no_token, &e->judge, ask, &f->rules.limits, now);
	if (j.miss && ask->first)
		e->judge.demand_ms = now;
	ask->first = false;
	return j;
}

static void raise_want(struct front *f, struct entry *e, const struct judge_ask *ask)
{
	int64_t min_left = ask->min_valid_ms > 0 ? ask->min_valid_ms : 0;

	if (!e->want) {
		e->want_min_left_ms = 0;
		e->want_deadline_ms = 0;
		f->counters.value[COUNT_WANTS]++;
	}
	e->want = true;
	e->want_not_generation = e->token ? e->token->judge.generation : 0;
	if (min_left > e->want_min_left_ms)
		e->want_min_left_ms = min_left;
	if (ask->deadline_ms > e->want_deadline_ms)
		e->want_deadline_ms = ask->deadline_ms;
}

/*
 * One claim about a generation is out at a time; a second one is worth sending only if somebody
 * waits now and nobody did.
 */
static bool raise_report(struct front *f, struct entry *e, int64_t deadline_ms,
			 const struct peer *peer)
{
	int64_t generation;

	assert(e->token); /* a claim is about the current one */
	generation = e->token->judge.generation;
	if (e->report_generation == generation && (e->report_deadline_ms > 0 || deadline_ms == 0))
		return false;
	e->report_generation = generation;
	e->report_deadline_ms = deadline_ms;
	e->report_uid = peer ? (int64_t)peer->uid : -1;
	e->report_pid = peer ? (int64_t)peer->pid : -1;
	e->report_status = -1;
	free(e->report_code);
	e->report_code = NULL;
	e->report = true;
	f->counters.value[COUNT_REPORTS]++;
	return true;
}

void broker_ask_mint(struct front *f, struct entry *e, const struct judgement *j,
		     struct judge_ask *ask, const struct peer *peer)
{
	if (j->want)
		raise_want(f, e, ask);
	if (!j->report)
		return;
	if (ask->claimed_ms == 0)
		ask->claimed_ms = loop_now_ms(f->loop);
	raise_report(f, e, ask->deadline_ms, peer);
}

static void send_to_mint(struct front *f, struct entry *e)
{
	if (e->want || e->report)
		front_link_send(f->link, e);
}

/* --- giving --- */

void broker_got(struct caller *c, enum get_outcome outcome)
{
	struct front *f = c->front;

	if (c->get_us == 0)
		return;
	counters_got(&f->counters, outcome, loop_fresh_us(f->loop) - c->get_us);
	c->get_us = 0;
}

static void give(struct caller *c, const struct entry *e, const char *reply, size_t size, bool more,
		 const char *reason)
{
	struct front *f = c->front;

	audit_served(&f->audit, connection_peer(c->connection), entry_name(e),
		     e->names[0].node.hash, e->token->judge.generation, reason);
	f->counters.value[COUNT_TOKENS]++;
	connection_send_ready(c->connection, reply, size, more);
	broker_got(c, GOT_A_TOKEN);
}

bool broker_give(struct caller *c, struct entry *e, int validity, bool more, const char *reason)
{
	const char *reply;
	size_t size;

	assert(e->token); /* nothing else is ever judged to be given */
	reply = token_reply(e->token, entry_name(e), validity, loop_now_ms(c->front->loop), more,
			    &size);
	if (reply)
		give(c, e, reply, size, more, reason);
	return reply;
}

bool broker_give_with(struct caller *c, struct entry *e, int validity, const char *tail,
		      size_t tail_size, bool more, const char *reason)
{
	size_t size;
	const char *reply = token_reply_with(e->token, entry_name(e), validity, tail, tail_size,
					     &size);

	if (reply)
		give(c, e, reply, size, more, reason);
	return reply;
}

/* --- the request that is byte-equal to the last one --- */

static struct judge_ask ask_of(const struct remembered *r, const struct front *f, int64_t now)
{
	return (struct judge_ask){
		.min_valid_ms = r->min_valid_ms,
		.rejected = -1,
		.start_ms = now,
		.deadline_ms = now + f->rules.limits.default_wait_ms,
		.allow_stale = r->allow_stale,
		.first = true,
	};
}

/* Apart, and seldom: the way of a warm get is short. Units and programs are proven anew at each call, the long way. */
static __attribute__((noinline)) void find_again(struct caller *c)
{
	c->last_entry = broker_find(c, c->last->credential);
	if (c->last_entry && access_has_rules(&c->last_entry->access))
		c->last_entry = NULL;
	c->last_version = c->front->table.version;
}

static inline struct entry *entry_of(struct caller *c)
{
	if (c->last_version != c->front->table.version)
		find_again(c);
	return c->last_entry;
}

/* What is not given at once goes the long way: it is read, counted and judged again there. */
static bool give_again(struct caller *c)
{
	struct front *f = c->front;
	struct entry *e = entry_of(c);
	int64_t now = loop_now_ms(f->loop);
	struct judge_ask ask = ask_of(c->last, f, now);
	struct judgement j;

	if (!e || !e->token)
		return false;
	e->judge.linked = front_link_synced(f->link);
	j = judge(&e->token->judge, &e->judge, &ask, &f->rules.limits, now);
	if (j.what != JUDGE_GIVE || j.want || j.miss)
		return false;
	if (!broker_privileged(f, c->user->uid) &&
	    !bucket_take(&c->user->calls, f->rules.limits.max_calls_per_second, now))
		return false;
	c->get_us = loop_now_us(f->loop);
	return broker_give(c, e, j.validity, false, NULL);
}

bool broker_shortcut(struct connection *connection, const char *raw, size_t size, void *front)
{
	struct front *f = front;
	struct caller *c = connection_data(connection);

	if (c->last && c->last->size == size && memcmp(c->last->bytes, raw, size) == 0 &&
	    !f->stopping && give_again(c)) {
		f->counters.value[COUNT_CALLS]++;
		f->counters.value[COUNT_SHORTCUTS]++;
		return true;
	}
	f->candidate = size <= REMEMBERED_MAX ? connection : NULL;
	if (f->candidate) {
		memcpy(f->candidate_bytes, raw, size);
		f->candidate_size = size;
	}
	return false;
}

void broker_forget_request(struct front *f, struct remembered *r)
{
	if (!r || --r->refs > 0)
		return;
	map_remove(&f->remembered, &r->node);
	free(r);
}

static struct remembered *find_remembered(const struct front *f, uint64_t hash)
{
	for (struct map_node *n = map_first(&f->remembered, hash); n; n = map_next(n)) {
		struct remembered *r = MAP_OWNER(struct remembered, node, n);

		if (r->size == f->candidate_size &&
		    memcmp(r->bytes, f->candidate_bytes, r->size) == 0)
			return r;
	}
	return NULL;
}

static struct remembered *new_remembered(struct front *f, uint64_t hash,
					 const struct get_token_call *p)
{
	size_t name_size = p->credential ? strlen(p->credential) + 1 : 0;
	struct remembered *r = calloc(1, sizeof(*r) + f->candidate_size + name_size);

	if (!r)
		return NULL;
	r->min_valid_ms = p->min_valid_s.set ? p->min_valid_s.value * 1000 : -1;
	r->allow_stale = p->allow_stale.value;
	r->size = f->candidate_size;
	memcpy(r->bytes, f->candidate_bytes, r->size);
	if (name_size > 0)
		r->credential = memcpy(r->bytes + r->size, p->credential, name_size);
	if (map_add(&f->remembered, &r->node, hash) < 0) {
		free(r);
		return NULL;
	}
	return r;
}

/*
 * Only what means the same each time: no claim, no reason for the audit. Several connections that
 * send the same share one.
 */
static void remember(struct caller *c, const struct varlink_call *call,
		     const struct get_token_call *p, struct entry *e)
{
	struct front *f = c->front;
	struct remembered *r;
	uint64_t hash;

	if (f->candidate != c->connection || call->more || call->oneway || p->reason ||
	    p->rejected_generation.set || access_has_rules(&e->access))
		return;
	hash = map_hash(f->candidate_bytes, f->candidate_size);
	r = find_remembered(f, hash);
	if (!r)
		r = new_remembered(f, hash, p);
	if (!r)
		return;
	r->refs++;
	broker_forget_request(f, c->last);
	c->last = r;
	c->last_entry = e;
	c->last_version = f->table.version;
}

/* --- GetToken --- */

static bool printable(const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

static void invalid_parameter(struct caller *c, const char *name)
{
	varlink_add_invalid_parameter(connection_out(c->connection), name);
	connection_reply(c->connection, false);
	broker_got(c, GOT_INVALID_PARAMETER);
}

static struct judge_ask ask_from(const struct front *f, const struct get_token_call *p, bool oneway,
				 int64_t *wait_ms)
{
	int64_t now = loop_now_ms(f->loop);

	*wait_ms = p->wait_s.set ? p->wait_s.value * 1000 : f->rules.limits.default_wait_ms;
	if (*wait_ms > f->rules.limits.max_wait_ms)
		*wait_ms = f->rules.limits.max_wait_ms;
	return (struct judge_ask){
		.min_valid_ms = p->min_valid_s.set ? p->min_valid_s.value * 1000 : -1,
		.rejected = p->rejected_generation.set ? p->rejected_generation.value : -1,
		.start_ms = now,
		/* nobody waits for the answer of a oneway call */
		.deadline_ms = oneway ? now : now + *wait_ms,
		.allow_stale = p->allow_stale.value,
		.first = true,
	};
}

static void wait_for_token(struct caller *c, struct entry *e, const struct get_token_call *p,
			   const struct judge_ask *ask, int64_t wait_s, int64_t until_ms)
{
	struct waiting *w = broker_wait(c, e, p->credential ? p->credential : "");

	if (!w)
		return;
	w->ask = *ask;
	w->wait_s = wait_s;
	w->reason = p->reason;
	if (deadlines_set(&c->front->deadlines, &w->deadline, until_ms) < 0) {
		broker_wait_end(w);
		c->front->counters.value[LIMIT_MEMORY]++;
		broker_rate_limited(c);
		return;
	}
	list_append(&e->waiters, &w->link);
	c->front->counters.value[COUNT_WAITS]++;
}

void broker_get_token(void *caller, const struct varlink_call *call, const void *params)
{
	struct caller *c = caller;
	struct front *f = c->front;
	const struct get_token_call *p = params;
	const char *sent = p->credential ? p->credential : "";
	struct entry *e = broker_find(c, p->credential);
	struct judge_ask ask;
	struct judgement j;
	int64_t wait_ms;

	c->get_us = loop_now_us(f->loop);
	if (p->reason && !printable(p->reason)) {
		invalid_parameter(c, "reason");
		return;
	}
	if (!e) {
		broker_no_such(c, sent);
		return;
	}
	ask = ask_from(f, p, call->oneway, &wait_ms);
	if (e->token && ask.rejected == e->token->judge.generation && !broker_may_report(c)) {
		broker_rate_limited(c);
		return;
	}
	j = broker_judge(f, e, &ask);
	broker_ask_mint(f, e, &j, &ask, connection_peer(c->connection));
	if (j.what == JUDGE_WAIT) {
		wait_for_token(c, e, p, &ask, wait_ms / 1000, j.until_ms);
	} else if (j.what == JUDGE_ERROR) {
		broker_judged_error(c, e, &j, sent, wait_ms / 1000, ask.min_valid_ms);
	} else {
		remember(c, call, p, e);
		if (!broker_give(c, e, j.validity, false, p->reason))
			broker_rate_limited(c);
	}
	send_to_mint(f, e);
}

/* --- ReportRejected --- */

static void note_report(struct caller *c, struct entry *e, const struct report_rejected_call *p)
{
	if (!raise_report(c->front, e, 0, connection_peer(c->connection)))
		return;
	e->report_status = p->http_status.set ? p->http_status.value : -1;
	e->report_code = p->error_code ? strdup(p->error_code) : NULL;
	send_to_mint(c->front, e);
}

void broker_report_rejected(void *caller, const struct varlink_call *call, const void *params)
{
	struct caller *c = caller;
	const struct report_rejected_call *p = params;
	struct entry *e = broker_find(c, p->credential);
	struct report_rejected_reply reply;
	struct buf *out;

	(void)call;
	if (!e) {
		broker_no_such(c, p->credential ? p->credential : "");
		return;
	}
	if (!broker_may_report(c)) {
		broker_rate_limited(c);
		return;
	}
	reply = (struct report_rejected_reply){
		.accepted = { .value = e->token &&
				       e->token->judge.generation == p->generation.value,
			      .set = true },
		.generation = { .value = e->generation, .set = true },
	};
	if (reply.accepted.value)
		note_report(c, e, p);
	out = connection_out(c->connection);
	varlink_begin_reply(out);
	fields_encode(&report_rejected_reply_table, &reply, out);
	varlink_end_reply(out, false);
	connection_reply(c->connection, false);
}

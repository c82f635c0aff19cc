/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HoldToken: a caller that has opened something which lives in the session of its token (a query locator, a Bulk job) keeps the mint from asking for the next one, where that would end the
 * session. The hold lasts as long as the call: until the caller closes, its time is over, or hold_limit_ms() has come. Nobody else waits for it: the token is served as before.
 */
#include <stdio.h>

#include "daemon/common/hold.h"
#include "daemon/front/broker.h"

/* Of a hold: the last part, in which its caller knows that it ends; of a life: what a hold gets at least. */
enum { NOTICE_PARTS = 4, ENOUGH_PARTS = 2 };

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the token's session ends or may be ended, whatever is held. */
static int64_t session_end_ms(const struct front *f, const struct entry *e)
{
	const struct judge_token *t = &e->token->judge;

	return e->renewal_ends_session ? hold_limit_ms(&f->rules.limits, t->deadline_ms, t->life_ms)
				       : t->deadline_ms;
}

/* --- telling the mint, and the other callers' judgement --- */

/* The longest hold of the current generation; 0: none. */
static int64_t held_until_ms(const struct entry *e)
{
	int64_t until = 0;

	for (const struct list *n = e->holds.next; e->token && n != &e->holds; n = n->next) {
		const struct waiting *w = LIST_OWNER(const struct waiting, link, n);

		if (w->held == e->token->judge.generation && w->hold_end_ms > until)
			until = w->hold_end_ms;
	}
	return until;
}

void broker_holds_changed(struct front *f, struct entry *e)
{
	int64_t until = e->renewal_ends_session ? held_until_ms(e) : 0;

	/* a mint that is about to stop as well must not begin what it has put off */
	if (until == e->judge.held_until_ms || f->stopping)
		return;
	e->judge.held_until_ms = until;
	e->hold = true;
	front_link_send(f->link, e);
}

/* --- replies --- */

/* "}" of the token, then what is said of the hold. */
static size_t hold_tail(const struct waiting *w, int64_t now_ms, bool more,
			char tail[TOKEN_TAIL_MAX])
{
	const struct token *t = w->entry->token;
	int64_t left_ms = w->hold_end_ms - now_ms;
	int n = snprintf(tail, TOKEN_TAIL_MAX,
			 "%lld},\"generation\":%lld,\"endsInSeconds\":%lld,\"ending\":%s}%s}",
			 (long long)token_seconds_left(t, now_ms), (long long)w->held,
			 (long long)(left_ms > 0 ? left_ms / 1000 : 0), w->told ? "true" : "false",
			 more ? ",\"continues\":true" : "");

	return (size_t)n + 1;
}

static bool reply_first(struct waiting *w, int validity, bool more)
{
	char tail[TOKEN_TAIL_MAX];
	size_t size = hold_tail(w, loop_now_ms(w->caller->front->loop), more, tail);

	return broker_give_with(w->caller, w->entry, validity, tail, size, more, "hold");
}

static void reply_later(struct caller *c, int64_t generation, int64_t left_ms, bool more)
{
	const struct hold_token_reply reply = {
		.generation = { .value = generation, .set = true },
		.ends_in_s = { .value = left_ms > 0 ? left_ms / 1000 : 0, .set = true },
		.ending = { .value = true, .set = true },
	};
	struct buf *out = connection_out(c->connection);

	varlink_begin_reply(out);
	fields_encode(&hold_token_reply_table, &reply, out);
	varlink_end_reply(out, more);
	connection_reply(c->connection, more);
}

/* --- one hold --- */

static void end_hold(struct waiting *w)
{
	struct caller *c = w->caller;
	int64_t generation = w->held;

	broker_wait_end(w);
	reply_later(c, generation, 0, false);
}

static void wake_at(struct waiting *w, int64_t at_ms)
{
	/* it has its place in the heap: this cannot fail */
	(void)deadlines_set(&w->caller->front->deadlines, &w->deadline, at_ms);
}

/* The token is there: from now on it is held. */
static void begin(struct waiting *w, int validity)
{
	struct caller *c = w->caller;
	struct front *f = c->front;
	struct entry *e = w->entry;
	int64_t now = loop_now_ms(f->loop), length;

	w->held = e->token->judge.generation;
	w->hold_end_ms = smaller(now + w->hold_ms, session_end_ms(f, e));
	length = w->hold_end_ms - now;
	w->told = length <= 0;
	w->notice_ms = w->hold_end_ms -
		       smaller(f->rules.limits.hold_notice_ms, length / NOTICE_PARTS);
	if (!reply_first(w, validity, !w->told)) {
		broker_wait_end(w);
		broker_rate_limited(c);
		return;
	}
	if (w->told) {
		broker_wait_end(w);
		return;
	}
	wake_at(w, w->notice_ms);
	broker_holds_changed(f, e);
}

/* The caller may take what there is instead of something better: the call goes on with the default wish. false: it was that already. */
static bool settle_for_less(struct waiting *w)
{
	if (w->ask.min_valid_ms < 0)
		return false;
	w->ask.min_valid_ms = -1;
	w->ask.first = true;
	return true;
}

static void look_for_token(struct waiting *w)
{
	struct caller *c = w->caller;
	struct front *f = c->front;
	struct entry *e = w->entry;
	const char *sent = w->sent;
	struct judgement j;
	int64_t now = loop_now_ms(f->loop);

	do {
		j = broker_judge(f, e, &w->ask);
		broker_ask_mint(f, e, &j, &w->ask, connection_peer(c->connection));
	} while (j.what == JUDGE_ERROR && settle_for_less(w));
	if (j.what == JUDGE_GIVE) {
		begin(w, j.validity);
	} else if (j.what == JUDGE_WAIT) {
		wake_at(w, j.until_ms > now ? j.until_ms : now + 1);
	} else {
		int64_t wait_s = w->wait_s;

		broker_wait_end(w);
		broker_judged_error(c, e, &j, sent, wait_s, -1);
	}
}

/* The session that is held has ended: confirmed dead, or renewed all the same. */
static bool session_is_over(const struct waiting *w)
{
	const struct entry *e = w->entry;

	if (w->held <= e->dead)
		return true;
	return e->renewal_ends_session && (!e->token || e->token->judge.generation != w->held);
}

void broker_hold_step(struct waiting *w)
{
	struct caller *c = w->caller;
	int64_t now = loop_now_ms(c->front->loop);
	const char *sent = w->sent;

	if (!broker_allows(c, w->entry)) {
		if (c->unknown) { /* who asks is being found out: broker_identified() */
			wake_at(w, now + c->front->rules.limits.identify_wait_ms);
			return;
		}
		broker_wait_end(w);
		broker_no_such(c, sent);
	} else if (!w->held) {
		look_for_token(w);
	} else if (session_is_over(w) || now >= w->hold_end_ms) {
		end_hold(w);
	} else if (now < w->notice_ms) {
		wake_at(w, w->notice_ms);
	} else {
		wake_at(w, w->hold_end_ms);
		if (w->told || connection_busy(c->connection))
			return;
		w->told = true;
		reply_later(c, w->held, w->hold_end_ms - now, true);
	}
}

/* --- the call --- */

/*
 * A hold that begins shortly before its end is of no use: whoever is the first to hold gets a token that can be held for as long as it asks, at most half of what a life has. Others take what
 * there is, because a renewal would end the session of the first.
 */
static int64_t wish_ms(const struct front *f, const struct entry *e, int64_t hold_ms)
{
	const struct judge_token *t;
	int64_t usable, after;

	if (!e->token || !e->renewal_ends_session || e->judge.held_until_ms > 0)
		return -1;
	t = &e->token->judge;
	after = t->deadline_ms - session_end_ms(f, e);
	usable = t->life_ms - after;
	return after + smaller(hold_ms, usable / ENOUGH_PARTS);
}

void broker_hold_token(void *caller, const struct varlink_call *call, const void *params)
{
	struct caller *c = caller;
	struct front *f = c->front;
	const struct limits *l = &f->rules.limits;
	const struct hold_token_call *p = params;
	const char *sent = p->credential ? p->credential : "";
	struct entry *e = broker_find(c, p->credential);
	int64_t now = loop_now_ms(f->loop);
	struct waiting *w;

	(void)call;
	if (!e) {
		broker_no_such(c, sent);
		return;
	}
	w = broker_wait(c, e, sent);
	if (!w)
		return;
	w->hold = true;
	w->hold_ms = l->max_hold_ms;
	if (p->max_s.set)
		w->hold_ms = smaller(w->hold_ms, p->max_s.value * 1000);
	w->wait_s = l->default_wait_ms / 1000;
	w->ask = (struct judge_ask){ .min_valid_ms = wish_ms(f, e, w->hold_ms),
				     .rejected = -1,
				     .start_ms = now,
				     .deadline_ms = now + l->default_wait_ms,
				     .first = true };
	if (deadlines_set(&f->deadlines, &w->deadline, now) < 0) {
		broker_wait_end(w);
		f->counters.value[LIMIT_MEMORY]++;
		broker_rate_limited(c);
		return;
	}
	list_append(&e->holds, &w->link);
	broker_hold_step(w);
	if (e->want || e->report)
		front_link_send(f->link, e);
}

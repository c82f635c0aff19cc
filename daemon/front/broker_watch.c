/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/broker.h"

static void end_with(struct waiting *w, const struct judgement *j)
{
	struct caller *c = w->caller;
	struct entry *e = w->entry;
	const char *sent = w->sent;

	broker_wait_end(w);
	if (j)
		broker_judged_error(c, e, j, sent, 0, -1);
	else
		broker_no_such(c, sent);
}

/*
 * "Trouble at Salesforce never ends a watch": of all errors only NotServed does. While the caller
 * has not read the last reply the newest token waits in the credential, so that a slow reader costs
 * nothing.
 */
void broker_watch_step(struct waiting *w)
{
	struct caller *c = w->caller;
	struct front *f = c->front;
	struct entry *e = w->entry;
	struct judgement j;

	if (!broker_allows(c, e)) {
		if (!c->unknown)
			end_with(w, NULL);
		return;
	}
	w->ask.start_ms = loop_now_ms(f->loop);
	w->ask.deadline_ms = w->ask.start_ms + f->rules.limits.max_wait_ms;
	j = broker_judge(f, e, &w->ask);
	broker_ask_mint(f, e, &j, &w->ask, connection_peer(c->connection));
	if (j.what == JUDGE_ERROR && j.error == BROKER_NOT_SERVED) {
		end_with(w, &j);
		return;
	}
	if (!e->token || e->token->judge.generation <= w->watch_sent ||
	    connection_busy(c->connection))
		return;
	if (j.what != JUDGE_GIVE && w->watch_sent == 0)
		return;
	if (broker_give(c, e, judge_validity(&e->token->judge, w->ask.start_ms), true, NULL))
		w->watch_sent = e->token->judge.generation;
}

void broker_watch_token(void *caller, const struct varlink_call *call, const void *params)
{
	struct caller *c = caller;
	const struct credential_call *p = params;
	struct entry *e = broker_find(c, p->credential);
	struct waiting *w;

	(void)call;
	if (!e) {
		broker_no_such(c, p->credential ? p->credential : "");
		return;
	}
	w = broker_wait(c, e, p->credential ? p->credential : "");
	if (!w)
		return;
	w->watch = true;
	w->ask = (struct judge_ask){ .min_valid_ms = -1, .rejected = -1, .first = true };
	list_append(&e->watches, &w->link);
	broker_watch_step(w);
	if (e->want || e->report)
		front_link_send(c->front->link, e);
}

void broker_drained(struct connection *connection, void *front)
{
	struct caller *c = connection_data(connection);
	struct waiting *w = c->waiting;
	struct entry *e;

	(void)front;
	if (!w || !(w->watch || w->hold))
		return;
	e = w->entry;
	if (w->hold)
		broker_hold_step(w);
	else
		broker_watch_step(w);
	if (e->want || e->report)
		front_link_send(c->front->link, e);
}

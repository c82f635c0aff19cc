/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/broker.h"
#include "daemon/front/load.h"

static void end_no_such(struct waiting *w)
{
	struct caller *c = w->caller;
	const char *sent = w->sent; /* the call's text, which lives until it is answered */

	broker_wait_end(w);
	broker_no_such(c, sent);
}

static void answer(struct waiting *w, const struct judgement *j)
{
	struct caller *c = w->caller;
	struct entry *e = w->entry;
	const struct waiting was = *w;

	broker_wait_end(w);
	if (j->what == JUDGE_ERROR)
		broker_judged_error(c, e, j, was.sent, was.wait_s, was.ask.min_valid_ms);
	else if (!broker_give(c, e, j->validity, false, was.reason))
		broker_rate_limited(c);
}

static void wait_on(struct front *f, struct waiting *w, int64_t until_ms)
{
	int64_t now = loop_now_ms(f->loop), until = until_ms > now ? until_ms : now + 1;

	if (until != w->deadline.due_ms || w->deadline.at == SIZE_MAX)
		/* it has its place in the heap: this cannot fail */
		(void)deadlines_set(&f->deadlines, &w->deadline, until);
	list_remove(&w->link);
	list_append(&w->entry->waiters, &w->link);
}

/* Answers w, or puts it back among those that wait. Access is judged when the answer is written. */
static void judge_waiter(struct front *f, struct waiting *w)
{
	struct entry *e = w->entry;
	int64_t now = loop_now_ms(f->loop);
	struct judgement j;

	if (w->hold) {
		broker_hold_step(w);
		return;
	}
	if (!broker_allows(w->caller, e)) {
		/* a reload has made a rule, and who asks is being found out: broker_identified() */
		if (w->caller->unknown && now < w->ask.deadline_ms)
			wait_on(f, w, w->ask.deadline_ms);
		else
			end_no_such(w);
		return;
	}
	j = broker_judge(f, e, &w->ask);
	broker_ask_mint(f, e, &j, &w->ask, connection_peer(w->caller->connection));
	if (j.what == JUDGE_WAIT)
		wait_on(f, w, j.until_ms);
	else
		answer(w, &j);
}

/* A step may end its own hold, no other one. */
static void step_holds(struct front *f, struct entry *e)
{
	struct list *n = e->holds.next;

	while (n != &e->holds) {
		struct list *next = n->next;

		broker_hold_step(LIST_OWNER(struct waiting, link, n));
		n = next;
	}
	broker_holds_changed(f, e);
}

void broker_changed(struct front *f, struct entry *e)
{
	struct list waiters, watches, *n;

	/* Swapped out first: who goes on waiting is put back into the credential's own list. */
	list_init(&waiters);
	list_init(&watches);
	list_move_all(&waiters, &e->waiters);
	list_move_all(&watches, &e->watches);
	e->judge.want_pending = false;
	e->want = false;
	while ((n = list_shift(&waiters)))
		judge_waiter(f, LIST_OWNER(struct waiting, link, n));
	while ((n = list_shift(&watches))) {
		list_append(&e->watches, n);
		broker_watch_step(LIST_OWNER(struct waiting, link, n));
	}
	step_holds(f, e);
	load_changed(e);
	if (e->want || e->report || e->hold)
		front_link_send(f->link, e);
}

void broker_identified(struct caller *c)
{
	struct waiting *w = c->waiting;
	struct entry *e;

	if (!w)
		return;
	e = w->entry;
	if (w->hold) {
		broker_hold_step(w);
	} else if (w->watch) {
		broker_watch_step(w);
	} else {
		list_remove(&w->link);
		judge_waiter(c->front, w);
	}
	if (e->want || e->report)
		front_link_send(c->front->link, e);
}

void broker_gone(struct entry *e)
{
	struct list *n;

	while ((n = list_shift(&e->waiters)) || (n = list_shift(&e->watches)) ||
	       (n = list_shift(&e->holds))) {
		struct waiting *w = LIST_OWNER(struct waiting, link, n);

		w->caller->unknown = false;
		end_no_such(w);
	}
	load_gone(e);
}

static void move(struct list *to, struct list *from, struct entry *entry)
{
	struct list *n;

	while ((n = list_shift(from))) {
		struct waiting *w = LIST_OWNER(struct waiting, link, n);

		w->entry = entry;
		list_append(to, n);
	}
}

void broker_move(struct entry *to, struct entry *from)
{
	move(&to->waiters, &from->waiters, to);
	move(&to->watches, &from->watches, to);
	move(&to->holds, &from->holds, to);
	load_move(to, from);
	/* one that ended after Have had told the new mint of it */
	to->hold = from->hold;
	to->judge.demand_ms = from->judge.demand_ms;
	/* A claim that nobody waits for must not get lost with the mint that it was made to. */
	if (from->report_generation > 0 && to->token &&
	    to->token->judge.generation == from->report_generation) {
		to->report_generation = from->report_generation;
		to->report_deadline_ms = from->report_deadline_ms;
		to->report_uid = from->report_uid;
		to->report_pid = from->report_pid;
		to->report_status = from->report_status;
		to->report_code = from->report_code;
		from->report_code = NULL;
		to->report = true;
	}
}

void broker_deadline(void *front)
{
	struct front *f = front;
	struct deadline *d;

	while ((d = deadlines_due(&f->deadlines, loop_now_ms(f->loop)))) {
		struct waiting *w = LIST_OWNER(struct waiting, deadline, d);
		struct entry *e = w->entry;

		judge_waiter(f, w);
		if (e->want || e->report)
			front_link_send(f->link, e);
	}
}

static void shut_down(struct list *waiting)
{
	struct list *n;

	while ((n = list_shift(waiting))) {
		struct caller *c = LIST_OWNER(struct waiting, link, n)->caller;

		broker_wait_end(c->waiting);
		broker_shutting_down(c);
	}
}

void broker_stop(struct front *f)
{
	for (size_t i = 0; i < f->table.n; i++) {
		shut_down(&f->table.sorted[i]->waiters);
		shut_down(&f->table.sorted[i]->watches);
		shut_down(&f->table.sorted[i]->holds);
	}
}

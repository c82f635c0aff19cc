/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front: holds what the mint tells, judges callers by the real daemon/front/judge.c, says Want, Report and Used to the keepers, and Have to a mint that begins anew.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/common/loop.h"
#include "daemon/front/judge.h"
#include "daemon/mint/keeper.h"
#include "tests/sim/sim.h"

enum { WAITERS = 8, DEFAULT_WAIT_MS = 30000, SERVED_EVERY_MS = 60000 };

struct waiter {
	bool waits;
	struct judge_ask ask;
	int64_t until_true_ms;
};

struct entry {
	struct judge_token token;
	struct judge_credential credential;
	char text[400], origin[300], instance[100];
	int source;
	struct waiter waiters[WAITERS];
	bool want, report, dirty;
	int64_t want_deadline_ms, want_min_ms, report_generation, report_deadline_ms,
		served_true_ms, served_generation;
};

static struct {
	struct entry entries[SIM_CREDENTIALS];
	bool linked, any_dirty;
	struct limits limits;
} front;

void front_reset(void)
{
	memset(&front, 0, sizeof front);
	limits_default(&front.limits);
	for (size_t i = 0; i < SIM_CREDENTIALS; i++)
		front.entries[i].credential.problem = -1;
}

/* --- to the mint --- */

static struct opt_int some(int64_t value)
{
	return (struct opt_int){ value, true };
}

static void send(size_t user)
{
	struct entry *e = &front.entries[user];
	struct keeper *k = world_keeper(user);
	struct link_want want = { .min_left_ms = some(e->want_min_ms),
				  .not_generation = some(e->token.generation),
				  .deadline_ms = some(e->want_deadline_ms) };
	struct link_report report = { .generation = some(e->report_generation),
				      .deadline_ms = some(e->report_deadline_ms) };

	if (!front.linked || !k || disk_dead())
		return;
	if (e->want) {
		e->want = false;
		e->credential.want_pending = true;
		e->credential.want_ms = clock_now_ms();
		keeper_want(k, &want);
	}
	if (e->report && !disk_dead()) {
		e->report = false;
		keeper_report(k, &report);
	}
}

static void tell_used(size_t user)
{
	struct entry *e = &front.entries[user];
	struct keeper *k = world_keeper(user);

	if (e->served_generation == e->token.generation &&
	    sim_now() - e->served_true_ms < SERVED_EVERY_MS)
		return;
	e->served_generation = e->token.generation;
	e->served_true_ms = sim_now();
	if (k && front.linked && !disk_dead())
		keeper_used(k);
}

/* --- judging --- */

static struct judgement look(struct entry *e, struct judge_ask *ask)
{
	static const struct judge_token none;
	struct judgement j;

	e->credential.linked = front.linked;
	j = judge(e->token.generation ? &e->token : &none, &e->credential, ask, &front.limits,
		  clock_now_ms());
	if (j.miss && ask->first)
		e->credential.demand_ms = clock_now_ms();
	ask->first = false;
	return j;
}

static void ask_mint(struct entry *e, const struct judgement *j, struct judge_ask *ask)
{
	if (j->want) {
		e->want_min_ms = ask->min_valid_ms > 0 ? ask->min_valid_ms : 0;
		e->want_deadline_ms = ask->deadline_ms;
		e->want = true;
	}
	if (!j->report)
		return;
	if (ask->claimed_ms == 0)
		ask->claimed_ms = clock_now_ms();
	if (e->report_generation == e->token.generation && e->report_deadline_ms > 0)
		return;
	e->report_generation = e->token.generation;
	e->report_deadline_ms = ask->deadline_ms;
	e->report = true;
}

static void look_again(void *arg);

/* true: it has its answer. */
static bool settle(size_t user, struct waiter *w)
{
	struct entry *e = &front.entries[user];
	struct judge_ask ask = w->ask;
	struct judgement j = look(e, &w->ask);
	int64_t until;

	ask_mint(e, &j, &w->ask);
	if (j.what == JUDGE_WAIT) {
		until = sim_to_true(j.until_ms > clock_now_ms() ? j.until_ms : clock_now_ms() + 1);
		if (until != w->until_true_ms) {
			w->until_true_ms = until;
			sim_at(until, look_again, (void *)(uintptr_t)user);
		}
		return false;
	}
	w->waits = false;
	if (j.what == JUDGE_GIVE) {
		watch_given(user, e->token.generation, e->text, sim_to_true(e->token.deadline_ms),
			    j.validity);
		tell_used(user);
		callers_got(user, e->token.generation, e->text, ask.rejected >= 0);
	} else {
		watch_get_failed(user, ask.min_valid_ms < 0 && ask.rejected < 0);
	}
	return true;
}

static void settle_all(size_t user, bool due_only)
{
	struct entry *e = &front.entries[user];

	for (size_t i = 0; i < WAITERS; i++) {
		struct waiter *w = &e->waiters[i];

		if (w->waits && (!due_only || w->until_true_ms <= sim_now()))
			settle(user, w);
	}
	send(user);
}

/* World time goes on while the machine sleeps; nobody looks then. */
static void look_again(void *arg)
{
	size_t user = (size_t)(uintptr_t)arg;

	if (world_running() && !sim_suspended())
		settle_all(user, true);
}

void front_ask(size_t user, int64_t wait_ms, int64_t min_ms, int64_t rejected)
{
	struct entry *e = &front.entries[user];
	int64_t now = clock_now_ms();

	for (size_t i = 0; i < WAITERS; i++) {
		struct waiter *w = &e->waiters[i];

		if (w->waits)
			continue;
		*w = (struct waiter){
			.waits = true,
			.ask = { .min_valid_ms = min_ms,
				 .rejected = rejected,
				 .start_ms = now,
				 .deadline_ms = now + wait_ms,
				 .first = true },
		};
		settle(user, w);
		send(user);
		return;
	}
}

/* --- from the mint --- */

static void take_token(struct entry *e, struct keeper *k)
{
	const struct schedule *s = keeper_schedule(k);
	const struct grant *g = keeper_token(k);

	if (!g) {
		if (keeper_withdrawn(k) >= e->token.generation)
			e->token = (struct judge_token){ 0 };
		return;
	}
	e->token = (struct judge_token){
		.generation = s->generation,
		.life_ms = s->life_ms,
		.issued_ms = s->issued_ms,
		.deadline_ms = s->deadline_ms,
		.vouched_ms = s->vouched_ms,
		.unchanged = s->unchanged,
		.reported = s->reported,
	};
	e->source = (int)s->source;
	snprintf(e->text, sizeof e->text, "%s", secret_bytes(g->access_token));
	snprintf(e->origin, sizeof e->origin, "%s", keeper_origin(k));
	snprintf(e->instance, sizeof e->instance, "%s", g->instance_url);
}

static void take(struct entry *e, struct keeper *k)
{
	const struct schedule *s = keeper_schedule(k);
	struct keeper_problem p = keeper_problem(k);
	struct judge_credential *c = &e->credential;

	c->state = (int)s->state;
	c->attempt = s->in_flight;
	c->next_attempt_ms = s->next_attempt_ms;
	c->problem = p.error;
	c->permanent = p.permanent;
	c->retry_at_ms = p.retry_at_ms;
	if (s->verdict) {
		if (c->verdict_ms != s->verdict_at_ms)
			e->report_generation = 0;
		c->verdict_generation = s->generation;
		c->verdict_ms = s->verdict_at_ms;
		c->next_check_ms = s->next_check_ms;
		c->verdict_alive = s->verdict_alive;
	}
	take_token(e, k);
	c->want_pending = false;
	e->want = false;
}

void front_changed(struct keeper *k)
{
	size_t user = world_user_of(keeper_name(k));

	front.entries[user].dirty = front.any_dirty = true;
}

void front_flush(void)
{
	while (front.any_dirty && front.linked && !disk_dead()) {
		front.any_dirty = false;
		for (size_t user = 0; user < world_count(); user++) {
			struct entry *e = &front.entries[user];
			struct keeper *k = world_keeper(user);

			if (!e->dirty || !k)
				continue;
			e->dirty = false;
			take(e, k);
			if (e->token.generation)
				watch_published(user, k);
			settle_all(user, false);
			if (disk_dead())
				return;
		}
	}
}

void front_gone(size_t user)
{
	struct entry *e = &front.entries[user];

	memset(e, 0, sizeof *e);
	e->credential.problem = -1;
}

/* --- a mint goes, a mint comes --- */

void front_unlink(void)
{
	front.linked = false;
	for (size_t i = 0; i < SIM_CREDENTIALS; i++)
		front.entries[i].dirty = false;
	front.any_dirty = false;
}

static void say_have(size_t user)
{
	struct entry *e = &front.entries[user];
	struct keeper *k = world_keeper(user);
	struct err err = { 0 };
	struct link_have have = {
		.credential = world_name(user),
		.origin = e->origin,
		.generation = some(e->token.generation),
		.token = e->text,
		.instance_url = e->instance,
		.life_ms = some(e->token.life_ms),
		.issued_ms = some(e->token.issued_ms),
		.deadline_ms = some(e->token.deadline_ms),
		.vouched_ms = some(e->token.vouched_ms),
		.expiry_source = e->source,
		.unchanged = { e->token.unchanged, true },
	};

	if (k && e->token.generation)
		keeper_take_over(k, &have, &err);
}

void front_link(void)
{
	for (size_t user = 0; user < world_count() && !disk_dead(); user++)
		say_have(user);
	front.linked = true;
	for (size_t user = 0; user < world_count(); user++) {
		struct entry *e = &front.entries[user];
		int64_t generation = e->token.generation;

		/* this table is built anew: what the new mint does not know is gone */
		e->token.generation = 0;
		/* a claim that nobody has answered is made anew */
		e->report = e->report_generation > 0 && e->report_generation == generation;
		e->dirty = front.any_dirty = true;
	}
}

void front_forget(void)
{
	for (size_t user = 0; user < SIM_CREDENTIALS; user++)
		front_gone(user);
	front.linked = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/notices.h"

#include "base/clock.h"
#include "daemon/mint/store.h"

#define SECOND_MS INT64_C(1000)
#define HOUR_MS (3600 * SECOND_MS)
#define DAY_S (24 * 3600)

/* How long before its end a certificate is spoken of; the last first. */
static const struct threshold {
	int64_t days;
	int event;
} thresholds[] = {
	{ 1, EVENT_ENDS_IN_1_DAY },
	{ 7, EVENT_ENDS_IN_7_DAYS },
};

struct notices {
	struct registry *registry;
	struct timer *timer;
	bool begun, soon;
	int store; /* enum store_state that was told last; -1: none */
	void (*tell)(int event, const char *credential, void *arg);
	void *arg;
};

/* One credential, as it is looked at. */
struct look {
	struct notices *notices;
	struct keeper *keeper;
	struct stored_told told;
	int64_t now_ms, now_real_s;
	int64_t next_ms; /* BOOTTIME: look again */
};

static bool wanted(const struct notices *n)
{
	return n->begun && registry_settings(n->registry)->daemon.on_event;
}

/* On disk first: told twice is worse than once too late, and the parent tries more than once. */
static void tell_once(struct look *l, int event)
{
	keeper_set_told(l->keeper, &l->told);
	l->notices->tell(event, keeper_name(l->keeper), l->notices->arg);
}

/* --- states --- */

static void look_at_state(struct look *l)
{
	static const struct {
		enum state state;
		int event;
	} states[] = {
		{ STATE_LOGIN_REQUIRED, EVENT_LOGIN_REQUIRED },
		{ STATE_SUSPENDED, EVENT_SUSPENDED },
	};
	const struct schedule *s = keeper_schedule(l->keeper);
	enum state now = s->state;

	/* the trouble is over, or was since the last look; not only left for another try */
	if ((now == STATE_VALID || l->told.generation != s->generation) && l->told.states) {
		l->told.states = 0;
		keeper_set_told(l->keeper, &l->told);
	}
	l->told.generation = s->generation;
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		int64_t bit = INT64_C(1) << states[i].event;

		if (now != states[i].state || (l->told.states & bit))
			continue;
		l->told.states |= bit;
		tell_once(l, states[i].event);
	}
}

/* --- ends --- */

/* A token that only a login replaces. None lives longer than a day, so that a day ahead would be at the login itself: it is told with token.ending. */
static void look_at_token(struct look *l)
{
	const struct schedule *s = keeper_schedule(l->keeper);

	if (!s->ending || !keeper_token(l->keeper) || l->told.token == s->generation)
		return;
	l->told.token = s->generation;
	tell_once(l, EVENT_ENDS_IN_1_DAY);
}

static void look_at_certificate(struct look *l)
{
	int64_t ends_s = keeper_credential(l->keeper)->certificate_ends_s;
	int64_t left_s = ends_s - l->now_real_s;

	if (!ends_s)
		return;
	if (l->told.certificate_s != ends_s) {
		l->told.certificate_s = ends_s;
		l->told.certificate_days = 0;
	}
	for (size_t i = 0; i < sizeof thresholds / sizeof thresholds[0]; i++) {
		const struct threshold *t = &thresholds[i];
		int64_t until_ms = (left_s - t->days * DAY_S) * SECOND_MS;

		if (l->told.certificate_days && l->told.certificate_days <= t->days)
			continue;
		if (until_ms <= 0) {
			l->told.certificate_days = t->days;
			tell_once(l, t->event);
			return;
		}
		if (l->now_ms + until_ms < l->next_ms)
			l->next_ms = l->now_ms + until_ms;
	}
}

/* --- the store --- */

static void look_at_store(struct notices *n)
{
	static const int events[] = { [STORE_OK] = EVENT_STORE_OK,
				      [STORE_READONLY] = EVENT_STORE_READONLY,
				      [STORE_SUSPECT] = EVENT_STORE_SUSPECT };
	enum store_state now = store_state(registry_store(n->registry));

	/* also when it is ok at the beginning: the mint before may have told another state */
	if ((int)now == n->store)
		return;
	n->store = (int)now;
	n->tell(events[now], "store", n->arg);
}

/* --- when --- */

static void look(void *arg)
{
	struct notices *n = arg;
	struct look l = {
		.notices = n,
		.now_ms = clock_now_ms(),
		.now_real_s = clock_real_ms() / 1000,
	};

	n->soon = false;
	if (!wanted(n))
		return;
	look_at_store(n);
	l.next_ms = l.now_ms + HOUR_MS; /* the wall clock may go otherwise than this one */
	for (size_t i = 0; i < registry_count(n->registry); i++) {
		const struct stored *e;

		l.keeper = registry_at(n->registry, i);
		e = keeper_stored(l.keeper);
		l.told = e ? e->told : (struct stored_told){ 0 };
		look_at_state(&l);
		look_at_token(&l);
		look_at_certificate(&l);
	}
	timer_set(n->timer, l.next_ms);
}

void notices_changed(struct notices *n)
{
	if (!n || n->soon || !wanted(n))
		return;
	n->soon = true;
	timer_set(n->timer, clock_now_ms() + SECOND_MS);
}

void notices_begin(struct notices *n)
{
	n->begun = true;
	notices_changed(n);
}

struct notices *notices_new(struct loop *l, struct registry *r,
			    void (*tell)(int event, const char *credential, void *arg), void *arg)
{
	struct notices *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->registry = r;
	n->tell = tell;
	n->arg = arg;
	n->store = -1;
	n->timer = timer_new(l, look, n);
	if (n->timer)
		return n;
	free(n);
	return NULL;
}

void notices_free(struct notices *n)
{
	if (!n)
		return;
	timer_free(n->timer);
	free(n);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/gate.h"

#include <stdlib.h>
#include <string.h>

enum { KINDS = 2 };

TAILQ_HEAD(waiters, gate_waiter);
LIST_HEAD(gate_hosts, gate_host);

struct gate_host {
	LIST_ENTRY(gate_host) link;
	unsigned refs;
	struct waiters queue[KINDS];
	int64_t inside[KINDS];
	int64_t failures; /* in a row */
	unsigned step;    /* of the back-off while the breaker is open; 0: closed */
	int64_t open_ms, probed_ms;
	struct gate_waiter *probe; /* under way */
	char key[];
};

struct gate {
	struct gate_hosts hosts;
	int64_t max[KINDS], failures_max, first_ms, max_ms, demand_gap_ms;
};

struct gate *gate_new(const struct limits *limits)
{
	struct gate *g = calloc(1, sizeof *g);

	if (g)
		gate_configure(g, limits);
	return g;
}

void gate_configure(struct gate *g, const struct limits *limits)
{
	g->max[ATTEMPT_SCHEDULED] = limits->max_scheduled_in_flight;
	g->max[ATTEMPT_DEMANDED] = limits->max_demanded_in_flight;
	g->failures_max = limits->breaker_failures;
	g->first_ms = limits->backoff_first_ms;
	g->max_ms = limits->backoff_max_ms;
	g->demand_gap_ms = limits->demand_gap_ms;
}

static void host_free(struct gate_host *host)
{
	LIST_REMOVE(host, link);
	free(host);
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	while (!LIST_EMPTY(&g->hosts))
		host_free(LIST_FIRST(&g->hosts));
	free(g);
}

static struct gate_host *find(const struct gate *g, const char *key)
{
	struct gate_host *host;

	LIST_FOREACH(host, &g->hosts, link) {
		if (!strcmp(host->key, key))
			return host; /* cppcheck-suppress uninitvar ; calloc() */
	}
	return NULL;
}

static struct gate_host *host_new(struct gate *g, const char *key)
{
	size_t size = strlen(key) + 1;
	struct gate_host *host = calloc(1, sizeof *host + size);

	if (!host)
		return NULL;
	memcpy(host->key, key, size);
	for (size_t i = 0; i < KINDS; i++)
		TAILQ_INIT(&host->queue[i]);
	LIST_INSERT_HEAD(&g->hosts, host, link);
	return host;
}

int gate_join(struct gate *g, struct gate_waiter *w, const char *key, enum attempt_kind kind)
{
	struct gate_host *host = find(g, key);

	if (!host)
		host = host_new(g, key);
	if (!host)
		return -1;
	host->refs++;
	*w = (struct gate_waiter){ .host = host, .kind = kind };
	return 0;
}

void gate_quit(struct gate *g, struct gate_waiter *w)
{
	struct gate_host *host = w->host;

	if (!host)
		return;
	if (w->place == GATE_WAITING)
		TAILQ_REMOVE(&host->queue[w->kind], w, link);
	else if (w->place == GATE_INSIDE)
		gate_leave(g, w, GATE_UNDECIDED, 0, 0);
	*w = (struct gate_waiter){ 0 };
	if (--host->refs == 0 && host->failures == 0)
		host_free(host); /* one with failures is remembered */
}

void gate_wait(struct gate_waiter *w)
{
	TAILQ_INSERT_TAIL(&w->host->queue[w->kind], w, link);
	w->place = GATE_WAITING;
}

void gate_demand(struct gate_waiter *w)
{
	if (w->kind == ATTEMPT_DEMANDED || w->place == GATE_INSIDE)
		return;
	if (w->place == GATE_WAITING)
		TAILQ_REMOVE(&w->host->queue[w->kind], w, link);
	w->kind = ATTEMPT_DEMANDED;
	if (w->place == GATE_WAITING)
		gate_wait(w);
}

/* When a waiter of this kind may be the probe. */
static int64_t probe_ms(const struct gate *g, const struct gate_host *host, enum attempt_kind kind)
{
	int64_t demand_ms = host->probed_ms + g->demand_gap_ms;

	return kind == ATTEMPT_DEMANDED && demand_ms < host->open_ms ? demand_ms : host->open_ms;
}

static bool may_enter(const struct gate *g, const struct gate_host *host, enum attempt_kind kind,
		      int64_t now_ms)
{
	if (host->step)
		return !host->probe && now_ms >= probe_ms(g, host, kind);
	return host->inside[kind] < g->max[kind];
}

static struct gate_waiter *take_out(struct gate_host *host, enum attempt_kind kind)
{
	struct gate_waiter *w = TAILQ_FIRST(&host->queue[kind]);

	TAILQ_REMOVE(&host->queue[kind], w, link);
	w->place = GATE_OUTSIDE;
	return w;
}

struct gate_waiter *gate_next(struct gate *g, struct gate_host *host, int64_t now_ms)
{
	for (int kind = ATTEMPT_DEMANDED; kind >= ATTEMPT_SCHEDULED; kind--) {
		struct gate_waiter *w;

		if (TAILQ_EMPTY(&host->queue[kind]) ||
		    !may_enter(g, host, (enum attempt_kind)kind, now_ms))
			continue;
		w = take_out(host, (enum attempt_kind)kind);
		w->place = GATE_INSIDE;
		host->inside[kind]++;
		if (host->step) {
			host->probe = w;
			host->probed_ms = now_ms;
		}
		return w;
	}
	return NULL;
}

struct gate_waiter *gate_next_refused(struct gate *g, struct gate_host *host, int64_t now_ms,
				      int64_t *retry_ms)
{
	if (!host->step || host->probe)
		return NULL;
	for (int kind = ATTEMPT_DEMANDED; kind >= ATTEMPT_SCHEDULED; kind--) {
		int64_t at_ms = probe_ms(g, host, (enum attempt_kind)kind);

		if (TAILQ_EMPTY(&host->queue[kind]) || now_ms >= at_ms)
			continue;
		*retry_ms = at_ms;
		return take_out(host, (enum attempt_kind)kind);
	}
	return NULL;
}

static void open_breaker(struct gate *g, struct gate_host *host, int64_t retry_after_ms,
			 int64_t now_ms)
{
	int64_t wait_ms = g->first_ms;

	for (unsigned i = 0; i < host->step && wait_ms < g->max_ms; i++)
		wait_ms *= 2;
	wait_ms = wait_ms < g->max_ms ? wait_ms : g->max_ms;
	wait_ms = wait_ms > retry_after_ms ? wait_ms : retry_after_ms;
	host->step++;
	host->open_ms = now_ms + wait_ms;
	host->probed_ms = now_ms;
}

void gate_leave(struct gate *g, struct gate_waiter *w, enum gate_outcome outcome,
		int64_t retry_after_ms, int64_t now_ms)
{
	struct gate_host *host = w->host;
	bool probe = host->probe == w;

	host->inside[w->kind]--;
	w->place = GATE_OUTSIDE;
	if (probe)
		host->probe = NULL;
	if (outcome == GATE_REACHED) {
		host->failures = 0;
		host->step = 0;
	} else if (outcome == GATE_FAILED) {
		host->failures++;
		/* Those that were under way when it opened say nothing new. */
		if (probe || (!host->step && host->failures >= g->failures_max))
			open_breaker(g, host, retry_after_ms, now_ms);
	}
}

int64_t gate_open_ms(const struct gate *g, const char *key)
{
	const struct gate_host *host = find(g, key);

	return host && host->step ? host->open_ms : 0;
}

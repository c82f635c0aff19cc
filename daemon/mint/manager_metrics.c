/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manager.Metrics: the first piece waits for the front's counters, the others hang on the credentials alone.
 */
#include <string.h>

#include "daemon/mint/logs.h"
#include "daemon/mint/manager_parts.h"
#include "daemon/mint/metrics.h"
#include "daemon/mint/publish.h"

static void take_counters(struct manager *m, const struct link_counters *counters,
			  struct metrics_daemon *d)
{
	struct json_iter i;
	struct json_value key, value;

	i = json_iterate(counters->counters);
	while (json_next(&i, &key, &value))
		if (json_type(value) == JSON_INT && json_is(key, "started_ms"))
			totals_begin(m->totals, json_int(value));
	i = json_iterate(counters->counters);
	while (json_next(&i, &key, &value)) {
		if (json_type(value) != JSON_INT || json_is(key, "started_ms") ||
		    json_is(key, "connections"))
			continue;
		if (json_is(key, "waiting"))
			d->waiting = json_int(value);
		else
			totals_set(m->totals, json_text(key, NULL), json_int(value));
	}
}

static void take_listeners(const struct manager *m, const struct link_counters *c,
			   struct metrics_daemon *d)
{
	const struct listener_settings *l = registry_settings(m->registry)->listeners;

	for (; l && d->n_listeners < METRICS_LISTENERS_MAX; l = l->next) {
		bool manager = l->interface == LISTENER_MANAGER;

		if (l->disabled || l->on_demand || (!manager && !d->front))
			continue;
		d->listeners[d->n_listeners++] = (struct metrics_listener){
			.name = l->name,
			.connections = manager ? (int64_t)m->n_clients
					       : manager_front_connections(c, l->name),
		};
	}
}

static struct metrics_daemon look(struct manager *m, const struct link_counters *counters)
{
	struct store *store = registry_store(m->registry);
	struct store_counters s = store_counters(store);
	struct metrics_daemon d = {
		.version = SFTOKEN_VERSION,
		.started_s = m->about.started_wall,
		.ready = m->handlers.ready(m->handlers.arg),
		.front = counters != NULL,
		.mint_restarts = m->about.mint_restarts,
		.front_restarts = m->about.front_restarts,
		.store = (int)store_state(store),
		.store_writes = (int64_t)s.records,
		.store_syncs = (int64_t)s.syncs,
		.store_failures = (int64_t)s.failures,
		.store_bytes = (int64_t)s.bytes,
		.logins = (int64_t)logins_count(m->logins),
		.lines_dropped = logs_dropped(),
		.counted = m->totals,
	};

	if (counters)
		take_counters(m, counters, &d);
	take_listeners(m, counters, &d);
	return d;
}

static void credential_at(size_t i, struct metrics_credential *out, void *arg)
{
	struct manager *m = arg;
	struct keeper *k = registry_at(m->registry, i);
	const struct keeper_wall *wall = keeper_token(k) ? keeper_wall(k) : NULL;
	const struct tally *tally = keeper_tally(k);

	*out = (struct metrics_credential){
		.name = keeper_name(k),
		.state = (int)keeper_schedule(k)->state,
		.renewed_s = tally->renewed_s,
		.tally = tally,
	};
	if (!wall)
		return;
	out->expires_s = wall->expires;
	/* a login, or a token that was taken over: it was no renewal of this process, but it is younger */
	if (wall->issued > out->renewed_s)
		out->renewed_s = wall->issued;
}

static void answer(struct client *c, const struct metrics_daemon *d, const char *after)
{
	struct manager *m = c->manager;
	const struct metrics_source source = {
		.daemon = d, .n = registry_count(m->registry), .at = credential_at, .arg = m
	};
	const struct broker_error_fields no_memory = { .retry_after_s = { 1, true } };
	struct metrics_reply reply = { 0 };
	CLEANUP(buf_finip) struct buf text;
	CLEANUP(buf_finip) struct buf next;
	int r;

	buf_init(
		&text,
		2 * (size_t)METRICS_PIECE_MAX); /* a credential too many is written and taken back */
	buf_init(&next, METRICS_CURSOR_MAX);
	r = metrics_piece(&source, after, &text, &next);
	if (r == -ERR_INPUT) {
		manager_invalid(c, "after", "it is not what a reply gave as next");
		return;
	}
	if (r < 0) {
		manager_broker_error(c, BROKER_RATE_LIMITED, &no_memory);
		return;
	}
	reply.text = text.data ? text.data : "";
	reply.next = next.len ? next.data : NULL;
	manager_reply(c, &metrics_reply_table, &reply);
}

void manager_call_metrics(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct metrics_call *p = params;
	struct metrics_daemon d;

	(void)call;
	if (!p->after) {
		c->waits = WAITS_METRICS;
		publish_count(c->manager->publish);
		return;
	}
	d = look(c->manager, NULL);
	answer(c, &d, p->after);
}

void manager_metrics_counted(struct manager *m, const struct link_counters *counters)
{
	/* also when Status has asked: what the front says is added up each time, and so less is lost with it */
	struct metrics_daemon d = look(m, counters);
	struct client *c = m->clients, *next;

	for (; c; c = next) {
		next = c->next;
		if (c->waits == WAITS_METRICS)
			answer(c, &d, NULL);
	}
}

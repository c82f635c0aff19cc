/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/front.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/front/broker.h"
#include "daemon/front/identity.h"
#include "daemon/front/load.h"

enum {
	MINUTE_MS = 60 * 1000,
	/*
	 * The mint tells the parts of one change one after the other; a waiter is judged when all
	 * of them should be there.
	 */
	SETTLE_MS = 2,
};

/* --- connections --- */

static int64_t connections_most(const struct front *f)
{
	int64_t most = f->rules.limits.max_connections;

	return f->descriptors < most ? f->descriptors : most;
}

/* Of a very small number half is kept for the privileged. */
static int64_t connections_for(const struct front *f, uid_t uid)
{
	int64_t most = connections_most(f), reserved = f->rules.limits.reserved_connections;

	if (broker_privileged(f, uid))
		return most;
	return most - (reserved < most / 2 ? reserved : most / 2);
}

static bool admit(struct front *f, struct user *u)
{
	if (f->connections >= connections_for(f, u->uid)) {
		f->counters.value[LIMIT_CONNECTIONS]++;
		return false;
	}
	if (u->connections >= f->rules.limits.max_connections_per_user) {
		f->counters.value[LIMIT_CONNECTIONS_USER]++;
		return false;
	}
	return true;
}

static size_t listener_index(const struct front *f, const struct listener *l)
{
	size_t i = 0;

	while (f->listeners[i].listener != l)
		i++;
	return i;
}

static struct caller *caller_new(struct front *f, size_t listener, struct user *u)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->front = f;
	c->listener = (uint16_t)listener;
	c->user = u;
	return c;
}

static void on_accepted(struct listener *l, int sock, struct peer *peer, void *arg)
{
	struct front *f = arg;
	size_t index = listener_index(f, l);
	struct user *u = rates_user(&f->rates, peer->uid);
	CLEANUP(cleanup_close) int fd = sock;
	CLEANUP(cleanup_free) struct caller *c = NULL;

	if (f->stopping || !u || !admit(f, u)) {
		peer_fini(peer);
		return;
	}
	if (f->listeners[index].loads) {
		load_accepted(f, index, u, take_fd(&fd), peer);
		peer_fini(peer);
		return;
	}
	c = caller_new(f, index, u);
	if (!c) {
		f->counters.value[LIMIT_MEMORY]++;
		peer_fini(peer);
		return;
	}
	/* From here on socket and peer are the connection's, also when it cannot be made. */
	c->connection = connection_open(f->loop, take_fd(&fd), peer, &f->connection_limits,
					&f->connection_handlers, f, c, NULL);
	if (!c->connection) {
		f->counters.value[LIMIT_MEMORY]++;
		return;
	}
	(void)TAKE(c);
	idle_came(&f->idle);
	f->connections++;
	f->listeners[index].connections++;
	f->counters.value[COUNT_ACCEPTED]++;
	u->connections++;
}

static void on_paused(struct listener *l, int errnum, void *arg)
{
	struct front *f = arg;

	(void)l;
	(void)errnum;
	f->counters.value[LIMIT_DESCRIPTORS]++;
}

static void on_closed(struct connection *connection, void *arg)
{
	struct front *f = arg;
	struct caller *c = connection_data(connection);

	if (c->waiting)
		broker_wait_end(c->waiting); /* a hold with it */
	broker_got(c, GOT_NOTHING);
	broker_forget_request(f, c->last);
	identity_free(c->identity);
	if (f->candidate == connection)
		f->candidate = NULL;
	if (!c->spoke)
		idle_spoke(&f->idle);
	if (c->counted)
		idle_leave(&f->idle);
	f->connections--;
	f->listeners[c->listener].connections--;
	c->user->connections--;
	free(c);
}

static void on_limit(struct connection *c, const char *which, void *arg)
{
	struct front *f = arg;

	(void)c;
	f->counters.value[counter_of_limit(which)]++;
}

/* --- what the mint says --- */

static void on_changed(struct entry *e, bool settled, void *arg)
{
	struct front *f = arg;

	if (!settled) {
		if (list_empty(&e->unsettled))
			list_append(&f->unsettled, &e->unsettled);
		if (!timer_is_set(f->settle))
			timer_set(f->settle, loop_now_ms(f->loop) + SETTLE_MS);
		return;
	}
	broker_changed(f, e);
}

static void on_settle(void *arg)
{
	struct front *f = arg;
	struct list *n;

	while ((n = list_shift(&f->unsettled)))
		broker_changed(f, LIST_OWNER(struct entry, unsettled, n));
}

static void on_removed(struct entry *e, void *arg)
{
	(void)arg;
	broker_gone(e);
}

/*
 * Once, not at every reload: what is wrong with the descriptor limit does not change while the
 * process runs.
 */
static void check_descriptors(struct front *f)
{
	int64_t wanted = f->rules.limits.max_connections;

	if (f->descriptors >= wanted || f->n_warnings > 0)
		return;
	snprintf(f->descriptors_warning, sizeof(f->descriptors_warning),
		 "at most %" PRId64 " connections are served, not MaxConnections=%" PRId64
		 ": raise the descriptor limit (LimitNOFILE=) to %" PRId64,
		 f->descriptors, wanted, wanted + DESCRIPTORS_RESERVE);
	f->warnings[f->n_warnings++] = f->descriptors_warning;
}

static void on_rules(struct rules *r, void *arg)
{
	struct front *f = arg;
	struct rules old = f->rules;

	f->rules = *r;
	*r = old;
	f->connection_limits.request_timeout_ms = f->rules.limits.request_timeout_ms;
	f->connection_limits.idle_timeout_ms = f->rules.limits.idle_timeout_ms;
	f->connection_limits.stalled_ms = f->rules.limits.watch_stall_timeout_ms;
	f->listener_handlers.pause_ms = f->rules.limits.accept_pause_ms;
	for (size_t i = 0; i < f->n_listeners; i++)
		f->listeners[i].globs = rules_globs(&f->rules, f->listeners[i].name);
	check_descriptors(f);
}

static bool lets_in(const struct front *f)
{
	return f->open && f->synced_once && !f->stopping && !f->idle.told;
}

static void enable_listeners(struct front *f)
{
	for (size_t i = 0; i < f->n_listeners; i++)
		listener_enable(f->listeners[i].listener, lets_in(f));
}

static void tell_warnings(struct front *f)
{
	for (; !f->told_limits && f->n_warnings > 0; f->told_limits = true)
		log_event(LOG_LEVEL_WARNING, "front.descriptors",
			  F_STR("warning", f->descriptors_warning));
}

static void judge_all(struct front *f)
{
	for (size_t i = 0; i < f->table.n; i++) {
		struct entry *e = f->table.sorted[i];

		if (!list_empty(&e->waiters) || !list_empty(&e->watches) ||
		    !list_empty(&e->holds) || !list_empty(&e->loads) || e->report || e->hold)
			broker_changed(f, e);
	}
}

/* Credentials are found again by name; who waits for one that is gone hears so. */
static void on_synced(struct table *next, void *arg)
{
	struct front *f = arg;
	struct table old = f->table;

	while (list_shift(&f->unsettled))
		;
	next->version = (old.version > next->version ? old.version : next->version) + 1;
	next->programs = old.programs + 1;
	f->table = *next;
	*next = old;
	for (size_t i = 0; i < old.n; i++) {
		struct entry *from = old.sorted[i], *to = table_find(&f->table, entry_name(from));

		if (to && strcmp(entry_name(to), entry_name(from)) == 0)
			broker_move(to, from);
		else
			broker_gone(from);
	}
	identity_ask_all(f, true);
	judge_all(f);
	tell_warnings(f);
	if (f->synced_once)
		return;
	f->synced_once = true;
	idle_restart(&f->idle);
	enable_listeners(f);
	f->events->ready(f);
}

static void on_counters(struct buf *counters, struct buf *listeners, struct text_list *warnings,
			void *arg)
{
	struct front *f = arg;

	f->counters.value[COUNT_AUDIT_LOST] = (int64_t)f->audit.lost;
	f->counters.value[COUNT_LOG_DROPPED] = front_link_log_dropped(f->link);
	counters_add(&f->counters, counters);
	json_key(counters, "started_ms");
	json_add_int(counters, f->started_ms);
	json_key(counters, "connections");
	json_add_int(counters, f->connections);
	json_key(counters, "waiting");
	json_add_int(counters, (int64_t)f->deadlines.n);
	for (size_t i = 0; i < f->n_listeners; i++) {
		json_key(listeners, f->listeners[i].name);
		json_add_int(listeners, f->listeners[i].connections);
	}
	*warnings = (struct text_list){ .items = f->warnings, .n = f->n_warnings };
}

static void on_fatal(const char *why, void *arg)
{
	struct front *f = arg;

	f->events->fatal(why);
}

static void on_writable(void *arg)
{
	struct front *f = arg;

	identity_ask_all(f, false);
	audit_flush(&f->audit);
}

static void on_identity(const struct link_identity *m, void *arg)
{
	identity_answered(arg, m);
}

/* --- from time to time --- */

static void on_refused(void *arg)
{
	struct front *f = arg;

	refusals_tell_fresh(&f->refusals, loop_now_ms(f->loop));
}

static void on_minute(void *arg)
{
	struct front *f = arg;
	int64_t now = loop_now_ms(f->loop);

	counters_log_limits(&f->counters);
	audit_minute(&f->audit);
	refusals_minute(&f->refusals, now, false);
	rates_sweep(&f->rates, f->rules.limits.max_calls_per_second,
		    f->rules.limits.max_reports_per_second, now);
	timer_set(f->minute, now + MINUTE_MS);
}

void front_write_status(struct front *f)
{
	log_event(LOG_LEVEL_NOTICE, "front.status", F_INT("credentials", (int64_t)f->table.n),
		  F_INT("connections", f->connections), F_INT("waiting", (int64_t)f->deadlines.n),
		  F_INT("calls", f->counters.value[COUNT_CALLS]),
		  F_INT("tokens", f->counters.value[COUNT_TOKENS]));
	counters_log_limits(&f->counters);
}

/* --- the whole --- */

static void set_handlers(struct front *f)
{
	f->connection_handlers = (struct connection_handlers){
		.call = broker_call,
		.raw_call = broker_shortcut,
		.drained = broker_drained,
		.closed = on_closed,
		.limit = on_limit,
	};
	f->listener_handlers = (struct listener_handlers){ .accepted = on_accepted,
							   .paused = on_paused,
							   .arg = f };
	f->link_handlers = (struct front_link_handlers){
		.changed = on_changed,
		.removed = on_removed,
		.rules = on_rules,
		.synced = on_synced,
		.counters = on_counters,
		.fatal = on_fatal,
		.writable = on_writable,
		.identity = on_identity,
		.arg = f,
	};
}

struct front *front_new(struct loop *l, long descriptors, const struct front_events *events,
			struct err *err)
{
	struct front *f = calloc(1, sizeof(*f));
	struct rules defaults;

	if (!f) {
		err_oom(err);
		return NULL;
	}
	f->loop = l;
	f->events = events;
	f->started_ms = loop_now_ms(l);
	f->descriptors = descriptors > 2 * DESCRIPTORS_RESERVE ? descriptors - DESCRIPTORS_RESERVE
							       : descriptors / 2;
	list_init(&f->unsettled);
	list_init(&f->unidentified);
	table_init(&f->table);
	set_handlers(f);
	rules_init(&defaults);
	f->rules = defaults;
	f->link = front_link_new(l, SFTOKEN_VERSION, &f->table, &f->link_handlers, err);
	f->minute = timer_new(l, on_minute, f);
	f->settle = timer_new(l, on_settle, f);
	f->refused = timer_new(l, on_refused, f);
	if (!f->link || !f->minute || !f->settle || !f->refused ||
	    deadlines_init(&f->deadlines, l, broker_deadline, f, err) < 0 ||
	    deadlines_init(&f->loads_due, l, load_deadline, f, err) < 0 ||
	    deadlines_init(&f->identify_due, l, identity_deadline, f, err) < 0) {
		front_free(f);
		err_oom(err);
		return NULL;
	}
	f->audit.send = front_link_served;
	f->audit.arg = f->link;
	timer_set(f->minute, loop_now_ms(l) + MINUTE_MS);
	return f;
}

void front_free(struct front *f)
{
	for (size_t i = 0; i < f->n_listeners; i++) {
		listener_close(f->listeners[i].listener);
		free(f->listeners[i].name);
	}
	table_fini(&f->table);
	front_link_free(f->link);
	deadlines_fini(&f->deadlines);
	idle_fini(&f->idle);
	deadlines_fini(&f->loads_due);
	deadlines_fini(&f->identify_due);
	timer_free(f->minute);
	timer_free(f->settle);
	timer_free(f->refused);
	refusals_fini(&f->refusals);
	audit_fini(&f->audit);
	rates_fini(&f->rates);
	map_fini(&f->remembered);
	rules_fini(&f->rules);
	free(f);
}

int front_add_listener(struct front *f, int fd, const char *name, const char *path, bool loads,
		       struct err *err)
{
	struct front_listener *l = &f->listeners[f->n_listeners];

	if (f->n_listeners == LISTENERS_MAX) {
		close(fd);
		return err_set(err, ERR_ADMIN, "more than %d listeners", LISTENERS_MAX);
	}
	l->name = strdup(name);
	if (!l->name) {
		close(fd);
		return err_oom(err);
	}
	l->listener = listener_open(f->loop, fd, name, path, &f->listener_handlers, err);
	if (!l->listener) {
		free(l->name);
		return -ERR_INTERNAL;
	}
	l->globs = rules_globs(&f->rules, name);
	l->loads = loads;
	f->n_listeners++;
	/* one that the mint wanted later than the rest */
	listener_enable(l->listener, lets_in(f));
	return 0;
}

void front_open(struct front *f)
{
	f->open = true;
	enable_listeners(f);
}

static void on_idle(void *arg)
{
	struct front *f = arg;

	if (!f->synced_once) {
		f->idle.told = false; /* nobody is let in yet: on_synced() */
		return;
	}
	enable_listeners(f);
	f->events->idle();
}

int front_until_idle(struct front *f, int64_t after_ms, struct err *err)
{
	int r = idle_watch(&f->idle, f->loop, after_ms, on_idle, f, err);

	enable_listeners(f);
	return r;
}

void front_stop(struct front *f)
{
	f->stopping = true;
	enable_listeners(f);
	broker_stop(f);
	load_stop(f);
	identity_stop(f);
	audit_minute(&f->audit);
	refusals_minute(&f->refusals, loop_now_ms(f->loop), true);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/publish.h"

#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "daemon/common/rule.h"
#include "daemon/mint/identify.h"
#include "daemon/mint/publish_parts.h"
#include "daemon/mint/totals.h"

enum { COUNT_WAIT_MS = 1000, LOG_FIELDS_MAX = 16, LOG_NAME_MAX = 64, SERVED_FIELDS = 9 };

struct removed {
	char *name;
	struct removed *next;
};

/* An Identify that is not answered yet. */
struct asked {
	STAILQ_ENTRY(asked) link;
	int64_t id;
	pid_t pid;
};

STAILQ_HEAD(asked_list, asked);

struct publish {
	struct loop *loop;
	struct registry *registry;
	struct publish_handlers handlers;
	uid_t service_uid, manager_uid;
	bool user_mode;
	struct link_handlers link_handlers;
	struct link_end *end; /* NULL: no front */
	struct timer *flush;  /* collects the changes of one turn */
	struct timer *count;
	bool collecting; /* Have ... HaveAll: nothing is sent */
	bool rules_due, synced_due, count_due;
	struct removed *removed; /* names to be taken back */
	struct asked_list asked;
	int64_t n_asked;
};

static void flush_soon(struct publish *p)
{
	if (p->end && !p->collecting)
		timer_set(p->flush, loop_now_ms(p->loop));
}

static void drop_removed(struct publish *p)
{
	while (p->removed) {
		struct removed *r = p->removed;

		p->removed = r->next;
		free(r->name);
		free(r);
	}
}

static void drop_first_asked(struct publish *p)
{
	struct asked *a = STAILQ_FIRST(&p->asked);

	STAILQ_REMOVE_HEAD(&p->asked, link);
	p->n_asked--;
	free(a);
}

/* --- sending --- */

static int send_plain(struct publish *p, enum link_type type)
{
	struct link_message m = { .type = type };

	return link_send(p->end, &m);
}

static int send_removed(struct publish *p)
{
	while (p->removed) {
		struct removed *r = p->removed;
		struct link_message m = { .type = LINK_REMOVE };
		int sent;

		m.remove.credential = r->name;
		sent = link_send(p->end, &m);
		if (sent <= 0)
			return sent;
		p->removed = r->next;
		free(r->name);
		free(r);
	}
	return 1;
}

static int send_dirty(struct publish *p)
{
	struct keeper *k;

	while ((k = registry_next_dirty(p->registry))) {
		int sent = publish_send_credential(p->end, k);

		if (sent <= 0)
			return sent;
		keeper_set_dirty(k, false);
	}
	return 1;
}

static bool is_named(const char *path, void *publish)
{
	struct registry *r = ((struct publish *)publish)->registry;

	for (size_t i = 0; i < registry_count(r); i++) {
		const struct credential *c = keeper_credential(registry_at(r, i));

		for (size_t k = 0; k < c->allow_executables.n; k++)
			if (rule_names(c->allow_executables.items[k], path))
				return true;
	}
	return false;
}

/* Read when there is room, so that it is by the rules that the front has been told of. */
static int send_identity(struct publish *p, const struct asked *a)
{
	struct link_message m = { .type = LINK_IDENTITY, .identity = { .id = { a->id, true } } };
	struct identified who;

	identify(a->pid, p->user_mode ? (int64_t)p->service_uid : -1, is_named, p, &who);
	if (who.unit[0])
		m.identity.unit = who.unit;
	if (who.executable[0])
		m.identity.executable = who.executable;
	return link_send(p->end, &m);
}

static int send_identities(struct publish *p)
{
	while (!STAILQ_EMPTY(&p->asked)) {
		int sent = send_identity(p, STAILQ_FIRST(&p->asked));

		if (sent <= 0)
			return sent;
		drop_first_asked(p);
	}
	return 1;
}

static int send_flag(struct publish *p, bool *due, enum link_type type)
{
	int sent = *due ? send_plain(p, type) : 1;

	if (sent > 0)
		*due = false;
	return sent;
}

/* Writes until all is told or the socket is full; then link's writable() brings us back. */
static void flush(void *arg)
{
	struct publish *p = arg;

	if (!p->end || p->collecting)
		return;
	if (p->rules_due) {
		if (publish_send_rules(p->end, p->registry, p->service_uid, p->manager_uid) <= 0)
			return;
		p->rules_due = false;
	}
	if (send_removed(p) > 0 && send_dirty(p) > 0 &&
	    send_flag(p, &p->synced_due, LINK_SYNCED) > 0 && send_identities(p) > 0)
		send_flag(p, &p->count_due, LINK_COUNT);
}

/* --- receiving --- */

static void take_over(struct publish *p, const struct link_have *have)
{
	struct keeper *k = have->credential ? registry_find(p->registry, have->credential) : NULL;
	struct err err;

	if (!k || !have->generation.set)
		return;
	/* first: what is overdue must not begin in between */
	keeper_hold(k, have->generation.value, have->held_until_ms.value);
	if (keeper_take_over(k, have, &err) < 0)
		log_event(LOG_LEVEL_DEBUG, "token.left", F_STR("credential", have->credential),
			  F_STR("why", err.text));
}

static void have_all(struct publish *p)
{
	if (!p->collecting)
		return;
	p->collecting = false;
	p->handlers.taken_over(p->handlers.arg);
	flush_soon(p);
}

static void want(struct publish *p, const struct link_want *w)
{
	struct keeper *k = w->credential ? registry_find(p->registry, w->credential) : NULL;

	if (k)
		keeper_want(k, w);
}

static void hold(struct publish *p, const struct link_hold *h)
{
	struct keeper *k = h->credential ? registry_find(p->registry, h->credential) : NULL;

	if (k)
		keeper_hold(k, h->generation.value, h->until_ms.value);
}

/* What is not known is not there: the gid of an older front's caller, the unit of a process that is gone or in none, the reason of a caller that gave none. */
static void log_served(const struct link_served *s)
{
	struct log_field fields[SERVED_FIELDS] = {
		F_STR("credential", s->credential),
		F_INT("generation", s->generation.value),
		F_INT("uid", s->uid.set ? s->uid.value : -1),
		F_INT("gid", s->gid.set ? s->gid.value : -1),
		F_INT("pid", s->pid.set ? s->pid.value : -1),
		F_INT("count", s->count.value),
	};
	char text[IDENTIFY_UNIT_MAX], *unit = text, *slash;
	size_t n = 6;

	/* for people: the process may have ended, and its number may be another's by now */
	if (s->pid.set && identify_unit_of((pid_t)s->pid.value, -1, text)) {
		slash = strchr(unit, '/');
		if (slash)
			*slash = '\0';
		fields[n++] = F_STR("unit", unit);
		if (slash)
			fields[n++] = F_STR("user_unit", slash + 1);
	}
	if (s->reason)
		fields[n++] = F_STR("reason", s->reason);
	log_fields(LOG_LEVEL_INFO, "token.served", fields, n);
}

static void served(struct publish *p, const struct link_served *s)
{
	struct keeper *k = s->credential ? registry_find(p->registry, s->credential) : NULL;

	log_served(s);
	if (!k)
		return;
	keeper_tally(k)->served = totals_add(keeper_tally(k)->served, s->count.value);
	keeper_used(k);
}

/*
 * The front's own words. Names are written as they are, so they must be names: a front that has been
 * taken over writes no lines of its own.
 */
static bool is_name(const char *text)
{
	size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return size > 0 && size <= LOG_NAME_MAX && !text[size];
}

static void log_for_front(const struct link_log *l)
{
	struct log_field fields[LOG_FIELDS_MAX];
	struct json_iter i;
	struct json_value key, value;
	int64_t level = l->level.set ? l->level.value : LOG_LEVEL_INFO;
	size_t n = 0;

	if (level < LOG_LEVEL_ERR || level > LOG_LEVEL_DEBUG || !l->event || !is_name(l->event))
		return;
	if (l->fields.start && json_type(l->fields) == JSON_OBJECT) {
		i = json_iterate(l->fields);
		while (n < LOG_FIELDS_MAX && json_next(&i, &key, &value)) {
			if (json_type(value) == JSON_INT)
				fields[n] = (struct log_field){ .number = json_int(value) };
			else if (json_type(value) == JSON_STRING)
				fields[n] = (struct log_field){ .text = json_text(value, NULL) };
			else
				continue;
			fields[n].name = json_text(key, NULL);
			n += is_name(fields[n].name);
		}
	}
	log_fields((enum log_level)level, l->event, fields, n);
}

/* A front of ours has one question open for each connection at the most; what another one asks beyond that has no answer. */
static void identify_soon(struct publish *p, const struct link_identify *m)
{
	struct asked *a = NULL;

	if (p->n_asked < registry_settings(p->registry)->limits.max_connections)
		a = calloc(1, sizeof *a);
	if (!a)
		return;
	a->id = m->id.value;
	a->pid = (pid_t)m->pid.value;
	STAILQ_INSERT_TAIL(&p->asked, a, link);
	p->n_asked++;
	flush_soon(p);
}

static void report(struct publish *p, const struct link_report *r)
{
	struct keeper *k = r->credential ? registry_find(p->registry, r->credential) : NULL;

	if (k)
		keeper_report(k, r);
}

static void counters(struct publish *p, const struct link_counters *c)
{
	if (!timer_is_set(p->count))
		return;
	timer_clear(p->count);
	p->handlers.counters(c, p->handlers.arg);
}

static void message(const struct link_message *m, void *arg)
{
	struct publish *p = arg;

	switch (m->type) {
	case LINK_HAVE:
		if (p->collecting)
			take_over(p, &m->have);
		break;
	case LINK_HAVE_ALL:
		have_all(p);
		break;
	case LINK_HOLD:
		hold(p, &m->hold);
		break;
	case LINK_WANT:
		want(p, &m->want);
		break;
	case LINK_REPORT:
		report(p, &m->report);
		break;
	case LINK_SERVED:
		served(p, &m->served);
		break;
	case LINK_LOG:
		log_for_front(&m->log);
		break;
	case LINK_IDENTIFY:
		identify_soon(p, &m->identify);
		break;
	case LINK_COUNTERS:
		counters(p, &m->counters);
		break;
	default:
		log_event(LOG_LEVEL_ERR, "link.unexpected", F_STR("type", link_type_name(m->type)));
		break;
	}
}

static void no_counters(void *arg)
{
	struct publish *p = arg;

	p->count_due = false;
	p->handlers.counters(NULL, p->handlers.arg);
}

/* The callers come again to the next front, if they live. */
static void end_holds_soon(struct publish *p)
{
	for (size_t i = 0; i < registry_count(p->registry); i++)
		keeper_end_hold_soon(registry_at(p->registry, i));
}

static void close_link(struct publish *p)
{
	if (p->end)
		end_holds_soon(p);
	link_close(TAKE(p->end));
	timer_clear(p->flush);
	/* of the next link they are asked again */
	while (!STAILQ_EMPTY(&p->asked))
		drop_first_asked(p);
	if (timer_is_set(p->count)) {
		timer_clear(p->count);
		no_counters(p);
	}
}

static void closed(void *arg)
{
	struct publish *p = arg;

	bool other_build = link_other_build(p->end);

	log_event(LOG_LEVEL_NOTICE, "link.closed", F_STR("peer", "front"));
	close_link(p);
	if (other_build)
		p->handlers.other_build(p->handlers.arg);
}

/* --- life --- */

struct publish *publish_new(struct loop *l, struct registry *registry, uid_t service_uid,
			    const struct publish_handlers *handlers, struct err *err)
{
	struct publish *p = calloc(1, sizeof *p);

	if (!p) {
		err_oom(err);
		return NULL;
	}
	p->loop = l;
	p->registry = registry;
	p->service_uid = service_uid;
	p->handlers = *handlers;
	STAILQ_INIT(&p->asked);
	p->link_handlers = (struct link_handlers){
		.message = message, .writable = flush, .closed = closed, .arg = p
	};
	p->flush = timer_new(l, flush, p);
	p->count = timer_new(l, no_counters, p);
	if (!p->flush || !p->count) {
		publish_free(p);
		err_oom(err);
		return NULL;
	}
	return p;
}

void publish_user_mode(struct publish *p)
{
	p->manager_uid = p->service_uid;
	p->user_mode = true;
}

void publish_free(struct publish *p)
{
	if (!p)
		return;
	link_close(p->end);
	timer_free(p->flush);
	timer_free(p->count);
	drop_removed(p);
	while (!STAILQ_EMPTY(&p->asked))
		drop_first_asked(p);
	free(p);
}

/* A front that begins knows nothing: everything is to be told, after it has said what it holds. */
int publish_link(struct publish *p, int fd, struct err *err)
{
	close_link(p);
	drop_removed(p);
	for (size_t i = 0; i < registry_count(p->registry); i++) {
		struct keeper *k = registry_at(p->registry, i);

		memset(keeper_sent(k), 0, sizeof *keeper_sent(k));
		keeper_set_dirty(k, true);
	}
	p->collecting = p->rules_due = p->synced_due = true;
	p->end = link_open(p->loop, fd, SFTOKEN_VERSION, &p->link_handlers, err);
	return p->end ? 0 : -ERR_INTERNAL;
}

void publish_changed(struct publish *p, struct keeper *k)
{
	(void)k; /* it has its dirty flag */
	flush_soon(p);
}

void publish_removed(struct publish *p, const char *name)
{
	struct removed *r = calloc(1, sizeof *r);

	if (r)
		r->name = strdup(name);
	if (!r || !r->name) {
		/* the front must not go on with a credential that is gone: it gets everything anew */
		free(r);
		close_link(p);
		return;
	}
	r->next = p->removed;
	p->removed = r;
	flush_soon(p);
}

void publish_reloaded(struct publish *p)
{
	p->rules_due = true;
	flush_soon(p);
}

void publish_flush(struct publish *p)
{
	timer_clear(p->flush);
	flush(p);
}

void publish_count(struct publish *p)
{
	if (timer_is_set(p->count))
		return;
	timer_set(p->count, loop_now_ms(p->loop) + (p->end ? COUNT_WAIT_MS : 0));
	p->count_due = true;
	flush_soon(p);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/front_link.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/common/link.h"

struct front_link {
	struct loop *loop;
	const char *build;
	const struct front_link_handlers *handlers;
	struct link_handlers link_handlers;
	struct link_end *end; /* NULL: no mint */
	struct table *table;  /* the one that callers are served from */
	struct table next;    /* the one that is being built */
	struct rules rules;   /* belong to next */
	bool have_rules, synced;
	size_t have_at; /* index of the next token to tell by Have */
	bool have_done; /* HaveAll is sent */
	bool counters_due;
	struct list unsent; /* entries whose Hold, Want or Report did not fit */
	int64_t log_dropped;
};

static int send(struct front_link *f, const struct link_message *m)
{
	return f->end ? link_send(f->end, m) : 0;
}

/* --- to the mint --- */

static struct link_message have_message(const struct entry *e)
{
	const struct token *t = e->token;

	return (struct link_message){
		.type = LINK_HAVE,
		.have = {
			.credential = entry_name(e),
			.origin = t->origin,
			.generation = { .value = t->judge.generation, .set = true },
			.token = secret_bytes(t->access),
			.instance_url = t->instance_url,
			.life_ms = { .value = t->judge.life_ms, .set = true },
			.issued_ms = { .value = t->judge.issued_ms, .set = true },
			.deadline_ms = { .value = t->judge.deadline_ms, .set = true },
			.vouched_ms = { .value = t->judge.vouched_ms, .set = true },
			.issued_wall = { .value = t->issued_wall, .set = true },
			.expiry_source = t->expiry_source,
			.unchanged = { .value = t->judge.unchanged, .set = true },
			.scopes = { .items = t->scopes, .n = t->n_scopes },
			.identity_url = t->identity_url,
			.organization_id = t->organization_id,
			.user_id = t->user_id,
			.username = t->username,
			.held_until_ms = { .value = e->judge.held_until_ms,
					   .set = e->judge.held_until_ms > 0 },
		},
	};
}

/* Goes on where the last call stopped for want of room. */
static void send_haves(struct front_link *f)
{
	const struct link_message all = { .type = LINK_HAVE_ALL };

	for (; f->have_at < f->table->n; f->have_at++) {
		struct link_message m;

		if (!f->table->sorted[f->have_at]->token)
			continue;
		m = have_message(f->table->sorted[f->have_at]);
		if (send(f, &m) != 1)
			return;
	}
	f->have_done = send(f, &all) == 1;
}

static bool send_want(struct front_link *f, struct entry *e)
{
	const struct link_message m = {
		.type = LINK_WANT,
		.want = {
			.credential = entry_name(e),
			.min_left_ms = { .value = e->want_min_left_ms, .set = true },
			.not_generation = { .value = e->want_not_generation, .set = true },
			.deadline_ms = { .value = e->want_deadline_ms, .set = true },
		},
	};

	if (send(f, &m) != 1)
		return false;
	e->want = false;
	e->judge.want_ms = loop_now_ms(f->loop);
	return true;
}

static bool send_report(struct front_link *f, struct entry *e)
{
	const struct link_message m = {
		.type = LINK_REPORT,
		.report = {
			.credential = entry_name(e),
			.generation = { .value = e->report_generation, .set = true },
			.deadline_ms = { .value = e->report_deadline_ms, .set = true },
			.uid = { .value = e->report_uid, .set = e->report_uid >= 0 },
			.pid = { .value = e->report_pid, .set = e->report_pid >= 0 },
			.http_status = { .value = e->report_status, .set = e->report_status >= 0 },
			.error_code = e->report_code,
		},
	};

	if (send(f, &m) != 1)
		return false;
	e->report = false;
	return true;
}

static bool send_hold(struct front_link *f, struct entry *e)
{
	const struct link_message m = {
		.type = LINK_HOLD,
		.hold = {
			.credential = entry_name(e),
			.generation = { .value = e->generation, .set = true },
			.until_ms = { .value = e->judge.held_until_ms, .set = true },
		},
	};

	if (send(f, &m) != 1)
		return false;
	e->hold = false;
	return true;
}

void front_link_send(struct front_link *f, struct entry *e)
{
	list_remove(&e->unsent);
	if (e->want)
		e->judge.want_pending = true;
	if (f->synced && (!e->hold || send_hold(f, e)) && (!e->report || send_report(f, e)) &&
	    (!e->want || send_want(f, e)))
		return;
	if (e->hold || e->report || e->want)
		list_append(&f->unsent, &e->unsent);
}

static void send_unsent(struct front_link *f)
{
	struct list todo, *n;

	list_init(&todo);
	list_move_all(&todo, &f->unsent);
	while ((n = list_shift(&todo)))
		front_link_send(f, LIST_OWNER(struct entry, unsent, n));
}

bool front_link_served(const struct link_served *served, void *front_link)
{
	struct front_link *f = front_link;
	const struct link_message m = { .type = LINK_SERVED, .served = *served };

	return f->synced && send(f, &m) == 1;
}

bool front_link_identify(struct front_link *f, int64_t id, pid_t pid)
{
	const struct link_message m = { .type = LINK_IDENTIFY,
					.identify = { .id = { .value = id, .set = true },
						      .pid = { .value = pid, .set = true } } };

	return f->synced && send(f, &m) == 1;
}

void front_link_log(enum log_level level, const char *event, const struct log_field *fields,
		    size_t n, void *front_link)
{
	struct front_link *f = front_link;
	struct link_message m = { .type = LINK_LOG,
				  .log = { .level = { .value = level, .set = true },
					   .event = event } };
	CLEANUP(buf_finip) struct buf b;

	buf_init(&b, PACKET_MAX / 2);
	json_begin_object(&b);
	for (size_t i = 0; i < n; i++) {
		json_key(&b, fields[i].name);
		if (fields[i].text)
			json_add_text(&b, fields[i].text);
		else
			json_add_int(&b, fields[i].number);
	}
	json_end_object(&b);
	m.log.fields = (struct json_value){ b.data, b.data + b.len };
	if (buf_failed(&b) || send(f, &m) != 1)
		f->log_dropped++;
}

int64_t front_link_log_dropped(const struct front_link *f)
{
	return f->log_dropped;
}

static void send_counters(struct front_link *f)
{
	struct link_message m = { .type = LINK_COUNTERS };
	CLEANUP(buf_finip) struct buf counters;
	CLEANUP(buf_finip) struct buf listeners;

	buf_init(&counters, PACKET_MAX / 4);
	buf_init(&listeners, PACKET_MAX / 4);
	json_begin_object(&counters);
	json_begin_object(&listeners);
	f->handlers->counters(&counters, &listeners, &m.counters.warnings, f->handlers->arg);
	json_end_object(&counters);
	json_end_object(&listeners);
	if (buf_failed(&counters) || buf_failed(&listeners))
		return;
	m.counters.counters = (struct json_value){ counters.data, counters.data + counters.len };
	m.counters.listeners = (struct json_value){ listeners.data,
						    listeners.data + listeners.len };
	f->counters_due = send(f, &m) != 1;
}

/* --- from the mint --- */

static void finish_sync(struct front_link *f)
{
	if (f->synced)
		return;
	f->synced = true;
	if (f->have_rules)
		f->handlers->rules(&f->rules, f->handlers->arg);
	rules_fini(&f->rules);
	f->have_rules = false;
	while (list_shift(&f->unsent))
		/* what stands there belongs to the old table, whose claims synced() carries over */
		;
	f->handlers->synced(&f->next, f->handlers->arg);
	table_fini(&f->next);
	table_init(&f->next);
}

static int take_rules(struct front_link *f, struct link_rules *m, struct err *err)
{
	struct table *t = f->synced ? f->table : &f->next;
	int rc;

	rules_fini(&f->rules);
	rc = rules_read(&f->rules, m, err);
	if (rc < 0)
		return rc;
	if (table_set_default(t, f->rules.default_credential) < 0)
		return err_oom(err);
	f->have_rules = !f->synced;
	if (!f->synced)
		return 0;
	f->handlers->rules(&f->rules, f->handlers->arg);
	for (size_t i = 0; i < f->table->n; i++)
		f->handlers->changed(f->table->sorted[i], true, f->handlers->arg);
	return 0;
}

static void take_remove(struct front_link *f, const char *name)
{
	struct entry *e = table_remove(f->synced ? f->table : &f->next, name);

	if (!e)
		return;
	list_remove(&e->unsent);
	if (f->synced)
		f->handlers->removed(e, f->handlers->arg);
	entry_free(e);
}

/* A claim that is decided, or whose token is gone, is no longer out. */
static void settle_claim(struct entry *e, enum link_type type)
{
	if (type == LINK_VERDICT || !e->token ||
	    e->token->judge.generation != e->report_generation) {
		e->report_generation = 0;
		e->report = false;
	}
}

static int take_state(struct front_link *f, struct link_message *m, struct err *err)
{
	struct table *t = f->synced ? f->table : &f->next;
	struct entry *e = NULL;
	int rc = -ERR_PROTOCOL;

	switch (m->type) {
	case LINK_CREDENTIAL:
		rc = table_credential(t, &m->credential, &e, err);
		break;
	case LINK_PUBLISH:
		rc = table_publish(t, &m->publish, &e, err);
		break;
	case LINK_DEAD:
		rc = table_dead(t, &m->dead, &e, err);
		break;
	case LINK_VERDICT:
		rc = table_verdict(t, &m->verdict, &e, err);
		break;
	case LINK_PROBLEM:
		rc = table_problem(t, &m->problem, &e, err);
		break;
	default:
		return err_set(err, ERR_PROTOCOL, "the mint sent %s", link_type_name(m->type));
	}
	if (rc < 0)
		return rc;
	settle_claim(e, m->type);
	if (f->synced)
		f->handlers->changed(e, m->type != LINK_CREDENTIAL, f->handlers->arg);
	return 0;
}

static void on_message(const struct link_message *const_m, void *arg)
{
	struct front_link *f = arg;
	struct link_message m = *const_m;
	struct err err = { 0 };
	int rc = 0;

	switch (m.type) {
	case LINK_RULES:
		rc = take_rules(f, &m.rules, &err);
		break;
	case LINK_REMOVE:
		take_remove(f, m.remove.credential);
		break;
	case LINK_SYNCED:
		finish_sync(f);
		break;
	case LINK_COUNT:
		send_counters(f);
		break;
	case LINK_IDENTITY:
		f->handlers->identity(&m.identity, f->handlers->arg);
		break;
	default:
		rc = take_state(f, &m, &err);
	}
	/*
	 * A table that misses something would give wrong answers for ever: a new front gets all of
	 * it again.
	 */
	if (rc < 0)
		f->handlers->fatal(err.text, f->handlers->arg);
}

static void on_writable(void *arg)
{
	struct front_link *f = arg;

	if (!f->have_done)
		send_haves(f);
	if (!f->synced)
		return;
	send_unsent(f);
	if (f->counters_due)
		send_counters(f);
	f->handlers->writable(f->handlers->arg);
}

static void drop(struct front_link *f)
{
	link_close(f->end);
	f->end = NULL;
	f->synced = false;
	f->counters_due = false;
	table_fini(&f->next);
	table_init(&f->next);
	rules_fini(&f->rules);
	f->have_rules = false;
}

/* The parent brings the next one; until then what is believed valid is served and misses wait. */
static void on_closed(void *arg)
{
	struct front_link *f = arg;
	bool other_build = link_other_build(f->end);

	drop(f);
	if (other_build)
		f->handlers->fatal("the mint is of another build", f->handlers->arg);
}

int front_link_use(struct front_link *f, int fd, struct err *err)
{
	drop(f);
	f->have_at = 0;
	f->have_done = false;
	f->end = link_open(f->loop, fd, f->build, &f->link_handlers, err);
	if (!f->end)
		return -ERR_INTERNAL;
	send_haves(f);
	return 0;
}

bool front_link_synced(const struct front_link *f)
{
	return f->synced;
}

struct front_link *front_link_new(struct loop *l, const char *build, struct table *table,
				  const struct front_link_handlers *h, struct err *err)
{
	struct front_link *f = calloc(1, sizeof(*f));

	if (!f) {
		err_oom(err);
		return NULL;
	}
	*f = (struct front_link){ .loop = l, .build = build, .table = table, .handlers = h };
	f->link_handlers = (struct link_handlers){
		.message = on_message,
		.writable = on_writable,
		.closed = on_closed,
		.arg = f,
	};
	table_init(&f->next);
	rules_init(&f->rules);
	list_init(&f->unsent);
	return f;
}

void front_link_free(struct front_link *f)
{
	if (!f)
		return;
	drop(f);
	table_fini(&f->next);
	free(f);
}

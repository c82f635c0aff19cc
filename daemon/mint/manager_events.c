/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manager.WatchEvents: log events as they happen. Nothing is kept for a slow reader but the number of events that it missed.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/manager_parts.h"

enum { DETAILS_MAX = 16 * 1024 };

static const struct log_field *find_field(const struct log_field *fields, size_t n,
					  const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static bool is_header(const char *name)
{
	return strcmp(name, "credential") == 0 || strcmp(name, "uid") == 0 ||
	       strcmp(name, "pid") == 0;
}

static void add_details(struct buf *out, const struct log_field *fields, size_t n)
{
	json_begin_object(out);
	for (size_t i = 0; i < n; i++) {
		if (is_header(fields[i].name))
			continue;
		json_key(out, fields[i].name);
		if (fields[i].text)
			json_add_text(out, fields[i].text);
		else
			json_add_int(out, fields[i].number);
	}
	json_end_object(out);
}

static struct opt_int id_of(const struct log_field *f)
{
	return (struct opt_int){ f ? f->number : 0, f && !f->text && f->number >= 0 };
}

static void send_event(struct client *c, const struct event_reply *e)
{
	struct buf *out = connection_out(c->connection);

	varlink_begin_reply(out);
	fields_encode(&event_reply_table, e, out);
	varlink_end_reply(out, true);
	connection_reply(c->connection, true);
}

/* Keys must need no escaping: the front names its fields in its own messages, which we do not trust so far. */
static bool fields_plain(const struct log_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strpbrk(fields[i].name, "\"\\") || fields[i].name[0] == '\0')
			return false;
	return true;
}

void manager_event(const char *event, const struct log_field *fields, size_t n, void *manager)
{
	struct manager *m = manager;
	const struct log_field *credential = find_field(fields, n, "credential");
	const char *name = credential ? credential->text : NULL;
	struct client *c = m->clients, *next;
	CLEANUP(buf_finip) struct buf details;
	struct event_reply e;

	buf_init(&details, DETAILS_MAX);
	if (!c || !fields_plain(fields, n))
		return;
	add_details(&details, fields, n);
	if (buf_failed(&details))
		return;
	e = (struct event_reply){
		.time = { clock_real_ms() / 1000, true },
		.event = event,
		.credential = name,
		.peer_uid = id_of(find_field(fields, n, "uid")),
		.peer_pid = id_of(find_field(fields, n, "pid")),
		.details = json_root(details.data, details.len),
	};
	for (; c; c = next) {
		next = c->next;
		if (c->waits != WAITS_EVENTS ||
		    (c->credential[0] && (!name || strcmp(name, c->credential) != 0)))
			continue;
		if (connection_busy(c->connection))
			c->lost++;
		else
			send_event(c, &e);
	}
}

void manager_events_drained(struct client *c)
{
	struct log_field lost = F_INT("count", (int64_t)c->lost);
	CLEANUP(buf_finip) struct buf details;
	struct event_reply e = { .time = { clock_real_ms() / 1000, true }, .event = "events.lost" };

	buf_init(&details, DETAILS_MAX);
	if (c->waits != WAITS_EVENTS || !c->lost)
		return;
	add_details(&details, &lost, 1);
	if (buf_failed(&details))
		return;
	e.details = json_root(details.data, details.len);
	c->lost = 0;
	send_event(c, &e);
}

void manager_call_watch_events(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;
	const struct credential_call *p = params;
	struct keeper *k = p->credential ? registry_find_alias(c->manager->registry, p->credential)
					 : NULL;

	(void)call;
	if (p->credential && !k) {
		manager_error(c, MANAGER_INTERFACE ".NoSuchCredential", &credential_required_table,
			      p);
		return;
	}
	snprintf(c->credential, sizeof c->credential, "%s", k ? keeper_name(k) : "");
	c->lost = 0;
	c->waits = WAITS_EVENTS;
}

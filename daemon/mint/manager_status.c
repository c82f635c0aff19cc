/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manager.Status: what the parent, the front and the mint know, put together.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/mint/manager_parts.h"
#include "daemon/mint/publish.h"

enum { LISTENERS_BYTES_MAX = 32 * 1024, TEXTS_MAX = 128 };

void manager_about_fini(struct manager *m)
{
	for (size_t i = 0; i < m->about.n_warnings; i++)
		free(m->about.warnings[i]);
	m->about.n_warnings = 0;
}

static void copy_warnings(struct manager *m, const struct text_list *list)
{
	struct json_iter i;
	struct json_value key, value;

	if (!list->raw.start)
		return;
	i = json_iterate(list->raw);
	while (m->about.n_warnings < MANAGER_WARNINGS_MAX && json_next(&i, &key, &value)) {
		char *text = strdup(json_text(value, NULL));

		if (text)
			m->about.warnings[m->about.n_warnings++] = text;
	}
}

void manager_about(struct manager *m, const struct control_about *about)
{
	manager_about_fini(m);
	m->about.parent_pid = about->parent_pid.value;
	m->about.mint_pid = about->mint_pid.value;
	m->about.front_pid = about->front_pid.value;
	m->about.started_wall = about->started_wall.value;
	m->about.mint_restarts = about->mint_restarts.value;
	m->about.front_restarts = about->front_restarts.value;
	copy_warnings(m, &about->warnings);
}

/* --- collecting texts, the first so many --- */

struct texts {
	const char *items[TEXTS_MAX];
	char *owned[TEXTS_MAX];
	size_t n, n_owned, max, left_out;
};

static void add_text(struct texts *t, const char *text)
{
	if (t->n < t->max)
		t->items[t->n++] = text;
	else
		t->left_out++;
}

/* Takes line. */
static void add_owned(struct texts *t, char *line)
{
	if (line && t->n < t->max)
		t->owned[t->n_owned++] = line;
	else
		free(line);
	if (line)
		add_text(t, line);
}

/* "name: text" */
static void add_line(struct texts *t, const char *name, const char *text)
{
	char *line = NULL;

	if (asprintf(&line, "%s: %s", name, text) >= 0)
		add_owned(t, line);
}

static void texts_fini(struct texts *t)
{
	for (size_t i = 0; i < t->n_owned; i++)
		free(t->owned[i]);
}

static void add_files(struct texts *t, const struct config_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		if (files->items[i].look)
			add_text(t, files->items[i].path);
}

static void add_notes(struct texts *t, const struct config_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		add_text(t, notes->items[i].text);
}

static void add_front(struct texts *t, const struct link_counters *c)
{
	struct json_iter i;
	struct json_value key, value;

	if (!c) {
		add_text(t, "the front does not answer");
		return;
	}
	if (!c->warnings.raw.start)
		return;
	i = json_iterate(c->warnings.raw);
	while (json_next(&i, &key, &value))
		add_text(t, json_text(value, NULL));
}

static const char *arena_warning(void)
{
	return secret_arena_kind() == SECRET_ARENA_PLAIN
		       ? "RLIMIT_MEMLOCK is too small: secrets of the mint may be swapped out"
		       : NULL;
}

static void add_store(struct texts *t, struct registry *r)
{
	struct store *s = registry_store(r);

	if (store_state(s) != STORE_OK)
		add_text(t, store_why(s));
	if (*store_key_note(s))
		add_text(t, store_key_note(s));
}

static int list_folder(const char *folder, const char *suffix, struct config_list *names)
{
	CLEANUP(config_notes_fini) struct config_notes unheard = { 0 };

	return config_list_dir(folder, folder, suffix, CONFIG_ANY_OWNER, &unheard, names, NULL);
}

static int by_drop_in(const void *name, const void *dir)
{
	const char *of = *(const char *const *)dir;
	size_t size = strlen(name);
	int order = strncmp(name, of, size);

	return order != 0 ? order : strcmp(".conf.d", of + size);
}

/* A credential that is another one than when it was read, or a file of one that there was not. NULL: none, or no memory. Of thousands each costs one system call. */
static char *find_stale(struct registry *r, const char *folder, enum config_change *change)
{
	CLEANUP(config_list_fini) struct config_list names = { 0 }, dirs = { 0 };
	char *path = NULL;

	if (list_folder(folder, ".conf", &names) < 0 || list_folder(folder, ".conf.d", &dirs) < 0)
		return NULL;
	for (size_t i = 0; i < registry_count(r) && !path; i++) {
		struct keeper *k = registry_at(r, i);
		bool alone = !dirs.n || !bsearch(keeper_name(k), dirs.items, dirs.n,
						 sizeof *dirs.items, by_drop_in);

		*change = config_compare(&keeper_credential(k)->files, alone ? CONFIG_ALONE : 0,
					 &path);
	}
	for (size_t i = 0; i < names.n && !path; i++) {
		CLEANUP(cleanup_free)
		char *name = strndup(names.items[i], strlen(names.items[i]) - strlen(".conf"));

		*change = CONFIG_ADDED;
		if (name && !registry_find(r, name) &&
		    asprintf(&path, "%s/%s", folder, names.items[i]) < 0)
			return NULL;
	}
	return path;
}

/* "FILE was changed since it was read", the first one. */
static void add_stale(struct texts *t, struct registry *r)
{
	const struct config_files *files = &registry_settings(r)->files;
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *folder = NULL;
	enum config_change change = config_compare(files, 0, &path);
	char *line = NULL;

	if (!files->n)
		return;
	if (asprintf(&folder, "%.*s/credentials",
		     (int)(strrchr(files->items[0].path, '/') - files->items[0].path),
		     files->items[0].path) < 0) {
		folder = NULL;
		return;
	}
	if (!path)
		path = find_stale(r, folder, &change);
	if (path &&
	    asprintf(&line, "%s %s: sftoken reload", path, config_change_words[change]) >= 0)
		add_owned(t, line);
}

/* What a person has to know of, or give to, single credentials. */
static void add_credentials(struct texts *t, struct registry *r)
{
	for (size_t i = 0; i < registry_count(r); i++) {
		struct keeper *k = registry_at(r, i);
		const char *unknown = keeper_unknown(k),
			   *missing = credential_missing(keeper_credential(k));

		if (unknown)
			add_line(t, keeper_name(k), unknown);
		if (missing)
			add_line(t, keeper_name(k), missing);
	}
}

static void add_warnings(struct texts *t, const struct manager *m, const struct link_counters *c)
{
	const struct config_notes *notes = m->handlers.warnings(m->handlers.arg);

	add_store(t, m->registry);
	add_stale(t, m->registry);
	for (size_t i = 0; i < m->about.n_warnings; i++)
		add_text(t, m->about.warnings[i]);
	add_credentials(t, m->registry);
	if (notes)
		add_notes(t, notes);
	if (arena_warning())
		add_text(t, arena_warning());
	add_front(t, c);
}

/* --- listeners --- */

int64_t manager_front_connections(const struct link_counters *c, const char *name)
{
	struct json_iter i;
	struct json_value key, value;

	if (!c || !c->listeners.start || json_type(c->listeners) != JSON_OBJECT)
		return 0;
	i = json_iterate(c->listeners);
	while (json_next(&i, &key, &value))
		if (json_is(key, name) && json_type(value) == JSON_INT)
			return json_int(value);
	return 0;
}

static void add_listener(struct buf *out, const struct listener_info *info)
{
	fields_encode(&listener_info_table, info, out);
}

static void add_listeners(struct buf *out, const struct manager *m, const struct link_counters *c)
{
	const struct listener_settings *l = registry_settings(m->registry)->listeners;

	json_begin_array(out);
	for (; l; l = l->next) {
		bool manager = l->interface == LISTENER_MANAGER;
		struct listener_info info = {
			.name = l->name,
			.protocol = l->interface == LISTENER_CREDENTIAL ? "credential" : "varlink",
			.address = l->path ? l->path : "",
			.role = settings_interface_names[l->interface],
			.connections = { manager ? (int64_t)m->n_clients : manager_front_connections(c, l->name), true },
		};

		if (!l->disabled && !l->on_demand)
			add_listener(out, &info);
	}
	json_end_array(out);
}

/* --- the reply --- */

static struct opt_int some(int64_t value)
{
	return (struct opt_int){ value, true };
}

/* What the caller owns while the reply is written. */
struct parts {
	struct texts files, warnings;
	struct buf listeners;
	char more_files[80], more_warnings[80];
};

static void collect(struct parts *p, const struct manager *m, const struct link_counters *c)
{
	buf_init(&p->listeners, LISTENERS_BYTES_MAX);
	p->files = (struct texts){ .max = MANAGER_FILES_MAX };
	p->warnings = (struct texts){ .max = MANAGER_WARNINGS_MAX };
	add_files(&p->files, &registry_settings(m->registry)->files);
	for (size_t i = 0; i < registry_count(m->registry); i++)
		add_files(&p->files, &keeper_credential(registry_at(m->registry, i))->files);
	add_warnings(&p->warnings, m, c);
	p->warnings.max = TEXTS_MAX; /* what is left out is one more warning */
	if (p->files.left_out) {
		snprintf(p->more_files, sizeof p->more_files,
			 "%zu more configuration files are not listed", p->files.left_out);
		add_text(&p->warnings, p->more_files);
	}
	if (p->warnings.left_out) {
		snprintf(p->more_warnings, sizeof p->more_warnings,
			 "%zu more warnings are not listed", p->warnings.left_out);
		add_text(&p->warnings, p->more_warnings);
	}
	add_listeners(&p->listeners, m, c);
}

static void answer(struct client *client, struct parts *p)
{
	struct manager *m = client->manager;
	struct status_reply reply = {
		.version = SFTOKEN_VERSION,
		.started_at = some(m->about.started_wall),
		.ready = { m->handlers.ready(m->handlers.arg), true },
		.parent_pid = some(m->about.parent_pid),
		.mint_pid = some(m->about.mint_pid),
		.front_pid = some(m->about.front_pid),
		.store = (int)store_state(registry_store(m->registry)),
		.configuration_files = { .items = p->files.items, .n = p->files.n },
		.warnings = { .items = p->warnings.items, .n = p->warnings.n },
	};

	if (!buf_failed(&p->listeners))
		reply.listeners = json_root(p->listeners.data, p->listeners.len);
	manager_reply(client, &status_reply_table, &reply);
}

void manager_call_status(void *client, const struct varlink_call *call, const void *params)
{
	struct client *c = client;

	(void)call;
	(void)params;
	c->waits = WAITS_STATUS;
	publish_count(c->manager->publish);
}

void manager_counters(struct manager *m, const struct link_counters *counters)
{
	struct parts parts;
	struct client *c = m->clients, *next;

	manager_metrics_counted(m, counters);
	while (c && c->waits != WAITS_STATUS)
		c = c->next;
	if (!c) /* nobody looks at the files for nothing */
		return;
	collect(&parts, m, counters);
	for (; c; c = next) {
		next = c->next;
		if (c->waits == WAITS_STATUS)
			answer(c, &parts);
	}
	texts_fini(&parts.warnings);
	buf_fini(&parts.listeners);
}

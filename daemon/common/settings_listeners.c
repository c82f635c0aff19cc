/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [Listener NAME], and the sockets that are there without any section.
 */
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "daemon/common/settings_parts.h"

enum { SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 };

static const struct {
	const char *name, *file;
	int interface;
} builtin[] = {
	{ "broker", "io.sftoken.Broker", LISTENER_BROKER },
	{ "manager", "io.sftoken.Manager", LISTENER_MANAGER },
	{ "credential", "credential.sock", LISTENER_CREDENTIAL },
};
enum { BUILTIN = sizeof(builtin) / sizeof(builtin[0]) };

static int builtin_index(const char *name)
{
	for (int i = 0; i < BUILTIN; i++)
		if (!strcmp(builtin[i].name, name))
			return i;
	return -1;
}

const char *settings_listener_file(const char *name)
{
	int i = builtin_index(name);

	return i >= 0 ? builtin[i].file : NULL;
}

static void listener_free(struct listener_settings *l)
{
	config_section_fini(settings_section("Listener "), l);
	free(l->name);
	free(l);
}
DEFINE_CLEANUP(struct listener_settings *, listener_free)

void settings_listeners_free(struct listener_settings *list)
{
	while (list) {
		struct listener_settings *next = list->next;

		listener_free(list);
		list = next;
	}
}

static struct listener_settings *listener_new(const char *name)
{
	CLEANUP(listener_freep) struct listener_settings *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->name = strdup(name);
	if (!l->name || config_defaults(settings_section("Listener "), l, NULL) < 0)
		return NULL;
	return TAKE(l);
}

void *settings_listener_named(void *settings, const char *name)
{
	struct settings *s = settings;
	struct listener_settings **at = &s->listeners;

	for (; *at; at = &(*at)->next)
		if (!strcmp((*at)->name, name))
			return *at;
	*at = listener_new(name);
	return *at;
}

/* What Interface= means where it is not written. */
static int interface_of(const struct listener_settings *l)
{
	int i = builtin_index(l->name);

	if (l->interface >= 0)
		return l->interface;
	return i >= 0 ? builtin[i].interface : LISTENER_BROKER;
}

static void note(const struct settings *s, const struct listener_settings *l, const char *key,
		 struct config_notes *notes, const char *text)
{
	char title[128];
	const char *file;
	unsigned line;

	snprintf(title, sizeof(title), "Listener %s", l->name);
	settings_note_at(s, title, key, &file, &line);
	config_note(notes, file, line, "[%s] %s", title, text);
}

static bool path_assigned(const struct settings *s, const struct listener_settings *l)
{
	char title[128];
	const char *file;
	unsigned line;

	snprintf(title, sizeof(title), "Listener %s", l->name);
	config_origin_of(s->origin, title, "Path", &file, &line);
	return file != NULL;
}

static bool globs_ok(const struct config_list *globs)
{
	for (size_t i = 0; i < globs->n; i++) {
		size_t n = strspn(
			globs->items[i],
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-*?[]!");

		if (globs->items[i][n] || n > 256)
			return false;
	}
	return true;
}

static void check_path(const struct settings *s, const struct listener_settings *l,
		       struct config_notes *notes)
{
	if (l->path && l->path[0] != '/')
		note(s, l, "Path", notes, "Path= is not absolute — begin it with /");
	else if (l->path && strlen(l->path) > SOCKET_PATH_MAX)
		note(s, l, "Path", notes,
		     "Path= has more than 107 bytes, which no socket can have — shorten it");
	else if (!l->path && !l->fd_name && builtin_index(l->name) < 0 && !path_assigned(s, l))
		note(s, l, "Path", notes, "Path= is missing — say where the socket is");
}

/* Without empty and "." parts; ".." goes back one. */
static void tidy(char *path)
{
	char *to = path;

	for (const char *at = path + strspn(path, "/"); *at; at += strspn(at, "/")) {
		size_t n = strcspn(at, "/");

		if (n == 2 && at[0] == '.' && at[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (n != 1 || at[0] != '.') {
			*to++ = '/';
			memmove(to, at, n);
			to += n;
		}
		at += n;
	}
	*to = '\0';
}

/* The directory is looked up if it is there: /var/run is /run. *out is the caller's, NULL for no memory. */
static void plain_path(const char *path, char **out)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(cleanup_free) char *directory = strndup(path, (size_t)(slash - path) + 1);
	CLEANUP(cleanup_free) char *real = directory ? realpath(directory, NULL) : NULL;

	if (!directory || asprintf(out, "%s/%s", real ? real : directory, slash + 1) < 0)
		*out = NULL;
	else
		tidy(*out);
}

static bool same_socket(const char *a, const char *b)
{
	CLEANUP(cleanup_free) char *x = NULL;
	CLEANUP(cleanup_free) char *y = NULL;

	if (a[0] != '/' || b[0] != '/')
		return false;
	plain_path(a, &x);
	plain_path(b, &y);
	return x && y && !strcmp(x, y);
}

/* Whether the built-in one of that name is where it always is. */
static bool at_its_place(const struct settings *s, const char *name)
{
	for (const struct listener_settings *l = s->listeners; l; l = l->next)
		if (!strcmp(l->name, name))
			return !l->disabled && !l->path && !l->fd_name;
	return true;
}

/* The second socket of a path takes it from the first. */
static void check_same(const struct settings *s, const struct listener_settings *l,
		       const struct places *places, struct config_notes *notes)
{
	if (!l->path)
		return;
	for (const struct listener_settings *other = s->listeners; other != l; other = other->next)
		if (other->path && !other->disabled && same_socket(other->path, l->path))
			note(s, l, "Path", notes,
			     "Path= is the one of another [Listener] — choose another");
	for (int i = 0; i < BUILTIN; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		char text[128];

		if (!at_its_place(s, builtin[i].name) ||
		    asprintf(&path, "%s/%s", places->runtime_dir, builtin[i].file) < 0) {
			path = NULL;
			continue;
		}
		snprintf(text, sizeof(text),
			 "Path= is the one of the built-in [Listener %s] — choose another",
			 builtin[i].name);
		if (same_socket(path, l->path))
			note(s, l, "Path", notes, text);
	}
}

/* The socket is made by its unit: what would be done to it here cannot be. */
static void check_fd_name(const struct settings *s, const struct listener_settings *l,
			  struct config_notes *notes)
{
	if (!l->fd_name)
		return;
	if (l->path)
		note(s, l, "Path", notes,
		     "Path= does not fit FileDescriptorName= — ListenStream= of the socket unit says "
		     "where it is");
	if (l->mode >= 0)
		note(s, l, "Mode", notes,
		     "Mode= does not fit FileDescriptorName= — use SocketMode= of the socket unit");
	if (l->group)
		note(s, l, "Group", notes,
		     "Group= does not fit FileDescriptorName= — use SocketGroup= of the socket unit");
	for (const struct listener_settings *other = s->listeners; other != l; other = other->next)
		if (other->fd_name && !other->disabled && !strcmp(other->fd_name, l->fd_name))
			note(s, l, "FileDescriptorName", notes,
			     "FileDescriptorName= is the one of another [Listener] — choose "
			     "another");
}

static void check_one(const struct settings *s, const struct listener_settings *l,
		      const struct places *places, struct config_notes *notes)
{
	int i = builtin_index(l->name);

	if (l->disabled)
		return;
	if (i >= 0 && l->interface >= 0 && l->interface != builtin[i].interface)
		note(s, l, "Interface", notes,
		     "Interface= cannot be changed for this name — choose another name for the "
		     "section");
	if (interface_of(l) == LISTENER_MANAGER && l->credentials.n)
		note(s, l, "Credential", notes,
		     "Credential= does not fit Interface=manager — remove the line");
	if (!globs_ok(&l->credentials))
		note(s, l, "Credential", notes,
		     "Credential= holds something that no name matches — names or globs with * ? [ "
		     "]");
	check_path(s, l, notes);
	check_fd_name(s, l, notes);
	check_same(s, l, places, notes);
}

void settings_check_listeners(const struct settings *s, const struct places *places,
			      struct config_notes *notes)
{
	for (const struct listener_settings *l = s->listeners; l; l = l->next)
		check_one(s, l, places, notes);
}

static bool is_written(const struct settings *s, const char *name)
{
	const struct listener_settings *lists[] = { s->listeners, s->disabled };

	for (size_t i = 0; i < 2; i++)
		for (const struct listener_settings *l = lists[i]; l; l = l->next)
			if (!strcmp(l->name, name))
				return true;
	return false;
}

/* Puts the built-in ones that no section names at the front; the one that may not be wanted at the end. */
static int add_builtin(struct settings *s, struct err *err)
{
	for (int i = BUILTIN - 1; i >= 0; i--) {
		struct listener_settings **at = &s->listeners, *added;

		if (is_written(s, builtin[i].name))
			continue;
		added = listener_new(builtin[i].name);
		if (!added)
			return err_oom(err);
		added->on_demand = builtin[i].interface == LISTENER_CREDENTIAL;
		while (added->on_demand && *at)
			at = &(*at)->next;
		added->next = *at;
		*at = added;
	}
	return 0;
}

void settings_demand_loads(struct settings *s)
{
	for (struct listener_settings *l = s->listeners; l; l = l->next)
		l->on_demand = false;
}

static void take_out_disabled(struct settings *s)
{
	struct listener_settings **at = &s->listeners;

	while (*at) {
		struct listener_settings *l = *at;

		if (!l->disabled) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->next = s->disabled;
		s->disabled = l;
	}
}

/* Where it is, its unit says; this is a name for people. */
static int name_by_fd(struct listener_settings *l, struct err *err)
{
	if (l->path || asprintf(&l->path, "systemd:%s", l->fd_name) >= 0)
		return 0;
	l->path = NULL;
	return err_oom(err);
}

static int complete(struct listener_settings *l, const struct places *places, struct err *err)
{
	int i = builtin_index(l->name);

	l->interface = interface_of(l);
	if (l->fd_name)
		return name_by_fd(l, err);
	if (!l->path && i >= 0 &&
	    asprintf(&l->path, "%s/%s", places->runtime_dir, builtin[i].file) < 0) {
		l->path = NULL;
		return err_oom(err);
	}
	if (!l->path || strlen(l->path) > SOCKET_PATH_MAX)
		return err_set(err, ERR_ADMIN,
			       "the socket of [Listener %s] would have more than 107 bytes, which "
			       "no socket can have — give a "
			       "shorter --runtime",
			       l->name);
	return 0;
}

const struct listener_settings *settings_listeners(struct settings *s, const struct places *places,
						   struct err *err)
{
	take_out_disabled(s);
	if (add_builtin(s, err) < 0)
		return NULL;
	for (struct listener_settings *l = s->listeners; l; l = l->next)
		if (complete(l, places, err) < 0)
			return NULL;
	if (s->listeners && (!s->listeners->on_demand || s->listeners->next))
		return s->listeners;
	err_set(err, ERR_ADMIN, "every [Listener] is disabled — nobody could reach the daemon");
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftokend.conf read and judged, and where its directories are.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/common/settings_parts.h"
#include "daemon/common/url.h"

#define MAIN_FILE "sftokend.conf"

/* --- where things are --- */

/* An absolute copy of path. */
static char *absolute(const char *path)
{
	CLEANUP(cleanup_free) char *here = NULL;
	char *whole = NULL;

	if (path[0] == '/')
		return strdup(path);
	here = getcwd(NULL, 0);
	if (!here || asprintf(&whole, "%s/%s", here, path) < 0)
		return NULL;
	return whole;
}

/* $NAME/sftokend if it is absolute (XDG Base Directory Specification), else home/below/sftokend;
 * NULL with err. */
static char *xdg(const char *name, const char *below, const char *option, struct err *err)
{
	const char *base = getenv(name), *home = getenv("HOME");
	char *path = NULL;
	int n;

	if (base && base[0] == '/') {
		n = asprintf(&path, "%s/sftokend", base);
	} else if (!below) {
		err_set(err, ERR_ADMIN, "%s is not set — give %s DIR", name, option);
		return NULL;
	} else if (home && home[0] == '/') {
		n = asprintf(&path, "%s/%s/sftokend", home, below);
	} else {
		err_set(err, ERR_ADMIN, "neither %s nor HOME is set — give %s DIR", name, option);
		return NULL;
	}
	if (n < 0) {
		err_oom(err);
		return NULL;
	}
	return path;
}

static int resolve(char **dir, const char *given, bool user_mode, const char *fixed,
		   const char *name, const char *below, const char *option, struct err *err)
{
	free(*dir);
	*dir = NULL;
	if (given && !*given)
		return err_set(err, ERR_ADMIN, "%s is empty — give %s DIR", option, option);
	if (!given && user_mode) {
		*dir = xdg(name, below, option, err);
		return *dir ? 0 : -err->code;
	}
	*dir = absolute(given ? given : fixed);
	return *dir ? 0 : err_errno(err, ERR_ADMIN, errno, "cannot resolve %s", option);
}

int places_resolve(struct places *p, struct err *err)
{
	struct err spare = { 0 };
	int r;

	err = err ? err : &spare;
	r = resolve(&p->config_dir, p->config_option, p->user_mode, "/etc/sftokend",
		    "XDG_CONFIG_HOME", ".config", "--config", err);
	if (r == 0)
		r = resolve(&p->state_dir, p->state_option, p->user_mode, "/var/lib/sftokend",
			    "XDG_STATE_HOME", ".local/state", "--state", err);
	if (r == 0)
		r = resolve(&p->runtime_dir, p->runtime_option, p->user_mode, "/run/sftokend",
			    "XDG_RUNTIME_DIR", NULL, "--runtime", err);
	return r;
}

void places_fini(struct places *p)
{
	free(p->config_dir);
	free(p->state_dir);
	free(p->runtime_dir);
	free(p->config_option);
	free(p->state_option);
	free(p->runtime_option);
	*p = (struct places){ 0 };
}

/* --- settings --- */

struct settings *settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

struct settings *settings_unref(struct settings *s)
{
	if (!s || --s->refs > 0)
		return NULL;
	for (size_t i = 0; i < settings_n_sections; i++)
		if (!settings_sections[i].named)
			config_section_fini(&settings_sections[i], s);
	settings_listeners_free(s->listeners);
	settings_listeners_free(s->disabled);
	config_origin_free(s->origin);
	config_files_fini(&s->files);
	free(s);
	return NULL;
}

void settings_note_at(const struct settings *s, const char *section, const char *key,
		      const char **file, unsigned *line)
{
	config_origin_of(s->origin, section, key, file, line);
	if (!*file)
		*file = s->files.n ? s->files.items[0].path : MAIN_FILE;
}

#define NOTE(s, notes, section, key, ...) \
	do { \
		const char *note_file; \
		unsigned note_line; \
		settings_note_at(s, section, key, &note_file, &note_line); \
		config_note(notes, note_file, note_line, __VA_ARGS__); \
	} while (0)

bool settings_is_template(const char *unit)
{
	size_t n = strspn(unit,
			  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\-");

	return n > 0 && (!strcmp(unit + n, "@") || !strcmp(unit + n, "@.service"));
}

static void check_daemon(const struct settings *s, struct config_notes *notes)
{
	const char *user = s->daemon.user, *group = s->daemon.admin_group;

	if (user && strpbrk(user, " \t:/"))
		NOTE(s, notes, "Daemon", "User",
		     "User= is not a user name — write a name or a number");
	if (group && strpbrk(group, " \t:/"))
		NOTE(s, notes, "Daemon", "AdminGroup",
		     "AdminGroup= is not a group name — write a name or a number");
	if (s->daemon.on_event && !settings_is_template(s->daemon.on_event))
		NOTE(s, notes, "Daemon", "OnEvent",
		     "OnEvent=%.60s is not a template unit — write NAME@.service, as in "
		     "OnEvent=sftoken-mail@.service",
		     s->daemon.on_event);
}

static void check_proxy(struct settings *s, struct config_notes *notes)
{
	struct url u;
	struct err why = { 0 };

	if (!s->network.proxy)
		return;
	if (url_parse(s->network.proxy, &u, &why) < 0)
		NOTE(s, notes, "Network", "Proxy", "Proxy=: %s", why.text);
	else if (u.https || (u.path[0] && strcmp(u.path, "/")))
		NOTE(s, notes, "Network", "Proxy",
		     "Proxy= is not an HTTP proxy — write http://HOST:PORT");
	else
		return;
	/* it may hold a password: it is not printed */
	free(s->network.proxy);
	s->network.proxy = NULL;
}

static void check_network(struct settings *s, struct config_notes *notes)
{
	const char *ca = s->network.ca_file, *file;
	struct stat st;
	unsigned line;

	if (ca && ca[0] != '/')
		NOTE(s, notes, "Network", "CaFile", "CaFile= is not absolute — begin it with /");
	else if (ca && stat(ca, &st) < 0)
		NOTE(s, notes, "Network", "CaFile",
		     "CaFile=%s: %s — name a PEM file with certificates", ca, strerror(errno));
	else if (ca && !S_ISREG(st.st_mode))
		NOTE(s, notes, "Network", "CaFile",
		     "CaFile=%s is not a regular file — name a PEM file with certificates", ca);
	/* blame the one that was written */
	config_origin_of(s->origin, "Network", "ConnectTimeout", &file, &line);
	if (s->network.connect_timeout_ms > s->network.timeout_ms)
		NOTE(s, notes, "Network", file ? "ConnectTimeout" : "Timeout",
		     "ConnectTimeout= is longer than Timeout= — make it shorter");
	for (size_t i = 0; i < s->network.allowed_hosts.n; i++)
		if (!url_pattern_ok(s->network.allowed_hosts.items[i]))
			NOTE(s, notes, "Network", "AllowedHosts",
			     "AllowedHosts=%.60s is not a host — write HOST, HOST:PORT or *.DOMAIN",
			     s->network.allowed_hosts.items[i]);
	check_proxy(s, notes);
}

/* Its form alone: the value is for the mint to read. */
static void check_store(struct settings *s, struct config_notes *notes)
{
	const char *key = s->store.key;

	if (!key || !strcmp(key, "auto") || !strncmp(key, "file:", 5) ||
	    !strncmp(key, "credential:", 11))
		return;
	if (!strncmp(key, "pkcs11:", 7) || !strncmp(key, "handle:", 7))
		NOTE(s, notes, "Store", "Key",
		     "Key=%.7s is not available in this version — write credential:ID, file:PATH "
		     "or auto",
		     key);
	else if (!strncmp(key, "stored:", 7))
		NOTE(s, notes, "Store", "Key",
		     "Key=stored: cannot be: it is the key that opens the store — write "
		     "credential:ID, file:PATH or auto");
	else
		NOTE(s, notes, "Store", "Key",
		     "Key= is not a reference — secrets are never in this file: write "
		     "credential:ID, file:PATH or auto");
	/* it may be the key itself: it is not printed */
	cleanup_free(&s->store.key);
}

static void check_limits(const struct settings *s, struct config_notes *notes)
{
	const struct limits *l = &s->limits;
	const struct {
		const char *lesser_key, *greater_key;
		int64_t lesser, greater;
	} pairs[] = {
		{ "DefaultWait", "MaxWait", l->default_wait_ms, l->max_wait_ms },
		{ "UnchangedRetryFirst", "UnchangedRetryMax", l->unchanged_retry_first_ms,
		  l->unchanged_retry_max_ms },
		{ "SuspendedRetryFirst", "SuspendedRetryMax", l->suspended_retry_first_ms,
		  l->suspended_retry_max_ms },
		{ "BackoffFirst", "BackoffMax", l->backoff_first_ms, l->backoff_max_ms },
		{ "RestartFirst", "RestartMax", l->restart_first_ms, l->restart_max_ms },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *file;
		unsigned line;

		if (pairs[i].lesser <= pairs[i].greater)
			continue;
		/* blame the one that was written */
		config_origin_of(s->origin, "Limits", pairs[i].lesser_key, &file, &line);
		NOTE(s, notes, "Limits", file ? pairs[i].lesser_key : pairs[i].greater_key,
		     "%s= is more than %s= — change one of them", pairs[i].lesser_key,
		     pairs[i].greater_key);
	}
	if (l->reserved_connections >= l->max_connections)
		NOTE(s, notes, "Limits", "MaxConnections",
		     "MaxConnections=%lld leaves nothing beside ReservedConnections=%lld — change "
		     "one of them",
		     (long long)l->max_connections, (long long)l->reserved_connections);
}

static void check_directory(const struct places *places, struct config_notes *notes)
{
	struct stat st;

	if (stat(places->config_dir, &st) == 0 && !S_ISDIR(st.st_mode))
		config_note(notes, places->config_dir, 0,
			    "it is not a directory — give --config DIR");
	else if (access(places->config_dir, F_OK) < 0 && (errno != ENOENT || places->config_option))
		config_note(notes, places->config_dir, 0,
			    "cannot be opened: %s — create it or give another --config",
			    strerror(errno));
}

struct settings *settings_read(const struct places *places, uid_t service_uid,
			       struct config_notes *notes, struct err *err)
{
	CLEANUP(settings_unrefp) struct settings *s = calloc(1, sizeof(*s));
	CLEANUP(config_list_fini) struct config_list names = { 0 };

	if (!s) {
		err_oom(err);
		return NULL;
	}
	s->refs = 1;
	check_directory(places, notes);
	/* only to judge the directory itself */
	if (config_list_dir(places->config_dir, places->config_dir, ".conf", service_uid, notes,
			    &names, err) < 0)
		return NULL;
	if (config_read(places->config_dir, MAIN_FILE, 0, settings_sections, settings_n_sections, s,
			service_uid, notes, &s->origin, &s->files, err) < 0)
		return NULL;
	check_daemon(s, notes);
	check_network(s, notes);
	check_store(s, notes);
	check_limits(s, notes);
	settings_check_listeners(s, places, notes);
	if (notes->out_of_memory) {
		err_oom(err);
		return NULL;
	}
	return TAKE(s);
}

void settings_print(struct buf *out, const struct settings *s)
{
	for (size_t i = 0; i < settings_n_sections; i++) {
		const struct config_section *section = &settings_sections[i];

		if (section->named || section->keys[0].type == CONFIG_LATER)
			continue;
		config_print_section(out, section, section->name, s, s->origin);
		buf_add_char(out, '\n');
	}
	for (const struct listener_settings *l = s->listeners; l; l = l->next) {
		char title[128];

		if (l->on_demand)
			continue;
		snprintf(title, sizeof(title), "Listener %s", l->name);
		config_print_section(out, settings_section("Listener "), title, l, s->origin);
		buf_add_char(out, '\n');
	}
}

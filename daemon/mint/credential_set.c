/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All credentials of the configuration directory, and what concerns more than one of them.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/grow.h"
#include "daemon/mint/credential_parts.h"

#define FOLDER "credentials"
#define SUFFIX ".conf"

static int add(struct credential_set *set, struct credential *c, struct err *err)
{
	struct credential **items = grow_by_one(set->items, set->n, sizeof(struct credential *));

	if (!items)
		return err_oom(err);
	set->items = items;
	items[set->n++] = credential_ref(c);
	return 0;
}

/* file: "NAME.conf", below credentials/. */
static int read_credential(struct credential_set *set, const struct places *places,
			   const char *file, bool drop_ins, const struct credential_check *check,
			   struct err *err)
{
	CLEANUP(cleanup_free) char *name = strndup(file, strlen(file) - strlen(SUFFIX));
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(credential_unrefp) struct credential *c = name ? credential_new(name) : NULL;

	if (!c || asprintf(&path, FOLDER "/%s", file) < 0) {
		path = NULL;
		return err_oom(err);
	}
	if (config_read(places->config_dir, path, CONFIG_REQUIRED | (drop_ins ? 0 : CONFIG_ALONE),
			credential_sections, credential_n_sections, c, check->service_uid,
			check->notes, &c->origin, &c->files, err) < 0)
		return -ERR_INTERNAL;
	if (!c->files.n)
		return 0; /* it could not be read, and that has been said */
	if (!credential_name_ok(name))
		config_note(check->notes, c->files.items[0].path, 0,
			    "the file's name is no name of a credential — letters, digits and . _ "
			    "@ - (at most 128, a letter or digit first)");
	if (credential_check(c, check, err) < 0 || credential_resolve_access(c, check, err) < 0)
		return -ERR_INTERNAL;
	credential_check_rules(c, check);
	return add(set, c, err);
}

/* What is in order already, and it mostly is, costs one look at each. */
static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	const char *at = items;

	for (size_t i = 1; i < n; i++, at += size)
		if (compare(at, at + size) > 0) {
			qsort(items, n, size, compare);
			return;
		}
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct credential *const *)a)->name,
		      (*(struct credential *const *)b)->name);
}

/* One name or alias and whose it is. */
struct owned_name {
	const char *text;
	const struct credential *owner;
	bool alias;
};

static int by_text(const void *a, const void *b)
{
	const struct owned_name *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	if (order)
		return order;
	order = (int)x->alias - (int)y->alias;
	return order ? order : strcmp(x->owner->name, y->owner->name);
}

static void note_clash(const struct owned_name *first, const struct owned_name *second,
		       struct config_notes *notes)
{
	const char *file;
	unsigned line;

	credential_note_at(first->owner, "Credential", first->alias ? "Alias" : "", &file, &line);
	if (first->owner == second->owner)
		CREDENTIAL_NOTE(
			second->owner, notes, "Credential", "Alias",
			"Alias=%.60s is there twice, or is the credential's own name — remove it",
			second->text);
	else
		CREDENTIAL_NOTE(second->owner, notes, "Credential", "Alias",
				"Alias=%.60s is already %s in %s — choose another", second->text,
				first->alias ? "an alias" : "the name of the credential", file);
}

/* Names and aliases share one name space. */
static int check_clashes(const struct credential_set *set, struct config_notes *notes,
			 struct err *err)
{
	CLEANUP(cleanup_free) struct owned_name *names = NULL;
	size_t n = 0, room = 1;

	for (size_t i = 0; i < set->n; i++)
		room += 1 + set->items[i]->aliases.n;
	names = calloc(room, sizeof(*names));
	if (!names)
		return err_oom(err);
	for (size_t i = 0; i < set->n; i++) {
		const struct credential *c = set->items[i];

		names[n++] = (struct owned_name){ c->name, c, false };
		for (size_t j = 0; j < c->aliases.n; j++)
			names[n++] = (struct owned_name){ c->aliases.items[j], c, true };
	}
	sort(names, n, sizeof(*names), by_text);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(names[i - 1].text, names[i].text))
			note_clash(&names[i - 1], &names[i], notes);
	return 0;
}

static bool glob_matches(const struct credential_set *set, const char *glob)
{
	for (size_t i = 0; i < set->n; i++)
		if (fnmatch(glob, set->items[i]->name, 0) == 0)
			return true;
	return false;
}

static void check_listener(const struct credential_set *set, const struct settings *s,
			   const struct listener_settings *l, struct config_notes *warnings)
{
	char title[128];
	const char *file;
	unsigned line;

	snprintf(title, sizeof(title), "Listener %s", l->name);
	config_origin_of(s->origin, title, "Credential", &file, &line);
	for (size_t i = 0; i < l->credentials.n; i++)
		if (!glob_matches(set, l->credentials.items[i]))
			config_note(
				warnings, file ? file : "sftokend.conf", line,
				"[%s] Credential=%.60s matches no credential — mend or remove it",
				title, l->credentials.items[i]);
}

/* Connecting takes leave to write. Without Mode= and Group= it is for administrators, who may do all anyway. */
static bool others_reach(const struct listener_settings *l)
{
	if (l->disabled || l->interface != LISTENER_MANAGER)
		return false;
	return (l->mode >= 0 && (l->mode & 0002)) || (l->group && (l->mode < 0 || l->mode & 0020));
}

/* interfaces.md 1: AllowLogin= is no use to people who cannot connect. */
static void check_logins(const struct credential_set *set, const struct settings *s,
			 struct config_notes *warnings)
{
	for (const struct listener_settings *l = s->listeners; l; l = l->next)
		if (others_reach(l))
			return;
	for (size_t i = 0; i < set->n; i++) {
		if (!set->items[i]->allow_login.n)
			continue;
		CREDENTIAL_NOTE(
			set->items[i], warnings, "Access", "AllowLogin",
			"AllowLogin= names people who reach no socket to log in at — add [Listener "
			"logins] with Interface=manager, Path= and Group= to sftokend.conf");
		return; /* once is enough */
	}
}

/* The listener for them is there without a section, but a section may have taken it away. */
static bool loads_reach(const struct settings *s)
{
	const struct listener_settings *off = NULL;

	for (const struct listener_settings *l = s->listeners; l; l = l->next) {
		if (!strcmp(l->name, "credential") && l->disabled)
			off = l;
		else if (l->interface == LISTENER_CREDENTIAL && !l->disabled)
			return true;
	}
	return !off;
}

static void check_loads(const struct credential_set *set, const struct settings *s,
			struct config_notes *warnings)
{
	if (loads_reach(s))
		return;
	for (size_t i = 0; i < set->n; i++) {
		if (!set->items[i]->load_units.n)
			continue;
		CREDENTIAL_NOTE(set->items[i], warnings, "Access", "LoadCredentialUnit",
				"LoadCredentialUnit= names units that reach no socket — remove "
				"Disabled= of [Listener credential]");
		return;
	}
}

bool credential_set_loads(const struct credential_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i]->load_units.n)
			return true;
	return false;
}

/* What the settings say about credentials. */
static void check_settings(const struct credential_set *set, const struct settings *s,
			   struct config_notes *notes, struct config_notes *warnings)
{
	const char *name = s->daemon.default_credential, *file;
	unsigned line;

	config_origin_of(s->origin, "Daemon", "DefaultCredential", &file, &line);
	if (name && !credential_set_find(set, name))
		config_note(notes, file ? file : "sftokend.conf", line,
			    "DefaultCredential=%.100s is no credential — create "
			    "credentials/%.100s.conf or mend the name",
			    name, name);
	/* with mistakes the set is not whole */
	for (const struct listener_settings *l = notes->n ? NULL : s->listeners; l; l = l->next)
		check_listener(set, s, l, warnings);
	check_logins(set, s, warnings);
	check_loads(set, s, warnings);
}

/* Drop-ins of a credential that is not there do nothing: probably a typing error. */
static int check_orphans(const char *folder, const struct config_list *found, bool none,
			 struct config_notes *warnings, struct err *err)
{
	const struct config_list dirs = *found;

	for (size_t i = 0; i < dirs.n; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		CLEANUP(cleanup_free) char *main_path = NULL;
		struct stat st;

		if (asprintf(&path, "%s/%s", folder, dirs.items[i]) < 0) {
			path = NULL;
			return err_oom(err);
		}
		main_path = strndup(path, strlen(path) - 2);
		if (!main_path)
			return err_oom(err);
		if (stat(main_path, &st) < 0)
			config_note(
				warnings, path, 0,
				"there is no %s: these files do nothing — create it or remove them",
				main_path);
	}
	if (none)
		config_note(warnings, folder, 0,
			    "there is no credential — create NAME.conf here, see "
			    "sftokend.credential(5)");
	return 0;
}

/* What editors, packages and people leave beside a file, or want to be read by people. */
static bool is_left_over(const char *name)
{
	static const char *const globs[] = { "*~",    "#*#",    "*.dpkg-*", "*.ucf-*", "*.rpm*",
					     "*.bak", "*.orig", "*.old",    "*.d",     "README*" };

	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
		if (fnmatch(globs[i], name, 0) == 0)
			return true;
	return false;
}

/* A credential that is missing because its file has another ending is hard to find. */
static int check_ignored(const char *folder, const struct config_list *all,
			 struct config_notes *warnings, struct err *err)
{
	for (size_t i = 0; i < all->n; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		const char *name = all->items[i];
		struct stat st;

		if (fnmatch("*" SUFFIX, name, 0) == 0 || is_left_over(name))
			continue;
		if (asprintf(&path, "%s/%s", folder, name) < 0) {
			path = NULL;
			return err_oom(err);
		}
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			config_note(warnings, path, 0,
				    FOLDER
				    "/%.100s is ignored, because its name does not end in " SUFFIX
				    " — rename it, or move it elsewhere",
				    name);
	}
	return 0;
}

/* A file against the folders of drop-ins, which are named like it with ".d". */
static int by_drop_in(const void *file, const void *dir)
{
	const char *name = *(const char *const *)dir;
	size_t size = strlen(file);
	int order = strncmp(file, name, size);

	return order != 0 ? order : strcmp(".d", name + size);
}

static bool has_drop_ins(const struct config_list *dirs, const char *file)
{
	return dirs->n > 0 &&
	       bsearch(file, dirs->items, dirs->n, sizeof(char *), by_drop_in) != NULL;
}

static int read_all(struct credential_set *set, const char *folder, const struct places *places,
		    const struct credential_check *check, struct err *err)
{
	CLEANUP(config_list_fini) struct config_list files = { 0 }, dirs = { 0 }, all = { 0 };
	struct config_notes said = { 0 };
	size_t before = check->notes->n;
	int r;

	if (config_list_dir(folder, places->config_dir, SUFFIX, check->service_uid, check->notes,
			    &files, err) < 0)
		return -ERR_INTERNAL;
	/* that the folder itself is not safe has been said already */
	r = config_list_dir(folder, places->config_dir, SUFFIX ".d", check->service_uid, &said,
			    &dirs, err);
	if (r == 0)
		r = config_list_dir(folder, places->config_dir, "", check->service_uid, &said, &all,
				    err);
	config_notes_fini(&said);
	for (size_t i = 0; r == 0 && i < files.n; i++)
		r = read_credential(set, places, files.items[i],
				    has_drop_ins(&dirs, files.items[i]), check, err);
	if (r < 0)
		return r;
	sort(set->items, set->n, sizeof(struct credential *), by_name);
	if (check_ignored(folder, &all, check->warnings, err) < 0)
		return -ERR_INTERNAL;
	return check_orphans(folder, &dirs, files.n == 0 && check->notes->n == before,
			     check->warnings, err);
}

struct credential_set *credential_set_read(const struct places *places,
					   const struct settings *settings, uid_t service_uid,
					   int (*check_key)(const struct secret *key,
							    const struct secret *passphrase,
							    struct err *err),
					   const struct credential_stored *stored,
					   struct config_notes *notes,
					   struct config_notes *warnings, struct err *err)
{
	struct credential_names names = { .n = 0 };
	CLEANUP(credential_secrets_fini)
	struct credential_secrets secrets = CREDENTIAL_SECRETS_NONE;
	const struct credential_check check = { settings, service_uid, check_key, stored,
						notes,    warnings,    &names,    &secrets, places->outside };
	CLEANUP(credential_set_unrefp) struct credential_set *set = calloc(1, sizeof(*set));
	CLEANUP(cleanup_free) char *folder = NULL;

	if (!set || asprintf(&folder, "%s/" FOLDER, places->config_dir) < 0) {
		folder = NULL;
		err_oom(err);
		return NULL;
	}
	set->refs = 1;
	if (read_all(set, folder, places, &check, err) < 0 || check_clashes(set, notes, err) < 0)
		return NULL;
	check_settings(set, settings, notes, warnings);
	if (notes->out_of_memory || warnings->out_of_memory) {
		err_oom(err);
		return NULL;
	}
	return TAKE(set);
}

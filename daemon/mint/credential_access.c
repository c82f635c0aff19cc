/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [Access]: names become numbers here, once, so that the front needs no user database.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "daemon/mint/credential_parts.h"

/* The overflow user and group: whoever the kernel cannot name. It must never match. */
enum { OVERFLOW_ID = 65534, ENTRY_MAX = 1 << 20 };

/* A number of digits alone; -1 if it is none. 4294967295 means "none" to the kernel. */
static int64_t number(const char *text)
{
	int64_t value = 0;
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 10 || text[n])
		return -1;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

/* 1 found; 0 no such name; negative errno. */
static int find_user(const char *name, char *space, size_t size, int64_t *id)
{
	struct passwd entry, *found = NULL;
	int r = getpwnam_r(name, &entry, space, size, &found);

	if (found)
		*id = found->pw_uid;
	return found ? 1 : -r;
}

static int find_group(const char *name, char *space, size_t size, int64_t *id)
{
	struct group entry, *found = NULL;
	int r = getgrnam_r(name, &entry, space, size, &found);

	if (found)
		*id = found->gr_gid;
	return found ? 1 : -r;
}

/* Asks the database with as much space as it wants (a group may have thousands of members). */
static int find_name(const char *name, int (*find)(const char *, char *, size_t, int64_t *),
		     int64_t *id)
{
	for (size_t size = 4096; size <= ENTRY_MAX; size *= 4) {
		CLEANUP(cleanup_free) char *space = malloc(size);

		if (!space)
			return -ENOMEM;
		int r = find(name, space, size, id);

		/* these mean "not found" in some databases, getpwnam(3) */
		if (r == -ENOENT || r == -ESRCH || r == -EBADF || r == -EPERM)
			return 0;
		if (r != -ERANGE)
			return r;
	}
	return -ERANGE;
}

/* The same few names stand in each of thousands of files, and each question reads the database anew. */
static int find_once(struct credential_names *names, const char *name, bool user, int64_t *id)
{
	struct credential_name *slot;
	int r;

	for (size_t i = 0; i < names->n; i++) {
		if (names->items[i].user != user || strcmp(names->items[i].name, name) != 0)
			continue;
		*id = names->items[i].id;
		return 1;
	}
	r = find_name(name, user ? find_user : find_group, id);
	if (r != 1 || strlen(name) >= sizeof(slot->name))
		return r;
	slot = &names->items[names->n < CREDENTIAL_NAMES ? names->n++ : 0];
	slot->user = user;
	slot->id = *id;
	memcpy(slot->name, name, strlen(name) + 1);
	return r;
}

static void note(const struct credential *c, const char *key, const struct credential_check *check,
		 const char *word, const char *text)
{
	CREDENTIAL_NOTE(c, check->notes, "Access", key, "%s=%.100s: %s", key, word, text);
}

/* One word of a list into *id. 1; 0: a mistake was noted; -ERR_INTERNAL. */
static int resolve(const struct credential *c, const char *key, const char *word, bool user,
		   const struct credential_check *check, int64_t *id, struct err *err)
{
	const char *name = !strcmp(key, "AllowLogin") && !user ? word + 1 : word;
	int r = 1;

	*id = number(name);
	if (*id < 0)
		r = find_once(check->names, name, user, id);
	if (r == -ENOMEM)
		return err_oom(err);
	if (r < 0)
		note(c, key, check, word,
		     "the user database cannot be read — try again, or write the number");
	else if (r == 0)
		note(c, key, check, word,
		     user ? "there is no such user — create it or mend the name"
			  : "there is no such group — create it or mend the name");
	else if (*id == OVERFLOW_ID)
		note(c, key, check, word,
		     "65534 stands for everybody whom the kernel cannot name, so it never matches "
		     "— choose another");
	else if (*id >= UINT32_MAX)
		note(c, key, check, word, "there is no such number — write 0 to 4294967294");
	else
		return 1;
	return 0;
}

static bool holds(const int64_t *ids, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static void add(int64_t *ids, size_t *n, int64_t id)
{
	if (!holds(ids, *n, id))
		ids[(*n)++] = id;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Which words of a list are meant: users and groups may stand in one. */
enum kind { USERS, GROUPS, USERS_OF_BOTH, GROUPS_OF_BOTH };

static bool is_meant(const char *word, enum kind kind)
{
	if (kind == USERS || kind == GROUPS)
		return true;
	return (word[0] == '@') == (kind == GROUPS_OF_BOTH);
}

/* spare: how many the caller will add. */
static int resolve_list(const struct credential *c, const char *key,
			const struct config_list *words, enum kind kind, size_t spare,
			const struct credential_check *check, int64_t **ids, size_t *n,
			struct err *err)
{
	*ids = calloc(words->n + spare, sizeof(**ids));
	*n = 0;
	if (!*ids)
		return err_oom(err);
	for (size_t i = 0; i < words->n; i++) {
		int64_t id;
		int r;

		if (!is_meant(words->items[i], kind))
			continue;
		r = resolve(c, key, words->items[i], kind == USERS || kind == USERS_OF_BOTH, check,
			    &id, err);
		if (r < 0)
			return r;
		if (r > 0)
			add(*ids, n, id);
	}
	return 0;
}

static void sort(int64_t *ids, size_t n)
{
	if (n)
		qsort(ids, n, sizeof(*ids), compare);
}

/* Administrators may log in anyway, so that nobody is added here. */
static int resolve_logins(struct credential *c, const struct credential_check *check,
			  struct err *err)
{
	if (resolve_list(c, "AllowLogin", &c->allow_login, USERS_OF_BOTH, 1, check, &c->login_uids,
			 &c->n_login_uids, err) < 0 ||
	    resolve_list(c, "AllowLogin", &c->allow_login, GROUPS_OF_BOTH, 1, check, &c->login_gids,
			 &c->n_login_gids, err) < 0)
		return -ERR_INTERNAL;
	sort(c->login_uids, c->n_login_uids);
	sort(c->login_gids, c->n_login_gids);
	return 0;
}

int credential_resolve_access(struct credential *c, const struct credential_check *check,
			      struct err *err)
{
	if (resolve_list(c, "AllowUser", &c->allow_users, USERS, 2, check, &c->uids, &c->n_uids,
			 err) < 0 ||
	    resolve_list(c, "AllowGroup", &c->allow_groups, GROUPS, 1, check, &c->gids, &c->n_gids,
			 err) < 0)
		return -ERR_INTERNAL;
	if (c->root)
		add(c->uids, &c->n_uids, 0);
	add(c->uids, &c->n_uids, (int64_t)check->service_uid);
	sort(c->uids, c->n_uids);
	sort(c->gids, c->n_gids);
	return resolve_logins(c, check, err);
}

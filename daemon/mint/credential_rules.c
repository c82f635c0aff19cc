/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [Access]: rules on units and programs. Names stay names: a unit need not exist when the daemon starts. What this kernel, or this daemon, cannot prove is a mistake: it must never be
 * less than what is written.
 */
#include <string.h>

#include "daemon/common/peer.h"
#include "daemon/mint/credential_parts.h"
#include "daemon/mint/identify.h"

/* Each list is sent to the front in one packet with the rest of the credential (PACKET_MAX). */
enum { RULES_MOST = 64, RULES_BYTES_MOST = 8 * 1024, UNIT_MAX = 255 };

/* systemd.unit(5), and what a glob has beside it. */
#define UNIT_CHARS                                                                            \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@*?[]!"

#define NOTE(c, check, key, ...) CREDENTIAL_NOTE(c, (check)->notes, "Access", key, __VA_ARGS__)

static void check_size(const struct credential *c, const struct credential_check *check,
		       const char *key, const struct config_list *list)
{
	size_t bytes = 0;

	for (size_t i = 0; i < list->n; i++)
		bytes += strlen(list->items[i]);
	if (list->n > RULES_MOST || bytes > RULES_BYTES_MOST)
		NOTE(c, check, key,
		     "%s= has more than %d words or %d bytes — write fewer, or globs", key,
		     RULES_MOST, RULES_BYTES_MOST);
}

/* Of what a process can be in. A glob may leave its end open. */
static bool has_type(const char *unit)
{
	static const char *const types[] = { ".service", ".socket", ".mount",
					     ".swap",	 ".scope",  "*" };
	size_t size = strlen(unit);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i]);

		if (size >= n && !strcmp(unit + size - n, types[i]))
			return true;
	}
	return false;
}

/* One of another type would never match. */
static void check_unit(const struct credential *c, const struct credential_check *check,
		       const char *key, const char *unit)
{
	size_t size = strlen(unit);

	/* "user@1000.service/etl.service": no other manager than the system's loads anything from us */
	const char *chars = strcmp(key, "AllowUnit") == 0 ? UNIT_CHARS "/" : UNIT_CHARS;

	if (size > 2 * UNIT_MAX || unit[strspn(unit, chars)])
		NOTE(c, check, key,
		     "%s=%.100s is no name of a unit — write it as systemctl shows it, for example "
		     "etl.service or etl@*.service",
		     key, unit);
	else if (!strchr(unit, '.') && !strpbrk(unit, "*?["))
		NOTE(c, check, key, "%s=%.100s has no type — write %.100s.service", key, unit,
		     unit);
	else if (!has_type(unit))
		NOTE(c, check, key,
		     "%s=%.100s would match no unit — end it with .service, .socket, .mount, "
		     ".swap, .scope or *",
		     key, unit);
}

static void check_units(const struct credential *c, const struct credential_check *check,
			const char *key, const struct config_list *units)
{
	check_size(c, check, key, units);
	for (size_t i = 0; i < units->n; i++)
		check_unit(c, check, key, units->items[i]);
}

/* A symbolic link never matches: a process runs the file behind it. */
static void check_executable(const struct credential *c, const struct credential_check *check,
			     const char *path)
{
	bool glob = strpbrk(path, "*?[") != NULL;
	CLEANUP(cleanup_free) char *real = glob ? NULL : realpath(path, NULL);

	if (path[0] != '/')
		NOTE(c, check, "AllowExecutable",
		     "AllowExecutable=%.100s is not absolute — begin it with /", path);
	else if (!glob && !real)
		CREDENTIAL_NOTE(c, check->warnings, "Access", "AllowExecutable",
				"AllowExecutable=%.100s is not there — mend or remove it", path);
	else if (real && strcmp(real, path) != 0)
		NOTE(c, check, "AllowExecutable",
		     "AllowExecutable=%.100s is a symbolic link, which no process runs — write "
		     "%.100s",
		     path, real);
}

static void check_proof(const struct credential *c, const struct credential_check *check,
			const char *key)
{
	if (!peer_can_prove())
		NOTE(c, check, key,
		     "%s= cannot be kept here: this kernel does not prove who a caller is "
		     "(SO_PEERPIDFD, Linux 6.5) — remove the line, or use a newer kernel",
		     key);
}

/* Everybody but the service user and, as it may do anything, root. */
static bool allows_others(const struct credential *c, const struct credential_check *check)
{
	for (size_t i = 0; i < c->n_uids; i++)
		if (c->uids[i] != 0 && c->uids[i] != (int64_t)check->service_uid)
			return true;
	return c->n_gids > 0;
}

/* --check is often run without what the unit gives the daemon: a warning is enough there. */
static void check_sight(const struct credential *c, const struct credential_check *check)
{
	if (!allows_others(c, check) || identify_sees_others())
		return;
	CREDENTIAL_NOTE(c, check->stored ? check->notes : check->warnings, "Access",
			"AllowExecutable",
			"AllowExecutable= needs to see programs of other users, which takes the "
			"capability CAP_SYS_PTRACE — see AllowExecutable= in "
			"sftokend.credential(5), or remove the line");
}

void credential_check_rules(const struct credential *c, const struct credential_check *check)
{
	check_units(c, check, "LoadCredentialUnit", &c->load_units);
	check_units(c, check, "AllowUnit", &c->allow_units);
	check_size(c, check, "AllowExecutable", &c->allow_executables);
	for (size_t i = 0; i < c->allow_executables.n; i++)
		check_executable(c, check, c->allow_executables.items[i]);
	if (c->allow_units.n)
		check_proof(c, check, "AllowUnit");
	if (!c->allow_executables.n)
		return;
	check_proof(c, check, "AllowExecutable");
	check_sight(c, check);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/cgroup.h"

#include <string.h>

/* A piece of the text. */
struct span {
	const char *start;
	size_t len;
};

static bool begins(struct span s, const char *with)
{
	size_t len = strlen(with);

	return s.len >= len && memcmp(s.start, with, len) == 0;
}

static bool ends(struct span s, const char *with)
{
	size_t len = strlen(with);

	return s.len > len && memcmp(s.start + s.len - len, with, len) == 0;
}

/* Cuts what is before the first c off *rest; all of it if there is none. */
static struct span cut(struct span *rest, char c)
{
	const char *at = rest->len ? memchr(rest->start, c, rest->len) : NULL;
	struct span first = { rest->start, at ? (size_t)(at - rest->start) : rest->len };
	size_t gone = first.len + (at != NULL);

	*rest = (struct span){ rest->start + gone, rest->len - gone };
	return first;
}

/*
 * The path of the hierarchy in which systemd keeps its units: "name=systemd" where it still uses the old ones, else the new one (number 0, no controllers). Where the old one is there and unused (in
 * a container on such a machine), everybody is in its root, where only root could put anybody.
 */
static bool find_path(struct span text, struct span *path)
{
	bool found = false;

	while (text.len > 0) {
		struct span line = cut(&text, '\n');
		struct span number = cut(&line, ':'), controllers = cut(&line, ':');
		bool old = controllers.len == 12 && begins(controllers, "name=systemd");

		if (old ? line.len <= 1
			: !(number.len == 1 && number.start[0] == '0' && controllers.len == 0))
			continue;
		*path = line;
		found = true;
		if (old)
			break;
	}
	return found && begins(*path, "/");
}

/* systemd.unit(5) */
static bool is_unit(struct span name)
{
	static const char *const types[] = { ".service", ".scope", ".socket", ".slice", ".mount", ".swap" };

	if (name.len >= CGROUP_UNIT_MAX || name.start[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!name.start[i] ||
		    !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@",
			    name.start[i]))
			return false;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (ends(name, types[i]))
			return true;
	return false;
}

/* The next component that is no slice; slices hold units. False: there is none, or it is none of systemd's. */
static bool next_unit(struct span *path, struct span *unit)
{
	while (path->len > 0) {
		*unit = cut(path, '/');
		if (unit->len == 0)
			continue;
		/* systemd puts it in front of names that the kernel uses itself */
		if (unit->start[0] == '_')
			*unit = (struct span){ unit->start + 1, unit->len - 1 };
		if (unit->len == 0 || !is_unit(*unit))
			return false;
		if (!ends(*unit, ".slice"))
			return true;
	}
	return false;
}

static void keep(char to[CGROUP_UNIT_MAX], struct span name)
{
	memcpy(to, name.start, name.len);
	to[name.len] = '\0';
}

bool cgroup_unit(const char *text, size_t len, struct cgroup_unit *out)
{
	struct span path, unit;

	out->unit[0] = out->user_unit[0] = '\0';
	if (!find_path((struct span){ text, len }, &path) || !next_unit(&path, &unit))
		return false;
	keep(out->unit, unit);
	if (begins(unit, "user@") && ends(unit, ".service") && next_unit(&path, &unit))
		keep(out->user_unit, unit);
	return true;
}

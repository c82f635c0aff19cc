/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/identify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A line per hierarchy, each path at most PATH_MAX long; with cgroup v2 alone there is one. */
enum { CGROUPS_MAX = 16 * 1024, NAME_MAX_BYTES = 255 };

#define UNIT_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"

/* --- the unit --- */

/* The path behind head in the first line that begins with it and a number; *size: its size. NULL: there is none. */
static const char *find_line(const char *cgroups, const char *head, size_t *size)
{
	size_t n = strlen(head);

	for (const char *line = cgroups; *line;) {
		size_t length = strcspn(line, "\n"), digits = strspn(line, "0123456789");

		if (digits > 0 && digits + n < length && strncmp(line + digits, head, n) == 0) {
			*size = length - digits - n;
			return line + digits + n;
		}
		line += length + (line[length] == '\n');
	}
	return NULL;
}

/*
 * systemd's own hierarchy: the kernel may have both, of which systemd uses one, and in the other one the processes are anywhere. As seen from our cgroup namespace: what lies outside of it
 * begins with "/..".
 */
static const char *find_path(const char *cgroups, bool unified, size_t *size)
{
	const char *path = find_line(cgroups, unified ? "::" : ":name=systemd:", size);

	return path && path[0] == '/' && (*size < 3 || strncmp(path, "/..", 3) != 0) ? path : NULL;
}

static bool ends_with(const char *text, size_t size, const char *end)
{
	size_t n = strlen(end);

	return size > n && memcmp(text + size - n, end, n) == 0;
}

/* What may hold processes: services and scopes, and sockets, mounts and swaps for their commands. */
static bool is_unit(const char *text, size_t size)
{
	static const char *const types[] = { ".service", ".scope", ".socket", ".mount", ".swap" };

	if (size > NAME_MAX_BYTES || strspn(text, UNIT_CHARS) < size)
		return false;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (ends_with(text, size, types[i]))
			return true;
	return false;
}

/*
 * One manager's unit: below its slices the first thing that is none. What comes behind it belongs to the unit, which may make directories of any name there (Delegate=). *rest: that. The
 * unit's size, 0: none.
 */
static size_t first_unit(const char **at, size_t *rest)
{
	while (*rest > 0 && **at == '/') {
		const char *name = *at + 1;
		size_t size = strcspn(name, "/\n");

		if (size > *rest - 1)
			size = *rest - 1;
		*at = name + size;
		*rest -= size + 1;
		if (ends_with(name, size, ".slice"))
			continue;
		/* systemd puts a "_" before what the kernel could take for a file of its own */
		if (size > 0 && name[0] == '_') {
			name++;
			size--;
		}
		*at = name;
		return is_unit(name, size) ? size : 0;
	}
	return 0;
}

/* "user@1000.service" -> 1000, else -1; "user@01000.service" is another unit, and not that user's manager. */
static int64_t user_of(const char *unit, size_t size)
{
	static const char head[] = "user@", end[] = ".service";
	const char *digits = unit + sizeof head - 1;
	size_t n = strspn(digits, "0123456789");

	if (size < sizeof head || strncmp(unit, head, sizeof head - 1) != 0 || n == 0 || n > 10 ||
	    (n > 1 && digits[0] == '0') || n + sizeof head - 1 + sizeof end - 1 != size ||
	    !ends_with(unit, size, end))
		return -1;
	return strtoll(digits, NULL, 10);
}

bool identify_unit(const char *cgroups, bool unified, int64_t own_uid, char unit[IDENTIFY_UNIT_MAX])
{
	size_t rest = 0, size, inner_size = 0;
	const char *path = find_path(cgroups, unified, &rest), *end, *inner;
	int64_t user;

	unit[0] = '\0';
	if (!path)
		return false;
	end = path + rest;
	size = first_unit(&path, &rest);
	if (size == 0)
		return false;
	user = user_of(path, size);
	inner = path + size;
	if (user >= 0) {
		rest = (size_t)(end - inner);
		inner_size = first_unit(&inner, &rest);
	}
	if (own_uid >= 0) {
		if (user != own_uid || inner_size == 0)
			return false;
		memcpy(unit, inner, inner_size);
		unit[inner_size] = '\0';
		return true;
	}
	(void)snprintf(unit, IDENTIFY_UNIT_MAX, "%.*s%s%.*s", (int)size, path,
		       inner_size > 0 ? "/" : "", (int)inner_size, inner);
	return true;
}

/* --- /proc --- */

static bool read_cgroups(pid_t pid, char text[CGROUPS_MAX])
{
	char path[64];
	CLEANUP(cleanup_close) int fd = -1;
	size_t n = 0;
	ssize_t got = 1;

	(void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && got > 0 && n < CGROUPS_MAX - 1) {
		got = read(fd, text + n, CGROUPS_MAX - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	text[n] = '\0';
	/* a part of it could be cut anywhere */
	return fd >= 0 && got == 0 && n > 0 && strlen(text) == n;
}

/* What a link in /proc/PID says; 0: nothing, or not all of it. */
static size_t read_link(pid_t pid, const char *name, char text[IDENTIFY_PATH_MAX])
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/%d/%s", (int)pid, name);
	n = readlink(link, text, IDENTIFY_PATH_MAX);
	if (n <= 0 || n >= IDENTIFY_PATH_MAX)
		n = 0;
	text[n] = '\0';
	return (size_t)n;
}

/*
 * A path is only a name: in a mount namespace of its own anybody can have any file there. The file that runs must be the one that has this name here.
 */
static bool has_name_here(pid_t pid, const char *path)
{
	char link[64];
	struct stat running, there;

	(void)snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
	return stat(path, &there) == 0 && stat(link, &running) == 0 &&
	       running.st_dev == there.st_dev && running.st_ino == there.st_ino;
}

/*
 * A program of another mount namespace is named by the way from the top of that one. Where the root of its processes is further down (a container that was started in a chroot), the way
 * to that root stands in front of the name. Cut off: what is left still has to be the file that runs.
 */
static const char *below_root(pid_t pid, const char *path)
{
	char root[IDENTIFY_PATH_MAX];
	size_t n = read_link(pid, "root", root);

	return n > 1 && strncmp(path, root, n) == 0 && path[n] == '/' ? path + n : path;
}

static bool is_program(pid_t pid, const char *path, identify_named *named, void *arg)
{
	return path[0] == '/' && named(path, arg) && has_name_here(pid, path);
}

static void read_executable(pid_t pid, identify_named *named, void *arg,
			    char path[IDENTIFY_PATH_MAX])
{
	const char *name;

	if (read_link(pid, "exe", path) == 0 || is_program(pid, path, named, arg))
		return;
	name = below_root(pid, path);
	if (name == path || !is_program(pid, name, named, arg))
		name = "";
	memmove(path, name, strlen(name) + 1);
}

bool identify_unit_of(pid_t pid, int64_t own_uid, char unit[IDENTIFY_UNIT_MAX])
{
	char cgroups[CGROUPS_MAX];
	struct statfs root;

	unit[0] = '\0';
	/* what is mounted there tells which one systemd uses, as it does to systemd itself */
	return pid > 0 && statfs("/sys/fs/cgroup", &root) == 0 && read_cgroups(pid, cgroups) &&
	       identify_unit(cgroups, root.f_type == CGROUP2_SUPER_MAGIC, own_uid, unit);
}

void identify(pid_t pid, int64_t own_uid, identify_named *named, void *arg, struct identified *out)
{
	*out = (struct identified){ 0 };
	(void)identify_unit_of(pid, own_uid, out->unit);
	if (pid > 0)
		read_executable(pid, named, arg, out->executable);
}

bool identify_sees_others(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct mine[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, mine) == 0 &&
	       (mine[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE)) != 0;
}

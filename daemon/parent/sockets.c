/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/parent/inherited.h"
#include "daemon/parent/places.h"

#define CALLERS_GROUP "sftoken"
#define ADMIN_GROUP "sftokend-admin"

/* Who may connect: decided from the listener's own keys and the defaults of its interface. */
struct access {
	mode_t mode;
	gid_t gid;
	bool has_gid;
};

void sockets_warn(struct sockets *s, const char *format, ...)
{
	char **warnings = reallocarray(s->warnings, s->n_warnings + 1, sizeof *warnings);
	va_list args;

	if (!warnings)
		return;
	s->warnings = warnings;
	va_start(args, format);
	if (vasprintf(&warnings[s->n_warnings], format, args) >= 0)
		s->n_warnings++;
	va_end(args);
}

static bool find_group(const char *name, gid_t *gid)
{
	const struct group *gr;

	if (identity_number(name, gid))
		return true;
	gr = getgrnam(name);
	if (gr)
		*gid = gr->gr_gid;
	return gr != NULL;
}

static const char *group_of(const struct listener_settings *l, const struct settings *settings,
			    bool user_mode)
{
	if (l->group)
		return l->group;
	/* the service manager is root, or the user itself */
	if (l->interface == LISTENER_CREDENTIAL)
		return NULL;
	if (l->interface != LISTENER_MANAGER)
		return user_mode ? NULL : CALLERS_GROUP;
	/* A daemon of one's own is nobody else's: the administrators of the machine have another one. */
	if (!settings->daemon.admin_group || strcmp(settings->daemon.admin_group, ADMIN_GROUP) == 0)
		return user_mode ? NULL : ADMIN_GROUP;
	return settings->daemon.admin_group;
}

/* The default admin group is optional; every other group that is missing is said. */
static bool is_optional(const struct listener_settings *l, const struct settings *settings)
{
	return l->interface == LISTENER_MANAGER && !l->group &&
	       (!settings->daemon.admin_group ||
		strcmp(settings->daemon.admin_group, ADMIN_GROUP) == 0);
}

/* A mode that gives the group no more than everybody has needs none (Mode=0666, in a container without groups). */
static bool needs_group(int64_t mode)
{
	return ((mode >> 3) & 07 & ~mode) != 0;
}

static struct access access_of(struct sockets *s, const struct listener_settings *l,
			       const struct settings *settings, bool user_mode)
{
	const char *group = group_of(l, settings, user_mode);
	struct access a = { .mode = 0600 };

	if (l->mode >= 0 && !l->group && !needs_group(l->mode)) {
		a.mode = (mode_t)l->mode;
		return a;
	}
	if (group && find_group(group, &a.gid)) {
		a.has_gid = true;
		a.mode = 0660;
	} else if (group && !is_optional(l, settings)) {
		sockets_warn(
			s,
			"the group %s of %s does not exist, so only the daemon's user and root may connect: groupadd --system %s, then restart",
			group, l->path, group);
		return a;
	}
	if (l->mode >= 0)
		a.mode = (mode_t)l->mode;
	return a;
}

static void set_group(struct sockets *s, const char *path, const struct listener_settings *l,
		      const struct identity *id, struct access *a)
{
	uid_t uid = geteuid() == 0 ? id->uid : (uid_t)-1;
	struct stat st;

	/* In the sandbox of our unit nothing can be given away, and nothing must be: see folder_of_group(). */
	if (geteuid() != 0 && (!a->has_gid || (lstat(path, &st) == 0 && st.st_gid == a->gid)))
		return;
	/* Never through a symlink: as root we work in a directory of the service user. */
	if (lchown(path, uid, a->has_gid ? a->gid : (gid_t)-1) == 0)
		return;
	a->mode = 0600;
	sockets_warn(
		s,
		"%s cannot be given to group %u, so only the daemon's user and root may connect: make the daemon's user a member of it, or start as root (under systemd: SYSTEMD in sftokend(8))",
		l->path, (unsigned)a->gid);
}

static int bind_at(const char *path, struct err *err)
{
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} address = { .un = { .sun_family = AF_UNIX } };
	CLEANUP(cleanup_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int r, on = 1;

	/* Before the first caller: what is sent to a socket without it comes without the sender's uid (seen on Linux 6.18), and the front believes nobody. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot make a socket");
	if (strlen(path) >= sizeof address.un.sun_path)
		return err_set(err, ERR_ADMIN, "the path of a socket is at most %zu bytes long: %s",
			       sizeof address.un.sun_path - 1, path);
	memcpy(address.un.sun_path, path, strlen(path) + 1);
	unlink(path);
	mask = umask(0777); /* nobody connects before mode and group are right */
	r = bind(fd, &address.any, sizeof address.un);
	umask(mask);
	if (r < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot make the socket %s", path);
	return take_fd(&fd);
}

int sockets_add(struct sockets *s, const struct listener_settings *l, int take_fd, const char *path,
		enum socket_owner owner, struct err *err)
{
	char *copy = strdup(path);

	if (!copy) {
		close(take_fd);
		return err_oom(err);
	}
	s->items[s->n++] = (struct socket_entry){ l, take_fd, copy, owner };
	return 0;
}

/*
 * A directory .group.NAME beside the socket, with the set-group-ID bit: what is made in it gets its group. tmpfiles.d makes those of the two usual groups, so that the unit's filter of system calls
 * needs no chown() at all. Root needs none.
 */
static bool folder_of_group(const char *directory, int len, const char *group, char *name,
			    size_t size)
{
	struct stat st;
	int n = snprintf(name, size, "%.*s/.group.%s", len, directory, group);

	return geteuid() != 0 && !strchr(group, '/') && n > 0 && (size_t)n < size &&
	       lstat(name, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & S_ISGID);
}

/* In the same file system, and never longer than the name of a socket may be. */
static char *temporary_name(const char *path, const char *group)
{
	enum { PID_LONGEST = sizeof("/.4194304") };
	const char *slash = strrchr(path, '/');
	int len = (int)(slash ? slash - path : 0);
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path) - PID_LONGEST];
	char *name = NULL;
	int n;

	if (group && folder_of_group(path, len, group, folder, sizeof folder))
		n = asprintf(&name, "%s/.%d", folder, (int)getpid());
	else
		n = asprintf(&name, "%.*s/.%d", len, path, (int)getpid());
	return n < 0 ? NULL : name;
}

/* A name is only taken over from a socket. */
static int check_old(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(err, ERR_ADMIN, "%s exists and is not a socket: remove it", path);
	return 0;
}

/*
 * A folder of its own in a directory that others can write (a volume that containers share): what is there already is somebody's
 * decision. One level: a volume that was not mounted is a mistake to be told.
 */
static int make_folder(const char *path, const struct identity *id, struct err *err)
{
	CLEANUP(cleanup_free) char *folder = strdup(path);
	char *slash;

	if (!folder)
		return err_oom(err);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	if (access(folder, F_OK) == 0)
		return 0;
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = '\0';
		if (access(folder, F_OK) < 0)
			return err_errno(err, ERR_ADMIN, errno,
					 "cannot make the directory of the socket %s: %s", path,
					 folder);
		*slash = '/';
	}
	return place_make(folder, 0755, id, err);
}

static int open_one(struct sockets *s, const struct listener_settings *l,
		    const struct settings *settings, bool user_mode, const struct identity *id,
		    struct err *err)
{
	struct access a = access_of(s, l, settings, user_mode);
	CLEANUP(cleanup_free)
	char *name = temporary_name(l->path, a.has_gid ? group_of(l, settings, user_mode) : NULL);
	CLEANUP(cleanup_close) int fd = -1;

	if (!name)
		return err_oom(err);
	if (strlen(l->path) >= sizeof((struct sockaddr_un *)0)->sun_path)
		return err_set(err, ERR_ADMIN, "the path of a socket is at most 107 bytes long: %s",
			       l->path);
	if (check_old(l->path, err) < 0 || make_folder(l->path, id, err) < 0)
		return -ERR_ADMIN;
	fd = bind_at(name, err);
	if (fd < 0)
		return fd;
	set_group(s, name, l, id, &a);
	if (fchmodat(AT_FDCWD, name, a.mode, AT_SYMLINK_NOFOLLOW) < 0 ||
	    listen(fd, (int)settings->limits.backlog) < 0 || rename(name, l->path) < 0) {
		int error = errno;

		unlink(name);
		return err_errno(err, ERR_ADMIN, error, "cannot set up the socket %s", l->path);
	}
	return sockets_add(s, l, take_fd(&fd), l->path, SOCKET_OURS, err);
}

/* It was opened by an earlier daemon, whose configuration may have been another. */
static int use_kept(struct sockets *s, const struct listener_settings *l,
		    const struct settings *settings, bool user_mode, const struct identity *id,
		    struct err *err)
{
	struct access a = access_of(s, l, settings, user_mode);

	set_group(s, l->path, l, id, &a);
	if (fchmodat(AT_FDCWD, l->path, a.mode, AT_SYMLINK_NOFOLLOW) < 0 ||
	    listen(s->items[s->n - 1].fd, (int)settings->limits.backlog) < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot set up the socket %s", l->path);
	return 0;
}

static int open_any(struct sockets *s, const struct listener_settings *l,
		    const struct settings *settings, bool user_mode, const struct identity *id,
		    struct sd *sd, struct err *err)
{
	int r = inherited_take(s, l, sd, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (inherited_take_kept(s, l, sd))
		return use_kept(s, l, settings, user_mode, id, err);
	return l->on_demand ? 0 : open_one(s, l, settings, user_mode, id, err);
}

int sockets_open(struct sockets *s, const struct listener_settings *list,
		 const struct settings *settings, bool user_mode, const struct identity *id,
		 struct sd *sd, struct err *err)
{
	size_t n = 0;

	*s = (struct sockets){ .list = list,
			       .settings = settings,
			       .identity = id,
			       .sd = sd,
			       .user_mode = user_mode };
	for (const struct listener_settings *l = list; l; l = l->next)
		n++;
	s->items = calloc(n + 1, sizeof *s->items);
	if (!s->items)
		return err_oom(err);
	for (const struct listener_settings *l = list; l; l = l->next) {
		int r = l->disabled ? 0 : open_any(s, l, settings, user_mode, id, sd, err);

		if (r < 0)
			return r;
	}
	inherited_drop(s, sd);
	inherited_keep(s, sd);
	return 0;
}

static bool is_open(const struct sockets *s, const struct listener_settings *l)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].settings == l)
			return true;
	return false;
}

/* There is room: sockets_open() has counted it. */
const struct socket_entry *sockets_open_wanted(struct sockets *s, const char *name, struct err *err)
{
	const struct listener_settings *l = s->list;

	while (l && (strcmp(l->name, name) != 0 || !l->on_demand))
		l = l->next;
	if (!l || is_open(s, l) || open_one(s, l, s->settings, s->user_mode, s->identity, err) < 0)
		return NULL;
	inherited_keep(s, s->sd);
	return &s->items[s->n - 1];
}

void sockets_close(struct sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->items[i].owner == SOCKET_OURS)
			unlink(s->items[i].path);
		close(s->items[i].fd);
		free(s->items[i].path);
	}
	for (size_t i = 0; i < s->n_warnings; i++)
		free(s->warnings[i]);
	free(s->items);
	free(s->warnings);
	*s = (struct sockets){ 0 };
}

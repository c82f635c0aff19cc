/* SPDX-License-Identifier: Apache-2.0 */
#include "client/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define SYSTEM_SOCKET "/run/sftokend/io.sftoken.Broker"
#define USER_SOCKET "/sftokend/io.sftoken.Broker" /* in $XDG_RUNTIME_DIR */

/* How often a missing daemon is looked for. */
enum { CONNECT_PAUSE_MS = 20 };

int fail(struct sftoken_err *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	*err = (struct sftoken_err){ .code = code };
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return code;
}

int sockets_init(struct sockets *s, const char *path)
{
	const char *named = getenv("SFTOKEN_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
	size_t size;

	*s = (struct sockets){ .user = NULL };
	if (!path && named && *named)
		path = named;
	s->path = s->system = strdup(path ? path : SYSTEM_SOCKET);
	if (!s->system)
		return -1;
	if (path || !runtime || *runtime != '/')
		return 0;
	size = strlen(runtime) + sizeof USER_SOCKET;
	s->user = malloc(size);
	if (!s->user) {
		sockets_fini(s);
		return -1;
	}
	(void)snprintf(s->user, size, "%s" USER_SOCKET, runtime);
	sockets_choose(s);
	return 0;
}

void sockets_fini(struct sockets *s)
{
	free(s->user);
	free(s->system);
	*s = (struct sockets){ .user = NULL };
}

void sockets_choose(struct sockets *s)
{
	struct stat st;

	if (!s->user || s->settled)
		return;
	s->path = lstat(s->user, &st) == 0 && S_ISSOCK(st.st_mode) ? s->user : s->system;
}

struct trust connect_trust_from_environment(void)
{
	const char *text = getenv("SFTOKEN_SERVER_UID");
	struct trust trust = { 0 };
	char *end;
	long long uid;

	if (!text || !*text)
		return trust;
	errno = 0;
	uid = strtoll(text, &end, 10);
	trust.named = true;
	trust.wrong = errno || *text < '0' || *text > '9' || *end || uid >= (uid_t)-1;
	trust.uid = (uid_t)uid;
	return trust;
}

/* The directory's owner vouches for the server, as long as nobody else can put a socket there. */
static int directory_owner(const char *path, uid_t *owner, struct sftoken_err *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(cleanup_free) char *dir = strdup(slash ? path : ".");
	struct stat st;

	if (!dir)
		return fail(err, SFTOKEN_E_MEMORY, "out of memory");
	if (slash)
		dir[slash == path ? 1 : slash - path] = '\0';
	if (stat(dir, &st) < 0)
		return fail(err, SFTOKEN_E_REFUSED, "cannot look at %s: %s", dir, strerror(errno));
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(
			err, SFTOKEN_E_REFUSED,
			"%s can be written by others, so its socket cannot be trusted; chmod go-w it, or set "
			"SFTOKEN_SERVER_UID to the daemon's uid",
			dir);
	*owner = st.st_uid;
	return 0;
}

static int check_server(int sock, const char *path, const struct trust *trust,
			struct sftoken_err *err)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	uid_t owner = (uid_t)-1;
	int r;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return fail(err, SFTOKEN_E_REFUSED, "cannot tell who serves %s: %s", path,
			    strerror(errno));
	if (trust->wrong)
		return fail(err, SFTOKEN_E_INVALID,
			    "SFTOKEN_SERVER_UID must be a number: the uid of the daemon");
	if (trust->named) {
		if (peer.uid == trust->uid)
			return 0;
		return fail(err, SFTOKEN_E_REFUSED,
			    "%s is served by uid %u, not by uid %u as you asked", path,
			    (unsigned)peer.uid, (unsigned)trust->uid);
	}
	r = directory_owner(path, &owner, err);
	if (r < 0)
		return r;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == owner)
		return 0;
	return fail(
		err, SFTOKEN_E_REFUSED,
		"%s is served by uid %u, who is neither root, nor you, nor the owner of its directory; set "
		"SFTOKEN_SERVER_UID=%u if that is right",
		path, (unsigned)peer.uid, (unsigned)peer.uid);
}

/* One try; 0, or an errno value. connect() on AF_UNIX waits for room in the backlog, so that it gets a time limit. */
static int try_connect(int sock, const struct sockaddr_un *address, int64_t left_ms)
{
	struct timeval limit = { left_ms / 1000, left_ms % 1000 * 1000 };

	if (left_ms <= 0)
		limit = (struct timeval){ 0, 1000 };
	(void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(sock, (const struct sockaddr *)address, sizeof *address) == 0)
		return 0;
	return errno;
}

/* The user's path was looked at, too, when it is the system's that has nobody. */
static int nobody_there(const struct sockets *s, struct sftoken_err *err)
{
	if (s->user && s->path == s->system && !s->settled)
		return fail(err, SFTOKEN_E_UNREACHABLE,
			    "no daemon at %s, nor at %s: is sftokend running?", s->user, s->system);
	return fail(err, SFTOKEN_E_UNREACHABLE, "no daemon at %s: is sftokend running?", s->path);
}

/* Seldom, and after all is lost: reading groups takes its time. */
static int may_not_use(const char *path, struct sftoken_err *err)
{
	char room[4096];
	struct group entry, *group = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		return fail(err, SFTOKEN_E_REFUSED,
			    "you may not use %s: a directory on the way to it is closed to you",
			    path);
	if (!(st.st_mode & S_IWGRP))
		return fail(err, SFTOKEN_E_REFUSED,
			    "you may not use %s: its mode is for its owner alone (uid %u)", path,
			    (unsigned)st.st_uid);
	if (getgrgid_r(st.st_gid, &entry, room, sizeof room, &group) == 0 && group)
		return fail(
			err, SFTOKEN_E_REFUSED,
			"you may not use %s: ask an administrator to put you into the group %s that owns it, and log in again",
			path, group->gr_name);
	return fail(
		err, SFTOKEN_E_REFUSED,
		"you may not use %s: ask an administrator to put you into the group that owns it (gid %u)",
		path, (unsigned)st.st_gid);
}

static int connect_error(int error, const struct sockets *s, struct sftoken_err *err)
{
	const char *path = s->path;
	struct stat st;

	/* the kernel says the same of a file and of a socket that nobody serves or that is closed */
	if ((error == EACCES || error == EPERM || error == ECONNREFUSED) && stat(path, &st) == 0 &&
	    !S_ISSOCK(st.st_mode))
		return fail(err, SFTOKEN_E_UNREACHABLE, "%s is no socket: a daemon's is needed",
			    path);
	if (error == EACCES || error == EPERM)
		return may_not_use(path, err);
	if (error == ENOENT || error == ECONNREFUSED)
		return nobody_there(s, err);
	return fail(err, SFTOKEN_E_UNREACHABLE, "cannot connect to %s: %s", path, strerror(error));
}

static bool worth_waiting(int error)
{
	return error == ENOENT || error == ECONNREFUSED || error == EAGAIN || error == EINTR;
}

static int connect_until(struct sockets *s, int64_t wait_until_ms, int *out)
{
	for (;;) {
		CLEANUP(cleanup_close) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		int64_t left_ms = wait_until_ms - clock_mono_ms();
		int error;

		if (sock < 0)
			return errno;
		sockets_choose(s);
		if (strlen(s->path) >= sizeof address.sun_path)
			return ENAMETOOLONG;
		memcpy(address.sun_path, s->path, strlen(s->path) + 1);
		error = try_connect(sock, &address, left_ms);
		if (!error) {
			*out = take_fd(&sock);
			return 0;
		}
		left_ms = wait_until_ms - clock_mono_ms();
		if (!worth_waiting(error) || left_ms <= 0)
			return error;
		(void)poll(NULL, 0, left_ms < CONNECT_PAUSE_MS ? (int)left_ms : CONNECT_PAUSE_MS);
	}
}

int connect_to(struct sockets *s, const struct trust *trust, int64_t wait_until_ms,
	       struct sftoken_err *err)
{
	CLEANUP(cleanup_close) int sock = -1;
	int error = connect_until(s, wait_until_ms, &sock), r;

	if (error == ENAMETOOLONG)
		return fail(err, SFTOKEN_E_INVALID,
			    "the socket's path is longer than %zu bytes: %s",
			    sizeof((struct sockaddr_un *)NULL)->sun_path - 1, s->path);
	if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS)
		return fail(err, SFTOKEN_E_MEMORY, "cannot make a socket: %s", strerror(error));
	if (error)
		return connect_error(error, s, err);
	r = check_server(sock, s->path, trust, err);
	if (r < 0)
		return r;
	if (fcntl(sock, F_SETFL, O_NONBLOCK) < 0)
		return fail(err, SFTOKEN_E_MEMORY, "fcntl: %s", strerror(errno));
	s->settled = true;
	return take_fd(&sock);
}

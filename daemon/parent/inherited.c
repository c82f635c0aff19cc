/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/inherited.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"

/*
 * The name under which a socket is kept: kept.INODE.PATH. The socket itself only knows the temporary name under which it was made. A path that leads to another inode by now was made by somebody
 * else since.
 */
#define KEPT "kept."

static bool name_of_kept(const char *path, char *name, size_t size)
{
	struct stat st;
	int n;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	n = snprintf(name, size, KEPT "%llu.%s", (unsigned long long)st.st_ino, path);
	return n > 0 && (size_t)n < size && sd_name_fits(name);
}

static bool option_is(int fd, int option, int wanted)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

static bool is_listening(int fd)
{
	return option_is(fd, SO_DOMAIN, AF_UNIX) && option_is(fd, SO_TYPE, SOCK_STREAM) &&
	       option_is(fd, SO_ACCEPTCONN, 1);
}

/* Where callers connect to it; NULL: they cannot. Without a path (an abstract name) everybody could. */
static const char *path_of(int fd, struct sockaddr_un *address)
{
	socklen_t len = sizeof *address - 1;

	memset(address, 0, sizeof *address);
	if (!is_listening(fd) || getsockname(fd, (void *)address, &len) < 0)
		return NULL;
	return address->sun_path[0] == '/' ? address->sun_path : NULL;
}

static struct sd_given *find(struct sd *sd, const char *name)
{
	for (size_t i = 0; i < sd->n_given; i++)
		if (sd->given[i].fd >= 0 && strcmp(sd->given[i].name, name) == 0)
			return &sd->given[i];
	return NULL;
}

int inherited_take(struct sockets *s, const struct listener_settings *l, struct sd *sd,
		   struct err *err)
{
	const char *name = l->fd_name ? l->fd_name : settings_listener_file(l->name), *path;
	struct sd_given *given = name ? find(sd, name) : NULL;
	struct sockaddr_un address;
	int r;

	if (!given && l->fd_name)
		return err_set(
			err, ERR_ADMIN,
			"the service manager passed no socket with the name %s of [Listener %s]: is its .socket unit started, with FileDescriptorName=%s and Service= of this service?",
			name, l->name, name);
	if (!given)
		return 0;
	path = path_of(given->fd, &address);
	if (!path)
		return err_set(
			err, ERR_ADMIN,
			"the socket %s of [Listener %s] is not a listening Unix stream socket with a path: write ListenStream=/PATH and Accept=no in its .socket unit",
			name, l->name);
	if (!l->fd_name && (l->mode >= 0 || l->group))
		sockets_warn(
			s,
			"Mode= and Group= of [Listener %s] are without effect: its socket unit decides (SocketMode=, SocketGroup=)",
			l->name);
	if (!l->fd_name && strcmp(path, l->path) != 0)
		sockets_warn(s, "the socket unit of [Listener %s] listens at %s, not at %s",
			     l->name, path, l->path);
	r = sockets_add(s, l, take_fd(&given->fd), path, SOCKET_MANAGERS, err);
	return r < 0 ? r : 1;
}

bool inherited_take_kept(struct sockets *s, const struct listener_settings *l, struct sd *sd)
{
	char name[SD_TEXT_MAX];
	struct sd_given *given = NULL;

	if (name_of_kept(l->path, name, sizeof name))
		given = find(sd, name);
	if (!given || !is_listening(given->fd))
		return false;
	return sockets_add(s, l, take_fd(&given->fd), l->path, SOCKET_KEPT, NULL) == 0;
}

/* The name of a socket that is kept no longer, as long as it leads to it. */
static void unlink_kept(const struct sd_given *given)
{
	const char *path = strchr(given->name, '/');
	char name[SD_TEXT_MAX];

	if (path && name_of_kept(path, name, sizeof name) && strcmp(name, given->name) == 0)
		unlink(path);
}

void inherited_drop(struct sockets *s, struct sd *sd)
{
	for (size_t i = 0; i < sd->n_given; i++) {
		struct sd_given *g = &sd->given[i];

		if (g->fd < 0)
			continue;
		if (strncmp(g->name, KEPT, strlen(KEPT)) == 0) {
			unlink_kept(g);
			sd_forget(sd, g->name);
		} else {
			sockets_warn(
				s,
				"the service manager passed a socket with the name %s, which no [Listener] wants: it is closed",
				g->name);
		}
		cleanup_close(&g->fd);
	}
}

void inherited_keep(struct sockets *s, struct sd *sd)
{
	char name[SD_TEXT_MAX];
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		kept += s->items[i].owner == SOCKET_KEPT;
	for (size_t i = 0; i < s->n; i++) {
		struct socket_entry *e = &s->items[i];

		if (e->owner != SOCKET_OURS || kept >= sd->store_max ||
		    !name_of_kept(e->path, name, sizeof name))
			continue;
		sd_store(sd, name, e->fd);
		e->owner = SOCKET_KEPT;
		kept++;
	}
}

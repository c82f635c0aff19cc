/* SPDX-License-Identifier: Apache-2.0 */
/* The listening sockets, opened by the parent or passed to it, and handed to its children. */
#ifndef PARENT_SOCKETS_H
#define PARENT_SOCKETS_H

#include "daemon/parent/identity.h"
#include "daemon/parent/sd.h"

enum socket_owner {
	SOCKET_OURS,     /* its name goes when we stop */
	SOCKET_KEPT,     /* ours, but the service manager keeps it open for the next daemon: the name stays */
	SOCKET_MANAGERS, /* of a socket unit: nothing about it is ours to change */
};

struct socket_entry {
	const struct listener_settings *settings;
	int fd;
	char *path; /* where it really is */
	enum socket_owner owner;
};

struct sockets {
	struct socket_entry *items;
	size_t n;
	/* What was on_demand, and what opening it takes; borrowed from sockets_open()'s caller. */
	const struct listener_settings *list;
	const struct settings *settings;
	const struct identity *identity;
	struct sd *sd;
	bool user_mode;
	char **warnings; /* what status shows: groups that do not exist, with the command that mends it */
	size_t n_warnings;
};

/*
 * Opens every listener of the list: taken from the service manager where it has passed one, else bound under a temporary name, given its mode and group, listening, then renamed over what a dead
 * daemon left. What the manager passed and nobody wants is closed. One that is on_demand is taken if it was passed, else left for sockets_open_wanted(). 0 or -ERR_ADMIN. list, settings, id and sd
 * must outlive s.
 */
int sockets_open(struct sockets *s, const struct listener_settings *list,
		 const struct settings *settings, bool user_mode, const struct identity *id,
		 struct sd *sd, struct err *err);

/*
 * Opens the listener of this name if it is on_demand and not yet open. NULL: there is nothing to open (err untouched), or -ERR_ADMIN in err. It belongs to s.
 */
const struct socket_entry *sockets_open_wanted(struct sockets *s, const char *name,
					       struct err *err);

/* Closes them, and removes the names of those that nobody keeps. */
void sockets_close(struct sockets *s);

/* --- for inherited.c --- */

void sockets_warn(struct sockets *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds one; takes fd, and copies path. Without memory fd is closed. 0 or -ERR_INTERNAL. */
int sockets_add(struct sockets *s, const struct listener_settings *l, int take_fd, const char *path,
		enum socket_owner owner, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The listening sockets, opened by the parent and handed to its children. */
#ifndef PARENT_SOCKETS_H
#define PARENT_SOCKETS_H

#include "daemon/parent/identity.h"

struct socket_entry {
	const struct listener_settings *settings;
	int fd;
};

struct sockets {
	struct socket_entry *items;
	size_t n;
	char **warnings; /* what status shows: groups that do not exist, with the command that mends it */
	size_t n_warnings;
};

/*
 * Opens every listener of the list: bound under a temporary name, given its mode and group, listening, then renamed over what a dead daemon left. 0 or -ERR_ADMIN.
 */
int sockets_open(struct sockets *s, const struct listener_settings *list,
		 const struct settings *settings, bool user_mode, const struct identity *id,
		 struct err *err);

/* Closes them and removes their names. */
void sockets_close(struct sockets *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that were open before we came: of socket units, and those that an earlier daemon gave to the service manager to keep, so that callers wait in their queue while the daemon is restarted.
 */
#ifndef PARENT_INHERITED_H
#define PARENT_INHERITED_H

#include "daemon/parent/sockets.h"

/*
 * The one of the listener's FileDescriptorName=, or for a built-in listener the one with the name of its interface. 1: added to s; 0: none was passed and none must be; -ERR_ADMIN: one was named
 * that was not passed, or that callers cannot connect to.
 */
int inherited_take(struct sockets *s, const struct listener_settings *l, struct sd *sd,
		   struct err *err);

/* The one that an earlier daemon had opened for this listener, if it is still the one that its path leads to. Whether it was added to s. */
bool inherited_take_kept(struct sockets *s, const struct listener_settings *l, struct sd *sd);

/* Closes what is left. What was kept for a listener that is no more, or is elsewhere now, is kept no longer. */
void inherited_drop(struct sockets *s, struct sd *sd);

/* Gives those that we opened to the manager, as far as it keeps any. */
void inherited_keep(struct sockets *s, struct sd *sd);

#endif

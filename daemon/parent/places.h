/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime and the state directory: made, owned and locked, so that there is one daemon for each. */
#ifndef PARENT_PLACES_H
#define PARENT_PLACES_H

#include "daemon/parent/identity.h"

/* Makes path (and what is missing above it) with mode for the service user, or checks that an existing one is its own and nobody else can write it. 0 or -ERR_ADMIN. */
int place_make(const char *path, mode_t mode, const struct identity *id, struct err *err);

/*
 * Takes the OFD lock on DIR/lock for life and writes our pid into it. A lock whose pid is dead is waited for, at most 6 s. Returns a close-on-exec descriptor, -ERR_EXISTS naming the
 * pid of the daemon that holds it, or -ERR_ADMIN.
 */
int place_lock(const char *dir, const struct identity *id, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets of a child: accepts one a turn, pauses when descriptors run out, and hands each new socket on with what the kernel says of the peer.
 */
#ifndef COMMON_LISTENER_H
#define COMMON_LISTENER_H

#include "daemon/common/loop.h"
#include "daemon/common/peer.h"

struct listener;

struct listener_handlers {
	/* sock (non-blocking, close-on-exec) and *peer are the callee's from now on. */
	void (*accepted)(struct listener *l, int sock, struct peer *peer, void *arg);
	/* Accepting pauses: no descriptors or no memory (errnum). */
	void (*paused)(struct listener *l, int errnum, void *arg);
	int64_t pause_ms; /* how long; may change */
	void *arg;
};

/* Takes over fd, a listening AF_UNIX stream socket; sets SO_PASSCRED on it. Does not accept before listener_enable(). name: copied. */
struct listener *listener_open(struct loop *loop, int fd, const char *name, const char *path,
			       const struct listener_handlers *handlers, struct err *err);
void listener_close(struct listener *l); /* takes NULL */
void listener_enable(struct listener *l, bool enabled);
const char *listener_name(const struct listener *l);
const char *listener_path(const struct listener *l);

#endif

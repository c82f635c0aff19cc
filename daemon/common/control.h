/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child's end of the control channel (architecture.md 5). The channel is descriptor CONTROL_FD, made by the parent. End of file means that the parent is gone.
 * Ping is answered here.
 */
#ifndef COMMON_CONTROL_H
#define COMMON_CONTROL_H

#include "daemon/common/loop.h"
#include "proto/link_messages.h"

/* Descriptors that a child is born with; everything else is close-on-exec. STATE_LOCK_FD: mint only. */
enum { CONTROL_FD = 3, STATE_LOCK_FD = 4 };

struct control;

struct control_handlers {
	/* m's texts are valid during the call. fd: came with it (listener, link), owned by the callee from now on, or -1. Pings do not arrive here. */
	void (*message)(const struct control_message *m, int fd, void *arg);
	void (*parent_gone)(void *arg);
	void *arg;
};

/* Takes over fd. NULL and err on failure. */
struct control *control_open(struct loop *l, int fd, const struct control_handlers *handlers,
			     struct err *err);
void control_close(struct control *c); /* takes NULL */

/* Sends, or keeps it until the socket takes it (bounded: the newest Ready and up to 64 others; more are dropped and counted). */
void control_send(struct control *c, const struct control_message *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of the link between mint and front: packets with JSON, non-blocking. There is no queue: the owner writes the newest state when
 * link_on_writable() says that there is room again.
 */
#ifndef COMMON_LINK_H
#define COMMON_LINK_H

#include "daemon/common/loop.h"
#include "proto/link_messages.h"

struct link_end;

struct link_handlers {
	void (*message)(const struct link_message *m,
			void *arg);  /* texts valid during the call; they are erased after it */
	void (*writable)(void *arg); /* there is room after a send that did not fit */
	void (*closed)(
		void *arg); /* the other end is gone or broke the protocol; link_close() is the callee's */
	void *arg;
};

/* Takes over fd; sends Hello with build at once. A Hello of another build ends in closed(). Hello itself is not passed to message(). */
struct link_end *link_open(struct loop *l, int fd, const char *build,
			   const struct link_handlers *handlers, struct err *err);
void link_close(struct link_end *e); /* takes NULL; allowed from within a handler */

/* In closed(): whether it ended because the other end is of another build (then the callee has to exit, so that the parent starts both anew). */
bool link_other_build(const struct link_end *e);

/* 1 sent; 0 no room now (writable() will be called; nothing was sent); negative: closed() follows in the next turn of the loop. */
int link_send(struct link_end *e, const struct link_message *m);

#endif

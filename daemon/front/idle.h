/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether anybody needs us, for --until-idle: a caller is a connection from its first call on that is more than a look at
 * who serves (org.varlink.service, which probes ask for ever) until it is closed. The one timer is not touched by callers who come
 * and go: it finds out when it fires.
 */
#ifndef FRONT_IDLE_H
#define FRONT_IDLE_H

#include "daemon/common/loop.h"

struct idle {
	struct loop *loop;
	struct timer *timer; /* NULL: nobody wants to know */
	int64_t after_ms, since_ms, callers;
	int64_t silent,
		came_ms; /* connections that have not said a word yet, and when the last one came */
	bool told;
	void (*tell)(void *arg);
	void *arg;
};

/*
 * From now on tell(arg) is called once, when there was no caller for after_ms; asked again, the time begins anew. i->callers is kept from before. 0 or
 * -ERR_INTERNAL.
 */
int idle_watch(struct idle *i, struct loop *l, int64_t after_ms, void (*tell)(void *arg), void *arg,
	       struct err *err);
/* The time begins anew: before now nobody could have come. */
void idle_restart(struct idle *i);
/*
 * A connection is there; it has said its first word, whatever that is, or is gone again. One that has just come is waited for, for a moment: it would be a caller in the next one. One that says
 * nothing at all is none.
 */
void idle_came(struct idle *i);
void idle_spoke(struct idle *i);
void idle_enter(struct idle *i);
void idle_leave(struct idle *i);
void idle_fini(struct idle *i);

#endif

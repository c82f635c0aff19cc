/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of each host: how many requests may be under way, who goes next, and a breaker (architecture.md 7 "Budget"). Demanded requests go before
 * scheduled ones. After so many failures in a row the host is left alone but for one probe a back-off step, shared by all that want to go there; a demanded
 * request may be that probe earlier, but not sooner than the demand gap after the last one. No clock, no I/O: now_ms is BOOTTIME.
 */
#ifndef MINT_GATE_H
#define MINT_GATE_H

#include <sys/queue.h>

#include "daemon/common/settings.h"
#include "daemon/mint/attempt.h"

struct gate;
struct gate_host;

enum gate_place { GATE_OUTSIDE, GATE_WAITING, GATE_INSIDE };

/* Embedded in what wants to pass. */
struct gate_waiter {
	TAILQ_ENTRY(gate_waiter) link;
	struct gate_host *host;
	enum attempt_kind kind;
	enum gate_place place;
};

enum gate_outcome {
	GATE_REACHED,   /* the host answered */
	GATE_FAILED,    /* it did not, or with 5xx */
	GATE_UNDECIDED, /* cancelled, or never sent */
};

struct gate *gate_new(const struct limits *limits);
void gate_configure(struct gate *g, const struct limits *limits);
void gate_free(struct gate *g); /* takes NULL; no waiter may be left */

/* The host called key becomes w's until gate_quit(). 0, or -1: out of memory. */
int gate_join(struct gate *g, struct gate_waiter *w, const char *key, enum attempt_kind kind);
void gate_quit(struct gate *g,
	       struct gate_waiter *w); /* also from within the queue, or inside as GATE_UNDECIDED */

/* w waits for its turn; the caller then asks gate_next() until it says NULL. */
void gate_wait(struct gate_waiter *w);
/* A scheduled waiter becomes a demanded one. */
void gate_demand(struct gate_waiter *w);

/* The next that may go in now; it is inside then. NULL: nobody. */
struct gate_waiter *gate_next(struct gate *g, struct gate_host *host, int64_t now_ms);

/* The next that waits in vain, because the breaker is open and no probe is under way; it is outside then. NULL: nobody. *retry_ms: when to try again. */
struct gate_waiter *gate_next_refused(struct gate *g, struct gate_host *host, int64_t now_ms,
				      int64_t *retry_ms);

/* w, inside, is done. Afterwards gate_next() and gate_next_refused() may have new answers. retry_after_ms: the host's wish, 0: none. */
void gate_leave(struct gate *g, struct gate_waiter *w, enum gate_outcome outcome,
		int64_t retry_after_ms, int64_t now_ms);

/* BOOTTIME until when the breaker of this host keeps scheduled requests back; 0: it does not. */
int64_t gate_open_ms(const struct gate *g, const char *key);

#endif

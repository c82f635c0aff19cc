/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front's side of the link (architecture.md 5): tells the mint what the front holds, builds the
 * new table beside the old one and swaps at Synced, and carries Want, Report, Served, Log and
 * Counters. Want and Report are levels kept in the credential; nothing is queued.
 */
#ifndef FRONT_FRONT_LINK_H
#define FRONT_FRONT_LINK_H

#include "base/log.h"
#include "daemon/common/loop.h"
#include "daemon/front/rules.h"
#include "daemon/front/tokens.h"

struct front_link;

struct front_link_handlers {
	/*
	 * Something about e has changed. settled: it is to be judged now; else more about it is to
	 * be expected in a moment (front_link_settled()).
	 */
	void (*changed)(struct entry *e, bool settled, void *arg);
	/* e is no longer in the table: answer who waits for it; it is freed afterwards. */
	void (*removed)(struct entry *e, void *arg);
	/*
	 * New rules: take over what r holds (rules_init() it, or exchange it for the old ones,
	 * which are freed by the caller).
	 */
	void (*rules)(struct rules *r, void *arg);
	/*
	 * *next is complete: exchange it for the current table, which is freed by the caller once
	 * nothing waits in it.
	 */
	void (*synced)(struct table *next, void *arg);
	/* Fill in the answer to Count: members of two objects, and the list of warnings. */
	void (*counters)(struct buf *counters, struct buf *listeners, struct text_list *warnings,
			 void *arg);
	/* The mint is of another build, or the link is broken for good: the front has to end. */
	void (*fatal)(const char *why, void *arg);
	/* There is room again. */
	void (*writable)(void *arg);
	/* The mint's answer to front_link_identify(). */
	void (*identity)(const struct link_identity *m, void *arg);
	void *arg;
};

/* table: the current one, at the same address for life. */
struct front_link *front_link_new(struct loop *l, const char *build, struct table *table,
				  const struct front_link_handlers *h, struct err *err);
void front_link_free(struct front_link *f); /* takes NULL */

/* A fresh end of the link; the old one is dropped. */
int front_link_use(struct front_link *f, int fd, struct err *err);
/* A mint is there and has sent all its state. */
bool front_link_synced(const struct front_link *f);

/*
 * Sends e's Want and Report if they are raised (e->want, e->report), now or as soon as there is
 * room.
 */
void front_link_send(struct front_link *f, struct entry *e);
/* Asks who pid is; handlers.identity() follows. False if it could not be sent now: again when there is room, or a new mint. */
bool front_link_identify(struct front_link *f, int64_t id, pid_t pid);
/* Both: false if it could not be sent now. */
bool front_link_served(const struct link_served *m, void *front_link);
void front_link_log(enum log_level level, const char *event, const struct log_field *fields,
		    size_t n, void *front_link);
/* Log lines that did not fit. */
int64_t front_link_log_dropped(const struct front_link *f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mint's side of the link (architecture.md 5): takes over what the front holds, then sends rules, credentials, tokens, problems and verdicts; afterwards one dirty flag
 * per credential and no queue.
 */
#ifndef MINT_PUBLISH_H
#define MINT_PUBLISH_H

#include "daemon/mint/registry.h"
#include "proto/link_messages.h"

struct publish;

struct publish_handlers {
	/* The front has said all that it holds (once a link). */
	void (*taken_over)(void *arg);
	/* The answer to publish_count(); NULL: no front, or none came. Texts are valid during the call. */
	void (*counters)(const struct link_counters *c, void *arg);
	/* The front is of another build: this process cannot go on. */
	void (*other_build)(void *arg);
	void *arg;
};

struct publish *publish_new(struct loop *l, struct registry *registry, uid_t service_uid,
			    const struct publish_handlers *handlers, struct err *err);
/* The daemon is a user's own (--user): so is the service manager whose word on units the credential socket takes, which else is root's, and so are the units of callers. */
void publish_user_mode(struct publish *p);
void publish_free(struct publish *p); /* takes NULL */

/* A new link from the parent: takes over fd, drops the old one. */
int publish_link(struct publish *p, int fd, struct err *err);

/* From the registry. */
void publish_changed(struct publish *p, struct keeper *k);
void publish_removed(struct publish *p, const char *name);
void publish_reloaded(struct publish *p);

/* Writes now what is due (else it goes out in the next turn): before an administrator is told that something is done. */
void publish_flush(struct publish *p);

/* Asks the front for its counters; handlers.counters() follows within a second. */
void publish_count(struct publish *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the set-up of one credential, for Manager.Diagnose: finds out what doctor_judge.h wants to know, and tells each step when it is known. A grant that renews itself is asked once, by its keeper, so that
 * budget, single flight and the rules of the store hold; the host and userinfo are asked by attempts, which cost nothing. A refresh token is never spent.
 */
#ifndef MINT_DOCTOR_H
#define MINT_DOCTOR_H

#include "daemon/mint/doctor_judge.h"
#include "daemon/mint/registry.h"

struct doctor;

struct doctor_handlers {
	/* One step. last: d is done, and frees itself when this has returned. Not called from within doctor_new(), nor after doctor_free(). */
	void (*found)(enum doctor_step step, const struct doctor_finding *f, bool last, void *arg);
	void *arg;
};

/* Begins with the next turn of the loop. k must be in r. NULL: out of memory. */
struct doctor *doctor_new(struct loop *l, struct registry *r, struct keeper *k,
			  const struct doctor_handlers *handlers);
void doctor_free(struct doctor *d); /* takes NULL; found() is not called any more */

const struct keeper *doctor_keeper(const struct doctor *d); /* NULL after doctor_forget() */
/* An attempt of its keeper has ended (registry_handlers.settled). */
void doctor_settled(struct doctor *d);
/* Its keeper ends, or is replaced: what is left is told as skipped. found() may be called from within. */
void doctor_forget(struct doctor *d);

#endif

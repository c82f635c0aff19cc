/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was refused which credential, and by which condition: the caller hears no more than that there is none, so that the log is
 * the only place where an administrator finds out. Nothing is written while a call is answered, but in the next turn of the loop;
 * the first (uid, credential, reason with its unit or program) then, and later ones are counted and told a minute later. The table is bounded, for each uid, too.
 */
#ifndef FRONT_REFUSALS_H
#define FRONT_REFUSALS_H

#include "daemon/front/map.h"
#include "daemon/front/policy.h"

enum { REFUSALS_MAX = 512, REFUSALS_USER_MAX = 32 };

struct refusals {
	struct map records;
	bool fresh; /* some were not told at all yet */
};

/* One call. name and name_hash: the credential's; why: what policy_look() said, and neither WHY_NOT nor WHY_UNKNOWN. */
struct refusal {
	const struct peer *peer;
	const struct proof *proof; /* for a unit or program, else it may be NULL */
	const char *name, *listener;
	uint64_t name_hash;
	enum policy_why why;
};

/* False: there is no room for it, or no memory, and the log will not tell of it. */
bool refusals_note(struct refusals *r, const struct refusal *call);
/* The next turn of the loop: logs those that were not told yet. */
void refusals_tell_fresh(struct refusals *r, int64_t now_ms);
/*
 * Once a minute: logs how often each came again, if it was told a minute ago or longer, and forgets those that did not. all: whenever
 * they were told.
 */
void refusals_minute(struct refusals *r, int64_t now_ms, bool all);
void refusals_fini(struct refusals *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use which credential: pure judgement over what the kernel said of the peer at accept
 * (uid, gid, supplementary groups), the final uid and gid lists that the mint sends, and the globs
 * of the listener that the caller came through.
 */
#ifndef FRONT_POLICY_H
#define FRONT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/common/peer.h"
#include "proto/fields.h"

/* Names with * ? [ ]. Owned. */
struct globs {
	char **glob;
	size_t n;
};

/* Who may use one credential; sorted, owned. uid 0 and the service user are in or out already. */
struct access {
	uint32_t *uids, *gids;
	size_t n_uids, n_gids;
	struct globs loads; /* units that may load it; n 0: none */
	/* whoever is named above must also be in one of these units, and run one of these programs; n 0: no matter which */
	struct globs units, executables;
};

/* What is known of a caller beside uid and groups; NULL: it is not known. */
struct proof {
	const char *unit, *executable;
};

enum policy {
	POLICY_NO,
	POLICY_YES,
	POLICY_UNKNOWN, /* a rule decides, and no proof was given */
};

/* The first condition that is not met. */
enum policy_why {
	WHY_NOT, /* it is allowed */
	WHY_UNKNOWN,
	WHY_OVERFLOW, /* the uid stands for one that has no number here */
	WHY_USER,     /* neither the uid nor a group is named */
	WHY_LISTENER, /* the socket does not give it */
	WHY_UNIT,
	WHY_EXECUTABLE,
};

/*
 * Copies the two lists of a decoded message (int_list.raw). Numbers that are no ids (negative, or
 * beyond 32 bits less one) are left out. 0 or -ERR_INTERNAL.
 */
int access_init(struct access *a, const struct int_list *uids, const struct int_list *gids,
		struct err *err);
void access_fini(struct access *a);

/* From a checked array of strings; start NULL: none. 0, or -1 when memory is out (globs_fini() is still due). */
int globs_init(struct globs *g, struct json_value array);
/* What one listener may give at all; n 0: everything. */
bool globs_match(const struct globs *g, const char *name);
bool globs_equal(const struct globs *a, const struct globs *b);
void globs_fini(struct globs *g);

static inline bool access_has_rules(const struct access *a)
{
	return a->units.n > 0 || a->executables.n > 0;
}

/*
 * The rule of architecture.md 9: the uid, the gid or a supplementary group is named; uid 65534
 * never; and where units or programs are named, proof must say one of each. who NULL: nothing is known yet. globs may be NULL (no
 * narrowing).
 */
enum policy policy_judge(const struct access *a, const struct peer *p, const struct proof *who,
			 const struct globs *globs, const char *name);
/* The same, and what it is that refuses. */
enum policy_why policy_look(const struct access *a, const struct peer *p, const struct proof *who,
			    const struct globs *globs, const char *name);

/* Whether unit is named (rule_names()). */
bool policy_names_unit(const struct globs *units, const char *unit);

#endif

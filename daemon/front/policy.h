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

/* Who may use one credential; sorted, owned. uid 0 and the service user are in or out already. */
struct access {
	uint32_t *uids, *gids;
	size_t n_uids, n_gids;
};

/*
 * Copies the two lists of a decoded message (int_list.raw). Numbers that are no ids (negative, or
 * beyond 32 bits less one) are left out. 0 or -ERR_INTERNAL.
 */
int access_init(struct access *a, const struct int_list *uids, const struct int_list *gids,
		struct err *err);
void access_fini(struct access *a);
bool access_equal(const struct access *a, const struct access *b);

/* What one listener may give at all. n 0: everything. Owned. */
struct globs {
	char **glob;
	size_t n;
};

/* From a checked array of strings. 0, or -1 when memory is out (globs_fini() is still due). */
int globs_init(struct globs *g, struct json_value array);
bool globs_match(const struct globs *g, const char *name);
void globs_fini(struct globs *g);

/*
 * The rule of architecture.md 9: the uid, the gid or a supplementary group is named; uid 65534
 * never. globs may be NULL (no narrowing).
 */
bool policy_allows(const struct access *a, const struct peer *p, const struct globs *globs,
		   const char *name);

#endif

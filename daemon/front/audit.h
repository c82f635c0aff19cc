/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who got which token: the first (uid, gid, pid, credential, generation) is told to the mint at once,
 * later ones are counted and told once a minute, so that a warm get costs no message. The table is
 * bounded; what does not fit is told each time.
 */
#ifndef FRONT_AUDIT_H
#define FRONT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/common/peer.h"
#include "daemon/front/map.h"
#include "proto/link_messages.h"

enum { AUDIT_RECORDS_MAX = 8192 };

struct audit {
	struct map records;
	/* Sends one Served; false: it could not be sent now. */
	bool (*send)(const struct link_served *m, void *arg);
	void *arg;
	uint64_t lost; /* gets that were told to nobody */
};

/* who: uid, gid and pid count. name_hash: of the credential's name. reason: as the caller sent it, or NULL. */
void audit_served(struct audit *a, const struct peer *who, const char *name, uint64_t name_hash,
		  int64_t generation, const char *reason);
/*
 * Once a minute: tells the counts, as many as the link takes (the others stay), and forgets who did
 * nothing since the last time.
 */
void audit_minute(struct audit *a);
/* The link has room again: tells what could not be told. */
void audit_flush(struct audit *a);
void audit_fini(struct audit *a);

#endif

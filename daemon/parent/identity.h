/* SPDX-License-Identifier: Apache-2.0 */
/* Who the daemon runs as: the service user. */
#ifndef PARENT_IDENTITY_H
#define PARENT_IDENTITY_H

#include "daemon/common/settings.h"

/* Decimal digits alone that are an id: users and groups may be numbers, also without an entry (containers). */
bool identity_number(const char *text, uint32_t *id);

struct identity {
	char *name; /* NULL: we stay who we are */
	uid_t uid;
	gid_t gid;
};

/*
 * Started as root without --user: [Daemon] User= (default sftokend), else whoever started us. 0, or -ERR_ADMIN with the command that makes the user.
 */
int identity_resolve(const struct settings *settings, bool user_mode, struct identity *id,
		     struct err *err);

/* Switches for good: groups, gid, uid. 0 or -ERR_INTERNAL. Does nothing when name is NULL. */
int identity_become(const struct identity *id, struct err *err);
void identity_fini(struct identity *id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the mint's Rules say: limits, the service user, and what each listener may give. */
#ifndef FRONT_RULES_H
#define FRONT_RULES_H

#include "daemon/common/settings.h"
#include "daemon/front/policy.h"
#include "proto/link_messages.h"

struct listener_globs {
	char *name;
	struct globs globs;
};

struct rules {
	struct limits limits;
	int64_t service_uid; /* -1: not known */
	int64_t manager_uid; /* of the service manager, whose word on units counts; -1: nobody's does */
	char *default_credential;
	struct listener_globs *listeners;
	size_t n_listeners;
};

/* The defaults, before the first Rules. */
void rules_init(struct rules *r);
/*
 * From a decoded message, whose texts it copies. Limits that are not named keep their defaults. 0,
 * -ERR_PROTOCOL or -ERR_INTERNAL.
 */
int rules_read(struct rules *r, struct link_rules *m, struct err *err);
void rules_fini(struct rules *r);
/* NULL: the listener may give everything. One that the rules do not name gives nothing: its section was taken out, and its socket is open until the restart. */
const struct globs *rules_globs(const struct rules *r, const char *listener);

#endif

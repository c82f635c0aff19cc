/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One whole configuration: sftokend.conf and all credentials, read together and judged together.
 */
#ifndef MINT_LOAD_H
#define MINT_LOAD_H

#include "daemon/mint/credential.h"

struct load {
	struct settings *settings;
	struct credential_set *set;
	struct config_notes mistakes; /* not empty: not to be used */
	struct config_notes warnings;
};

/* 0 (look at mistakes) or -ERR_INTERNAL. places are resolved. */
int load_read(struct load *l, const struct places *places, uid_t service_uid, struct err *err);
void load_fini(struct load *l);

/* Adds a warning for everything in which fresh differs from running and that a reload cannot change. */
void load_warn_restart(const struct settings *running, const struct settings *fresh,
		       struct config_notes *warnings);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One whole configuration: sftokend.conf and all credentials, read together and judged together.
 */
#ifndef MINT_LOAD_H
#define MINT_LOAD_H

#include "daemon/mint/credential.h"

struct load {
	struct settings *settings;
	struct secret *store_key; /* value of [Store] Key=; NULL: auto */
	struct credential_set *set;
	struct config_notes mistakes; /* not empty: not to be used */
	struct config_notes warnings;
};

/* 0 (look at mistakes) or -ERR_INTERNAL. places are resolved. stored: for "stored:", NULL: nothing is given yet. Either way load_fini() comes after. */
int load_read(struct load *l, const struct places *places, uid_t service_uid,
	      const struct credential_stored *stored, struct err *err);

/*
 * Its two halves, because the store is opened between them: the settings with the key of the store, and the credentials with what is stored. Either 0 (look at mistakes) or -ERR_INTERNAL. The
 * second half may follow although the first found mistakes, so that all are told at once (stored NULL then).
 */
int load_settings(struct load *l, const struct places *places, uid_t service_uid, struct err *err);
int load_credentials(struct load *l, const struct places *places, uid_t service_uid,
		     const struct credential_stored *stored, struct err *err);

/* What OnEvent= needs: the ends of the certificates, into the credentials; with warnings for what is wrong. 0 or -ERR_INTERNAL. */
int load_events(const struct settings *s, struct credential_set *set, const struct places *places,
		uid_t service_uid, struct config_notes *warnings, struct err *err);

/*
 * The value that [Store] Key= refers to, into *key (the caller's; NULL: auto, or there is a mistake, which goes to notes). One newline at its end does not count. 0 or -ERR_INTERNAL.
 */
int load_store_key(const struct settings *s, uid_t service_uid, struct config_notes *notes,
		   struct secret **key, struct err *err);
/* Whether a check from outside cannot have the key of the store, which the service manager hands over; with a warning then. */
bool load_key_comes_later(const struct settings *s, bool outside, struct config_notes *warnings);
void load_fini(struct load *l);

/* One event each. */
void load_log_mistakes(const struct config_notes *mistakes);
void load_log_warnings(const struct config_notes *warnings);

/* Adds a warning for everything in which fresh differs from the settings of the start and that a reload cannot change. */
void load_warn_restart(const struct settings *started, const struct settings *fresh,
		       struct config_notes *warnings);

#endif

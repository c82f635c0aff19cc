/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the credential_*.c files; nobody else includes this.
 */
#ifndef MINT_CREDENTIAL_PARTS_H
#define MINT_CREDENTIAL_PARTS_H

#include "daemon/mint/credential.h"

/* Users and groups that were found during one load. */
enum { CREDENTIAL_NAMES = 16 };
struct credential_names {
	struct credential_name {
		bool user;
		char name[64];
		int64_t id;
	} items[CREDENTIAL_NAMES];
	size_t n;
};

/*
 * The secret that was read last during one load, and its directory: thousands of credentials have theirs in one directory, and those of one connected app have the same one. Its key was
 * found to be good once. Not kept longer than a load: the next reads every file anew.
 */
struct credential_secrets {
	char *folder; /* NULL: none */
	int folder_fd;
	char *reference;
	bool trim;
	struct secret *secret; /* NULL: none */
	struct secret *good_key, *good_passphrase;
};
#define CREDENTIAL_SECRETS_NONE ((struct credential_secrets){ .folder_fd = -1 })

void credential_secrets_fini(struct credential_secrets *kept);

/* The reference is written as it must be: what is wrong then is wrong with the file that it names. */
bool credential_names_file(const char *reference);
/* As credential_secret(), with what was read and opened before in kept. */
struct secret *credential_secret_kept(struct credential_secrets *kept, const char *reference,
				      uid_t service_uid, bool trim, struct err *err);

/* What judging a credential needs and tells. */
struct credential_check {
	const struct settings *settings;
	uid_t service_uid;
	int (*check_key)(const struct secret *key, const struct secret *passphrase,
			 struct err *err);
	const struct credential_stored *stored; /* NULL: its values are taken as not given */
	struct config_notes *notes, *warnings;
	struct credential_names *names;
	struct credential_secrets *secrets;
	bool outside; /* of struct places */
};

/* "[section] key" -> file and line for a note; without an assignment the credential's file as a
 * whole. */
void credential_note_at(const struct credential *c, const char *section, const char *key,
			const char **file, unsigned *line);

#define CREDENTIAL_NOTE(c, notes, section, key, ...) \
	do { \
		const char *note_file; \
		unsigned note_line; \
		credential_note_at(c, section, key, &note_file, &note_line); \
		config_note(notes, note_file, note_line, __VA_ARGS__); \
	} while (0)

/* Whether the key was assigned, well or badly. */
bool credential_assigned(const struct credential *c, const char *section, const char *key);

/* A credential with its defaults, not yet judged. NULL: out of memory. */
struct credential *credential_new(const char *name);

/* Judges [Credential] and reads the secrets. 0 or -ERR_INTERNAL. */
int credential_check(struct credential *c, const struct credential_check *check, struct err *err);

/* --- what fits (credential_fit.c) --- */

/* True if it is there; else says once that it is missing (a wrong value has been said already). */
bool credential_need(const struct credential *c, const struct credential_check *check,
		     const void *value, const char *key, const char *what);
/* A person gets its first token by a login; its tokens come from a refresh token; it has a key to sign with. */
bool credential_logs_in(const struct credential *c);
bool credential_refreshes(const struct credential *c);
bool credential_signs(const struct credential *c);
/* The default of ClientAuth=, and what it needs. */
void credential_resolve_client_auth(struct credential *c, const struct credential_check *check);
/* Whether each key fits the grant, which is known, and what it needs is there. */
void credential_check_fit(struct credential *c, const struct credential_check *check);

/* --- the topics of credential_check(): each notes its mistakes; 0 or -ERR_INTERNAL --- */

/* Scopes=, RedirectUri=, Dialect= (credential_login.c). */
int credential_check_login(struct credential *c, const struct credential_check *check,
			   struct err *err);
/* The secrets (credential_values.c). */
int credential_read_values(struct credential *c, const struct credential_check *check,
			   struct err *err);

/* Opens path (below dir unless it is absolute) without following a symbolic link on the way or at its end: ELOOP. With O_PATH it must be a directory. Sets O_CLOEXEC. The descriptor, or -1 with errno. */
int credential_open_stepwise(int dir, const char *path, int flags);

/* Visible ASCII alone. */
bool credential_printable(const char *text, size_t size);

/* --- "stored:" (credential_stored.c) --- */

bool credential_is_stored(const char *reference); /* takes NULL */

/* Looks up what the references of c say is stored. A value that cannot be used is a warning, and taken as
 * not given. 0 or -ERR_INTERNAL. */
int credential_look_up(struct credential *c, const struct credential_check *check, struct err *err);

/* Judges the rules of [Access] on units (credential_rules.c). */
void credential_check_rules(const struct credential *c, const struct credential_check *check);

/* Turns [Access] into numbers. 0 or -ERR_INTERNAL. */
int credential_resolve_access(struct credential *c, const struct credential_check *check,
			      struct err *err);

#endif

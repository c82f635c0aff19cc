/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials as configured: DIR/credentials/NAME.conf (+ NAME.conf.d/ *.conf) with secrets read from where the files say they are. Immutable and counted; a
 * reload builds a new set beside the old one.
 */
#ifndef MINT_CREDENTIAL_H
#define MINT_CREDENTIAL_H

#include "base/secret.h"
#include "daemon/common/settings.h"
#include "proto/messages.h"

/* Secrets that "sftoken import" gives and "stored:" names, by Manager.SecretKind; refresh tokens are not among them. */
enum stored_secret { STORED_CLIENT_SECRET, STORED_PRIVATE_KEY, STORED_ASSERTION, STORED_SECRETS };

/* Where "stored:" is looked up: the value (borrowed), NULL: not given yet. */
struct credential_stored {
	struct secret *(*find)(const char *name, enum stored_secret kind, void *arg);
	void *arg;
};

enum introspect { INTROSPECT_AUTO, INTROSPECT_YES, INTROSPECT_NO };

/* How the client proves to the token endpoint who it is (RFC 7591 2, token_endpoint_auth_method). */
enum client_auth { CLIENT_SECRET_POST, CLIENT_SECRET_BASIC, PRIVATE_KEY_JWT, CLIENT_AUTH_NONE };

/* Of the device flow (salesforce-oauth.md 5.5, RFC 8628). */
enum dialect { DIALECT_SALESFORCE, DIALECT_RFC8628 };

struct credential {
	unsigned refs;
	char *name;
	struct config_list aliases;
	int grant_type;  /* enum grant_type */
	char *login_url; /* https://host[:port][/site], no trailing slash */
	char *client_id;
	int client_auth; /* enum client_auth, resolved */
	char *issuer; /* not Salesforce: endpoints come from its discovery, login_url is it (without a slash at the end); as written; NULL */
	char *instance_url; /* what instanceUrl is where the server does not say; NULL without issuer */
	char *scopes;       /* separated by spaces; NULL: none asked for */
	char *redirect_uri; /* of logins; NULL where the grant has none */
	int dialect;        /* enum dialect */
	bool allow_user_agent;
	char *username; /* NULL where the grant has none */
	char *audience; /* as configured or NULL: salesforce_audience() derives it */
	char *client_secret_ref,
		*private_key_ref, /* as written: "file:...", "credential:..."; NULL */
		*passphrase_ref, *assertion_ref, *subject_token_ref, *certificate_ref;
	struct secret *client_secret; /* value; NULL if none */
	struct secret *
		private_key; /* PEM bytes, or the URI; both also NULL while a "stored:" one is not given yet */
	struct secret *passphrase; /* of private_key: passphrase, PIN or auth value; NULL */
	struct secret *assertion;  /* made by an identity provider, as it was at the load; NULL */
	struct secret *subject_token;             /* as it was at the load; NULL */
	char *recipient;                          /* of a SAML assertion; NULL: derived */
	char *subject_token_type, *token_handler; /* RFC 8693, the type as URN; NULL */
	int64_t certificate_ends_s; /* end of Certificate=, seconds since 1970; 0: not known (certificate.h fills it in) */
	char *missing;              /* what credential_missing() says; NULL: nothing */
	int64_t session_timeout_ms; /* 2 h */
	int64_t renew_at_percent;   /* 0: the default of the grant */
	int introspect;             /* enum introspect */
	bool renew_when_idle;       /* no: no renewal ahead for a token that nobody asked for */
	int64_t idle_stop_ms; /* no renewal ahead so long after the last caller; 0: never stops */
	bool renewal_ends_session; /* a renewal waits for those who hold the session */
	bool required;
	/* [Access] as written, for --check */
	struct config_list allow_users, allow_groups, allow_login;
	/* the same, names and globs that are used as they are written */
	struct config_list load_units, allow_units, allow_executables;
	/* [Access], resolved to numbers, ordered; uid 0 and the service user are in (or out) already */
	int64_t *uids, *gids;
	size_t n_uids, n_gids;
	int64_t *login_uids, *login_gids; /* AllowLogin=, ordered */
	size_t n_login_uids, n_login_gids;
	bool root;
	struct config_origin *origin;
	struct config_files files;
};

struct credential_set {
	unsigned refs;
	struct credential **items; /* ordered by name */
	size_t n;
};

/* The settings that make two credentials the same one for the server: grant, login URL, client, user (architecture.md 5, "origin"). Caller frees. NULL: out of memory. */
char *credential_origin(const struct credential *c);

/* Settings and values of secrets are equal: nothing has to be done at a reload. */
bool credential_equal(const struct credential *a, const struct credential *b);
/* So is all but [Access]: what is asked of the server is the same, and its answer is good for both. */
bool credential_equal_but_access(const struct credential *a, const struct credential *b);
/* The same users may log in (AllowLogin=). */
bool credential_equal_logins(const struct credential *a, const struct credential *b);

struct credential *credential_ref(struct credential *c);
struct credential *credential_unref(struct credential *c); /* takes NULL, returns NULL */
DEFINE_CLEANUP(struct credential *, credential_unref)

/*
 * Reads all credentials below places->config_dir. Mistakes (with file:line) go to notes: unknown keys, clashes of names and aliases, secrets that are missing or not safe,
 * LoginUrl that is not https, keys that do not fit the grant, users and groups that do not exist. settings: for AllowedHosts and DefaultCredential.
 * check_key: called with each private key, says in err why it cannot be used (the home of OpenSSL is elsewhere); may be NULL.
 * stored: for "stored:"; NULL (--check): its values are taken as not given. A value that is not given yet is no mistake.
 * Returns NULL only for -ERR_INTERNAL; with mistakes the set is not to be used.
 */
struct credential_set *credential_set_read(const struct places *places,
					   const struct settings *settings, uid_t service_uid,
					   int (*check_key)(const struct secret *key,
							    const struct secret *passphrase,
							    struct err *err),
					   const struct credential_stored *stored,
					   struct config_notes *notes,
					   struct config_notes *warnings, struct err *err);
struct credential_set *credential_set_ref(struct credential_set *s);
struct credential_set *credential_set_unref(
	struct credential_set *s); /* takes NULL, returns NULL */
DEFINE_CLEANUP(struct credential_set *, credential_set_unref)

/* Some credential has LoadCredentialUnit=. */
bool credential_set_loads(const struct credential_set *s);

/* Which "stored:" secret is not given yet, as a sentence that says how to give it; NULL: none is missing. */
const char *credential_missing(const struct credential *c);

/* A copy of c whose "stored:" secret has this value (NULL: not given). NULL with err: c has no "stored:" of that kind (-ERR_INPUT), the key cannot be used (-ERR_ADMIN), out of memory. */
struct credential *credential_with_secret(const struct credential *c, enum stored_secret kind,
					  struct secret *value,
					  int (*check_key)(const struct secret *key,
							   const struct secret *passphrase,
							   struct err *err),
					  struct err *err);

/* By name or alias; NULL. */
const struct credential *credential_set_find(const struct credential_set *s, const char *name);

/*
 * Reads the secret that a reference names ("file:PATH", "credential:ID"; "stored:" is looked up by credential_set_read(), not here). Rules: interfaces.md 3. At most 64 KiB; one trailing newline of a
 * text secret is dropped when trim. NULL with what is wrong and how to mend it.
 */
struct secret *credential_secret(const char *reference, uid_t service_uid, bool trim,
				 struct err *err);

/* Whether that is a good reference to a secret that is handed over at the start alone: a check from outside of the service (struct places) cannot have it. */
bool credential_comes_later(const char *reference, bool outside);
/* What is said of it; its argument is the reference. */
#define CREDENTIAL_COMES_LATER \
	"%.100s is given by the service manager: not checked here; `systemctl start` or `sftoken " \
	"reload` says whether it is there"

/* The keys of a credential file: [Credential] and [Access] (credential_keys.c). sftokend.credential(5) is compared with them. */
enum { CREDENTIAL_ITSELF, CREDENTIAL_ACCESS };
extern const struct config_section credential_sections[];
extern const size_t credential_n_sections;

/* Appends the whole set as --check prints it (values with their origin; secrets as references). */
void credential_set_print(struct buf *out, const struct credential_set *s);

#endif

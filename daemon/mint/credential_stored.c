/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "stored:": secrets that are not in files but given with "sftoken import". One that is not there yet is no mistake: how else could it be given.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/mint/credential_parts.h"

/* What a credential may refer to. */
static const struct stored_key {
	enum stored_secret kind;
	const char *key, *import; /* of the file; --kind of "sftoken import" */
	size_t reference, value;
} keys[] = {
	{ STORED_PRIVATE_KEY, "PrivateKey", "private_key",
	  offsetof(struct credential, private_key_ref), offsetof(struct credential, private_key) },
	{ STORED_CLIENT_SECRET, "ClientSecret", "client_secret",
	  offsetof(struct credential, client_secret_ref),
	  offsetof(struct credential, client_secret) },
	{ STORED_ASSERTION, "Assertion", "assertion", offsetof(struct credential, assertion_ref),
	  offsetof(struct credential, assertion) },
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

bool credential_is_stored(const char *reference)
{
	return reference && !strcmp(reference, "stored:");
}

static bool refers(const struct credential *c, const struct stored_key *k)
{
	const void *at = (const char *)c + k->reference;

	return credential_is_stored(*(char *const *)at);
}

static struct secret **value_of(struct credential *c, const struct stored_key *k)
{
	void *at = (char *)c + k->value;

	return at;
}

/* 0, -ERR_ADMIN with what is wrong with the value, or -ERR_INTERNAL. */
static int judge(const struct credential *c, const struct stored_key *k, const struct secret *value,
		 int (*check_key)(const struct secret *key, const struct secret *passphrase,
				  struct err *err),
		 struct err *err)
{
	if (secret_size(value) == 0)
		return err_set(err, ERR_ADMIN, "the secret is empty");
	if (k->kind == STORED_PRIVATE_KEY)
		return check_key ? check_key(value, c->passphrase, err) : 0;
	if (k->kind == STORED_ASSERTION)
		return 0;
	if (!credential_printable(secret_bytes(value), secret_size(value)))
		return err_set(err, ERR_ADMIN,
			       "the secret holds a blank or a byte that is not ASCII");
	return 0;
}

/* Says in c->missing what is to be given, the first of them alone. why: what is wrong with what was
 * given; NULL or "": nothing was. 0 or -ERR_INTERNAL. */
static int say_missing(struct credential *c, const struct stored_key *k, const char *why,
		       struct err *err)
{
	bool bad = why && *why;

	if (c->missing)
		return 0;
	if (asprintf(&c->missing, "%s=stored: %s%s — sftoken import %s --kind %s < FILE", k->key,
		     bad ? "cannot be used: " : "is not given yet", bad ? why : "", c->name,
		     k->import) < 0) {
		c->missing = NULL;
		return err_oom(err);
	}
	return 0;
}

/* Takes the value if it can be used. */
static int look_up(struct credential *c, const struct stored_key *k,
		   const struct credential_check *check, struct err *err)
{
	const struct credential_stored *stored = check->stored;
	struct secret *found = stored ? stored->find(c->name, k->kind, stored->arg) : NULL;
	struct err why = { 0 };

	if (found && judge(c, k, found, check->check_key, &why) < 0) {
		if (why.code == ERR_INTERNAL)
			return err_set(err, ERR_INTERNAL, "%s", why.text);
		CREDENTIAL_NOTE(
			c, check->warnings, "Credential", k->key,
			"%s=stored: cannot be used: %s — give another: sftoken import %s --kind %s < FILE",
			k->key, why.text, c->name, k->import);
		/* a device that is away may come back */
		if (why.code != ERR_RETRY)
			found = NULL;
	}
	if (!found)
		return say_missing(c, k, why.text, err);
	*value_of(c, k) = secret_ref(found);
	return 0;
}

int credential_look_up(struct credential *c, const struct credential_check *check, struct err *err)
{
	for (size_t i = 0; i < KEYS; i++) {
		/* where it does not fit the grant, that is a mistake, and nothing to give */
		if ((keys[i].kind == STORED_PRIVATE_KEY && !credential_signs(c)) ||
		    (keys[i].kind == STORED_ASSERTION && c->grant_type != GRANT_SAML_BEARER))
			continue;
		if (refers(c, &keys[i]) && look_up(c, &keys[i], check, err) < 0)
			return -ERR_INTERNAL;
	}
	return 0;
}

const char *credential_missing(const struct credential *c)
{
	return c->missing;
}

/* --- a copy with another value --- */

static int copy_numbers(int64_t **to, const int64_t *from, size_t n)
{
	*to = calloc(n + 1, sizeof(**to));
	if (*to && n)
		memcpy(*to, from, n * sizeof(**to));
	return *to ? 0 : -1;
}

static struct credential *copy(const struct credential *from)
{
	CLEANUP(credential_unrefp) struct credential *c = credential_new(from->name);

	if (!c)
		return NULL;
	for (size_t i = 0; i < credential_n_sections; i++)
		if (config_section_copy(&credential_sections[i], c, from, NULL) < 0)
			return NULL;
	c->client_secret = from->client_secret ? secret_ref(from->client_secret) : NULL;
	c->private_key = from->private_key ? secret_ref(from->private_key) : NULL;
	c->passphrase = from->passphrase ? secret_ref(from->passphrase) : NULL;
	c->assertion = from->assertion ? secret_ref(from->assertion) : NULL;
	c->certificate_ends_s = from->certificate_ends_s;
	c->subject_token = from->subject_token ? secret_ref(from->subject_token) : NULL;
	c->origin = config_origin_copy(from->origin);
	if (!c->origin || config_files_copy(&c->files, &from->files) < 0 ||
	    copy_numbers(&c->uids, from->uids, from->n_uids) < 0 ||
	    copy_numbers(&c->gids, from->gids, from->n_gids) < 0 ||
	    copy_numbers(&c->login_uids, from->login_uids, from->n_login_uids) < 0 ||
	    copy_numbers(&c->login_gids, from->login_gids, from->n_login_gids) < 0)
		return NULL;
	c->n_login_uids = from->n_login_uids;
	c->n_login_gids = from->n_login_gids;
	c->n_uids = from->n_uids;
	c->n_gids = from->n_gids;
	return TAKE(c);
}

/* What is missing now: of the others as before, of this kind only if there is no value. */
static int find_missing(struct credential *c, struct err *err)
{
	for (size_t i = 0; i < KEYS; i++)
		if (refers(c, &keys[i]) && !*value_of(c, &keys[i]) &&
		    say_missing(c, &keys[i], NULL, err) < 0)
			return -ERR_INTERNAL;
	return 0;
}

struct credential *credential_with_secret(const struct credential *c, enum stored_secret kind,
					  struct secret *value,
					  int (*check_key)(const struct secret *key,
							   const struct secret *passphrase,
							   struct err *err),
					  struct err *err)
{
	CLEANUP(credential_unrefp) struct credential *fresh = NULL;
	const struct stored_key *k = NULL;

	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].kind == kind && refers(c, &keys[i]))
			k = &keys[i];
	if (!k) {
		err_set(err, ERR_INPUT,
			"\"%s\" keeps no such secret in the store: its file has no line %s — add it and reload",
			c->name,
			kind == STORED_PRIVATE_KEY     ? "PrivateKey=stored:"
			: kind == STORED_CLIENT_SECRET ? "ClientSecret=stored:"
						       : "Assertion=stored:");
		return NULL;
	}
	if (value && judge(c, k, value, check_key, err) < 0)
		return NULL;
	fresh = copy(c);
	if (!fresh) {
		err_oom(err);
		return NULL;
	}
	secret_unref(*value_of(fresh, k));
	*value_of(fresh, k) = value ? secret_ref(value) : NULL;
	return find_missing(fresh, err) < 0 ? NULL : TAKE(fresh);
}

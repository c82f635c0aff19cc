/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets of one credential, read from where its references say.
 */
#include <string.h>

#include "daemon/mint/credential_parts.h"

#define NOTE(c, check, key, ...) CREDENTIAL_NOTE(c, (check)->notes, "Credential", key, __VA_ARGS__)

static bool begins(const char *text, const char *with)
{
	return text && !strncmp(text, with, strlen(with));
}

/* An OSSL_STORE URI: it is the value itself. */
static bool is_uri(const char *reference)
{
	return begins(reference, "pkcs11:") || begins(reference, "handle:");
}

static const struct reference {
	const char *key;
	size_t reference, value;
	bool trim, stored;
	bool anew; /* read at each attempt: the file may come later */
} references[] = {
#define REFERENCE(name, field, trim, stored, anew) \
	{ \
		name, offsetof(struct credential, field##_ref), \
			offsetof(struct credential, field), trim, stored, anew \
	}
	REFERENCE("ClientSecret", client_secret, true, true, false),
	/* before the key that it opens */
	REFERENCE("Passphrase", passphrase, true, false, false),
	REFERENCE("PrivateKey", private_key, false, true, false),
	REFERENCE("Assertion", assertion, true, true, true),
	REFERENCE("SubjectToken", subject_token, true, false, true),
#undef REFERENCE
};
enum { REFERENCES = sizeof(references) / sizeof(references[0]) };

static char **reference_of(struct credential *c, const struct reference *r)
{
	void *at = (char *)c + r->reference;

	return at;
}

static struct secret **value_of(struct credential *c, const struct reference *r)
{
	void *at = (char *)c + r->value;

	return at;
}

/* Reads one secret; a mistake is noted at its key. A file that somebody else writes anew may be late: that is no mistake of ours. */
static int read_one(struct credential *c, const struct credential_check *check,
		    const struct reference *r, struct err *err)
{
	const char *ref = *reference_of(c, r);
	struct err why = { 0 };

	if (!ref || (r->stored && credential_is_stored(ref)))
		return 0;
	if (r->stored && begins(ref, "stored:")) {
		NOTE(c, check, r->key,
		     "%s=stored: takes nothing after the colon — write %s=stored:", r->key, r->key);
		return 0;
	}
	if (credential_comes_later(ref, check->outside)) {
		CREDENTIAL_NOTE(c, check->warnings, "Credential", r->key,
				"%s=: " CREDENTIAL_COMES_LATER, r->key, ref);
		return 0;
	}
	*value_of(c, r) = credential_secret_kept(check->secrets, ref, check->service_uid, r->trim,
						 &why);
	if (*value_of(c, r))
		return 0;
	if (why.code == ERR_INTERNAL)
		return err_set(err, ERR_INTERNAL, "%s", why.text);
	if (r->anew && credential_names_file(ref))
		CREDENTIAL_NOTE(c, check->warnings, "Credential", r->key,
				"%s=: %s; it is read again at each attempt", r->key, why.text);
	else
		NOTE(c, check, r->key, "%s=: %s", r->key, why.text);
	return 0;
}

/* --- PrivateKey= --- */

/* The PIN in a URI is a secret in a file that must hold none, and --check prints the file: what it prints has no PIN. 0 or -ERR_INTERNAL. */
static int hide_pin(struct credential *c, const struct credential_check *check, struct err *err)
{
	const char *pin = strstr(c->private_key_ref, "pin-value=");
	CLEANUP(buf_finip) struct buf text;

	if (!pin || !begins(c->private_key_ref, "pkcs11:"))
		return 0;
	CREDENTIAL_NOTE(
		c, check->warnings, "Credential", "PrivateKey",
		"PrivateKey= holds a PIN (pin-value=), which everybody who may read this file "
		"reads — write Passphrase=file:PATH, or pin-source=file:PATH in the URI");
	pin += strlen("pin-value=");
	buf_init(&text, CONFIG_LINE_MAX + 8);
	buf_add(&text, c->private_key_ref, (size_t)(pin - c->private_key_ref));
	buf_add_text(&text, "...");
	buf_add_text(&text, pin + strcspn(pin, "&;"));
	if (buf_failed(&text))
		return err_oom(err);
	free(c->private_key_ref);
	c->private_key_ref = TAKE(text.data);
	return 0;
}

/* The same file as that of the credential before: OpenSSL needs 0.4 ms for a PEM text, and thousands may share one. References keep the addresses from being another secret's. */
static bool known_good(const struct credential *c, const struct credential_secrets *kept)
{
	return kept->good_key == c->private_key && kept->good_passphrase == c->passphrase;
}

static void keep_good(struct credential *c, struct credential_secrets *kept)
{
	secret_unref(kept->good_key);
	secret_unref(kept->good_passphrase);
	kept->good_key = secret_ref(c->private_key);
	kept->good_passphrase = c->passphrase ? secret_ref(c->passphrase) : NULL;
}

/* A token that is not there now may come back: that is no mistake of the file, and each attempt opens it anew. */
static int judge_key(struct credential *c, const struct credential_check *check, struct err *err)
{
	struct err why = { 0 };

	if (!c->private_key || !check->check_key || known_good(c, check->secrets))
		return 0;
	if (check->check_key(c->private_key, c->passphrase, &why) >= 0) {
		keep_good(c, check->secrets);
		return 0;
	}
	if (why.code == ERR_INTERNAL)
		return err_set(err, ERR_INTERNAL, "%s", why.text);
	CREDENTIAL_NOTE(c, why.code == ERR_RETRY ? check->warnings : check->notes, "Credential",
			"PrivateKey", "PrivateKey=: %s", why.text);
	return 0;
}

static int read_key(struct credential *c, const struct credential_check *check,
		    const struct reference *r, struct err *err)
{
	bool uri = is_uri(c->private_key_ref);

	if (uri) {
		c->private_key = secret_new(c->private_key_ref, strlen(c->private_key_ref));
		if (!c->private_key)
			return err_oom(err);
		if (hide_pin(c, check, err) < 0)
			return -ERR_INTERNAL;
	}
	/* that it does not fit has been said */
	if (c->grant_type >= 0 && !credential_signs(c))
		return 0;
	if (!uri && read_one(c, check, r, err) < 0)
		return -ERR_INTERNAL;
	/* with a passphrase that cannot be read it would be said to be wrong */
	return c->passphrase_ref && !c->passphrase ? 0 : judge_key(c, check, err);
}

/* What is no reference may be the secret itself: --check must not print it. */
static void forget_pasted(char **ref)
{
	if (*ref && !begins(*ref, "file:") && !begins(*ref, "credential:") && !is_uri(*ref) &&
	    !credential_is_stored(*ref))
		cleanup_free(ref);
}

int credential_read_values(struct credential *c, const struct credential_check *check,
			   struct err *err)
{
	bool failed = false;

	for (size_t i = 0; i < REFERENCES && !failed; i++) {
		const struct reference *r = &references[i];

		if (r->value == offsetof(struct credential, private_key))
			failed = read_key(c, check, r, err) < 0;
		else
			failed = read_one(c, check, r, err) < 0;
	}
	if (!failed && c->client_secret &&
	    !credential_printable(secret_bytes(c->client_secret), secret_size(c->client_secret)))
		NOTE(c, check, "ClientSecret",
		     "ClientSecret=: the secret holds a blank or a byte that is not ASCII — write "
		     "the consumer secret alone");
	if (!failed)
		failed = credential_look_up(c, check, err) < 0;
	for (size_t i = 0; i < REFERENCES; i++)
		forget_pasted(reference_of(c, &references[i]));
	return failed ? -ERR_INTERNAL : 0;
}

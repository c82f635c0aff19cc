/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens private keys: PEM text, and URIs of OSSL_STORE for the providers of PKCS#11 tokens and TPMs.
 */
#include <ctype.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdio.h>
#include <string.h>

#include "daemon/mint/sign_parts.h"

enum { BITS_MIN = 2048, BITS_MAX = 8192, URI_MAX = 4096, WORDS_MAX = 120 };

DEFINE_CLEANUP(BIO *, BIO_free)
DEFINE_CLEANUP(OSSL_STORE_INFO *, OSSL_STORE_INFO_free)

static void store_closep(OSSL_STORE_CTX **store)
{
	if (*store)
		OSSL_STORE_close(*store);
}

/* --- homes --- */

struct sign_home {
	const char *provider;   /* NULL: OpenSSL itself, in the default context */
	const char *properties; /* facts/components.md 4: for loading and for signing */
	const char *missing;    /* what to do when there is no such provider */
	const char *away;       /* what to look at when there is nothing behind it */
	OSSL_LIB_CTX *context;
	OSSL_PROVIDER *own, *standard;
};

static struct sign_home software;
static struct sign_home tpm = {
	.provider = "tpm2",
	.properties = "?provider=tpm2",
	.missing = "install tpm2-openssl",
	.away = "look at the TPM, and at TPM2OPENSSL_TCTI in the daemon's environment",
};
static struct sign_home token = {
	.provider = "pkcs11",
	.properties = "?provider=pkcs11",
	.missing = "install pkcs11-provider, or name its file in openssl.cnf (module=)",
	.away = "look at the token, and at its PKCS#11 module in openssl.cnf (pkcs11-module-path=) or "
		"PKCS11_PROVIDER_MODULE",
};

static bool begins(const struct secret *key, const char *with)
{
	return !strncmp(secret_bytes(key), with, strlen(with));
}

static bool is_uri(const struct secret *key)
{
	return begins(key, "pkcs11:") || begins(key, "handle:");
}

struct sign_home *sign_home_of(const struct secret *key)
{
	if (begins(key, "pkcs11:"))
		return &token;
	if (begins(key, "handle:") || strstr(secret_bytes(key), "-----BEGIN TSS2 PRIVATE KEY-----"))
		return &tpm;
	return &software;
}

bool sign_home_is_hardware(const struct sign_home *home)
{
	return home->provider != NULL;
}

OSSL_LIB_CTX *sign_home_context(const struct sign_home *home)
{
	return home->context;
}

const char *sign_home_properties(const struct sign_home *home)
{
	return home->properties;
}

void sign_home_drop(struct sign_home *home)
{
	if (!home->context)
		return;
	if (home->own)
		OSSL_PROVIDER_unload(home->own);
	if (home->standard)
		OSSL_PROVIDER_unload(home->standard);
	OSSL_LIB_CTX_free(home->context);
	home->own = home->standard = NULL;
	home->context = NULL;
}

void sign_homes_drop(void)
{
	sign_home_drop(&tpm);
	sign_home_drop(&token);
}

/* What the provider itself says, in out: "" if nothing. What OpenSSL's own parts say is left out: it may hold the URI, and so a PIN. */
static void words_of_provider(char *out, size_t size)
{
	const char *data;
	unsigned long code;
	int flags;

	out[0] = '\0';
	while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags))) {
		const char *reason = ERR_reason_error_string(code);

		if (ERR_GET_LIB(code) < ERR_LIB_USER)
			continue;
		snprintf(out, size, " (%s%s%s)", reason ? reason : "",
			 reason && data[0] ? ": " : "", flags & ERR_TXT_STRING ? data : "");
	}
}

/* Whether the dynamic linker has failed, not the provider. */
static bool no_file(void)
{
	bool found = false;
	unsigned long code;

	/* what the provider says comes first and is left for the caller */
	if (ERR_GET_LIB(ERR_peek_error()) >= ERR_LIB_USER)
		return false;
	while ((code = ERR_peek_error()) && ERR_GET_LIB(code) < ERR_LIB_USER) {
		found = found || ERR_GET_LIB(code) == ERR_LIB_DSO;
		ERR_get_error();
	}
	return found && !ERR_peek_error();
}

static int away(const struct sign_home *home, struct err *err)
{
	char words[WORDS_MAX];

	words_of_provider(words, sizeof(words));
	return err_set(err, ERR_RETRY,
		       "the device that holds the private key does not answer%s: %s", words,
		       home->away);
}

/* openssl.cnf says where the files of a provider are, and which PKCS#11 module it is for. */
static int load_config(const struct sign_home *home, struct err *err)
{
	char *file = CONF_get1_default_config_file();
	int ok = file ? OSSL_LIB_CTX_load_config(home->context, file) : 1;

	if (ok <= 0)
		err_set(err, ERR_ADMIN,
			"OpenSSL's configuration, %.150s, has a mistake: try `openssl list -providers`",
			file);
	OPENSSL_free(file);
	return ok > 0 ? 0 : -ERR_ADMIN;
}

static int load_provider(struct sign_home *home, struct err *err)
{
	home->context = OSSL_LIB_CTX_new();
	if (!home->context)
		return err_oom(err);
	if (load_config(home, err) < 0)
		return -ERR_ADMIN;
	ERR_clear_error();
	home->standard = OSSL_PROVIDER_load(home->context, "default");
	home->own = OSSL_PROVIDER_load(home->context, home->provider);
	if (home->own && home->standard)
		return 0;
	if (no_file())
		return err_set(err, ERR_ADMIN, "OpenSSL has no provider \"%s\": %s", home->provider,
			       home->missing);
	return away(home, err);
}

static int enter(struct sign_home *home, struct err *err)
{
	int r;

	if (!home->provider || home->context)
		return 0;
	/* the TPM's library writes to standard error by itself; what it says is in our message */
	setenv("TSS2_LOG", "all+NONE", 0);
	r = load_provider(home, err);
	ERR_clear_error();
	if (r < 0)
		sign_home_drop(home);
	return r;
}

/* --- who is asked for a passphrase --- */

struct asked {
	const struct secret *passphrase; /* NULL: there is none */
	unsigned times;
};

static int answer(UI *ui, UI_STRING *prompt)
{
	struct asked *asked = UI_get0_user_data(ui);

	/* of libraries that ask behind our back */
	if (!asked)
		return 0;
	asked->times++;
	if (!asked->passphrase)
		return 0;
	return UI_set_result_ex(ui, prompt, secret_bytes(asked->passphrase),
				(int)secret_size(asked->passphrase)) >= 0;
}

/* Nobody sits in front of a daemon. Without this pkcs11-provider asks at the terminal when it has not got a PIN from us. */
static UI_METHOD *method(void)
{
	static UI_METHOD *m;

	if (m)
		return m;
	m = UI_create_method("sftokend");
	if (m && UI_method_set_reader(m, answer) < 0) {
		UI_destroy_method(m);
		m = NULL;
	}
	if (m)
		UI_set_default_method(m);
	return m;
}

/* --- judging --- */

static int check_rsa(const EVP_PKEY *key, struct err *err)
{
	int bits = EVP_PKEY_get_bits(key);

	if (!EVP_PKEY_is_a(key, "RSA"))
		return err_set(
			err, ERR_ADMIN,
			"the private key is not an RSA key (it is %s); Salesforce takes RS256 only: make "
			"one with `openssl genrsa 2048`",
			EVP_PKEY_get0_type_name(key) ? EVP_PKEY_get0_type_name(key)
						     : "of another kind");
	if (bits < BITS_MIN)
		return err_set(
			err, ERR_ADMIN,
			"the RSA key has %d bits; at least %d are needed: make one with `openssl genrsa "
			"2048`",
			bits, BITS_MIN);
	if (bits > BITS_MAX)
		return err_set(err, ERR_ADMIN,
			       "the RSA key has %d bits; more than %d take too long to sign with",
			       bits, BITS_MAX);
	return 0;
}

static int no_pem_key(const struct asked *asked, struct err *err)
{
	if (asked->times && asked->passphrase)
		return err_set(
			err, ERR_ADMIN,
			"the passphrase does not open the private key: mend Passphrase= (if it is right, "
			"the key is encrypted in an old way: openssl pkcs8 -topk8 -v2 aes-256-cbc)");
	if (asked->times)
		return err_set(err, ERR_ADMIN,
			       "the private key is protected by a passphrase: set "
			       "Passphrase=file:PATH");
	return err_set(err, ERR_ADMIN,
		       "there is no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
}

/*
 * Reads all that the store has: exactly one private key, anything else (certificates) is passed over. 0 with *key NULL: there is none. Once a passphrase was asked
 * for and did not help, the rest of the store is not tried with it.
 */
static int load_key(OSSL_STORE_CTX *store, const struct asked *asked, bool hardware, EVP_PKEY **key,
		    struct err *err)
{
	OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
	while (!OSSL_STORE_eof(store)) {
		CLEANUP(OSSL_STORE_INFO_freep) OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (!info && (OSSL_STORE_error(store) || asked->times))
			return 0;
		if (!info || OSSL_STORE_INFO_get_type(info) != OSSL_STORE_INFO_PKEY)
			continue;
		/* pkcs11-provider gives a key twice while it is open elsewhere */
		if (*key && hardware && EVP_PKEY_eq(*key, OSSL_STORE_INFO_get0_PKEY(info)) == 1)
			continue;
		if (*key)
			return err_set(
				err, ERR_ADMIN,
				"there is more than one private key: leave only the one to sign with "
				"(in a URI, name it by object= or id=)");
		*key = OSSL_STORE_INFO_get1_PKEY(info);
	}
	return 0;
}

static int open_pem(struct sign_home *home, const struct secret *pem, struct asked *asked,
		    EVP_PKEY **key, struct err *err)
{
	CLEANUP(BIO_freep) BIO *bio = BIO_new_mem_buf(secret_bytes(pem), (int)secret_size(pem));
	CLEANUP(store_closep) OSSL_STORE_CTX *store = NULL;
	int r;

	if (!bio)
		return err_oom(err);
	store = OSSL_STORE_attach(bio, "file", home->context, home->properties, method(), asked,
				  NULL, NULL, NULL);
	r = store ? load_key(store, asked, false, key, err) : 0;
	return r == 0 && !*key ? no_pem_key(asked, err) : r;
}

/* --- URIs --- */

/* The URI as the provider wants it; the buffer is erased by the caller. */
static void provider_uri(const struct secret *key, bool has_passphrase, char *out, size_t size)
{
	const char *text = secret_bytes(key);

	/* tpm2-openssl asks for the auth value only if it is told that there is one */
	snprintf(out, size, "%s%s", text,
		 has_passphrase && begins(key, "handle:") && !strchr(text, '?') ? "?pass" : "");
}

static int load_uri(struct sign_home *home, const char *uri, struct asked *asked, EVP_PKEY **key,
		    struct err *err)
{
	CLEANUP(store_closep)
	OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, home->context, home->properties, method(),
						   asked, NULL, NULL, NULL);

	if (store)
		return load_key(store, asked, true, key, err);
	/* a module that does not come up says so; else it is the URI that nobody understands */
	if (ERR_GET_LIB(ERR_peek_last_error()) >= ERR_LIB_USER)
		return away(home, err);
	return err_set(err, ERR_ADMIN,
		       "the URI of the private key is not understood: write for example "
		       "pkcs11:token=NAME;object=NAME or handle:0x81000001");
}

/* The token is asked again, without a PIN: if it wants one, it is there, and the one before was wrong. */
static bool wants_pin(struct sign_home *home, const char *uri)
{
	struct asked asked = { 0 };
	EVP_PKEY *key = NULL;
	char bare[URI_MAX + 8];

	/* without the URI's own PIN */
	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(uri, "?"), uri);
	ERR_clear_error();
	load_uri(home, bare, &asked, &key, NULL);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return asked.times > 0;
}

static int no_token_key(struct sign_home *home, const char *uri, const struct asked *asked,
			bool *refused, struct err *err)
{
	bool has_pin = asked->passphrase || strstr(uri, "pin-value=") || strstr(uri, "pin-source=");

	if (asked->times && !asked->passphrase && !has_pin)
		return err_set(err, ERR_ADMIN,
			       "the PKCS#11 token wants a PIN: set Passphrase=file:PATH");
	*refused = wants_pin(home, uri);
	if (*refused)
		return err_set(
			err, ERR_ADMIN,
			"the PKCS#11 token does not take the PIN: mend Passphrase= (it is not "
			"tried again before a reload, because tokens lock themselves)");
	if (asked->times)
		return err_set(
			err, ERR_ADMIN,
			"the PKCS#11 token has no private key of that name: mend object= or id= "
			"in the URI (p11tool --login --list-privkeys)");
	return err_set(
		err, ERR_RETRY,
		"there is no PKCS#11 token with that key: look at the token, mend the URI, or "
		"the module in openssl.cnf (pkcs11-module-path=) or PKCS11_PROVIDER_MODULE");
}

static int no_tpm_key(struct err *err)
{
	char words[WORDS_MAX];

	words_of_provider(words, sizeof(words));
	if (strstr(words, "tcti"))
		return err_set(err, ERR_RETRY, "the TPM does not answer%s: %s", words, tpm.away);
	return err_set(
		err, ERR_ADMIN,
		"the TPM has no key at that handle%s: tpm2_getcap handles-persistent lists them",
		words);
}

static int open_uri(struct sign_home *home, const struct secret *key, struct asked *asked,
		    EVP_PKEY **out, bool *refused, struct err *err)
{
	char uri[URI_MAX + 8];
	int r;

	if (secret_size(key) > URI_MAX || strlen(secret_bytes(key)) != secret_size(key))
		return err_set(err, ERR_ADMIN, "the URI of the private key is longer than %d bytes",
			       URI_MAX);
	provider_uri(key, asked->passphrase != NULL, uri, sizeof(uri));
	r = load_uri(home, uri, asked, out, err);
	if (r == 0 && !*out)
		r = home == &token ? no_token_key(home, uri, asked, refused, err) : no_tpm_key(err);
	OPENSSL_cleanse(uri, sizeof(uri));
	return r;
}

int sign_open(const struct secret *key, const struct secret *passphrase, EVP_PKEY **out,
	      bool *refused, struct err *err)
{
	struct sign_home *home = sign_home_of(key);
	struct asked asked = { .passphrase = passphrase };
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *opened = NULL;
	int r;

	*refused = false;
	if (!method())
		return err_oom(err);
	r = enter(home, err);
	if (r == 0)
		r = is_uri(key) ? open_uri(home, key, &asked, &opened, refused, err)
				: open_pem(home, key, &asked, &opened, err);
	if (r == 0)
		r = check_rsa(opened, err);
	ERR_clear_error();
	if (r == 0)
		*out = TAKE(opened);
	return r;
}

int sign_failed(const struct sign_home *home, bool *refused, struct err *err)
{
	char words[WORDS_MAX];

	words_of_provider(words, sizeof(words));
	ERR_clear_error();
	if (home == &software)
		return err_set(
			err, ERR_ADMIN,
			"OpenSSL cannot sign with the private key: its parts do not fit together");
	/* tpm2-openssl learns of a wrong auth value only now; in lockout mode the TPM does not look at it */
	*refused = strstr(words, "authorization") && !strstr(words, "lockout");
	if (*refused)
		return err_set(
			err, ERR_ADMIN,
			"the TPM does not take the auth value of the key%s: set the right Passphrase= (it is "
			"not tried again before a reload, because TPMs lock themselves)",
			words);
	return err_set(err, ERR_RETRY, "the device that holds the private key does not sign%s: %s",
		       words, home->away);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/sign.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>

enum { BITS_MIN = 2048, BITS_MAX = 8192, CACHE_MAX = 256 };

/* Parsed keys. An entry holds a reference on its secret, so that an address in here is never another secret. */
static struct entry {
	struct secret *pem;
	EVP_PKEY *key;
	uint64_t used;
} cache[CACHE_MAX];
static uint64_t uses;

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(BIO *, BIO_free)
DEFINE_CLEANUP(UI_METHOD *, UI_destroy_method)
DEFINE_CLEANUP(OSSL_STORE_INFO *, OSSL_STORE_INFO_free)

static void store_closep(OSSL_STORE_CTX **store)
{
	if (*store)
		OSSL_STORE_close(*store);
}

/* Asked for a passphrase: notes that, and has none. */
static int no_passphrase(UI *ui, UI_STRING *prompt)
{
	bool *asked = UI_get0_user_data(ui);

	(void)prompt;
	*asked = true;
	return 0;
}

static int check_rsa(const EVP_PKEY *key, struct err *err)
{
	int bits = EVP_PKEY_get_bits(key);

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
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

static int no_key(bool asked, struct err *err)
{
	if (asked)
		return err_set(
			err, ERR_ADMIN,
			"the private key is protected by a passphrase; encrypted keys are not available in "
			"this version: remove it with `openssl pkey -in OLD -out NEW`");
	return err_set(err, ERR_ADMIN,
		       "there is no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
}

/* Reads all that the store has: exactly one private key, anything else (certificates) is passed over. */
static int load_key(OSSL_STORE_CTX *store, const bool *asked, EVP_PKEY **key, struct err *err)
{
	while (!OSSL_STORE_eof(store)) {
		CLEANUP(OSSL_STORE_INFO_freep) OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (*asked)
			return no_key(true, err);
		if (!info && OSSL_STORE_error(store))
			return no_key(false, err);
		if (!info || OSSL_STORE_INFO_get_type(info) != OSSL_STORE_INFO_PKEY)
			continue;
		if (*key)
			return err_set(
				err, ERR_ADMIN,
				"there is more than one private key: leave only the one to sign with");
		*key = OSSL_STORE_INFO_get1_PKEY(info);
	}
	return *key ? 0 : no_key(*asked, err);
}

static int parse(const struct secret *pem, EVP_PKEY **out, struct err *err)
{
	bool asked = false;
	CLEANUP(BIO_freep) BIO *bio = BIO_new_mem_buf(secret_bytes(pem), (int)secret_size(pem));
	CLEANUP(UI_destroy_methodp) UI_METHOD *ui = UI_create_method("no passphrase");
	CLEANUP(store_closep) OSSL_STORE_CTX *store = NULL;
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	int r;

	if (!bio || !ui || UI_method_set_reader(ui, no_passphrase) < 0)
		return err_oom(err);
	store = OSSL_STORE_attach(bio, "file", NULL, NULL, ui, &asked, NULL, NULL, NULL);
	if (!store)
		return no_key(false, err);
	OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
	r = load_key(store, &asked, &key, err);
	if (r == 0)
		r = check_rsa(key, err);
	ERR_clear_error();
	if (r == 0)
		*out = TAKE(key);
	return r;
}

int sign_check_key(const struct secret *pem, const struct secret *passphrase, struct err *err)
{
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;

	(void)passphrase;
	return parse(pem, &key, err);
}

static void forget(struct entry *e)
{
	EVP_PKEY_free(e->key);
	secret_unref(e->pem);
	*e = (struct entry){ 0 };
}

void sign_forget(void)
{
	for (size_t i = 0; i < CACHE_MAX; i++)
		forget(&cache[i]);
}

/* The entry of this key, else the one to be replaced: a free one or that which was not used for longest. */
static struct entry *find(const struct secret *pem)
{
	struct entry *oldest = &cache[0];

	for (size_t i = 0; i < CACHE_MAX; i++) {
		if (cache[i].pem == pem)
			return &cache[i];
		if (cache[i].used < oldest->used)
			oldest = &cache[i];
	}
	return oldest;
}

static int cached_key(struct secret *pem, EVP_PKEY **key, struct err *err)
{
	struct entry *e = find(pem);

	if (e->pem != pem) {
		EVP_PKEY *parsed = NULL;
		int r = parse(pem, &parsed, err);

		if (r < 0)
			return r;
		forget(e);
		*e = (struct entry){ .pem = secret_ref(pem), .key = parsed };
	}
	e->used = ++uses;
	*key = e->key;
	return 0;
}

int sign_rs256(struct secret *pem, struct secret *passphrase, const void *bytes, size_t size,
	       struct buf *signature, struct err *err)
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY *key = NULL;
	size_t n;
	int r = cached_key(pem, &key, err);

	(void)passphrase;
	if (r < 0)
		return r;
	n = (size_t)EVP_PKEY_get_size(key);
	if (!md || buf_reserve(signature, n) < 0)
		return err_oom(err);
	if (EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) <= 0 ||
	    EVP_DigestSign(md, (unsigned char *)signature->data + signature->len, &n, bytes,
			   size) <= 0) {
		ERR_clear_error();
		return err_set(
			err, ERR_ADMIN,
			"OpenSSL cannot sign with the private key: its parts do not fit together");
	}
	signature->len += n;
	signature->data[signature->len] = '\0';
	return 0;
}

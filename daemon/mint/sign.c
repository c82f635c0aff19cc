/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures, and the keys that are open for them.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "daemon/mint/sign_parts.h"

enum { CACHE_MAX = 256 };

/* Open keys. An entry holds references on its secrets, so that an address in here is never another secret. */
static struct entry {
	struct secret *key, *passphrase; /* passphrase: NULL if there is none */
	EVP_PKEY *opened;                /* NULL: refused */
	EVP_PKEY_CTX *rs256; /* of opened; made by the first signature here, never for a device */
	/* The device did not take the passphrase. It is not asked again before somebody has changed something (sign_forget()): it would lock itself. */
	struct err refused;
	uint64_t used;
} cache[CACHE_MAX];
static uint64_t uses;

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(X509 *, X509_free)

static void forget(struct entry *e)
{
	EVP_PKEY_CTX_free(e->rs256);
	EVP_PKEY_free(e->opened);
	secret_unref(e->key);
	secret_unref(e->passphrase);
	*e = (struct entry){ 0 };
}

/* A device that has failed is met anew: keys, sessions and the connection of its provider do not survive that it went away, and a login would hide that the next PIN is wrong. */
static void forget_home(struct sign_home *home)
{
	if (!sign_home_is_hardware(home))
		return;
	for (size_t i = 0; i < CACHE_MAX; i++)
		if (cache[i].opened && sign_home_of(cache[i].key) == home)
			forget(&cache[i]);
	sign_home_drop(home);
}

void sign_forget(void)
{
	for (size_t i = 0; i < CACHE_MAX; i++)
		forget(&cache[i]);
	sign_homes_drop();
}

/* The entry of this key, else the one to be replaced: a free one or that which was not used for longest. */
static struct entry *find(const struct secret *key, const struct secret *passphrase)
{
	struct entry *oldest = &cache[0];

	for (size_t i = 0; i < CACHE_MAX; i++) {
		if (cache[i].key == key && cache[i].passphrase == passphrase)
			return &cache[i];
		if (cache[i].used < oldest->used)
			oldest = &cache[i];
	}
	return oldest;
}

static void keep(struct entry *e, struct secret *key, struct secret *passphrase)
{
	forget(e);
	e->key = secret_ref(key);
	e->passphrase = passphrase ? secret_ref(passphrase) : NULL;
	e->used = ++uses;
}

/* The key is refused from now on; returns what err says. */
static int keep_refused(struct secret *key, struct secret *passphrase, const struct err *why,
			struct err *err)
{
	struct entry *e = find(key, passphrase);

	keep(e, key, passphrase);
	e->refused = *why;
	return err_set(err, why->code, "%s", why->text);
}

/* *out is in the cache, with an open key; left as it is if it is refused. */
static int cached_key(struct secret *key, struct secret *passphrase, struct entry **out,
		      struct err *err)
{
	struct entry *e = find(key, passphrase);
	struct err why = { 0 };
	EVP_PKEY *opened = NULL;
	bool refused;

	if (e->key != key || e->passphrase != passphrase) {
		int r = sign_open(key, passphrase, &opened, &refused, &why);

		if (r < 0)
			forget_home(sign_home_of(key));
		if (refused)
			return keep_refused(key, passphrase, &why, err);
		if (r < 0)
			return err_set(err, why.code, "%s", why.text);
		keep(e, key, passphrase);
		e->opened = opened;
	}
	e->used = ++uses;
	if (!e->opened)
		return err_set(err, e->refused.code, "%s", e->refused.text);
	*out = e;
	return 0;
}

/* The device signs. -ERR_INTERNAL: no memory; -ERR_RETRY with OpenSSL's errors: it does not sign. */
static int sign_there(const struct sign_home *home, EVP_PKEY *key, const void *bytes, size_t size,
		      struct buf *signature, struct err *err)
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t n = (size_t)EVP_PKEY_get_size(key);

	if (!md || buf_reserve(signature, n) < 0)
		return err_oom(err);
	ERR_clear_error();
	if (EVP_DigestSignInit_ex(md, NULL, "SHA256", sign_home_context(home),
				  sign_home_properties(home), key, NULL) <= 0 ||
	    EVP_DigestSign(md, (unsigned char *)signature->data + signature->len, &n, bytes,
			   size) <= 0)
		return -ERR_RETRY;
	signature->len += n;
	signature->data[signature->len] = '\0';
	return 0;
}

static const EVP_MD *sha256(void)
{
	static EVP_MD *fetched;

	if (!fetched)
		fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
	return fetched;
}

static bool begin_rs256(struct entry *e)
{
	if (e->rs256)
		return true;
	e->rs256 = EVP_PKEY_CTX_new_from_pkey(NULL, e->opened, NULL);
	if (e->rs256 && EVP_PKEY_sign_init(e->rs256) > 0 &&
	    EVP_PKEY_CTX_set_rsa_padding(e->rs256, RSA_PKCS1_PADDING) > 0 &&
	    EVP_PKEY_CTX_set_signature_md(e->rs256, sha256()) > 0)
		return true;
	EVP_PKEY_CTX_free(TAKE(e->rs256));
	return false;
}

/*
 * As sign_there(), in this process. EVP_DigestSign() would look for algorithms and make, copy and free contexts for each signature: a thirtieth of what signing costs.
 */
static int sign_here(struct entry *e, const void *bytes, size_t size, struct buf *signature,
		     struct err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_size = 0;
	size_t n = (size_t)EVP_PKEY_get_size(e->opened);

	if (buf_reserve(signature, n) < 0)
		return err_oom(err);
	ERR_clear_error();
	if (!sha256() || EVP_Digest(bytes, size, digest, &digest_size, sha256(), NULL) <= 0 ||
	    !begin_rs256(e) ||
	    EVP_PKEY_sign(e->rs256, (unsigned char *)signature->data + signature->len, &n, digest,
			  digest_size) <= 0)
		return -ERR_RETRY;
	signature->len += n;
	signature->data[signature->len] = '\0';
	return 0;
}

int sign_check_key(const struct secret *key, const struct secret *passphrase, struct err *err)
{
	struct sign_home *home = sign_home_of(key);
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *opened = NULL;
	CLEANUP(buf_finip) struct buf signature;
	const struct entry *known = find(key, passphrase);
	bool refused;
	int r;

	buf_init(&signature, 2048);
	if (known->key == key && known->passphrase == passphrase && !known->opened)
		return err_set(err, known->refused.code, "%s", known->refused.text);
	r = sign_open(key, passphrase, &opened, &refused, err);
	/* hardware knows only then whether it may be used */
	if (r == 0 && sign_home_is_hardware(home)) {
		r = sign_there(home, opened, "sftokend", 8, &signature, err);
		if (r == -ERR_RETRY)
			r = sign_failed(home, &refused, err);
	}
	if (r < 0) {
		EVP_PKEY_free(TAKE(opened));
		forget_home(home);
	}
	return r;
}

/* One try with the key as it is open now, or opened anew. */
static int try_to_sign(struct secret *key, struct secret *passphrase, const void *bytes,
		       size_t size, struct buf *signature, struct err *err)
{
	struct sign_home *home = sign_home_of(key);
	struct err why = { 0 };
	struct entry *e = NULL;
	bool refused = false;
	int r = cached_key(key, passphrase, &e, err);

	if (!e)
		return r;
	r = sign_home_is_hardware(home) ? sign_there(home, e->opened, bytes, size, signature, err)
					: sign_here(e, bytes, size, signature, err);
	if (r != -ERR_RETRY)
		return r;
	sign_failed(home, &refused, &why);
	forget(find(key, passphrase));
	forget_home(home);
	if (refused)
		return keep_refused(key, passphrase, &why, err);
	return err_set(err, why.code, "%s", why.text);
}

int sign_rs256(struct secret *key, struct secret *passphrase, const void *bytes, size_t size,
	       struct buf *signature, struct err *err)
{
	int r = try_to_sign(key, passphrase, bytes, size, signature, err);

	/*
	 * A device that went away and came back since the last signature is only noticed now. And tpm2-openssl closes a key for all who have it open, when one of
	 * them closes it. What is new since the first try is another connection.
	 */
	if (r == -ERR_RETRY)
		r = try_to_sign(key, passphrase, bytes, size, signature, err);
	return r;
}

/* --- the fingerprint --- */

static int add_fingerprint(const unsigned char *der, size_t size, struct buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
	size_t n = 0;

	if (EVP_Q_digest(NULL, "SHA256", NULL, der, size, digest, &n) <= 0)
		return -1;
	EVP_EncodeBlock(text, digest, (int)n);
	buf_addf(out, "SHA256:%s", (const char *)text);
	return 0;
}

static int public_fingerprint(const EVP_PKEY *key, struct buf *out, struct err *err)
{
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(key, &der), r = 0;

	if (size <= 0 || add_fingerprint(der, (size_t)size, out) < 0)
		r = err_set(err, ERR_INTERNAL, "OpenSSL cannot write the public key");
	OPENSSL_free(der);
	ERR_clear_error();
	if (r == 0 && buf_failed(out))
		r = err_oom(err);
	return r;
}

int sign_fingerprint(struct secret *key, struct secret *passphrase, struct buf *out,
		     struct err *err)
{
	struct entry *e = NULL;
	int r = cached_key(key, passphrase, &e, err);

	return e ? public_fingerprint(e->opened, out, err) : r;
}

/* --- certificates --- */

int sign_certificate(const char *pem, size_t size, int64_t *ends_s, struct buf *fingerprint,
		     struct err *err)
{
	CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem ? pem : "", (int)size);
	CLEANUP(X509_freep) X509 *certificate = NULL;
	EVP_PKEY *key;
	struct tm tm = { 0 };

	if (!bio)
		return err_oom(err);
	certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	key = certificate ? X509_get0_pubkey(certificate) : NULL;
	ERR_clear_error();
	if (!key || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return err_set(
			err, ERR_ADMIN,
			"this is no certificate — it begins with -----BEGIN CERTIFICATE-----; "
			"make one for the key with: openssl req -x509 -key KEY -days 365");
	*ends_s = (int64_t)timegm(&tm);
	return public_fingerprint(key, fingerprint, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/store_seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

enum { KEY_SIZE = 32, NONCE_SIZE = 12, MATERIAL_MAX = 2 * STORE_SEAL_SUM, SALTS = 64 };

static const char record_info[] = "sftokend record";
static const char header_info[] = "sftokend header";

struct store_seal {
	struct secret *key;
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *gcm;
	EVP_MAC *mac;
	EVP_MAC_CTX *hmac;
	unsigned char salts[SALTS]
			   [STORE_SEAL_SALT]; /* drawn together: most of a draw is its beginning */
	unsigned salts_left;
};

static int failed(struct err *err)
{
	ERR_clear_error();
	return err_set(err, ERR_INTERNAL, "OpenSSL cannot seal the store");
}

/* Fills s; false: something is missing, and store_seal_free() copes. */
static bool fetch(struct store_seal *s)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	s->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	s->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!s->cipher || !s->mac)
		return false;
	s->gcm = EVP_CIPHER_CTX_new();
	s->hmac = EVP_MAC_CTX_new(s->mac);
	return s->gcm && s->hmac && EVP_MAC_CTX_set_params(s->hmac, params) == 1 &&
	       EVP_CipherInit_ex2(s->gcm, s->cipher, NULL, NULL, true, NULL) == 1;
}

struct store_seal *store_seal_new(struct secret *key, struct err *err)
{
	CLEANUP(store_seal_freep) struct store_seal *s = NULL;

	if (secret_size(key) < STORE_SEAL_KEY_MIN) {
		err_set(err, ERR_ADMIN,
			"the key of the store is too short: [Store] Key= needs %d bytes or more",
			STORE_SEAL_KEY_MIN);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		err_oom(err);
		return NULL;
	}
	s->key = secret_ref(key);
	if (!fetch(s)) {
		failed(err);
		return NULL;
	}
	return TAKE(s);
}

struct store_seal *store_seal_free(struct store_seal *s)
{
	if (!s)
		return NULL;
	EVP_MAC_CTX_free(s->hmac);
	EVP_MAC_free(s->mac);
	EVP_CIPHER_CTX_free(s->gcm);
	EVP_CIPHER_free(s->cipher);
	secret_unref(s->key);
	free(s);
	return NULL;
}

int store_seal_random(void *bytes, size_t size, struct err *err)
{
	return RAND_bytes(bytes, (int)size) == 1 ? 0 : failed(err);
}

int store_seal_salt(struct store_seal *s, unsigned char salt[STORE_SEAL_SALT], struct err *err)
{
	if (!s->salts_left) {
		if (store_seal_random(s->salts, sizeof(s->salts), err) < 0)
			return -ERR_INTERNAL;
		s->salts_left = SALTS;
	}
	memcpy(salt, s->salts[--s->salts_left], STORE_SEAL_SALT);
	return 0;
}

int store_seal_sum(const void *bytes, size_t size, unsigned char sum[STORE_SEAL_SUM],
		   struct err *err)
{
	unsigned int n = 0;

	if (EVP_Digest(bytes, size, sum, &n, EVP_sha256(), NULL) != 1 || n != STORE_SEAL_SUM)
		return failed(err);
	return 0;
}

bool store_seal_equal(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}

static struct store_seal_span span(const void *bytes, size_t size)
{
	return (struct store_seal_span){ bytes, size };
}

/* HMAC-SHA256 of the pieces, one behind the other. */
static bool hmac(struct store_seal *s, struct store_seal_span key,
		 const struct store_seal_span *pieces, size_t n_pieces,
		 unsigned char out[STORE_SEAL_SUM])
{
	bool ok = EVP_MAC_init(s->hmac, key.bytes, key.size, NULL) == 1;
	size_t n = 0;

	for (size_t i = 0; ok && i < n_pieces; i++)
		ok = EVP_MAC_update(s->hmac, pieces[i].bytes, pieces[i].size) == 1;
	return ok && EVP_MAC_final(s->hmac, out, &n, STORE_SEAL_SUM) == 1 && n == STORE_SEAL_SUM;
}

/*
 * HKDF-SHA256 of the store's key (RFC 5869, 2.2 and 2.3), at most MATERIAL_MAX bytes. OpenSSL's own looks for HMAC and SHA-256 anew at each call, which is more than half of opening a record.
 * Neither key may be empty: EVP_MAC_init() would keep the one before.
 */
static bool derive(struct store_seal *s, struct store_seal_span salt, struct store_seal_span info,
		   unsigned char *out, size_t size)
{
	const struct store_seal_span key = span(secret_bytes(s->key), secret_size(s->key));
	unsigned char pseudorandom[STORE_SEAL_SUM], blocks[MATERIAL_MAX];
	bool ok = size <= MATERIAL_MAX && salt.size > 0 && hmac(s, salt, &key, 1, pseudorandom);
	struct store_seal_span before = span("", 0);

	for (size_t at = 0; ok && at < size; at += STORE_SEAL_SUM) {
		const unsigned char counter = (unsigned char)(at / STORE_SEAL_SUM + 1);
		const struct store_seal_span pieces[] = { before, info, span(&counter, 1) };

		ok = hmac(s, span(pseudorandom, sizeof(pseudorandom)), pieces, 3, blocks + at);
		before = span(blocks + at, STORE_SEAL_SUM);
	}
	if (ok)
		memcpy(out, blocks, size);
	explicit_bzero(pseudorandom, sizeof(pseudorandom));
	explicit_bzero(blocks, sizeof(blocks));
	return ok;
}

int store_seal_mac(struct store_seal *s, const void *bytes, size_t size,
		   unsigned char mac[STORE_SEAL_SUM], struct err *err)
{
	const struct store_seal_span info = span(header_info, sizeof(header_info) - 1);
	const struct store_seal_span text = span(bytes, size);
	unsigned char key[KEY_SIZE];
	bool ok = derive(s, info, info, key, sizeof(key)) &&
		  hmac(s, span(key, sizeof(key)), &text, 1, mac);

	explicit_bzero(key, sizeof(key));
	return ok ? 0 : failed(err);
}

/* Key and nonce of one record, and the context set up with them. */
static bool begin(struct store_seal *s, const struct store_seal_place *place, bool encrypt)
{
	unsigned char info[sizeof(record_info) - 1 + STORE_SEAL_ID + 8];
	unsigned char material[KEY_SIZE + NONCE_SIZE];
	unsigned char *at = info;
	bool ok;
	int n;

	memcpy(at, record_info, sizeof(record_info) - 1);
	at += sizeof(record_info) - 1;
	memcpy(at, place->id, STORE_SEAL_ID);
	at += STORE_SEAL_ID;
	for (int i = 0; i < 8; i++)
		at[i] = (unsigned char)(place->number >> 8 * i);
	ok = derive(s, span(place->salt, STORE_SEAL_SALT), span(info, sizeof(info)), material,
		    sizeof(material)) &&
	     EVP_CipherInit_ex2(s->gcm, NULL, material, material + KEY_SIZE, encrypt, NULL) == 1;
	explicit_bzero(material, sizeof(material));
	for (int i = 0; ok && i < 2; i++)
		ok = EVP_CipherUpdate(s->gcm, NULL, &n, place->aad[i].bytes,
				      (int)place->aad[i].size) == 1;
	return ok;
}

int store_seal_close(struct store_seal *s, const struct store_seal_place *place, const void *in,
		     size_t size, void *out, unsigned char tag[STORE_SEAL_TAG], struct err *err)
{
	int n = 0, last = 0;

	if (!begin(s, place, true) || EVP_CipherUpdate(s->gcm, out, &n, in, (int)size) != 1 ||
	    EVP_CipherFinal_ex(s->gcm, (unsigned char *)out + n, &last) != 1 ||
	    (size_t)n + (size_t)last != size ||
	    EVP_CIPHER_CTX_ctrl(s->gcm, EVP_CTRL_AEAD_GET_TAG, STORE_SEAL_TAG, tag) != 1)
		return failed(err);
	return 0;
}

bool store_seal_open(struct store_seal *s, const struct store_seal_place *place, const void *in,
		     size_t size, void *out, const unsigned char tag[STORE_SEAL_TAG])
{
	unsigned char want[STORE_SEAL_TAG];
	int n = 0, last = 0;

	memcpy(want, tag, sizeof(want));
	if (begin(s, place, false) && EVP_CipherUpdate(s->gcm, out, &n, in, (int)size) == 1 &&
	    EVP_CIPHER_CTX_ctrl(s->gcm, EVP_CTRL_AEAD_SET_TAG, STORE_SEAL_TAG, want) == 1 &&
	    EVP_CipherFinal_ex(s->gcm, (unsigned char *)out + n, &last) == 1)
		return true;
	ERR_clear_error();
	return false;
}

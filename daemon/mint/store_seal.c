/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/store_seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

enum { KEY_SIZE = 32, NONCE_SIZE = 12 };

static const char record_info[] = "sftokend record";
static const char header_info[] = "sftokend header";

struct store_seal {
	struct secret *key;
	EVP_KDF *kdf;
	EVP_KDF_CTX *hkdf;
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *gcm;
	EVP_MAC *mac;
	EVP_MAC_CTX *hmac;
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
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret_bytes(s->key),
						  secret_size(s->key)),
		OSSL_PARAM_construct_end(),
	};

	s->kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	s->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	s->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!s->kdf || !s->cipher || !s->mac)
		return false;
	s->hkdf = EVP_KDF_CTX_new(s->kdf);
	s->gcm = EVP_CIPHER_CTX_new();
	s->hmac = EVP_MAC_CTX_new(s->mac);
	return s->hkdf && s->gcm && s->hmac && EVP_KDF_CTX_set_params(s->hkdf, params) == 1;
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
	EVP_KDF_CTX_free(s->hkdf);
	EVP_KDF_free(s->kdf);
	secret_unref(s->key);
	free(s);
	return NULL;
}

int store_seal_random(void *bytes, size_t size, struct err *err)
{
	return RAND_bytes(bytes, (int)size) == 1 ? 0 : failed(err);
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

/* HKDF-SHA256 of the store's key, which the context keeps. Neither salt nor info may be empty: an empty one would leave that of the call before. */
static bool derive(struct store_seal *s, const void *salt, size_t salt_size, const void *info,
		   size_t info_size, unsigned char *out, size_t size)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_size),
		OSSL_PARAM_construct_end(),
	};

	return EVP_KDF_derive(s->hkdf, out, size, params) == 1;
}

int store_seal_mac(struct store_seal *s, const void *bytes, size_t size,
		   unsigned char mac[STORE_SEAL_SUM], struct err *err)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	unsigned char key[KEY_SIZE];
	size_t n = 0;
	bool ok = derive(s, header_info, sizeof(header_info) - 1, header_info,
			 sizeof(header_info) - 1, key, sizeof(key)) &&
		  EVP_MAC_init(s->hmac, key, sizeof(key), params) == 1 &&
		  EVP_MAC_update(s->hmac, bytes, size) == 1 &&
		  EVP_MAC_final(s->hmac, mac, &n, STORE_SEAL_SUM) == 1 && n == STORE_SEAL_SUM;

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
	ok = derive(s, place->salt, STORE_SEAL_SALT, info, sizeof(info), material,
		    sizeof(material)) &&
	     EVP_CipherInit_ex2(s->gcm, s->cipher, material, material + KEY_SIZE, encrypt, NULL) ==
		     1;
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

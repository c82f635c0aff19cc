/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of records against OpenSSL's own HKDF: a store that another version wrote must open. */
#include "tests/unit/check.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <string.h>

#include "daemon/mint/store_seal.h"

enum { KEY_SIZE = 32, NONCE_SIZE = 12 };

static const unsigned char id[STORE_SEAL_ID] = "the store's own",
			   salt[STORE_SEAL_SALT] = "salt of a record";
static const char aad[] = "fixed", head[] = "head of the record", text[] = "what nobody may read";

static const struct store_seal_place place = {
	.id = id,
	.salt = salt,
	.number = 0x0102030405060708,
	.aad = { { aad, sizeof(aad) }, { head, sizeof(head) } },
};

/* docs/store-format.md, "Sealing" */
static void hkdf(const char *key, size_t key_size, const void *with, size_t with_size,
		 const void *info, size_t info_size, unsigned char *out, size_t size)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)with, with_size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_size),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);

	CHECK_INT(EVP_KDF_derive(ctx, out, size, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static void record_material(const char *key, size_t key_size, unsigned char *out, size_t size)
{
	unsigned char info[15 + STORE_SEAL_ID + 8];

	memcpy(info, "sftokend record", 15);
	memcpy(info + 15, id, STORE_SEAL_ID);
	memcpy(info + 15 + STORE_SEAL_ID, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
	hkdf(key, key_size, salt, sizeof(salt), info, sizeof(info), out, size);
}

static void open_independently(const char *key, size_t key_size, const unsigned char *sealed,
			       const unsigned char *tag, char *out)
{
	unsigned char material[KEY_SIZE + NONCE_SIZE];
	EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
	int n, last;

	record_material(key, key_size, material, sizeof(material));
	EVP_DecryptInit_ex(gcm, EVP_aes_256_gcm(), NULL, material, material + KEY_SIZE);
	EVP_DecryptUpdate(gcm, NULL, &n, (const unsigned char *)aad, sizeof(aad));
	EVP_DecryptUpdate(gcm, NULL, &n, (const unsigned char *)head, sizeof(head));
	EVP_DecryptUpdate(gcm, (unsigned char *)out, &n, sealed, sizeof(text));
	EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, STORE_SEAL_TAG, (void *)tag);
	CHECK_INT(EVP_DecryptFinal_ex(gcm, (unsigned char *)out + n, &last), 1);
	EVP_CIPHER_CTX_free(gcm);
}

/* Shorter than a block of SHA-256, of just its size, and longer. Each twice: nothing of the record before may be left in the contexts. */
TEST(keys_are_those_of_hkdf)
{
	static const size_t sizes[] = { 16, 32, 64, 100 };
	char bytes[100];

	memset(bytes, 'k', sizeof(bytes));
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct secret *key = secret_new(bytes, sizes[i / 2]);
		struct store_seal *s = store_seal_new(key, NULL);
		unsigned char sealed[sizeof(text)], tag[STORE_SEAL_TAG], mac[STORE_SEAL_SUM];
		char out[sizeof(text)];

		REQUIRE(s);
		if (i % 2)
			CHECK_INT(store_seal_mac(s, "x", 1, mac, NULL), 0);
		CHECK_INT(store_seal_close(s, &place, text, sizeof(text), sealed, tag, NULL), 0);
		open_independently(bytes, sizes[i / 2], sealed, tag, out);
		CHECK_MEM(out, sizeof(out), text, sizeof(text));
		CHECK(store_seal_open(s, &place, sealed, sizeof(text), out, tag));
		CHECK_MEM(out, sizeof(out), text, sizeof(text));
		tag[0] ^= 1;
		CHECK(!store_seal_open(s, &place, sealed, sizeof(text), out, tag));
		store_seal_free(s);
		secret_unref(key);
	}
}

TEST(the_header_is_macked_with_a_key_of_hkdf)
{
	static const char info[] = "sftokend header",
			  key_bytes[] = "a key of the store, 32 bytes long";
	struct secret *key = secret_new(key_bytes, 32);
	struct store_seal *s = store_seal_new(key, NULL);
	unsigned char mac[STORE_SEAL_SUM], want[STORE_SEAL_SUM], derived[KEY_SIZE];

	REQUIRE(s);
	CHECK_INT(store_seal_mac(s, "header", 6, mac, NULL), 0);
	hkdf(key_bytes, 32, info, 15, info, 15, derived, sizeof(derived));
	CHECK(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, derived, sizeof(derived),
			(const unsigned char *)"header", 6, want, sizeof(want), NULL) != NULL);
	CHECK_MEM(mac, sizeof(mac), want, sizeof(want));
	store_seal_free(s);
	secret_unref(key);
}

CHECK_MAIN()

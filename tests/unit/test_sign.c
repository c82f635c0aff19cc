/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "daemon/mint/sign.h"
#include "tests/unit/check.h"
#include "tests/unit/keys.h"

/* Verified as anybody else would who has the public key alone. */
static bool verified(const struct secret *public_pem, const char *bytes,
		     const struct buf *signature)
{
	BIO *in = BIO_new_mem_buf(secret_bytes(public_pem), (int)secret_size(public_pem));
	EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) > 0 &&
		    EVP_DigestVerify(md, (const unsigned char *)signature->data, signature->len,
				     (const unsigned char *)bytes, strlen(bytes)) == 1;

	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	BIO_free(in);
	ERR_clear_error();
	return good;
}

TEST(a_signature_is_verified_by_the_public_key)
{
	static const enum key_form forms[] = { KEY_PKCS8, KEY_PKCS1, KEY_WITH_CERTIFICATE,
					       KEY_BEFORE_CERTIFICATE };

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct secret *public = NULL;
		CLEANUP(secret_unrefp)
		struct secret *pem = keys_make("RSA", 2048, forms[i], &public);
		CLEANUP(buf_finip) struct buf signature;
		struct err err = { 0 };

		buf_init(&signature, 2048);
		CHECK_INT(sign_check_key(pem, NULL, &err), 0);
		CHECK_INT(sign_rs256(pem, NULL, "to be signed", 12, &signature, &err), 0);
		CHECK_STR(err.text, "");
		CHECK_INT(signature.len, 256);
		CHECK(verified(public, "to be signed", &signature));
		CHECK(!verified(public, "to be Signed", &signature));
		secret_unref(public);
	}
	sign_forget();
}

TEST(keys_that_cannot_be_used_are_refused_in_clear_words)
{
	static const struct {
		const char *kind;
		unsigned bits;
		enum key_form form;
		const char *word;
	} rows[] = {
		{ "RSA", 1024, KEY_PKCS8, "1024 bits; at least 2048" },
		{ "RSA", 2047, KEY_PKCS8, "2047 bits" },
		{ "EC", 0, KEY_PKCS8, "not an RSA key" },
		{ "ED25519", 0, KEY_PKCS8, "not an RSA key" },
		{ "RSA", 2048, KEY_ENCRYPTED, "encrypted keys are not available in this version" },
		{ "RSA", 2048, KEY_OLD_ENCRYPTED,
		  "encrypted keys are not available in this version" },
		{ "RSA", 2048, KEY_PUBLIC, "no private key" },
		{ "RSA", 2048, KEY_CERTIFICATE, "no private key" },
		{ "RSA", 2048, KEY_TWICE, "more than one" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(secret_unrefp)
		struct secret *pem = keys_make(rows[i].kind, rows[i].bits, rows[i].form, NULL);
		CLEANUP(buf_finip) struct buf signature;
		struct err err = { 0 };

		check_row(rows[i].word);
		buf_init(&signature, 2048);
		CHECK_INT(sign_check_key(pem, NULL, &err), -ERR_ADMIN);
		if (!strstr(err.text, rows[i].word))
			CHECK_STR(err.text, rows[i].word);
		CHECK_INT(sign_rs256(pem, NULL, "x", 1, &signature, &err), -ERR_ADMIN);
		CHECK_INT(signature.len, 0);
		CHECK_INT(ERR_peek_error(), 0);
	}
}

TEST(what_is_no_key_at_all_is_refused)
{
	static const char *const texts[] = {
		"",
		"\n",
		"hello",
		"-----BEGIN PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\n!!!!\n-----END RSA PRIVATE KEY-----\n",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		CLEANUP(secret_unrefp) struct secret *pem = secret_new(texts[i], strlen(texts[i]));
		struct err err = { 0 };

		check_row(texts[i]);
		CHECK_INT(sign_check_key(pem, NULL, &err), -ERR_ADMIN);
		CHECK(err.text[0] != '\0');
	}
}

TEST(the_message_holds_nothing_of_the_key)
{
	static const char text
		[] = "-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\nSECRET\n";
	CLEANUP(secret_unrefp) struct secret *pem = secret_new(text, strlen(text));
	struct err err = { 0 };

	CHECK_INT(sign_check_key(pem, NULL, &err), -ERR_ADMIN);
	CHECK(!strstr(err.text, "SECRET") && !strstr(err.text, "U0VD"));
}

TEST(a_key_is_parsed_once_and_its_secret_kept_until_forgotten)
{
	struct secret *public = NULL;
	struct secret *pem = keys_make("RSA", 2048, KEY_PKCS8, &public);
	CLEANUP(buf_finip) struct buf signature;

	buf_init(&signature, 1024);
	REQUIRE(sign_rs256(pem, NULL, "a", 1, &signature, NULL) == 0);
	/* Were it parsed again, this would fail; the cache's reference is why nobody may do it for real. */
	((char *)(uintptr_t)secret_bytes(pem))[40] ^= 1;
	buf_clear(&signature);
	CHECK_INT(sign_rs256(pem, NULL, "b", 1, &signature, NULL), 0);
	CHECK(verified(public, "b", &signature));
	sign_forget();
	buf_clear(&signature);
	CHECK(sign_rs256(pem, NULL, "c", 1, &signature, NULL) < 0 ||
	      !verified(public, "c", &signature));
	sign_forget();
	secret_unref(pem);
	secret_unref(public);
}

TEST(the_cache_is_bounded)
{
	struct secret *public = NULL;
	CLEANUP(secret_unrefp) struct secret *pem = keys_make("RSA", 2048, KEY_PKCS8, &public);
	struct secret *copies[300];

	for (size_t i = 0; i < 300; i++) {
		CLEANUP(buf_finip) struct buf signature;

		buf_init(&signature, 1024);
		copies[i] = secret_new(secret_bytes(pem), secret_size(pem));
		REQUIRE(copies[i] != NULL);
		CHECK_INT(sign_rs256(copies[i], NULL, "x", 1, &signature, NULL), 0);
		if (i == 299)
			CHECK(verified(public, "x", &signature));
	}
	for (size_t i = 0; i < 300; i++)
		secret_unref(copies[i]);
	sign_forget();
	secret_unref(public);
}

TEST(a_signature_needs_room)
{
	CLEANUP(secret_unrefp) struct secret *pem = keys_make("RSA", 2048, KEY_PKCS8, NULL);
	CLEANUP(buf_finip) struct buf signature;

	buf_init(&signature, 255);
	CHECK_INT(sign_rs256(pem, NULL, "x", 1, &signature, NULL), -ERR_INTERNAL);
	sign_forget();
}

CHECK_MAIN()

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
		{ "RSA", 2048, KEY_ENCRYPTED, "set Passphrase=" },
		{ "RSA", 2048, KEY_OLD_ENCRYPTED, "set Passphrase=" },
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

TEST(a_passphrase_opens_an_encrypted_key)
{
	static const enum key_form forms[] = { KEY_ENCRYPTED, KEY_OLD_ENCRYPTED };

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct secret *public = NULL;
		struct secret *pem = keys_make("RSA", 2048, forms[i], &public);
		struct secret *right = secret_new("passphrase", 10),
			      *wrong = secret_new("secret!", 7), *empty = secret_new("", 0);
		CLEANUP(buf_finip) struct buf signature;
		struct err err = { 0 };

		check_row(forms[i] == KEY_ENCRYPTED ? "PKCS#8" : "DEK-Info");
		buf_init(&signature, 2048);
		CHECK_INT(sign_check_key(pem, wrong, &err), -ERR_ADMIN);
		CHECK(strstr(err.text, "the passphrase does not open the private key") != NULL);
		CHECK(!strstr(err.text, "secret!"));
		CHECK_INT(sign_check_key(pem, empty, &err), -ERR_ADMIN);
		CHECK_INT(sign_check_key(pem, right, NULL), 0);
		/* each passphrase for itself: the open key is nobody else's */
		CHECK_INT(sign_rs256(pem, right, "x", 1, &signature, NULL), 0);
		CHECK(verified(public, "x", &signature));
		buf_clear(&signature);
		CHECK_INT(sign_rs256(pem, wrong, "x", 1, &signature, NULL), -ERR_ADMIN);
		CHECK_INT(sign_rs256(pem, NULL, "x", 1, &signature, NULL), -ERR_ADMIN);
		CHECK_INT(signature.len, 0);
		CHECK_INT(ERR_peek_error(), 0);
		sign_forget();
		secret_unref(public);
		secret_unref(pem);
		secret_unref(right);
		secret_unref(wrong);
		secret_unref(empty);
	}
}

TEST(a_passphrase_that_nobody_asks_for_does_no_harm)
{
	CLEANUP(secret_unrefp) struct secret *pem = keys_make("RSA", 2048, KEY_PKCS8, NULL);
	CLEANUP(secret_unrefp) struct secret *passphrase = secret_new("passphrase", 10);

	CHECK_INT(sign_check_key(pem, passphrase, NULL), 0);
}

TEST(a_provider_that_is_missing_is_named)
{
	static const char *const rows[][2] = {
		{ "pkcs11:token=t;object=k?pin-value=hunter2",
		  "OpenSSL has no provider \"pkcs11\": install pkcs11-provider" },
		{ "handle:0x81000001", "OpenSSL has no provider \"tpm2\": install tpm2-openssl" },
		{ "-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n",
		  "OpenSSL has no provider \"tpm2\": install tpm2-openssl" },
	};

	setenv("OPENSSL_MODULES", "/nonexistent", 1);
	setenv("OPENSSL_CONF", "/dev/null", 1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(secret_unrefp)
		struct secret *key = secret_new(rows[i][0], strlen(rows[i][0]));
		CLEANUP(buf_finip) struct buf signature;
		struct err err = { 0 };

		check_row(rows[i][0]);
		buf_init(&signature, 2048);
		CHECK_INT(sign_check_key(key, NULL, &err), -ERR_ADMIN);
		CHECK(strstr(err.text, rows[i][1]) != NULL);
		CHECK(!strstr(err.text, "hunter2"));
		CHECK_INT(sign_rs256(key, NULL, "x", 1, &signature, &err), -ERR_ADMIN);
		CHECK(strstr(err.text, rows[i][1]) != NULL);
		CHECK_INT(signature.len, 0);
		CHECK_INT(ERR_peek_error(), 0);
	}
	sign_forget();
}

TEST(the_fingerprint_is_that_of_the_public_key)
{
	struct secret *public = NULL;
	CLEANUP(secret_unrefp) struct secret *pem = keys_make("RSA", 2048, KEY_PKCS8, &public);
	BIO *bio = BIO_new_mem_buf(secret_bytes(public), (int)secret_size(public));
	unsigned char digest[32], text[64], *der = NULL;
	EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	int size = i2d_PUBKEY(key, &der);
	CLEANUP(buf_finip) struct buf out;
	char want[80];

	EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)size, digest, NULL);
	EVP_EncodeBlock(text, digest, sizeof digest);
	snprintf(want, sizeof want, "SHA256:%s", (const char *)text);
	buf_init(&out, 100);
	CHECK_INT(sign_fingerprint(pem, NULL, &out, NULL), 0);
	CHECK_STR(out.data, want);
	sign_forget();
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	BIO_free(bio);
	secret_unref(public);
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

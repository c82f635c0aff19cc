/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/keys.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

static EVP_PKEY *generate(const char *kind, unsigned bits)
{
	if (!strcmp(kind, "RSA"))
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
	if (!strcmp(kind, "EC"))
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void add_certificate(BIO *out, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
				   0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	PEM_write_bio_X509(out, cert);
	X509_free(cert);
}

static void add_key(BIO *out, EVP_PKEY *key)
{
	PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
}

static void write_form(BIO *out, EVP_PKEY *key, enum key_form form)
{
	static const char passphrase[] = "passphrase";

	switch (form) {
	case KEY_PKCS8:
		add_key(out, key);
		break;
	case KEY_PKCS1:
		PEM_write_bio_PrivateKey_traditional(out, key, NULL, NULL, 0, NULL, NULL);
		break;
	case KEY_ENCRYPTED:
		PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), passphrase,
					      (int)strlen(passphrase), NULL, NULL);
		break;
	case KEY_OLD_ENCRYPTED:
		PEM_write_bio_PrivateKey_traditional(out, key, EVP_aes_128_cbc(),
						     (const unsigned char *)passphrase,
						     (int)strlen(passphrase), NULL, NULL);
		break;
	case KEY_PUBLIC:
		PEM_write_bio_PUBKEY(out, key);
		break;
	case KEY_CERTIFICATE:
		add_certificate(out, key);
		break;
	case KEY_WITH_CERTIFICATE:
		add_certificate(out, key);
		add_key(out, key);
		break;
	case KEY_BEFORE_CERTIFICATE:
		add_key(out, key);
		add_certificate(out, key);
		break;
	case KEY_TWICE:
		add_key(out, key);
		add_key(out, key);
		break;
	}
}

static struct secret *take(BIO *out)
{
	char *bytes = NULL;
	long size = BIO_get_mem_data(out, &bytes);
	struct secret *s = secret_new(bytes, (size_t)size);

	BIO_free(out);
	return s;
}

struct secret *keys_make(const char *kind, unsigned bits, enum key_form form,
			 struct secret **public_pem)
{
	EVP_PKEY *key = generate(kind, bits);
	BIO *out = BIO_new(BIO_s_mem());

	write_form(out, key, form);
	if (public_pem) {
		BIO *public = BIO_new(BIO_s_mem());

		PEM_write_bio_PUBKEY(public, key);
		*public_pem = take(public);
	}
	EVP_PKEY_free(key);
	return take(out);
}

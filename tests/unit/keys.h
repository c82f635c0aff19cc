/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that OpenSSL makes for a test, as PEM files would hold them. */
#ifndef TESTS_UNIT_KEYS_H
#define TESTS_UNIT_KEYS_H

#include "base/secret.h"

enum key_form {
	KEY_PKCS8,         /* BEGIN PRIVATE KEY */
	KEY_PKCS1,         /* BEGIN RSA PRIVATE KEY */
	KEY_ENCRYPTED,     /* BEGIN ENCRYPTED PRIVATE KEY */
	KEY_OLD_ENCRYPTED, /* BEGIN RSA PRIVATE KEY with DEK-Info */
	KEY_PUBLIC,        /* BEGIN PUBLIC KEY */
	KEY_CERTIFICATE,   /* BEGIN CERTIFICATE alone */
	KEY_WITH_CERTIFICATE, /* a certificate, then the key */
	KEY_BEFORE_CERTIFICATE,
	KEY_TWICE,
};

/* kind: "RSA" with bits, "EC" or "ED25519" without. The public key goes to *public_pem unless NULL. */
struct secret *keys_make(const char *kind, unsigned bits, enum key_form form,
			 struct secret **public_pem);

#endif

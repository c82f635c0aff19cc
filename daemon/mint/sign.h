/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures with private keys through OpenSSL's OSSL_STORE. A home of OpenSSL.
 */
#ifndef MINT_SIGN_H
#define MINT_SIGN_H

#include "base/buf.h"
#include "base/secret.h"

/*
 * A key is the PEM text (PKCS#8, also encrypted, PKCS#1, TSS2), or an OSSL_STORE URI for an OpenSSL provider: "pkcs11:..." (RFC 7512), "handle:..." (TPM 2.0). passphrase: of an
 * encrypted PEM, PIN of a token, auth value of a TPM key; NULL: none.
 */

/*
 * 0 if key names one usable RSA key of 2048 to 8192 bits; else -ERR_ADMIN with what is wrong and what to do, -ERR_RETRY: its device is not there now, or -ERR_INTERNAL.
 * Hardware has to sign once for that, because a TPM does not look at the auth value before.
 */
int sign_check_key(const struct secret *key, const struct secret *passphrase, struct err *err);

/*
 * RS256 (RFC 7518 3.3) over bytes; appends the raw signature. The opened key is cached per (key, passphrase) (a bounded cache, dropped by sign_forget()).
 * Errors as above; after -ERR_RETRY the next call opens the device anew. What a device has refused (PIN, auth value) it is not asked again until sign_forget(): it would lock itself.
 * Appends nothing on failure. It waits for the device: a TPM takes a few hundred milliseconds.
 */
int sign_rs256(struct secret *key, struct secret *passphrase, const void *bytes, size_t size,
	       struct buf *signature, struct err *err);

/* Appends "SHA256:" and the base64 fingerprint of the public key (SubjectPublicKeyInfo), by which an administrator finds the certificate that belongs to it. */
int sign_fingerprint(struct secret *key, struct secret *passphrase, struct buf *out,
		     struct err *err);

/*
 * The first certificate (X.509) of a PEM text: when it ends, in seconds since 1970, and the fingerprint of its public key, appended in the same form. 0, -ERR_ADMIN: it is none, or -ERR_INTERNAL.
 */
int sign_certificate(const char *pem, size_t size, int64_t *ends_s, struct buf *fingerprint,
		     struct err *err);

/* Drops all opened keys and unloads the providers, which read openssl.cnf again (reload), and must be gone before OpenSSL cleans up after itself (exit). */
void sign_forget(void);

#endif

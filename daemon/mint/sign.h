/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures with private keys through OpenSSL's OSSL_STORE. A home of OpenSSL.
 */
#ifndef MINT_SIGN_H
#define MINT_SIGN_H

#include "base/buf.h"
#include "base/secret.h"

/* 0 if pem holds one usable RSA key of at least 2048 bits without passphrase; else what is wrong and what to do. */
int sign_check_key(const struct secret *pem, struct err *err);

/* RS256 (RFC 7518 3.3) over bytes with the key in pem; appends the raw signature. The parsed key is cached per struct secret (a bounded cache, dropped by sign_forget()). */
int sign_rs256(struct secret *pem, const void *bytes, size_t size, struct buf *signature,
	       struct err *err);

/* Drops all parsed keys (reload, exit). */
void sign_forget(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the sign*.c files; nobody else includes this.
 */
#ifndef MINT_SIGN_PARTS_H
#define MINT_SIGN_PARTS_H

#include <openssl/evp.h>

#include "daemon/mint/sign.h"

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/*
 * Where the operations of a key are done. Each provider for hardware has a library context of its own: in the default one it would offer its
 * digests, ciphers and random numbers to TLS and to the store as well.
 */
struct sign_home;

struct sign_home *sign_home_of(const struct secret *key);
bool sign_home_is_hardware(const struct sign_home *home);
OSSL_LIB_CTX *sign_home_context(const struct sign_home *home);
const char *sign_home_properties(const struct sign_home *home);

/* Unloads the provider, so that it is loaded and connected anew at the next use. No key of this home may be open. */
void sign_home_drop(struct sign_home *home);
void sign_homes_drop(void);

/*
 * Opens the key. The caller frees *out. -ERR_ADMIN; -ERR_RETRY: its device is not there now, or is in a state that passes; -ERR_INTERNAL.
 * *refused: the device did not take the passphrase, PIN or auth value. Some count that and lock themselves after a few.
 */
int sign_open(const struct secret *key, const struct secret *passphrase, EVP_PKEY **out,
	      bool *refused, struct err *err);

/* What a failed signature means: of hardware -ERR_RETRY, unless it says that it refuses (-ERR_ADMIN and *refused). Clears OpenSSL's errors. */
int sign_failed(const struct sign_home *home, bool *refused, struct err *err);

#endif

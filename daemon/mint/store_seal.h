/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the store is sealed: AES-256-GCM with a key of its own for each record, made by HKDF-SHA256 (RFC 5869) from the store's key, the record's random salt and what the record is.
 * So no nonce is ever used twice under one key, not even when a restored backup goes on from a number that was given before. The home of OpenSSL for the store.
 */
#ifndef MINT_STORE_SEAL_H
#define MINT_STORE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

enum {
	STORE_SEAL_KEY_MIN = 16,
	STORE_SEAL_KEY_SIZE = 32, /* of a key that we make */
	STORE_SEAL_ID = 16,
	STORE_SEAL_SALT = 16,
	STORE_SEAL_TAG = 16,
	STORE_SEAL_SUM = 32,
};

/* The key with everything that is made once for it; contexts are used again, because a start opens ten thousand records. */
struct store_seal;

/* key: any 16 bytes or more. NULL with err (-ERR_ADMIN, -ERR_INTERNAL). */
struct store_seal *store_seal_new(struct secret *key, struct err *err);
struct store_seal *store_seal_free(struct store_seal *s); /* takes NULL, returns NULL */
DEFINE_CLEANUP(struct store_seal *, store_seal_free)

/* size unpredictable bytes: 0 or -ERR_INTERNAL. */
int store_seal_random(void *bytes, size_t size, struct err *err);

/* A random salt that no other record gets. 0 or -ERR_INTERNAL. */
int store_seal_salt(struct store_seal *s, unsigned char salt[STORE_SEAL_SALT], struct err *err);

/* SHA-256: shows damage to whoever has no key. 0 or -ERR_INTERNAL. */
int store_seal_sum(const void *bytes, size_t size, unsigned char sum[STORE_SEAL_SUM],
		   struct err *err);
/* HMAC-SHA256 under a key made from the store's for file headers: shows that the key fits. */
int store_seal_mac(struct store_seal *s, const void *bytes, size_t size,
		   unsigned char mac[STORE_SEAL_SUM], struct err *err);
/* Compares in constant time. */
bool store_seal_equal(const void *a, const void *b, size_t size);

struct store_seal_span {
	const void *bytes;
	size_t size;
};

/* What a record's key is made of, and what is authenticated with it but not hidden. */
struct store_seal_place {
	const unsigned char *id;   /* of the store, STORE_SEAL_ID bytes */
	const unsigned char *salt; /* of the record, STORE_SEAL_SALT bytes, random */
	uint64_t number;
	struct store_seal_span aad[2];
};

/* size bytes from in to out (which may be the same). 0 or -ERR_INTERNAL. */
int store_seal_close(struct store_seal *s, const struct store_seal_place *place, const void *in,
		     size_t size, void *out, unsigned char tag[STORE_SEAL_TAG], struct err *err);
/* True when the tag fits: out is what was sealed. False: out is worth nothing. */
bool store_seal_open(struct store_seal *s, const struct store_seal_place *place, const void *in,
		     size_t size, void *out, const unsigned char tag[STORE_SEAL_TAG]);

#endif

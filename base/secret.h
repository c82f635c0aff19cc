/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that must not outlive their use nor reach a log: keys, client secrets, tokens.
 *
 * The type is opaque so that no printf can take it by accident; the bytes come out through secret_bytes() alone, which
 * is easy to grep for. Bytes live in a locked arena (memfd_secret, else locked and left out of dumps) and are erased with
 * the last reference. Not thread-safe: the daemon has no threads of its own.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

struct secret;

/* How well the arena is protected; status says so in words. */
enum secret_arena {
	SECRET_ARENA_NONE,    /* nothing allocated yet */
	SECRET_ARENA_MEMFD,   /* memfd_secret(2): not even the kernel maps it */
	SECRET_ARENA_LOCKED,  /* mlock(2), MADV_DONTDUMP, MADV_WIPEONFORK */
	SECRET_ARENA_PLAIN,   /* RLIMIT_MEMLOCK too small: kept out of dumps, may be swapped */
};

/*
 * A copy of size bytes (plus a NUL that does not count), owned by the caller as one reference.
 * NULL when memory is out. size 0 is allowed.
 */
struct secret *secret_new(const void *bytes, size_t size);

/* A secret of size zero bytes to be filled through secret_edit() before anyone else refers to it. */
struct secret *secret_new_empty(size_t size);

/* The bytes to fill; only while the caller holds the only reference. */
char *secret_edit(struct secret *s);

struct secret *secret_ref(struct secret *s);

/* Erases with the last reference. Takes NULL, returns NULL. */
struct secret *secret_unref(struct secret *s);

/* The bytes, followed by a NUL. They belong to s. */
const char *secret_bytes(const struct secret *s);
size_t secret_size(const struct secret *s);

/* Constant-time comparison of the contents (lengths may leak). NULL equals NULL alone. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* The weakest protection given so far, for status. */
enum secret_arena secret_arena_kind(void);
/* The same in a word for the log: "memfd_secret", "locked", "plain", or "none" while there is no secret. */
const char *secret_arena_name(void);

DEFINE_CLEANUP(struct secret *, secret_unref)

#endif

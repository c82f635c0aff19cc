/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes with a mandatory maximum. The old bytes are erased whenever they are moved or freed, so a buffer may
 * hold a token on its way to a socket. After the first failure (maximum passed, out of memory) all appends do nothing and
 * buf_failed() stays true: check once, at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct buf {
	char *data; /* NUL-terminated once anything was appended; the NUL does not count */
	size_t len, cap, max;
	bool failed;
};

/* max: the most bytes that it may ever hold. Allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Erases and frees; b is as after buf_init(). */
void buf_fini(struct buf *b);

/* Forgets the contents (erased) and the failure, keeps the memory. */
void buf_clear(struct buf *b);

/* Room for at least more bytes after len; 0 or -1 (and failed). */
int buf_reserve(struct buf *b, size_t more);

void buf_add(struct buf *b, const void *bytes, size_t size);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_add_int(struct buf *b, int64_t value);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first size bytes; what is left moves to the front and the freed tail is erased. */
void buf_drop(struct buf *b, size_t size);

static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}

static inline void buf_finip(struct buf *b)
{
	buf_fini(b);
}

#endif

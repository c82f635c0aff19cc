/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free() and realloc() that erase what they give back, for the copies that foreign code makes: linked whole into the mint and
 * the front, where libcurl, OpenSSL, json-c and libevent handle tokens and never clear their buffers. It stands before
 * libc in symbol resolution and ends in libc's own allocator, whose names below are glibc's exported ones; looking them up
 * with dlsym() instead would allocate before we can.
 *
 * Not linked into sanitizer builds (option wipe_free), whose allocator must see these calls itself.
 */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void __libc_free(void *p);
void *__libc_malloc(size_t size);
void *__libc_realloc(void *p, size_t size);

void free(void *p)
{
	if (!p)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	__libc_free(p);
}

/* Shrinking happens in place, after the tail is erased; growing moves, because libc's realloc() would not erase what it leaves. */
void *realloc(void *p, size_t size)
{
	size_t had;
	void *moved;

	if (!p)
		return __libc_malloc(size);
	if (size == 0) {
		free(p);
		return NULL;
	}
	had = malloc_usable_size(p);
	if (size <= had) {
		explicit_bzero((char *)p + size, had - size);
		return size > had / 2 ? p : __libc_realloc(p, size);
	}
	moved = __libc_malloc(size);
	if (!moved)
		return NULL;
	memcpy(moved, p, had);
	free(p);
	return moved;
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, all);
}

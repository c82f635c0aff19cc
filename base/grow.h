/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays that grow one by one. With 10,000 items a realloc() for each costs more than everything else, all the more where free() erases.
 */
#ifndef BASE_GROW_H
#define BASE_GROW_H

#include <stdlib.h>

/*
 * Room for item n (counted from 0) of size bytes. The array must have grown by this function alone, from NULL: it has room for the next power of two, so only then memory is moved. Returns
 * the array (the old one is gone), or NULL: out of memory, the old one stays.
 */
static inline void *grow_by_one(void *items, size_t n, size_t size)
{
	if (n & (n - 1))
		return items;
	return reallocarray(items, n ? 2 * n : 1, size);
}

#endif

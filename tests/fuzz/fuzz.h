/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. A property that does not hold aborts, which the fuzzer reports with the input. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() of its own, because it must hold in every build. */
#define MUST(condition)                                                             \
	do {                                                                        \
		if (!(condition)) {                                                 \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                    \
		}                                                                   \
	} while (0)

/* A writable copy of exactly this size, so that the sanitizer sees each byte that is touched outside of it. The caller frees it. */
static inline char *fuzz_copy(const void *data, size_t size)
{
	char *copy = malloc(size ? size : 1);

	MUST(copy);
	memcpy(copy, data, size);
	return copy;
}

#endif

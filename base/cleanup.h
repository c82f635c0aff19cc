/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership that can be seen: CLEANUP(fn) frees a local when its scope ends, TAKE(p) gives it away.
 * This is the project's only way of cleaning up; there is no goto.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* Calls func(&variable) when the variable goes out of scope. */
#define CLEANUP(func) __attribute__((cleanup(func)))

/* Defines namep(), the form of destructor that CLEANUP() wants, from name(), which takes NULL. */
#define DEFINE_CLEANUP(type, name)                  \
	static inline void name##p(type *p)         \
	{                                           \
		if (*p)                             \
			name(*p);                   \
	}

/* Moves a pointer out of a variable: the value, and the variable becomes NULL. */
#define TAKE(p)                                     \
	__extension__({                             \
		__typeof__(p) *take_p = &(p);       \
		__typeof__(p) take_value = *take_p; \
		*take_p = NULL;                     \
		take_value;                         \
	})

/* The same for a descriptor: the variable becomes -1. */
static inline int take_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

static inline void cleanup_free(void *p)
{
	void **at = p;

	free(*at);
	*at = NULL;
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif

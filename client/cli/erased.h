/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are erased before they are freed: secrets on their way through a command. */
#ifndef CLI_ERASED_H
#define CLI_ERASED_H

#include <stddef.h>

struct bytes {
	char *data;
	size_t len, room; /* room never grows: nothing is left behind by moving */
};

/* Room for so many bytes; 0, or an exit status after a complaint. */
int bytes_make(struct bytes *b, size_t room);
/* Erases and frees; b is empty then. Takes an empty one. */
void bytes_erase(struct bytes *b);

/* Appends; the caller has made room. */
void bytes_add(struct bytes *b, const char *text, size_t size);
/* Appends text as a string of JSON: at most 6 bytes for each of its own, and 2. Text must be UTF-8 without NUL. */
void bytes_add_quoted(struct bytes *b, const char *text, size_t size);

#define BYTES_ADD(b, literal) bytes_add((b), literal, sizeof(literal) - 1)

#endif

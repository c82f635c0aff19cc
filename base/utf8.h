/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a character: RFC 3629 to the letter (no overlong forms, no surrogates, nothing above U+10FFFF). Inline, because
 * the scanner, the writer and the log lines each need it in their inner loop.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* Bytes of the character at p, of which left are readable: 1 to 4, or 0 when the bytes are not a character. */
static inline size_t utf8_char_size(const char *p, size_t left)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned char low = 0x80, high = 0xbf;
	size_t size, i;

	if (left == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	size = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (left < size)
		return 0;
	/* The second byte rules out overlong forms, surrogates and what lies above U+10FFFF (RFC 3629, section 4). */
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	if (u[1] < low || u[1] > high)
		return 0;
	for (i = 2; i < size; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters inside JSON strings, for json_check.c (which needs them while it checks) and json.c (afterwards). Nobody else includes this.
 */
#ifndef PROTO_JSON_CHAR_H
#define PROTO_JSON_CHAR_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_is_space(char c)
{
	/* the first comparison alone settles nearly every character */
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r');
}

/* The eight bytes at p, the first one lowest. */
static inline uint64_t json_load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

#ifdef __SSE2__
/* Bit n: the n-th byte at p is a quote, a backslash or, if that is asked for, a control character or outside ASCII. */
static inline unsigned json_marks16(const char *p, bool strict)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p), marks;

	marks = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
			     _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
	if (strict) /* signed: what is outside ASCII is less than a blank, too */
		marks = _mm_or_si128(marks, _mm_cmplt_epi8(x, _mm_set1_epi8(' ')));
	return (unsigned)_mm_movemask_epi8(marks);
}
#endif

/* The top bit of each of the eight bytes at p that json_marks16() would mark, and perhaps of bytes above the first such one. */
static inline uint64_t json_marks8(const char *p, bool strict)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t x = json_load8(p), quote = x ^ ones * '"', backslash = x ^ ones * '\\', marks;

	/* (v - ones) & ~v has the top bit of a byte set if that byte is zero; a borrow can add marks above a true one only. */
	marks = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
	if (strict)
		marks |= x | ((x - ones * 0x20) & ~x);
	return marks & tops;
}

/*
 * The first byte in [p, end) that is a quote or a backslash; if strict, also a control character or one outside ASCII. Returns end
 * when there is none. This is where a message spends most of its bytes, so it goes by as many as the processor takes at once.
 */
static inline const char *json_find_mark(const char *p, const char *end, bool strict)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		unsigned marks = json_marks16(p, strict);

		if (marks)
			return p + __builtin_ctz(marks);
		p += 16;
	}
#endif
	while (end - p >= 8) {
		uint64_t marks = json_marks8(p, strict);

		if (marks)
			return p + __builtin_ctzll(marks) / 8;
		p += 8;
	}
	while (p < end && *p != '"' && *p != '\\' &&
	       !(strict && ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x80)))
		p++;
	return p;
}

/* The four hexadecimal digits at p as a number, or -1. */
static inline int json_hex4(const char *p)
{
	int value = 0, i;

	for (i = 0; i < 4; i++) {
		char c = p[i];

		value <<= 4;
		if (c >= '0' && c <= '9')
			value |= c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value |= (c | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* What a backslash and c stand for, or 0 when that is no escape ('u' is not looked at here). */
static inline char json_escape_value(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return 0;
	}
}

static inline size_t json_put_utf8(uint32_t c, char to[4])
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The next character of a string that was checked; *at moves behind it. Returns its size in UTF-8, which is at most what it took in the text. */
static inline size_t json_next_char(const char **at, char to[4])
{
	const char *p = *at;
	unsigned char lead = (unsigned char)*p;
	uint32_t c;

	if (lead != '\\') {
		size_t size = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

		memcpy(to, p, size);
		*at = p + size;
		return size;
	}
	if (p[1] != 'u') {
		to[0] = json_escape_value(p[1]);
		*at = p + 2;
		return 1;
	}
	c = (uint32_t)json_hex4(p + 2);
	*at = p + 6;
	if (c >= 0xd800 && c <= 0xdbff) {
		c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)json_hex4(p + 8) - 0xdc00);
		*at = p + 12;
	}
	return json_put_utf8(c, to);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
	if (b->data) {
		explicit_bzero(b->data, b->cap + 1);
		free(b->data);
	}
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->len);
	b->len = 0;
	b->failed = false;
}

/* realloc(3) would leave the old bytes where they were. */
static int move_to(struct buf *b, size_t cap)
{
	char *data = malloc(cap + 1);

	if (!data)
		return -1;
	if (b->data) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->cap + 1);
		free(b->data);
	}
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

static int grow(struct buf *b, size_t more)
{
	size_t cap = b->cap < FIRST_CAP / 2 ? FIRST_CAP : b->cap > b->max / 2 ? b->max : b->cap * 2;

	if (more > b->max - b->len) {
		b->failed = true;
		return -1;
	}
	if (cap < b->len + more)
		cap = b->len + more;
	if (cap > b->max)
		cap = b->max;
	if (move_to(b, cap) < 0) {
		b->failed = true;
		return -1;
	}
	return 0;
}

int buf_reserve(struct buf *b, size_t more)
{
	if (b->failed)
		return -1;
	if (b->data && more <= b->cap - b->len)
		return 0;
	return grow(b, more);
}

void buf_add(struct buf *b, const void *bytes, size_t size)
{
	if (buf_reserve(b, size) < 0)
		return;
	if (size > 0)
		memcpy(b->data + b->len, bytes, size);
	b->len += size;
	b->data[b->len] = '\0';
}

void buf_add_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
	if (buf_reserve(b, 1) < 0)
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void buf_add_int(struct buf *b, int64_t value)
{
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		digits[--at] = '-';
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		b->failed = true;
	if (n < 0 || buf_reserve(b, (size_t)n) < 0)
		return;
	va_start(args, format);
	vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
}

void buf_drop(struct buf *b, size_t size)
{
	size_t left;

	if (size > b->len)
		size = b->len;
	if (size == 0)
		return;
	left = b->len - size;
	if (left > 0)
		memmove(b->data, b->data + size, left);
	explicit_bzero(b->data + left, size);
	b->len = left;
}

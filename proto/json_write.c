/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/utf8.h"
#include "proto/json.h"
#include "proto/json_char.h"

/*
 * The last byte says whether a comma is due: a finished value ends with a quote, a bracket, a digit or a letter, never with one
 * of these. So the writer needs no state, and raw JSON can be mixed in.
 */
static void separate(struct buf *b)
{
	char last = b->len ? b->data[b->len - 1] : '\0';

	if (last != '\0' && last != '{' && last != '[' && last != ':' && last != ',')
		buf_add_char(b, ',');
}

void json_begin_object(struct buf *b)
{
	separate(b);
	buf_add_char(b, '{');
}

void json_end_object(struct buf *b)
{
	buf_add_char(b, '}');
}

void json_begin_array(struct buf *b)
{
	separate(b);
	buf_add_char(b, '[');
}

void json_end_array(struct buf *b)
{
	buf_add_char(b, ']');
}

void json_key(struct buf *b, const char *key)
{
	size_t size = strlen(key);
	char *to;

	separate(b);
	if (buf_reserve(b, size + 3) < 0)
		return;
	to = b->data + b->len;
	to[0] = '"';
	memcpy(to + 1, key, size);
	to[size + 1] = '"';
	to[size + 2] = ':';
	to[size + 3] = '\0';
	b->len += size + 3;
}

static void add_escape(struct buf *b, char c)
{
	static const char letters[][2] = { "\bb", "\ff", "\nn", "\rr", "\tt", "\"\"", "\\\\" };
	static const char hex[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		if (letters[i][0] == c) {
			buf_add_char(b, '\\');
			buf_add_char(b, letters[i][1]);
			return;
		}
	}
	buf_add(b, "\\u00", 4);
	buf_add_char(b, hex[(unsigned char)c >> 4]);
	buf_add_char(b, hex[(unsigned char)c & 15]);
}

/* Where the bytes end that can be copied as they are. */
static const char *plain_end(const char *p, const char *end)
{
	size_t size;

	for (;;) {
		p = json_find_mark(p, end, true);
		if (p == end || (unsigned char)*p < 0x80)
			break;
		size = utf8_char_size(p, (size_t)(end - p));
		if (size == 0)
			break;
		p += size;
	}
	return p;
}

void json_add_bytes(struct buf *b, const char *text, size_t size)
{
	const char *end = text + size, *stop;

	separate(b);
	buf_add_char(b, '"');
	for (;;) {
		stop = plain_end(text, end);
		buf_add(b, text, (size_t)(stop - text));
		if (stop == end)
			break;
		if ((unsigned char)*stop >= 0x80 || *stop == '\0')
			buf_add(b, "\xef\xbf\xbd",
				3); /* U+FFFD; a NUL would end the Varlink message */
		else
			add_escape(b, *stop);
		text = stop + 1;
	}
	buf_add_char(b, '"');
}

void json_add_text(struct buf *b, const char *text)
{
	if (text)
		json_add_bytes(b, text, strlen(text));
	else
		json_add_null(b);
}

void json_add_int(struct buf *b, int64_t value)
{
	separate(b);
	buf_add_int(b, value);
}

void json_add_bool(struct buf *b, bool value)
{
	separate(b);
	buf_add_text(b, value ? "true" : "false");
}

void json_add_null(struct buf *b)
{
	separate(b);
	buf_add(b, "null", 4);
}

void json_add_raw(struct buf *b, const char *json, size_t size)
{
	separate(b);
	buf_add(b, json, size);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The second pass: the walk over checked text. */
#include "proto/json.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/json_char.h"

static inline char *skip_space(char *p, const char *end)
{
	while (p < end && json_is_space(*p))
		p++;
	return p;
}

/* p is behind the opening quote; returns what follows the closing one. */
static inline char *string_end(char *p, const char *end)
{
	for (;;) {
		p += json_find_mark(p, end, false) - p;
		if (*p == '"')
			return p + 1;
		p += 2;
	}
}

/* Brackets have nothing but structure between them outside of strings, and 0x20 tells the curly from the square ones alone. */
static inline char *container_end(char *p, const char *end)
{
	unsigned open = 0;

	do {
		char c = *p++;

		if (c == '"')
			p = string_end(p, end);
		else if ((c | 0x20) == '{')
			open++;
		else if ((c | 0x20) == '}')
			open--;
	} while (open > 0);
	return p;
}

static inline char *value_end(char *p, const char *end)
{
	if (*p == '"')
		return string_end(p + 1, end);
	if (*p == '{' || *p == '[')
		return container_end(p, end);
	while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_is_space(*p))
		p++;
	return p;
}

struct json_value json_root(char *text, size_t len)
{
	char *end = text + len;

	text = skip_space(text, end);
	while (end > text && json_is_space(end[-1]))
		end--;
	return (struct json_value){ text, end };
}

enum json_type json_type(struct json_value v)
{
	const char *p;

	switch (*v.start) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		for (p = v.start; p < v.end; p++)
			if (*p == '.' || *p == 'e' || *p == 'E')
				return JSON_REAL;
		return JSON_INT;
	}
}

struct json_iter json_iterate(struct json_value v)
{
	if (!v.start || (*v.start != '{' && *v.start != '['))
		return (struct json_iter){ NULL, NULL, false };
	return (struct json_iter){ v.start + 1, v.end - 1, *v.start == '{' };
}

bool json_next(struct json_iter *i, struct json_value *key, struct json_value *value)
{
	char *p = skip_space(i->at, i->end);

	*key = (struct json_value){ NULL, NULL };
	if (p == i->end)
		return false;
	if (*p == ',')
		p = skip_space(p + 1, i->end);
	if (i->object) {
		key->start = p;
		key->end = string_end(p + 1, i->end);
		p = skip_space(key->end, i->end);
		p = skip_space(p + 1, i->end); /* the colon */
	}
	value->start = p;
	value->end = i->at = value_end(p, i->end);
	return true;
}

char *json_text(struct json_value v, size_t *size)
{
	char *text = v.start + 1, *to;
	const char *from, *end = v.end - 1;

	to = memchr(text, '\\', (size_t)(end - text));
	if (!to) {
		to = v.end - 1;
	} else {
		for (from = to; from < end;) {
			char c[4];
			size_t n = json_next_char(&from, c);

			memcpy(to, c, n);
			to += n;
		}
	}
	*to = '\0';
	if (size)
		*size = (size_t)(to - text);
	return text;
}

bool json_is(struct json_value v, const char *text)
{
	const char *p, *end;

	if (!v.start || *v.start != '"')
		return false;
	end = v.end - 1;
	for (p = v.start + 1; p < end;) {
		char c[4];
		size_t size = json_next_char(&p, c);

		if (strncmp(text, c, size) != 0)
			return false;
		text += size;
	}
	return *text == '\0';
}

bool json_bool(struct json_value v)
{
	return *v.start == 't';
}

int64_t json_int(struct json_value v)
{
	bool negative = *v.start == '-';
	uint64_t value = 0;
	const char *p;

	for (p = v.start + negative; p < v.end; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	return (int64_t)(negative ? 0 - value : value);
}

double json_real(struct json_value v)
{
	char text[260];
	size_t size = (size_t)(v.end - v.start);

	assert(size < sizeof(text)); /* json_check() refuses longer numbers */
	memcpy(text, v.start, size);
	text[size] = '\0';
	return strtod(text, NULL);
}

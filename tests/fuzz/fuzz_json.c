/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes: what json_check() accepts can be walked without a step outside, strings unescape in place to valid UTF-8 that is no
 * longer than before, and writing what was read gives a text that reads, and writes, the same.
 */
#include "fuzz.h"

#include "base/utf8.h"
#include "proto/json.h"

static void write_text(struct json_value v, struct buf *out)
{
	size_t size, raw = (size_t)(v.end - v.start) - 2, at, n;
	char *text = json_text(v, &size);

	MUST(text == v.start + 1 && size <= raw);
	MUST(text[size] == '\0' && strlen(text) == size);
	for (at = 0; at < size; at += n) {
		n = utf8_char_size(text + at, size - at);
		MUST(n > 0);
	}
	json_add_bytes(out, text, size);
}

static void write_value(struct json_value v, struct buf *out, unsigned depth)
{
	struct json_iter i = json_iterate(v);
	struct json_value key, value;
	enum json_type type = json_type(v);
	unsigned members = 0;

	MUST(v.start < v.end && depth <= JSON_DEPTH_MAX);
	if (type == JSON_STRING) {
		write_text(v, out);
	} else if (type == JSON_INT) {
		json_add_int(out, json_int(v));
	} else if (type == JSON_OBJECT || type == JSON_ARRAY) {
		buf_add_char(out, *v.start);
		while (json_next(&i, &key, &value)) {
			MUST(value.start > v.start && value.end < v.end &&
			     !key.start == (type == JSON_ARRAY));
			if (members++ > 0)
				buf_add_char(out, ',');
			if (key.start) {
				write_text(key, out);
				buf_add_char(out, ':');
			}
			write_value(value, out, depth + 1);
		}
		MUST(type == JSON_ARRAY || members <= JSON_MEMBERS_MAX);
		buf_add_char(out, type == JSON_OBJECT ? '}' : ']');
	} else {
		if (type == JSON_REAL)
			(void)json_real(v);
		json_add_raw(out, v.start, (size_t)(v.end - v.start));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct buf first, second;
	struct err err;

	buf_init(&first, 8 * size + 100);
	buf_init(&second, 8 * size + 100);
	if (json_check(text, size, JSON_DEPTH_MAX, &err) < 0) {
		MUST(err.code == ERR_PROTOCOL && err.text[0]);
	} else {
		MUST(memcmp(text, data, size) == 0);
		write_value(json_root(text, size), &first, 0);
		MUST(!buf_failed(&first) &&
		     json_check(first.data, first.len, JSON_DEPTH_MAX, NULL) == 0);
		free(text);
		text = fuzz_copy(first.data, first.len);
		write_value(json_root(text, first.len), &second, 0);
		MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	}
	free(text);
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one reader of strangers' bytes: strict JSON (RFC 8259), and its writer.
 *
 * Reading has two passes. json_check() proves that the text is one value and obeys every rule: nothing before or after but
 * white space, depth, no duplicate keys (after unescaping), no U+0000, valid UTF-8 without overlong forms or lone surrogates,
 * no NaN, no leading zeros, at most JSON_MEMBERS_MAX members in one object. After that the walk over values cannot fail, so it has no
 * error paths. Strings are unescaped in place (they never grow), which is why the text is writable and no memory is allocated.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 16, JSON_MEMBERS_MAX = 256 };

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/*
 * Checks text[0..len). depth: the deepest nesting allowed (a lone scalar is 0, `{}` is 1), at most JSON_DEPTH_MAX.
 * Returns 0 or -ERR_PROTOCOL with the byte offset and the rule in words; never quotes the text (it may hold a token).
 * Time is linear in len but for the duplicate test, which is bounded by JSON_MEMBERS_MAX. A number is JSON_INT when it
 * has neither fraction nor exponent and fits int64, else JSON_REAL ("-0" is JSON_INT 0). Integers beyond int64 are refused here.
 */
int json_check(const char *text, size_t len, unsigned depth, struct err *err);

/* A value inside checked text, without the white space around it: [start, end). start NULL: no such value. */
struct json_value {
	char *start;
	char *end;
};

/* The value that the whole checked text is. */
struct json_value json_root(char *text, size_t len);

enum json_type json_type(struct json_value v);

/* The members of an object, or the elements of an array (key.start is NULL then). Valid before and after json_text() on any of them. */
struct json_iter {
	char *at;
	char *end;
	bool object;
};

struct json_iter json_iterate(struct json_value v);
bool json_next(struct json_iter *i, struct json_value *key, struct json_value *value);

/*
 * The string's text, unescaped in place and NUL-terminated over its closing quote; size (may be NULL) gets its length. It belongs to the
 * message. Call it once per value: afterwards the value's bytes are no longer JSON.
 */
char *json_text(struct json_value v, size_t *size);

/* Compares a string value with plain text without changing the message. */
bool json_is(struct json_value v, const char *text);

bool json_bool(struct json_value v);
int64_t json_int(struct json_value v); /* only for JSON_INT */
double json_real(struct json_value v); /* JSON_INT or JSON_REAL */

/* --- writing: commas are put in by themselves; errors are buf_failed() --- */

void json_begin_object(struct buf *b);
void json_end_object(struct buf *b);
void json_begin_array(struct buf *b);
void json_end_array(struct buf *b);
/* A key; the value follows. key must need no escaping. */
void json_key(struct buf *b, const char *key);
/* text must be UTF-8; invalid bytes are written as U+FFFD so that a reply is always valid. text NULL writes null. */
void json_add_text(struct buf *b, const char *text);
void json_add_bytes(struct buf *b, const char *text, size_t size);
void json_add_int(struct buf *b, int64_t value);
void json_add_bool(struct buf *b, bool value);
void json_add_null(struct buf *b);
/* Checked JSON, as it is. */
void json_add_raw(struct buf *b, const char *json, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first pass: is this one JSON value, by every rule of RFC 8259 and our own? Recursion is bounded by the depth, memory by the
 * table of keys below; nothing is allocated.
 */
#include "base/utf8.h"
#include "proto/json.h"
#include "proto/json_char.h"

enum {
	KEYS_MAX = JSON_DEPTH_MAX * JSON_MEMBERS_MAX, /* keys of all objects that are open at one time */
	NUMBER_MAX = 256,                             /* characters of one number: json_real() has to copy it */
};

struct scan {
	const char *start, *at, *end;
	const char *rule; /* that is broken at "at" */
	uint64_t seed;
	unsigned n_keys;
	uint32_t hash[KEYS_MAX]; /* left uninitialized: only [0, n_keys) is ever read */
	uint32_t key_at[KEYS_MAX];
};

static bool scan_value(struct scan *s, unsigned depth);

static bool broken(struct scan *s, const char *at, const char *rule)
{
	s->at = at;
	s->rule = rule;
	return false;
}

static inline void skip_space(struct scan *s)
{
	while (s->at < s->end && json_is_space(*s->at))
		s->at++;
}

/* --- strings --- */

/* at: the backslash. Returns what follows the escape, or NULL. */
static const char *scan_escape(struct scan *s, const char *at)
{
	size_t left = (size_t)(s->end - at);
	int c;

	if (left >= 2 && at[1] != 'u') {
		if (json_escape_value(at[1]))
			return at + 2;
		broken(s, at, "unknown escape");
		return NULL;
	}
	c = left >= 6 ? json_hex4(at + 2) : -1;
	if (c < 0)
		broken(s, at, "incomplete escape");
	else if (c == 0)
		broken(s, at, "U+0000 is not allowed");
	else if (c < 0xd800 || c > 0xdfff)
		return at + 6;
	else if (c <= 0xdbff && left >= 12 && at[6] == '\\' && at[7] == 'u' &&
		 (json_hex4(at + 8) & ~0x3ff) == 0xdc00)
		return at + 12;
	else
		broken(s, at, "lone surrogate");
	return NULL;
}

/* at is behind the opening quote and ends up behind the closing one. *escaped becomes true if there is an escape. */
static bool scan_string(struct scan *s, bool *escaped)
{
	const char *p = s->at, *end = s->end;
	size_t size;

	for (;;) {
		p = json_find_mark(p, end, true);
		if (p == end)
			return broken(s, p, "string without end");
		if (*p == '"')
			break;
		if (*p == '\\') {
			*escaped = true;
			p = scan_escape(s, p);
			if (!p)
				return false;
			continue;
		}
		size = utf8_char_size(p, (size_t)(end - p));
		if (size < 2)
			return broken(s, p,
				      size ? "control character in a string" : "invalid UTF-8");
		p += size;
	}
	s->at = p + 1;
	return true;
}

/* --- keys --- */

static inline uint64_t mix(uint64_t hash, uint64_t block)
{
	hash = (hash ^ block) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* The bytes in blocks of eight, the last one filled up with zeros, which no key can hold. readable: how many there are at p. */
static inline uint64_t hash_plain(uint64_t hash, const char *p, size_t size, size_t readable)
{
	uint64_t block = 0;

	for (; size >= 8; p += 8, size -= 8, readable -= 8)
		hash = mix(hash, json_load8(p));
	if (size > 0 && readable >= 8)
		block = json_load8(p) & (UINT64_MAX >> (64 - 8 * size));
	else
		for (; size > 0; size--)
			block = block << 8 | (unsigned char)p[size - 1];
	return mix(hash, block);
}

/* The same number for a key that is written with escapes. */
static uint64_t hash_escaped(uint64_t hash, const char *p, const char *end)
{
	uint64_t block = 0;
	unsigned n = 0;
	char c[4];

	while (p < end) {
		size_t size = json_next_char(&p, c), i;

		for (i = 0; i < size; i++) {
			block |= (uint64_t)(unsigned char)c[i] << 8 * n;
			if (++n == 8) {
				hash = mix(hash, block);
				block = 0;
				n = 0;
			}
		}
	}
	return mix(hash, block);
}

/* Both are behind the opening quote of a checked key. */
static bool same_key(const char *a, const char *b)
{
	char ca[4], cb[4];

	while (*a != '"' && *b != '"') {
		size_t size = json_next_char(&a, ca);

		if (json_next_char(&b, cb) != size || memcmp(ca, cb, size) != 0)
			return false;
	}
	return *a == *b;
}

/* Is the key from at to the scan's position new among those of this object, which begin at first? Then it joins them. */
static bool add_key(struct scan *s, unsigned first, const char *at, bool escaped)
{
	const char *end = s->at - 1;
	uint32_t hash;
	unsigned i;

	if (s->n_keys - first == JSON_MEMBERS_MAX)
		return broken(s, at, "too many members in one object");
	hash = (uint32_t)(escaped ? hash_escaped(s->seed, at, end)
				  : hash_plain(s->seed, at, (size_t)(end - at),
					       (size_t)(s->end - at)));
	for (i = first; i < s->n_keys; i++)
		if (s->hash[i] == hash && same_key(at, s->start + s->key_at[i]))
			return broken(s, at, "duplicate key");
	s->hash[s->n_keys] = hash;
	s->key_at[s->n_keys++] = (uint32_t)(at - s->start);
	return true;
}

/* --- numbers and names --- */

/* One digit or more. */
static bool scan_digits(struct scan *s, const char *otherwise)
{
	const char *first = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > first || broken(s, first, otherwise);
}

/* Takes the next character if it is one of the two. */
static bool scan_either(struct scan *s, char a, char b)
{
	if (s->at == s->end || (*s->at != a && *s->at != b))
		return false;
	s->at++;
	return true;
}

static bool fits_int64(const char *p, const char *end)
{
	bool negative = *p == '-';
	int64_t value = 0;

	for (p += negative; p < end; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? '0' - *p : *p - '0', &value))
			return false;
	return true;
}

static bool scan_number(struct scan *s)
{
	const char *start = s->at, *digits;
	bool integer = true;

	scan_either(s, '-', '-');
	digits = s->at;
	if (!scan_digits(s, "not a value"))
		return false;
	if (*digits == '0' && s->at - digits > 1)
		return broken(s, start, "leading zero");
	if (scan_either(s, '.', '.')) {
		integer = false;
		if (!scan_digits(s, "no digit after the point"))
			return false;
	}
	if (scan_either(s, 'e', 'E')) {
		integer = false;
		scan_either(s, '+', '-');
		if (!scan_digits(s, "no digit in the exponent"))
			return false;
	}
	if (s->at - start > NUMBER_MAX)
		return broken(s, start, "number too long");
	if (integer && s->at - start > 18 && !fits_int64(start, s->at))
		return broken(s, start, "integer too big");
	return true;
}

static bool scan_name(struct scan *s, const char *name, size_t size)
{
	if ((size_t)(s->end - s->at) < size || memcmp(s->at, name, size) != 0)
		return broken(s, s->at, "not a value");
	s->at += size;
	return true;
}

/* --- objects and arrays --- */

/* After a value: true and *more for a comma, true and !*more for the closing bracket. */
static bool scan_separator(struct scan *s, char close, bool *more)
{
	skip_space(s);
	if (s->at == s->end)
		return broken(s, s->at, "unfinished object or array");
	*more = *s->at == ',';
	if (!*more && *s->at != close)
		return broken(s, s->at, "comma or closing bracket expected");
	s->at++;
	if (*more)
		skip_space(s);
	return true;
}

static bool scan_key(struct scan *s, unsigned first)
{
	const char *key = s->at + 1;
	bool escaped = false;

	if (s->at == s->end || *s->at != '"')
		return broken(s, s->at, "key expected");
	s->at = key;
	if (!scan_string(s, &escaped) || !add_key(s, first, key, escaped))
		return false;
	skip_space(s);
	if (s->at == s->end || *s->at != ':')
		return broken(s, s->at, "colon expected");
	s->at++;
	skip_space(s);
	return true;
}

/* at is behind the opening bracket. */
static bool scan_container(struct scan *s, char close, unsigned depth)
{
	unsigned first = s->n_keys;
	bool more;

	if (depth == 0)
		return broken(s, s->at - 1, "nested too deeply");
	skip_space(s);
	more = s->at == s->end || *s->at != close;
	if (!more)
		s->at++;
	while (more)
		if ((close == '}' && !scan_key(s, first)) || !scan_value(s, depth - 1) ||
		    !scan_separator(s, close, &more))
			return false;
	s->n_keys = first;
	return true;
}

static bool scan_value(struct scan *s, unsigned depth)
{
	bool escaped;

	if (s->at == s->end)
		return broken(s, s->at, "value expected");
	switch (*s->at) {
	case '"':
		s->at++;
		return scan_string(s, &escaped);
	case '{':
		s->at++;
		return scan_container(s, '}', depth);
	case '[':
		s->at++;
		return scan_container(s, ']', depth);
	case 't':
		return scan_name(s, "true", 4);
	case 'f':
		return scan_name(s, "false", 5);
	case 'n':
		return scan_name(s, "null", 4);
	default:
		return scan_number(s);
	}
}

int json_check(const char *text, size_t len, unsigned depth, struct err *err)
{
	struct scan s __attribute__((
		uninitialized)); /* the build would fill 32 KiB with zeros for every small call */

	s.start = s.at = text;
	s.end = text + len;
	s.n_keys = 0;
	/* The place of the stack differs from process to process, so that nobody can prepare keys of equal hash. */
	s.seed = mix((uintptr_t)&s, len);
	if (len > UINT32_MAX)
		return err_set(err, ERR_PROTOCOL, "malformed JSON: too long");
	if (depth > JSON_DEPTH_MAX)
		depth = JSON_DEPTH_MAX;
	skip_space(&s);
	if (scan_value(&s, depth)) {
		skip_space(&s);
		if (s.at == s.end)
			return 0;
		broken(&s, s.at, "something follows the value");
	}
	return err_set(err, ERR_PROTOCOL, "malformed JSON at byte %zu: %s",
		       (size_t)(s.at - s.start), s.rule);
}

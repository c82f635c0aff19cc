/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message is a C struct and one table of its fields; encoding, decoding, range checks and error texts all come from the table.
 *
 *	struct get_token { const char *credential; int64_t min_valid_s; bool has_min_valid_s; ... };
 *	static const struct field fields[] = {
 *		{ "credential", FIELD_TEXT, FIELD_OPTIONAL, AT(struct get_token, credential), .max = 128 },
 *		...
 *	};
 *
 * Decoding is in place: text fields point into the message, which must live as long as the struct is used. null and absent are the same.
 */
#ifndef PROTO_FIELDS_H
#define PROTO_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/json.h"

enum field_type {
	FIELD_TEXT,    /* const char *        string, at most max bytes (0: as long as the message) */
	FIELD_INT,     /* struct opt_int      int, min..max */
	FIELD_BOOL,    /* struct opt_bool     bool */
	FIELD_ENUM,    /* int                 string out of names[]; FIELD_OPTIONAL and absent: -1 */
	FIELD_TEXTS,   /* struct text_list    []string */
	FIELD_INTS,    /* struct int_list     []int */
	FIELD_RAW,     /* struct json_value   any value, checked JSON */
	FIELD_OBJECT,  /* struct json_value   object */
};

enum field_flags {
	FIELD_OPTIONAL = 1, /* may be absent or null; without it: missing is an error naming the field */
	FIELD_NULLABLE = 2, /* encoding: write null when there is nothing; else the member is left out */
	FIELD_SECRET = 4,   /* never in an error text or log */
};

struct opt_int {
	int64_t value;
	bool set;
};

struct opt_bool {
	bool value;
	bool set;
};

struct text_list {
	const char *const *items; /* encoding: the strings; decoding: NULL, walk raw instead */
	size_t n;
	struct json_value raw; /* decoding: the array */
};

struct int_list {
	const int64_t *items;
	size_t n;
	struct json_value raw;
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset;
	int64_t min, max;         /* FIELD_INT: both 0 means any int64. FIELD_TEXT: max bytes */
	const char *const *names; /* FIELD_ENUM: NULL-terminated, index is the value */
};

#define AT(type, member) offsetof(type, member)

/* A table with its end. */
struct fields {
	const struct field *field;
	size_t n;
	size_t size; /* of the struct */
};

#define FIELDS(table, type) { (table), sizeof(table) / sizeof((table)[0]), sizeof(type) }

/*
 * REFUSE: callers' messages. IGNORE: unknown members are skipped (our own channels). NEWER: for the replies of a server that may be newer than
 * we are: also an enumeration value that we do not know is taken, as -1.
 */
enum unknown { UNKNOWN_REFUSE, UNKNOWN_IGNORE, UNKNOWN_NEWER };

/*
 * Fills *out (zeroed first; enums -1) from a checked object; object.start NULL counts as {}. Returns 0, or -ERR_INPUT with *bad set to the name of the field
 * that is unknown, missing, of the wrong type or outside its range (a static string or text inside the message), or -ERR_PROTOCOL (*bad set too) for a
 * number with fraction or exponent where an integer belongs: interfaces.md 1 rule 3 closes the connection then.
 */
int fields_decode(const struct fields *f, struct json_value object, enum unknown unknown, void *out,
		  const char **bad, struct err *err);

/* Writes the members (not the braces) in table order. */
void fields_encode_members(const struct fields *f, const void *message, struct buf *out);

/* Writes {members}. */
void fields_encode(const struct fields *f, const void *message, struct buf *out);

/* names[] index of text, or -1. */
int fields_enum(const char *const *names, const char *text);

#endif

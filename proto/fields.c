/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/fields.h"

#include <assert.h>
#include <string.h>

int fields_enum(const char *const *names, const char *text)
{
	int i;

	for (i = 0; names[i]; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	return -1;
}

static void *member_of(void *message, const struct field *f)
{
	return (char *)message + f->offset;
}

static const void *const_member_of(const void *message, const struct field *f)
{
	return (const char *)message + f->offset;
}

/* --- decoding --- */

/* What a value may be for a field. NUMBER_FORM: a number with fraction or exponent where an integer belongs, which breaks the protocol. */
enum fit { FIT, MISFIT, NUMBER_FORM };

static enum fit take_text(const struct field *f, struct json_value v, const char **to)
{
	size_t size;

	if (json_type(v) != JSON_STRING)
		return MISFIT;
	*to = json_text(v, &size);
	return f->max > 0 && size > (size_t)f->max ? MISFIT : FIT;
}

static enum fit take_int(const struct field *f, struct json_value v, struct opt_int *to)
{
	enum json_type type = json_type(v);

	if (type != JSON_INT)
		return type == JSON_REAL ? NUMBER_FORM : MISFIT;
	to->value = json_int(v);
	to->set = true;
	if (f->min == 0 && f->max == 0)
		return FIT;
	return to->value >= f->min && to->value <= f->max ? FIT : MISFIT;
}

static enum fit take_bool(struct json_value v, struct opt_bool *to)
{
	if (json_type(v) != JSON_BOOL)
		return MISFIT;
	*to = (struct opt_bool){ json_bool(v), true };
	return FIT;
}

static enum fit take_enum(const struct field *f, struct json_value v, enum unknown unknown, int *to)
{
	if (json_type(v) != JSON_STRING)
		return MISFIT;
	*to = fields_enum(f->names, json_text(v, NULL));
	return *to < 0 && unknown != UNKNOWN_NEWER ? MISFIT : FIT;
}

/* Counts the elements of an array that must all be of one type. */
static enum fit take_list(struct json_value v, enum json_type of, size_t *n, struct json_value *raw)
{
	struct json_value key, value;
	struct json_iter i;

	if (json_type(v) != JSON_ARRAY)
		return MISFIT;
	i = json_iterate(v);
	for (*n = 0; json_next(&i, &key, &value); ++*n)
		if (json_type(value) != of)
			return of == JSON_INT && json_type(value) == JSON_REAL ? NUMBER_FORM
									       : MISFIT;
	*raw = v;
	return FIT;
}

static enum fit take_value(const struct field *f, struct json_value v, enum unknown unknown,
			   void *to)
{
	struct text_list *texts = to;
	struct int_list *ints = to;

	switch (f->type) {
	case FIELD_TEXT:
		return take_text(f, v, to);
	case FIELD_INT:
		return take_int(f, v, to);
	case FIELD_BOOL:
		return take_bool(v, to);
	case FIELD_ENUM:
		return take_enum(f, v, unknown, to);
	case FIELD_TEXTS:
		return take_list(v, JSON_STRING, &texts->n, &texts->raw);
	case FIELD_INTS:
		return take_list(v, JSON_INT, &ints->n, &ints->raw);
	case FIELD_OBJECT:
		if (json_type(v) != JSON_OBJECT)
			return MISFIT;
		break;
	case FIELD_RAW:
		break;
	}
	*(struct json_value *)to = v;
	return FIT;
}

/* Members mostly come in the order of the table: looking begins where the last one was found. */
static const struct field *find(const struct fields *f, const char *name, size_t *next)
{
	size_t n, i;

	for (n = 0; n < f->n; n++) {
		i = *next + n < f->n ? *next + n : *next + n - f->n;
		if (strcmp(f->field[i].name, name) == 0) {
			*next = i + 1 < f->n ? i + 1 : 0;
			return &f->field[i];
		}
	}
	return NULL;
}

static int refuse(const char **bad, const char *name, const char *what, struct err *err)
{
	if (bad)
		*bad = name;
	return err_set(err, ERR_INPUT, "%s: %s", name, what);
}

static int take_member(const struct field *f, struct json_value value, enum unknown unknown,
		       void *out, const char **bad, struct err *err)
{
	switch (take_value(f, value, unknown, member_of(out, f))) {
	case FIT:
		return 0;
	case NUMBER_FORM:
		if (bad)
			*bad = f->name;
		return err_set(err, ERR_PROTOCOL,
			       "%s: an integer must have neither fraction nor exponent", f->name);
	case MISFIT:
		break;
	}
	return refuse(bad, f->name, "wrong type or out of range", err);
}

static void clear(const struct fields *f, void *out)
{
	size_t i;

	memset(out, 0, f->size);
	for (i = 0; i < f->n; i++)
		if (f->field[i].type == FIELD_ENUM)
			*(int *)member_of(out, &f->field[i]) = -1;
}

int fields_decode(const struct fields *f, struct json_value object, enum unknown unknown, void *out,
		  const char **bad, struct err *err)
{
	struct json_iter i = json_iterate(object);
	struct json_value key, value;
	uint64_t seen = 0;
	size_t next = 0, n;
	int r;

	assert(f->n <= 64);
	clear(f, out);
	while (json_next(&i, &key, &value)) {
		const char *name = json_text(key, NULL);
		const struct field *field = find(f, name, &next);

		if (!field && unknown == UNKNOWN_REFUSE)
			return refuse(bad, name, "not known", err);
		if (!field || json_type(value) == JSON_NULL)
			continue;
		r = take_member(field, value, unknown, out, bad, err);
		if (r < 0)
			return r;
		seen |= UINT64_C(1) << (field - f->field);
	}
	for (n = 0; n < f->n; n++)
		if (!(f->field[n].flags & FIELD_OPTIONAL) && !(seen >> n & 1))
			return refuse(bad, f->field[n].name, "missing", err);
	return 0;
}

/* --- encoding --- */

/* Has an optional member anything to say? Required ones are always written, so that a reply keeps its type whatever was filled. */
static bool is_set(const struct field *f, const void *from)
{
	const struct text_list *texts = from;
	const struct int_list *ints = from;

	switch (f->type) {
	case FIELD_TEXT:
		return *(const char *const *)from != NULL;
	case FIELD_INT:
		return ((const struct opt_int *)from)->set;
	case FIELD_BOOL:
		return ((const struct opt_bool *)from)->set;
	case FIELD_ENUM:
		return *(const int *)from >= 0;
	case FIELD_TEXTS:
		return texts->items || texts->raw.start;
	case FIELD_INTS:
		return ints->items || ints->raw.start;
	case FIELD_RAW:
	case FIELD_OBJECT:
		return ((const struct json_value *)from)->start != NULL;
	}
	return false;
}

static void add_raw(struct buf *out, struct json_value v, const char *otherwise)
{
	if (v.start)
		json_add_raw(out, v.start, (size_t)(v.end - v.start));
	else
		json_add_raw(out, otherwise, strlen(otherwise));
}

static void add_texts(struct buf *out, const struct text_list *list)
{
	size_t i;

	if (!list->items) {
		add_raw(out, list->raw, "[]");
		return;
	}
	json_begin_array(out);
	for (i = 0; i < list->n; i++)
		json_add_text(out, list->items[i] ? list->items[i] : "");
	json_end_array(out);
}

static void add_ints(struct buf *out, const struct int_list *list)
{
	size_t i;

	if (!list->items) {
		add_raw(out, list->raw, "[]");
		return;
	}
	json_begin_array(out);
	for (i = 0; i < list->n; i++)
		json_add_int(out, list->items[i]);
	json_end_array(out);
}

static void add_enum(struct buf *out, const struct field *f, int value)
{
	int n = 0;

	while (f->names[n])
		n++;
	assert(value >= 0 && value < n); /* a required enumeration that nobody filled is our bug */
	json_add_text(out, f->names[value]);
}

static void add_value(struct buf *out, const struct field *f, const void *from)
{
	const char *text;

	switch (f->type) {
	case FIELD_TEXT:
		text = *(const char *const *)from;
		json_add_text(out, text ? text : "");
		break;
	case FIELD_INT:
		json_add_int(out, ((const struct opt_int *)from)->value);
		break;
	case FIELD_BOOL:
		json_add_bool(out, ((const struct opt_bool *)from)->value);
		break;
	case FIELD_ENUM:
		add_enum(out, f, *(const int *)from);
		break;
	case FIELD_TEXTS:
		add_texts(out, from);
		break;
	case FIELD_INTS:
		add_ints(out, from);
		break;
	case FIELD_RAW:
		add_raw(out, *(const struct json_value *)from, "null");
		break;
	case FIELD_OBJECT:
		add_raw(out, *(const struct json_value *)from, "{}");
		break;
	}
}

void fields_encode_members(const struct fields *f, const void *message, struct buf *out)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		const struct field *field = &f->field[i];
		const void *from = const_member_of(message, field);

		if ((field->flags & FIELD_OPTIONAL) && !is_set(field, from)) {
			if (!(field->flags & FIELD_NULLABLE))
				continue;
			json_key(out, field->name);
			json_add_null(out);
			continue;
		}
		json_key(out, field->name);
		add_value(out, field, from);
	}
}

void fields_encode(const struct fields *f, const void *message, struct buf *out)
{
	json_begin_object(out);
	fields_encode_members(f, message, out);
	json_end_object(out);
}

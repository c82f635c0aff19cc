/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>

#include "proto/fields.h"

static const char *const colours[] = { "red", "green", NULL };

struct message {
	const char *text, *short_text;
	struct opt_int number, percent;
	struct opt_bool flag;
	int colour, needed_colour;
	struct text_list texts;
	struct int_list ints;
	struct json_value any, object;
	const char *nullable;
};

static const struct field message_fields[] = {
	{ "text", FIELD_TEXT, 0, AT(struct message, text), 0, 0, NULL },
	{ "shortText", FIELD_TEXT, FIELD_OPTIONAL, AT(struct message, short_text), 0, 4, NULL },
	{ "number", FIELD_INT, FIELD_OPTIONAL, AT(struct message, number), 0, 0, NULL },
	{ "percent", FIELD_INT, FIELD_OPTIONAL, AT(struct message, percent), 0, 100, NULL },
	{ "flag", FIELD_BOOL, FIELD_OPTIONAL, AT(struct message, flag), 0, 0, NULL },
	{ "colour", FIELD_ENUM, FIELD_OPTIONAL, AT(struct message, colour), 0, 0, colours },
	{ "neededColour", FIELD_ENUM, 0, AT(struct message, needed_colour), 0, 0, colours },
	{ "texts", FIELD_TEXTS, FIELD_OPTIONAL, AT(struct message, texts), 0, 0, NULL },
	{ "ints", FIELD_INTS, FIELD_OPTIONAL, AT(struct message, ints), 0, 0, NULL },
	{ "any", FIELD_RAW, FIELD_OPTIONAL, AT(struct message, any), 0, 0, NULL },
	{ "object", FIELD_OBJECT, FIELD_OPTIONAL, AT(struct message, object), 0, 0, NULL },
	{ "nullable", FIELD_TEXT, FIELD_OPTIONAL | FIELD_NULLABLE, AT(struct message, nullable), 0, 0, NULL },
};
static const struct fields table = FIELDS(message_fields, struct message);

/* The text of the last decoding: what the struct points into. */
static char *kept;

static int decode(const char *json, enum unknown unknown, struct message *m, const char **bad)
{
	free(kept);
	kept = malloc(strlen(json) + 1);
	if (!kept)
		abort();
	memcpy(kept, json, strlen(json) + 1);
	CHECK_INT(json_check(kept, strlen(json), 16, NULL), 0);
	return fields_decode(&table, json_root(kept, strlen(json)), unknown, m, bad, NULL);
}

TEST(all_types_are_decoded)
{
	struct message m;
	const char *bad;

	CHECK_INT(
		decode("{\"object\":{\"a\":1},\"any\":[1.5],\"ints\":[1,-2],\"texts\":[\"a\",\"b\"],\"neededColour\":\"red\",\"colour\":\"gr\\u0065en\",\"flag\":false,"
		       "\"percent\":100,\"number\":-9223372036854775808,\"shortText\":\"ab\\u00e9\",\"t\\u0065xt\":\"\",\"nullable\":\"x\"}",
		       UNKNOWN_REFUSE, &m, &bad),
		0);
	CHECK_STR(m.text, "");
	CHECK_STR(m.short_text, "ab\xc3\xa9");
	CHECK(m.number.set && m.percent.set && m.flag.set && !m.flag.value);
	CHECK_INT(m.number.value, INT64_MIN);
	CHECK_INT(m.percent.value, 100);
	CHECK_INT(m.colour, 1);
	CHECK_INT(m.needed_colour, 0);
	CHECK_INT(m.texts.n, 2);
	CHECK(!m.texts.items && m.texts.raw.start);
	CHECK_INT(m.ints.n, 2);
	CHECK_MEM(m.any.start, (size_t)(m.any.end - m.any.start), "[1.5]", 5);
	CHECK_MEM(m.object.start, (size_t)(m.object.end - m.object.start), "{\"a\":1}", 7);
	CHECK_STR(m.nullable, "x");
}

TEST(null_and_absent_are_the_same)
{
	static const char *const rows[] = {
		"{\"text\":\"t\",\"neededColour\":\"green\"}",
		"{\"text\":\"t\",\"shortText\":null,\"number\":null,\"percent\":null,\"flag\":null,\"colour\":null,\"neededColour\":\"green\",\"texts\":null,\"ints\":null,"
		"\"any\":null,\"object\":null,\"nullable\":null}",
	};

	for (size_t i = 0; i < 2; i++) {
		struct message m;
		const char *bad;

		memset(&m, 0xee, sizeof(m));
		CHECK_INT(decode(rows[i], UNKNOWN_REFUSE, &m, &bad), 0);
		CHECK(!m.short_text && !m.number.set && !m.percent.set && !m.flag.set &&
		      !m.nullable);
		CHECK_INT(m.colour, -1);
		CHECK_INT(m.needed_colour, 1);
		CHECK(!m.texts.raw.start && !m.ints.raw.start && !m.any.start && !m.object.start);
	}
}

TEST(the_name_of_what_is_wrong_is_told)
{
	static const struct {
		const char *json, *bad;
		int r;
	} rows[] = {
		{ "{}", "text", -ERR_INPUT }, { "{\"text\":null,\"neededColour\":\"red\"}", "text", -ERR_INPUT }, { "{\"text\":\"\"}", "neededColour", -ERR_INPUT }, { "{\"text\":1}", "text", -ERR_INPUT },
		{ "{\"text\":\"\",\"x\\u0079\":1}", "xy", -ERR_INPUT }, { "{\"nothing\":null}", "nothing", -ERR_INPUT }, { "{\"\":1}", "", -ERR_INPUT }, { "{\"shortText\":\"12345\"}", "shortText", -ERR_INPUT },
		{ "{\"shortText\":\"123\\u00e9\"}", "shortText", -ERR_INPUT }, { "{\"number\":\"1\"}", "number", -ERR_INPUT }, { "{\"number\":true}", "number", -ERR_INPUT },
		{ "{\"percent\":101}", "percent", -ERR_INPUT }, { "{\"percent\":-1}", "percent", -ERR_INPUT }, { "{\"flag\":0}", "flag", -ERR_INPUT }, { "{\"colour\":\"blue\"}", "colour", -ERR_INPUT },
		{ "{\"colour\":0}", "colour", -ERR_INPUT }, { "{\"neededColour\":\"Red\"}", "neededColour", -ERR_INPUT }, { "{\"texts\":\"a\"}", "texts", -ERR_INPUT }, { "{\"texts\":[\"a\",1]}", "texts", -ERR_INPUT },
		{ "{\"texts\":{}}", "texts", -ERR_INPUT }, { "{\"ints\":[1,\"2\"]}", "ints", -ERR_INPUT }, { "{\"object\":[]}", "object", -ERR_INPUT },
		{ "{\"number\":1.0}", "number", -ERR_PROTOCOL }, { "{\"number\":1e2}", "number", -ERR_PROTOCOL }, { "{\"ints\":[1,2.0]}", "ints", -ERR_PROTOCOL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message m;
		const char *bad = NULL;

		check_row(rows[i].json);
		CHECK_INT(decode(rows[i].json, UNKNOWN_REFUSE, &m, &bad), rows[i].r);
		CHECK_STR(bad, rows[i].bad);
	}
}

TEST(strictness_has_three_degrees)
{
	static const char
		member[] = "{\"text\":\"\",\"neededColour\":\"red\",\"newer\":{\"a\":[1.5]}}",
		value[] = "{\"text\":\"\",\"neededColour\":\"blue\"}";
	struct message m;
	const char *bad;

	CHECK_INT(decode(member, UNKNOWN_REFUSE, &m, &bad), -ERR_INPUT);
	CHECK_INT(decode(member, UNKNOWN_IGNORE, &m, &bad), 0);
	CHECK_INT(decode(member, UNKNOWN_NEWER, &m, &bad), 0);
	CHECK_INT(decode(value, UNKNOWN_REFUSE, &m, &bad), -ERR_INPUT);
	CHECK_INT(decode(value, UNKNOWN_IGNORE, &m, &bad), -ERR_INPUT);
	CHECK_INT(decode(value, UNKNOWN_NEWER, &m, &bad), 0);
	CHECK_INT(m.needed_colour, -1);
}

TEST(an_error_text_never_holds_the_value)
{
	char json[] = "{\"text\":[\"s3cret\"]}";
	struct message m;
	struct err err;

	CHECK_INT(fields_decode(&table, json_root(json, strlen(json)), UNKNOWN_REFUSE, &m, NULL,
				&err),
		  -ERR_INPUT);
	CHECK(!strstr(err.text, "s3cret"));
	CHECK(strstr(err.text, "text"));
}

TEST(no_object_is_an_empty_one)
{
	static const struct field optional[] = { { "a", FIELD_TEXT, FIELD_OPTIONAL, 0, 0, 0, NULL } };
	static const struct fields f = { optional, 1, sizeof(char *) };
	const char *text = "x";

	CHECK_INT(fields_decode(&f, (struct json_value){ NULL, NULL }, UNKNOWN_REFUSE, &text, NULL,
				NULL),
		  0);
	CHECK(!text);
}

static const char *encoded(const struct message *m)
{
	static char text[1000];
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	fields_encode(&table, m, &b);
	snprintf(text, sizeof(text), "%s", b.data);
	buf_fini(&b);
	return text;
}

TEST(all_types_are_encoded)
{
	static const char *const texts[] = { "a", "\"" };
	static const int64_t ints[] = { 1, INT64_MIN };
	static char any[] = "1.5", object[] = "{\"x\":[]}";
	struct message m = {
		.text = "t\n", .short_text = "s", .number = { -1, true }, .percent = { 0, true }, .flag = { false, true }, .colour = 1, .needed_colour = 0,
		.texts = { .items = texts, .n = 2 }, .ints = { .items = ints, .n = 2 }, .any = { any, any + 3 }, .object = { object, object + 8 }, .nullable = "n",
	};

	CHECK_STR(
		encoded(&m),
		"{\"text\":\"t\\n\",\"shortText\":\"s\",\"number\":-1,\"percent\":0,\"flag\":false,\"colour\":\"green\",\"neededColour\":\"red\",\"texts\":[\"a\",\"\\\"\"],"
		"\"ints\":[1,-9223372036854775808],\"any\":1.5,\"object\":{\"x\":[]},\"nullable\":\"n\"}");
}

TEST(what_is_not_set_is_left_out_or_null_and_required_is_always_there)
{
	struct message m = { .colour = -1 };

	CHECK_STR(encoded(&m), "{\"text\":\"\",\"neededColour\":\"red\",\"nullable\":null}");
}

TEST(what_was_decoded_encodes_the_same)
{
	static const char json[] =
		"{\"text\":\"t\",\"number\":7,\"neededColour\":\"red\",\"texts\":[\"a\\n\",\"b\"],\"ints\":[],\"any\":{\"k\":[1]},\"object\":{},\"nullable\":null}";
	struct message m;
	const char *bad;

	CHECK_INT(decode(json, UNKNOWN_REFUSE, &m, &bad), 0);
	CHECK_STR(encoded(&m), json);
	free(kept);
	kept = NULL;
}

TEST(enumerations_are_found_by_name)
{
	CHECK_INT(fields_enum(colours, "green"), 1);
	CHECK_INT(fields_enum(colours, "gree"), -1);
	CHECK_INT(fields_enum(colours, ""), -1);
}

CHECK_MAIN()

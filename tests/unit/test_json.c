/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over checked text, and the writer. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "proto/json.h"

/* Checked text of exactly its size. The caller frees it. */
static char *checked(const char *text)
{
	char *copy = malloc(strlen(text));

	if (!copy)
		abort();
	memcpy(copy, text, strlen(text));
	CHECK_INT(json_check(copy, strlen(text), JSON_DEPTH_MAX, NULL), 0);
	return copy;
}

static char *text_of(const char *json, char **keep)
{
	*keep = checked(json);
	return json_text(json_root(*keep, strlen(json)), NULL);
}

TEST(strings_are_unescaped)
{
	static const char *const rows[][2] = {
		{ "\"\"", "" }, { "\"plain\"", "plain" }, { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u0041b\\u00e9\"", "Ab\xc3\xa9" }, { "\"\\u20AC\"", "\xe2\x82\xac" }, { "\"x\\ud83d\\ude39y\"", "x\xf0\x9f\x98\xb9y" },
		{ "\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf" }, { "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
		{ "\"\xe2\x82\xac\\\\\xf0\x9f\x98\xb9\"", "\xe2\x82\xac\\\xf0\x9f\x98\xb9" }, { "\"\\\\u0041\"", "\\u0041" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *keep;

		check_row(rows[i][0]);
		CHECK_STR(text_of(rows[i][0], &keep), rows[i][1]);
		free(keep);
	}
}

TEST(the_size_of_a_text_is_told)
{
	char *t = checked("\"a\\u00e9\"");
	size_t size = 99;

	CHECK_STR(json_text(json_root(t, 9), &size), "a\xc3\xa9");
	CHECK_INT(size, 3);
	free(t);
}

TEST(types_are_known_by_their_text)
{
	static const struct {
		const char *text;
		enum json_type type;
	} rows[] = {
		{ "null", JSON_NULL }, { "true", JSON_BOOL }, { "false", JSON_BOOL }, { "0", JSON_INT }, { "-0", JSON_INT }, { "12", JSON_INT },
		{ "1.0", JSON_REAL }, { "1e2", JSON_REAL }, { "1E2", JSON_REAL }, { "-1.5", JSON_REAL }, { "\"1\"", JSON_STRING }, { "[]", JSON_ARRAY },
		{ "{}", JSON_OBJECT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *t = checked(rows[i].text);

		check_row(rows[i].text);
		CHECK_INT(json_type(json_root(t, strlen(rows[i].text))), rows[i].type);
		free(t);
	}
}

TEST(integers_keep_all_their_bits)
{
	static const struct {
		const char *text;
		int64_t value;
	} rows[] = {
		{ "0", 0 }, { "-0", 0 }, { "-1", -1 }, { "9223372036854775807", INT64_MAX }, { "-9223372036854775808", INT64_MIN }, { "1234567890123456789", 1234567890123456789 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *t = checked(rows[i].text);

		CHECK_INT(json_int(json_root(t, strlen(rows[i].text))), rows[i].value);
		free(t);
	}
}

TEST(reals_and_booleans_have_values)
{
	char *t = checked("[-1.5e2,7,true,false]");
	struct json_iter i = json_iterate(json_root(t, 21));
	struct json_value k, v;

	CHECK(json_next(&i, &k, &v) && fabs(json_real(v) + 150) < 1e-9);
	CHECK(json_next(&i, &k, &v) && fabs(json_real(v) - 7) < 1e-9);
	CHECK(json_next(&i, &k, &v) && json_bool(v));
	CHECK(json_next(&i, &k, &v) && !json_bool(v));
	CHECK(!json_next(&i, &k, &v));
	free(t);
}

TEST(the_walk_sees_each_member_once)
{
	static const char text[] =
		" { \"a\" : 1 , \"b\\\"]}\":[ {\"x\":\"]\\\\\"} , \"}\" ] ,\"c\":{},\"d\":\"\\\"\" } ";
	char *t = checked(text);
	struct json_iter i = json_iterate(json_root(t, sizeof(text) - 1)), inner;
	struct json_value k, v;

	CHECK(json_next(&i, &k, &v));
	CHECK_STR(json_text(k, NULL), "a");
	CHECK_MEM(v.start, (size_t)(v.end - v.start), "1", 1);
	CHECK(json_next(&i, &k, &v));
	CHECK_STR(json_text(k, NULL), "b\"]}");
	CHECK_INT(json_type(v), JSON_ARRAY);
	inner = json_iterate(v);
	CHECK(json_next(&inner, &k, &v) && !k.start);
	CHECK_MEM(v.start, (size_t)(v.end - v.start), "{\"x\":\"]\\\\\"}", 11);
	CHECK(json_next(&inner, &k, &v));
	CHECK_STR(json_text(v, NULL), "}");
	CHECK(!json_next(&inner, &k, &v));
	CHECK(json_next(&i, &k, &v) && json_is(k, "c"));
	CHECK_MEM(v.start, (size_t)(v.end - v.start), "{}", 2);
	CHECK(json_next(&i, &k, &v) && json_is(k, "d"));
	CHECK_STR(json_text(v, NULL), "\"");
	CHECK(!json_next(&i, &k, &v));
	CHECK(!json_next(&i, &k, &v));
	free(t);
}

TEST(nothing_can_be_walked_over_in_a_scalar_or_in_no_value)
{
	char *t = checked("12");
	struct json_iter i = json_iterate(json_root(t, 2));
	struct json_value k, v;

	CHECK(!json_next(&i, &k, &v));
	i = json_iterate((struct json_value){ NULL, NULL });
	CHECK(!json_next(&i, &k, &v));
	free(t);
}

TEST(a_string_is_compared_without_being_changed)
{
	char *t = checked("\"m\\u0065thod\"");
	struct json_value v = json_root(t, 13);

	CHECK(json_is(v, "method"));
	CHECK(!json_is(v, "metho"));
	CHECK(!json_is(v, "methods"));
	CHECK(!json_is(v, ""));
	CHECK_MEM(t, 13, "\"m\\u0065thod\"", 13);
	free(t);
	t = checked("1");
	CHECK(!json_is(json_root(t, 1), "1"));
	CHECK(!json_is((struct json_value){ NULL, NULL }, ""));
	free(t);
}

TEST(the_writer_puts_in_the_commas)
{
	struct buf b;

	buf_init(&b, 1000);
	json_begin_object(&b);
	json_key(&b, "a");
	json_begin_array(&b);
	json_add_int(&b, INT64_MIN);
	json_add_bool(&b, true);
	json_add_null(&b);
	json_begin_object(&b);
	json_end_object(&b);
	json_begin_array(&b);
	json_end_array(&b);
	json_add_text(&b, "{");
	json_add_text(&b, NULL);
	json_add_raw(&b, "{\"x\":1}", 7);
	json_end_array(&b);
	json_key(&b, "b");
	json_add_bool(&b, false);
	json_end_object(&b);
	CHECK_STR(
		b.data,
		"{\"a\":[-9223372036854775808,true,null,{},[],\"{\",null,{\"x\":1}],\"b\":false}");
	CHECK_INT(json_check(b.data, b.len, 16, NULL), 0);
	buf_fini(&b);
}

TEST(what_is_written_reads_the_same)
{
	char all[300], *keep;
	struct buf b;
	int n = 0;

	for (int c = 1; c < 0x80; c++)
		all[n++] = (char)c;
	n += snprintf(all + n, sizeof(all) - (size_t)n,
		      "\xc2\x80\xe2\x82\xac\xf4\x8f\xbf\xbf and more than eight plain bytes");
	buf_init(&b, 1000);
	json_add_bytes(&b, all, (size_t)n);
	CHECK_STR(text_of(b.data, &keep), all);
	free(keep);
	buf_fini(&b);
}

TEST(bytes_that_are_not_text_are_written_as_a_replacement)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *json;
	} rows[] = {
		{ "a\xff z", 4, "\"a\xef\xbf\xbd z\"" }, { "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, { "\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "a\0b", 3, "\"a\xef\xbf\xbd" "b\"" }, { "\x1f\x7f", 2, "\"\\u001f\x7f\"" }, { "12345678\"12345678", 17, "\"12345678\\\"12345678\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;

		buf_init(&b, 1000);
		json_add_bytes(&b, rows[i].bytes, rows[i].size);
		CHECK_STR(b.data, rows[i].json);
		CHECK_INT(json_check(b.data, b.len, 0, NULL), 0);
		buf_fini(&b);
	}
}

CHECK_MAIN()

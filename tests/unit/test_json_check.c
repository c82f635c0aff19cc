/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are JSON: the cases of JSONTestSuite (Nicolas Seriot, "Parsing JSON is a Minefield") and our own limits. */
#include "check.h"

#include <stdlib.h>

#include "base/err.h"
#include "proto/json.h"

#define T(text) { text, sizeof(text) - 1 }

struct text {
	const char *bytes;
	size_t size;
};

/* A copy of exactly this size, so that the sanitizer sees a read behind the end. */
static int check_copy(struct text t, unsigned depth, struct err *err)
{
	char *copy = malloc(t.size ? t.size : 1);
	int r;

	if (!copy)
		abort();
	memcpy(copy, t.bytes, t.size);
	r = json_check(copy, t.size, depth, err);
	free(copy);
	return r;
}

static const struct text accepted[] = {
	T("[[]   ]"), T("[]"), T("[\"\"]"), T("[\"a\"]"), T("[false]"), T("[null, 1, \"1\", {}]"), T("[null]"), T("[1\n]"), T(" [1]"),
	T("[1,null,null,null,2]"), T("[2] "), T("[123e65]"), T("[0e+1]"), T("[0e1]"), T("[ 4]"),
	T("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]"), T("[20e1]"), T("[-0]"), T("[-123]"),
	T("[-1]"), T("[1E22]"), T("[1E-2]"), T("[1E+2]"), T("[123e45]"), T("[123.456e78]"), T("[1e-2]"), T("[1e+2]"), T("[123]"),
	T("[123.456789]"), T("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"), T("{\"asd\":\"sdf\"}"), T("{}"), T("{\"\":0}"), T("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
	T("{\"x\":[{\"id\": \"xxx\"}], \"id\": \"xxx\"}"), T("{\"a\":[]}"), T("{\"title\":\"\\u041f\\u043e\" }"), T("{\n\"a\": \"b\"\n}"),
	T("[\"\\u0060\\u012a\\u12AB\"]"), T("[\"\\uD801\\udc37\"]"), T("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"), T("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
	T("[\"\\\\u0000\"]"), T("[\"\\\"\"]"), T("[\"a/*b*/c/*d//e\"]"), T("[\"\\\\a\"]"), T("[\"\\\\n\"]"), T("[\"\\u0012\"]"), T("[\"\\uFFFF\"]"), T("[\"asd\"]"),
	T("[ \"asd\"]"), T("[\"\\uDBFF\\uDFFF\"]"), T("[\"new\\u00A0line\"]"), T("[\"\xf4\x8f\xbf\xbf\"]"), T("[\"\xef\xbf\xbf\"]"), T("[\"\\u002c\"]"), T("[\"\xcf\x80\"]"),
	T("[\"\xf0\x9b\xbf\xbf\"]"), T("[\"asd \"]"), T("\" \""), T("[\"\\uD834\\uDd1e\"]"), T("[\"\\u0821\"]"), T("[\"\\u0123\"]"), T("[\"\xe2\x80\xa8\"]"),
	T("[\"\xe2\x80\xa9\"]"), T("[\"\\u0061\\u30af\\u30EA\\u30b9\"]"), T("[\"new\\u000Aline\"]"), T("[\"\x7f\"]"), T("[\"\\uA66D\"]"), T("[\"\\u005C\"]"),
	T("[\"\xe2\x8d\x82\xe3\x88\xb4\xe2\x8d\x82\"]"), T("[\"\\u0022\"]"), T("[\"\\uDBFF\\uDFFE\"]"), T("[\"\\u200B\"]"), T("[\"\\u2064\"]"), T("[\"\\uFDD0\"]"), T("[\"\\uFFFE\"]"),
	T("[\"\xe2\x82\xac\xf0\x9d\x84\x9e\"]"), T("[\"aa\x7f\"]"), T("false"), T("42"), T("-0.1"), T("null"), T("\"asd\""), T("true"), T("\"\""), T("[\"a\"]\n"),
	T("[true]"), T(" [] "), T("0"), T("-9223372036854775808"), T("9223372036854775807"), T("[0.4e00669999999999999999999999999999]"),
	T("{\"a\":{\"a\":{\"a\":0}},\"b\":[{\"a\":1},{\"a\":2}]}"), T("\t\r\n {} \t\r\n"), T("\"0123456789abcdefg\xc3\xa9xyz0123456789\""),
};

static const struct text refused[] = {
	T(""), T(" "), T("[1 true]"), T("[a\xe5]"), T("[\"\": 1]"), T("[\"\"],"), T("[,1]"), T("[1,,2]"), T("[\"x\",,]"), T("[\"x\"]]"), T("[\"\",]"), T("[\"x\""), T("[x"), T("[3[4]]"),
	T("[\xff]"), T("[1:2]"), T("[,]"), T("[-]"), T("[   , \"\"]"), T("[\"a\",\n4\n,1,"), T("[1,]"), T("[1,,]"), T("[\"\x0b\"]"), T("[*]"), T("[\"\""), T("[1,"), T("[{}"),
	T("[fals]"), T("[nul]"), T("[tru]"), T("[-123.123foo]"), T("123\0"), T("[++1234]"), T("[+1]"), T("[+Inf]"), T("[-01]"), T("[-1.0.]"), T("[-2.]"), T("[-NaN]"), T("[.-1]"),
	T("[.2e-3]"), T("[0.1.2]"), T("[0.3e+]"), T("[0.3e]"), T("[0.e1]"), T("[0E+]"), T("[0E]"), T("[0e]"), T("[0e+]"), T("[1.0e+]"), T("[1.0e-]"), T("[1.0e]"), T("[1 000.0]"),
	T("[1eE2]"), T("[2.e+3]"), T("[2.e-3]"), T("[2.e3]"), T("[9.e+]"), T("[Inf]"), T("[NaN]"), T("[\xef\xbc\x91]"), T("[1+2]"), T("[0x1]"), T("[0x42]"), T("[Infinity]"), T("[0e+-1]"),
	T("[-Infinity]"), T("[-foo]"), T("[- 1]"), T("[-012]"), T("[-.123]"), T("[-1x]"), T("[1ea]"), T("[1e1\xe5]"), T("[1.]"), T("[.123]"), T("[1.2a-3]"), T("[1.8011670033376514H-308]"),
	T("[012]"), T("[\"x\", truth]"), T("{[: \"x\"}\n"), T("{\"x\", null}"), T("{\"x\"::\"b\"}"), T("{\xf0\x9f\x87\xa8}"), T("{\"a\":\"a\" 123}"), T("{key: 'value'}"), T("{\"\xb9\":\"0\",}"),
	T("{\"a\" b}"), T("{:\"b\"}"), T("{\"a\" \"b\"}"), T("{\"a\":"), T("{\"a\""), T("{1:1}"), T("{9999E9999:1}"), T("{null:null,null:null}"), T("{\"id\":0,,,,,}"), T("{'a':0}"),
	T("{\"id\":0,}"), T("{\"a\":\"b\"}/**/"), T("{\"a\":\"b\"}/**//"), T("{\"a\":\"b\"}//"), T("{\"a\":\"b\"}/"), T("{\"a\":\"b\",,\"c\":\"d\"}"), T("{a: \"b\"}"), T("{\"a\":\"a"),
	T("{ \"foo\" : \"bar\", \"a\" }"), T("{\"a\":\"b\"}#"), T("[\"\\uD800\\\"]"), T("[\"\\uD800\\u\"]"), T("[\"\\uD800\\u1\"]"), T("[\"\\uD800\\u1x\"]"), T("[\xc3\xa9]"), T("[\"\\\0\"]"),
	T("[\"\\x00\"]"), T("[\"\\\\\\\"]"), T("[\"\\\t\"]"), T("[\"\\\xf0\x9f\x8c\x80\"]"), T("[\"\\\"]"), T("[\"\\u00A\"]"), T("[\"\\uD834\\uDd\"]"), T("[\"\\uD800\\uD800\\x\"]"), T("[\"\\u\xe5\"]"),
	T("[\"\\a\"]"), T("[\"\\uqqqq\"]"), T("[\"\\\xe5\"]"), T("[\\u0020\"asd\"]"), T("[\\n]"), T("\""), T("['single quote']"), T("abc"), T("[\"\\"), T("[\"a\0a\"]"), T("[\"new\nline\"]"),
	T("[\"\t\"]"), T("\"\\UA66D\""), T("\"\"x"), T("<.>"), T("[<null>]"), T("[1]x"), T("[1]]"), T("[\"asd]"), T("a\xc3\xa5"), T("[True]"), T("1]"), T("{\"x\": true,"), T("[][]"), T("]"),
	T("\xef\xbb\xbf{}"), T("\xe5"), T("["), T("\0"), T("2@"), T("{}}"), T("{\"\":"), T("{\"a\":/*comment*/\"b\"}"), T("{\"a\": true} \"x\""), T("['"), T("[,"), T("[{"), T("[\"a"), T("[\"a\""), T("{"),
	T("{]"), T("{,"), T("{["), T("{\"a"), T("{'a'"), T("[\"\\{[\"\\{[\"\\{[\"\\{"), T("\xc3\xa9"), T("*"), T("{\"a\":\"b\"}#{}"), T("[\\u000A\"\"]"), T("[1"), T("[ false, nul"), T("[ true, fals"), T("[ false, tru"),
	T("{\"asd\":\"asd\""), T("\xc3\xa5"), T("[\xe2\x81\xa0]"), T("\xef\xbb\xbf"), T("[\x0c]"), T("nan"), T("-"), T("tru"), T("--1"), T("0 0"), T("\v1"),
	/* what RFC 8259 leaves open and we refuse */
	T("{\"a\":\"b\",\"a\":\"c\"}"), T("{\"a\":\"b\",\"a\":\"b\"}"), T("{\"foo\\u0000bar\": 42}"), T("[\"\\u0000\"]"), T("[100000000000000000000]"), T("9223372036854775808"),
	T("-9223372036854775809"), T("[\"\\uDADA\"]"), T("[\"\\uD888\\u1234\"]"), T("[\"\\uD800\\n\"]"), T("[\"\\uDd1ea\"]"), T("[\"\\uD800\\uD800\\n\"]"), T("[\"\\ud800\"]"), T("[\"\\ud800abc\"]"),
	T("[\"\xff\"]"), T("[\"\\uDd1e\\uD834\"]"), T("[\"\\uDFAA\"]"), T("[\"\xe6\x97\xa5\xd1\x88\xfa\"]"), T("[\"\xed\xa0\x80\"]"), T("[\"\xfc\x83\xbf\xbf\xbf\xbf\"]"), T("[\"\xfc\x80\x80\x80\x80\x80\"]"),
	T("[\"\xe0\xff\"]"), T("[\"\xe0\x80\xaf\"]"), T("[\"\xc0\xaf\"]"), T("[\"\xf4\xbf\xbf\xbf\"]"), T("[\"\xf0\x80\x80\xaf\"]"), T("[\"\x81\"]"), T("[\"\xe9\"]"), T("[\"\xf4\x90\x80\x80\"]"), T("[\"\xc1\xbf\"]"),
	T("[\"\xf5\x80\x80\x80\"]"), T("[\"\xc3"), T("[\"\xe2\x82"), T("[\"\xf0\x9d\x84"),
};

TEST(every_text_of_the_suite_that_is_json_is_accepted)
{
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct err err = { 0 };

		check_row(accepted[i].bytes);
		CHECK_INT(check_copy(accepted[i], JSON_DEPTH_MAX, &err), 0);
		CHECK_STR(err.text, "");
	}
}

TEST(every_text_that_is_not_json_is_refused)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct err err = { 0 };

		check_row(refused[i].bytes);
		CHECK_INT(check_copy(refused[i], JSON_DEPTH_MAX, &err), -ERR_PROTOCOL);
		CHECK(strncmp(err.text, "malformed JSON at byte ", 23) == 0);
	}
}

/* An object or array is finished by its last byte alone: every shorter text must be refused, with the error inside the text. */
TEST(every_beginning_of_a_text_is_refused)
{
	static const struct text whole = T(
		"{\"a\\u0062\":[1,-2.5e3,true,null,\"\xe2\x82\xac\\ud83d\\ude39\"],\"c\":{\"d\":\"0123456789abcdef\"}}");

	CHECK_INT(check_copy(whole, JSON_DEPTH_MAX, NULL), 0);
	for (size_t n = 0; n < whole.size; n++)
		CHECK_INT(check_copy((struct text){ whole.bytes, n }, JSON_DEPTH_MAX, NULL),
			  -ERR_PROTOCOL);
}

/* Strings are taken many bytes at a time: a byte that may not be there must be seen at each place of a block. */
TEST(every_byte_is_judged_at_every_place_of_a_long_string)
{
	char text[42];

	for (size_t at = 1; at < sizeof(text) - 1; at++) {
		for (unsigned c = 0; c < 256; c++) {
			bool good = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

			memset(text, 'x', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			text[at] = (char)c;
			if (json_check(text, sizeof(text), 0, NULL) != (good ? 0 : -ERR_PROTOCOL))
				CHECK_INT(at * 1000 + c, -1);
		}
	}
}

TEST(depth_is_counted_in_brackets)
{
	CHECK_INT(json_check("1", 1, 0, NULL), 0);
	CHECK_INT(json_check("{}", 2, 0, NULL), -ERR_PROTOCOL);
	CHECK_INT(json_check("{}", 2, 1, NULL), 0);
	CHECK_INT(json_check("[{}]", 4, 1, NULL), -ERR_PROTOCOL);
	CHECK_INT(json_check("[{}]", 4, 2, NULL), 0);
	/* more than the maximum cannot be asked for */
	CHECK_INT(json_check("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", 32, 99, NULL), 0);
	CHECK_INT(json_check("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", 34, 99, NULL), -ERR_PROTOCOL);
}

TEST(keys_are_compared_as_they_read_not_as_they_are_written)
{
	static const struct text equal[] = {
		T("{\"a\":1,\"\\u0061\":2}"), T("{\"\\u0061\":1,\"a\":2}"), T("{\"\\/\":1,\"/\":2}"), T("{\"\xe2\x82\xac\":1,\"\\u20ac\":2}"),
		T("{\"\\u20AC\":1,\"\\u20ac\":2}"), T("{\"\":1,\"\":2}"), T("{\"longer than eight bytes\":1,\"longer th\\u0061n eight bytes\":2}"),
		T("{\"\xf0\x9f\x98\xb9\":1,\"\\ud83d\\ude39\":2}"), T("{\"a\":1,\"b\":{\"x\":{},\"y\":[{\"z\":1}]},\"a\":2}"), T("[{\"k\":{\"a\":1,\"a\":1}}]"),
		T("{\"12345678\":1,\"1234567\\u0038\":2}"), T("{\"\\n\":1,\"\\u000a\":2}"),
	};
	static const struct text different[] = {
		T("{\"a\":1,\"A\":2}"), T("{\"a\":1,\"\\\\u0061\":2}"), T("{\"a\":{\"a\":{\"a\":1}}}"), T("[{\"a\":1},{\"a\":1}]"), T("{\"\":1,\" \":2}"),
		T("{\"12345678\":1,\"123456789\":2,\"1234567\":3}"), T("{\"\xc3\xa9\":1,\"e\xcc\x81\":2}"),
	};

	for (size_t i = 0; i < sizeof(equal) / sizeof(equal[0]); i++) {
		struct err err = { 0 };

		check_row(equal[i].bytes);
		CHECK_INT(check_copy(equal[i], 16, &err), -ERR_PROTOCOL);
		CHECK(strstr(err.text, "duplicate key"));
	}
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++) {
		check_row(different[i].bytes);
		CHECK_INT(check_copy(different[i], 16, NULL), 0);
	}
}

/* {"0":0,"1":0,...} with n members; the last key is taken from last. */
static char *many_members(unsigned n, unsigned last)
{
	char *text = malloc(n * 16 + 3), *p = text;

	if (!text)
		abort();
	*p++ = '{';
	for (unsigned i = 0; i < n; i++)
		p += snprintf(p, 16, "%s\"%u\":0", i ? "," : "", i + 1 < n ? i : last);
	*p++ = '}';
	*p = '\0';
	return text;
}

TEST(one_object_has_at_most_256_members)
{
	char *text = many_members(JSON_MEMBERS_MAX, 1000);

	CHECK_INT(json_check(text, strlen(text), 16, NULL), 0);
	free(text);
	text = many_members(JSON_MEMBERS_MAX + 1, 1000);
	CHECK_INT(json_check(text, strlen(text), 16, NULL), -ERR_PROTOCOL);
	free(text);
}

TEST(the_last_of_many_keys_is_compared_with_each)
{
	for (unsigned last = 0; last < JSON_MEMBERS_MAX - 1; last++) {
		char *text = many_members(JSON_MEMBERS_MAX, last);

		CHECK_INT(json_check(text, strlen(text), 16, NULL), -ERR_PROTOCOL);
		free(text);
	}
}

/* All depths full of keys at one time: the table of keys must hold them. */
TEST(the_deepest_object_may_have_all_members_too)
{
	char *text = malloc(JSON_DEPTH_MAX * JSON_MEMBERS_MAX * 16), *p = text;

	REQUIRE(text);
	for (unsigned d = 0; d < JSON_DEPTH_MAX; d++) {
		*p++ = '{';
		for (unsigned i = 0; i + 1 < JSON_MEMBERS_MAX; i++)
			p += snprintf(p, 16, "\"%u\":0,", i);
		p += snprintf(p, 16, "\"x\":");
	}
	*p++ = '0';
	memset(p, '}', JSON_DEPTH_MAX);
	p += JSON_DEPTH_MAX;
	CHECK_INT(json_check(text, (size_t)(p - text), JSON_DEPTH_MAX, NULL), 0);
	free(text);
}

TEST(the_error_names_the_byte_and_never_the_text)
{
	struct err err;

	CHECK_INT(json_check("{\"token\":\"s3cret\",\"token\":\"s3cret\"}", 35, 16, &err),
		  -ERR_PROTOCOL);
	CHECK_STR(err.text, "malformed JSON at byte 19: duplicate key");
	CHECK_INT(json_check("[1,s3cret]", 10, 16, &err), -ERR_PROTOCOL);
	CHECK_STR(err.text, "malformed JSON at byte 3: not a value");
	CHECK_INT(err.code, ERR_PROTOCOL);
}

TEST(a_number_of_more_than_256_characters_is_refused)
{
	char text[300];

	memset(text, '1', sizeof(text));
	text[1] = '.';
	CHECK_INT(json_check(text, 256, 0, NULL), 0);
	CHECK_INT(json_check(text, 257, 0, NULL), -ERR_PROTOCOL);
}

CHECK_MAIN()

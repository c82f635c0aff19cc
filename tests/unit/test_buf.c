/* SPDX-License-Identifier: Apache-2.0 */
/* The module is included, so that what it hands back to the heap can be looked at first. */
#include <malloc.h>
#include <stdlib.h>

static void watch_free(void *p);

#define free watch_free
#include "../../base/buf.c"
#undef free

#include "check.h"

static size_t watched, dirty;

static void watch_free(void *p)
{
	const char *bytes = p;

	for (size_t i = 0; p && i < malloc_usable_size(p); i++) {
		watched++;
		dirty += bytes[i] == 'S';
	}
	free(p);
}

TEST(appends_make_one_text)
{
	struct buf b;

	buf_init(&b, 1000);
	CHECK(!b.data);
	buf_add(&b, "ab\0c", 4);
	buf_add_text(&b, "de");
	buf_add_char(&b, 'f');
	buf_add_int(&b, -12);
	buf_addf(&b, "%s-%03d", "x", 7);
	CHECK_MEM(b.data, b.len + 1, "ab\0cdef-12x-007", 16);
	CHECK(!buf_failed(&b));
	buf_fini(&b);
	CHECK(!b.data && b.len == 0 && b.max == 1000);
}

TEST(integers_of_every_length)
{
	static const struct {
		int64_t value;
		const char *text;
	} rows[] = { { 0, "0" }, { 9, "9" }, { 10, "10" }, { -1, "-1" }, { INT64_MAX, "9223372036854775807" }, { INT64_MIN, "-9223372036854775808" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;

		buf_init(&b, 100);
		buf_add_int(&b, rows[i].value);
		CHECK_STR(b.data, rows[i].text);
		buf_fini(&b);
	}
}

TEST(the_maximum_is_exact_and_failure_stays)
{
	struct buf b;

	buf_init(&b, 300);
	for (int i = 0; i < 300; i++)
		buf_add_char(&b, 'x');
	CHECK(!buf_failed(&b));
	CHECK_INT(b.len, 300);
	buf_add_char(&b, 'y');
	CHECK(buf_failed(&b));
	CHECK_INT(b.len, 300);
	buf_drop(&b, 200);
	buf_add_text(&b, "late");
	CHECK_INT(b.len, 100);
	CHECK(buf_failed(&b));
	buf_clear(&b);
	buf_add_text(&b, "again");
	CHECK_STR(b.data, "again");
	buf_fini(&b);
}

TEST(an_append_that_does_not_fit_adds_nothing)
{
	struct buf b;

	buf_init(&b, 5);
	buf_add_text(&b, "abc");
	buf_add_text(&b, "def");
	CHECK_STR(b.data, "abc");
	CHECK_INT(buf_reserve(&b, 1), -1);
	buf_fini(&b);
	buf_init(&b, 5);
	buf_addf(&b, "%s", "abcdef");
	CHECK(buf_failed(&b));
	CHECK_INT(b.len, 0);
	buf_fini(&b);
	buf_init(&b, 5);
	CHECK_INT(buf_reserve(&b, SIZE_MAX), -1);
	buf_fini(&b);
}

TEST(a_buffer_of_nothing_takes_an_empty_append)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add(&b, NULL, 0);
	CHECK(!buf_failed(&b));
	buf_add_char(&b, 'x');
	CHECK(buf_failed(&b));
	buf_fini(&b);
}

TEST(dropping_keeps_the_rest_and_erases_the_tail)
{
	struct buf b;

	buf_init(&b, 100);
	buf_add_text(&b, "SSSSrest");
	buf_drop(&b, 4);
	CHECK_MEM(b.data, 9, "rest\0\0\0\0", 9);
	buf_drop(&b, 100);
	CHECK_INT(b.len, 0);
	CHECK_MEM(b.data, 9, "\0\0\0\0\0\0\0\0", 9);
	buf_fini(&b);
}

TEST(clearing_erases)
{
	struct buf b;

	buf_init(&b, 100);
	buf_add_text(&b, "SSSSSSS");
	buf_clear(&b);
	CHECK_MEM(b.data, 8, "\0\0\0\0\0\0\0\0", 8);
	buf_fini(&b);
}

TEST(no_byte_is_handed_back_unerased)
{
	struct buf b;

	watched = dirty = 0;
	for (size_t size = 1; size < 5000; size = size * 3 / 2 + 1) {
		buf_init(&b, 100000);
		for (size_t i = 0; i < size; i++)
			buf_add_char(&b, 'S');
		buf_fini(&b);
	}
	CHECK(watched > 5000);
	CHECK_INT(dirty, 0);
}

CHECK_MAIN()

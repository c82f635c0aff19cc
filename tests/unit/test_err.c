/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>

#include "base/err.h"

TEST(an_error_has_a_code_and_a_text)
{
	struct err err = { .retry_after_ms = 5 };

	CHECK_INT(err_set(&err, ERR_ADMIN, "%s needs %d", "x", 3), -ERR_ADMIN);
	CHECK_INT(err.code, ERR_ADMIN);
	CHECK_INT(err.retry_after_ms, 0);
	CHECK_STR(err.text, "x needs 3");
}

TEST(nobody_has_to_listen)
{
	CHECK_INT(err_set(NULL, ERR_INPUT, "x"), -ERR_INPUT);
	CHECK_INT(err_errno(NULL, ERR_RETRY, ENOENT, "x"), -ERR_RETRY);
	CHECK_INT(err_oom(NULL), -ERR_INTERNAL);
	CHECK_INT(err_prefix(NULL, "x"), -ERR_INTERNAL);
}

TEST(errno_is_said_in_words)
{
	struct err err;

	CHECK_INT(err_errno(&err, ERR_INTERNAL, ENOENT, "cannot open %s", "f"), -ERR_INTERNAL);
	CHECK_STR(err.text, "cannot open f: No such file or directory");
	err_errno(&err, ERR_INTERNAL, 99999, "cannot");
	CHECK_STR(err.text, "cannot: error 99999");
}

TEST(the_words_of_errno_survive_a_long_text)
{
	struct err err;
	char name[400];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	err_errno(&err, ERR_INTERNAL, ENOENT, "%s", name);
	CHECK_INT(strlen(err.text), ERR_TEXT_MAX);
	CHECK(strstr(err.text, ": No such file or directory"));
}

TEST(a_prefix_keeps_code_and_time)
{
	struct err err;

	err_set(&err, ERR_RETRY, "busy");
	err.retry_after_ms = 700;
	CHECK_INT(err_prefix(&err, "credential %s", "etl"), -ERR_RETRY);
	CHECK_STR(err.text, "credential etl: busy");
	CHECK_INT(err.retry_after_ms, 700);
}

TEST(the_text_may_be_made_of_itself)
{
	struct err err;

	err_set(&err, ERR_INPUT, "inner");
	err_set(&err, ERR_INPUT, "outer(%s)", err.text);
	CHECK_STR(err.text, "outer(inner)");
}

TEST(control_bytes_cannot_act)
{
	struct err err;

	err_set(&err, ERR_INPUT,
		"a\033[31mb\nc\x7f"
		"d\xc2\x9b"
		"e\xc3\xa9");
	CHECK_STR(err.text, "a?[31mb?c?d??e\xc3\xa9");
}

/* Each length of the text before a character of 2, 3 or 4 bytes that straddles the limit. */
TEST(a_long_text_is_cut_between_characters)
{
	static const char *const characters[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\xb9" };

	for (size_t c = 0; c < 3; c++) {
		for (size_t before = ERR_TEXT_MAX - 6; before <= ERR_TEXT_MAX; before++) {
			size_t size = strlen(characters[c]), whole = (ERR_TEXT_MAX - before) / size;
			char text[2 * ERR_TEXT_MAX] = "";
			struct err err;

			memset(text, 'x', before);
			for (int i = 0; i < 8; i++)
				memcpy(text + strlen(text), characters[c], size + 1);
			err_set(&err, ERR_INPUT, "%s", text);
			CHECK_INT(strlen(err.text), before + whole * size);
			CHECK(strncmp(err.text, text, strlen(err.text)) == 0);
		}
	}
}

CHECK_MAIN()

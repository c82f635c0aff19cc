/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_write.h"

#define FIELDS_OF(...) (const struct log_field[]){ __VA_ARGS__ }

static const char *line(enum log_format format, const struct log_field *fields, size_t n)
{
	static char text[2000];
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	log_format_line(&b, format, "prog", 1767323045678, LOG_LEVEL_WARNING, "keeper.state",
			fields, n);
	snprintf(text, sizeof(text), "%s", b.data);
	buf_fini(&b);
	return text;
}

TEST(text_is_quoted_when_it_must_be)
{
	static const char *const rows[][2] = {
		{ "plain", "plain" }, { "two words", "\"two words\"" }, { "", "\"\"" }, { "a=b", "\"a=b\"" }, { "say \"x\"", "\"say \\\"x\\\"\"" },
		{ "back\\slash", "\"back\\\\slash\"" }, { "line\nforged.event x=y", "\"line\\x0aforged.event x=y\"" }, { "\033[2J", "\"\\x1b[2J\"" },
		{ "\x7f", "\"\\x7f\"" }, { "\xc3\xa9", "\xc3\xa9" }, { "\xff", "\"\\xff\"" }, { "\xc2\x9b" "31m", "\"\\xc2\\x9b31m\"" }, { "\xe2\x82", "\"\\xe2\\x82\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[200];

		snprintf(want, sizeof(want), "keeper.state k=%s n=-5", rows[i][1]);
		check_row(rows[i][0]);
		CHECK_STR(line(LOG_FORMAT_TEXT, FIELDS_OF(F_STR("k", rows[i][0]), F_INT("n", -5)),
			       2),
			  want);
	}
}

TEST(json_is_one_object)
{
	CHECK_STR(
		line(LOG_FORMAT_JSON,
		     FIELDS_OF(F_STR("k", "q\"\\\n\xff\xc3\xa9"), F_INT("n", 7),
			       F_STR("none", (const char *)NULL)),
		     3),
		"{\"time\":\"2026-01-02T03:04:05.678Z\",\"program\":\"prog\",\"level\":\"warning\",\"event\":\"keeper.state\","
		"\"k\":\"q\\\"\\\\\\u000a\\u00ff\xc3\xa9\",\"n\":7,\"none\":\"-\"}");
}

TEST(an_event_may_have_no_fields)
{
	CHECK_STR(line(LOG_FORMAT_TEXT, NULL, 0), "keeper.state");
}

static unsigned calls;
static enum log_level last_level;

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	calls++;
	last_level = level;
	CHECK_STR(event, "a.b");
	CHECK_INT(n, 1);
	CHECK_INT(fields[0].number, 1);
	CHECK(arg == &calls);
}

TEST(only_events_of_the_level_reach_the_sink)
{
	log_event(LOG_LEVEL_ERR, "a.b", F_INT("x", 1)); /* no sink yet */
	log_set_sink(sink, &calls);
	log_set_level(LOG_LEVEL_NOTICE);
	CHECK_INT(log_get_level(), LOG_LEVEL_NOTICE);
	log_event(LOG_LEVEL_INFO, "a.b", F_INT("x", 1));
	CHECK_INT(calls, 0);
	log_event(LOG_LEVEL_NOTICE, "a.b", F_INT("x", 1));
	log_event(LOG_LEVEL_ERR, "a.b", F_INT("x", 1));
	CHECK_INT(calls, 2);
	CHECK_INT(last_level, LOG_LEVEL_ERR);
	log_set_sink(NULL, NULL);
	log_set_level(LOG_LEVEL_INFO);
}

TEST(levels_have_names)
{
	static const char *const names[] = { "err", "warning", "notice", "info", "debug" };

	for (int i = 0; i < 5; i++) {
		CHECK_INT(log_level_parse(names[i]), i);
		CHECK_STR(log_level_name((enum log_level)i), names[i]);
	}
	CHECK_INT(log_level_parse("loud"), -1);
	CHECK_INT(log_level_parse(""), -1);
}

/* What log_open() writes, read back from a pipe. journal: whether $JOURNAL_STREAM names that pipe. */
static const char *through_stderr(bool journal, const char *value)
{
	static char text[40000];
	int saved = dup(2), ends[2];
	char name[64];
	struct stat st;
	ssize_t n;

	if (saved < 0 || pipe(ends) < 0 || fstat(ends[1], &st) < 0 || dup2(ends[1], 2) < 0)
		abort();
	snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino + !journal);
	setenv("JOURNAL_STREAM", name, 1);
	log_open("prog", LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_WARNING, "a.b", F_STR("x", value));
	n = read(ends[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	dup2(saved, 2);
	close(saved);
	close(ends[0]);
	close(ends[1]);
	log_set_sink(NULL, NULL);
	return text;
}

TEST(standard_error_gets_one_line)
{
	CHECK_STR(through_stderr(false, "y"), "a.b x=y\n");
}

TEST(the_journal_gets_the_severity_in_front)
{
	CHECK_STR(through_stderr(true, "y"), "<4>a.b x=y\n");
}

TEST(a_line_that_is_too_long_leaves_its_fields_out)
{
	static char value[20001];

	memset(value, 'x', sizeof(value) - 1);
	CHECK_STR(through_stderr(false, value), "a.b dropped_fields=\"line too long\"\n");
}

CHECK_MAIN()

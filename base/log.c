/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum { LINE_MAX_BYTES = 16 * 1024 };

static const struct {
	const char *name;
	int syslog; /* RFC 5424 severity */
} levels[] = {
	[LOG_LEVEL_ERR] = { "err", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_NOTICE] = { "notice", 5 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

enum { N_LEVELS = sizeof(levels) / sizeof(levels[0]) };

static struct {
	log_sink *sink;
	void *arg;
	enum log_level level;
} current = { .level = LOG_LEVEL_INFO };

static struct {
	const char *program;
	enum log_format format;
	bool prefix;
} to_stderr;

void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	if (current.sink && level <= current.level)
		current.sink(level, event, fields, n, current.arg);
}

void log_set_sink(log_sink *sink, void *arg)
{
	current.sink = sink;
	current.arg = arg;
}

void log_set_level(enum log_level level)
{
	current.level = level;
}

enum log_level log_get_level(void)
{
	return current.level;
}

int log_level_parse(const char *name)
{
	int i;

	for (i = 0; i < N_LEVELS; i++)
		if (strcmp(levels[i].name, name) == 0)
			return i;
	return -1;
}

const char *log_level_name(enum log_level level)
{
	return (unsigned)level < N_LEVELS ? levels[level].name : "?";
}

/* What a terminal, a log reader or a JSON parser would take for something else than text. */
static bool is_plain(const char *p, size_t size)
{
	unsigned char c = (unsigned char)*p;

	if (size == 0 || c < 0x20 || c == 0x7f || c == '"' || c == '\\')
		return false;
	return !(size == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0); /* C1 control characters */
}

/* escape: what the two hexadecimal digits of a byte follow. */
static void add_escaped(struct buf *out, const char *text, const char *escape)
{
	const char *end = text + strlen(text);

	while (text < end) {
		size_t size = utf8_char_size(text, (size_t)(end - text));

		if (is_plain(text, size)) {
			buf_add(out, text, size);
		} else if (*text == '"' || *text == '\\') {
			buf_add_char(out, '\\');
			buf_add_char(out, *text);
			size = 1;
		} else {
			buf_addf(out, "%s%02x", escape, (unsigned)(unsigned char)*text);
			size = 1;
		}
		text += size;
	}
}

static bool needs_quotes(const char *text)
{
	const char *end = text + strlen(text), *p;
	size_t size;

	for (p = text; p < end; p += size) {
		size = utf8_char_size(p, (size_t)(end - p));
		if (!is_plain(p, size) || *p == ' ' || *p == '=')
			return true;
	}
	return text == end;
}

static void format_text(struct buf *out, const char *event, const struct log_field *fields,
			size_t n)
{
	size_t i;

	buf_add_text(out, event);
	for (i = 0; i < n; i++) {
		buf_add_char(out, ' ');
		buf_add_text(out, fields[i].name);
		buf_add_char(out, '=');
		if (!fields[i].text) {
			buf_add_int(out, fields[i].number);
		} else if (!needs_quotes(fields[i].text)) {
			buf_add_text(out, fields[i].text);
		} else {
			buf_add_char(out, '"');
			add_escaped(out, fields[i].text, "\\x");
			buf_add_char(out, '"');
		}
	}
}

/* RFC 3339, in UTC with milliseconds. */
static void add_time(struct buf *out, int64_t real_ms)
{
	int64_t ms = real_ms % 1000 + (real_ms % 1000 < 0 ? 1000 : 0);
	time_t seconds = (time_t)((real_ms - ms) / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm)) {
		buf_add_text(out, "?");
		return;
	}
	buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
}

static void add_member(struct buf *out, const char *name, const char *text)
{
	buf_add_text(out, ",\"");
	add_escaped(out, name, "\\u00");
	buf_add_text(out, "\":\"");
	add_escaped(out, text, "\\u00");
	buf_add_char(out, '"');
}

static void format_json(struct buf *out, const char *program, int64_t real_ms, enum log_level level,
			const char *event, const struct log_field *fields, size_t n)
{
	size_t i;

	buf_add_text(out, "{\"time\":\"");
	add_time(out, real_ms);
	buf_add_char(out, '"');
	if (program)
		add_member(out, "program", program);
	add_member(out, "level", log_level_name(level));
	add_member(out, "event", event);
	for (i = 0; i < n; i++) {
		if (fields[i].text) {
			add_member(out, fields[i].name, fields[i].text);
			continue;
		}
		buf_add_text(out, ",\"");
		add_escaped(out, fields[i].name, "\\u00");
		buf_add_text(out, "\":");
		buf_add_int(out, fields[i].number);
	}
	buf_add_char(out, '}');
}

void log_format_line(struct buf *out, enum log_format format, const char *program, int64_t real_ms,
		     enum log_level level, const char *event, const struct log_field *fields,
		     size_t n)
{
	if (format == LOG_FORMAT_JSON)
		format_json(out, program, real_ms, level, event, fields, n);
	else
		format_text(out, event, fields, n);
}

/* systemd.exec(5): $JOURNAL_STREAM names the device and inode of the journal's stream, so that a redirected one is not mistaken for it. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, here) == 0;
}

static void write_all(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody reads it; a log line is never a reason to fail or to wait */
		bytes += n;
		size -= (size_t)n;
	}
}

static void add_line(struct buf *line, enum log_level level, const char *event,
		     const struct log_field *fields, size_t n)
{
	if (to_stderr.prefix)
		buf_addf(line, "<%d>", levels[level].syslog);
	log_format_line(line, to_stderr.format, to_stderr.program, clock_real_ms(), level, event,
			fields, n);
	buf_add_char(line, '\n');
}

static void stderr_sink(enum log_level level, const char *event, const struct log_field *fields,
			size_t n, void *arg)
{
	static const struct log_field too_long = { .name = "dropped_fields", .text = "line too long" };
	CLEANUP(buf_finip) struct buf line;

	(void)arg;
	buf_init(&line, LINE_MAX_BYTES);
	add_line(&line, level, event, fields, n);
	if (buf_failed(&line)) {
		buf_clear(&line);
		add_line(&line, level, event, &too_long, 1);
	}
	if (!buf_failed(&line))
		write_all(line.data, line.len);
}

void log_to_stderr(const char *program, enum log_format format)
{
	to_stderr.program = program;
	to_stderr.format = format;
	to_stderr.prefix = stderr_is_journal();
	log_set_sink(stderr_sink, NULL);
}

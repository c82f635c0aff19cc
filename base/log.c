/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

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

int log_level_syslog(enum log_level level)
{
	return (unsigned)level < N_LEVELS ? levels[level].syslog : levels[LOG_LEVEL_ERR].syslog;
}

static const char *const formats[] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
	[LOG_FORMAT_JOURNAL] = "journal",
};

int log_format_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i], name) == 0)
			return (int)i;
	return -1;
}

const char *log_format_name(enum log_format format)
{
	return formats[format];
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/logs.h"

#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 16 * 1024 };

static struct {
	enum log_level level;
	enum log_format format;
	void (*seen)(const char *event, const struct log_field *fields, size_t n, void *arg);
	void *arg;
	bool showing;
	int64_t dropped;
} logs;

/* syslog severities, for the <N> in front of a line that the journal reads */
static const char severity[] = { '3', '4', '5', '6', '7' };

static void write_line(enum log_level level, const char *event, const struct log_field *fields,
		       size_t n)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	if (getenv("JOURNAL_STREAM")) {
		buf_add_char(&line, '<');
		buf_add_char(&line, severity[level]);
		buf_add_char(&line, '>');
	}
	log_format_line(&line, logs.format, "sftokend-mint", clock_real_ms(), level, event, fields,
			n);
	buf_add_char(&line, '\n');
	/* nowhere to say so but in the metrics */
	if (buf_failed(&line) || write(STDERR_FILENO, line.data, line.len) < 0)
		logs.dropped++;
	buf_fini(&line);
}

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	(void)arg;
	if (level <= logs.level)
		write_line(level, event, fields, n);
	if (level > LOG_LEVEL_INFO || !logs.seen || logs.showing)
		return;
	logs.showing = true;
	logs.seen(event, fields, n, logs.arg);
	logs.showing = false;
}

void logs_set_level(enum log_level level)
{
	logs.level = level;
	/* watchers see info whatever is written */
	log_set_level(level > LOG_LEVEL_INFO ? level : LOG_LEVEL_INFO);
}

void logs_set(enum log_level level, enum log_format format)
{
	logs.format = format;
	logs_set_level(level);
}

int64_t logs_dropped(void)
{
	return logs.dropped;
}

enum log_level logs_level(void)
{
	return logs.level;
}

void logs_open(enum log_level level, enum log_format format)
{
	logs_set(level, format);
	log_set_sink(sink, NULL);
}

void logs_watch(void (*seen)(const char *event, const struct log_field *fields, size_t n,
			     void *arg),
		void *arg)
{
	logs.seen = seen;
	logs.arg = arg;
}

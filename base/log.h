/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event, with fields. A program installs one sink (base/log_write.h has one); without a sink nothing is written. An event name is two
 * words with a dot ("keeper.state"); they are listed in sftokend(8). A secret cannot be given to F_STR: it does not compile.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL };

struct log_field {
	const char *name;
	const char *text; /* NULL: number counts */
	int64_t number;
};

#define F_STR(field_name, value) ((struct log_field){ .name = (field_name), .text = (value) ? (value) : "-" })
#define F_INT(field_name, value) ((struct log_field){ .name = (field_name), .number = (value) })

#define log_event(level, event, ...)                                                             \
	log_fields(level, event, (const struct log_field[]){ __VA_ARGS__ },                      \
		   sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))

typedef void log_sink(enum log_level level, const char *event, const struct log_field *fields,
		      size_t n, void *arg);

void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t n);
void log_set_sink(log_sink *sink, void *arg);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "debug" "info" "notice" "warning" "err" -> level, or -1; and back. */
int log_level_parse(const char *name);
const char *log_level_name(enum log_level level);
/* The severity of RFC 5424, which the journal knows as PRIORITY. */
int log_level_syslog(enum log_level level);

/* "text" "json" "journal" -> format, or -1; and back. */
int log_format_parse(const char *name);
const char *log_format_name(enum log_format format);

/*
 * Writes one event as a line, without newline: `event key=value key="quoted value"` (control bytes and quotes escaped), or one
 * JSON object with time, program, level, event and the fields (so that no field has one of these names). real_ms: wall time
 * for the JSON form. The form of the journal is base/log_journal.h.
 */
void log_format_line(struct buf *out, enum log_format format, const char *program, int64_t real_ms,
		     enum log_level level, const char *event, const struct log_field *fields,
		     size_t n);

#endif

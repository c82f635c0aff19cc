/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log lines go: standard error, or the journal with a field for each field. A log line is never a reason to wait: what cannot be written at once waits in memory, 1 MiB at the most; what
 * finds no room there is dropped, counted, and told as log.dropped when there is room again. A plain file is written to as it is.
 */
#ifndef BASE_LOG_WRITE_H
#define BASE_LOG_WRITE_H

#include "base/log.h"

/* Opens the log and installs the sink that writes each event to it. May be called again. program: kept, not copied. */
void log_open(const char *program, enum log_format format);
void log_set_format(enum log_format format);
enum log_format log_get_format(void);

/* LOG_FORMAT_JOURNAL if standard error is the journal (systemd.exec(5), $JOURNAL_STREAM), else LOG_FORMAT_TEXT. */
enum log_format log_default_format(void);

/* Writes one line whatever its level: for sinks that are wrapped around this one. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

/*
 * Writes what waits, as far as it goes without waiting. Returns 0, or in how many milliseconds to call again because something still waits: soon while somebody reads (journald takes as few as
 * net.unix.max_dgram_qlen entries at a time), seldom while nobody does.
 */
int log_flush(void);
/* The same at the end of a program, until the journal has read it all, too (log_journal_unread()): for at most this long. */
void log_drain(int most_ms);

/* Lines that were dropped since the start, and such as nobody could be given. */
int64_t log_lost(void);

/* Why a program ends before it has begun: a line for people ("program: text"), or, with the formats that programs read, the event with message and status. */
void log_last_words(const char *program, const char *event, int status, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram an entry, a field a line. Not sd_journal_sendv(): that waits for a journald that does not read (measured on
 * systemd 252: stopped, it blocks its caller at the line after net.unix.max_dgram_qlen), and whoever renews tokens waits for nobody's log.
 */
#ifndef BASE_LOG_JOURNAL_H
#define BASE_LOG_JOURNAL_H

#include <stdbool.h>

#include "base/log.h"

/*
 * Appends one entry: MESSAGE (the text line), PRIORITY, SYSLOG_IDENTIFIER (program), MESSAGE_ID (base/log_ids.h), SFTOKEN_EVENT, and each field as SFTOKEN_NAME, in
 * upper case and with "_" for what no field of the journal may have in its name. Values are as they are: one with a newline goes with its size in front.
 */
void log_journal_entry(struct buf *out, const char *program, enum log_level level,
		       const char *event, const struct log_field *fields, size_t n);

/*
 * Sends one entry and never waits. FULL: journald does not keep up; try again later. ABSENT: nobody is there to take it. What is too large for a datagram goes in a sealed memfd.
 * The socket is opened at the first entry, and journald may be restarted in between.
 */
enum log_journal_sent { LOG_JOURNAL_SENT, LOG_JOURNAL_FULL, LOG_JOURNAL_ABSENT };
enum log_journal_sent log_journal_send(const char *entry, size_t size);

/*
 * Whether journald has yet to read what it was sent. It finds out whose entry it reads by looking at /proc/PID: what is still unread when its writer ends is filed under no unit, where
 * "journalctl -u" does not find it.
 */
bool log_journal_unread(void);

/* For tests: another socket than journald's; NULL: journald's again. path is kept, not copied. send_buffer: bytes, 0: as the kernel has it. */
void log_journal_use(const char *path, int send_buffer);

#endif

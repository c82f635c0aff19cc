/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MESSAGE_ID of each event (sd_journal_print(3)), by which systemd/sftokend.catalog explains it. One is made once, with tests/lint/events.py, and never changed.
 */
#ifndef BASE_LOG_IDS_H
#define BASE_LOG_IDS_H

#include <stddef.h>

struct log_id {
	const char *event;
	const char *id; /* 32 hexadecimal digits */
};

/* All of them, in the order of their names; *n: how many. */
const struct log_id *log_ids(size_t *n);

/* NULL: an event that has none. */
const char *log_message_id(const char *event);

#endif

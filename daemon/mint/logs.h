/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mint's log sink: lines (base/log_write.h) up to the level that is set, and every event of level info and above to whoever watches events.
 */
#ifndef MINT_LOGS_H
#define MINT_LOGS_H

#include "base/log.h"
#include "daemon/common/loop.h"

/* Installs the sink. */
void logs_open(enum log_level level, enum log_format format);

/* From now on what had to wait is written by this loop; NULL before the loop ends. 0 or -ERR_INTERNAL. */
int logs_use_loop(struct loop *l, struct err *err);

/* Both may be changed while it runs (reload, SetLogLevel). */
void logs_set(enum log_level level, enum log_format format);
void logs_set_level(enum log_level level);
/* Lines that could not be written since the start. */
int64_t logs_dropped(void);
enum log_level logs_level(void);

/* NULL: nobody watches. Events that are logged from within seen() are written, but not shown to it. */
void logs_watch(void (*seen)(const char *event, const struct log_field *fields, size_t n,
			     void *arg),
		void *arg);

#endif

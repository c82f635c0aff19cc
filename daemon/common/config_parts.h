/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the configuration reader; nobody else includes this.
 */
#ifndef COMMON_CONFIG_PARTS_H
#define COMMON_CONFIG_PARTS_H

#include "daemon/common/config.h"

/* --- config_origin.c --- */

/* Remembers where section.key was assigned; file NULL: it has its default again. 0 or -1: out of
 * memory. section is "Listener jobs" for named ones. */
int config_origin_set(struct config_origin *o, const char *section, const char *key,
		      const char *file, unsigned line);

/* --- config_file.c --- */

/*
 * Reads one file whole: regular, at most CONFIG_FILE_MAX, not writable by others than root and
 * owner. top: the directory of the configuration, as path begins (config_read() has the rule). 1: read, and *look says what it looked like before the first byte was (look.h); 0: it does not
 * exist, or a mistake was noted (and *missing says which); -ERR_INTERNAL.
 */
int config_read_file(const char *path, const char *top, uid_t owner, struct config_notes *notes,
		     struct buf *out, uint64_t *look, bool *missing, struct err *err);

#endif

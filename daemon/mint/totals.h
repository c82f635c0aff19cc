/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of a process that may be started anew, added up: what a process that is gone has told last is kept, so that no sum goes backwards while this one lives. What it counted
 * after that is lost.
 */
#ifndef MINT_TOTALS_H
#define MINT_TOTALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOTALS_MAX = 128, TOTALS_NAME_MAX = 48 };

struct totals;

/* The two together, or the end of the numbers; less than nothing is nothing: a front in a stranger's hands may count as it likes. */
int64_t totals_add(int64_t sum, int64_t more);

struct totals *totals_new(void);    /* NULL: out of memory */
void totals_free(struct totals *t); /* takes NULL */

/* From now on values are of this process; another number than the last time: it began at 0. */
void totals_begin(struct totals *t, int64_t process);
/* What it has counted so far. A name that does not fit, or the TOTALS_MAX + 1st, is left out. */
void totals_set(struct totals *t, const char *name, int64_t value);

/* 0 for a name that nobody has set. */
int64_t totals_get(const struct totals *t, const char *name);
/* In the order in which they came first. false: i is beyond the last one. */
bool totals_at(const struct totals *t, size_t i, const char **name, int64_t *sum);

#endif

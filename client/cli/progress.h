/* SPDX-License-Identifier: Apache-2.0 */
/* One line on standard error that says what we wait for, written over and erased again; only on a terminal, and not with -q or --json. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "client/cli/cli.h"

/* Whether there is anybody who would see it. */
bool progress_wanted(const struct cli *cli);
/* Shows a line in the place of the one before, without control characters and cut to the terminal's width. A signal that ends us erases it. */
void progress_show(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Erases it before something else is written. */
void progress_erase(void);

#endif

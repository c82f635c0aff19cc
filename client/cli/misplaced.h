/* SPDX-License-Identifier: Apache-2.0 */
/* Options of curl before the path of `sftoken curl`, where ours stand. */
#ifndef CLI_MISPLACED_H
#define CLI_MISPLACED_H

#include "client/cli/cli.h"

/*
 * Complains about argv[i], which is no option of ours; guess: the one of ours that may be meant, NULL: none. Says the corrected command line where the path can be told; values that may be secrets are
 * left out of it. Returns the exit status.
 */
int complain_misplaced(const struct cli *cli, char **argv, int i, const char *guess);

#endif

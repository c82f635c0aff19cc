/* SPDX-License-Identifier: Apache-2.0 */
/* The second file of the program: sftoken-more.so. */
#ifndef CLI_MORE_H
#define CLI_MORE_H

#include "client/cli/cli.h"

#define MORE_NAME "sftoken-more.so"
#define MORE_ENTRY "sftoken_more"

/* Its one symbol: does what argv says, like main(). */
int sftoken_more(int argc, char **argv);

/*
 * Loads it and calls that: from ../libexec/sftoken/ of where this program is if that is a bin/, from beside it (as it is built), else from where it was configured to be; only if it and its
 * folders there belong to root or to whom this program belongs. The exit status; 70 after a complaint that it is not there.
 */
int more_run(const struct cli *cli, int argc, char **argv);

#endif

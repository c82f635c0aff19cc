/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file looks like from outside, in one number: another one means that it is worth reading again. Of a symbolic link it is what the link leads to: the files of a ConfigMap are links, and
 * an update swaps what lies behind them.
 */
#ifndef COMMON_LOOK_H
#define COMMON_LOOK_H

#include <stdint.h>
#include <sys/stat.h>

/* Of device, inode, size and the time of the inode's last change: chmod and chown count, too. Never 0. */
uint64_t look_of(const struct stat *st);

/* The same for what is there now; 0: nothing, or it cannot be told. One system call. */
uint64_t look_at(const char *path);

#endif

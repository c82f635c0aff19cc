/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front's seccomp allow-list: after this no open, socket, connect, exec, ptrace, kill or clone. A violation kills the process with SIGSYS; the parent restarts it and logs it.
 * Sanitizer builds name their few extra calls in a table of their own.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stddef.h>

#include "base/err.h"

int sandbox_enter_front(struct err *err);

/* Closes every descriptor but 0, 1, 2 and those listed, at most 64 (close_range(2)): nothing is inherited by accident. */
int sandbox_close_descriptors(const int *keep, size_t n_keep, struct err *err);

/* Raises the soft descriptor limit to the hard one; returns it. */
long sandbox_raise_descriptors(void);

#endif

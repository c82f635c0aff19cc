/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every process of the daemon does first: umask 077, no core dumps, not dumpable, no new privileges, SIGPIPE ignored.
 * The wiping free (base/wipe_free.c) has no header: linking it into a program is all there is to do.
 */
#ifndef BASE_HARDEN_H
#define BASE_HARDEN_H

#include "base/err.h"

/* Call before anything secret is read. Returns 0 or -ERR_INTERNAL. */
int harden_process(struct err *err);

#endif

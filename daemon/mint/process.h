/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says of another process, for the log alone: by the time that it is read the process may be gone, and another one may have its number.
 */
#ifndef MINT_PROCESS_H
#define MINT_PROCESS_H

#include <sys/types.h>

#include "daemon/common/cgroup.h"

/* The unit in which pid is now. False: nobody knows (pid 0: outside of our namespace; gone; hidden; in no unit). */
bool process_unit(pid_t pid, struct cgroup_unit *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/harden.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/*
 * The leak checker of sanitizer builds reads its own process with ptrace, which a process that is not dumpable refuses; such a
 * build is for tests, not for secrets.
 */
#if defined(__SANITIZE_ADDRESS__)
enum { DUMPABLE = 1 };
#else
enum { DUMPABLE = 0 };
#endif

int harden_process(struct err *err)
{
	struct rlimit none = { 0, 0 };

	umask(077);
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot forbid core dumps");
	if (prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) < 0)
		return err_errno(err, ERR_INTERNAL, errno,
				 "cannot forbid reading the memory of this process");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot forbid new privileges");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_errno(err, ERR_INTERNAL, errno, "cannot ignore SIGPIPE");
	return 0;
}

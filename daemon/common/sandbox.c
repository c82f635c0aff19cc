/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What the front needs after start, and why. Everything else kills it. */
static const int front_calls[] = {
	/* callers, the link, the control channel */
	SCMP_SYS(accept4),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getpeername),
	SCMP_SYS(setsockopt),
	SCMP_SYS(close),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	/* the event loop and its timers */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(restart_syscall),
	/* what a clock costs where the kernel cannot answer in user space: clock sources hpet, acpi_pm, xen */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	/* memory: malloc, and the locked arena when it grows */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mprotect),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(memfd_secret),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo),
	/* itself */
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fcntl),
};

#if defined(__SANITIZE_ADDRESS__)
/* AddressSanitizer: reports read /proc/self, and the leak check at exit looks at the process from a clone. */
static const int sanitizer_calls[] = {
	SCMP_SYS(sigaltstack),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(readlink),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(getdents64),
	SCMP_SYS(clone),
	SCMP_SYS(ptrace),
	SCMP_SYS(wait4),
	SCMP_SYS(prctl),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(prlimit64),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(uname),
	SCMP_SYS(ioctl),
	SCMP_SYS(pipe2),
	SCMP_SYS(tgkill),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
};
#endif

static int allow(scmp_filter_ctx filter, const int *calls, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);

		if (rc < 0)
			return err_errno(err, ERR_INTERNAL, -rc, "cannot allow system call %d",
					 calls[i]);
	}
	return 0;
}

static void release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/* Started by root with --user, or with User=root: what the front does needs no privilege. */
static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 },
				      mine[_LINUX_CAPABILITY_U32S_3];

	/* Without any, as in our unit, whose filter of system calls does not know capset(), there is nothing to drop. */
	if (syscall(SYS_capget, &header, mine) == 0 && memcmp(mine, none, sizeof none) == 0)
		return 0;
	if (syscall(SYS_capset, &header, none) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot drop capabilities");
	return 0;
}

int sandbox_enter_front(struct err *err)
{
	CLEANUP(release) scmp_filter_ctx filter = NULL;
	int rc = drop_capabilities(err);

	if (rc < 0)
		return rc;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return err_set(err, ERR_INTERNAL, "cannot make a system call filter");
	rc = allow(filter, front_calls, sizeof front_calls / sizeof front_calls[0], err);
	if (rc < 0)
		return rc;
#if defined(__SANITIZE_ADDRESS__)
	rc = allow(filter, sanitizer_calls, sizeof sanitizer_calls / sizeof sanitizer_calls[0],
		   err);
	if (rc < 0)
		return rc;
#endif
	/* Sets NO_NEW_PRIVS, too. */
	rc = seccomp_load(filter);
	if (rc < 0)
		return err_errno(err, ERR_INTERNAL, -rc, "cannot enter the system call filter");
	return 0;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int close_between(unsigned first, unsigned last, struct err *err)
{
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return 0;
	return err_errno(err, ERR_INTERNAL, errno, "cannot close inherited descriptors");
}

int sandbox_close_descriptors(const int *keep, size_t n_keep, struct err *err)
{
	enum { KEEP_MOST = 64 };
	int sorted[KEEP_MOST];
	unsigned first = STDERR_FILENO + 1;

	if (n_keep > KEEP_MOST)
		return err_set(err, ERR_INTERNAL, "too many descriptors to keep");
	for (size_t i = 0; i < n_keep; i++)
		sorted[i] = keep[i];
	qsort(sorted, n_keep, sizeof sorted[0], by_number);
	for (size_t i = 0; i < n_keep; i++) {
		if (sorted[i] < (int)first)
			continue;
		if (close_between(first, (unsigned)sorted[i] - 1, err) < 0)
			return -ERR_INTERNAL;
		first = (unsigned)sorted[i] + 1;
	}
	return close_between(first, ~0U, err);
}

long sandbox_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 1 << 30 ? 1 << 30
									   : (long)limit.rlim_cur;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front's system call filter, tried in processes of their own: what the front does all day goes on, what it must never do kills it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/common/sandbox.h"
#include "tests/unit/check.h"

/* The signal that ended act() in the sandbox, or 0 when it came back. */
static int signal_of(void (*act)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (sandbox_enter_front(NULL) < 0)
			_exit(2);
		act();
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	CHECK_INT(WEXITSTATUS(status), 0);
	return 0;
}

static void serve(void)
{
	char *much = malloc(10 << 20);
	struct msghdr message = { 0 };
	int pair = STDERR_FILENO;
	socklen_t size = sizeof pair;

	if (!much)
		_exit(3);
	memset(much, 1, 10 << 20);
	free(much);
	getsockopt(pair, SOL_SOCKET, SO_TYPE, &pair, &size);
	if (recvmsg(-1, &message, MSG_DONTWAIT) >= 0 || fcntl(0, F_GETFD) < -1)
		_exit(4);
}

/* As system calls, which they are on a machine whose clock source the vDSO cannot read; libevent and the log ask for both clocks. */
static void ask_for_the_time(void)
{
	struct timespec ts;
	struct timeval tv;

	if (syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &ts) < 0 ||
	    syscall(SYS_gettimeofday, &tv, NULL) < 0 || syscall(SYS_time, NULL) < 0)
		_exit(5);
}

static void call_socket(void)
{
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void call_connect(void)
{
	syscall(SYS_connect, 0, NULL, 0);
}

static void call_execve(void)
{
	syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void call_kill(void)
{
	syscall(SYS_kill, 0, 0);
}

static void call_bind(void)
{
	syscall(SYS_bind, 0, NULL, 0);
}

static void call_unlink(void)
{
	syscall(SYS_unlink, "/tmp/sftokend-no-such-file");
}

static void call_process_vm_writev(void)
{
	syscall(SYS_process_vm_writev, 0, NULL, 0, NULL, 0, 0);
}

#if !defined(__SANITIZE_ADDRESS__)
static void call_open(void)
{
	syscall(SYS_open, "/dev/null", O_RDONLY);
}

static void call_openat(void)
{
	syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
}

static void call_ptrace(void)
{
	syscall(SYS_ptrace, 0, 0, NULL, NULL);
}

static void call_clone(void)
{
	syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
}
#endif

TEST(what_the_front_does_all_day_is_allowed)
{
	CHECK_INT(signal_of(serve), 0);
}

TEST(the_time_can_be_had_without_help_of_the_vdso)
{
	CHECK_INT(signal_of(ask_for_the_time), 0);
}

TEST(what_the_front_must_never_do_kills_it)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} calls[] = {
		{ "socket", call_socket },
		{ "connect", call_connect },
		{ "execve", call_execve },
		{ "kill", call_kill },
		{ "bind", call_bind },
		{ "unlink", call_unlink },
		{ "process_vm_writev", call_process_vm_writev },
#if !defined(__SANITIZE_ADDRESS__)
		{ "open", call_open },
		{ "openat", call_openat },
		{ "ptrace", call_ptrace },
		{ "clone", call_clone },
#endif
	};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		check_row(calls[i].name);
		CHECK_INT(signal_of(calls[i].act), SIGSYS);
	}
}

TEST(all_descriptors_are_closed_but_those_to_keep)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		const int keep[] = { 40, 1, 30 };

		for (int fd = 20; fd < 60; fd++)
			if (dup2(0, fd) < 0)
				_exit(1);
		if (sandbox_close_descriptors(keep, 3, NULL) < 0)
			_exit(2);
		for (int fd = 0; fd < 60; fd++)
			if ((fcntl(fd, F_GETFD) >= 0) !=
			    (fd <= STDERR_FILENO || fd == 30 || fd == 40))
				_exit(10 + fd);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(the_soft_limit_of_descriptors_becomes_the_hard_one)
{
	struct rlimit old, limit;

	getrlimit(RLIMIT_NOFILE, &old);
	limit = (struct rlimit){ old.rlim_max / 2, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &limit);
	CHECK_INT(sandbox_raise_descriptors(), old.rlim_max);
	getrlimit(RLIMIT_NOFILE, &limit);
	CHECK_INT(limit.rlim_cur, old.rlim_max);
	setrlimit(RLIMIT_NOFILE, &old);
}

CHECK_MAIN()

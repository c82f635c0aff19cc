/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALLED = 128, FDS_MAX = 4 };

static int set_signals(posix_spawnattr_t *attributes)
{
	sigset_t defaults, none;

	(void)sigemptyset(&none);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGINT);
	(void)sigaddset(&defaults, SIGQUIT);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)posix_spawnattr_setsigdefault(attributes, &defaults);
	(void)posix_spawnattr_setsigmask(attributes, &none);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

int process_spawn(pid_t *pid, char *const words[], const struct process_fd *fds, size_t n)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int code;

	if (posix_spawn_file_actions_init(&actions))
		return ENOMEM;
	if (posix_spawnattr_init(&attributes)) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return ENOMEM;
	}
	code = set_signals(&attributes);
	/* a descriptor that keeps its number is only made to stay open */
	for (size_t i = 0; !code && i < n; i++)
		code = posix_spawn_file_actions_adddup2(&actions, fds[i].ours, fds[i].its);
	if (!code)
		code = posix_spawnp(pid, words[0], &actions, &attributes, words, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return code;
}

int process_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return SIGNALLED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}

void process_ignore(struct process_signals *before)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGINT, &ignore, &before->interrupt);
	(void)sigaction(SIGQUIT, &ignore, &before->quit);
	(void)sigaction(SIGPIPE, &ignore, &before->pipe);
}

void process_restore(const struct process_signals *before)
{
	(void)sigaction(SIGINT, &before->interrupt, NULL);
	(void)sigaction(SIGQUIT, &before->quit, NULL);
	(void)sigaction(SIGPIPE, &before->pipe, NULL);
}

/* One read; what finds no room is dropped. False: that was the end. */
static bool read_some(int fd, struct bytes *out)
{
	char spare[4096];
	bool full = out->len == out->room;
	ssize_t n = read(fd, full ? spare : out->data + out->len,
			 full ? sizeof spare : out->room - out->len);

	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0 && !full)
		out->len += (size_t)n;
	if (n > 0 && full)
		explicit_bzero(spare, sizeof spare);
	return n > 0;
}

static void read_all(int out_fd, int errors_fd, struct bytes *out, struct bytes *errors)
{
	struct pollfd fds[] = { { out_fd, POLLIN, 0 }, { errors_fd, POLLIN, 0 } };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && !read_some(out_fd, out))
			fds[0].fd = -1;
		if (fds[1].revents && !read_some(errors_fd, errors))
			fds[1].fd = -1;
	}
}

static int run(char *const words[], const int null, int out[2], int errors[2],
	       struct bytes *out_bytes, struct bytes *error_bytes)
{
	const struct process_fd fds[] = { { null, STDIN_FILENO },
					  { out[1], STDOUT_FILENO },
					  { errors[1], STDERR_FILENO } };
	pid_t pid;
	int code = process_spawn(&pid, words, fds, sizeof fds / sizeof fds[0]);

	close(out[1]);
	close(errors[1]);
	out[1] = errors[1] = -1;
	if (code)
		return -code;
	read_all(out[0], errors[0], out_bytes, error_bytes);
	return process_wait(pid);
}

int process_read(char *const words[], struct bytes *out, struct bytes *errors)
{
	int ends[FDS_MAX] = { -1, -1, -1, -1 }, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int r;

	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0 || pipe2(ends + 2, O_CLOEXEC) < 0)
		r = -errno;
	else
		r = run(words, null, ends, ends + 2, out, errors);
	for (int i = 0; i < FDS_MAX; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	if (null >= 0)
		close(null);
	return r;
}

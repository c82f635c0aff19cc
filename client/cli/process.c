/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALLED = 128, FDS_MAX = 4, CANNOT_RUN = 127 };

/* In the child: the descriptors as wanted, signals as they are by default. Only what may be called between fork() and exec(). */
static void become(char *const words[], const struct process_fd *fds, size_t n, int failed)
{
	static const int defaults[] = { SIGINT, SIGQUIT, SIGPIPE };
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	bool ready = true;

	for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
		(void)sigaction(defaults[i], &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < n && ready; i++)
		/* one that keeps its number is only made to stay open */
		ready = fds[i].ours == fds[i].its ? fcntl(fds[i].its, F_SETFD, 0) == 0
						  : dup2(fds[i].ours, fds[i].its) >= 0;
	if (ready)
		(void)execvp(words[0], words);
	(void)!write(failed, &errno, sizeof errno);
	_exit(CANNOT_RUN);
}

/* No posix_spawn(), whose file actions and attributes are nine functions more to say what become() says. */
int process_spawn(pid_t *pid, char *const words[], const struct process_fd *fds, size_t n)
{
	int failed[2], code = 0;

	if (pipe2(failed, O_CLOEXEC) < 0)
		return errno;
	*pid = fork();
	if (*pid == 0)
		become(words, fds, n, failed[1]);
	if (*pid < 0)
		code = errno;
	close(failed[1]);
	/* empty at its end: the program runs */
	if (*pid > 0 && read(failed[0], &code, sizeof code) == (ssize_t)sizeof code)
		(void)process_wait(*pid);
	close(failed[0]);
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
	pid_t pid = -1;
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

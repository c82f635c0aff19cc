/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many connections that always have a call in flight: sends one request on each, then takes the answer of each, again and again, and prints `calls ns`.
 * Two system calls for each call and no epoll: the client costs less than any server that it measures.
 *
 *	crowd PATH REQUEST CONNECTIONS CALLS
 *
 * A NUL is put behind REQUEST; an answer ends with a NUL.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int dial(const char *path)
{
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} address = { .un = { .sun_family = AF_UNIX } };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof address.un.sun_path)
		errx(1, "the path is too long");
	memcpy(address.un.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, &address.any, sizeof address.un) < 0)
		err(1, "%s", path);
	return fd;
}

static void ask(int fd, const char *request, size_t size)
{
	if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
		err(1, "send");
}

static void take(int fd)
{
	char answer[65536];
	ssize_t n;

	do {
		n = recv(fd, answer, sizeof answer, 0);
		if (n <= 0)
			errx(1, "the server closed the connection");
	} while (answer[n - 1]);
	if (memmem(answer, (size_t)n, "\"error\":", 8))
		errx(1, "the server answered %.200s", answer);
}

static void turn(const int *fds, long n, const char *request, size_t size)
{
	for (long i = 0; i < n; i++)
		ask(fds[i], request, size);
	for (long i = 0; i < n; i++)
		take(fds[i]);
}

int main(int argc, char **argv)
{
	long n = argc == 5 ? strtol(argv[3], NULL, 10) : 0;
	long calls = argc == 5 ? strtol(argv[4], NULL, 10) : 0, done = 0;
	struct rlimit files;
	int64_t begun;
	int *fds;

	if (n < 1 || calls < 1)
		errx(64, "usage: crowd PATH REQUEST CONNECTIONS CALLS");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	fds = calloc((size_t)n, sizeof *fds);
	if (!fds)
		err(1, "calloc");
	for (long i = 0; i < n; i++)
		fds[i] = dial(argv[1]);
	turn(fds, n, argv[2], strlen(argv[2]) + 1);
	begun = now_ns();
	for (; done < calls; done += n)
		turn(fds, n, argv[2], strlen(argv[2]) + 1);
	printf("%ld %" PRId64 "\n", done, now_ns() - begun);
	free(fds);
	return 0;
}

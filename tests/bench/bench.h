/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs that measure share: a clock, calls over a Unix socket, and the line that they print. What goes wrong ends the program. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* A new connection to the socket there. */
static inline int dial(const char *path)
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

/* Sends a request; size with its NUL. */
static inline void ask(int fd, const char *request, size_t size)
{
	if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
		err(1, "send");
}

/* Takes one answer, which ends with a NUL and must not be an error. */
static inline void take(int fd)
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

static inline int shorter(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts n > 0 times in nanoseconds and prints `n p50 p90 p99 max`. */
static inline void print_times(int64_t *took, long n)
{
	qsort(took, (size_t)n, sizeof *took, shorter);
	printf("%ld %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", n, took[n / 2],
	       took[n * 9 / 10], took[n * 99 / 100], took[n - 1]);
}

#endif

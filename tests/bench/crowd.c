/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many connections that always have a call in flight: sends one request on each, then takes the answer of each, again and again, and prints `calls ns`.
 * Two system calls for each call and no epoll: the client costs less than any server that it measures.
 *
 *	crowd PATH REQUEST CONNECTIONS CALLS
 *
 * A NUL is put behind REQUEST; an answer ends with a NUL.
 */
#include <sys/resource.h>

#include "tests/bench/bench.h"

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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends one request again and again and prints what the answers took, in nanoseconds: `calls p50 p90 p99 max`.
 *
 *	caller PATH REQUEST CALLS            on one connection
 *	caller --connect PATH REQUEST CALLS  a new connection for each
 *	caller --plain PATH REQUEST CALLS    the same for servers that do not speak Varlink
 *	caller --until SECONDS PATH REQUEST PAUSE_US    paced, for so long
 *	caller --trace SECONDS PATH REQUEST PAUSE_US    the same; first a line for each call: `began took`, both in ns
 *
 * A NUL is put behind REQUEST; an answer ends with a NUL. With --plain the request ends with the writing half of its
 * connection, and the answer with the connection.
 */
#include <stdbool.h>
#include <unistd.h>

#include "tests/bench/bench.h"

struct plan {
	const char *path, *request;
	bool connect_each, plain, trace;
	long calls, pause_us;
	int64_t until_ns;
};

static void call_plain(int fd, const char *request, size_t size)
{
	char answer[65536];
	size_t got = 0;
	ssize_t n;

	if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size || shutdown(fd, SHUT_WR) < 0)
		err(1, "send");
	while (got < sizeof answer && (n = recv(fd, answer + got, sizeof answer - got, 0)) > 0)
		got += (size_t)n;
	/* both peers give back the token that the benchmark has put in: it begins so */
	if (!memmem(answer, got, "00Dbench", 8))
		errx(1, "the server answered %.*s", (int)(got < 200 ? got : 200), answer);
}

static int64_t one(const struct plan *p, int *fd, size_t size)
{
	int64_t start = now_ns();

	if (p->connect_each)
		*fd = dial(p->path);
	if (p->plain) {
		call_plain(*fd, p->request, size - 1);
	} else {
		ask(*fd, p->request, size);
		take(*fd);
	}
	if (p->connect_each)
		close(*fd);
	return now_ns() - start;
}

static void run(const struct plan *p)
{
	size_t size = strlen(p->request) + 1;
	int64_t *took = calloc((size_t)p->calls, sizeof *took), begun = now_ns();
	int fd = p->connect_each ? -1 : dial(p->path);
	long n = 0;

	if (!took)
		err(1, "calloc");
	while (n < p->calls && (!p->until_ns || now_ns() < p->until_ns)) {
		took[n] = one(p, &fd, size);
		if (p->trace)
			printf("%" PRId64 " %" PRId64 "\n", now_ns() - took[n] - begun, took[n]);
		n++;
		if (p->pause_us)
			usleep((useconds_t)p->pause_us);
	}
	print_times(took, n);
	free(took);
}

int main(int argc, char **argv)
{
	struct plan p = { 0 };
	int i = 1;

	if (argc > 1 && (strcmp(argv[1], "--connect") == 0 || strcmp(argv[1], "--plain") == 0)) {
		p.connect_each = true;
		p.plain = strcmp(argv[1], "--plain") == 0;
		i++;
	}
	if (argc > 2 && (strcmp(argv[1], "--until") == 0 || strcmp(argv[1], "--trace") == 0)) {
		p.until_ns = now_ns() + strtoll(argv[2], NULL, 10) * 1000000000LL;
		p.trace = strcmp(argv[1], "--trace") == 0;
		i += 2;
	}
	if (argc != i + 3)
		errx(64,
		     "usage: caller [--connect | --plain | --until SECONDS | --trace SECONDS] PATH REQUEST CALLS|PAUSE_US");
	p.path = argv[i];
	p.request = argv[i + 1];
	p.calls = p.until_ns ? 10000000 : strtol(argv[i + 2], NULL, 10);
	p.pause_us = p.until_ns ? strtol(argv[i + 2], NULL, 10) : 0;
	run(&p);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command so many times, one after the other, with its output thrown away, and prints what it took from fork to exit: `runs p50 p90 p99 max` in nanoseconds.
 *
 *	spawn RUNS COMMAND...
 */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static int64_t run(char **command, const posix_spawn_file_actions_t *actions)
{
	int64_t start = now_ns();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, command[0], actions, NULL, command, environ) != 0)
		errx(1, "cannot run %s", command[0]);
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		errx(1, "%s failed", command[0]);
	return now_ns() - start;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t actions;
	long n = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	int64_t *took;

	if (n < 1)
		errx(64, "usage: spawn RUNS COMMAND...");
	took = calloc((size_t)n, sizeof *took);
	if (!took || posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) !=
		    0)
		err(1, "spawn");
	for (long i = 0; i < n; i++)
		took[i] = run(argv + 2, &actions);
	print_times(took, n);
	free(took);
	return 0;
}

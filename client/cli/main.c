/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftoken: asks the local sftokend. Here are the commands that jobs and probes run, and only those: each function of libc that this file imports costs every `sftoken get` a look-up at its start
 * (docs/performance.md). All others are in sftoken-more.so (more.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/more.h"

/*
 * Whoever closed one of 0 to 2 would find our socket there, and the token, or an error, in it. Each gets /dev/null the wrong way round, so that it still cannot be read from or written to; a
 * command that is run finds it closed, as from a shell. 0 or an exit status.
 */
static int fill_closed(void)
{
	struct pollfd fds[] = { { STDIN_FILENO, 0, 0 },
				{ STDOUT_FILENO, 0, 0 },
				{ STDERR_FILENO, 0, 0 } };

	(void)poll(fds, 3, 0);
	for (int i = 0; i < 3; i++) {
		int way = i == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (!(fds[i].revents & POLLNVAL))
			continue;
		/* the lowest free one, which is i: those below are open */
		fds[i].fd = open("/dev/null", way | O_CLOEXEC);
		if (fds[i].fd < 0)
			return complain(
				EXIT_STATUS_INTERNAL,
				"descriptor %d is closed, and /dev/null cannot be opened: %s", i,
				strerror(errno));
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct verb verb[] = {
		{ "get", cmd_get },   { "exec", cmd_exec }, { "env", cmd_env },
		{ "watch", cmd_watch }, { "wait", cmd_wait }, { "report", cmd_report },
		{ "ping", cmd_ping }, { "help", cmd_help }, { "version", cmd_version },
	};
	static const struct verbs verbs = { verb, sizeof verb / sizeof verb[0], more_run };
	int r = fill_closed();

	return r ? r : cli_main(&verbs, argc, argv);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftoken: asks the local sftokend. Here are the commands that jobs and probes run, and only those: each function of libc that this file imports costs every `sftoken get` a look-up at its start
 * (docs/performance.md). All others are in sftoken-more.so (more.c).
 */
#include "client/cli/more.h"

int main(int argc, char **argv)
{
	static const struct verb verb[] = {
		{ "get", cmd_get },   { "exec", cmd_exec }, { "env", cmd_env },
		{ "watch", cmd_watch }, { "wait", cmd_wait }, { "report", cmd_report },
		{ "ping", cmd_ping },
	};
	static const struct verbs verbs = { verb, sizeof verb / sizeof verb[0], more_run };

	return cli_main(&verbs, argc, argv);
}

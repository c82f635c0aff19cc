/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftoken-more.so: the commands that nobody runs before each job. sftoken loads it when one of them is asked for, and so stays what the daemon sees as its caller (AllowExecutable=). It has copies
 * of all that it shares with sftoken, and reads the arguments anew: nothing but argv passes between the two, which an upgrade may make strangers for a moment.
 */
#include "client/cli/more.h"

static int unknown(const struct cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return complain(
		EXIT_STATUS_INTERNAL,
		"sftoken and " MORE_NAME
		" are of two versions, and neither has %s: install the package sftoken whole",
		cli->command->name);
}

int sftoken_more(int argc, char **argv)
{
	static const struct verb verb[] = {
		{ "curl", cmd_curl },	    { "list", cmd_list },     { "show", cmd_show },
		{ "refresh", cmd_refresh }, { "setup", cmd_setup },   { "login", cmd_login },
		{ "import", cmd_import },   { "revoke", cmd_revoke }, { "adopt", cmd_adopt },
		{ "doctor", cmd_doctor },   { "enable", cmd_enable }, { "disable", cmd_disable },
		{ "reload", cmd_reload },   { "status", cmd_status }, { "metrics", cmd_metrics },
		{ "check", cmd_check },	    { "completion", cmd_completion },
	};
	static const struct verbs verbs = { verb, sizeof verb / sizeof verb[0], unknown };

	return cli_main(&verbs, argc, argv);
}

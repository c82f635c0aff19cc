/* SPDX-License-Identifier: Apache-2.0 */
/* check: sftokend --check for the daemon that is meant. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/setup.h"

/* The daemon that was installed with this program, else the one in the system's place. */
static const char *daemon_program(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 32);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		memcpy(slash, "/../sbin/sftokend", sizeof "/../sbin/sftokend");
		if (access(path, X_OK) == 0)
			return path;
	}
	return "/usr/sbin/sftokend";
}

/* The directory that was named, or that of the daemon which answers, or the usual one. 0, or an exit status after a complaint. */
static int find_directory(const struct cli *cli, struct place *p)
{
	struct stat st;
	int r = 0;

	if (cli->rest)
		*p = (struct place){ .directory = strdup(cli->rest[0]), .user = cli->user };
	else
		r = place_look(cli, p);
	if (r)
		return r;
	if (!p->directory)
		return complain(EXIT_STATUS_INTERNAL, "out of memory");
	if (stat(p->directory, &st) < 0)
		return errno == EACCES
			       ? 0 /* the daemon says it better */
			       : complain(
					 EXIT_STATUS_CONFIG,
					 "%s: %s: name the directory of the configuration: sftoken check DIRECTORY",
					 p->directory, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return complain(
			EXIT_STATUS_CONFIG,
			"%s is not a directory: name that of the configuration: sftoken check DIRECTORY",
			p->directory);
	return 0;
}

static int run_daemon(const struct place *p)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX], usual[64];
	const char *program = daemon_program(path);
	const char *args[10] = { "sftokend", "--check", "--config", p->directory };
	size_t n = 4;

	if (p->user)
		args[n++] = "--user";
	if (p->user && (!runtime || !*runtime)) { /* nothing is opened there */
		(void)snprintf(usual, sizeof usual, "/run/user/%u/sftokend", (unsigned)getuid());
		args[n++] = "--runtime";
		args[n++] = usual;
	}
	if (p->user && !getenv("HOME") && !getenv("XDG_STATE_HOME")) {
		args[n++] = "--state";
		args[n++] = p->directory;
	}
	execv(program, (char **)(uintptr_t)args);
	return complain(EXIT_STATUS_NO_DAEMON, "cannot run %s: %s: is sftokend installed?", program,
			strerror(errno));
}

int cmd_check(struct cli *cli)
{
	struct place place = { 0 };
	int r = find_directory(cli, &place);

	if (r == 0)
		r = run_daemon(&place);
	place_free(&place);
	return r;
}

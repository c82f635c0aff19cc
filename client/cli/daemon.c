/* SPDX-License-Identifier: Apache-2.0 */
/* Which daemon, and what its errors mean for the shell. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/credential.h"

#define BROKER_NAME "io.sftoken.Broker"
#define MANAGER_NAME "io.sftoken.Manager"

enum { CONNECT_WAIT_MS = 2000, CONNECT_PAUSE_MS = 20 }; /* those of libsftoken */

static const int statuses[] = {
	[-SFTOKEN_E_INVALID] = EXIT_STATUS_USAGE,
	[-SFTOKEN_E_MEMORY] = EXIT_STATUS_INTERNAL,
	[-SFTOKEN_E_UNREACHABLE] = EXIT_STATUS_NO_DAEMON,
	[-SFTOKEN_E_REFUSED] = EXIT_STATUS_REFUSED,
	[-SFTOKEN_E_DEADLINE] = EXIT_STATUS_TRY_AGAIN,
	[-SFTOKEN_E_PROTOCOL] = EXIT_STATUS_INTERNAL,
	[-SFTOKEN_E_DISCONNECTED] = EXIT_STATUS_TRY_AGAIN,
	[-SFTOKEN_E_NO_SUCH_CREDENTIAL] = EXIT_STATUS_NO_CREDENTIAL,
	[-SFTOKEN_E_LOGIN_REQUIRED] = EXIT_STATUS_LOGIN,
	[-SFTOKEN_E_NOT_SERVED] = EXIT_STATUS_REJECTED,
	[-SFTOKEN_E_REJECTED] = EXIT_STATUS_REJECTED,
	[-SFTOKEN_E_UNAVAILABLE] = EXIT_STATUS_TRY_AGAIN,
	[-SFTOKEN_E_TIMED_OUT] = EXIT_STATUS_TRY_AGAIN,
	[-SFTOKEN_E_LIFETIME_TOO_SHORT] = EXIT_STATUS_REJECTED,
	[-SFTOKEN_E_RATE_LIMITED] = EXIT_STATUS_TRY_AGAIN,
	[-SFTOKEN_E_SHUTTING_DOWN] = EXIT_STATUS_TRY_AGAIN,
	[-SFTOKEN_E_OTHER] = EXIT_STATUS_INTERNAL,
};

/* Errors that only the Manager interface has. */
static const struct {
	const char *name;
	int status;
} named_statuses[] = {
	{ MANAGER_NAME ".ConfigurationInvalid", EXIT_STATUS_CONFIG },
	{ MANAGER_NAME ".FlowNotConfigured", EXIT_STATUS_USAGE },
	{ MANAGER_NAME ".NoSuchLogin", EXIT_STATUS_USAGE },
	{ MANAGER_NAME ".StateMismatch", EXIT_STATUS_USAGE },
	{ MANAGER_NAME ".SecretStoreUnavailable", EXIT_STATUS_TRY_AGAIN },
};

int exit_status_of(const struct sftoken_err *err)
{
	for (size_t i = 0; i < sizeof named_statuses / sizeof named_statuses[0]; i++)
		if (strcmp(err->name, named_statuses[i].name) == 0)
			return named_statuses[i].status;
	if (err->code < 0 && (size_t)-err->code < sizeof statuses / sizeof statuses[0])
		return statuses[-err->code];
	return EXIT_STATUS_INTERNAL;
}

int complain_err(const struct cli *cli, const struct sftoken_err *err)
{
	int status = exit_status_of(err);
	char *near;

	if (cli->quiet)
		return status;
	near = err->code == SFTOKEN_E_NO_SUCH_CREDENTIAL ? credential_nearest(cli) : NULL;
	if (near)
		complain(0, "%s; did you mean \"%s\"?", err->text, near);
	else
		complain(0, "%s", err->text);
	free(near);
	return status;
}

/* DIR of --user or --system; NULL with a complaint. Caller frees. */
static char *daemon_path(const struct cli *cli, const char *name)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	size_t size;
	char *path;

	if (cli->system)
		runtime = "/run";
	if (!runtime || !*runtime) {
		if (!cli->quiet)
			complain(
				EXIT_STATUS_USAGE,
				"--user needs XDG_RUNTIME_DIR, which is not set: give --socket PATH");
		return NULL;
	}
	size = strlen(runtime) + strlen("/sftokend/") + strlen(name) + 1;
	path = malloc(size);
	if (path)
		(void)snprintf(path, size, "%s/sftokend/%s", runtime, name);
	return path;
}

static int open_path(const struct cli *cli, const char *path, struct sftoken **out)
{
	struct sftoken_err err;

	return sftoken_open(out, path, &err) < 0 ? complain_err(cli, &err) : 0;
}

static int open_named(const struct cli *cli, const char *name, struct sftoken **out)
{
	char *path = daemon_path(cli, name);
	int r = path ? open_path(cli, path, out) : EXIT_STATUS_USAGE;

	free(path);
	return r;
}

int open_broker(const struct cli *cli, struct sftoken **out)
{
	if (cli->socket)
		return open_path(cli, cli->socket, out);
	if (cli->user || cli->system)
		return open_named(cli, BROKER_NAME, out);
	return open_path(cli, NULL, out);
}

/* The path of the Manager socket that stands beside the Broker socket that would be used now; NULL with *r. Caller frees. */
static char *sibling_path(const struct cli *cli, int *r)
{
	struct sftoken *broker;
	const char *slash;
	char *path = NULL;

	*r = open_broker(cli, &broker);
	if (*r)
		return NULL;
	slash = strrchr(sftoken_path(broker), '/');
	if (asprintf(&path, "%.*s%s", slash ? (int)(slash - sftoken_path(broker)) + 1 : 0,
		     sftoken_path(broker), MANAGER_NAME) < 0) {
		path = NULL;
		*r = complain(EXIT_STATUS_INTERNAL, "out of memory");
	}
	sftoken_close(broker);
	return path;
}

/* Whether there is a user's daemon and the system's to choose from. */
static bool may_choose(const struct cli *cli)
{
	const char *named = getenv("SFTOKEN_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");

	return !cli->socket && !cli->user && !cli->system && !(named && *named) && runtime &&
	       *runtime == '/';
}

static bool is_absent(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 && errno == ENOENT;
}

static int complain_absent(const struct cli *cli, const char *system)
{
	char *user = daemon_path(cli, MANAGER_NAME);

	if (!cli->quiet)
		complain(0, "no daemon at %s, nor at %s: is sftokend running?", user ? user : "",
			 system);
	free(user);
	return EXIT_STATUS_NO_DAEMON;
}

/* As the library connects to the Broker: chosen again until there is one. */
static int open_sibling(const struct cli *cli, struct sftoken **out)
{
	for (int tries = CONNECT_WAIT_MS / CONNECT_PAUSE_MS;; tries--) {
		int r;
		char *path = sibling_path(cli, &r);

		if (path && may_choose(cli) && is_absent(path)) {
			r = tries > 0 ? 0 : complain_absent(cli, path);
			free(path);
			if (r)
				return r;
			(void)poll(NULL, 0, CONNECT_PAUSE_MS);
			continue;
		}
		if (path)
			r = open_path(cli, path, out);
		free(path);
		return r;
	}
}

int open_manager(const struct cli *cli, struct sftoken **out)
{
	const char *named = getenv("SFTOKEN_MANAGER");

	if (cli->manager)
		return open_path(cli, cli->manager, out);
	if (named && *named && !cli->user && !cli->system)
		return open_path(cli, named, out);
	if ((cli->user || cli->system) && !cli->socket)
		return open_named(cli, MANAGER_NAME, out);
	return open_sibling(cli, out);
}

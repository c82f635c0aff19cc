/* SPDX-License-Identifier: Apache-2.0 */
/* ping: whether the daemon answers. It is asked by probes, each few seconds. */
#include <string.h>

#include "client/cli/cli.h"

enum { CALL_MS = 10000 };

struct ping {
	const struct cli *cli;
	const struct sftoken *handle;
};

/* The version that the daemon tells, and its length. A probe's image need not have json-c: in a text the quotes of the name would be escaped. */
static const char *version_in(const char *parameters, int *length)
{
	static const char name[] = "\"version\":\"", unknown[] = "of an unknown version";
	const char *at = strstr(parameters, name), *end;

	at = at ? at + sizeof name - 1 : unknown;
	end = strchr(at, '"');
	*length = (int)(end ? end - at : (ptrdiff_t)strlen(at));
	return at;
}

static int print_ping(const char *parameters, int continues, void *arg)
{
	const struct ping *ping = arg;
	const char *version;
	int length;

	(void)continues;
	if (ping->cli->json)
		print_to(stdout, "%s\n", parameters);
	if (ping->cli->json || ping->cli->quiet)
		return 0;
	version = version_in(parameters, &length);
	print_to(stdout, "sftokend %.*s answers at %s\n", length, version,
		 sftoken_path(ping->handle));
	return 0;
}

int cmd_ping(struct cli *cli)
{
	struct sftoken_err err;
	struct ping ping = { cli, NULL };
	struct sftoken *h;
	int r = open_broker(cli, &h);

	if (r)
		return r;
	ping.handle = h;
	if (sftoken_call(h, "org.varlink.service.GetInfo", NULL, SFTOKEN_CALL_REPEAT, CALL_MS,
			 print_ping, &ping, &err) < 0)
		r = complain_err(cli, &err);
	sftoken_close(h);
	return r ? r : finish_output();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ping: whether the daemon answers. It is asked by probes, each few seconds. */
#include "client/cli/cli.h"
#include "client/cli/json.h"

enum { CALL_MS = 10000 };

struct ping {
	const struct cli *cli;
	const struct sftoken *handle;
};

static int print_ping(const char *parameters, int continues, void *arg)
{
	const struct ping *ping = arg;
	struct json_object *reply;
	const char *version;

	(void)continues;
	if (ping->cli->json)
		print_to(stdout, "%s\n", parameters);
	if (ping->cli->json || ping->cli->quiet)
		return 0;
	reply = json.tokener_parse(parameters);
	version = json.object_get_string(json.object_object_get(reply, "version"));
	print_to(stdout, "sftokend %s answers at %s\n", version ? version : "of an unknown version",
		 sftoken_path(ping->handle));
	json.object_put(reply);
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

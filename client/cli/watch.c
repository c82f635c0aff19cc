/* SPDX-License-Identifier: Apache-2.0 */
/* watch: the token, and each new one, until the daemon ends it. */
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/json.h"

struct watch {
	print_token_fn *print;
	int status;
};

/* Lets the formats of `get` print what WatchToken sends: the same reply, taken in by the library. */
static int print_next(const char *parameters, int continues, void *arg)
{
	struct watch *w = arg;
	struct sftoken_token *t;
	struct sftoken_err err;

	(void)continues;
	if (sftoken_token_parse(parameters, &t, &err) < 0)
		return err.code;
	w->status = w->print(t);
	sftoken_token_free(t);
	return w->status;
}

int cmd_watch(struct cli *cli)
{
	const char *format = cli->format ? cli->format : cli->json ? "json" : "token";
	struct watch w = { 0 };
	struct json_object *parameters;
	struct sftoken_err err = { 0 };
	struct sftoken *h;
	int r = format_open(format, &w.print);

	if (r == 0)
		r = open_broker(cli, &h);
	if (r)
		return r;
	parameters = json.object_new_object();
	if (cli->credential)
		json.object_object_add(parameters, "credential",
				       json.object_new_string(cli->credential));
	do
		r = sftoken_call(h, "io.sftoken.Broker.WatchToken",
				 json.object_to_json_string(parameters),
				 SFTOKEN_CALL_REPEAT | SFTOKEN_CALL_MORE, 0, print_next, &w, &err);
	while (r == SFTOKEN_E_DISCONNECTED || r == SFTOKEN_E_SHUTTING_DOWN);
	json.object_put(parameters);
	sftoken_close(h);
	if (w.status)
		return w.status;
	return r < 0 ? complain_err(cli, &err) : 0;
}

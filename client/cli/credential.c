/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/credential.h"

#include <stdlib.h>

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

/* Whether the Broker that would be used is of the same daemon as the Manager. */
static bool broker_is_known(const struct cli *cli)
{
	if (cli->socket)
		return true;
	if (cli->user || cli->system)
		return !cli->manager;
	return (!cli->manager && !is_set("SFTOKEN_MANAGER")) || is_set("SFTOKEN_SOCKET");
}

struct json_object *credential_ask(const struct cli *cli)
{
	struct json_object *parameters, *reply;
	struct sftoken_err err = { 0 };
	struct sftoken *h;

	if (!broker_is_known(cli) || open_broker(cli, &h))
		return NULL;
	sftoken_set_connect_wait(h, 0); /* nobody waits for a socket that is not there */
	parameters = named(cli->credential);
	reply = ask_quietly(h, "io.sftoken.Broker.GetCredential",
			    json.object_to_json_string(parameters), &err);
	json.object_put(parameters);
	sftoken_close(h);
	return reply;
}

const char *credential_text(struct json_object *reply, const char *key)
{
	struct json_object *credential;

	if (!reply || !json.object_object_get_ex(reply, "credential", &credential) || !credential)
		return NULL;
	return text_of(credential, key);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/credential.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/nearest.h"

enum { PAGES_MAX = 100, LIST_MS = 1000 };

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

/* {"after": name} */
static struct json_object *after(const char *name)
{
	struct json_object *o = json.object_new_object();

	if (name)
		json.object_object_add(o, "after", json.object_new_string(name));
	return o;
}

static void take_credential(struct json_object *c, void (*take)(const char *name, void *arg),
			    void *arg)
{
	size_t n;
	struct json_object *aliases = items_of(c, "aliases", &n);
	const char *name = text_of(c, "name");

	if (name)
		take(name, arg);
	for (size_t i = 0; i < n; i++)
		take(json.object_get_string(json.object_array_get_idx(aliases, i)), arg);
}

/* One page; the parameters of the next one, NULL: that was the last. */
static struct json_object *take_page(struct sftoken *h, struct json_object *parameters,
				     void (*take)(const char *name, void *arg), void *arg)
{
	struct sftoken_err err = { 0 };
	struct json_object *next = NULL, *page = ask_within(h, "io.sftoken.Broker.ListCredentials",
							    json.object_to_json_string(parameters),
							    LIST_MS, &err);
	size_t n = 0;
	struct json_object *items = page ? items_of(page, "credentials", &n) : NULL;

	for (size_t i = 0; i < n; i++)
		take_credential(json.object_array_get_idx(items, i), take, arg);
	if (page && text_of(page, "next"))
		next = after(text_of(page, "next"));
	json.object_put(page);
	json.object_put(parameters);
	return next;
}

void credential_each(const struct cli *cli, void (*take)(const char *name, void *arg), void *arg)
{
	struct json_object *parameters;
	struct sftoken *h;

	if (!broker_is_known(cli) || open_broker(cli, &h))
		return;
	sftoken_set_connect_wait(h, 0);
	parameters = after(NULL);
	for (int i = 0; i < PAGES_MAX && parameters; i++)
		parameters = take_page(h, parameters, take, arg);
	json.object_put(parameters);
	sftoken_close(h);
}

struct best {
	struct nearest near;
	char *name; /* of near.found, which goes with its page */
};

static void compare(const char *name, void *arg)
{
	struct best *best = arg;

	if (!nearest_try(&best->near, name))
		return;
	free(best->name);
	best->name = strdup(name);
}

char *credential_nearest(const struct cli *cli)
{
	struct best best = { .name = NULL };

	if (!cli->credential || !json_find())
		return NULL;
	nearest_begin(&best.near, cli->credential);
	credential_each(cli, compare, &best);
	return best.name;
}

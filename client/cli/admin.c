/* SPDX-License-Identifier: Apache-2.0 */
/* refresh, enable, disable, revoke, adopt, reload: commands of the Manager socket. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/reply.h"

enum { CALL_MS = 10000, REFRESH_WAIT_S = 30, RELOAD_MS = 60000, REVOKE_MS = 60000 };

static int print_parameters(const char *parameters, int continues, void *arg)
{
	const struct cli *cli = arg;

	(void)continues;
	if (cli->json)
		puts(parameters);
	return 0;
}

/* One call to the Manager; with --json its reply is printed as it came. */
static int manage(struct cli *cli, const char *method, struct json_object *parameters,
		  int timeout_ms, sftoken_reply_fn *reply)
{
	struct sftoken_err err = { 0 };
	struct sftoken *h;
	int r = open_manager(cli, &h);

	if (r == 0) {
		if (sftoken_call(h, method,
				 parameters ? json.object_to_json_string(parameters) : NULL, 0,
				 timeout_ms, reply, cli, &err) < 0)
			r = complain_err(cli, &err);
		sftoken_close(h);
	}
	json.object_put(parameters);
	return r ? r : finish_output();
}

static int print_generation(const char *parameters, int continues, void *arg)
{
	const struct cli *cli = arg;
	struct json_object *reply, *generation;

	if (cli->json || cli->quiet)
		return print_parameters(parameters, continues, arg);
	reply = json.tokener_parse(parameters);
	if (json.object_object_get_ex(reply, "generation", &generation))
		printf("\"%s\" is at generation %" PRId64 "\n", cli->credential,
		       json.object_get_int64(generation));
	json.object_put(reply);
	return 0;
}

int cmd_refresh(struct cli *cli)
{
	struct json_object *parameters = named(cli->credential);
	int64_t wait_s = cli->wait_s < 0 ? REFRESH_WAIT_S : cli->wait_s;

	json.object_object_add(parameters, "waitSeconds", json.object_new_int64(wait_s));
	return manage(cli, "io.sftoken.Manager.Refresh", parameters, (int)wait_s * 1000 + CALL_MS,
		      print_generation);
}

static int set_enabled(struct cli *cli, bool enabled)
{
	struct json_object *parameters = named(cli->credential);

	json.object_object_add(parameters, "enabled", json.object_new_boolean(enabled));
	return manage(cli, "io.sftoken.Manager.SetEnabled", parameters, CALL_MS, print_parameters);
}

int cmd_enable(struct cli *cli)
{
	return set_enabled(cli, true);
}

int cmd_disable(struct cli *cli)
{
	return set_enabled(cli, false);
}

static int print_revoked(const char *parameters, int continues, void *arg)
{
	const struct cli *cli = arg;

	if (cli->json || cli->quiet)
		return print_parameters(parameters, continues, arg);
	if (cli->forget)
		printf("\"%s\" is revoked at Salesforce; if the store had a refresh token of it, that is revoked and erased as well\n",
		       cli->credential);
	else
		printf("the access token of \"%s\" is revoked at Salesforce; the next one is requested when somebody asks\n",
		       cli->credential);
	return 0;
}

int cmd_revoke(struct cli *cli)
{
	struct json_object *parameters = named(cli->credential);

	json.object_object_add(parameters, "forgetSecrets", json.object_new_boolean(cli->forget));
	return manage(cli, "io.sftoken.Manager.Revoke", parameters, REVOKE_MS, print_revoked);
}

static int print_adopted(const char *parameters, int continues, void *arg)
{
	const struct cli *cli = arg;

	if (cli->json || cli->quiet)
		return print_parameters(parameters, continues, arg);
	puts("this store belongs to this machine: refresh tokens are spent again");
	return 0;
}

/* Whether a store is there that was not found to be a copy. Not known: false. */
static bool is_own_store(const struct cli *cli)
{
	struct cli quiet = *cli;
	struct sftoken_err err = { 0 };
	struct json_object *status;
	struct sftoken *h;
	const char *store;
	bool own;

	quiet.quiet = true;
	if (open_manager(&quiet, &h))
		return false;
	status = ask_quietly(h, "io.sftoken.Manager.Status", NULL, &err);
	store = text_of(status, "store");
	own = store && strcmp(store, "suspect") != 0;
	json.object_put(status);
	sftoken_close(h);
	return own;
}

static int print_unchanged(const char *parameters, int continues, void *arg)
{
	const struct cli *cli = arg;

	if (cli->json || cli->quiet)
		return print_parameters(parameters, continues, arg);
	puts("nothing had to be done: this store is no copy, and belongs to this machine");
	return 0;
}

int cmd_adopt(struct cli *cli)
{
	if (is_own_store(cli))
		return manage(cli, "io.sftoken.Manager.Adopt", NULL, CALL_MS, print_unchanged);
	return manage(cli, "io.sftoken.Manager.Adopt", NULL, CALL_MS, print_adopted);
}

static void print_warnings(struct json_object *reply)
{
	size_t n;
	struct json_object *items = items_of(reply, "warnings", &n);

	for (size_t i = 0; i < n; i++)
		complain(0, "warning: %s",
			 json.object_get_string(json.object_array_get_idx(items, i)));
}

static int print_reload(const char *parameters, int continues, void *arg)
{
	const struct cli *cli = arg;
	struct json_object *reply;

	if (cli->json)
		return print_parameters(parameters, continues, arg);
	reply = json.tokener_parse(parameters);
	if (!cli->quiet)
		printf("%" PRId64 " added, %" PRId64 " changed, %" PRId64 " removed\n",
		       json.object_get_int64(json.object_object_get(reply, "added")),
		       json.object_get_int64(json.object_object_get(reply, "changed")),
		       json.object_get_int64(json.object_object_get(reply, "removed")));
	print_warnings(reply);
	json.object_put(reply);
	return 0;
}

int cmd_reload(struct cli *cli)
{
	return manage(cli, "io.sftoken.Manager.Reload", NULL, RELOAD_MS, print_reload);
}

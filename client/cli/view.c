/* SPDX-License-Identifier: Apache-2.0 */
/* list, show, status: what a person looks at. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/history.h"
#include "client/cli/reply.h"
#include "client/cli/table.h"

enum { PAGES_MAX = 1000 };

/* {"after": name} */
static char *page_parameters(const char *after)
{
	struct json_object *o = json.object_new_object();
	char *text;

	if (after)
		json.object_object_add(o, "after", json.object_new_string(after));
	text = strdup(json.object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json.object_put(o);
	return text;
}

/* Moves the credentials of one page to all; returns the name to go on after (caller frees), or NULL. */
static char *take_page(struct json_object *page, struct json_object *all)
{
	const char *next = text_of(page, "next");
	size_t n;
	struct json_object *items = items_of(page, "credentials", &n);

	for (size_t i = 0; i < n; i++)
		json.object_array_add(all, json.object_get(json.object_array_get_idx(items, i)));
	return next ? strdup(next) : NULL;
}

/* All pages as one array. */
static struct json_object *list_all(const struct cli *cli, struct sftoken *h, int *status)
{
	struct json_object *all = json.object_new_array();
	char *after = NULL;

	for (int i = 0; i < PAGES_MAX; i++) {
		char *parameters = page_parameters(after);
		struct json_object *page = parameters ? ask(cli, h,
							    "io.sftoken.Broker.ListCredentials",
							    parameters, status)
						      : NULL;

		free(parameters);
		free(after);
		if (!page) {
			json.object_put(all);
			return NULL;
		}
		after = take_page(page, all);
		json.object_put(page);
		if (!after)
			break;
	}
	free(after);
	return all;
}

static void add_when(struct table *t, int64_t at_s)
{
	char *text = when(at_s);

	table_add(t, text, NULL);
	free(text);
}

static int print_list(struct json_object *all)
{
	static const char *const titles[] = { "CREDENTIAL", "STATE", "GRANT",  "EXPIRES",
					      "NEXT",       "USER",  "PROBLEM" };
	struct table t;
	bool failed;

	table_init(&t, titles, sizeof titles / sizeof titles[0]);
	for (size_t i = 0; i < json.object_array_length(all); i++) {
		struct json_object *c = json.object_array_get_idx(all, i);

		table_add(&t, text_of(c, "name"), NULL);
		table_add(&t, text_of(c, "state"), state_colour(text_of(c, "state")));
		table_add(&t, text_of(c, "grantType"), NULL);
		add_when(&t, int_of(c, "expiresAt"));
		add_when(&t, int_of(c, "nextRefreshAt"));
		table_add(&t, text_of(c, "username"), NULL);
		table_add(&t, text_of(c, "lastError"), NULL);
	}
	table_print(&t);
	failed = t.failed;
	table_fini(&t);
	return failed ? complain(EXIT_STATUS_INTERNAL, "out of memory") : finish_output();
}

int cmd_list(struct cli *cli)
{
	struct json_object *all;
	struct sftoken *h;
	int r = open_broker(cli, &h);

	if (r)
		return r;
	all = list_all(cli, h, &r);
	sftoken_close(h);
	if (!all)
		return r;
	if (cli->json) {
		struct json_object *o = json.object_new_object();

		json.object_object_add(o, "credentials", all);
		r = print_plain(o);
		json.object_put(o);
		return r;
	}
	if (json.object_array_length(all) == 0 && on_terminal() && !cli->quiet)
		puts("no credential that you may use: ask an administrator, or see sftokend.credential(5)");
	else
		r = print_list(all);
	json.object_put(all);
	return r;
}

static void print_credential(struct json_object *c)
{
	print_line("credential", text_of(c, "name"));
	print_joined("alias", c, "aliases");
	print_coloured("state", text_of(c, "state"), state_colour(text_of(c, "state")));
	print_paragraph("problem", text_of(c, "lastError"));
	print_line("grant", text_of(c, "grantType"));
	print_line("instance", text_of(c, "instanceUrl"));
	print_line("user", text_of(c, "username"));
	print_line("generation", text_of(c, "generation"));
	print_when("expires", int_of(c, "expiresAt"));
	print_line("known by", text_of(c, "expirySource"));
	print_when("next", int_of(c, "nextRefreshAt"));
	print_line("requests", text_of(c, "upstreamAttempts"));
}

/* One credential, and what was tried for it as far as we may know that. */
static int show(const struct cli *cli, struct json_object *credential)
{
	const char *why;
	struct json_object *attempts = history_ask(cli, text_of(credential, "name"), &why);

	if (cli->json) {
		if (attempts)
			json.object_object_add(credential, "attempts", attempts);
		return print_plain(credential);
	}
	print_credential(credential);
	if (attempts)
		history_print(attempts);
	else if (why && on_terminal())
		print_line("attempts", why);
	json.object_put(attempts);
	return finish_output();
}

int cmd_show(struct cli *cli)
{
	struct json_object *parameters, *reply, *credential;
	struct sftoken *h;
	int r = open_broker(cli, &h);

	if (r)
		return r;
	parameters = named(cli->credential);
	reply = ask(cli, h, "io.sftoken.Broker.GetCredential",
		    json.object_to_json_string(parameters), &r);
	json.object_put(parameters);
	sftoken_close(h);
	if (!reply)
		return r;
	if (!json.object_object_get_ex(reply, "credential", &credential))
		r = complain(EXIT_STATUS_INTERNAL, "the daemon sent a reply that cannot be read");
	else
		r = show(cli, credential);
	json.object_put(reply);
	return r;
}

static void print_listeners(struct json_object *status)
{
	size_t n;
	struct json_object *items = items_of(status, "listeners", &n);

	for (size_t i = 0; i < n; i++) {
		struct json_object *l = json.object_array_get_idx(items, i);
		char *text = NULL;

		if (asprintf(&text, "%s (%s, %" PRId64 " connections)", text_of(l, "address"),
			     text_of(l, "name"), int_of(l, "connections")) < 0)
			text = NULL;
		print_line(i ? "" : "sockets", text);
		free(text);
	}
}

static void print_store(const char *state)
{
	const char *advice = NULL;

	print_coloured("store", state, state_colour(state));
	if (state && strcmp(state, "readonly") == 0)
		advice =
			"Nothing can be written. Tokens are served, but no refresh token is spent until there is room again; the daemon tries by itself.";
	if (state && strcmp(state, "suspect") == 0)
		advice =
			"This is a copy, a restored backup, or damaged. No refresh token is spent until you have made sure that no other copy is in use and run `sftoken adopt`.";
	if (advice && on_terminal())
		print_paragraph("", advice);
}

static void print_status(struct json_object *s)
{
	char *text = NULL;

	print_line("version", text_of(s, "version"));
	print_line("ready",
		   json.object_get_boolean(json.object_object_get(s, "ready")) ? "yes" : "no");
	print_when("started", int_of(s, "startedAt"));
	if (asprintf(&text, "%" PRId64 " parent, %" PRId64 " mint, %" PRId64 " front",
		     int_of(s, "parentPid"), int_of(s, "mintPid"), int_of(s, "frontPid")) < 0)
		text = NULL;
	print_line("processes", text);
	free(text);
	print_store(text_of(s, "store"));
	print_joined("files", s, "configurationFiles");
	print_listeners(s);
	print_joined("warnings", s, "warnings");
}

int cmd_status(struct cli *cli)
{
	struct json_object *status, *all = NULL;
	struct sftoken *manager, *broker;
	int r = open_manager(cli, &manager);

	if (r)
		return r;
	status = ask(cli, manager, "io.sftoken.Manager.Status", NULL, &r);
	sftoken_close(manager);
	if (!status)
		return r;
	if (cli->json) {
		r = print_plain(status);
		json.object_put(status);
		return r;
	}
	print_status(status);
	json.object_put(status);
	if (on_terminal() && open_broker(cli, &broker) == 0) {
		all = list_all(cli, broker, &r);
		sftoken_close(broker);
	}
	if (all) {
		putchar('\n');
		r = print_list(all);
		json.object_put(all);
	}
	return r ? r : finish_output();
}

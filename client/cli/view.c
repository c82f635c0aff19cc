/* SPDX-License-Identifier: Apache-2.0 */
/* list, show, status: what a person looks at. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/json.h"
#include "client/cli/table.h"

enum { CALL_MS = 10000, PAGES_MAX = 1000 };

static int keep_reply(const char *parameters, int continues, void *arg)
{
	struct json_object **out = arg;

	(void)continues;
	json.object_put(*out);
	*out = json.tokener_parse(parameters);
	return *out ? 0 : SFTOKEN_E_PROTOCOL;
}

/* One call, its reply as an object that the caller puts; NULL and *status after a complaint. */
static struct json_object *ask(const struct cli *cli, struct sftoken *h, const char *method,
			       const char *parameters, int *status)
{
	struct sftoken_err err = { 0 };
	struct json_object *reply = NULL;

	if (sftoken_call(h, method, parameters, SFTOKEN_CALL_REPEAT, CALL_MS, keep_reply, &reply,
			 &err) == 0 &&
	    reply)
		return reply;
	json.object_put(reply);
	*status = err.code ? complain_err(cli, &err)
			   : complain(EXIT_STATUS_INTERNAL,
				      "the daemon sent a reply that cannot be read");
	return NULL;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json.object_object_get_ex(o, key, &value) && value ? json.object_get_string(value)
								  : NULL;
}

static int64_t int_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json.object_object_get_ex(o, key, &value) ? json.object_get_int64(value) : 0;
}

static int print_plain(struct json_object *o)
{
	puts(json.object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	return finish_output();
}

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
	struct json_object *items;

	if (json.object_object_get_ex(page, "credentials", &items))
		for (size_t i = 0; i < json.object_array_length(items); i++)
			json.object_array_add(all,
					      json.object_get(json.object_array_get_idx(items, i)));
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

static void print_line(const char *title, const char *text)
{
	printf(on_terminal() ? "%-12s %s\n" : "%s\t%s\n", title, text && *text ? text : "-");
}

static void print_when(const char *title, int64_t at_s)
{
	char *text = when(at_s);

	print_line(title, text);
	free(text);
}

static void print_joined(const char *title, struct json_object *o, const char *key)
{
	struct json_object *items;
	size_t n = json.object_object_get_ex(o, key, &items) ? json.object_array_length(items) : 0;

	for (size_t i = 0; i < n; i++)
		print_line(i ? "" : title,
			   json.object_get_string(json.object_array_get_idx(items, i)));
}

static int print_credential(struct json_object *c)
{
	const char *colour = on_terminal() ? state_colour(text_of(c, "state")) : NULL;

	print_line("credential", text_of(c, "name"));
	print_joined("alias", c, "aliases");
	if (colour && !getenv("NO_COLOR"))
		printf("%-12s \033[%sm%s\033[0m\n", "state", colour, text_of(c, "state"));
	else
		print_line("state", text_of(c, "state"));
	print_line("problem", text_of(c, "lastError"));
	print_line("grant", text_of(c, "grantType"));
	print_line("instance", text_of(c, "instanceUrl"));
	print_line("user", text_of(c, "username"));
	print_line("generation", text_of(c, "generation"));
	print_when("expires", int_of(c, "expiresAt"));
	print_line("known by", text_of(c, "expirySource"));
	print_when("next", int_of(c, "nextRefreshAt"));
	print_line("requests", text_of(c, "upstreamAttempts"));
	return finish_output();
}

int cmd_show(struct cli *cli)
{
	struct json_object *parameters = json.object_new_object(), *reply, *credential;
	struct sftoken *h;
	int r = open_broker(cli, &h);

	if (r) {
		json.object_put(parameters);
		return r;
	}
	if (cli->credential)
		json.object_object_add(parameters, "credential",
				       json.object_new_string(cli->credential));
	reply = ask(cli, h, "io.sftoken.Broker.GetCredential",
		    json.object_to_json_string(parameters), &r);
	json.object_put(parameters);
	sftoken_close(h);
	if (!reply)
		return r;
	if (!json.object_object_get_ex(reply, "credential", &credential))
		r = complain(EXIT_STATUS_INTERNAL, "the daemon sent a reply that cannot be read");
	else
		r = cli->json ? print_plain(credential) : print_credential(credential);
	json.object_put(reply);
	return r;
}

static void print_listeners(struct json_object *status)
{
	struct json_object *items;
	size_t n = json.object_object_get_ex(status, "listeners", &items)
			   ? json.object_array_length(items)
			   : 0;

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
	print_line("store", text_of(s, "store"));
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

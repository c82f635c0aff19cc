/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/reply.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/table.h"

enum { CALL_MS = 10000, TITLE_WIDTH = 12 };

static int keep_reply(const char *parameters, int continues, void *arg)
{
	struct json_object **out = arg;

	(void)continues;
	json.object_put(*out);
	*out = json.tokener_parse(parameters);
	return *out ? 0 : SFTOKEN_E_PROTOCOL;
}

struct json_object *ask_within(struct sftoken *h, const char *method, const char *parameters,
			       int timeout_ms, struct sftoken_err *err)
{
	struct json_object *reply = NULL;

	if (sftoken_call(h, method, parameters, SFTOKEN_CALL_REPEAT, timeout_ms, keep_reply, &reply,
			 err) == 0 &&
	    reply)
		return reply;
	json.object_put(reply);
	return NULL;
}

struct json_object *ask_quietly(struct sftoken *h, const char *method, const char *parameters,
				struct sftoken_err *err)
{
	return ask_within(h, method, parameters, CALL_MS, err);
}

struct json_object *ask(const struct cli *cli, struct sftoken *h, const char *method,
			const char *parameters, int *status)
{
	struct sftoken_err err = { 0 };
	struct json_object *reply = ask_quietly(h, method, parameters, &err);

	if (!reply)
		*status = err.code ? complain_err(cli, &err)
				   : complain(EXIT_STATUS_INTERNAL,
					      "the daemon sent a reply that cannot be read");
	return reply;
}

struct json_object *named(const char *credential)
{
	struct json_object *o = json.object_new_object();

	if (credential)
		json.object_object_add(o, "credential", json.object_new_string(credential));
	return o;
}

const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json.object_object_get_ex(o, key, &value) && value ? json.object_get_string(value)
								  : NULL;
}

int64_t int_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json.object_object_get_ex(o, key, &value) ? json.object_get_int64(value) : 0;
}

struct json_object *items_of(struct json_object *o, const char *key, size_t *n)
{
	struct json_object *items = NULL;

	*n = json.object_object_get_ex(o, key, &items) ? json.object_array_length(items) : 0;
	return items;
}

int print_plain(struct json_object *o)
{
	puts(json.object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	return finish_output();
}

void print_line(const char *title, const char *text)
{
	printf(on_terminal() ? "%-12s %s\n" : "%s\t%s\n", title, text && *text ? text : "-");
}

void print_coloured(const char *title, const char *text, const char *colour)
{
	if (colour && colours_wanted())
		printf("%-12s \033[%sm%s\033[0m\n", title, colour, text);
	else
		print_line(title, text);
}

void print_paragraph(const char *title, const char *text)
{
	if (!on_terminal() || !text || !*text) {
		print_line(title, text);
		return;
	}
	printf("%-12s ", title);
	print_wrapped(text, TITLE_WIDTH + 1);
}

void print_when(const char *title, int64_t at_s)
{
	char *text = when(at_s);

	print_line(title, text);
	free(text);
}

void print_joined(const char *title, struct json_object *o, const char *key)
{
	size_t n;
	struct json_object *items = items_of(o, key, &n);

	for (size_t i = 0; i < n; i++)
		print_paragraph(i ? "" : title,
				json.object_get_string(json.object_array_get_idx(items, i)));
}

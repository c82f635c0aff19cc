/* SPDX-License-Identifier: Apache-2.0 */
/* The formats in which a token is printed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/cli.h"
#include "client/cli/json.h"

/* One function of the library for all texts: each symbol more is looked up at every start. */
static const char *text(const struct sftoken_token *t, const char *field)
{
	char none[1];

	return sftoken_token_field(t, field, none, sizeof none);
}

static int64_t number(const struct sftoken_token *t, const char *field)
{
	char buffer[32];
	const char *digits = sftoken_token_field(t, field, buffer, sizeof buffer);

	return digits ? strtoll(digits, NULL, 10) : 0;
}

static int print_raw(const struct sftoken_token *t)
{
	print_to(stdout, "%s\n", text(t, "accessToken"));
	return finish_output();
}

static int print_json(const struct sftoken_token *t)
{
	print_to(stdout, "%s\n", sftoken_token_json(t));
	return finish_output();
}

static int print_header(const struct sftoken_token *t)
{
	print_to(stdout, "Authorization: Bearer %s\n", text(t, "accessToken"));
	return finish_output();
}

static int print_curl(const struct sftoken_token *t)
{
	print_to(stdout, "header = \"Authorization: Bearer %s\"\n", text(t, "accessToken"));
	return finish_output();
}

bool token_variable(const struct sftoken_token *t, size_t i, const char **name, const char **value,
		    char buffer[32])
{
	static const char *const variables[][2] = {
		{ "SF_ACCESS_TOKEN", "accessToken" },
		{ "SF_ORG_INSTANCE_URL", "instanceUrl" },
		{ "SFTOKEN_EXPIRES_AT", "expiresAt" },
		{ "SFTOKEN_GENERATION", "generation" },
	};

	if (i >= sizeof variables / sizeof variables[0])
		return false;
	*name = variables[i][0];
	*value = sftoken_token_field(t, variables[i][1], buffer, 32);
	return true;
}

/* 'text', with each ' as '\'' : safe in every shell, also in bash where "!" is special. The outer ones are the caller's. */
static void print_quoted(const char *value)
{
	const char *quote;

	for (; (quote = strchr(value, '\'')) != NULL; value = quote + 1)
		print_to(stdout, "%.*s'\\''", (int)(quote - value), value);
	print_to(stdout, "%s", value);
}

static int print_env(const struct sftoken_token *t)
{
	const char *name, *value;
	char buffer[32];

	for (size_t i = 0; token_variable(t, i, &name, &value, buffer); i++) {
		print_to(stdout, "%s='", name);
		print_quoted(value ? value : "");
		print_to(stdout, "'\n");
	}
	return finish_output();
}

static void add_text(struct json_object *object, const char *key, const char *value)
{
	if (value)
		json.object_object_add(object, key, json.object_new_string(value));
}

static int print_object(struct json_object *object)
{
	const char *made = object ? json.object_to_json_string_ext(
					    object,
					    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
				  : NULL;

	if (made)
		print_to(stdout, "%s\n", made);
	json.object_put(object);
	return made ? finish_output() : complain(EXIT_STATUS_INTERNAL, "out of memory");
}

/* What Salesforce's token endpoint answered: issued_at is a text of milliseconds there. */
static int print_oauth(const struct sftoken_token *t)
{
	struct json_object *object = json.object_new_object();
	char issued_at[32];

	(void)snprintf(issued_at, sizeof issued_at, "%" PRId64 "000", number(t, "issuedAt"));
	add_text(object, "access_token", text(t, "accessToken"));
	add_text(object, "instance_url", text(t, "instanceUrl"));
	add_text(object, "id", text(t, "identityUrl"));
	add_text(object, "token_type", text(t, "tokenType"));
	add_text(object, "issued_at", issued_at);
	add_text(object, "scope", text(t, "scopes"));
	return print_object(object);
}

static int print_process(const struct sftoken_token *t)
{
	struct json_object *object = json.object_new_object();
	time_t expires_at = (time_t)number(t, "expiresAt");
	char expiration[40] = "";
	struct tm tm;

	if (gmtime_r(&expires_at, &tm))
		(void)strftime(expiration, sizeof expiration, "%Y-%m-%dT%H:%M:%SZ", &tm);
	json.object_object_add(object, "Version", json.object_new_int(1));
	add_text(object, "AccessToken", text(t, "accessToken"));
	add_text(object, "TokenType", text(t, "tokenType"));
	add_text(object, "InstanceUrl", text(t, "instanceUrl"));
	json.object_object_add(object, "Generation",
			       json.object_new_int64(number(t, "generation")));
	add_text(object, "Expiration", expiration);
	return print_object(object);
}

static int print_sf(const struct sftoken_token *t)
{
	struct json_object *object = json.object_new_object(), *result = json.object_new_object();

	add_text(result, "id", text(t, "organizationId"));
	add_text(result, "accessToken", text(t, "accessToken"));
	add_text(result, "instanceUrl", text(t, "instanceUrl"));
	add_text(result, "username", text(t, "username"));
	add_text(result, "connectedStatus", "Connected");
	json.object_object_add(object, "status", json.object_new_int(0));
	json.object_object_add(object, "result", result);
	json.object_object_add(object, "warnings", json.object_new_array());
	return print_object(object);
}

int format_open(const char *name, print_token_fn **out)
{
	static const struct {
		const char *name;
		print_token_fn *print;
		bool uses_json;
	} formats[] = {
		{ "token", print_raw, false },      { "json", print_json, false },
		{ "header", print_header, false },  { "env", print_env, false },
		{ "curl", print_curl, false },      { "oauth", print_oauth, true },
		{ "process", print_process, true }, { "sf", print_sf, true },
	};

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		if (strcmp(formats[i].name, name) != 0)
			continue;
		*out = formats[i].print;
		return formats[i].uses_json ? json_open() : 0;
	}
	/* those of option_choices() have all been looked at */
	return complain(EXIT_STATUS_INTERNAL, "there is no format \"%s\"", name);
}

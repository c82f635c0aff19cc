/* SPDX-License-Identifier: Apache-2.0 */
/* The formats in which a token is printed. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "client/cli/cli.h"

const char format_names[] = "token json header env curl oauth process sf";

static int print_raw(const struct sftoken_token *t)
{
	puts(sftoken_token_access_token(t));
	return finish_output();
}

static int print_json(const struct sftoken_token *t)
{
	puts(sftoken_token_json(t));
	return finish_output();
}

static int print_header(const struct sftoken_token *t)
{
	printf("Authorization: Bearer %s\n", sftoken_token_access_token(t));
	return finish_output();
}

static int print_curl(const struct sftoken_token *t)
{
	printf("header = \"Authorization: Bearer %s\"\n", sftoken_token_access_token(t));
	return finish_output();
}

bool token_variable(const struct sftoken_token *t, size_t i, const char **name, const char **value, char buffer[32])
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
	*value = token_field(t, variables[i][1], buffer);
	return true;
}

/* 'text', with each ' as '\'' : safe in every shell, also in bash where "!" is special. */
static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
	putchar('\'');
}

static int print_env(const struct sftoken_token *t)
{
	const char *name, *value;
	char buffer[32];

	for (size_t i = 0; token_variable(t, i, &name, &value, buffer); i++) {
		printf("%s=", name);
		print_quoted(value ? value : "");
		putchar('\n');
	}
	return finish_output();
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	if (text)
		json_object_object_add(object, key, json_object_new_string(text));
}

static int print_object(struct json_object *object)
{
	const char *text = object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
				  : NULL;

	if (text)
		puts(text);
	json_object_put(object);
	return text ? finish_output() : complain(EXIT_STATUS_INTERNAL, "out of memory");
}

/* What Salesforce's token endpoint answered: issued_at is a text of milliseconds there. */
static int print_oauth(const struct sftoken_token *t)
{
	struct json_object *object = json_object_new_object();
	char issued_at[32];

	(void)snprintf(issued_at, sizeof issued_at, "%" PRId64 "000", sftoken_token_issued_at(t));
	add_text(object, "access_token", sftoken_token_access_token(t));
	add_text(object, "instance_url", sftoken_token_instance_url(t));
	add_text(object, "id", sftoken_token_identity_url(t));
	add_text(object, "token_type", sftoken_token_type(t));
	add_text(object, "issued_at", issued_at);
	add_text(object, "scope", sftoken_token_scope(t));
	return print_object(object);
}

static int print_process(const struct sftoken_token *t)
{
	struct json_object *object = json_object_new_object();
	time_t expires_at = (time_t)sftoken_token_expires_at(t);
	char expiration[40] = "";
	struct tm tm;

	if (gmtime_r(&expires_at, &tm))
		(void)strftime(expiration, sizeof expiration, "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_object_object_add(object, "Version", json_object_new_int(1));
	add_text(object, "AccessToken", sftoken_token_access_token(t));
	add_text(object, "TokenType", sftoken_token_type(t));
	add_text(object, "InstanceUrl", sftoken_token_instance_url(t));
	json_object_object_add(object, "Generation", json_object_new_int64(sftoken_token_generation(t)));
	add_text(object, "Expiration", expiration);
	return print_object(object);
}

static int print_sf(const struct sftoken_token *t)
{
	struct json_object *object = json_object_new_object(), *result = json_object_new_object();

	add_text(result, "id", sftoken_token_organization_id(t));
	add_text(result, "accessToken", sftoken_token_access_token(t));
	add_text(result, "instanceUrl", sftoken_token_instance_url(t));
	add_text(result, "username", sftoken_token_username(t));
	add_text(result, "connectedStatus", "Connected");
	json_object_object_add(object, "status", json_object_new_int(0));
	json_object_object_add(object, "result", result);
	json_object_object_add(object, "warnings", json_object_new_array());
	return print_object(object);
}

print_token_fn *format_find(const char *name)
{
	static const struct {
		const char *name;
		print_token_fn *print;
	} formats[] = {
		{ "token", print_raw }, { "json", print_json },   { "header", print_header },   { "env", print_env },
		{ "curl", print_curl }, { "oauth", print_oauth }, { "process", print_process }, { "sf", print_sf },
	};

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].print;
	return NULL;
}

static const char *number(int64_t value, char buffer[32])
{
	(void)snprintf(buffer, 32, "%" PRId64, value);
	return buffer;
}

const char *token_field(const struct sftoken_token *t, const char *field, char buffer[32])
{
	static const struct {
		const char *name;
		const char *(*text)(const struct sftoken_token *t);
		int64_t (*number)(const struct sftoken_token *t);
	} fields[] = {
		{ "accessToken", sftoken_token_access_token, NULL },
		{ "tokenType", sftoken_token_type, NULL },
		{ "instanceUrl", sftoken_token_instance_url, NULL },
		{ "credential", sftoken_token_credential, NULL },
		{ "generation", NULL, sftoken_token_generation },
		{ "issuedAt", NULL, sftoken_token_issued_at },
		{ "expiresAt", NULL, sftoken_token_expires_at },
		{ "expirySource", sftoken_token_expiry_source, NULL },
		{ "validity", sftoken_token_validity, NULL },
		{ "refreshAfter", NULL, sftoken_token_refresh_after },
		{ "scopes", sftoken_token_scope, NULL },
		{ "identityUrl", sftoken_token_identity_url, NULL },
		{ "organizationId", sftoken_token_organization_id, NULL },
		{ "userId", sftoken_token_user_id, NULL },
		{ "username", sftoken_token_username, NULL },
		{ "expiresInSeconds", NULL, sftoken_token_expires_in },
	};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (strcmp(fields[i].name, field) == 0)
			return fields[i].text ? fields[i].text(t) : number(fields[i].number(t), buffer);
	return NULL;
}

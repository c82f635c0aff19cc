/* SPDX-License-Identifier: Apache-2.0 */
/* --help: of all commands, and of one with its options and an example. */
#include <string.h>

#include "client/cli/cli.h"

/* Texts, not pointers to them: each pointer is relocated at every start of `sftoken get`. */
static const struct {
	char name[16], value[12], meaning[72];
} meanings[] = {
	{ "--socket", "PATH", "the Broker socket" },
	{ "--manager", "PATH", "the Manager socket" },
	{ "--user", "", "the user's daemon" },
	{ "--system", "", "the system's daemon" },
	{ "--json", "", "print JSON" },
	{ "--quiet", "", "no messages, only the exit status (-q)" },
	{ "--help", "", "print help" },
	{ "--format", "FORMAT", "token, json, header, env, curl, oauth, process or sf" },
	{ "--min-valid", "S", "the token must live so many seconds" },
	{ "--wait", "S", "how long to wait, in seconds" },
	{ "--rejected", "GENERATION", "Salesforce refused this one: get a newer one" },
	{ "--allow-stale", "", "an old token is better than an error" },
	{ "--reason", "TEXT", "what it is for, for the audit log" },
	{ "--as", "sf", "set SF_TARGET_ORG, too" },
	{ "--env", "NAME=FIELD", "set a variable to a field of the token" },
	{ "--socket-only", "", "set SFTOKEN_SOCKET and SFTOKEN_CREDENTIAL alone" },
	{ "--generation", "N", "the one that Salesforce refused" },
	{ "--status", "HTTP", "the HTTP status of the refusal" },
	{ "--code", "ERROR", "its error code" },
	{ "--kind", "KIND", "what is given to the store" },
	{ "--fd", "N", "read the secret from this descriptor" },
	{ "--forget", "", "revoke and erase the refresh token as well" },
	{ "--flow", "FLOW", "web_server, user_agent or device" },
	{ "--hold", "", "keep its session from being ended by a renewal meanwhile" },
	{ "--output", "FILE", "write them into this file, at once or not at all" },
	{ "--no-browser", "", "print the address, and open no browser" },
	{ "--retry-unsafe", "", "repeat a request that changes something, too" },
	{ "--from-sf", "USER", "take the login of this user from Salesforce's own CLI" },
	{ "--yes", "", "do not ask whether that is meant" },
	{ "--grant", "GRANT",
	  "client_credentials, jwt_bearer, web_server, device or refresh_token" },
	{ "--login-url", "URL", "the address of the org" },
	{ "--client-id", "ID", "the consumer key of the app" },
	{ "--username", "USER", "whom the token is for" },
	{ "--private-key", "FILE", "a private key that is there" },
	{ "--new-key", "", "make a private key and its certificate" },
	{ "--allow-user", "USER", "who may use it, with commas between; \"\": nobody else" },
	{ "--config", "DIRECTORY", "the configuration of the daemon" },
	{ "--print", "", "print the file, and make nothing" },
	{ "--force", "", "replace what is there" },
};

static const struct {
	char name[12], choices[72];
} choices[] = {
	{ "--format", "token json header env curl oauth process sf" },
	{ "--kind", "refresh_token client_secret private_key sfdx_auth_url assertion" },
	{ "--flow", "web_server user_agent device" },
	{ "--grant", "client_credentials jwt_bearer web_server device refresh_token" },
	{ "--as", "sf" },
};

const char *option_choices(const char *name)
{
	for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
		if (strcmp(choices[i].name, name) == 0)
			return choices[i].choices;
	return NULL;
}

static size_t find_meaning(const char *name)
{
	size_t i = 0;

	while (i < sizeof meanings / sizeof meanings[0] && strcmp(meanings[i].name, name) != 0)
		i++;
	return i;
}

const char *option_value(const char *name)
{
	size_t i = find_meaning(name);

	return i < sizeof meanings / sizeof meanings[0] && *meanings[i].value ? meanings[i].value
									      : NULL;
}

const char *option_meaning(const char *name)
{
	size_t i = find_meaning(name);

	return i < sizeof meanings / sizeof meanings[0] ? meanings[i].meaning : NULL;
}

static void print_option(FILE *out, const char *name)
{
	const char *value = option_value(name), *meaning = option_meaning(name);
	int width = value ? 21 - (int)strlen(name) : 22 - (int)strlen(name);

	if (meaning)
		print_to(out, "  %s%s%-*s %s\n", name, value ? " " : "", width, value ? value : "",
			 meaning);
}

void cli_help_command(FILE *out, const struct command *c)
{
	print_to(out, "sftoken %s%s%s\n\n%s\n\n", c->name, *c->synopsis ? " " : "", c->synopsis,
		 c->help);
	for (size_t i = 0; i < n_cli_options; i++)
		if (cli_options[i].id && option_fits(&cli_options[i], c))
			print_option(out, cli_options[i].name);
	print_to(out, "%sexample:\n  %s\n", c->options ? "\n" : "", c->example);
}

static int first_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return (int)(end ? (size_t)(end - text) : strlen(text));
}

void cli_help(FILE *out)
{
	print_to(out, "sftoken: live Salesforce access tokens from the local sftokend\n\n");
	for (size_t i = 0; i < n_commands; i++)
		print_to(out, "  %-10s %.*s\n", commands[i].name, first_line(commands[i].help),
			 commands[i].help);
	print_to(
		out,
		"\n  sftoken COMMAND --help shows its options and an example\n\n"
		"  --socket PATH  --manager PATH  --user | --system  --json  -q  --version  --help\n\n"
		"CRED defaults to $SFTOKEN_CREDENTIAL, then to the only credential that you may use. See sftoken(1).\n");
}

int cmd_help(struct cli *cli)
{
	const struct command *c = NULL;
	int r = cli->rest ? cli_command(cli->rest[0], &c) : 0;

	if (r)
		return r;
	if (c)
		cli_help_command(stdout, c);
	else
		cli_help(stdout);
	return finish_output();
}

int cmd_version(struct cli *cli)
{
	(void)cli;
	print_to(stdout, "sftoken %s\n", sftoken_version());
	return finish_output();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sftoken: asks the local sftokend. The commands are one table; each is a function of what was said on the command line. */
#include "client/cli/cli.h"
#include "client/cli/json.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
	OPT_FORMAT = 1,
	OPT_MIN_VALID = 2,
	OPT_WAIT = 4,
	OPT_REJECTED = 8,
	OPT_STALE = 16,
	OPT_AS = 32,
	OPT_ENV = 64,
	OPT_SOCKET_ONLY = 128,
	OPT_GENERATION = 256,
	OPT_REASON = 512,
	OPT_STATUS = 1024,
	OPT_CODE = 2048,
	OPT_KIND = 4096,
	OPT_FD = 8192,
	OPT_FORGET = 16384,
	OPT_FLOW = 32768,
	OPT_NO_BROWSER = 65536,
	OPT_HOLD = 131072,
	OPT_OUTPUT = 262144
};

#define GET_OPTIONS (OPT_MIN_VALID | OPT_WAIT | OPT_REJECTED | OPT_STALE | OPT_REASON)

/* clang-format off */
const struct command commands[] = {
	{ "get", "[CRED] [--format token|json|header|env|curl|oauth|process|sf] [--min-valid S] [--wait S]\n"
	  "             [--rejected GENERATION] [--allow-stale] [--reason TEXT]",
	  "print an access token", "curl -H @<(sftoken get prod --format header) \"$URL\"",
	  GET_OPTIONS | OPT_FORMAT, TAKES_CREDENTIAL, cmd_get },
	{ "exec", "[CRED] [--as sf] [--env NAME=FIELD]... [--socket-only] [--hold] -- COMMAND...",
	  "run a command with a token in its environment\n\n"
	  "--hold keeps the session of the token from being ended by a renewal while the command runs (at most MaxHold= of the daemon,\n"
	  "and not beyond the life of the token); $SFTOKEN_HOLD_ENDS_AT says until when.", "sftoken exec prod -- python3 load.py",
	  GET_OPTIONS | OPT_AS | OPT_ENV | OPT_SOCKET_ONLY | OPT_HOLD, TAKES_CREDENTIAL | TAKES_COMMAND, cmd_exec },
	{ "env", "[CRED]", "print shell assignments", "eval \"$(sftoken env prod)\"", GET_OPTIONS, TAKES_CREDENTIAL, cmd_env },
	{ "list", "", "show the credentials that you may use", "sftoken list", 0, USES_JSON, cmd_list },
	{ "show", "[CRED]", "show one credential and what is wrong with it", "sftoken show prod", 0, TAKES_CREDENTIAL | USES_JSON, cmd_show },
	{ "watch", "[CRED] [--format FORMAT]", "print the token, and each new one", "sftoken watch prod --json",
	  OPT_FORMAT, TAKES_CREDENTIAL | USES_JSON, cmd_watch },
	{ "wait", "[CRED] [--wait S]", "wait until there is a token (and a daemon)", "sftoken wait prod --wait 60",
	  OPT_WAIT, TAKES_CREDENTIAL, cmd_wait },
	{ "report", "[CRED] --generation N [--status HTTP] [--code ERROR]", "say that Salesforce refused a token",
	  "sftoken report prod --generation 1790000000", OPT_GENERATION | OPT_STATUS | OPT_CODE, TAKES_CREDENTIAL, cmd_report },
	{ "refresh", "CRED [--wait S]", "get a new token now", "sftoken refresh prod", OPT_WAIT,
	  TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON, cmd_refresh },
	{ "login", "CRED [--flow web_server|user_agent|device] [--no-browser]",
	  "log in as a person, in a browser or with a code",
	  "sftoken login prod", OPT_FLOW | OPT_NO_BROWSER, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON, cmd_login },
	{ "import", "CRED --kind refresh_token|client_secret|private_key|sfdx_auth_url|assertion [--fd N]",
	  "give a secret, read from standard input, to the store\n\n"
	  "A refresh token may be used in one place alone: stop using it elsewhere first.",
	  "sftoken import prod --kind refresh_token < token.txt", OPT_KIND | OPT_FD,
	  TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON, cmd_import },
	{ "revoke", "CRED [--forget]",
	  "revoke the access token at Salesforce; --forget: the refresh token as well\n\n"
	  "With JWT bearer and client credentials others may hold the same access token: it ends for them, too.\n"
	  "--forget revokes the stored refresh token with all its sessions, and erases it.",
	  "sftoken revoke prod --forget", OPT_FORGET, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON, cmd_revoke },
	{ "adopt", "",
	  "take over a store that was found to be a copy\n\n"
	  "Make sure first that no other machine, clone or container runs with this store or a copy of it, and that it is\n"
	  "not older than the one that was used last: Salesforce answers an old refresh token by ending all its sessions.\n"
	  "If you are not sure, log in or import new refresh tokens first (sftoken login, sftoken import), then adopt.",
	  "sftoken adopt", 0, USES_JSON, cmd_adopt },
	{ "doctor", "CRED",
	  "walk the set-up step by step and say what is wrong\n\n"
	  "A credential that renews itself asks Salesforce for a token, once. A refresh token is not spent.\n"
	  "The exit status says who has to act: 0 nothing failed, 75 nobody (it may pass), 78 an administrator, 80 a person\n"
	  "who logs in.",
	  "sftoken doctor prod", 0, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON, cmd_doctor },
	{ "enable", "CRED", "renew and serve again", "sftoken enable prod", 0, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON, cmd_enable },
	{ "disable", "CRED", "stop renewing and serving", "sftoken disable prod", 0, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON, cmd_disable },
	{ "reload", "", "read the configuration again", "sftoken reload", 0, USES_JSON, cmd_reload },
	{ "status", "", "show the daemon, its files, sockets and warnings", "sftoken status", 0, USES_JSON, cmd_status },
	{ "metrics", "[--output FILE]",
	  "print the counters of the daemon for Prometheus\n\n"
	  "--output: into a file, at once or not at all, for the textfile collector of node_exporter. When no daemon answers the\n"
	  "file says sftokend_up 0, and the exit status is 69 or 75.",
	  "sftoken metrics --output /var/lib/prometheus/node-exporter/sftokend.prom", OPT_OUTPUT, USES_JSON, cmd_metrics },
	{ "ping", "", "ask whether the daemon answers", "sftoken ping", 0, USES_JSON, cmd_ping },
	{ "check", "[DIRECTORY]", "check the configuration without using it", "sftoken check /etc/sftokend", 0, TAKES_DIRECTORY, cmd_check },
};
/* clang-format on */
const size_t n_commands = sizeof commands / sizeof commands[0];

struct option {
	const char *name;
	unsigned id; /* 0: global */
	enum { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG, OPTION_ENV } type;
	size_t offset;
};

#define OF(member) offsetof(struct cli, member)

/* clang-format off */
static const struct option options[] = {
	{ "--socket",      0, OPTION_TEXT,   OF(socket) },
	{ "--manager",     0, OPTION_TEXT,   OF(manager) },
	{ "--user",        0, OPTION_FLAG,   OF(user) },
	{ "--system",      0, OPTION_FLAG,   OF(system) },
	{ "--json",        0, OPTION_FLAG,   OF(json) },
	{ "--quiet",       0, OPTION_FLAG,   OF(quiet) },
	{ "-q",            0, OPTION_FLAG,   OF(quiet) },
	{ "--help",        0, OPTION_FLAG,   OF(help) },
	{ "-h",            0, OPTION_FLAG,   OF(help) },
	{ "--format",      OPT_FORMAT,       OPTION_TEXT,   OF(format) },
	{ "--min-valid",   OPT_MIN_VALID,    OPTION_NUMBER, OF(min_valid_s) },
	{ "--wait",        OPT_WAIT,         OPTION_NUMBER, OF(wait_s) },
	{ "--rejected",    OPT_REJECTED,     OPTION_NUMBER, OF(rejected) },
	{ "--allow-stale", OPT_STALE,        OPTION_FLAG,   OF(allow_stale) },
	{ "--reason",      OPT_REASON,       OPTION_TEXT,   OF(reason) },
	{ "--as",          OPT_AS,           OPTION_TEXT,   OF(as) },
	{ "--env",         OPT_ENV,          OPTION_ENV,    0 },
	{ "--socket-only", OPT_SOCKET_ONLY,  OPTION_FLAG,   OF(socket_only) },
	{ "--hold",        OPT_HOLD,         OPTION_FLAG,   OF(hold) },
	{ "--generation",  OPT_GENERATION,   OPTION_NUMBER, OF(generation) },
	{ "--status",      OPT_STATUS,       OPTION_NUMBER, OF(http_status) },
	{ "--code",        OPT_CODE,         OPTION_TEXT,   OF(error_code) },
	{ "--kind",        OPT_KIND,         OPTION_TEXT,   OF(kind) },
	{ "--fd",          OPT_FD,           OPTION_NUMBER, OF(fd) },
	{ "--forget",      OPT_FORGET,       OPTION_FLAG,   OF(forget) },
	{ "--flow",        OPT_FLOW,         OPTION_TEXT,   OF(flow) },
	{ "--output",      OPT_OUTPUT,       OPTION_TEXT,   OF(output) },
	{ "--no-browser",  OPT_NO_BROWSER,   OPTION_FLAG,   OF(no_browser) },
};
/* clang-format on */

int complain(int status, const char *format, ...)
{
	va_list args;

	fputs("sftoken: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

static const struct option *find_option(const char *word, size_t len, const struct command *c)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		const struct option *o = &options[i];

		if (strlen(o->name) == len && memcmp(o->name, word, len) == 0 &&
		    (!o->id || (c && (c->options & o->id))))
			return o;
	}
	return NULL;
}

static void *member(struct cli *cli, const struct option *o)
{
	return (char *)cli + o->offset;
}

static int set_number(struct cli *cli, const struct option *o, const char *text)
{
	long long value;
	char *end;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end || end == text || value < 0)
		return complain(EXIT_STATUS_USAGE, "%s takes a whole number from 0 on, not \"%s\"",
				o->name, text);
	*(int64_t *)member(cli, o) = value;
	return 0;
}

static int set_option(struct cli *cli, const struct option *o, const char *value)
{
	switch (o->type) {
	case OPTION_FLAG:
		*(bool *)member(cli, o) = true;
		return 0;
	case OPTION_NUMBER:
		return set_number(cli, o, value);
	case OPTION_ENV:
		if (!strchr(value, '=') || *value == '=')
			return complain(EXIT_STATUS_USAGE,
					"--env takes NAME=FIELD, for example SF_URL=instanceUrl");
		if (cli->n_env == ENV_MAX)
			return complain(EXIT_STATUS_USAGE, "at most %d --env options", ENV_MAX);
		cli->env[cli->n_env++] = value;
		return 0;
	default:
		*(const char **)member(cli, o) = value;
		return 0;
	}
}

/* One option at argv[*i]; moves *i over its value. */
static int parse_option(struct cli *cli, char **argv, int *i)
{
	const char *word = argv[*i], *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct option *o = find_option(word, len, cli->command);
	const char *value = equals ? equals + 1 : NULL;

	if (!o)
		return complain(EXIT_STATUS_USAGE, "unknown option %.*s: see `sftoken %s%s--help`",
				(int)len, word, cli->command ? cli->command->name : "",
				cli->command ? " " : "");
	if (o->type == OPTION_FLAG) {
		if (equals)
			return complain(EXIT_STATUS_USAGE, "%s takes no value", o->name);
	} else if (!value) {
		value = argv[*i + 1];
		if (!value)
			return complain(EXIT_STATUS_USAGE, "%s needs a value", o->name);
		(*i)++;
	}
	return set_option(cli, o, value ? value : "");
}

static int parse_command(struct cli *cli, const char *word)
{
	const char *near;

	for (size_t k = 0; k < n_commands; k++)
		if (strcmp(commands[k].name, word) == 0)
			cli->command = &commands[k];
	if (cli->command)
		return 0;
	near = nearest_command(word);
	if (near)
		return complain(EXIT_STATUS_USAGE,
				"unknown command \"%s\": did you mean \"%s\"? See `sftoken --help`",
				word, near);
	return complain(EXIT_STATUS_USAGE, "unknown command \"%s\": see `sftoken --help`", word);
}

static int parse_word(struct cli *cli, char **argv, int i)
{
	const struct command *c = cli->command;

	if (!c)
		return parse_command(cli, argv[i]);
	if ((c->flags & TAKES_CREDENTIAL) && !cli->credential) {
		cli->credential = argv[i];
		return 0;
	}
	if ((c->flags & TAKES_DIRECTORY) && !cli->rest) {
		cli->rest = argv + i;
		return 0;
	}
	return complain(EXIT_STATUS_USAGE, "too many arguments at \"%s\": see `sftoken %s --help`",
			argv[i], c->name);
}

static int check_parsed(struct cli *cli)
{
	const struct command *c = cli->command;
	const char *named = getenv("SFTOKEN_CREDENTIAL");

	if (cli->help)
		return 0;
	if (!c) {
		cli_help(stderr);
		return EXIT_STATUS_USAGE;
	}
	if (cli->user && cli->system)
		return complain(EXIT_STATUS_USAGE, "--user and --system contradict each other");
	if ((c->flags & TAKES_CREDENTIAL) && !cli->credential && named && *named)
		cli->credential = named;
	if ((c->flags & NEEDS_CREDENTIAL) && !cli->credential)
		return complain(EXIT_STATUS_USAGE,
				"%s needs the name of a credential: see `sftoken list`", c->name);
	if ((c->flags & TAKES_COMMAND) && (!cli->rest || !*cli->rest))
		return complain(EXIT_STATUS_USAGE, "%s needs a command after --", c->name);
	return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
	int r;

	*cli = (struct cli){ .min_valid_s = -1,
			     .wait_s = -1,
			     .rejected = -1,
			     .generation = -1,
			     .http_status = -1,
			     .fd = -1 };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			if (!cli->command || !(cli->command->flags & TAKES_COMMAND))
				return complain(EXIT_STATUS_USAGE,
						"-- belongs to exec: see `sftoken exec --help`");
			cli->rest = argv + i + 1;
			break;
		}
		r = argv[i][0] == '-' && argv[i][1] ? parse_option(cli, argv, &i)
						    : parse_word(cli, argv, i);
		if (r)
			return r;
	}
	return check_parsed(cli);
}

void cli_help_command(FILE *out, const struct command *c)
{
	fprintf(out, "sftoken %s%s%s\n\n%s\n\nexample:\n  %s\n", c->name, *c->synopsis ? " " : "",
		c->synopsis, c->help, c->example);
}

void cli_help(FILE *out)
{
	fputs("sftoken: live Salesforce access tokens from the local sftokend\n\n", out);
	for (size_t i = 0; i < n_commands; i++)
		fprintf(out, "  %-8s %.*s\n", commands[i].name,
			(int)strcspn(commands[i].help, "\n"), commands[i].help);
	fputs("\n  sftoken COMMAND --help shows its options and an example\n\n"
	      "  --socket PATH  --manager PATH  --user | --system  --json  -q  --version  --help\n\n"
	      "CRED defaults to $SFTOKEN_CREDENTIAL, then to the only credential that you may use. See sftoken(1).\n",
	      out);
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return complain(EXIT_STATUS_INTERNAL, "cannot write to standard output: %s",
			strerror(errno));
}

int main(int argc, char **argv)
{
	struct cli cli;
	int r;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("sftoken %s\n", sftoken_version());
		return finish_output();
	}
	r = cli_parse(&cli, argc, argv);
	if (r)
		return r;
	if (cli.help || !cli.command) {
		if (cli.command)
			cli_help_command(stdout, cli.command);
		else
			cli_help(stdout);
		return finish_output();
	}
	if (cli.command->flags & USES_JSON)
		r = json_open();
	return r ? r : cli.command->run(&cli);
}

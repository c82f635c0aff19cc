/* SPDX-License-Identifier: Apache-2.0 */
/* The commands and the options of all of them: one table for the parser, the help, the completion, and for both files of the program (main.c, more.c). */
#include "client/cli/cli.h"
#include "client/cli/json.h"

#include <errno.h>
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
	OPT_OUTPUT = 262144,
	OPT_RETRY_UNSAFE = 1 << 20,
	OPT_FROM_SF = 1 << 21,
	OPT_SETUP = 1 << 22,
};

#define GET_OPTIONS (OPT_MIN_VALID | OPT_WAIT | OPT_REJECTED | OPT_STALE | OPT_REASON)

/* clang-format off */
const struct command commands[] = {
	{ "get", "[CRED] [--format token|json|header|env|curl|oauth|process|sf] [--min-valid S] [--wait S]\n"
	  "             [--rejected GENERATION] [--allow-stale] [--reason TEXT]",
	  "print an access token", "curl -H @<(sftoken get prod --format header) \"$URL\"",
	  GET_OPTIONS | OPT_FORMAT, TAKES_CREDENTIAL },
	{ "exec", "[CRED] [--as sf] [--env NAME=FIELD]... [--socket-only] [--hold] -- COMMAND...",
	  "run a command with a token in its environment\n\n"
	  "--hold keeps the session of the token from being ended by a renewal while the command runs (at most MaxHold= of the daemon,\n"
	  "and not beyond the life of the token); $SFTOKEN_HOLD_ENDS_AT says until when.", "sftoken exec prod -- python3 load.py",
	  GET_OPTIONS | OPT_AS | OPT_ENV | OPT_SOCKET_ONLY | OPT_HOLD, TAKES_CREDENTIAL | TAKES_COMMAND },
	{ "curl", "[CRED] [--retry-unsafe] /PATH [CURL-OPTIONS...]",
	  "run curl with a token, and once more with a new one after a 401\n\n"
	  "PATH is joined to the address of the org. What follows it is curl's. The token goes to curl through a descriptor.\n"
	  "Requests that change something are repeated with --retry-unsafe only.",
	  "sftoken curl prod /services/data/v60.0/limits", GET_OPTIONS | OPT_RETRY_UNSAFE, TAKES_CREDENTIAL | TAKES_URL },
	{ "env", "[CRED]", "print shell assignments", "eval \"$(sftoken env prod)\"", GET_OPTIONS, TAKES_CREDENTIAL },
	{ "list", "", "show the credentials that you may use", "sftoken list", 0, USES_JSON },
	{ "show", "[CRED]", "show one credential and what is wrong with it", "sftoken show prod", 0, TAKES_CREDENTIAL | USES_JSON },
	{ "watch", "[CRED] [--format FORMAT]", "print the token, and each new one", "sftoken watch prod --json",
	  OPT_FORMAT, TAKES_CREDENTIAL },
	{ "wait", "[CRED] [--wait S]", "wait until there is a token (and a daemon)", "sftoken wait prod --wait 60",
	  OPT_WAIT, TAKES_CREDENTIAL | WAITS_LONG },
	{ "report", "[CRED] --generation N [--status HTTP] [--code ERROR]", "say that Salesforce refused a token",
	  "sftoken report prod --generation 1790000000", OPT_GENERATION | OPT_STATUS | OPT_CODE, TAKES_CREDENTIAL },
	{ "refresh", "CRED [--wait S]", "get a new token now", "sftoken refresh prod", OPT_WAIT,
	  TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON },
	{ "setup", "NAME [--grant GRANT] [--login-url URL] [--client-id ID] [--username USER] [--new-key | --private-key FILE]\n"
	  "              [--allow-user USER] [--fd N] [--from-sf USER [--yes]] [--no-browser] [--config DIRECTORY] [--print] [--force]",
	  "make a credential, and see it through to its first token\n\n"
	  "Asks for what no option has said. No secret is an option: it is asked for without being shown, or comes by --fd.",
	  "sftoken setup prod --grant jwt_bearer --new-key", OPT_SETUP | OPT_FD | OPT_NO_BROWSER | OPT_FROM_SF,
	  TAKES_CREDENTIAL | NEEDS_CREDENTIAL | MAKES_CREDENTIAL | USES_JSON },
	{ "login", "CRED [--flow web_server|user_agent|device] [--no-browser]",
	  "log in as a person, in a browser or with a code",
	  "sftoken login prod", OPT_FLOW | OPT_NO_BROWSER, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON },
	{ "import", "CRED --kind refresh_token|client_secret|private_key|sfdx_auth_url|assertion [--fd N] | --from-sf USER [--yes]",
	  "give a secret, read from standard input, to the store\n\n"
	  "A refresh token may be used in one place alone: stop using it elsewhere first.\n"
	  "--from-sf takes the login of a user (or alias) of Salesforce's own CLI, which is asked for it.",
	  "sftoken import prod --kind refresh_token < token.txt", OPT_KIND | OPT_FD | OPT_FROM_SF,
	  TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON },
	{ "revoke", "CRED [--forget]",
	  "revoke the access token at Salesforce; --forget: the refresh token as well\n\n"
	  "With JWT bearer and client credentials others may hold the same access token: it ends for them, too.\n"
	  "--forget revokes the stored refresh token with all its sessions, and erases it.",
	  "sftoken revoke prod --forget", OPT_FORGET, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON },
	{ "adopt", "",
	  "take over a store that was found to be a copy\n\n"
	  "Make sure first that no other machine, clone or container runs with this store or a copy of it, and that it is\n"
	  "not older than the one that was used last: Salesforce answers an old refresh token by ending all its sessions.\n"
	  "If you are not sure, log in or import new refresh tokens first (sftoken login, sftoken import), then adopt.",
	  "sftoken adopt", 0, USES_JSON },
	{ "doctor", "CRED",
	  "walk the set-up step by step and say what is wrong\n\n"
	  "A credential that renews itself asks Salesforce for a token, once. A refresh token is not spent.\n"
	  "The exit status says who has to act: 0 nothing failed, 75 nobody (it may pass), 78 an administrator, 80 a person\n"
	  "who logs in.",
	  "sftoken doctor prod", 0, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON },
	{ "enable", "CRED", "renew and serve again", "sftoken enable prod", 0, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON },
	{ "disable", "CRED", "stop renewing and serving", "sftoken disable prod", 0, TAKES_CREDENTIAL | NEEDS_CREDENTIAL | USES_JSON },
	{ "reload", "", "read the configuration again", "sftoken reload", 0, USES_JSON },
	{ "status", "", "show the daemon, its files, sockets and warnings", "sftoken status", 0, USES_JSON },
	{ "metrics", "[--output FILE]",
	  "print the counters of the daemon for Prometheus\n\n"
	  "--output: into a file, at once or not at all, for the textfile collector of node_exporter. When no daemon answers the\n"
	  "file says sftokend_up 0, and the exit status is 69 or 75.",
	  "sftoken metrics --output /var/lib/prometheus/node-exporter/sftokend.prom", OPT_OUTPUT, USES_JSON },
	{ "ping", "", "ask whether the daemon answers", "sftoken ping", 0, 0 },
	{ "check", "[DIRECTORY]", "check the configuration without using it", "sftoken check /etc/sftokend", 0, TAKES_DIRECTORY | USES_JSON },
	{ "completion", "bash|zsh|fish",
	  "print the script that completes commands, options and credentials",
	  "eval \"$(sftoken completion bash)\"", 0, TAKES_SHELL },
	{ "help", "[COMMAND]", "print help, or that of a command", "sftoken help get", 0, TAKES_VERB },
	{ "version", "", "print the version", "sftoken version", 0, 0 },
};
/* clang-format on */
const size_t n_commands = sizeof commands / sizeof commands[0];

#define OF(member) offsetof(struct cli, member)

/* clang-format off */
const struct option cli_options[] = {
	{ "--socket",      0, OPTION_TEXT,   OF(socket) },
	{ "--manager",     0, OPTION_TEXT,   OF(manager) },
	{ "--user",        0, OPTION_FLAG,   OF(user) },
	{ "--system",      0, OPTION_FLAG,   OF(system) },
	{ "--json",        0, OPTION_FLAG,   OF(json) },
	{ "--quiet",       0, OPTION_FLAG,   OF(quiet) },
	{ "-q",            0, OPTION_FLAG,   OF(quiet) },
	{ "--help",        0, OPTION_FLAG,   OF(help) },
	{ "-h",            0, OPTION_FLAG,   OF(help) },
	{ "--format",      OPT_FORMAT,       OPTION_CHOICE,  OF(format) },
	{ "--min-valid",   OPT_MIN_VALID,    OPTION_NUMBER, OF(min_valid_s) },
	{ "--wait",        OPT_WAIT,         OPTION_NUMBER, OF(wait_s) },
	{ "--rejected",    OPT_REJECTED,     OPTION_NUMBER, OF(rejected) },
	{ "--allow-stale", OPT_STALE,        OPTION_FLAG,   OF(allow_stale) },
	{ "--reason",      OPT_REASON,       OPTION_TEXT,   OF(reason) },
	{ "--as",          OPT_AS,           OPTION_CHOICE,  OF(as) },
	{ "--env",         OPT_ENV,          OPTION_ENV,    0 },
	{ "--socket-only", OPT_SOCKET_ONLY,  OPTION_FLAG,   OF(socket_only) },
	{ "--hold",        OPT_HOLD,         OPTION_FLAG,   OF(hold) },
	{ "--generation",  OPT_GENERATION,   OPTION_NUMBER, OF(generation) },
	{ "--status",      OPT_STATUS,       OPTION_NUMBER, OF(http_status) },
	{ "--code",        OPT_CODE,         OPTION_TEXT,   OF(error_code) },
	{ "--kind",        OPT_KIND,         OPTION_CHOICE,  OF(kind) },
	{ "--fd",          OPT_FD,           OPTION_NUMBER, OF(fd) },
	{ "--forget",      OPT_FORGET,       OPTION_FLAG,   OF(forget) },
	{ "--flow",        OPT_FLOW,         OPTION_CHOICE,  OF(flow) },
	{ "--output",      OPT_OUTPUT,       OPTION_TEXT,   OF(output) },
	{ "--no-browser",  OPT_NO_BROWSER,   OPTION_FLAG,   OF(no_browser) },
	{ "--retry-unsafe", OPT_RETRY_UNSAFE, OPTION_FLAG,  OF(retry_unsafe) },
	{ "--from-sf",     OPT_FROM_SF,      OPTION_TEXT,   OF(from_sf) },
	{ "--yes",         OPT_FROM_SF,      OPTION_FLAG,   OF(yes) },
	{ "--grant",       OPT_SETUP,        OPTION_TEXT,   OF(setup.grant) },
	{ "--login-url",   OPT_SETUP,        OPTION_TEXT,   OF(setup.login_url) },
	{ "--client-id",   OPT_SETUP,        OPTION_TEXT,   OF(setup.client_id) },
	{ "--username",    OPT_SETUP,        OPTION_TEXT,   OF(setup.username) },
	{ "--private-key", OPT_SETUP,        OPTION_TEXT,   OF(setup.private_key) },
	{ "--new-key",     OPT_SETUP,        OPTION_FLAG,   OF(setup.new_key) },
	{ "--allow-user",  OPT_SETUP,        OPTION_TEXT,   OF(setup.allow_user) },
	{ "--config",      OPT_SETUP,        OPTION_TEXT,   OF(setup.config) },
	{ "--print",       OPT_SETUP,        OPTION_FLAG,   OF(setup.print) },
	{ "--force",       OPT_SETUP,        OPTION_FLAG,   OF(setup.force) },
};
/* clang-format on */
const size_t n_cli_options = sizeof cli_options / sizeof cli_options[0];

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror_unlocked(stdout))
		return 0;
	return complain(EXIT_STATUS_INTERNAL, "cannot write to standard output: %s",
			strerror(errno));
}

static int run(const struct verbs *verbs, struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; i < verbs->n; i++) {
		int r = 0;

		if (strcmp(verbs->verb[i].name, cli->command->name) != 0)
			continue;
		if (cli->command->flags & USES_JSON)
			r = json_open();
		return r ? r : verbs->verb[i].run(cli);
	}
	return verbs->others(cli, argc, argv);
}

int cli_main(const struct verbs *verbs, int argc, char **argv)
{
	struct cli cli;
	int r;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return cmd_version(NULL);
	r = cli_parse(&cli, argc, argv);
	if (r)
		return r;
	if (!cli.help && cli.command)
		return run(verbs, &cli, argc, argv);
	if (cli.command)
		cli_help_command(stdout, cli.command);
	else
		cli_help(stdout);
	return finish_output();
}

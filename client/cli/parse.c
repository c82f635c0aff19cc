/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the command line into struct cli. */
#include "client/cli/cli.h"
#include "client/cli/misplaced.h"
#include "client/cli/nearest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MAX_S = 300 /* interfaces: waitSeconds */, LIST_SIZE = 128 };

void print_to(FILE *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
}

int complain(int status, const char *format, ...)
{
	va_list args;

	print_to(stderr, "sftoken: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	print_to(stderr, "\n");
	return status;
}

bool option_fits(const struct option *o, const struct command *c)
{
	return !o->id || (c && (c->options & o->id));
}

static const struct option *find_option(const char *word, size_t len, const struct command *c)
{
	for (size_t i = 0; i < n_cli_options; i++)
		if (strlen(cli_options[i].name) == len &&
		    memcmp(cli_options[i].name, word, len) == 0 && option_fits(&cli_options[i], c))
			return &cli_options[i];
	return NULL;
}

static const char *guess_option(const char *word, int len, const struct command *c)
{
	char *whole = strdup(word);
	struct nearest near;

	if (whole)
		whole[len] = '\0';
	nearest_begin(&near, whole ? whole : "");
	for (size_t i = 0; i < n_cli_options; i++)
		if (option_fits(&cli_options[i], c))
			(void)nearest_try(&near, cli_options[i].name);
	free(whole);
	return nearest_guess(&near);
}

static int unknown_option(const struct cli *cli, char **argv, int i, int len)
{
	const struct command *c = cli->command;
	const char *word = argv[i];
	const char *name = c ? c->name : "", *space = c ? " " : "";
	const char *guess = guess_option(word, len, c);

	if (c && (c->flags & TAKES_URL))
		return complain_misplaced(cli, argv, i, guess);
	if (guess)
		return complain(EXIT_STATUS_USAGE,
				"unknown option %.*s: did you mean %s? See `sftoken %s%s--help`",
				len, word, guess, name, space);
	return complain(EXIT_STATUS_USAGE, "unknown option %.*s: see `sftoken %s%s--help`", len,
			word, name, space);
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

/* "a b c" as "a, b or c". */
static void write_list(const char *choices, char list[LIST_SIZE])
{
	const char *last = strrchr(choices, ' ');
	size_t n = 0;

	for (; *choices && n < LIST_SIZE - sizeof " or "; choices++) {
		const char *as = choices == last ? " or " : ", ";

		if (*choices != ' ') {
			list[n++] = *choices;
			continue;
		}
		memcpy(list + n, as, strlen(as));
		n += strlen(as);
	}
	list[n] = '\0';
}

static int check_choice(const struct option *o, const char *value)
{
	const char *choices = option_choices(o->name);
	char list[LIST_SIZE], guess[NEAREST_SIZE];
	bool guessed;

	if (is_one_of(value, choices))
		return 0;
	guessed = nearest_among(value, choices, guess);
	write_list(choices, list);
	return complain(EXIT_STATUS_USAGE, "%s takes %s, not \"%s\"%s%s%s", o->name, list, value,
			guessed ? ": did you mean " : "", guessed ? guess : "", guessed ? "?" : "");
}

/* What a shell can have: the rest would be in the environment, and nobody could read it there. */
static bool is_variable(const char *pair)
{
	const char *at = pair;

	while (*at == '_' || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
	       (at > pair && *at >= '0' && *at <= '9'))
		at++;
	return at > pair && *at == '=';
}

static int add_env(struct cli *cli, const char *pair)
{
	if (!strchr(pair, '='))
		return complain(EXIT_STATUS_USAGE,
				"--env takes NAME=FIELD, for example SF_URL=instanceUrl");
	if (!is_variable(pair))
		return complain(
			EXIT_STATUS_USAGE,
			"--env takes NAME=FIELD, and \"%.*s\" is no name of a variable: letters, digits and _, no digit first, for example SF_URL=instanceUrl",
			(int)(strchr(pair, '=') - pair), pair);
	if (cli->n_env == ENV_MAX)
		return complain(EXIT_STATUS_USAGE, "at most %d --env options", ENV_MAX);
	cli->env[cli->n_env++] = pair;
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
		return add_env(cli, value);
	case OPTION_CHOICE:
		*(const char **)member(cli, o) = value;
		return check_choice(o, value);
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
		return unknown_option(cli, argv, *i, (int)len);
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

int cli_command(const char *name, const struct command **out)
{
	struct nearest near;
	const char *guess;

	nearest_begin(&near, name);
	for (size_t k = 0; k < n_commands; k++) {
		if (strcmp(commands[k].name, name) == 0) {
			*out = &commands[k];
			return 0;
		}
	}
	for (size_t k = 0; k < n_commands; k++)
		(void)nearest_try(&near, commands[k].name);
	guess = nearest_guess(&near);
	if (guess)
		return complain(EXIT_STATUS_USAGE,
				"unknown command \"%s\": did you mean \"%s\"? See `sftoken --help`",
				name, guess);
	return complain(EXIT_STATUS_USAGE, "unknown command \"%s\": see `sftoken --help`", name);
}

static int parse_word(struct cli *cli, char **argv, int i)
{
	const struct command *c = cli->command;

	if (!c)
		return cli_command(argv[i], &cli->command);
	if ((c->flags & TAKES_URL) && (argv[i][0] == '/' || strstr(argv[i], "://"))) {
		cli->url = argv[i];
		cli->rest = argv + i + 1; /* and nothing of that is ours */
		return 0;
	}
	if ((c->flags & TAKES_CREDENTIAL) && !cli->credential) {
		cli->credential = argv[i];
		return 0;
	}
	if ((c->flags & (TAKES_DIRECTORY | TAKES_SHELL | TAKES_VERB)) && !cli->rest) {
		cli->rest = argv + i;
		return 0;
	}
	return complain(EXIT_STATUS_USAGE, "too many arguments at \"%s\": see `sftoken %s --help`",
			argv[i], c->name);
}

/* What the command cannot do without. */
static int check_needs(const struct cli *cli, const struct command *c)
{
	if ((c->flags & NEEDS_CREDENTIAL) && !cli->credential)
		return complain(EXIT_STATUS_USAGE,
				"%s needs the name of a credential: see `sftoken %s`", c->name,
				c->flags & MAKES_CREDENTIAL ? "setup --help" : "list");
	if ((c->flags & TAKES_COMMAND) && (!cli->rest || !*cli->rest))
		return complain(EXIT_STATUS_USAGE, "%s needs a command after --", c->name);
	if ((c->flags & TAKES_URL) && !cli->url)
		return complain(
			EXIT_STATUS_USAGE,
			"%s needs a path that begins with /, for example /services/data: see `sftoken %s --help`",
			c->name, c->name);
	return 0;
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
	if (cli->wait_s > WAIT_MAX_S && !(c->flags & WAITS_LONG))
		return complain(EXIT_STATUS_USAGE, "--wait takes 0 to %d seconds, not %lld",
				WAIT_MAX_S, (long long)cli->wait_s);
	return check_needs(cli, c);
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
	for (int i = 1; i < argc && !cli->url; i++) {
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

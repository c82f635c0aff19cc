/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: a table of commands, one file per group of them. Knows the daemon through sftoken.h alone.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/sftoken.h"

/* Exit statuses (interfaces.md: sysexits.h where one fits). */
enum exit_status {
	EXIT_STATUS_OK = 0,
	EXIT_STATUS_USAGE = 64,
	EXIT_STATUS_NO_CREDENTIAL = 66,
	EXIT_STATUS_NO_DAEMON = 69,
	EXIT_STATUS_INTERNAL = 70,
	EXIT_STATUS_TRY_AGAIN = 75,
	EXIT_STATUS_REJECTED = 76,
	EXIT_STATUS_REFUSED = 77,
	EXIT_STATUS_CONFIG = 78,
	EXIT_STATUS_LOGIN = 80,
};

enum { ENV_MAX = 64 };

/* What `setup` need not ask. NULL: nothing was said. */
struct setup_options {
	const char *grant, *login_url, *client_id, *username, *private_key, *allow_user, *config;
	bool new_key, print, force;
};

/* What the options and arguments said. */
struct cli {
	const struct command *command;
	const char *socket, *manager;
	bool user, system, json, quiet, help;
	const char *credential; /* argument, else $SFTOKEN_CREDENTIAL, else NULL */
	const char *output;     /* metrics */
	const char *format, *as, *reason, *error_code, *kind, *flow;
	int64_t min_valid_s, wait_s, rejected, generation, http_status, fd; /* -1: not given */
	bool allow_stale, socket_only, forget, no_browser, retry_unsafe, yes, hold;
	const char *from_sf, *url; /* curl: the path or URL, as it was said */
	struct setup_options setup;
	const char *env[ENV_MAX]; /* NAME=FIELD */
	size_t n_env;
	char **rest; /* exec: the command; curl: its options; check: the directory; completion: the shell; help: the command */
};

struct command {
	const char *name;
	const char *synopsis; /* arguments and options */
	const char *
		help; /* one line; what stands on more lines is for "sftoken COMMAND --help" alone */
	const char *example;
	unsigned options; /* bits of enum option_id that it takes beside the global ones */
	unsigned flags;
};

enum command_flags {
	TAKES_CREDENTIAL = 1,
	NEEDS_CREDENTIAL = 2, /* no default */
	TAKES_COMMAND = 4,    /* "-- COMMAND..." */
	TAKES_DIRECTORY = 8,
	USES_JSON = 16, /* reads or makes JSON: json-c is loaded */
	TAKES_URL = 32, /* what follows the path or URL belongs to another program */
	TAKES_SHELL = 64,
	MAKES_CREDENTIAL = 128, /* the one that it takes is not there yet */
	WAITS_LONG = 256,       /* asks as often as it takes; all others ask once */
	TAKES_VERB = 512,
};

extern const struct command commands[];
extern const size_t n_commands;

/* The commands that one file of the program has, and what is to be done for all others of the table. */
struct verbs {
	const struct verb {
		char name[12];
		int (*run)(struct cli *cli);
	} * verb;
	size_t n;
	int (*others)(const struct cli *cli, int argc, char **argv);
};

/* Does what argv says; the exit status. */
int cli_main(const struct verbs *verbs, int argc, char **argv);

struct option {
	char name[16]; /* no pointer, which would be relocated at every start */
	unsigned id;   /* a bit of command.options; 0: every command takes it */
	enum { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG, OPTION_ENV, OPTION_CHOICE } type;
	size_t offset; /* in struct cli */
};

extern const struct option cli_options[];
extern const size_t n_cli_options;

/* Whether the command takes it. c NULL: only what all take. */
bool option_fits(const struct option *o, const struct command *c);

/* exec --hold: *t held by a call on *h that the command inherits, until *ends_at (seconds since 1970). 0 or an exit status. */
int fetch_held(const struct cli *cli, struct sftoken **h, struct sftoken_token **t,
	       int64_t *ends_at);

enum { PARAMETERS_MAX = 512 };
/* {"credential": name}, or {} without one: JSON that takes no library, as what is no name needs no question. 0 or an exit status. */
int write_parameters(const struct cli *cli, char parameters[PARAMETERS_MAX]);

/* The commands. */
int cmd_get(struct cli *cli);
int cmd_env(struct cli *cli);
int cmd_exec(struct cli *cli);
int cmd_list(struct cli *cli);
int cmd_show(struct cli *cli);
int cmd_watch(struct cli *cli);
int cmd_wait(struct cli *cli);
int cmd_report(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_ping(struct cli *cli);
int cmd_refresh(struct cli *cli);
int cmd_login(struct cli *cli);
int cmd_import(struct cli *cli);
int cmd_revoke(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_adopt(struct cli *cli);
int cmd_enable(struct cli *cli);
int cmd_disable(struct cli *cli);
int cmd_reload(struct cli *cli);
int cmd_check(struct cli *cli);
int cmd_metrics(struct cli *cli);
int cmd_curl(struct cli *cli);
int cmd_setup(struct cli *cli);
int cmd_completion(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_version(struct cli *cli);

/* Parses argv into *cli; 0, or an exit status after a message. */
int cli_parse(struct cli *cli, int argc, char **argv);
void cli_help(FILE *out);
void cli_help_command(FILE *out, const struct command *c);
/* What stands for the value of an option in help ("PATH"), and one line of what it does; NULL: it takes no value, or is not known. */
const char *option_value(const char *name);
const char *option_meaning(const char *name);
/* The values that it can have, with blanks between; NULL: no list of them. */
const char *option_choices(const char *name);
/* Finds the command of that name; 0 or an exit status after a message. */
int cli_command(const char *name, const struct command **out);

/*
 * fprintf(3). The commands of main.c print with this alone, and the compiler makes no puts(), fputc(), fwrite() of it: each of them would be looked up at every start. Errors stay with out, for
 * finish_output().
 */
void print_to(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "sftoken: message" on standard error; returns status. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says what err says (unless -q) and returns its exit status. */
int complain_err(const struct cli *cli, const struct sftoken_err *err);
/* The exit status of what err says. */
int exit_status_of(const struct sftoken_err *err);

/* Handles on the two sockets; 0 or an exit status after a message. */
int open_broker(const struct cli *cli, struct sftoken **out);
int open_manager(const struct cli *cli, struct sftoken **out);

/* Prints one token in the format of that name; 0 or an exit status. Flushes, so that a full disk is noticed. */
typedef int print_token_fn(const struct sftoken_token *t);
/* The printer of a format; 0 or an exit status after a complaint. */
int format_open(const char *name, print_token_fn **out);

/* The options of `get` as the library wants them; texts are those of cli. */
struct sftoken_get_options get_options(const struct cli *cli);

/* Names and values of `env` and `exec`: i-th of them; false after the last. value points into buffer or t. */
bool token_variable(const struct sftoken_token *t, size_t i, const char **name, const char **value,
		    char buffer[32]);

/* Ends what was printed: 0, or a complaint that it could not be written. */
int finish_output(void);

#endif

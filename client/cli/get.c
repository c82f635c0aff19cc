/* SPDX-License-Identifier: Apache-2.0 */
/* get, env, exec, wait, report: the commands that ask for one token. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/progress.h"

enum { EXEC_CANNOT_RUN = 126, EXEC_NOT_FOUND = 127, WAIT_CALL_S = 300, WAIT_PAUSE_S = 1 };

static int clamp(int64_t value)
{
	return value > INT_MAX ? INT_MAX : (int)value;
}

struct sftoken_get_options get_options(const struct cli *cli)
{
	struct sftoken_get_options o = SFTOKEN_GET_OPTIONS_INIT;

	o.credential = cli->credential;
	o.rejected_generation = cli->rejected < 0 ? 0 : cli->rejected;
	o.min_valid_s = clamp(cli->min_valid_s);
	o.wait_s = clamp(cli->wait_s);
	o.allow_stale = cli->allow_stale;
	o.reason = cli->reason;
	return o;
}

static int fetch(const struct cli *cli, struct sftoken **h, struct sftoken_token **t)
{
	struct sftoken_get_options o = get_options(cli);
	struct sftoken_err err;
	int r = open_broker(cli, h);

	if (r)
		return r;
	if (sftoken_get(*h, &o, t, &err) == 0)
		return 0;
	sftoken_close(*h);
	return complain_err(cli, &err);
}

static int get_in(const struct cli *cli, const char *format)
{
	print_token_fn *print;
	struct sftoken_token *t;
	struct sftoken *h;
	int r = format_open(format, &print);

	if (r == 0)
		r = fetch(cli, &h, &t);
	if (r)
		return r;
	r = print(t);
	sftoken_token_free(t);
	sftoken_close(h);
	return r;
}

int cmd_get(struct cli *cli)
{
	return get_in(cli, cli->format ? cli->format : cli->json ? "json" : "token");
}

int cmd_env(struct cli *cli)
{
	return get_in(cli, cli->json ? "json" : "env");
}

static int set_variable(const char *name, const char *value)
{
	if (value && setenv(name, value, 1) < 0)
		return complain(EXIT_STATUS_INTERNAL, "cannot set %s: %s", name, strerror(errno));
	return 0;
}

/* --env NAME=FIELD */
static int set_named(const struct sftoken_token *t, const char *pair)
{
	size_t len = (size_t)(strchr(pair, '=') - pair); /* cli_parse() has seen it */
	char *name = strdup(pair), buffer[32];
	const char *value = sftoken_token_field(t, pair + len + 1, buffer, sizeof buffer);
	int r;

	if (!name)
		return complain(EXIT_STATUS_INTERNAL, "out of memory");
	name[len] = '\0';
	if (value)
		r = set_variable(name, value);
	else
		r = complain(EXIT_STATUS_USAGE,
			     "the token has no %s: see `sftoken get --format json`",
			     pair + len + 1);
	free(name);
	return r;
}

/* A JWT-format token has two dots and cannot stand for an org in `sf`. */
static int set_for_sf(const struct sftoken_token *t)
{
	char none[1];
	const char *token = sftoken_token_field(t, "accessToken", none, sizeof none);

	if (!strchr(token, '!'))
		return complain(
			EXIT_STATUS_USAGE,
			"--as sf needs an opaque access token; this credential gets JWT-format tokens");
	return set_variable("SF_TARGET_ORG", token);
}

static int set_environment(const struct cli *cli, const struct sftoken *h,
			   const struct sftoken_token *t)
{
	const char *name, *value;
	char buffer[32];
	int r = set_variable("SFTOKEN_SOCKET", sftoken_path(h));

	if (r == 0)
		r = set_variable("SFTOKEN_CREDENTIAL",
				 sftoken_token_field(t, "credential", buffer, sizeof buffer));
	for (size_t i = 0;
	     r == 0 && !cli->socket_only && token_variable(t, i, &name, &value, buffer); i++)
		r = set_variable(name, value);
	for (size_t i = 0; r == 0 && i < cli->n_env; i++)
		r = set_named(t, cli->env[i]);
	if (r == 0 && cli->as)
		r = set_for_sf(t);
	return r;
}

static int set_time(const char *name, int64_t seconds)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRId64, seconds);
	return set_variable(name, text);
}

static int check_exec(const struct cli *cli)
{
	bool chooses = cli->min_valid_s >= 0 || cli->rejected >= 0 || cli->wait_s >= 0 ||
		       cli->allow_stale || cli->reason;

	if (cli->hold && chooses)
		return complain(EXIT_STATUS_USAGE,
				"--hold chooses the token itself: leave out --min-valid, --wait, "
				"--rejected, --allow-stale and --reason");
	if (cli->as && cli->socket_only)
		return complain(EXIT_STATUS_USAGE, "--as and --socket-only contradict each other");
	return 0;
}

/* What the command finds. 0 or an exit status. */
static int prepare_exec(const struct cli *cli)
{
	struct sftoken_token *t;
	struct sftoken *h;
	int64_t hold_ends_at;
	int r = cli->hold ? fetch_held(cli, &h, &t, &hold_ends_at) : fetch(cli, &h, &t);

	if (r)
		return r;
	r = set_environment(cli, h, t);
	if (r == 0 && cli->hold)
		r = set_time("SFTOKEN_HOLD_ENDS_AT", hold_ends_at);
	sftoken_token_free(t);
	/* a hold lasts as long as its connection, which is the command's from now on */
	if (r || !cli->hold)
		sftoken_close(h);
	return r;
}

int cmd_exec(struct cli *cli)
{
	int r = check_exec(cli);

	if (r == 0)
		r = prepare_exec(cli);
	if (r)
		return r;
	execvp(cli->rest[0], cli->rest);
	return complain(errno == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT_RUN, "cannot run %s: %s",
			cli->rest[0], strerror(errno));
}

static int64_t now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Whether waiting can help. A name that does not exist will not appear by itself; a missing login may be made meanwhile. */
static bool may_pass(const struct sftoken_err *err)
{
	return err->code != SFTOKEN_E_INVALID && err->code != SFTOKEN_E_NO_SUCH_CREDENTIAL &&
	       err->code != SFTOKEN_E_REFUSED;
}

/* Who waits: at a terminal in steps of a second, of which each moves the clock on the line; else as long as the daemon takes a call. */
struct waiting {
	const struct cli *cli;
	int64_t begun_s, end_s; /* INT64_MAX: no end */
	int said;               /* code of the reason that was said last */
};

static int next_wait_s(const struct waiting *w)
{
	int64_t left_s = w->end_s == INT64_MAX ? WAIT_CALL_S : w->end_s - now_s();
	int64_t most_s = progress_wanted(w->cli) ? WAIT_PAUSE_S : WAIT_CALL_S;

	return left_s < 0 ? 0 : (int)(left_s > most_s ? most_s : left_s);
}

/* A reason is said once; on a terminal it stands on the line until something changes. */
static void say_progress(struct waiting *w, const struct sftoken_err *err)
{
	int64_t seconds = now_s() - w->begun_s;

	if (progress_wanted(w->cli))
		progress_show(
			w->cli, "waiting %" PRId64 ":%02d  %s", seconds / 60, (int)(seconds % 60),
			err->code == SFTOKEN_E_TIMED_OUT ? "a token is on its way" : err->text);
	else if (!w->cli->quiet && w->said != err->code)
		complain(0, "waiting: %s", err->text);
	w->said = err->code;
}

static int wait_for_token(struct waiting *w, struct sftoken *h)
{
	struct sftoken_get_options o = get_options(w->cli);
	struct sftoken_token *t;
	struct sftoken_err err;

	for (;;) {
		o.wait_s = next_wait_s(w);
		if (sftoken_get(h, &o, &t, &err) == 0) {
			sftoken_token_free(t);
			progress_erase();
			return 0;
		}
		if (!may_pass(&err) || now_s() >= w->end_s) {
			progress_erase();
			return complain_err(w->cli, &err);
		}
		say_progress(w, &err);
		if (err.code != SFTOKEN_E_TIMED_OUT || !progress_wanted(w->cli))
			(void)poll(NULL, 0, WAIT_PAUSE_S * 1000);
	}
}

int cmd_wait(struct cli *cli)
{
	int64_t begun_s = now_s();
	struct waiting w = {
		.cli = cli,
		.begun_s = begun_s,
		.end_s = cli->wait_s < 0 ? INT64_MAX : begun_s + cli->wait_s,
	};
	struct sftoken *h;
	int r = open_broker(cli, &h);

	if (r)
		return r;
	r = wait_for_token(&w, h);
	sftoken_close(h);
	return r;
}

int cmd_report(struct cli *cli)
{
	struct sftoken_err err;
	struct sftoken *h;
	int64_t current;
	int accepted, r;

	if (cli->generation < 0)
		return complain(EXIT_STATUS_USAGE,
				"report needs --generation N: the one that Salesforce refused "
				"(`sftoken get --format json` shows it)");
	r = open_broker(cli, &h);
	if (r)
		return r;
	r = sftoken_report(h, cli->credential, cli->generation,
			   cli->http_status < 0 ? 0 : clamp(cli->http_status), cli->error_code,
			   &accepted, &current, &err);
	sftoken_close(h);
	if (r < 0)
		return complain_err(cli, &err);
	if (cli->json)
		print_to(stdout, "{\"accepted\":%s,\"generation\":%" PRId64 "}\n",
			 accepted ? "true" : "false", current);
	else if (!cli->quiet)
		print_to(stdout,
			 accepted ? "generation %" PRId64 " will be checked with Salesforce\n"
				  : "nothing to do: the current generation is %" PRId64 "\n",
			 current);
	return finish_output();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* watch: the token, and each new one, until the daemon ends it. */
#include <poll.h>
#include <time.h>

#include "client/cli/progress.h"

/* How long to wait before the next try when the daemon was stopping. */
enum { AGAIN_MS = 100 };

struct watch {
	const struct cli *cli;
	print_token_fn *print;
	int64_t generation; /* printed last: a new connection begins with it again */
	int status;
	struct sftoken_err err;
};

/* What we wait for: the time at which the token ends, as a clock on the wall shows it. */
static void show_waiting(const struct watch *w, const struct sftoken_token *t)
{
	time_t at = (time_t)sftoken_token_expires_at(t);
	char until[32] = "";
	struct tm tm;

	if (at && localtime_r(&at, &tm))
		(void)strftime(until, sizeof until, "%H:%M:%S", &tm);
	progress_show(w->cli,
		      "watching \"%s\": this token is good until %s; waiting for the next one",
		      sftoken_token_credential(t), *until ? until : "a time that is not known");
}

/* Lets the formats of `get` print what WatchToken sends: the same reply, taken in by the library. */
static int print_next(const char *parameters, int continues, void *arg)
{
	struct watch *w = arg;
	struct sftoken_token *t;

	(void)continues;
	if (sftoken_token_parse(parameters, &t, &w->err) < 0)
		return w->err.code;
	progress_erase();
	if (sftoken_token_generation(t) != w->generation)
		w->status = w->print(t);
	show_waiting(w, t);
	w->generation = sftoken_token_generation(t);
	sftoken_token_free(t);
	return w->status;
}

int cmd_watch(struct cli *cli)
{
	const char *format = cli->format ? cli->format : cli->json ? "json" : "token";
	const char *quote = cli->credential ? "\"" : "";
	struct watch w = { .cli = cli };
	char parameters[PARAMETERS_MAX];
	struct sftoken_err err = { 0 };
	struct sftoken *h;
	int r = format_open(format, &w.print);

	if (r == 0)
		r = write_parameters(cli, parameters);
	if (r == 0)
		r = open_broker(cli, &h);
	if (r)
		return r;
	progress_show(cli, "watching %s%s%s: there is no token yet; waiting for one", quote,
		      cli->credential ? cli->credential : "the default credential", quote);
	for (;;) {
		r = sftoken_call(h, "io.sftoken.Broker.WatchToken", parameters,
				 SFTOKEN_CALL_REPEAT | SFTOKEN_CALL_MORE, 0, print_next, &w, &err);
		if (r != SFTOKEN_E_DISCONNECTED && r != SFTOKEN_E_SHUTTING_DOWN)
			break;
		progress_show(cli, "the daemon is away; waiting for it");
		(void)poll(NULL, 0, AGAIN_MS);
	}
	progress_erase();
	sftoken_close(h);
	if (w.status)
		return w.status;
	if (r < 0)
		return complain_err(cli, w.err.code ? &w.err : &err);
	return 0;
}

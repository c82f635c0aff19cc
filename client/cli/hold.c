/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec --hold: HoldToken, whose connection stays open in the command that is run. No process of ours waits beside it: the hold ends when the last copy of the descriptor is closed.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/cli.h"

enum { HOLD_WAIT_MS = 60000, NAME_LEN_MAX = 128 };

struct held {
	struct sftoken_token *token;
	int64_t ends_in_s;
	struct sftoken_err err;
};

/* The one member that is not the token's; in a text its quotes would be escaped. */
static int64_t ends_in(const char *parameters)
{
	static const char name[] = "\"endsInSeconds\":";
	const char *at = strstr(parameters, name);

	return at ? strtoll(at + sizeof name - 1, NULL, 10) : 0;
}

static int take_first(const char *parameters, int continues, void *arg)
{
	struct held *held = arg;

	(void)continues;
	if (held->token)
		return 0;
	held->ends_in_s = ends_in(parameters);
	return sftoken_token_parse(parameters, &held->token, &held->err);
}

static int64_t now_ms(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until the first reply is there. 0, or negative with err. */
static int wait_first(struct sftoken *h, struct held *held, struct sftoken_err *err)
{
	int64_t end_ms = now_ms(CLOCK_MONOTONIC) + HOLD_WAIT_MS;
	int r = 1;

	while (r > 0 && !held->token) {
		struct pollfd p = { sftoken_fd(h), (short)sftoken_events(h), 0 };
		int64_t left_ms = end_ms - now_ms(CLOCK_MONOTONIC);

		if (left_ms <= 0) {
			snprintf(err->text, sizeof err->text,
				 "no token to hold in %d s: see `sftoken show`",
				 HOLD_WAIT_MS / 1000);
			return err->code = SFTOKEN_E_DEADLINE;
		}
		(void)poll(&p, 1, (int)left_ms);
		r = sftoken_process(h, err);
	}
	return held->token ? 0 : r;
}

int write_parameters(const struct cli *cli, char parameters[PARAMETERS_MAX])
{
	static const char
		letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
	const char *name = cli->credential, *at;

	if (!name) {
		snprintf(parameters, PARAMETERS_MAX, "{}");
		return 0;
	}
	for (at = name; *at && strchr(letters, *at); at++)
		;
	if (*at || at - name > NAME_LEN_MAX)
		return complain(
			EXIT_STATUS_NO_CREDENTIAL,
			"there is no credential \"%s\" that you may use: see `sftoken list`", name);
	snprintf(parameters, PARAMETERS_MAX, "{\"credential\":\"%s\"}", name);
	return 0;
}

int fetch_held(const struct cli *cli, struct sftoken **h, struct sftoken_token **t,
	       int64_t *ends_at)
{
	/* the handle keeps a pointer to it: the call goes on */
	static struct held held;
	char parameters[PARAMETERS_MAX];
	struct sftoken_err err = { 0 };
	int r = write_parameters(cli, parameters);

	if (r == 0)
		r = open_broker(cli, h);
	if (r)
		return r;
	r = sftoken_start(*h, "io.sftoken.Broker.HoldToken", parameters,
			  SFTOKEN_CALL_MORE | SFTOKEN_CALL_REPEAT, take_first, &held, &err);
	if (r > 0)
		r = wait_first(*h, &held, &err);
	if (r < 0) {
		r = complain_err(cli, held.err.code ? &held.err : &err);
		sftoken_close(*h);
		return r;
	}
	if (sftoken_fd(*h) >= 0)
		(void)fcntl(sftoken_fd(*h), F_SETFD, 0);
	*t = held.token;
	*ends_at = now_ms(CLOCK_REALTIME) / 1000 + held.ends_in_s;
	return 0;
}

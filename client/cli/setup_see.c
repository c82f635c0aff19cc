/* SPDX-License-Identifier: Apache-2.0 */
/* From the credential file to the first token: secrets, a login, the steps of doctor as often as somebody mends something, and the proof. */
#include <string.h>
#include <time.h>

#include "client/cli/import.h"
#include "client/cli/setup.h"
#include "client/cli/sf.h"

static int import_secrets(struct setup *s)
{
	struct cli *cli = s->cli;
	int r = 0;

	if (s->secret.len && s->place.answers)
		r = secret_send(cli, kind_find("client_secret"), &s->secret);
	if (r == 0 && s->refresh.len)
		r = secret_send(cli,
				kind_find(strncmp(s->refresh.data, "force://", 8) == 0
						  ? "sfdx_auth_url"
						  : "refresh_token"),
				&s->refresh);
	if (r)
		complain(0, "\"%s\" is there, but has not got its secret: sftoken import %s --help",
			 cli->credential, cli->credential);
	return r;
}

static void say_no_token(const struct setup *s)
{
	const char *name = s->cli->credential;

	fprintf(stderr,
		"\n\"%s\" is there, and has no token yet. `sftoken doctor %s` looks again at any time.\n",
		name, name);
	if (s->secret.len)
		fprintf(stderr,
			"Another client secret is given with `sftoken import %s --kind client_secret`.\n",
			name);
}

/* What was mended may be the file. One with a mistake changes nothing, and is said; doctor then tells what is. */
static bool ask_again(const struct setup *s)
{
	if (!s->person || !ask_enter("When it is mended, press Enter (Ctrl-C: later):"))
		return false;
	(void)setup_reload(s, "");
	return true;
}

static int see_doctor(struct setup *s)
{
	for (;;) {
		int r;

		if (!s->cli->json && !s->cli->quiet)
			putchar('\n');
		(void)fflush(stdout);
		r = cmd_doctor(s->cli);
		if (r != EXIT_STATUS_CONFIG && r != EXIT_STATUS_TRY_AGAIN)
			return r;
		say_no_token(s);
		if (!ask_again(s))
			return r;
	}
}

static void print_token(const struct cli *cli, const struct sftoken_token *t)
{
	time_t at = (time_t)sftoken_token_expires_at(t);
	char until[40] = "a time that is not known";
	struct tm tm;

	if (cli->quiet || cli->json)
		return;
	if (at && localtime_r(&at, &tm))
		(void)strftime(until, sizeof until, "%Y-%m-%d %H:%M:%S", &tm);
	printf("\n\"%s\" has its first token, for %s\nvalid until %s, and renewed before that\nget it with: sftoken get %s\n",
	       cli->credential, sftoken_token_instance_url(t), until, cli->credential);
}

static int see_token(const struct cli *cli)
{
	struct sftoken_get_options o = get_options(cli);
	struct sftoken_token *t;
	struct sftoken_err err;
	struct sftoken *h;
	int r = open_broker(cli, &h);

	if (r)
		return r;
	if (sftoken_get(h, &o, &t, &err) == 0) {
		print_token(cli, t);
		sftoken_token_free(t);
	} else if (err.code == SFTOKEN_E_NO_SUCH_CREDENTIAL) {
		if (!cli->quiet && !cli->json)
			printf("\n\"%s\" has its first token, for those whom AllowUser= names; you are none of them\n",
			       cli->credential);
	} else {
		r = complain_err(cli, &err);
	}
	sftoken_close(h);
	return r ? r : finish_output();
}

static int advise_start(const struct setup *s)
{
	const char *name = s->cli->credential;

	if (s->place.system)
		complain(
			0,
			"no daemon runs: sudo systemctl enable --now sftokend, then sudo sftoken doctor %s",
			name);
	else
		complain(
			0,
			"no daemon runs: systemctl --user enable --now sftokend (or: sftokend --user), then sftoken doctor %s",
			name);
	if (s->answers.grant->needs & NEEDS_REFRESH_TOKEN)
		complain(0, "and give it the refresh token: sftoken import %s --kind refresh_token",
			 name);
	if (s->answers.grant->needs & NEEDS_LOGIN)
		complain(0, "and log in: sftoken login %s", name);
	return EXIT_STATUS_NO_DAEMON;
}

int setup_see_through(struct setup *s)
{
	int r;

	if (!s->place.answers)
		return advise_start(s);
	r = import_secrets(s);
	if (r == 0 && (s->answers.grant->needs & NEEDS_LOGIN)) {
		(void)fflush(stdout);
		r = cmd_login(s->cli);
	}
	if (r == 0)
		r = see_doctor(s);
	if (r == 0)
		r = see_token(s->cli);
	if (r == 0 && s->cli->from_sf)
		sf_advise(s->cli);
	return r;
}

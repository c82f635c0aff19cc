/* SPDX-License-Identifier: Apache-2.0 */
/* import: a secret on its way from a descriptor to the store. It is never an argument, never printed, and erased here when it has been sent. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/credential.h"
#include "client/cli/import.h"
#include "client/cli/sf.h"
#include "client/cli/terminal.h"

enum { SECRET_MAX = 64 * 1024, CALL_MS = 30000 };

static const struct kind kinds[] = {
	{ "refresh_token", "refresh token", true, true },
	{ "client_secret", "client secret", true, false },
	{ "private_key", "private key", false, false },
	{ "sfdx_auth_url", "SFDX auth URL", true, true },
	{ "assertion", "assertion", false, false },
};

const struct kind *kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

/* --- reading --- */

/* Waits until there is something to read on fd. False: a signal came before. */
static bool await_input(int fd, int signals)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = signals, .events = POLLIN } };

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return !p[1].revents;
}

/*
 * To the end, or of what is typed as a line to its end. One byte more than allowed is read, so that too much is seen. signals: a descriptor of those that end it, -1: none.
 */
static int read_bytes(int fd, bool line, int signals, struct bytes *out)
{
	while (out->len < out->room && !(line && out->len && out->data[out->len - 1] == '\n')) {
		ssize_t n;

		if (signals >= 0 && !await_input(fd, signals))
			return EXIT_STATUS_USAGE; /* whoever asked for that needs no words */
		n = read(fd, out->data + out->len, out->room - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain(EXIT_STATUS_USAGE,
					"the secret cannot be read from descriptor %d: %s", fd,
					strerror(errno));
		if (n == 0)
			break;
		out->len += (size_t)n;
	}
	return 0;
}

/* A terminal without echo must not be left behind, whatever ends us: what came meanwhile does so when the mask is as it was. */
static int read_terminal(const struct cli *cli, const struct kind *kind, int fd, struct bytes *out)
{
	struct terminal terminal;
	sigset_t mask;
	int r, signals = hold_signals(&mask);

	(void)terminal_hide(&terminal, fd, TERMINAL_LINES);
	fprintf(stderr, "%s of \"%s\" (is not shown)%s: ", kind->title, cli->credential,
		kind->line ? "" : ", then Ctrl-D on a line of its own");
	r = read_bytes(fd, kind->line, signals, out);
	fputc('\n', stderr);
	terminal_show(&terminal);
	if (r && out->data)
		explicit_bzero(out->data, out->room);
	release_signals(signals, &mask);
	return r;
}

/* How long the character at text is (RFC 3629); 0: it is none that a JSON string can hold. */
static size_t character(const unsigned char *text, size_t left)
{
	static const struct {
		unsigned char first, last, second_min, second_max;
		size_t len;
	} rows[] = {
		{ 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (*text < rows[i].first || *text > rows[i].last || rows[i].len > left)
			continue;
		if (rows[i].len > 1 &&
		    (text[1] < rows[i].second_min || text[1] > rows[i].second_max))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((text[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

static int check_text(const struct cli *cli, const struct bytes *b, const struct kind *kind)
{
	size_t len;

	if (b->len == 0 && (cli->command->flags & MAKES_CREDENTIAL))
		return complain(
			EXIT_STATUS_USAGE,
			"there is no %s on the input, so \"%s\" was not made: give it with --fd N, for example --fd 3 3< FILE",
			kind->title, cli->credential);
	if (b->len == 0)
		return complain(EXIT_STATUS_USAGE,
				"there is no %s on the input: sftoken import CRED --kind %s < FILE",
				kind->title, kind->name);
	if (b->len > SECRET_MAX)
		return complain(EXIT_STATUS_USAGE, "the input is longer than 64 KiB: this is no %s",
				kind->title);
	for (size_t at = 0; at < b->len; at += len) {
		len = character((const unsigned char *)b->data + at, b->len - at);
		if (len == 0)
			return complain(
				EXIT_STATUS_USAGE,
				"byte %zu of the input is no text (a NUL, or no UTF-8): this is no %s",
				at + 1, kind->title);
	}
	return 0;
}

int secret_read(const struct cli *cli, const struct kind *kind, struct bytes *out)
{
	int fd = cli->fd < 0 ? STDIN_FILENO : cli->fd > INT_MAX ? -1 : (int)cli->fd;
	int r = bytes_make(out, SECRET_MAX + 1);

	if (r)
		return r;
	if (isatty(fd))
		r = read_terminal(cli, kind, fd, out);
	else
		r = read_bytes(fd, false, -1, out);
	return r ? r : check_text(cli, out, kind);
}

/* --- sending --- */

/* {"credential":..., "kind":..., "value":...}; json-c would leave copies of the secret behind. */
static int make_parameters(const struct cli *cli, const struct kind *kind,
			   const struct bytes *secret, struct bytes *out)
{
	size_t name = strlen(cli->credential);
	int r = bytes_make(out, 6 * (name + secret->len) + strlen(kind->name) + 64);

	if (r)
		return r;
	BYTES_ADD(out, "{\"credential\":");
	bytes_add_quoted(out, cli->credential, name);
	BYTES_ADD(out, ",\"kind\":");
	bytes_add_quoted(out, kind->name, strlen(kind->name));
	BYTES_ADD(out, ",\"value\":");
	bytes_add_quoted(out, secret->data, secret->len);
	bytes_add(out, "}", 2);
	return 0;
}

static int print_reply(const char *parameters, int continues, void *arg)
{
	const struct cli *cli = arg;

	(void)continues;
	if (cli->json)
		puts(parameters);
	return 0;
}

/* A refresh token that works is what somebody may not have wanted to replace. Not known: false. */
static bool replaces_working(const struct cli *cli, const struct kind *kind)
{
	struct json_object *reply;
	const char *state;
	bool works;

	if (!kind->refreshes || cli->quiet)
		return false;
	reply = credential_ask(cli);
	state = credential_text(reply, "state");
	works = state && strcmp(state, "valid") == 0;
	json.object_put(reply);
	return works;
}

static int send_parameters(struct cli *cli, const struct kind *kind, const struct bytes *parameters)
{
	bool replaces = replaces_working(cli, kind);
	struct sftoken_err err = { 0 };
	struct sftoken *h;
	int r = open_manager(cli, &h);

	if (r)
		return r;
	if (sftoken_call(h, "io.sftoken.Manager.ImportSecret", parameters->data, 0, CALL_MS,
			 print_reply, cli, &err) < 0)
		r = complain_err(cli, &err);
	sftoken_close(h);
	if (r)
		return r;
	if (!cli->json && !cli->quiet)
		printf("the %s of \"%s\" is in the store\n", kind->title, cli->credential);
	if (replaces)
		complain(0, "it replaces the one that was there, which worked");
	return finish_output();
}

int secret_send(struct cli *cli, const struct kind *kind, const struct bytes *secret)
{
	struct bytes parameters = { 0 };
	int r = kind ? make_parameters(cli, kind, secret, &parameters) : EXIT_STATUS_INTERNAL;

	if (r == 0)
		r = send_parameters(cli, kind, &parameters);
	bytes_erase(&parameters);
	return r;
}

static int import_from_sf(struct cli *cli)
{
	struct bytes secret = { 0 };
	struct sf_login login;
	int r;

	if (cli->kind || cli->fd >= 0)
		return complain(EXIT_STATUS_USAGE, "--from-sf takes the place of --kind and --fd");
	r = sf_confirm(cli);
	if (r == 0)
		r = sf_read(cli, &secret);
	if (r == 0)
		r = secret_send(cli, kind_find("sfdx_auth_url"), &secret);
	if (r == EXIT_STATUS_NO_CREDENTIAL && !cli->quiet && sf_login_of(&secret, &login))
		complain(
			0,
			"to make the credential: sftoken setup %s --from-sf %s (LoginUrl=https://%.*s, ClientId=%.*s)",
			cli->credential, cli->from_sf, (int)login.n_host, login.host,
			(int)login.n_client_id, login.client_id);
	bytes_erase(&secret);
	if (r == 0)
		sf_advise(cli);
	return r;
}

int cmd_import(struct cli *cli)
{
	const struct kind *kind = cli->kind ? kind_find(cli->kind) : NULL;
	struct bytes secret = { 0 };
	int r;

	if (cli->from_sf)
		return import_from_sf(cli);
	if (!kind)
		return complain(
			EXIT_STATUS_USAGE,
			"import needs --kind, one of refresh_token client_secret private_key sfdx_auth_url assertion");
	r = secret_read(cli, kind, &secret);
	if (r == 0)
		r = secret_send(cli, kind, &secret);
	bytes_erase(&secret);
	return r;
}

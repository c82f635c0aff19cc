/* SPDX-License-Identifier: Apache-2.0 */
/* Asks `sf`. Newer versions have a command of its own for the URL and hide it everywhere else; older ones show it in `sf org display`. */
#include "client/cli/sf.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/json.h"
#include "client/cli/process.h"
#include "client/cli/reply.h"
#include "client/cli/setup.h"

enum { PRINTED_MAX = 256 * 1024, WORDS = 8 };

static const char *const commands_of_sf[][WORDS] = {
	{ "sf", "org", "auth", "show-sfdx-auth-url", "--json", "--target-org" },
	{ "sf", "org", "display", "--verbose", "--json", "--target-org" },
};

int sf_confirm(const struct cli *cli)
{
	if (cli->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return complain(
			EXIT_STATUS_USAGE,
			"the login of %s would have two holders, and the second one to use its refresh token may end all its sessions: with --yes it is taken over all the same",
			cli->from_sf);
	fprintf(stderr,
		"Salesforce's own CLI keeps the login of %s as well. A refresh token has one holder: where Salesforce replaces it at each use,\n"
		"the second one to use it ends all its sessions. Use `sf` no more with this login from now on.\n\n",
		cli->from_sf);
	if (ask_yes("Take it over?", false))
		return 0;
	return complain(EXIT_STATUS_USAGE, "nothing was taken over");
}

void sf_advise(const struct cli *cli)
{
	if (!cli->quiet && !cli->json)
		printf("now take it out of the other CLI: sf org logout --target-org %s --no-prompt (this revokes nothing); `sftoken exec %s --as sf -- sf ...` gives it tokens\n",
		       cli->from_sf, cli->credential);
}

/* What sf says of an error, "message" in its JSON; NULL: it did not say. Caller puts *o. */
static const char *message_of(struct bytes *printed, struct json_object **o)
{
	size_t end = printed->len < printed->room ? printed->len : printed->room - 1;

	printed->data[end] = '\0';
	*o = json.tokener_parse(printed->data);
	return *o ? text_of(*o, "message") : NULL;
}

/* Takes the URL out of what was printed; false: there is none. */
static bool take_url(const struct bytes *printed, struct bytes *out)
{
	size_t n;
	const char *url = sf_auth_url(printed, &n);

	if (!url || n >= out->room)
		return false;
	bytes_add(out, url, n);
	return true;
}

static int run(const char *const command[WORDS], const char *user, struct bytes *printed)
{
	struct bytes errors = { 0 };
	char *words[WORDS + 1];
	size_t n = 0;
	int r;

	while (command[n]) {
		words[n] = (char *)(uintptr_t)command[n];
		n++;
	}
	words[n++] = (char *)(uintptr_t)user;
	words[n] = NULL;
	r = bytes_make(&errors, PRINTED_MAX);
	if (r == 0)
		r = process_read(words, printed, &errors);
	bytes_erase(&errors);
	return r;
}

static int complain_run(int code)
{
	if (code == -ENOENT)
		return complain(
			EXIT_STATUS_CONFIG,
			"sf is not installed here, or not in $PATH: it is asked for the login");
	return complain(EXIT_STATUS_INTERNAL, "sf cannot be run: %s", strerror(-code));
}

static int complain_nothing(const struct cli *cli, const char *said)
{
	char *line = strdup(said ? said : "");

	for (char *at = line; at && *at; at++) /* it may come in several lines */
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
	if (line && *line)
		complain(0, "sf gives no login of %s: %s", cli->from_sf, line);
	free(line);
	if (said && *said)
		return EXIT_STATUS_USAGE;
	return complain(
		EXIT_STATUS_USAGE,
		"sf gives no refresh token of %s: it must have logged in with a browser there (`sf org list` shows who has)",
		cli->from_sf);
}

/* One way to ask. True: out has the URL; else *said is what sf printed, or NULL. *r: an exit status after a complaint. */
static bool ask_sf(const struct cli *cli, size_t way, struct bytes *out, struct json_object **said,
		   int *r)
{
	struct bytes printed = { 0 };
	bool found = false;
	int code = bytes_make(&printed, PRINTED_MAX)
			   ? -ENOMEM
			   : run(commands_of_sf[way], cli->from_sf, &printed);

	if (code < 0)
		*r = complain_run(code);
	else
		found = take_url(&printed, out); /* what it printed says more than its status */
	if (code >= 0 && !found)
		(void)message_of(&printed, said);
	bytes_erase(&printed);
	return found;
}

int sf_read(const struct cli *cli, struct bytes *out)
{
	struct json_object *said[2] = { NULL, NULL };
	const char *message;
	bool found = false;
	int r = bytes_make(out, PRINTED_MAX);

	for (size_t i = 0; r == 0 && !found && i < 2; i++)
		found = ask_sf(cli, i, out, &said[i], &r);
	if (r == 0 && !found) {
		message = said[1] ? text_of(said[1], "message") : NULL;
		if (!message && said[0])
			message = text_of(said[0], "message");
		/* an old one says that it has no such command */
		r = complain_nothing(cli, message && !strstr(message, "ommand") ? message : NULL);
	}
	json.object_put(said[0]);
	json.object_put(said[1]);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the person sees. Standard output has what is to be opened or typed, standard error what happens meanwhile. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/login.h"
#include "client/cli/qr.h"

enum { C1_LEAD = 0xc2, C1_FIRST = 0x80, C1_LAST = 0x9f };

static bool waiting_is_shown;

char *harmless(const char *text)
{
	char *copy = strdup(text ? text : "");

	for (size_t i = 0; copy && copy[i]; i++) {
		unsigned char c = (unsigned char)copy[i], next = (unsigned char)copy[i + 1];

		if (c < ' ' || c == 0x7f)
			copy[i] = '?';
		if (c == C1_LEAD && next >= C1_FIRST && next <= C1_LAST)
			copy[i] = copy[i + 1] = '?';
	}
	return copy;
}

void show_nothing(void)
{
	if (waiting_is_shown)
		fputs("\r\033[K", stderr);
	waiting_is_shown = false;
}

void show_note(const struct cli *cli, const char *format, ...)
{
	char *text, *clean;
	va_list args;
	int n;

	if (cli->quiet)
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return;
	show_nothing();
	clean = harmless(text);
	complain(0, "%s", clean ? clean : "");
	free(clean);
	free(text);
}

void show_waiting(const struct cli *cli, bool device, int64_t expires_at_s)
{
	int64_t left_s = expires_at_s - (int64_t)time(NULL);

	if (cli->quiet || cli->json || !isatty(STDERR_FILENO))
		return;
	if (!expires_at_s)
		fprintf(stderr, "\r\033[Kwaiting...");
	else
		fprintf(stderr, "\r\033[Kwaiting... %s is good for %" PRId64 ":%02d",
			device ? "the code" : "the address", left_s > 0 ? left_s / 60 : 0,
			left_s > 0 ? (int)(left_s % 60) : 0);
	waiting_is_shown = true;
}

static void print_address(const char *text)
{
	char *clean = harmless(text);

	printf("  %s\n\n", clean ? clean : "");
	free(clean);
}

/* The line that brings the port of the listener to the machine where the browser is. $SSH_CONNECTION: client, its port, server, its port. */
static void print_forwarding(const struct redirect *redirect)
{
	const char *connection = getenv("SSH_CONNECTION");
	struct redirect_uri uri;
	size_t start = 0, len;

	if (!connection || redirect_uri_parse(redirect_uri_of(redirect), &uri) < 0)
		return;
	for (int i = 0; i < 2; i++)
		start += strcspn(connection + start, " ") +
			 (strchr(connection + start, ' ') ? 1 : 0);
	len = strspn(connection + start, "0123456789abcdefABCDEF.:");
	if (len == 0)
		return;
	printf("Or bring it here, with this on the machine of the browser, before you open the address:\n\n"
	       "  ssh -L %u:%.*s:%u %.*s\n\n",
	       uri.port, (int)uri.host_len, uri.text + uri.host, uri.port, (int)len,
	       connection + start);
}

static void print_paste(const struct ways *ways)
{
	const char *why = "";

	if (ways->redirect)
		why = "If that browser cannot reach this machine, paste";
	else
		why = "When the browser has come to its end (a page that it cannot show, perhaps), paste";
	printf("%s the address it ends at here, and press Enter. It is not shown.\n\n", why);
}

void show_web(const struct cli *cli, const char *url, const struct ways *ways)
{
	char *clean;

	if (cli->json)
		return;
	if (cli->quiet) {
		clean = harmless(url);
		puts(clean ? clean : "");
		free(clean);
		return;
	}
	if (ways->browser)
		printf("Log in \"%s\" in the browser that opens now, or open this address:\n\n",
		       cli->credential);
	else if (getenv("SSH_CONNECTION"))
		printf("To log in \"%s\", open the URL in a browser anywhere:\n\n",
		       cli->credential);
	else
		printf("To log in \"%s\", open this address in a browser:\n\n", cli->credential);
	print_address(url);
	if (ways->paste)
		print_paste(ways);
	if (ways->redirect)
		print_forwarding(ways->redirect);
}

void show_device(const struct cli *cli, struct json_object *reply)
{
	const char *complete = text_of(reply, "verificationUriComplete");
	char *uri = harmless(text_of(reply, "verificationUri")),
	     *code = harmless(text_of(reply, "userCode")), *whole = harmless(complete);

	if (cli->quiet && !cli->json && uri && code)
		printf("%s\n%s\n", uri, code);
	if (!cli->quiet && !cli->json && uri && code && whole) {
		qr_print(*whole ? whole : uri);
		printf("To log in \"%s\", open this address on any device:\n\n  %s\n\nand enter the code:\n\n  %s\n\n",
		       cli->credential, uri, code);
		if (*whole)
			printf("Or open this address, which has the code in it:\n\n  %s\n\n",
			       whole);
	}
	free(uri);
	free(code);
	free(whole);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the steps of the set-up as they are found out, and an exit status that says who has to act. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/reply.h"
#include "client/cli/table.h"

/* Longer than the daemon takes: it waits for Salesforce, and a moment for a host that has failed before. */
enum { DOCTOR_MS = 240 * 1000, INDENT = 16 };

struct visit {
	const struct cli *cli;
	bool utf8;
	int status; /* by the first step that failed */
};

static const struct {
	const char *outcome, *mark, *word, *colour;
} outcomes[] = {
	{ "ok", "\u2713", "ok", "32" },
	{ "warning", "!", "warning", "33" },
	{ "failed", "\u2717", "FAILED", "31" },
	{ "skipped", "\u2013", "-", "2" },
};

static size_t find_outcome(const char *outcome)
{
	size_t i = 0;

	/* one that this program does not know yet deserves a look */
	while (i < 3 && (!outcome || strcmp(outcomes[i].outcome, outcome) != 0))
		i++;
	return outcome && i == 3 && strcmp(outcome, "skipped") != 0 ? 1 : i;
}

/* The character is one column wide, whatever its bytes. */
static void print_mark(const struct visit *v, size_t i)
{
	const char *text = v->utf8 ? outcomes[i].mark : outcomes[i].word;
	int room = v->utf8 ? 1 : 7;

	if (colours_wanted())
		printf("\033[%sm%s\033[0m", outcomes[i].colour, text);
	else
		fputs(text, stdout);
	printf("%*s", v->utf8 ? room : room + 1 - (int)strlen(text), "");
}

static void print_step(const struct visit *v, struct json_object *o)
{
	const char *step = text_of(o, "step"), *message = text_of(o, "message");
	const char *action = text_of(o, "action");
	size_t indent = INDENT + (v->utf8 ? 0 : 6);

	if (!on_terminal()) {
		printf("%s\t%s\t%s\t%s\n", step, text_of(o, "outcome"), message,
		       action ? action : "-");
		return;
	}
	print_mark(v, find_outcome(text_of(o, "outcome")));
	printf("%-14s", step ? step : "");
	print_wrapped(message ? message : "", indent);
	if (!action)
		return;
	printf("%*s%s ", (int)indent, "", v->utf8 ? "\u2192" : "->");
	print_wrapped(action, indent + (v->utf8 ? 2 : 3));
}

static int status_of(struct json_object *o)
{
	const char *actor = text_of(o, "actor");

	if (actor && strcmp(actor, "person") == 0)
		return EXIT_STATUS_LOGIN;
	return actor && strcmp(actor, "nobody") == 0 ? EXIT_STATUS_TRY_AGAIN : EXIT_STATUS_CONFIG;
}

static int print_reply(const char *parameters, int continues, void *arg)
{
	struct visit *v = arg;
	struct json_object *o = json.tokener_parse(parameters);
	const char *outcome = o ? text_of(o, "outcome") : NULL;

	(void)continues;
	if (outcome && strcmp(outcome, "failed") == 0 && !v->status)
		v->status = status_of(o);
	if (v->cli->json)
		puts(parameters);
	else if (o && !v->cli->quiet)
		print_step(v, o);
	json.object_put(o);
	return finish_output();
}

int cmd_doctor(struct cli *cli)
{
	struct json_object *parameters = named(cli->credential);
	struct visit v = { .cli = cli };
	struct sftoken_err err = { 0 };
	struct sftoken *h;
	int r = open_manager(cli, &h);

	v.utf8 = setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (r == 0) {
		r = sftoken_call(h, "io.sftoken.Manager.Diagnose",
				 json.object_to_json_string(parameters), SFTOKEN_CALL_MORE,
				 DOCTOR_MS, print_reply, &v, &err);
		if (r < 0)
			r = complain_err(cli, &err);
		sftoken_close(h);
	}
	json.object_put(parameters);
	return r ? r : v.status;
}

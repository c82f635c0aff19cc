/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/table.h"

struct json_object *history_ask(const struct cli *cli, const char *credential, const char **why)
{
	struct json_object *parameters, *reply, *attempts = NULL;
	struct sftoken_err err = { 0 };
	struct sftoken *h;

	*why = NULL;
	if (!credential || open_manager(cli, &h))
		return NULL;
	sftoken_set_connect_wait(h, 0); /* nobody waits for a socket that is not there */
	parameters = named(credential);
	reply = ask_quietly(h, "io.sftoken.Manager.History", json.object_to_json_string(parameters),
			    &err);
	json.object_put(parameters);
	sftoken_close(h);
	if (reply && json.object_object_get_ex(reply, "attempts", &attempts))
		attempts = json.object_get(attempts);
	json.object_put(reply);
	if (err.code == SFTOKEN_E_REFUSED)
		*why = "shown to administrators alone";
	return attempts;
}

static const char *outcome_colour(const char *outcome)
{
	static const char *const good[] = { "new_token", "same_token", "done" },
				 *const bad[] = { "unknown", "login_required", "admin", "bug" };

	for (size_t i = 0; outcome && i < sizeof good / sizeof good[0]; i++)
		if (strcmp(outcome, good[i]) == 0)
			return "32";
	for (size_t i = 0; outcome && i < sizeof bad / sizeof bad[0]; i++)
		if (strcmp(outcome, bad[i]) == 0)
			return "31";
	return "33";
}

/* "2026-11-24T03:30:56Z"; caller frees. */
static char *iso_time(int64_t at_s)
{
	time_t t = (time_t)at_s;
	char text[40];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return NULL;
	return strdup(text);
}

void history_print(struct json_object *attempts)
{
	static const char *const titles[] = { "ATTEMPT", "WHY", "OUTCOME", "HTTP", "MESSAGE" };
	struct table t;

	table_init(&t, titles, sizeof titles / sizeof titles[0]);
	for (size_t i = 0; i < json.object_array_length(attempts); i++) {
		struct json_object *a = json.object_array_get_idx(attempts, i);
		int64_t at_s = int_of(a, "time");
		char *time = on_terminal() ? when(at_s) : iso_time(at_s);

		table_add(&t, time, NULL);
		table_add(&t, text_of(a, "kind"), NULL);
		table_add(&t, text_of(a, "outcome"), outcome_colour(text_of(a, "outcome")));
		table_add(&t, text_of(a, "httpStatus"), NULL);
		table_add(&t, text_of(a, "message"), NULL);
		free(time);
	}
	if (on_terminal() && t.rows)
		putchar('\n');
	if (!on_terminal() || t.rows)
		table_print_after(&t, "attempt");
	table_fini(&t);
}

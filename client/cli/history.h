/* SPDX-License-Identifier: Apache-2.0 */
/* The last attempts of a credential, as far as the Manager tells them to us. */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include "client/cli/reply.h"

/*
 * The array of Manager.History (the caller puts it), NULL when there is none to show. *why: why not, in a few words, when that is worth a note. Never complains: what is known of the
 * credential does not depend on it.
 */
struct json_object *history_ask(const struct cli *cli, const char *credential, const char **why);

/* One line each, newest first; times in words on a terminal, else ISO 8601. */
void history_print(struct json_object *attempts);

#endif

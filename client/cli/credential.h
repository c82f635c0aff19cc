/* SPDX-License-Identifier: Apache-2.0 */
/* What the Broker says about the credential that a command of the Manager is about. */
#ifndef CLI_CREDENTIAL_H
#define CLI_CREDENTIAL_H

#include "client/cli/reply.h"

/*
 * The reply of GetCredential, whose "credential" is the object; the caller puts it. NULL without a word when it is not to be had: no right, or the Manager socket was named and nobody said
 * which Broker belongs to it. json-c must be loaded.
 */
struct json_object *credential_ask(const struct cli *cli);

/* A text of that object; NULL: absent, or reply is NULL. */
const char *credential_text(struct json_object *reply, const char *key);

/*
 * The name or alias nearest to cli->credential among those that the Broker lists for us, so that nobody learns of others; NULL: none is near, or they are not to be had at once. Caller frees.
 * json-c is loaded if it is there.
 */
char *credential_nearest(const struct cli *cli);
/* Each name and alias that the Broker lists for us, at once and without a word. json-c must be loaded. */
void credential_each(const struct cli *cli, void (*take)(const char *name, void *arg), void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets on their way to the store, also for `setup`. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "client/cli/cli.h"
#include "client/cli/erased.h"

struct kind {
	const char *name, *title;
	bool line;      /* typed as one line; else up to the end of the input */
	bool refreshes; /* brings a refresh token */
};

/* A kind of secret by its name on the wire; NULL: there is none. */
const struct kind *kind_find(const char *name);
/* Reads it from --fd or standard input, without echo at a terminal, and looks whether it is text. 0, or an exit status after a complaint; the caller erases out in both cases. */
int secret_read(const struct cli *cli, const struct kind *kind, struct bytes *out);
/* ImportSecret for cli->credential, and says so; 0, or an exit status after a complaint. json-c must be loaded. */
int secret_send(struct cli *cli, const struct kind *kind, const struct bytes *secret);

#endif

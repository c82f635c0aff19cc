/* SPDX-License-Identifier: Apache-2.0 */
/* A login that Salesforce's own CLI, `sf`, has: it is asked for it, its files are never read. */
#ifndef CLI_SF_H
#define CLI_SF_H

#include <stdbool.h>
#include <stddef.h>

#include "client/cli/cli.h"
#include "client/cli/erased.h"

/* --- sf_words.c: what it prints (pure) --- */

/*
 * The member sfdxAuthUrl of what `sf ... --json` printed, as it stands there: "force://..."; NULL: there is none, it is hidden, or written in no way that we know. Looked for by hand, since a JSON
 * library would leave copies of the secret behind.
 */
const char *sf_auth_url(const struct bytes *printed, size_t *n);

/* force://CLIENT_ID:CLIENT_SECRET:REFRESH_TOKEN@HOST; all point into it. */
struct sf_login {
	const char *client_id, *host;
	size_t n_client_id, n_host;
	bool has_secret;
};

/* False: it is no such URL. */
bool sf_login_of(const struct bytes *url, struct sf_login *out);

/* --- sf.c --- */

/* Says what two holders of one refresh token do to it, and asks; 0, or an exit status: no, or nobody can be asked and --yes was not given. */
int sf_confirm(const struct cli *cli);
/* The SFDX auth URL of cli->from_sf; the caller erases out in both cases. json-c must be loaded. */
int sf_read(const struct cli *cli, struct bytes *out);
/* What to do with the login that `sf` still has. */
void sf_advise(const struct cli *cli);

#endif

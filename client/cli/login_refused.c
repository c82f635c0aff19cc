/* SPDX-License-Identifier: Apache-2.0 */
/* Why a login cannot even begin, in words that help the person who wanted it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/credential.h"
#include "client/cli/login.h"

#define FLOW_NOT_CONFIGURED "io.sftoken.Manager.FlowNotConfigured"
#define PERMISSION_DENIED "org.varlink.service.PermissionDenied"

/* Grants that renew themselves, or live from what a program brings. */
static bool is_for_nobody(const char *grant)
{
	static const char *const grants[] = { "client_credentials", "jwt_bearer", "saml_bearer",
					      "token_exchange" };

	for (size_t i = 0; grant && i < sizeof grants / sizeof grants[0]; i++)
		if (strcmp(grant, grants[i]) == 0)
			return true;
	return false;
}

/* Another flow may do, unless there is none. */
static int complain_flow(const struct cli *cli, const struct sftoken_err *err)
{
	struct json_object *reply = credential_ask(cli);
	const char *grant = credential_text(reply, "grantType");
	int status = exit_status_of(err);

	if (is_for_nobody(grant))
		complain(0, "\"%s\" has GrantType=%s: nobody logs in for it; use `sftoken get %s`",
			 cli->credential, grant, cli->credential);
	else if (!grant && !cli->flow)
		complain(0,
			 "\"%s\" has a GrantType= that nobody logs in for: see `sftoken show %s`",
			 cli->credential, cli->credential);
	else
		complain(0, "%s", err->text);
	json.object_put(reply);
	return status;
}

/* We may not connect, or may connect and are no administrator. */
static bool is_for_others(const struct sftoken_err *err, const char *path)
{
	if (err->code != SFTOKEN_E_REFUSED)
		return false;
	if (*err->name)
		return strcmp(err->name, PERMISSION_DENIED) == 0;
	return access(path, W_OK) < 0 && errno == EACCES;
}

int complain_login(const struct cli *cli, const struct sftoken_err *err, const char *path)
{
	if (cli->quiet)
		return exit_status_of(err);
	if (strcmp(err->name, FLOW_NOT_CONFIGURED) == 0)
		return complain_flow(cli, err);
	if (is_for_others(err, path))
		return complain(
			exit_status_of(err),
			"%s; who stands in AllowLogin= logs in at the listener for logins: --manager PATH",
			err->text);
	return complain_err(cli, err);
}

int complain_port(const struct cli *cli, unsigned port)
{
	if (cli->quiet)
		return EXIT_STATUS_TRY_AGAIN;
	return complain(
		EXIT_STATUS_TRY_AGAIN,
		"port %u is taken on this machine, by another login or another program: run it at a terminal to paste, or free the port",
		port);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client credentials (RFC 6749 4.4, salesforce-oauth.md 5.4): one request, with the proof of the client. Salesforce gives the scopes of the app; other servers are asked for those
 * that are configured.
 */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf form;

	buf_init(&form, HTTP_BODY_MAX);
	if (!c->client_id || !flow_client_proves(c))
		return err_set(err, ERR_ADMIN,
			       c->client_auth == PRIVATE_KEY_JWT
				       ? "this grant needs ClientId= and PrivateKey="
				       : "this grant needs ClientId= and ClientSecret=");
	oauth_form_add(&form, "grant_type", "client_credentials", strlen("client_credentials"));
	if (c->issuer)
		flow_add_scopes(run, &form);
	return flow_ask_token(run, &form, FLOW_AUTHENTICATED, req, err);
}

static const struct flow_step steps[] = {
	{ "token", ask, flow_take_token },
};

const struct flow_ops flow_client_credentials = {
	.grant_type = GRANT_CLIENT_CREDENTIALS,
	.renewal = RENEW_ITSELF,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Client credentials (RFC 6749 4.4, salesforce-oauth.md 5.4): one request, the secret in the body. */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf form;

	buf_init(&form, HTTP_BODY_MAX);
	if (!c->client_id || !c->client_secret)
		return err_set(err, ERR_ADMIN, "this grant needs ClientId= and ClientSecret=");
	oauth_form_add(&form, "grant_type", "client_credentials", strlen("client_credentials"));
	oauth_form_add(&form, "client_id", c->client_id, strlen(c->client_id));
	oauth_form_add(&form, "client_secret", secret_bytes(c->client_secret),
		       secret_size(c->client_secret));
	return flow_ask_token(run, &form, req, err);
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

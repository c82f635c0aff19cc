/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refresh token (RFC 6749 6, salesforce-oauth.md 5.6): one request that spends the token. Scopes are not asked for, so those of the login stay. The answer may hold the next
 * token, which then replaces the one that was sent.
 */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf form;

	buf_init(&form, HTTP_BODY_MAX);
	if (!c->client_id)
		return err_set(err, ERR_ADMIN, "this grant needs ClientId=");
	if (!run->refresh_token)
		return err_set(err, ERR_LOGIN,
			       "there is no refresh token: give one with sftoken import");
	oauth_form_add(&form, "grant_type", "refresh_token", strlen("refresh_token"));
	oauth_form_add(&form, "refresh_token", secret_bytes(run->refresh_token),
		       secret_size(run->refresh_token));
	oauth_form_add(&form, "client_id", c->client_id, strlen(c->client_id));
	if (c->client_secret)
		oauth_form_add(&form, "client_secret", secret_bytes(c->client_secret),
			       secret_size(c->client_secret));
	return flow_ask_token(run, &form, req, err);
}

static const struct flow_step steps[] = {
	{ "token", ask, flow_take_token },
};

const struct flow_ops flow_refresh_token = {
	.grant_type = GRANT_REFRESH_TOKEN,
	.renewal = RENEW_REFRESH,
	.spends = true,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refresh token (RFC 6749 6, salesforce-oauth.md 5.6): one request that spends the token. Scopes are not asked for, so those of the login stay. The answer may hold the next
 * token, which then replaces the one that was sent. Whichever login the first token came from, renewal is this; and what the server says of it is read as an answer to a refresh,
 * for the same words mean something else after a login.
 */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	CLEANUP(buf_finip) struct buf form;

	buf_init(&form, HTTP_BODY_MAX);
	if (!run->credential->client_id)
		return err_set(err, ERR_ADMIN, "this grant needs ClientId=");
	if (!run->refresh_token)
		return err_set(
			err, ERR_LOGIN,
			"there is no refresh token: log in with sftoken login, or give one with sftoken import");
	oauth_form_add(&form, "grant_type", "refresh_token", strlen("refresh_token"));
	oauth_form_add(&form, "refresh_token", secret_bytes(run->refresh_token),
		       secret_size(run->refresh_token));
	return flow_ask_token(run, &form, FLOW_AUTHENTICATED, req, err);
}

static enum verdict answer(struct flow_run *run, const struct http_response *res)
{
	return flow_take_token_as(run, res, GRANT_REFRESH_TOKEN);
}

static const struct flow_step steps[] = {
	{ "token", ask, answer },
};

const struct flow_ops flow_refresh_token = {
	.grant_type = GRANT_REFRESH_TOKEN,
	.renewal = RENEW_REFRESH,
	.spends = true,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

const struct flow_ops flow_web_server = {
	.grant_type = GRANT_WEB_SERVER,
	.renewal = RENEW_REFRESH,
	.spends = true,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

const struct flow_ops flow_device = {
	.grant_type = GRANT_DEVICE,
	.renewal = RENEW_REFRESH,
	.spends = true,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

/* What comes from the browser has no way to renew it but the browser: no steps. */
const struct flow_ops flow_user_agent = {
	.grant_type = GRANT_USER_AGENT,
	.renewal = RENEW_PERSON,
};

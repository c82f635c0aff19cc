/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The login of the web server flow (RFC 6749 4.1.3, RFC 7636 4.5, salesforce-oauth.md 5.1), from where the browser has come back: one request that exchanges the code. A code is good
 * for one request only, so it goes over a connection of its own and is never sent again.
 */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"

static void add_secret(struct buf *form, const char *name, const struct secret *value)
{
	oauth_form_add(form, name, secret_bytes(value), secret_size(value));
}

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct flow_login *login = run->login;
	CLEANUP(buf_finip) struct buf form;
	int r;

	buf_init(&form, HTTP_BODY_MAX);
	if (!login || !login->code || !login->redirect_uri)
		return err_set(err, ERR_LOGIN,
			       "the browser has brought no authorization code: log in again");
	oauth_form_add(&form, "grant_type", "authorization_code", strlen("authorization_code"));
	add_secret(&form, "code", login->code);
	oauth_form_add(&form, "redirect_uri", login->redirect_uri, strlen(login->redirect_uri));
	if (login->verifier)
		add_secret(&form, "code_verifier", login->verifier);
	r = flow_ask_token(run, &form, FLOW_AUTHENTICATED, req, err);
	req->fresh = r == 0;
	return r;
}

static enum verdict answer(struct flow_run *run, const struct http_response *res)
{
	return flow_take_login(run, res, GRANT_WEB_SERVER);
}

static const struct flow_step steps[] = {
	{ "code", ask, answer },
};

const struct flow_ops flow_login_web_server = {
	.grant_type = GRANT_WEB_SERVER,
	.renewal = RENEW_REFRESH,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Token exchange (RFC 8693, salesforce-oauth.md 5.8): the token of another server for one of this server. */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"

static const char grant_urn[] = "urn:ietf:params:oauth:grant-type:token-exchange";
static const char type_urn[] = "urn:ietf:params:oauth:token-type:";

static void add(struct buf *form, const char *name, const char *value)
{
	oauth_form_add(form, name, value, strlen(value));
}

/* The short names are the last words of the URNs of RFC 8693 3. */
static void add_type(struct buf *form, const char *type)
{
	if (!type || !type[0])
		type = "access_token";
	if (strchr(type, ':')) {
		add(form, "subject_token_type", type);
		return;
	}
	add(form, "subject_token_type", type_urn);
	oauth_form_encode(form, type, strlen(type));
}

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf form;

	buf_init(&form, HTTP_BODY_MAX);
	if (!c->client_id || !run->subject_token)
		return err_set(err, ERR_ADMIN, "this grant needs ClientId= and SubjectToken=");
	add(&form, "grant_type", grant_urn);
	oauth_form_add(&form, "subject_token", secret_bytes(run->subject_token),
		       secret_size(run->subject_token));
	add_type(&form, c->subject_token_type);
	flow_add_scopes(run, &form);
	if (c->token_handler && c->token_handler[0])
		add(&form, "token_handler", c->token_handler);
	return flow_ask_token(run, &form, FLOW_AUTHENTICATED, req, err);
}

static const struct flow_step steps[] = {
	{ "token", ask, flow_take_token },
};

const struct flow_ops flow_token_exchange = {
	.grant_type = GRANT_TOKEN_EXCHANGE,
	.renewal = RENEW_ITSELF,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

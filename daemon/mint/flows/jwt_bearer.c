/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWT bearer (RFC 7523, salesforce-oauth.md 5.3): an assertion signed with RS256. Claims are iss, sub, aud and exp alone; exp is an
 * integer 180 seconds ahead of the server's clock as far as we know it.
 */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "proto/json.h"

enum { ASSERTION_LIFE_S = 180, CLAIMS_MAX = 4096, ASSERTION_MAX = 16 * 1024 };

static const char header[] = "{\"alg\":\"RS256\"}";
static const char grant_urn[] = "urn:ietf:params:oauth:grant-type:jwt-bearer";

static int add_claims(const struct flow_run *run, struct buf *claims, struct err *err)
{
	CLEANUP(cleanup_free) char *audience = salesforce_audience(run->credential);

	if (!audience)
		return err_oom(err);
	json_begin_object(claims);
	json_key(claims, "iss");
	json_add_text(claims, run->credential->client_id);
	json_key(claims, "sub");
	json_add_text(claims, run->credential->username);
	json_key(claims, "aud");
	json_add_text(claims, audience);
	json_key(claims, "exp");
	json_add_int(claims, run->real_ms / 1000 + ASSERTION_LIFE_S);
	json_end_object(claims);
	if (buf_failed(claims))
		return err_set(err, ERR_ADMIN,
			       "ClientId=, Username= and Audience= are too long together");
	return 0;
}

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf claims;
	CLEANUP(buf_finip) struct buf assertion;
	CLEANUP(buf_finip) struct buf form;
	int r;

	buf_init(&claims, CLAIMS_MAX);
	buf_init(&assertion, ASSERTION_MAX);
	buf_init(&form, HTTP_BODY_MAX);
	if (!c->client_id || !c->username || !c->private_key)
		return err_set(err, ERR_ADMIN,
			       "this grant needs ClientId=, Username= and PrivateKey=");
	r = add_claims(run, &claims, err);
	if (r == 0)
		r = flow_sign_jwt(c, header, &claims, &assertion, err);
	if (r < 0)
		return r;
	oauth_form_add(&form, "grant_type", grant_urn, strlen(grant_urn));
	oauth_form_add(&form, "assertion", assertion.data, assertion.len);
	return flow_ask_token(run, &form, flow_assertion_client(c), req, err);
}

static const struct flow_step steps[] = {
	{ "token", ask, flow_take_token },
};

const struct flow_ops flow_jwt_bearer = {
	.grant_type = GRANT_JWT_BEARER,
	.renewal = RENEW_ITSELF,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

/* SPDX-License-Identifier: Apache-2.0 */
/* SAML bearer (RFC 7522, salesforce-oauth.md 5.7): an assertion that we sign, or one that an identity provider has made. */
#include <stdio.h>
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "daemon/mint/saml.h"

enum { TEXT_MAX = SAML_MAX / 3 * 4 + 4 };

static const char grant_urn[] = "urn:ietf:params:oauth:grant-type:saml2-bearer";

static char *recipient(const struct flow_run *run, const char *audience)
{
	const struct credential *c = run->credential;

	if (c->recipient && c->recipient[0])
		return strdup(c->recipient);
	if (run->endpoints)
		return strdup(run->endpoints->token);
	return salesforce_recipient(c, audience);
}

static int sign(const struct flow_run *run, struct buf *xml, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(cleanup_free) char *audience = salesforce_audience(c);
	CLEANUP(cleanup_free) char *to = audience ? recipient(run, audience) : NULL;
	char id[1 + UNIQUE_SIZE + 1];
	const struct saml_claims claims = { .id = id,
					    .issuer = c->client_id,
					    .subject = c->username,
					    .recipient = to,
					    .audience = audience,
					    .now_ms = run->real_ms };

	if (!to)
		return err_oom(err);
	snprintf(id, sizeof id, "_%s", run->unique);
	return saml_write(&claims, c->private_key, c->passphrase, xml, err);
}

static int ask(struct flow_run *run, struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf xml;
	CLEANUP(buf_finip) struct buf text;
	CLEANUP(buf_finip) struct buf form;
	int r;

	buf_init(&xml, SAML_MAX);
	buf_init(&text, TEXT_MAX);
	buf_init(&form, HTTP_BODY_MAX);
	if (!run->assertion && (!c->client_id || !c->username || !c->private_key))
		return err_set(
			err, ERR_ADMIN,
			"this grant needs ClientId=, Username= and PrivateKey=, or Assertion=");
	r = run->assertion ? saml_given(run->assertion, &xml, err) : sign(run, &xml, err);
	if (r < 0)
		return r;
	oauth_base64url(&text, xml.data, xml.len);
	if (buf_failed(&text))
		return err_oom(err);
	oauth_form_add(&form, "grant_type", grant_urn, strlen(grant_urn));
	oauth_form_add(&form, "assertion", text.data, text.len);
	return flow_ask_token(run, &form, flow_assertion_client(c), req, err);
}

static const struct flow_step steps[] = {
	{ "token", ask, flow_take_token },
};

const struct flow_ops flow_saml_bearer = {
	.grant_type = GRANT_SAML_BEARER,
	.renewal = RENEW_ITSELF,
	.steps = steps,
	.n_steps = sizeof steps / sizeof steps[0],
};

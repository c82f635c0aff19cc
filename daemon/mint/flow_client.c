/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the client proves who it is (RFC 6749 2.3, RFC 7523 2.2, salesforce-oauth.md 3): in the form, in the Authorization header, by a signed assertion, or not at all; never two of
 * them at once.
 */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/sign.h"
#include "proto/json.h"

enum { PROOF_LIFE_S = 120, PROOF_MAX = 16 * 1024, CLAIMS_MAX = 4096, SIGNATURE_MAX = 2048 };

static const char proof_urn[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
static const char header[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";

/* --- JSON Web Tokens --- */

int flow_sign_jwt(const struct credential *c, const char *head, const struct buf *claims,
		  struct buf *jwt, struct err *err)
{
	CLEANUP(buf_finip) struct buf signature;
	int r;

	buf_init(&signature, SIGNATURE_MAX);
	oauth_base64url(jwt, head, strlen(head));
	buf_add_char(jwt, '.');
	oauth_base64url(jwt, claims->data, claims->len);
	if (buf_failed(jwt))
		return err_oom(err);
	r = sign_rs256(c->private_key, c->passphrase, jwt->data, jwt->len, &signature, err);
	if (r < 0)
		return r;
	buf_add_char(jwt, '.');
	oauth_base64url(jwt, signature.data, signature.len);
	return buf_failed(jwt) ? err_oom(err) : 0;
}

static void add_claim(struct buf *claims, const char *name, const char *value)
{
	json_key(claims, name);
	json_add_text(claims, value);
}

static int add_claims(const struct flow_run *run, const char *audience, struct buf *claims,
		      struct err *err)
{
	int64_t now_s = run->real_ms / 1000;

	json_begin_object(claims);
	add_claim(claims, "iss", run->credential->client_id);
	add_claim(claims, "sub", run->credential->client_id);
	add_claim(claims, "aud", audience);
	json_key(claims, "exp");
	json_add_int(claims, now_s + PROOF_LIFE_S);
	json_key(claims, "iat");
	json_add_int(claims, now_s);
	add_claim(claims, "jti", run->unique);
	json_end_object(claims);
	return buf_failed(claims) ? err_set(err, ERR_ADMIN, "ClientId= is too long") : 0;
}

/* --- the four ways --- */

static void add_client_id(const struct credential *c, struct buf *form)
{
	oauth_form_add(form, "client_id", c->client_id, strlen(c->client_id));
}

static int by_post(const struct credential *c, struct buf *form)
{
	add_client_id(c, form);
	if (c->client_secret)
		oauth_form_add(form, "client_secret", secret_bytes(c->client_secret),
			       secret_size(c->client_secret));
	return 0;
}

/* RFC 6749 2.3.1: both parts as in a form, so that a colon or a byte beyond ASCII in them does no harm. */
static int by_basic(const struct credential *c, struct http_request *req, struct err *err)
{
	CLEANUP(buf_finip) struct buf pair;

	buf_init(&pair, HTTP_BODY_MAX);
	if (!c->client_secret)
		return err_set(err, ERR_ADMIN,
			       "ClientAuth=client_secret_basic needs ClientSecret=");
	oauth_form_encode(&pair, c->client_id, strlen(c->client_id));
	buf_add_char(&pair, ':');
	oauth_form_encode(&pair, secret_bytes(c->client_secret), secret_size(c->client_secret));
	req->basic = buf_failed(&pair) ? NULL : secret_new(pair.data, pair.len);
	return req->basic ? 0 : err_oom(err);
}

static int by_assertion(const struct flow_run *run, const char *audience, struct buf *form,
			struct err *err)
{
	const struct credential *c = run->credential;
	CLEANUP(buf_finip) struct buf claims;
	CLEANUP(buf_finip) struct buf jwt;
	int r;

	buf_init(&claims, CLAIMS_MAX);
	buf_init(&jwt, PROOF_MAX);
	if (!c->private_key)
		return err_set(err, ERR_ADMIN, "ClientAuth=private_key_jwt needs PrivateKey=");
	r = add_claims(run, audience, &claims, err);
	if (r == 0)
		r = flow_sign_jwt(c, header, &claims, &jwt, err);
	if (r < 0)
		return r;
	add_client_id(c, form);
	oauth_form_add(form, "client_assertion_type", proof_urn, strlen(proof_urn));
	oauth_form_add(form, "client_assertion", jwt.data, jwt.len);
	return 0;
}

int flow_authenticate(const struct flow_run *run, const char *audience, struct buf *form,
		      struct http_request *req, struct err *err)
{
	const struct credential *c = run->credential;

	if (!c->client_id)
		return err_set(err, ERR_ADMIN, "this grant needs ClientId=");
	switch (c->client_auth) {
	case CLIENT_SECRET_POST:
		return by_post(c, form);
	case CLIENT_SECRET_BASIC:
		return by_basic(c, req, err);
	case PRIVATE_KEY_JWT:
		return by_assertion(run, audience, form, err);
	default:
		add_client_id(c, form);
		return 0;
	}
}

enum flow_client flow_assertion_client(const struct credential *c)
{
	return c->issuer && flow_client_proves(c) ? FLOW_AUTHENTICATED : FLOW_PUBLIC;
}

bool flow_client_proves(const struct credential *c)
{
	if (c->client_auth == PRIVATE_KEY_JWT)
		return c->private_key != NULL;
	return c->client_auth != CLIENT_AUTH_NONE && c->client_secret;
}

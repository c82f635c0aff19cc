/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two URLs of a login (RFC 6749 4.1.1 and 4.1.2, 4.2.1 and 4.2.2, RFC 7636, RFC 9207): the one that a person opens, and the one to which the browser is sent at the end. Pure.
 */
#ifndef MINT_LOGIN_URL_H
#define MINT_LOGIN_URL_H

#include "base/buf.h"
#include "daemon/mint/credential.h"
#include "daemon/mint/exchange.h"

/* 64 random bytes of PKCE become 86 characters, 32 of the state 43, 16 of an ID 22. */
enum {
	LOGIN_URL_BYTES_MAX = 64 * 1024,
	LOGIN_VERIFIER_BYTES = 64,
	LOGIN_STATE_BYTES = 32,
	LOGIN_ID_BYTES = 16
};

struct login_request {
	const struct credential *credential;
	const struct endpoints *endpoints; /* of credential->issuer; NULL: Salesforce */
	int flow;                          /* LOGIN_WEB_SERVER or LOGIN_USER_AGENT */
	const char *redirect_uri;
	const struct secret *state, *verifier; /* verifier: web_server alone */
};

/* Appends the URL. 0, -ERR_ADMIN (the server has no authorization endpoint, something is too long) or -ERR_INTERNAL. */
int login_url_make(const struct login_request *r, struct buf *out, struct err *err);

/*
 * Appends what is asked for, separated by spaces: Scopes=, and with it the scope without which no refresh token comes, where the flow is to end in one. Nothing: the scopes of the app
 * count (Salesforce without Scopes=).
 */
void login_scopes(const struct credential *c, int flow, struct buf *out);

/* Redirect URI of a credential: as configured, or the default. */
const char *login_redirect_uri(const struct credential *c);
/* Whether a login may use uri: the configured one, or one that differs in the port alone where that is loopback with port 0 (RFC 8252 7.3). */
bool login_redirect_allowed(const struct credential *c, const char *uri);

/* What the browser brought, decoded once. Texts live in bytes (erased with it); NULL: not there. */
struct login_answer {
	struct secret *bytes;
	const char *state, *code, *error, *error_description, *iss;
	/* of the user-agent flow */
	const char *access_token, *token_type, *instance_url, *id, *scope, *expires_in, *issued_at;
};

/*
 * Reads a redirect: exactly redirect_uri, then a query or a fragment or both. Members that are not ours are left out. 0; -ERR_INPUT with what is wrong (another URI, a member twice, a
 * bad percent sign, a control byte, too long), and nothing of the URL is repeated; -ERR_INTERNAL.
 */
int login_answer_read(const struct secret *url, const char *redirect_uri, struct login_answer *out,
		      struct err *err);
void login_answer_fini(struct login_answer *a);

/* Who a token belongs to, as userinfo says (OpenID Connect Core 5.3.2, salesforce-oauth.md 7.1); "" : it does not say. */
struct login_user {
	char username[256], user_id[32], organization_id[32];
};
/* false: the answer is none (then *out is empty). */
bool login_user_read(const struct http_response *res, struct login_user *out);
/* Salesforce's IDs come with 15 or 18 characters, of which the last three are a check sum. */
bool login_same_id(const char *a, const char *b);

#endif

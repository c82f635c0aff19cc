/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow is a table of steps without I/O (architecture.md 6). ask() says what to send, answer() says what the reply means; attempt.c is the only code that turns this into requests and timers.
 */
#ifndef MINT_FLOW_H
#define MINT_FLOW_H

#include "daemon/mint/credential.h"
#include "daemon/mint/exchange.h"
#include "daemon/mint/unique.h"

/* --- flows --- */

/* NEED_USER: run.prompt is for the person, and the next step follows after the delay. */
enum verdict { FLOW_NEXT, FLOW_AGAIN, FLOW_NEED_USER, FLOW_DONE, FLOW_FAILED };

/* How the flow renews itself when its token grows old. */
enum renewal { RENEW_ITSELF, RENEW_REFRESH, RENEW_PERSON };

/* What a login brings to its flow: the answer of the browser (RFC 6749 4.1.3, RFC 7636). */
struct flow_login {
	struct secret *code, *verifier;
	const char *redirect_uri;
};

/* What FLOW_NEED_USER shows (RFC 8628 3.2, salesforce-oauth.md 5.5). Owned by the run; NULL and 0: the server did not say. */
struct flow_prompt {
	char *verification_uri, *verification_uri_complete, *user_code;
	int64_t expires_in_ms, interval_ms;
};

enum { FLOW_UNIQUE = UNIQUE_SIZE };

struct flow_run {
	const struct credential *credential; /* borrowed for the run */
	int64_t real_ms; /* wall clock now, corrected by the learned skew (JWT exp) */
	int64_t now_ms;  /* BOOTTIME; both as they were when the step was asked */
	const struct config_list *allowed_hosts;
	/* of flows that spend one; borrowed for the run. base_url: where it is to be refreshed instead of LoginUrl=, NULL */
	struct secret *refresh_token;
	const char *base_url;
	const struct endpoints
		*endpoints; /* of credential->issuer; NULL: Salesforce's paths below the base URL */
	const struct flow_login *login; /* of flows that a person completes; NULL */
	struct secret *assertion,
		*subject_token; /* as they are now; borrowed; NULL: the credential has none */
	char unique[FLOW_UNIQUE +
		    1]; /* hex digits that no other step ever gets: IDs of assertions (jti, ID) */
	struct flow_prompt prompt; /* of NEED_USER */
	/* FAILED although the answer, whole or cut off, held the next refresh token: it must not be lost (owned by the run, NULL) */
	struct secret *salvaged;
	struct grant *grant;    /* result of DONE */
	struct problem problem; /* of FAILED */
	int64_t delay_ms;       /* of AGAIN and NEED_USER: until the next request */
	void *state;            /* the flow's own, freed by flow_ops.fini */
};

struct flow_step {
	const char *name;
	/* Fills *req (zeroed). 0, or negative with err: the run FAILED with PROBLEM_ADMIN or RETRY. Neither function blocks, logs, or keeps anything outside run. */
	int (*ask)(struct flow_run *run, struct http_request *req, struct err *err);
	enum verdict (*answer)(struct flow_run *run, const struct http_response *res);
};

struct flow_ops {
	int grant_type;
	enum renewal renewal;
	bool patient; /* what cannot be sent because its host does not answer is no end: answer() hears HTTP_REFUSED */
	bool spends; /* each request spends a refresh token: a repeat after a lost answer may end all sessions (salesforce-oauth.md 1.5) */
	const struct flow_step *steps;
	size_t n_steps;
	void (*fini)(struct flow_run *run); /* may be NULL */
};

/*
 * The flow by which a credential of this grant type gets its tokens; NULL: not in this version. Those that a person began by a login go on with the refresh token (they spend), or,
 * without steps, cannot go on at all (user_agent, RENEW_PERSON).
 */
const struct flow_ops *flow_find(int grant_type);
extern const struct flow_ops flow_client_credentials, flow_jwt_bearer, flow_refresh_token,
	flow_saml_bearer, flow_token_exchange, flow_web_server, flow_device, flow_user_agent;

/*
 * How a person gets the first token of a credential: steps that need run.login (web_server) or show run.prompt (device). Their grant_type is that of the login, not of the credential; what
 * comes is a grant with a refresh token, if the server gives one.
 */
extern const struct flow_ops flow_login_web_server, flow_login_device;

/* --- what the flows share --- */

/* Appends scope= if Scopes= says so. */
void flow_add_scopes(const struct flow_run *run, struct buf *form);

/* Whether ClientAuth= has what it needs to prove who the client is. */
bool flow_client_proves(const struct credential *c);

/*
 * Adds the client's proof as ClientAuth= says: to the form, or to req->basic. audience: the token endpoint, for which a signed assertion is made whatever endpoint it goes to
 * (RFC 7523 3; OpenID Connect Core 9). run: credential, real_ms and unique are used. 0, or negative with err; req->basic is the caller's either way.
 */
int flow_authenticate(const struct flow_run *run, const char *audience, struct buf *form,
		      struct http_request *req, struct err *err);

/* Appends a JWT (RFC 7519) of these claims, signed with the credential's key. head: the JOSE header. */
int flow_sign_jwt(const struct credential *c, const char *head, const struct buf *claims,
		  struct buf *jwt, struct err *err);

enum flow_client { FLOW_AUTHENTICATED, FLOW_PUBLIC }; /* with the client's proof or without */
/* With an assertion as the grant: its signature is proof enough for Salesforce; other servers get what is configured. */
enum flow_client flow_assertion_client(const struct credential *c);

/* Fills *req with a POST of the form to url. Negative with err: there is nothing in *req. */
int flow_ask(const struct flow_run *run, const char *url, struct buf *form, enum flow_client client,
	     struct http_request *req, struct err *err);
/* The same to the token endpoint: run->endpoints, else below run->base_url, else below LoginUrl=. */
int flow_ask_token(const struct flow_run *run, struct buf *form, enum flow_client client,
		   struct http_request *req, struct err *err);

/* Strict reading of the answer of the token endpoint: DONE or FAILED. Errors mean what they mean for the credential's grant type. */
enum verdict flow_take_token(struct flow_run *run, const struct http_response *res);
/* Errors mean what they mean for this grant type. */
enum verdict flow_take_token_as(struct flow_run *run, const struct http_response *res,
				int grant_type);
/* The same for a login, which sends no refresh token but may bring one: nothing is spent, whatever comes. */
enum verdict flow_take_login(struct flow_run *run, const struct http_response *res, int grant_type);

/*
 * Requests about a token: at Salesforce below its instance, at the server of Issuer= where run->endpoints say. run: credential, endpoints, real_ms and unique are used. Negative with err, and
 * nothing in *req: -ERR_ADMIN when the server has no such endpoint or the client nothing to prove itself with; -ERR_RETRY when its endpoints are not known (attempt_discover()).
 */
int flow_ask_userinfo(const struct flow_run *run, const struct grant *g, struct http_request *req,
		      struct err *err);
int flow_ask_introspection(const struct flow_run *run, const struct grant *g,
			   struct http_request *req, struct err *err);
/* base_url: of Salesforce, where the token was made. refresh: what the token is. Others than Salesforce want the client's proof (RFC 7009 2.1). */
int flow_ask_revocation(const struct flow_run *run, const char *base_url,
			const struct secret *token, bool refresh, struct http_request *req,
			struct err *err);
/* 0: revoked, or not known there any more; else -ERR_RETRY or -ERR_ADMIN with err. */
int flow_read_revocation(const struct credential *c, const struct http_response *res,
			 struct err *err);

void flow_run_fini(struct flow_run *run, const struct flow_ops *ops);

#endif

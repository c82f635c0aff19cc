/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is Salesforce's own: hosts, URLs, audiences, identity URLs, the userinfo and introspection requests. Pure.
 */
#ifndef MINT_SALESFORCE_H
#define MINT_SALESFORCE_H

#include "daemon/common/url.h"
#include "daemon/mint/credential.h"
#include "daemon/mint/exchange.h"

/* login_url + "/services/oauth2/<what>" with exactly one slash. Caller frees; NULL: out of memory. what: "token", "introspect", "userinfo". */
char *salesforce_url(const char *base, const char *what);

/* The audience of a JWT (facts: salesforce-oauth.md 5.3): the configured one, else test.salesforce.com or login.salesforce.com by host of LoginUrl, else LoginUrl itself for other hosts. Caller frees. */
char *salesforce_audience(const struct credential *c);

/*
 * The recipient of a SAML assertion (facts: 5.7) for that audience: the token endpoint of the audience if that is a URL, else of LoginUrl=. Caller frees; NULL: out of memory.
 */
char *salesforce_recipient(const struct credential *c, const char *audience);

/* The URL by common/url's rules, at most 1 KiB, https or loopback. Nothing is contacted that has not passed this. 0 or -ERR_INPUT with what is wrong. */
int salesforce_parse_url(const char *url, struct url *out, struct err *err);

/* Appends "host:port", the name under which attempts share a host's limits and breaker. */
void salesforce_host_key(const struct url *url, struct buf *out);

/*
 * The hosts that a credential may use: AllowedHosts= if it is configured, else the default list and the host of login_url with its port.
 * Fills *out, to be given back with salesforce_hosts_fini(). 0 or -ERR_INTERNAL (out of memory).
 */
int salesforce_hosts(struct config_list *out, const struct config_list *configured,
		     const char *login_url, struct err *err);
void salesforce_hosts_fini(struct config_list *hosts);

/*
 * instance_url in the one form that we store: scheme://host[:port], the default port left out. Caller frees. NULL with err: -ERR_ADMIN when the host is not allowed,
 * another code when it is no such URL. */
char *salesforce_instance_url(const char *url, const struct config_list *allowed_hosts,
			      struct err *err);

/*
 * Whether url may be contacted: https, or http for 127.0.0.1 and [::1]; no user info, no fragment, host in the list ("*.x" stands for one or more labels, and
 * no port for 443). Fills err with what is wrong: -ERR_ADMIN when only the list is against it.
 */
int salesforce_check_url(const char *url, const struct config_list *allowed_hosts, struct err *err);

/* Organization and user: the last two path segments of the identity URL. Texts of 15 or 18 characters; 0 or -ERR_PROTOCOL. Caller frees. */
int salesforce_identity(const char *identity_url, char **organization_id, char **user_id,
			struct err *err);

/* exp and iat of a JWT-format access token (three parts, starts with eyJ); false for an opaque one. The signature is not checked: it is the server's word to itself. */
bool salesforce_jwt_life(const char *token, size_t size, int64_t *exp_s, int64_t *iat_s);

/* GET instance_url/services/oauth2/userinfo with the token. */
int salesforce_userinfo_request(const struct grant *g, struct http_request *req, struct err *err);

enum liveness { TOKEN_ALIVE, TOKEN_DEAD, TOKEN_UNSURE };
/* architecture.md 7: 200 alive; 401, or 403 with Bad_OAuth_Token dead; anything else not known. */
enum liveness salesforce_userinfo_answer(const struct http_response *res);

/* POST base/services/oauth2/revoke with token=; the answer: 0 revoked, or not known there any more (400 invalid_token, unsupported_token_type); else -ERR_RETRY or -ERR_ADMIN with err. */
int salesforce_revoke_request(const char *base_url, const struct secret *token,
			      struct http_request *req, struct err *err);
int salesforce_revoke_answer(const struct http_response *res, struct err *err);

/* An "sfdx auth url", force://CLIENT_ID:SECRET:REFRESH_TOKEN@HOST[:PORT][/...] (SECRET may be empty). Parts are owned by the caller: fini. -ERR_INPUT says which part is wrong, never its text. */
struct sfdx_auth_url {
	char *client_id, *base_url;
	struct secret *client_secret; /* NULL: empty */
	struct secret *refresh_token;
};
int salesforce_parse_sfdx(const struct secret *text, struct sfdx_auth_url *out, struct err *err);
void sfdx_auth_url_fini(struct sfdx_auth_url *u);

#endif

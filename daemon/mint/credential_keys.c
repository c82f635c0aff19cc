/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a credential file. sftokend.credential(5) is compared with these tables.
 */
#include "daemon/mint/credential_parts.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
#define OF(field) offsetof(struct credential, field)

enum { SECOND = 1000, DAY = 24 * 3600 * SECOND };

static const char *const later_grants[] = {
	"web_server", "user_agent", "device", "saml_bearer", "token_exchange", NULL
};
static const char *const introspect_names[] = { "auto", "yes", "no", NULL };
_Static_assert(INTROSPECT_AUTO == 0 && INTROSPECT_YES == 1 && INTROSPECT_NO == 2,
	       "order of the names");

/* What a key of a later version may be set to already: its default. */
static const char *const no_names[] = { "no", "false", "off", "0", NULL };

static const struct config_key credential_keys[] = {
	{ "GrantType", CONFIG_ENUM, OF(grant_type), .names = grant_type_names,
	  .later_names = later_grants,
	  .meaning = "how tokens are got: jwt_bearer, client_credentials or refresh_token" },
	{ "LoginUrl", CONFIG_TEXT, OF(login_url), .max = 1024, .meaning = "the org, https://HOST" },
	{ "ClientId", CONFIG_TEXT, OF(client_id), .max = 1024,
	  .meaning = "consumer key of the connected app" },
	{ "ClientSecret", CONFIG_TEXT, OF(client_secret_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where the consumer secret is, file:PATH, credential:ID or stored:" },
	{ "Username", CONFIG_TEXT, OF(username), .max = 128,
	  .meaning = "user for whom a JWT asks, or whose refresh token it is" },
	{ "PrivateKey", CONFIG_TEXT, OF(private_key_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where the RSA key that signs a JWT is, file:PATH, credential:ID or stored:" },
	{ "Audience", CONFIG_TEXT, OF(audience), .max = 1024,
	  .meaning = "audience of the JWT; by default from LoginUrl=" },
	{ "Scopes", CONFIG_LATER, .meaning = "scopes to ask for" },
	{ "RedirectUri", CONFIG_LATER, .meaning = "where a browser comes back to" },
	{ "Issuer", CONFIG_LATER, .meaning = "issuer of assertions" },
	{ "Dialect", CONFIG_LATER, .meaning = "dialect of the server" },
	{ "Assertion", CONFIG_LATER, .meaning = "where a SAML assertion is" },
	{ "SessionTimeout", CONFIG_DURATION, OF(session_timeout_ms), SECOND, DAY, "2h",
	  .meaning = "life to believe in when nothing better is known" },
	{ "RenewAt", CONFIG_PERCENT, OF(renew_at_percent), 10, 90, NULL,
	  .meaning = "part of the believed life after which the token is renewed; by default from "
		     "[Limits]" },
	{ "Introspect", CONFIG_ENUM, OF(introspect), .fallback = "auto", .names = introspect_names,
	  .meaning = "whether to ask the server when a token ends: auto (if there is a client "
		     "secret), yes or no" },
	{ "RenewWhenIdle", CONFIG_BOOL, OF(renew_when_idle), .fallback = "yes",
	  .meaning = "whether to renew while nobody asks" },
	{ "IdleStop", CONFIG_DURATION, OF(idle_stop_ms), 0, 365LL * DAY, "0s",
	  .meaning = "time without a caller after which renewing ahead stops; 0: never" },
	{ "OnEvent", CONFIG_LATER, .meaning = "program to run on events" },
	{ "AllowUserAgent", CONFIG_LATER, .names = no_names,
	  .meaning = "whether the deprecated user-agent flow may be used" },
	{ "Alias", CONFIG_LIST, OF(aliases), .meaning = "further names, at most 8" },
	{ "Required", CONFIG_BOOL, OF(required), .fallback = "no",
	  .meaning = "whether readiness waits for its token" },
};

static const struct config_key access_keys[] = {
	{ "AllowUser", CONFIG_LIST, OF(allow_users), .meaning = "users who may have its tokens" },
	{ "AllowGroup", CONFIG_LIST, OF(allow_groups),
	  .meaning = "groups whose members may have its tokens" },
	{ "Root", CONFIG_BOOL, OF(root), .fallback = "yes",
	  .meaning = "whether root may have them without being named" },
	{ "AllowLogin", CONFIG_LATER, .meaning = "users who may log in for it" },
	{ "LoadCredentialUnit", CONFIG_LATER, .meaning = "units that may load it" },
	{ "AllowUnit", CONFIG_LATER, .meaning = "units that may have its tokens" },
	{ "AllowExecutable", CONFIG_LATER, .meaning = "programs that may have its tokens" },
};

const struct config_section credential_sections[] = {
	{ "Credential", credential_keys, COUNT(credential_keys), sizeof(struct credential), NULL,
	  0 },
	{ "Access", access_keys, COUNT(access_keys), sizeof(struct credential), NULL, 0 },
};
const size_t credential_n_sections = COUNT(credential_sections);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a credential file. sftokend.credential(5) is compared with these tables.
 */
#include "daemon/mint/credential_parts.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
#define OF(field) offsetof(struct credential, field)

enum { SECOND = 1000, DAY = 24 * 3600 * SECOND };

static const char *const introspect_names[] = { "auto", "yes", "no", NULL };
_Static_assert(INTROSPECT_AUTO == 0 && INTROSPECT_YES == 1 && INTROSPECT_NO == 2,
	       "order of the names");

static const char *const client_auth_names[] = { "client_secret_post", "client_secret_basic",
						 "private_key_jwt", "none", NULL };
_Static_assert(CLIENT_SECRET_POST == 0 && CLIENT_SECRET_BASIC == 1 && PRIVATE_KEY_JWT == 2 &&
		       CLIENT_AUTH_NONE == 3,
	       "order of the names");

static const char *const dialect_names[] = { "salesforce", "rfc8628", NULL };
_Static_assert(DIALECT_SALESFORCE == 0 && DIALECT_RFC8628 == 1, "order of the names");

static const struct config_key credential_keys[] = {
	{ "GrantType", CONFIG_ENUM, OF(grant_type), .names = grant_type_names,
	  .meaning = "how tokens are got: web_server, user_agent, jwt_bearer, client_credentials, "
		     "device, refresh_token, saml_bearer or token_exchange" },
	{ "LoginUrl", CONFIG_TEXT, OF(login_url), .max = 1024, .meaning = "the org, https://HOST" },
	{ "Issuer", CONFIG_TEXT, OF(issuer), .max = 1024,
	  .meaning = "another server than Salesforce, by its issuer; instead of LoginUrl=" },
	{ "InstanceUrl", CONFIG_TEXT, OF(instance_url), .max = 1024,
	  .meaning = "where tokens of Issuer= are used, if the server does not say" },
	{ "ClientId", CONFIG_TEXT, OF(client_id), .max = 1024,
	  .meaning = "consumer key of the connected app" },
	{ "ClientSecret", CONFIG_TEXT, OF(client_secret_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where the consumer secret is, file:PATH, credential:ID or stored:" },
	{ "ClientAuth", CONFIG_ENUM, OF(client_auth), .names = client_auth_names,
	  .meaning = "how the client proves who it is: client_secret_post, client_secret_basic, "
		     "private_key_jwt or none" },
	{ "Username", CONFIG_TEXT, OF(username), .max = 128,
	  .meaning = "user for whom an assertion asks, or whose login it is" },
	{ "PrivateKey", CONFIG_TEXT, OF(private_key_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where the RSA key that signs is, file:PATH, credential:ID, stored:, pkcs11:… "
		     "or handle:…" },
	{ "Passphrase", CONFIG_TEXT, OF(passphrase_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where the passphrase or PIN of PrivateKey= is, file:PATH or credential:ID" },
	{ "Certificate", CONFIG_TEXT, OF(certificate_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where the certificate of PrivateKey= is whose end is watched, file:PATH or "
		     "credential:ID" },
	{ "Audience", CONFIG_TEXT, OF(audience), .max = 1024,
	  .meaning = "audience of the assertion; by default from LoginUrl=" },
	{ "Recipient", CONFIG_TEXT, OF(recipient), .max = 1024,
	  .meaning = "recipient of the SAML assertion; by default from LoginUrl=" },
	{ "Assertion", CONFIG_TEXT, OF(assertion_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where a SAML assertion is that somebody else signs, file:PATH, credential:ID "
		     "or stored:" },
	{ "SubjectToken", CONFIG_TEXT, OF(subject_token_ref), .max = CONFIG_LINE_MAX,
	  .meaning = "where the token is that is exchanged, file:PATH or credential:ID" },
	{ "SubjectTokenType", CONFIG_TEXT, OF(subject_token_type), .max = 256,
	  .meaning = "its type: access_token, refresh_token, id_token, saml2, jwt or a URN" },
	{ "TokenHandler", CONFIG_TEXT, OF(token_handler), .max = 128,
	  .meaning = "developer name of the token exchange handler in Salesforce" },
	{ "Scopes", CONFIG_TEXT, OF(scopes), .max = 1024, .meaning = "scopes to ask for" },
	{ "RedirectUri", CONFIG_TEXT, OF(redirect_uri), .max = 1024,
	  .meaning = "where a browser comes back to after a login" },
	{ "Dialect", CONFIG_ENUM, OF(dialect), .names = dialect_names,
	  .meaning = "of the device flow: salesforce or rfc8628" },
	{ "AllowUserAgent", CONFIG_BOOL, OF(allow_user_agent), .fallback = "no",
	  .meaning = "whether the deprecated user-agent flow may be used" },
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
	{ "RenewalEndsSession", CONFIG_BOOL, OF(renewal_ends_session), .fallback = "no",
	  .meaning = "whether the server ends the old session with a renewal, which then waits for "
		     "callers who hold it; by default yes for grants that spend a refresh token" },
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
	{ "AllowLogin", CONFIG_LIST, OF(allow_login),
	  .meaning = "users and @groups who may log in for it" },
	{ "LoadCredentialUnit", CONFIG_LIST, OF(load_units),
	  .meaning = "units that may load its tokens with LoadCredential=, names or globs" },
	{ "AllowUnit", CONFIG_LIST, OF(allow_units),
	  .meaning = "units, names or globs, in one of which whoever is allowed must also be" },
	{ "AllowExecutable", CONFIG_LIST, OF(allow_executables),
	  .meaning = "programs, paths or globs, one of which whoever is allowed must also run" },
};

const struct config_section credential_sections[] = {
	[CREDENTIAL_ITSELF] = { "Credential", credential_keys, COUNT(credential_keys),
				sizeof(struct credential), NULL, 0 },
	[CREDENTIAL_ACCESS] = { "Access", access_keys, COUNT(access_keys),
				sizeof(struct credential), NULL, 0 },
};
const size_t credential_n_sections = COUNT(credential_sections);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys fit which grant, and which the grant needs.
 */
#include <string.h>

#include "daemon/mint/credential_parts.h"

#define NOTE(c, check, key, ...) CREDENTIAL_NOTE(c, (check)->notes, "Credential", key, __VA_ARGS__)

#define G(grant) (1u << GRANT_##grant)
#define LOGINS (G(WEB_SERVER) | G(USER_AGENT) | G(DEVICE) | G(REFRESH_TOKEN))

/* A key that is nowhere in here fits all of them. */
static const struct fit {
	const char *section, *key;
	unsigned grants;
} fits[] = {
	{ "Credential", "Username", LOGINS | G(JWT_BEARER) | G(SAML_BEARER) },
	{ "Credential", "Audience", G(JWT_BEARER) | G(SAML_BEARER) },
	{ "Credential", "Recipient", G(SAML_BEARER) },
	{ "Credential", "Assertion", G(SAML_BEARER) },
	{ "Credential", "SubjectToken", G(TOKEN_EXCHANGE) },
	{ "Credential", "SubjectTokenType", G(TOKEN_EXCHANGE) },
	{ "Credential", "TokenHandler", G(TOKEN_EXCHANGE) },
	{ "Credential", "Scopes", LOGINS | G(TOKEN_EXCHANGE) | G(CLIENT_CREDENTIALS) },
	{ "Credential", "RedirectUri", LOGINS },
	{ "Credential", "Dialect", G(WEB_SERVER) | G(DEVICE) | G(REFRESH_TOKEN) },
	{ "Access", "AllowLogin", LOGINS },
};

static bool is_one_of(const struct credential *c, unsigned grants)
{
	return c->grant_type >= 0 && (grants >> c->grant_type & 1u);
}

bool credential_logs_in(const struct credential *c)
{
	return is_one_of(c, LOGINS);
}

bool credential_refreshes(const struct credential *c)
{
	return is_one_of(c, LOGINS & ~G(USER_AGENT));
}

bool credential_signs(const struct credential *c)
{
	return c->client_auth == PRIVATE_KEY_JWT || c->grant_type == GRANT_JWT_BEARER ||
	       (c->grant_type == GRANT_SAML_BEARER && !c->assertion_ref);
}

bool credential_need(const struct credential *c, const struct credential_check *check,
		     const void *value, const char *key, const char *what)
{
	if (!value && !credential_assigned(c, "Credential", key))
		NOTE(c, check, key, "%s= is missing — write %s", key, what);
	return value != NULL;
}

/* A key that another key makes wrong. */
static void note_against(const struct credential *c, const struct credential_check *check,
			 const char *key, const char *why)
{
	if (credential_assigned(c, "Credential", key))
		NOTE(c, check, key, "%s= does not fit %s", key, why);
}

static void check_table(const struct credential *c, const struct credential_check *check)
{
	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++)
		if (!is_one_of(c, fits[i].grants) &&
		    credential_assigned(c, fits[i].section, fits[i].key))
			CREDENTIAL_NOTE(c, check->notes, fits[i].section, fits[i].key,
					"%s= does not fit GrantType=%s — remove the line",
					fits[i].key, grant_type_names[c->grant_type]);
	if (c->grant_type == GRANT_CLIENT_CREDENTIALS && !c->issuer)
		note_against(c, check, "Scopes",
			     "GrantType=client_credentials without Issuer=: Salesforce takes the "
			     "scopes of the app — remove the line");
}

static void check_key_fits(const struct credential *c, const struct credential_check *check)
{
	bool signs = credential_signs(c);

	if (!signs && c->grant_type == GRANT_SAML_BEARER)
		note_against(c, check, "PrivateKey",
			     "Assertion=, which somebody else has signed — remove one of them");
	else if (!signs && credential_assigned(c, "Credential", "PrivateKey"))
		NOTE(c, check, "PrivateKey",
		     "PrivateKey= does not fit GrantType=%s — remove the line, or write "
		     "ClientAuth=private_key_jwt",
		     grant_type_names[c->grant_type]);
	else if (signs)
		credential_need(c, check, c->private_key_ref, "PrivateKey",
				"where the RSA key is, file:PATH, credential:ID, stored:, pkcs11:… "
				"or handle:…");
	if (c->certificate_ref && !credential_assigned(c, "Credential", "PrivateKey"))
		NOTE(c, check, "Certificate",
		     "Certificate= is that of PrivateKey=, which is not there — remove the line");
	if (c->certificate_ref && strncmp(c->certificate_ref, "file:/", 6) != 0 &&
	    strncmp(c->certificate_ref, "credential:", 11) != 0)
		NOTE(c, check, "Certificate",
		     "Certificate=%.60s is no reference — write file:/PATH or credential:ID",
		     c->certificate_ref);
	if (c->passphrase_ref && !credential_assigned(c, "Credential", "PrivateKey"))
		NOTE(c, check, "Passphrase",
		     "Passphrase= is that of PrivateKey=, which is not there — remove the line");
}

static void check_saml(const struct credential *c, const struct credential_check *check)
{
	if (!c->assertion_ref) {
		credential_need(c, check, c->username, "Username",
				"the user for whom tokens are asked");
		return;
	}
	note_against(c, check, "Audience", "Assertion=, which has its own — remove one of them");
	note_against(c, check, "Recipient", "Assertion=, which has its own — remove one of them");
}

static void check_exchange(struct credential *c, const struct credential_check *check)
{
	credential_need(c, check, c->subject_token_ref, "SubjectToken",
			"where the token is that is exchanged, file:PATH or credential:ID");
	if (c->issuer)
		note_against(c, check, "TokenHandler",
			     "Issuer=: token handlers are Salesforce's — remove the line");
}

static void check_needs(struct credential *c, const struct credential_check *check)
{
	switch (c->grant_type) {
	case GRANT_JWT_BEARER:
		credential_need(c, check, c->username, "Username",
				"the user for whom tokens are asked");
		break;
	case GRANT_SAML_BEARER:
		check_saml(c, check);
		break;
	case GRANT_TOKEN_EXCHANGE:
		check_exchange(c, check);
		break;
	case GRANT_CLIENT_CREDENTIALS:
		if (c->client_auth != PRIVATE_KEY_JWT)
			credential_need(c, check, c->client_secret_ref, "ClientSecret",
					"where the consumer secret is, file:PATH, credential:ID or "
					"stored:");
		break;
	default:
		break;
	}
}

static void check_user_agent(const struct credential *c, const struct credential_check *check)
{
	bool user_agent = c->grant_type == GRANT_USER_AGENT;

	if (c->allow_user_agent && !user_agent)
		NOTE(c, check, "AllowUserAgent",
		     "AllowUserAgent=yes does not fit GrantType=%s — remove the line",
		     grant_type_names[c->grant_type]);
	if (user_agent && !c->allow_user_agent)
		NOTE(c, check, "GrantType",
		     "GrantType=user_agent is deprecated and must be asked for — write "
		     "GrantType=web_server, or add AllowUserAgent=yes");
	else if (user_agent)
		CREDENTIAL_NOTE(
			c, check->warnings, "Credential", "GrantType",
			"GrantType=user_agent of \"%s\" is deprecated, Salesforce discourages it, and "
			"its tokens cannot be renewed: a person must log in each time — write "
			"GrantType=web_server",
			c->name);
}

/* --- ClientAuth= --- */

static void check_client_auth(const struct credential *c, const struct credential_check *check)
{
	const char *key = "ClientAuth";
	bool secret = c->client_secret_ref != NULL;

	if (c->client_auth == PRIVATE_KEY_JWT && secret)
		NOTE(c, check, key,
		     "ClientAuth=private_key_jwt does not fit ClientSecret= — remove one of them");
	else if (c->client_auth == CLIENT_AUTH_NONE && secret)
		NOTE(c, check, key,
		     "ClientAuth=none does not fit ClientSecret= — remove one of them");
	else if (c->client_auth == CLIENT_AUTH_NONE && c->grant_type == GRANT_CLIENT_CREDENTIALS)
		NOTE(c, check, key,
		     "ClientAuth=none does not fit GrantType=client_credentials: the client has to "
		     "prove who it is — remove the line");
	else if ((c->client_auth == CLIENT_SECRET_POST || c->client_auth == CLIENT_SECRET_BASIC) &&
		 !secret && c->grant_type != GRANT_CLIENT_CREDENTIALS)
		NOTE(c, check, key, "ClientAuth=client_secret_%s needs ClientSecret= — add it",
		     c->client_auth == CLIENT_SECRET_POST ? "post" : "basic");
}

void credential_resolve_client_auth(struct credential *c, const struct credential_check *check)
{
	if (c->client_auth >= 0)
		check_client_auth(c, check);
	else
		c->client_auth = c->client_secret_ref ? CLIENT_SECRET_POST : CLIENT_AUTH_NONE;
	if (c->introspect == INTROSPECT_YES && !c->client_secret_ref &&
	    c->client_auth != PRIVATE_KEY_JWT)
		NOTE(c, check, "Introspect",
		     "Introspect=yes needs ClientSecret= — add it, or write Introspect=no");
}

void credential_check_fit(struct credential *c, const struct credential_check *check)
{
	check_table(c, check);
	check_key_fits(c, check);
	check_needs(c, check);
	check_user_agent(c, check);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One credential judged: its server, its names, and all that the other credential_*.c files have to say.
 */
#include <string.h>

#include "daemon/common/url.h"
#include "daemon/mint/credential_parts.h"

#define NOTE(c, check, key, ...) CREDENTIAL_NOTE(c, (check)->notes, "Credential", key, __VA_ARGS__)

enum { REFRESH_IDLE_STOP_MS = 7 * 24 * 3600 * 1000 };

bool credential_printable(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return false;
	return true;
}

/* --- LoginUrl=, Issuer=, InstanceUrl= --- */

/* salesforce-oauth.md 5.4: the generic hosts answer client credentials with invalid_grant "request
 * not supported on this domain". */
static bool is_generic_host(const char *host)
{
	return !strcmp(host, "login.salesforce.com") || !strcmp(host, "test.salesforce.com");
}

/* Whether we may talk to it: key is where its URL stands. */
static void check_host(const struct credential *c, const struct url *u, const char *key,
		       const struct credential_check *check)
{
	const struct config_list *allowed = &check->settings->network.allowed_hosts;

	if (!u->https && !url_is_loopback(u))
		NOTE(c, check, key,
		     "%s= is http:, which is for 127.0.0.1 and [::1] only — write https:", key);
	if (!allowed->n || url_allowed(u, allowed))
		return;
	/* as it has to be written there */
	if (u->port == 443)
		NOTE(c, check, key,
		     "AllowedHosts= in sftokend.conf does not allow the host of %s=, %.100s "
		     "— add it there",
		     key, u->host);
	else
		NOTE(c, check, key,
		     "AllowedHosts= in sftokend.conf does not allow the host of %s=, %.100s:%u "
		     "— add it there",
		     key, u->host, u->port);
}

/* A URL of the file; one that is none is noted and forgotten: it may hold a password, and --check would print it. */
static bool parse(const struct credential *c, const struct credential_check *check, const char *key,
		  char **text, struct url *u)
{
	struct err why = { 0 };

	if (url_parse(*text, u, &why) == 0)
		return true;
	NOTE(c, check, key, "%s=: %s", key, why.text);
	cleanup_free(text);
	return false;
}

/* The one form of a URL: lower case host, no default port, no slash at the end. */
static char *normal_form(const struct url *u, bool path, struct err *err)
{
	CLEANUP(buf_finip) struct buf normal;

	buf_init(&normal, 2048);
	url_add_origin(&normal, u);
	if (path)
		buf_add_text(&normal, u->path);
	while (!buf_failed(&normal) && normal.len && normal.data[normal.len - 1] == '/')
		normal.data[--normal.len] = '\0';
	char *text = buf_failed(&normal) ? NULL : strdup(normal.data);

	if (!text)
		err_oom(err);
	return text;
}

static int check_login_url(struct credential *c, const struct credential_check *check,
			   struct err *err)
{
	struct url u;

	if (!credential_need(c, check, c->login_url, "LoginUrl",
			     "the org's URL, for example https://example.my.salesforce.com") ||
	    !parse(c, check, "LoginUrl", &c->login_url, &u))
		return 0;
	check_host(c, &u, "LoginUrl", check);
	if (c->grant_type == GRANT_CLIENT_CREDENTIALS && is_generic_host(u.host))
		NOTE(c, check, "LoginUrl",
		     "LoginUrl=https://%s does not serve client_credentials: Salesforce does so on "
		     "the org's My Domain alone — write "
		     "https://MYDOMAIN.my.salesforce.com",
		     u.host);
	char *text = normal_form(&u, true, err);

	if (!text)
		return -ERR_INTERNAL;
	free(c->login_url);
	c->login_url = text;
	return 0;
}

/* As grants will be judged: AllowedHosts=, else its default and the issuer's own host (salesforce_hosts()). */
static bool instance_allowed(const struct url *u, const struct url *issuer,
			     const struct credential_check *check)
{
	const struct config_list *allowed = &check->settings->network.allowed_hosts;

	if (allowed->n)
		return true; /* check_host() has said it */
	for (const char *const *host = settings_default_hosts; *host; host++) {
		char *items[] = { (char *)(uintptr_t)*host };

		if (url_allowed(u, &(struct config_list){ items, 1 }))
			return true;
	}
	return u->port == issuer->port && !strcmp(u->host, issuer->host);
}

static int check_instance_url(struct credential *c, const struct url *issuer,
			      const struct credential_check *check, struct err *err)
{
	struct url u = *issuer;

	if (!c->instance_url && credential_assigned(c, "Credential", "InstanceUrl"))
		return 0;
	if (c->instance_url) {
		if (!parse(c, check, "InstanceUrl", &c->instance_url, &u))
			return 0;
		if (*u.path && strcmp(u.path, "/") != 0)
			NOTE(c, check, "InstanceUrl",
			     "InstanceUrl= has a path — write https://HOST alone");
		check_host(c, &u, "InstanceUrl", check);
		if (!instance_allowed(&u, issuer, check))
			NOTE(c, check, "InstanceUrl",
			     "the host of InstanceUrl=, %.100s, is not that of Issuer= and no host of "
			     "Salesforce — name it and that of Issuer= in AllowedHosts= in sftokend.conf",
			     u.host);
	}
	char *text = normal_form(&u, false, err);

	if (!text)
		return -ERR_INTERNAL;
	free(c->instance_url);
	c->instance_url = text;
	return 0;
}

/* RFC 8414 2: https, without query and fragment. It stays as it is written, because the server's own word must be the same to the byte. */
static int check_issuer(struct credential *c, const struct credential_check *check, struct err *err)
{
	struct url u;

	if (credential_assigned(c, "Credential", "LoginUrl"))
		NOTE(c, check, "Issuer",
		     "Issuer= and LoginUrl= exclude each other: one is for other servers, one for "
		     "Salesforce — remove one of them");
	if (!parse(c, check, "Issuer", &c->issuer, &u))
		return 0;
	check_host(c, &u, "Issuer", check);
	free(c->login_url);
	c->login_url = normal_form(&u, true, err);
	return c->login_url ? check_instance_url(c, &u, check, err) : -ERR_INTERNAL;
}

static int check_server(struct credential *c, const struct credential_check *check, struct err *err)
{
	if (c->issuer)
		return check_issuer(c, check, err);
	if (credential_assigned(c, "Credential", "InstanceUrl"))
		NOTE(c, check, "InstanceUrl",
		     "InstanceUrl= is for Issuer= only: Salesforce says it with each token — remove "
		     "the line");
	return check_login_url(c, check, err);
}

/* --- names --- */

static void check_client(const struct credential *c, const struct credential_check *check)
{
	if (credential_need(c, check, c->client_id, "ClientId",
			    "the consumer key of the connected app") &&
	    !credential_printable(c->client_id, strlen(c->client_id)))
		NOTE(c, check, "ClientId",
		     "ClientId= holds a blank or a byte that is not ASCII — copy the consumer key "
		     "alone");
}

/* Salesforce takes URLs alone; other servers may have any name (an entity ID). */
static void check_assertion_url(const struct credential *c, const struct credential_check *check,
				const char *key, const char *value)
{
	struct url u;

	if (!value)
		return;
	if (c->issuer ? !credential_printable(value, strlen(value))
		      : url_parse(value, &u, NULL) < 0)
		NOTE(c, check, key,
		     "%s= is not a URL — write for example https://login.salesforce.com%s, or "
		     "remove the line",
		     key, strcmp(key, "Recipient") ? "" : "/services/oauth2/token");
}

static void check_names(const struct credential *c, const struct credential_check *check)
{
	if (c->username && strpbrk(c->username, " \t"))
		NOTE(c, check, "Username", "Username= holds a blank — write the user name alone");
	check_assertion_url(c, check, "Audience", c->audience);
	check_assertion_url(c, check, "Recipient", c->recipient);
	if (c->token_handler && !credential_printable(c->token_handler, strlen(c->token_handler)))
		NOTE(c, check, "TokenHandler",
		     "TokenHandler= holds a blank or a byte that is not ASCII — write the developer "
		     "name of the handler");
}

/* The short names of RFC 8693 3 (RFC 7519 and 7522 for the last two) become URNs. */
static int resolve_token_type(struct credential *c, const struct credential_check *check,
			      struct err *err)
{
	static const char *const names[] = { "access_token", "refresh_token", "id_token",
					     "saml2",        "jwt",           NULL };
	const char *given = c->subject_token_type ? c->subject_token_type : names[0];
	size_t i = 0;
	CLEANUP(buf_finip) struct buf urn;

	if (c->grant_type != GRANT_TOKEN_EXCHANGE)
		return 0;
	while (names[i] && strcmp(names[i], given) != 0)
		i++;
	if (!names[i]) {
		if (strncmp(given, "urn:", 4) || !credential_printable(given, strlen(given)))
			NOTE(c, check, "SubjectTokenType",
			     "SubjectTokenType=%.60s is unknown — write one of: access_token, "
			     "refresh_token, id_token, saml2, jwt, or a URN",
			     given);
		return 0;
	}
	buf_init(&urn, 100);
	buf_addf(&urn, "urn:ietf:params:oauth:token-type:%s", names[i]);
	if (buf_failed(&urn))
		return err_oom(err);
	free(c->subject_token_type);
	c->subject_token_type = TAKE(urn.data);
	return 0;
}

static void check_aliases(const struct credential *c, const struct credential_check *check)
{
	if (c->aliases.n > ALIASES_MAX)
		NOTE(c, check, "Alias", "Alias= has %zu names — at most %d are allowed",
		     c->aliases.n, ALIASES_MAX);
	for (size_t i = 0; i < c->aliases.n; i++)
		if (!credential_name_ok(c->aliases.items[i]))
			NOTE(c, check, "Alias",
			     "Alias=%.60s is not a name — letters, digits and . _ @ - (at most "
			     "128, a letter or digit first)",
			     c->aliases.items[i]);
}

/* architecture.md 7: each renewal of a refresh grant spends a token, so it stops by itself unless
 * the file says otherwise. */
static void set_idle(struct credential *c)
{
	if (credential_refreshes(c) && !credential_assigned(c, "Credential", "IdleStop") &&
	    !(c->renew_when_idle && credential_assigned(c, "Credential", "RenewWhenIdle")))
		c->idle_stop_ms = REFRESH_IDLE_STOP_MS;
}

/* Rotation ends the session before (facts of 2026: airbyte PR 84302); who knows better says so. */
static void set_session_end(struct credential *c)
{
	if (!credential_assigned(c, "Credential", "RenewalEndsSession"))
		c->renewal_ends_session = credential_refreshes(c);
}

int credential_check(struct credential *c, const struct credential_check *check, struct err *err)
{
	bool known = c->grant_type >= 0;

	credential_need(c, check, known ? c : NULL, "GrantType",
			"how tokens are got, for example GrantType=jwt_bearer, see "
			"sftokend.credential(5)");
	if (check_server(c, check, err) < 0)
		return -ERR_INTERNAL;
	check_client(c, check);
	check_aliases(c, check);
	check_names(c, check);
	credential_resolve_client_auth(c, check);
	/* without a grant nobody can say what fits it */
	if (known)
		credential_check_fit(c, check);
	if (credential_check_login(c, check, err) < 0 || resolve_token_type(c, check, err) < 0 ||
	    credential_read_values(c, check, err) < 0)
		return -ERR_INTERNAL;
	set_idle(c);
	set_session_end(c);
	return 0;
}

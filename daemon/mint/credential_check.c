/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One credential judged: what its grant needs, what does not fit it, and its secrets.
 */
#include <string.h>

#include "daemon/common/url.h"
#include "daemon/mint/credential_parts.h"

#define NOTE(c, check, key, ...) CREDENTIAL_NOTE(c, (check)->notes, "Credential", key, __VA_ARGS__)

enum { REFRESH_IDLE_STOP_MS = 7 * 24 * 3600 * 1000 };

static bool is_jwt(const struct credential *c)
{
	return c->grant_type == GRANT_JWT_BEARER;
}

static bool is_refresh(const struct credential *c)
{
	return c->grant_type == GRANT_REFRESH_TOKEN;
}

/* True if it is there; else says once that it is missing (a wrong value has been said already). */
static bool need(const struct credential *c, const struct credential_check *check,
		 const void *value, const char *key, const char *what)
{
	if (!value && !credential_assigned(c, "Credential", key))
		NOTE(c, check, key, "%s= is missing — write %s", key, what);
	return value != NULL;
}

bool credential_printable(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return false;
	return true;
}

static void note_unfit(const struct credential *c, const struct credential_check *check,
		       const char *key)
{
	if (credential_assigned(c, "Credential", key))
		NOTE(c, check, key, "%s= does not fit GrantType=%s — remove the line", key,
		     grant_type_names[c->grant_type]);
}

/* salesforce-oauth.md 5.4: the generic hosts answer client credentials with invalid_grant "request
 * not supported on this domain". */
static bool is_generic_host(const char *host)
{
	return !strcmp(host, "login.salesforce.com") || !strcmp(host, "test.salesforce.com");
}

static void check_login_host(const struct credential *c, const struct url *u,
			     const struct credential_check *check)
{
	const struct config_list *allowed = &check->settings->network.allowed_hosts;

	if (!u->https && !url_is_loopback(u))
		NOTE(c, check, "LoginUrl",
		     "LoginUrl= is http:, which is for 127.0.0.1 and [::1] only — write https:");
	if (c->grant_type == GRANT_CLIENT_CREDENTIALS && is_generic_host(u->host))
		NOTE(c, check, "LoginUrl",
		     "LoginUrl=https://%s does not serve client_credentials: Salesforce does so on "
		     "the org's My Domain alone — write "
		     "https://MYDOMAIN.my.salesforce.com",
		     u->host);
	if (allowed->n && !url_allowed(u, allowed))
		NOTE(c, check, "LoginUrl",
		     "AllowedHosts= in sftokend.conf does not allow the host of LoginUrl=, %.100s "
		     "— add it there",
		     u->host);
}

/* Judges LoginUrl= and gives it its one form: lower case host, no default port, no slash at the
 * end. */
static int check_login_url(struct credential *c, const struct credential_check *check,
			   struct err *err)
{
	CLEANUP(buf_finip) struct buf normal;
	struct err why = { 0 };
	struct url u;

	buf_init(&normal, 2048);
	if (!need(c, check, c->login_url, "LoginUrl",
		  "the org's URL, for example https://example.my.salesforce.com"))
		return 0;
	if (url_parse(c->login_url, &u, &why) < 0) {
		NOTE(c, check, "LoginUrl", "LoginUrl=: %s", why.text);
		/* it may hold a password: it is not printed */
		cleanup_free(&c->login_url);
		return 0;
	}
	check_login_host(c, &u, check);
	url_add_origin(&normal, &u);
	buf_add_text(&normal, u.path);
	while (!buf_failed(&normal) && normal.len && normal.data[normal.len - 1] == '/')
		normal.data[--normal.len] = '\0';
	char *text = buf_failed(&normal) ? NULL : strdup(normal.data);

	if (!text)
		return err_oom(err);
	free(c->login_url);
	c->login_url = text;
	return 0;
}

static void check_client(const struct credential *c, const struct credential_check *check)
{
	if (need(c, check, c->client_id, "ClientId", "the consumer key of the connected app") &&
	    !credential_printable(c->client_id, strlen(c->client_id)))
		NOTE(c, check, "ClientId",
		     "ClientId= holds a blank or a byte that is not ASCII — copy the consumer key "
		     "alone");
}

static void check_names(const struct credential *c, const struct credential_check *check)
{
	struct url u;

	if (!is_jwt(c) && !is_refresh(c))
		note_unfit(c, check, "Username");
	else if (c->username && strpbrk(c->username, " \t"))
		NOTE(c, check, "Username", "Username= holds a blank — write the user name alone");
	if (!is_jwt(c)) {
		note_unfit(c, check, "PrivateKey");
		note_unfit(c, check, "Audience");
		return;
	}
	need(c, check, c->private_key_ref, "PrivateKey",
	     "where the RSA key is, file:PATH, credential:ID or stored:");
	need(c, check, c->username, "Username", "the user for whom tokens are asked");
	if (c->audience && url_parse(c->audience, &u, NULL) < 0)
		NOTE(c, check, "Audience",
		     "Audience= is not a URL — write for example https://login.salesforce.com, or "
		     "remove the line");
}

/* Reads one secret; a mistake is noted at its key. */
static int read_secret(const struct credential *c, const struct credential_check *check,
		       const char *key, const char *ref, bool trim, struct secret **out,
		       struct err *err)
{
	struct err why = { 0 };

	if (!ref || credential_is_stored(ref))
		return 0;
	if (!strncmp(ref, "stored:", 7)) {
		NOTE(c, check, key,
		     "%s=stored: takes nothing after the colon — write %s=stored:", key, key);
		return 0;
	}
	*out = credential_secret_kept(check->secrets, ref, check->service_uid, trim, &why);
	if (*out)
		return 0;
	if (why.code == ERR_INTERNAL)
		return err_set(err, ERR_INTERNAL, "%s", why.text);
	NOTE(c, check, key, "%s=: %s", key, why.text);
	return 0;
}

static int check_client_secret(struct credential *c, const struct credential_check *check,
			       struct err *err)
{
	bool given = c->client_secret_ref != NULL;

	if (c->grant_type == GRANT_CLIENT_CREDENTIALS)
		need(c, check, c->client_secret_ref, "ClientSecret",
		     "where the consumer secret is, file:PATH, credential:ID or stored:");
	if (!given && c->introspect == INTROSPECT_YES)
		NOTE(c, check, "Introspect",
		     "Introspect=yes needs ClientSecret= — add it, or write Introspect=no");
	if (read_secret(c, check, "ClientSecret", c->client_secret_ref, true, &c->client_secret,
			err) < 0)
		return -ERR_INTERNAL;
	if (c->client_secret &&
	    !credential_printable(secret_bytes(c->client_secret), secret_size(c->client_secret)))
		NOTE(c, check, "ClientSecret",
		     "ClientSecret=: the secret holds a blank or a byte that is not ASCII — write "
		     "the consumer secret alone");
	return 0;
}

static int check_private_key(struct credential *c, const struct credential_check *check,
			     struct err *err)
{
	struct err why = { 0 };

	/* that it does not fit has been said */
	if (c->grant_type >= 0 && !is_jwt(c))
		return 0;
	if (read_secret(c, check, "PrivateKey", c->private_key_ref, false, &c->private_key, err) <
	    0)
		return -ERR_INTERNAL;
	if (c->private_key && check->check_key && check->check_key(c->private_key, &why) < 0)
		NOTE(c, check, "PrivateKey", "PrivateKey=: %s", why.text);
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

/* What is no reference may be the secret itself: --check must not print it. */
static void forget_pasted(char **ref)
{
	if (*ref && strncmp(*ref, "file:", 5) && strncmp(*ref, "credential:", 11) &&
	    !credential_is_stored(*ref))
		cleanup_free(ref);
}

/* architecture.md 7: each renewal of a refresh grant spends a token, so it stops by itself unless
 * the file says otherwise. */
static void set_idle(struct credential *c)
{
	if (is_refresh(c) && !credential_assigned(c, "Credential", "IdleStop") &&
	    !(c->renew_when_idle && credential_assigned(c, "Credential", "RenewWhenIdle")))
		c->idle_stop_ms = REFRESH_IDLE_STOP_MS;
}

int credential_check(struct credential *c, const struct credential_check *check, struct err *err)
{
	bool known = c->grant_type >= 0;
	int r;

	need(c, check, known ? c : NULL, "GrantType",
	     "GrantType=jwt_bearer, GrantType=client_credentials or GrantType=refresh_token");
	r = check_login_url(c, check, err);
	check_client(c, check);
	check_aliases(c, check);
	/* without a grant nobody can say what fits it */
	if (known)
		check_names(c, check);
	if (r == 0)
		r = check_client_secret(c, check, err);
	if (r == 0)
		r = check_private_key(c, check, err);
	if (r == 0)
		r = credential_look_up(c, check, err);
	set_idle(c);
	forget_pasted(&c->client_secret_ref);
	forget_pasted(&c->private_key_ref);
	return r;
}

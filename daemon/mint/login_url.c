/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/login_url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "proto/json.h"

enum { SCOPES_MAX = 4096, PORT_MAX = 65535, ID_SIGNIFICANT = 15 };

#define DEFAULT_REDIRECT_URI "http://localhost:1717/OauthRedirect"

const char *login_redirect_uri(const struct credential *c)
{
	return c->redirect_uri ? c->redirect_uri : DEFAULT_REDIRECT_URI;
}

/* The length of "http://LOOPBACK:" at the start; 0: it is no such URI. */
static size_t loopback_prefix(const char *uri)
{
	static const char *const prefixes[] = { "http://127.0.0.1:", "http://[::1]:",
						"http://localhost:" };

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (strncmp(uri, prefixes[i], strlen(prefixes[i])) == 0)
			return strlen(prefixes[i]);
	return 0;
}

bool login_redirect_allowed(const struct credential *c, const char *uri)
{
	const char *configured = login_redirect_uri(c);
	size_t host = loopback_prefix(configured), digits;
	long port = 0;

	if (strcmp(configured, uri) == 0)
		return true;
	if (!host || configured[host] != '0' || isdigit((unsigned char)configured[host + 1]) ||
	    strncmp(configured, uri, host) != 0)
		return false;
	digits = strspn(uri + host, "0123456789");
	if (digits == 0 || digits > 5 || uri[host] == '0')
		return false;
	for (size_t i = 0; i < digits; i++)
		port = port * 10 + (uri[host + i] - '0');
	return port <= PORT_MAX && strcmp(configured + host + 1, uri + host + digits) == 0;
}

/* --- there --- */

static bool has_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += size)
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	return false;
}

void login_scopes(const struct credential *c, int flow, struct buf *out)
{
	const char *scopes = c->scopes;
	bool refreshes = flow != LOGIN_USER_AGENT;

	if (!scopes || !scopes[0]) {
		/* the app's scopes count; an OpenID provider has none */
		if (c->issuer)
			buf_add_text(out, refreshes ? "openid offline_access" : "openid");
		return;
	}
	buf_add_text(out, scopes);
	if (refreshes && !has_word(scopes, "refresh_token") && !has_word(scopes, "offline_access"))
		buf_add_text(out, c->issuer ? " offline_access" : " refresh_token");
}

static void add(struct buf *query, const char *name, const char *value)
{
	oauth_form_add(query, name, value, strlen(value));
}

/* base64url(SHA-256(verifier)) (RFC 7636 4.2) */
static void add_challenge(struct buf *query, const struct secret *verifier)
{
	CLEANUP(buf_finip) struct buf challenge;
	unsigned char digest[OAUTH_SHA256_SIZE];

	buf_init(&challenge, 64);
	if (oauth_sha256(secret_bytes(verifier), secret_size(verifier), digest) < 0) {
		query->failed = true;
		return;
	}
	oauth_base64url(&challenge, digest, sizeof digest);
	if (buf_failed(&challenge)) {
		query->failed = true;
		return;
	}
	add(query, "code_challenge", challenge.data);
	add(query, "code_challenge_method", "S256");
}

static void add_scopes(struct buf *query, const struct login_request *r)
{
	CLEANUP(buf_finip) struct buf scopes;

	buf_init(&scopes, SCOPES_MAX);
	login_scopes(r->credential, r->flow, &scopes);
	if (scopes.len)
		oauth_form_add(query, "scope", scopes.data, scopes.len);
	query->failed = query->failed || scopes.failed;
}

static int add_base(const struct login_request *r, struct buf *out, struct err *err)
{
	CLEANUP(cleanup_free) char *base = NULL;

	if (r->credential->issuer && (!r->endpoints || !r->endpoints->authorization))
		return err_set(err, ERR_ADMIN,
			       "the server of Issuer= has no authorization endpoint: use another "
			       "flow (sftoken login --flow device)");
	base = r->credential->issuer ? strdup(r->endpoints->authorization)
				     : salesforce_url(r->credential->login_url, "authorize");
	if (!base)
		return err_oom(err);
	buf_add_text(out, base);
	buf_add_char(out, strchr(base, '?') ? '&' : '?');
	return 0;
}

int login_url_make(const struct login_request *r, struct buf *out, struct err *err)
{
	const struct credential *c = r->credential;
	CLEANUP(buf_finip) struct buf query;
	int status = add_base(r, out, err);

	buf_init(&query, LOGIN_URL_BYTES_MAX);
	if (status < 0)
		return status;
	add(&query, "response_type", r->flow == LOGIN_USER_AGENT ? "token" : "code");
	add(&query, "client_id", c->client_id ? c->client_id : "");
	add(&query, "redirect_uri", r->redirect_uri);
	add_scopes(&query, r);
	add(&query, "state", secret_bytes(r->state));
	if (r->flow == LOGIN_WEB_SERVER)
		add_challenge(&query, r->verifier);
	if (c->username)
		add(&query, "login_hint", c->username);
	buf_add(out, query.data, query.len);
	return buf_failed(&query) || buf_failed(out) ? err_oom(err) : 0;
}

/* --- and back --- */

static int hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)tolower((unsigned char)ch);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Decodes in place, once. false: a bad percent sign, or a control character, which no value has; in words for people it becomes a '?'. */
static bool decode(char *text, bool words)
{
	char *to = text;

	for (; *text; text++) {
		char ch = *text == '+' ? ' ' : *text;

		if (ch == '%') {
			int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);

			if (low < 0)
				return false;
			ch = (char)(high << 4 | low);
			text += 2;
		}
		if ((unsigned char)ch < ' ' || ch == 0x7f) {
			if (!words)
				return false;
			ch = '?';
		}
		*to++ = ch;
	}
	*to = '\0';
	return true;
}

static const struct member {
	const char *name;
	size_t offset;
} members[] = {
	{ "state", offsetof(struct login_answer, state) },
	{ "code", offsetof(struct login_answer, code) },
	{ "error", offsetof(struct login_answer, error) },
	{ "error_description", offsetof(struct login_answer, error_description) },
	{ "iss", offsetof(struct login_answer, iss) },
	{ "access_token", offsetof(struct login_answer, access_token) },
	{ "token_type", offsetof(struct login_answer, token_type) },
	{ "instance_url", offsetof(struct login_answer, instance_url) },
	{ "id", offsetof(struct login_answer, id) },
	{ "scope", offsetof(struct login_answer, scope) },
	{ "expires_in", offsetof(struct login_answer, expires_in) },
	{ "issued_at", offsetof(struct login_answer, issued_at) },
};

static int take_member(struct login_answer *a, char *name, char *value, struct err *err)
{
	/* a refusal stays a refusal, whatever its words look like */
	if (!decode(name, false) || !decode(value, strcmp(name, "error_description") == 0))
		return err_set(err, ERR_INPUT,
			       "it has a bad percent sign or a control character: copy the whole "
			       "address from the browser");
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		const char **to = (const char **)(void *)((char *)a + members[i].offset);

		if (strcmp(members[i].name, name) != 0)
			continue;
		if (*to)
			return err_set(err, ERR_INPUT, "it has %s twice", members[i].name);
		*to = value;
	}
	return 0;
}

/* name=value&... up to a '#' or the end; returns what follows. */
static int take_members(struct login_answer *a, char *text, struct err *err)
{
	while (text) {
		char *next = strpbrk(text, "&#"), *equals;
		int r;

		if (next)
			*next++ = '\0';
		equals = strchr(text, '=');
		if (equals) {
			*equals = '\0';
			r = take_member(a, text, equals + 1, err);
			if (r < 0)
				return r;
		}
		text = next;
	}
	return 0;
}

static bool scheme_and_host_end(const char *uri, size_t *end)
{
	const char *slashes = strstr(uri, "://");

	if (!slashes)
		return false;
	*end = (size_t)(slashes - uri) + 3;
	*end += strcspn(uri + *end, "/?#");
	return true;
}

/* Where the members begin: behind the redirect URI. NULL: it is another one. */
static char *after_redirect_uri(char *url, const char *redirect_uri)
{
	size_t size = strlen(redirect_uri), host;
	bool queried = strchr(redirect_uri, '?') != NULL;

	if (strncmp(url, redirect_uri, size) != 0)
		return NULL;
	/* a browser writes a slash where there is no path */
	if (scheme_and_host_end(redirect_uri, &host) && host == size && url[size] == '/')
		size++;
	if (url[size] != '#' && url[size] != (queried ? '&' : '?'))
		return NULL;
	return url + size + 1;
}

int login_answer_read(const struct secret *url, const char *redirect_uri, struct login_answer *out,
		      struct err *err)
{
	char *text, *at;
	int r;

	memset(out, 0, sizeof *out);
	if (secret_size(url) > LOGIN_URL_BYTES_MAX)
		return err_set(err, ERR_INPUT, "it is longer than 64 KiB");
	out->bytes = secret_new(secret_bytes(url), secret_size(url));
	if (!out->bytes)
		return err_oom(err);
	text = secret_edit(out->bytes);
	at = strlen(text) == secret_size(out->bytes) ? after_redirect_uri(text, redirect_uri)
						     : NULL;
	r = at ? take_members(out, at, err)
	       : err_set(err, ERR_INPUT,
			 "it is not the address to which the login leads: give the whole address "
			 "that the browser shows at the end, which begins with %.200s",
			 redirect_uri);
	if (r < 0)
		login_answer_fini(out);
	return r;
}

void login_answer_fini(struct login_answer *a)
{
	secret_unref(a->bytes);
	memset(a, 0, sizeof *a);
}

/* --- who --- */

static void copy_text(struct json_value v, char *to, size_t room)
{
	const char *text;

	if (json_type(v) != JSON_STRING)
		return;
	text = json_text(v, NULL);
	if (!text || strlen(text) >= room)
		return;
	for (size_t i = 0; text[i]; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return;
	memcpy(to, text, strlen(text) + 1);
}

bool login_user_read(const struct http_response *res, struct login_user *out)
{
	struct json_value root, key, value;

	memset(out, 0, sizeof *out);
	if (res->outcome != HTTP_ANSWERED || res->status != 200 || !res->body ||
	    json_check(res->body, res->size, JSON_DEPTH_MAX, NULL) < 0)
		return false;
	root = json_root(res->body, res->size);
	if (json_type(root) != JSON_OBJECT)
		return false;
	for (struct json_iter i = json_iterate(root); json_next(&i, &key, &value);) {
		if (json_is(key, "preferred_username"))
			copy_text(value, out->username, sizeof out->username);
		else if (json_is(key, "user_id"))
			copy_text(value, out->user_id, sizeof out->user_id);
		else if (json_is(key, "organization_id"))
			copy_text(value, out->organization_id, sizeof out->organization_id);
	}
	return true;
}

bool login_same_id(const char *a, const char *b)
{
	return a && b && strlen(a) >= ID_SIGNIFICANT && strlen(b) >= ID_SIGNIFICANT &&
	       strncmp(a, b, ID_SIGNIFICANT) == 0;
}

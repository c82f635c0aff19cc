/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a login needs: scopes, the redirect URI, the dialect of the device flow.
 */
#include <string.h>
#include <strings.h>

#include "daemon/common/url.h"
#include "daemon/mint/credential_parts.h"

#define NOTE(c, check, key, ...) CREDENTIAL_NOTE(c, (check)->notes, "Credential", key, __VA_ARGS__)

static const char redirect_default[] = "http://localhost:1717/OauthRedirect";

/* scope-token, RFC 6749 3.3 */
static bool is_scope_byte(char byte)
{
	return byte > ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/* One space between words, none else. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		char byte = *from == '\t' ? ' ' : *from;

		if (byte != ' ' || (to > text && to[-1] != ' '))
			*to++ = byte;
	}
	while (to > text && to[-1] == ' ')
		to--;
	*to = '\0';
}

static void check_scopes(struct credential *c, const struct credential_check *check)
{
	if (!c->scopes)
		return;
	squeeze(c->scopes);
	for (const char *at = c->scopes; *at; at++) {
		if (*at == ' ' || is_scope_byte(*at))
			continue;
		NOTE(c, check, "Scopes",
		     "Scopes= holds a byte that no scope has — write words with spaces between "
		     "them, for example: api refresh_token");
		return;
	}
}

/* --- RedirectUri= --- */

/* Port 0 stands for any free one (RFC 8252 7.3), which is no port of a URL otherwise: it is replaced before the URL is judged. */
static void replace_port_0(char *url)
{
	char *end = url + strlen("http://");

	end += strcspn(end, "/");
	if (end[-1] == '0' && end[-2] == ':')
		end[-1] = '1';
}

static const char *judge_http(const char *text, struct err *err)
{
	CLEANUP(cleanup_free) char *copy = strdup(text);
	struct url u;

	if (!copy)
		return "out of memory";
	replace_port_0(copy);
	if (url_parse(copy, &u, err) < 0)
		return err->text;
	if (!url_is_loopback(&u) && strcmp(u.host, "localhost") != 0)
		return "http: is for 127.0.0.1, [::1] and localhost only — write https:";
	return NULL;
}

/* scheme, RFC 3986 3.1, and something after its colon */
static bool has_scheme(const char *text)
{
	size_t n = strspn(text,
			  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return n > 1 && ((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z') && text[n] == ':' &&
	       text[n + 1];
}

/* What is wrong with it; NULL: nothing. */
static const char *judge_redirect(const char *text, struct err *err)
{
	struct url u;

	if (!credential_printable(text, strlen(text)))
		return "it holds a blank or a byte that is not ASCII — write the callback URL of "
		       "the app";
	if (strpbrk(text, "?#"))
		return "it has a query or a fragment — remove everything from the ? or # on";
	if (!strncasecmp(text, "http://", 7))
		return judge_http(text, err);
	if (!strncasecmp(text, "https://", 8))
		return url_parse(text, &u, err) < 0 ? err->text : NULL;
	return has_scheme(text) ? NULL : "it is no URL — write the callback URL of the app";
}

static int check_redirect(struct credential *c, const struct credential_check *check,
			  struct err *err)
{
	struct err why = { 0 };
	const char *wrong;

	if (!credential_logs_in(c))
		return 0;
	if (c->redirect_uri) {
		wrong = judge_redirect(c->redirect_uri, &why);
		if (wrong)
			NOTE(c, check, "RedirectUri", "RedirectUri=: %s", wrong);
		return 0;
	}
	c->redirect_uri = strdup(redirect_default);
	return c->redirect_uri ? 0 : err_oom(err);
}

static void check_dialect(struct credential *c, const struct credential_check *check)
{
	if (c->dialect == DIALECT_RFC8628 && !c->issuer)
		NOTE(c, check, "Dialect",
		     "Dialect=rfc8628 needs Issuer=: Salesforce has a dialect of its own — remove "
		     "the line");
	if (c->dialect < 0)
		c->dialect = c->issuer ? DIALECT_RFC8628 : DIALECT_SALESFORCE;
}

int credential_check_login(struct credential *c, const struct credential_check *check,
			   struct err *err)
{
	check_scopes(c, check);
	check_dialect(c, check);
	return check_redirect(c, check, err);
}

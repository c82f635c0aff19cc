/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions that come ready-made. What is looked at is the outside alone, so that a Response or a web page in the wrong file is said to be one; whether signature, times and
 * audience are right is the server's to say.
 */
#include <ctype.h>
#include <string.h>

#include "daemon/mint/oauth.h"
#include "daemon/mint/saml.h"

static const char name_end[] = " \t\r\n/>";

/* Behind a declaration or comment; NULL: it has no end. */
static const char *skip_to(const char *at, const char *end)
{
	at = strstr(at, end);
	return at ? at + strlen(end) : NULL;
}

/* Behind a tag that begins at at, quoted values passed over; NULL: it has no end. */
static const char *skip_tag(const char *at)
{
	char quote = '\0';

	for (at++; *at; at++) {
		if (quote)
			quote = *at == quote ? '\0' : quote;
		else if (*at == '"' || *at == '\'')
			quote = *at;
		else if (*at == '>')
			return at + 1;
	}
	return NULL;
}

/* Behind the markup at at ('<'). *depth counts open elements. NULL: broken off, or a document type. */
static const char *skip_markup(const char *at, int *depth)
{
	const char *behind;

	if (!strncmp(at, "<?", 2))
		return skip_to(at, "?>");
	if (!strncmp(at, "<!--", 4))
		return skip_to(at, "-->");
	if (!strncmp(at, "<![CDATA[", 9))
		return *depth ? skip_to(at, "]]>") : NULL;
	if (at[1] == '!')
		return NULL;
	behind = skip_tag(at);
	if (behind && at[1] == '/')
		--*depth;
	else if (behind && behind[-2] != '/')
		++*depth;
	return behind;
}

static bool root_is(const char *root, const char *name)
{
	size_t size = strcspn(root + 1, name_end), want = strlen(name);
	const char *end = root + 1 + size;

	return size >= want && !memcmp(end - want, name, want) &&
	       (size == want || end[-(ptrdiff_t)want - 1] == ':');
}

static int not_one(struct err *err)
{
	return err_set(err, ERR_ADMIN, "Assertion= is not XML with exactly one Assertion element");
}

static int check_root(const char *root, struct err *err)
{
	if (root_is(root, "Assertion"))
		return 0;
	if (root_is(root, "Response"))
		return err_set(
			err, ERR_ADMIN,
			"Assertion= is a SAML Response: put the Assertion element that is in it there, alone");
	if (root_is(root, "EncryptedAssertion"))
		return err_set(err, ERR_ADMIN,
			       "Assertion= is encrypted: it must be a plain Assertion");
	return not_one(err);
}

/* One element on the outside, with nothing but white space, comments and declarations beside it. */
static int check_document(const char *at, struct err *err)
{
	const char *root = NULL;
	int depth = 0;

	if (!strncmp(at, "\xef\xbb\xbf", 3))
		at += 3;
	while (at && *at) {
		bool outside = depth == 0;

		if (*at != '<') {
			if (outside && !isspace((unsigned char)*at))
				return not_one(err);
			at++;
			continue;
		}
		if (outside && at[1] != '?' && at[1] != '!') {
			if (root)
				return not_one(err);
			root = at;
		}
		at = skip_markup(at, &depth);
		if (depth < 0)
			return not_one(err);
	}
	return root && at && depth == 0 ? check_root(root, err) : not_one(err);
}

/* base64 and base64url, with or without padding, in one line or many. */
static int decode(const struct secret *given, struct buf *out, struct err *err)
{
	const char *text = secret_bytes(given);
	CLEANUP(buf_finip) struct buf plain;

	buf_init(&plain, 2 * SAML_MAX);
	for (; *text; text++) {
		if (!isspace((unsigned char)*text) && *text != '=')
			buf_add_char(&plain, *text == '+' ? '-' : *text == '/' ? '_' : *text);
	}
	if (buf_failed(&plain) || oauth_base64url_decode(plain.data, plain.len, out) < 0)
		return err_set(err, ERR_ADMIN,
			       "Assertion= is neither XML nor base64url of XML of at most %d bytes",
			       SAML_MAX);
	return 0;
}

int saml_given(const struct secret *given, struct buf *out, struct err *err)
{
	const char *text = secret_bytes(given);
	size_t from = out->len;
	int r = 0;

	if (strlen(text) != secret_size(given) || !secret_size(given))
		return not_one(err);
	if (!strncmp(text, "\xef\xbb\xbf", 3) || text[strspn(text, " \t\r\n")] == '<')
		buf_add(out, text, secret_size(given));
	else
		r = decode(given, out, err);
	if (r < 0)
		return r;
	if (buf_failed(out))
		return err_set(err, ERR_ADMIN, "Assertion= is longer than %d bytes", SAML_MAX);
	if (out->len == from || strlen(out->data + from) != out->len - from)
		return not_one(err);
	return check_document(out->data + from, err);
}

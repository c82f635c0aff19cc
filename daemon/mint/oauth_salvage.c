/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next refresh token out of an answer that no JSON reader takes. The server has forgotten the old one when it wrote this answer, so what can be read beyond doubt is
 * worth reading; a wrong token would be worse than none, for it would take the place of one that may still be good. Hence a scanner that knows strings, depth and
 * what stands before and behind them, and that gives up where two readings are possible.
 */
#include <string.h>

#include "daemon/mint/oauth_parts.h"
#include "proto/json.h"

enum { KEY_MAX = 6 * 16 + 2 }; /* a longer one is no name that we look for, however it is escaped */

static const char name[] = "refresh_token";

struct scan {
	char *at, *end;
	unsigned depth;
	char before; /* the byte before the string, white space left out; 0: none */
	bool closed; /* the first object is complete */
	unsigned found;
	bool doubt;
	struct json_value token; /* of the member that was found, with its quotes */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char *skip_space(char *at, const char *end)
{
	while (at < end && is_space(*at))
		at++;
	return at;
}

/* Behind the closing quote of the string that begins at at; NULL: it does not end. */
static char *string_end(char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && at + 1 < end)
			at++;
	}
	return NULL;
}

static bool key_is(struct json_value key, const char *text)
{
	size_t size = (size_t)(key.end - key.start);

	return size <= KEY_MAX && json_check(key.start, size, 0, NULL) == 0 && json_is(key, text);
}

/* The value of a member called refresh_token, if it is a complete string and something that may follow one follows. */
static bool take_value(struct scan *s, char *behind_key)
{
	char *at = skip_space(behind_key, s->end), *next;

	if (at == s->end || *at != ':')
		return false;
	at = skip_space(at + 1, s->end);
	if (at == s->end || *at != '"')
		return false;
	s->token.start = at;
	s->token.end = string_end(at, s->end);
	if (!s->token.end)
		return false;
	next = skip_space(s->token.end, s->end);
	return next == s->end || *next == ',' || *next == '}';
}

static void see_string(struct scan *s)
{
	struct json_value string = { s->at, string_end(s->at, s->end) };

	if (!string.end) {
		s->at = s->end;
		return;
	}
	s->at = string.end;
	if (s->before == ':')
		return; /* a value */
	if (key_is(string, "error"))
		s->doubt = true;
	if (!key_is(string, name))
		return;
	s->found++;
	if (s->depth != 1 || s->closed || (s->before != '{' && s->before != ',') ||
	    !take_value(s, string.end))
		s->doubt = true;
}

static void see_mark(struct scan *s)
{
	if (*s->at == '{' || *s->at == '[')
		s->depth++;
	if (*s->at == '}' || *s->at == ']') {
		s->doubt = s->doubt || s->depth == 0;
		s->depth--;
		s->closed = s->closed || s->depth == 0;
	}
	s->at++;
}

/* How often the name stands there with a colon behind it, seen without knowing where strings begin: the scanner must not have lost its way over a second one. */
static unsigned count_names(char *at, const char *end)
{
	static const char key[] = "refresh_token\"";
	unsigned n = 0;

	while ((at = memmem(at, (size_t)(end - at), key, sizeof key - 1))) {
		char *next = skip_space(at + sizeof key - 1, end);

		n += next < end && *next == ':';
		at += sizeof key - 1;
	}
	return n;
}

static bool find(struct scan *s)
{
	char *start = skip_space(s->at, s->end);

	if (start == s->end || *start != '{' || count_names(start, s->end) > 1)
		return false;
	s->at = start;
	while (s->at < s->end && !s->doubt) {
		char seen = *s->at;

		if (seen == '"')
			see_string(s);
		else
			see_mark(s);
		if (!is_space(seen))
			s->before = seen;
	}
	return s->found == 1 && !s->doubt;
}

struct secret *oauth_salvage_refresh(const struct http_response *res)
{
	CLEANUP(buf_finip) struct buf copy;
	struct scan s = { 0 };
	size_t size;
	char *text;

	buf_init(&copy, HTTP_BODY_MAX);
	if (!res->body || res->status != 200 || res->outcome == HTTP_UNSENT ||
	    res->outcome == HTTP_REFUSED)
		return NULL;
	s.at = res->body;
	s.end = res->body + res->size;
	if (!find(&s))
		return NULL;
	buf_add(&copy, s.token.start, (size_t)(s.token.end - s.token.start));
	if (buf_failed(&copy) || json_check(copy.data, copy.len, 0, NULL) < 0)
		return NULL;
	text = json_text(json_root(copy.data, copy.len), &size);
	if (!size || size != strlen(text) || !oauth_printable(text, OAUTH_TOKEN_MAX, '!'))
		return NULL;
	return secret_new(text, size);
}

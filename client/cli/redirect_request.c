/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request to the listener may be: one shape, byte by byte (RFC 9112), and all else is refused. A browser writes nothing else; whoever does is no browser, or is made to do it by a
 * page of somebody else (DNS rebinding, a form, an image).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/redirect_parts.h"

struct text {
	const char *at;
	size_t len;
};

struct head {
	struct text method, path, query;
	bool has_query;
	struct text host, origin, nonce;
	bool chunked;        /* any Transfer-Encoding */
	long long body_size; /* -1: not told */
	size_t size;
};

enum {
	OK = 0,
	BAD = 400,
	FORBIDDEN = 403,
	NOT_FOUND = 404,
	BAD_METHOD = 405,
	NO_LENGTH = 411,
	BODY_TOO_BIG = 413,
	WRONG_HOST = 421,
	HEAD_TOO_BIG = 431
};

static bool text_is(struct text t, const char *word)
{
	return t.len == strlen(word) && memcmp(t.at, word, t.len) == 0;
}

static bool name_is(struct text t, const char *word)
{
	return t.len == strlen(word) && strncasecmp(t.at, word, t.len) == 0;
}

bool same_secret(const char *a, size_t a_len, const char *b)
{
	size_t b_len = strlen(b);
	unsigned differ = a_len != b_len;

	for (size_t i = 0; i < a_len && b_len; i++)
		differ |= (unsigned char)(a[i] ^ b[i % b_len]);
	return !differ;
}

/* No head holds it: a control character, or half a line end. before: the byte in front of it, after: behind it; NUL: there is none (yet). */
static bool is_foreign(unsigned char c, char before, char after)
{
	if (c == '\n')
		return before != '\r';
	if (c == '\r')
		return after != '\n' && after != '\0';
	return (c < ' ' && c != '\t') || c == 0x7f;
}

/* 0, or BAD at the first byte that no head holds: another protocol is not waited for. *end: behind the empty line, 0: it has not come. */
static int find_end(const char *data, size_t len, size_t *end)
{
	*end = 0;
	for (size_t i = 0; i < len; i++) {
		bool last = i + 1 == len;

		if (is_foreign((unsigned char)data[i], i ? data[i - 1] : '\0',
			       last ? '\0' : data[i + 1]))
			return BAD;
		if (data[i] == '\n' && i >= 3 && data[i - 2] == '\n') {
			*end = i + 1;
			return OK;
		}
	}
	return OK;
}

/* Takes the line off the front of *rest, without its CRLF. */
static struct text take_line(struct text *rest)
{
	const char *end = memchr(rest->at, '\r', rest->len);
	struct text line = { rest->at, (size_t)(end - rest->at) };

	rest->at += line.len + 2;
	rest->len -= line.len + 2;
	return line;
}

static struct text take_word(struct text *line)
{
	const char *space = memchr(line->at, ' ', line->len);
	struct text word = { line->at, space ? (size_t)(space - line->at) : line->len };
	size_t used = word.len + (space ? 1 : 0);

	line->at += used;
	line->len -= used;
	return word;
}

/* "GET /path?query HTTP/1.1" and nothing else */
static bool parse_request_line(struct text line, struct head *h)
{
	struct text target;
	const char *mark;

	h->method = take_word(&line);
	target = take_word(&line);
	if (!h->method.len || !target.len || target.at[0] != '/' ||
	    (!text_is(line, "HTTP/1.1") && !text_is(line, "HTTP/1.0")))
		return false;
	for (size_t i = 0; i < target.len; i++)
		if (target.at[i] <= ' ' || target.at[i] > '~' || target.at[i] == '#')
			return false;
	mark = memchr(target.at, '?', target.len);
	h->has_query = mark != NULL;
	h->path = (struct text){ target.at, mark ? (size_t)(mark - target.at) : target.len };
	if (mark)
		h->query = (struct text){ mark + 1, target.len - h->path.len - 1 };
	return true;
}

static bool parse_size(struct text value, long long *out)
{
	long long size = 0;

	if (*out >= 0 || value.len == 0 || value.len > 9)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
		size = size * 10 + (value.at[i] - '0');
	}
	*out = size;
	return true;
}

/* A header that may stand there once. */
static bool set_once(struct text *member, struct text value)
{
	if (member->at)
		return false;
	*member = value;
	return true;
}

static bool take_header(struct head *h, struct text name, struct text value)
{
	if (name_is(name, "Host"))
		return set_once(&h->host, value);
	if (name_is(name, "Origin"))
		return set_once(&h->origin, value);
	if (name_is(name, "X-Sftoken-Nonce"))
		return set_once(&h->nonce, value);
	if (name_is(name, "Content-Length"))
		return parse_size(value, &h->body_size);
	h->chunked |= name_is(name, "Transfer-Encoding");
	return true;
}

static bool is_token(struct text name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~' ||
		    strchr("\"(),/:;<=>?@[\\]{}", name.at[i]))
			return false;
	return name.len > 0;
}

/* A line that goes on in the next one has no name, and is refused with it. */
static bool parse_header(struct text line, struct head *h)
{
	const char *colon = memchr(line.at, ':', line.len);
	struct text name = { line.at, colon ? (size_t)(colon - line.at) : 0 }, value;

	if (!colon || !is_token(name))
		return false;
	value = (struct text){ colon + 1, line.len - name.len - 1 };
	while (value.len && (value.at[0] == ' ' || value.at[0] == '\t'))
		value = (struct text){ value.at + 1, value.len - 1 };
	while (value.len && (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == '\t'))
		value.len--;
	return take_header(h, name, value);
}

static bool parse_head(const char *data, size_t size, struct head *h)
{
	struct text rest = { data, size };

	*h = (struct head){ .body_size = -1, .size = size };
	if (!parse_request_line(take_line(&rest), h))
		return false;
	while (rest.len > 2)
		if (!parse_header(take_line(&rest), h))
			return false;
	return !h->chunked && h->host.at;
}

/* An empty path in the redirect URI is asked for as "/". */
static bool path_fits(const struct redirect_uri *uri, struct text path)
{
	if (uri->path_len == 0)
		return text_is(path, "/");
	return path.len == uri->path_len && memcmp(path.at, uri->text + uri->path, path.len) == 0;
}

const char *state_in(const char *part, size_t len, size_t *state_len)
{
	static const char name[] = "state=";
	size_t at = 0;

	while (at < len) {
		const char *end = memchr(part + at, '&', len - at);
		size_t size = end ? (size_t)(end - part) - at : len - at;

		if (size > sizeof name - 1 && memcmp(part + at, name, sizeof name - 1) == 0) {
			*state_len = size - (sizeof name - 1);
			return part + at + sizeof name - 1;
		}
		at += size + 1;
	}
	return NULL;
}

static int redirect_in(struct text part, bool in_fragment, struct request *out)
{
	size_t len;

	for (size_t i = 0; i < part.len; i++)
		if (part.at[i] <= ' ' || part.at[i] > '~')
			return BAD;
	if (!state_in(part.at, part.len, &len))
		return BAD;
	*out = (struct request){ .kind = REQUEST_REDIRECT,
				 .in_fragment = in_fragment,
				 .part = part.at,
				 .part_len = part.len };
	return OK;
}

static int judge_get(const struct request_rules *rules, const struct head *h, struct request *out)
{
	if (h->body_size > 0)
		return BAD;
	if (rules->relay && !h->has_query) {
		*out = (struct request){ .kind = REQUEST_RELAY };
		return OK;
	}
	return redirect_in(h->query, false, out);
}

/* The relay page, and nobody else: a page of another origin neither knows the nonce nor may send its header. */
static int judge_post(const struct request_rules *rules, const struct head *h, const char *data,
		      size_t len, struct request *out)
{
	if (h->has_query)
		return BAD;
	if (!h->origin.at || !text_is(h->origin, rules->uri.origin) || !h->nonce.at ||
	    !same_secret(h->nonce.at, h->nonce.len, rules->nonce))
		return FORBIDDEN;
	if (h->body_size < 0)
		return NO_LENGTH;
	if (h->body_size > REDIRECT_BODY_MAX)
		return BODY_TOO_BIG;
	if (len - h->size < (size_t)h->body_size)
		return OK; /* more will come */
	return redirect_in((struct text){ data + h->size, (size_t)h->body_size }, true, out);
}

static int judge(const struct request_rules *rules, const char *data, size_t len,
		 struct request *out)
{
	size_t end, looked = len < REDIRECT_HEAD_MAX ? len : REDIRECT_HEAD_MAX;
	struct head h;

	if (find_end(data, looked, &end))
		return BAD;
	if (!end)
		return len < REDIRECT_HEAD_MAX ? OK : HEAD_TOO_BIG;
	if (!parse_head(data, end, &h))
		return BAD;
	if (!name_is(h.host, rules->uri.origin + strlen("http://")))
		return WRONG_HOST;
	if (!path_fits(&rules->uri, h.path)) {
		out->miss = !text_is(h.path, "/favicon.ico");
		return NOT_FOUND;
	}
	if (text_is(h.method, "GET"))
		return judge_get(rules, &h, out);
	if (text_is(h.method, "POST") && rules->relay)
		return judge_post(rules, &h, data, len, out);
	return BAD_METHOD;
}

void request_judge(const struct request_rules *rules, const char *data, size_t len,
		   struct request *out)
{
	int status;

	*out = (struct request){ .kind = REQUEST_MORE, .miss = true };
	status = judge(rules, data, len, out);
	if (status)
		*out = (struct request){ .kind = REQUEST_REFUSED,
					 .status = status,
					 .miss = out->miss };
}

char *request_url(const struct request_rules *rules, const struct request *request)
{
	const struct redirect_uri *uri = &rules->uri;
	bool own_query = uri->text[uri->path + uri->path_len] == '?';
	char *url;

	/* a redirect URI with a query of its own: the browser asks for that query and what was added to it */
	if (asprintf(&url, "%.*s%s%.*s",
		     (int)(own_query && !request->in_fragment ? uri->path + uri->path_len
							      : strlen(uri->text)),
		     uri->text, request->in_fragment ? "#" : "?", (int)request->part_len,
		     request->part) < 0)
		return NULL;
	return url;
}

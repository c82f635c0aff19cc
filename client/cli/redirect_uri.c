/* SPDX-License-Identifier: Apache-2.0 */
/* Redirect URIs, and parameters of URLs that we were given by the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/redirect.h"

#define HTTP "http://"

enum { HTTP_PORT = 80, PORT_MAX = 65535 };

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* ":1717" at text, or nothing; false: it is no port. */
static bool parse_port(const char *text, size_t len, unsigned *out)
{
	unsigned port = 0;

	*out = HTTP_PORT;
	if (len == 0)
		return true;
	if (text[0] != ':' || len < 2 || len > 6)
		return false;
	for (size_t i = 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	*out = port;
	return port <= PORT_MAX;
}

static bool is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static void set_loopback(struct redirect_uri *u)
{
	const char *host = u->text + u->host;

	u->v4 = is(host, u->host_len, "127.0.0.1") || is(host, u->host_len, "localhost");
	u->v6 = is(host, u->host_len, "[::1]") || is(host, u->host_len, "localhost");
	if (!u->v4 && !u->v6)
		return;
	(void)snprintf(u->origin, sizeof u->origin, HTTP "%s",
		       u->v4 && u->v6 ? "localhost"
		       : u->v4        ? "127.0.0.1"
				      : "[::1]");
	if (u->port != HTTP_PORT)
		(void)snprintf(u->origin + strlen(u->origin), sizeof u->origin - strlen(u->origin),
			       ":%u", u->port);
}

int redirect_uri_parse(const char *text, struct redirect_uri *out)
{
	const char *colon = strchr(text, ':');
	size_t authority, bracket;

	*out = (struct redirect_uri){ .text = text };
	if (!colon || colon == text || !printable(text) || strchr(text, '#'))
		return -EINVAL;
	if (strncasecmp(text, HTTP, sizeof HTTP - 1) != 0)
		return 0; /* https and schemes of programs: a browser goes there, we do not listen */
	out->host = sizeof HTTP - 1;
	authority = strcspn(text + out->host, "/?");
	out->path = out->host + authority;
	out->path_len = strcspn(text + out->path, "?");
	bracket = text[out->host] == '[' ? strcspn(text + out->host, "]") : 0;
	out->host_len = bracket + strcspn(text + out->host + bracket, ":/?");
	if (out->host_len == 0 || memchr(text + out->host, '@', authority) ||
	    !parse_port(text + out->host + out->host_len, authority - out->host_len, &out->port))
		return -EINVAL;
	set_loopback(out);
	return 0;
}

char *redirect_uri_with_port(const struct redirect_uri *uri, unsigned port)
{
	char *text;

	if (asprintf(&text, "%.*s:%u%s", (int)(uri->host + uri->host_len), uri->text, port,
		     uri->text + uri->path) < 0)
		return NULL;
	return text;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *decoded(const char *text, size_t len)
{
	char *out = malloc(len + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%' && len - i > 2 && hex(text[i + 1]) >= 0 &&
		    hex(text[i + 2]) >= 0) {
			out[n++] = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
			i += 2;
		} else {
			out[n++] = text[i] == '+' ? ' ' : text[i];
		}
	}
	out[n] = '\0';
	return out;
}

char *url_parameter(const char *url, const char *name)
{
	const char *at = strchr(url, '?');
	size_t name_len = strlen(name);

	while (at && *at != '#') {
		size_t len = strcspn(++at, "&#");

		if (len > name_len && at[name_len] == '=' && strncmp(at, name, name_len) == 0)
			return decoded(at + name_len + 1, len - name_len - 1);
		at = at[len] == '&' ? at + len : NULL;
	}
	return NULL;
}

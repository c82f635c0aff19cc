/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "daemon/common/url.h"

static const char host_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
static const char
	path_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._~-";

/* A DNS name or IPv4 address in lower case: labels of 1 to 63 bytes, not beginning or ending with
 * '-'. */
static bool name_ok(const char *host)
{
	size_t size = strlen(host);

	if (size == 0 || size > URL_HOST_MAX || host[strspn(host, host_bytes)])
		return false;
	while (*host) {
		size_t label = strcspn(host, ".");

		if (label == 0 || label > 63 || host[0] == '-' || host[label - 1] == '-')
			return false;
		host += label;
		if (*host == '.' && !*++host)
			return false;
	}
	return true;
}

/* "[" hex and colons "]" */
static bool literal_ok(const char *host)
{
	size_t n = strspn(host + 1, "0123456789abcdef:.");

	return host[0] == '[' && n >= 2 && n <= 45 && !strcmp(host + 1 + n, "]");
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* 1..65535, or 0 */
static unsigned port_number(const char *text)
{
	unsigned port = 0;
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 5 || text[n])
		return 0;
	for (size_t i = 0; i < n; i++)
		port = port * 10 + (unsigned)(text[i] - '0');
	return port > 65535 ? 0 : port;
}

/* Cuts ":port" off; false if what follows the colon is no port. */
static bool split_port(char *authority, unsigned *port)
{
	char *bracket = strrchr(authority, ']');
	char *colon = strchr(bracket ? bracket : authority, ':');

	if (!colon)
		return true;
	*colon = '\0';
	*port = port_number(colon + 1);
	return *port != 0;
}

static int parse_authority(const char *text, size_t size, struct url *out, struct err *err)
{
	char authority[URL_HOST_MAX + 8];

	if (memchr(text, '@', size))
		return err_set(
			err, ERR_ADMIN,
			"the URL holds a user or a password — remove everything up to the @");
	if (size == 0 || size >= sizeof(authority))
		return err_set(err, ERR_ADMIN, "the URL has no usable host — write https://HOST");
	memcpy(authority, text, size);
	authority[size] = '\0';
	lower(authority);
	if (!split_port(authority, &out->port))
		return err_set(err, ERR_ADMIN,
			       "the port in the URL is not a number from 1 to 65535 — mend it or "
			       "leave it out");
	if (!name_ok(authority) && !literal_ok(authority))
		return err_set(err, ERR_ADMIN,
			       "the host in the URL is not a host name — write https://HOST");
	memcpy(out->host, authority, strlen(authority) + 1);
	return 0;
}

static int check_path(const char *path, struct err *err)
{
	if (strpbrk(path, "?#"))
		return err_set(
			err, ERR_ADMIN,
			"the URL has a query or a fragment — remove everything from the ? or # on");
	if (path[strspn(path, path_bytes)])
		return err_set(err, ERR_ADMIN,
			       "the path of the URL holds bytes that are not allowed — letters, "
			       "digits and / . _ ~ - are");
	if (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../"))
		return err_set(err, ERR_ADMIN,
			       "the path of the URL has empty or dot segments — remove them");
	const char *last = strrchr(path, '/');

	if (last && (!strcmp(last, "/.") || !strcmp(last, "/..")))
		return err_set(err, ERR_ADMIN,
			       "the path of the URL has empty or dot segments — remove them");
	return 0;
}

int url_parse(const char *text, struct url *out, struct err *err)
{
	const char *rest;

	*out = (struct url){ 0 };
	if (!strncasecmp(text, "https://", 8)) {
		out->https = true;
		out->port = 443;
		rest = text + 8;
	} else if (!strncasecmp(text, "http://", 7)) {
		out->port = 80;
		rest = text + 7;
	} else {
		return err_set(err, ERR_ADMIN,
			       "the URL has no scheme that we know — write https://HOST");
	}
	size_t size = strcspn(rest, "/?#");

	out->path = rest + size;
	if (parse_authority(rest, size, out, err) < 0)
		return -ERR_ADMIN;
	return check_path(out->path, err);
}

bool url_is_loopback(const struct url *u)
{
	return !strcmp(u->host, "127.0.0.1") || !strcmp(u->host, "[::1]");
}

void url_add_origin(struct buf *out, const struct url *u)
{
	buf_add_text(out, u->https ? "https://" : "http://");
	buf_add_text(out, u->host);
	if (u->port == (u->https ? 443u : 80u))
		return;
	buf_add_char(out, ':');
	buf_add_int(out, u->port);
}

/* Pattern -> lower-case host part and port (0: none written). */
static bool split_pattern(const char *pattern, char *host, size_t size, unsigned *port)
{
	size_t length = strlen(pattern);

	*port = 0;
	if (length >= size)
		return false;
	memcpy(host, pattern, length + 1);
	lower(host);
	return split_port(host, port);
}

bool url_pattern_ok(const char *pattern)
{
	char host[URL_HOST_MAX + 8];
	unsigned port;

	if (!split_pattern(pattern, host, sizeof(host), &port))
		return false;
	const char *name = strncmp(host, "*.", 2) ? host : host + 2;

	return name_ok(name) || (name == host && literal_ok(host));
}

static bool matches(const struct url *u, const char *pattern)
{
	char host[URL_HOST_MAX + 8];
	unsigned port;

	if (!split_pattern(pattern, host, sizeof(host), &port))
		return false;
	if (u->port != (port ? port : u->https ? 443u : 80u))
		return false;
	if (strncmp(host, "*.", 2))
		return !strcmp(u->host, host);
	size_t n = strlen(u->host), m = strlen(host + 1);

	return n > m && !strcmp(u->host + n - m, host + 1);
}

bool url_allowed(const struct url *u, const struct config_list *patterns)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (matches(u, patterns->items[i]))
			return true;
	return false;
}

const char *url_scheme(const char *url)
{
	struct url parts;

	if (!url || url_parse(url, &parts, NULL) < 0)
		return NULL;
	if (parts.https)
		return "https";
	return url_is_loopback(&parts) ? "http" : NULL;
}

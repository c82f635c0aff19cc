/* SPDX-License-Identifier: Apache-2.0 */
/* URLs and hosts: one strict reader, and the list of hosts that we may talk to. */
#include "daemon/mint/salesforce.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { URL_MAX = 1024, HOST_MAX = 253, LABEL_MAX = 63, HTTPS_PORT = 443, HTTP_PORT = 80 };

static const char *const default_hosts[] = { "*.salesforce.com", "*.my.site.com", "*.salesforce.mil",
					     "*.my.sfcrmproducts.cn" };
enum { DEFAULT_HOSTS = sizeof default_hosts / sizeof default_hosts[0] };

static bool host_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.';
}

/* A DNS name or an IPv4 literal: letters, digits and inner hyphens in labels of 1 to 63; no dot at the end. */
static bool name_ok(const char *host, size_t size)
{
	size_t label = 0;

	if (!size || size > HOST_MAX || host[size - 1] == '.')
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!host_char(host[i]))
			return false;
		if (host[i] == '.') {
			if (!label || host[i - 1] == '-')
				return false;
			label = 0;
		} else if ((!label && host[i] == '-') || ++label > LABEL_MAX) {
			return false;
		}
	}
	return host[size - 1] != '-';
}

/* "[::1]" and the like: brackets around hexadecimal digits and colons (no zone, no embedded IPv4). */
static bool literal_ok(const char *host, size_t size)
{
	if (size < 4 || host[0] != '[' || host[size - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < size; i++) {
		if (!isxdigit((unsigned char)host[i]) && host[i] != ':')
			return false;
	}
	return memchr(host + 1, ':', size - 2);
}

/* 1..65535 in plain digits without leading zeros; 0: not a port. */
static unsigned read_port(const char *text, size_t size)
{
	unsigned port = 0;

	if (!size || size > 5 || text[0] == '0')
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (!isdigit((unsigned char)text[i]))
			return 0;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	return port <= 65535 ? port : 0;
}

/* Splits "host", "host:port" or "[v6]:port". *port stays as it is when none is named. */
static bool split_authority(const char *text, size_t size, size_t *host_size, unsigned *port)
{
	const char *colon;

	if (size && text[0] == '[') {
		const char *bracket = memchr(text, ']', size);

		if (!bracket)
			return false;
		*host_size = (size_t)(bracket - text) + 1;
		colon = *host_size < size ? bracket + 1 : NULL;
		if (colon && *colon != ':')
			return false;
	} else {
		colon = memchr(text, ':', size);
		*host_size = colon ? (size_t)(colon - text) : size;
	}
	if (!colon)
		return true;
	*port = read_port(colon + 1, size - *host_size - 1);
	return *port != 0;
}

static bool path_ok(const char *path)
{
	for (const char *at = path; *at; at += strcspn(at, "/")) {
		size_t size;

		at++;
		size = strcspn(at, "/");
		if ((size == 1 && at[0] == '.') || (size == 2 && at[0] == '.' && at[1] == '.'))
			return false;
	}
	return true;
}

/* Bytes that have no place anywhere in a URL of ours. */
static int check_bytes(const char *url, struct err *err)
{
	size_t size = strnlen(url, URL_MAX + 1);

	if (size > URL_MAX)
		return err_set(err, ERR_INPUT, "the URL is longer than %d bytes", URL_MAX);
	for (size_t i = 0; i < size; i++) {
		if (url[i] <= ' ' || url[i] > '~')
			return err_set(err, ERR_INPUT, "the URL has a byte that is not printable ASCII");
		if (strchr("?#@\\\"<>^`{|}", url[i]))
			return err_set(err, ERR_INPUT, "the URL has a '%c', which is not allowed here", url[i]);
	}
	return 0;
}

static void copy_lower(char *to, const char *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (char)tolower((unsigned char)from[i]);
	to[size] = '\0';
}

static bool loopback(const char *host)
{
	return !strcmp(host, "127.0.0.1") || !strcmp(host, "[::1]");
}

int salesforce_parse_url(const char *url, struct salesforce_url *out, struct err *err)
{
	const char *at = url;
	size_t size, host_size = 0;
	int r = check_bytes(url, err);

	if (r < 0)
		return r;
	*out = (struct salesforce_url){ .https = !strncasecmp(url, "https://", 8) };
	if (!out->https && strncasecmp(url, "http://", 7))
		return err_set(err, ERR_INPUT, "the URL does not begin with https://");
	at += out->https ? 8 : 7;
	size = strcspn(at, "/");
	out->port = out->https ? HTTPS_PORT : HTTP_PORT;
	if (!split_authority(at, size, &host_size, &out->port))
		return err_set(err, ERR_INPUT, "the port in the URL is not a number from 1 to 65535");
	if (host_size > HOST_MAX || (!name_ok(at, host_size) && !literal_ok(at, host_size)))
		return err_set(err, ERR_INPUT, "the host in the URL is not a plain host name (letters, digits, hyphens, "
					       "dots; no dot at the end)");
	copy_lower(out->host, at, host_size);
	out->path = at + size;
	if (!path_ok(out->path))
		return err_set(err, ERR_INPUT, "the URL has a '.' or '..' in its path");
	if (!out->https && !loopback(out->host))
		return err_set(err, ERR_INPUT, "http:// is allowed for 127.0.0.1 and [::1] only: use https://");
	return 0;
}

void salesforce_host_key(const struct salesforce_url *url, struct buf *out)
{
	buf_add_text(out, url->host);
	buf_add_char(out, ':');
	buf_add_int(out, url->port);
}

/* Whether one word of AllowedHosts= names this host: "host", "host:port", "*.domain", "*.domain:port"; no port is 443. */
static bool entry_matches(const char *entry, const struct salesforce_url *url)
{
	bool wild = !strncmp(entry, "*.", 2);
	const char *name = wild ? entry + 1 : entry; /* ".domain" */
	size_t name_size = 0, host_size = strlen(url->host);
	unsigned port = HTTPS_PORT;

	if (!split_authority(name, strlen(name), &name_size, &port) || port != url->port)
		return false;
	if (!wild)
		return name_size == host_size && !strncasecmp(name, url->host, name_size);
	return name_size > 1 && host_size > name_size &&
	       !strncasecmp(url->host + host_size - name_size, name, name_size);
}

static int check_parsed(const struct salesforce_url *url, const struct config_list *hosts, struct err *err)
{
	for (size_t i = 0; i < hosts->n; i++) {
		if (entry_matches(hosts->items[i], url))
			return 0;
	}
	return err_set(err, ERR_ADMIN,
		       "%.200s port %u is not an allowed host: if it is right, add it to AllowedHosts= in [Network]",
		       url->host, url->port);
}

int salesforce_check_url(const char *url, const struct config_list *allowed_hosts, struct err *err)
{
	struct salesforce_url parts;
	int r = salesforce_parse_url(url, &parts, err);

	return r < 0 ? r : check_parsed(&parts, allowed_hosts, err);
}

char *salesforce_instance_url(const char *url, const struct config_list *allowed_hosts, struct err *err)
{
	struct salesforce_url parts;
	CLEANUP(buf_finip) struct buf b;

	buf_init(&b, URL_MAX);
	if (salesforce_parse_url(url, &parts, err) < 0 || check_parsed(&parts, allowed_hosts, err) < 0)
		return NULL;
	if (parts.path[0] && strcmp(parts.path, "/") != 0) {
		err_set(err, ERR_PROTOCOL, "the instance URL has a path");
		return NULL;
	}
	buf_add_text(&b, parts.https ? "https://" : "http://");
	buf_add_text(&b, parts.host);
	if (parts.port != (parts.https ? HTTPS_PORT : HTTP_PORT))
		buf_addf(&b, ":%u", parts.port);
	if (buf_failed(&b)) {
		err_oom(err);
		return NULL;
	}
	return TAKE(b.data);
}

/* Adds a copy; false: out of memory. The list has room. */
static bool add_host(struct config_list *list, const char *host)
{
	char *copy = strdup(host);

	if (copy)
		list->items[list->n++] = copy;
	return copy;
}

static bool add_login_host(struct config_list *list, const char *login_url)
{
	struct salesforce_url parts;
	CLEANUP(buf_finip) struct buf key;

	if (!login_url || salesforce_parse_url(login_url, &parts, NULL) < 0)
		return true; /* such a URL is refused where it is used */
	buf_init(&key, HOST_MAX + 8);
	salesforce_host_key(&parts, &key);
	return !buf_failed(&key) && add_host(list, key.data);
}

int salesforce_hosts(struct config_list *out, const struct config_list *configured, const char *login_url,
		     struct err *err)
{
	bool given = configured && configured->n;
	size_t n = given ? configured->n : DEFAULT_HOSTS;
	bool ok = true;

	*out = (struct config_list){ .items = calloc(n + 1, sizeof *out->items) };
	if (!out->items)
		return err_oom(err);
	for (size_t i = 0; ok && i < n; i++)
		ok = add_host(out, given ? configured->items[i] : default_hosts[i]);
	if (ok && !given)
		ok = add_login_host(out, login_url);
	if (ok)
		return 0;
	salesforce_hosts_fini(out);
	return err_oom(err);
}

void salesforce_hosts_fini(struct config_list *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		free(hosts->items[i]);
	free(hosts->items);
	*hosts = (struct config_list){ 0 };
}

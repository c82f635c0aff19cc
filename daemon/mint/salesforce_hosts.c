/* SPDX-License-Identifier: Apache-2.0 */
/* Which hosts we talk to. */
#include "daemon/mint/salesforce.h"

#include <string.h>

enum { URL_MAX = 1024 };

int salesforce_parse_url(const char *url, struct url *out, struct err *err)
{
	*out = (struct url){ 0 };
	if (strnlen(url, URL_MAX + 1) > URL_MAX)
		return err_set(err, ERR_INPUT, "the URL is longer than %d bytes", URL_MAX);
	if (url_parse(url, out, err) < 0) {
		if (err)
			err->code = ERR_INPUT;
		return -ERR_INPUT;
	}
	if (!out->https && !url_is_loopback(out))
		return err_set(err, ERR_INPUT,
			       "http:// is allowed for 127.0.0.1 and [::1] only: use https://");
	return 0;
}

void salesforce_host_key(const struct url *url, struct buf *out)
{
	buf_add_text(out, url->host);
	buf_add_char(out, ':');
	buf_add_int(out, url->port);
}

static int check_parsed(const struct url *url, const struct config_list *hosts, struct err *err)
{
	if (url_allowed(url, hosts))
		return 0;
	return err_set(
		err, ERR_ADMIN,
		"%.200s port %u is not an allowed host: if it is right, add it to AllowedHosts= in [Network]",
		url->host, url->port);
}

int salesforce_check_url(const char *url, const struct config_list *allowed_hosts, struct err *err)
{
	struct url parts;
	int r = salesforce_parse_url(url, &parts, err);

	return r < 0 ? r : check_parsed(&parts, allowed_hosts, err);
}

char *salesforce_instance_url(const char *url, const struct config_list *allowed_hosts,
			      struct err *err)
{
	struct url parts = { 0 };
	CLEANUP(buf_finip) struct buf b;

	buf_init(&b, URL_MAX);
	if (salesforce_parse_url(url, &parts, err) < 0 ||
	    check_parsed(&parts, allowed_hosts, err) < 0)
		return NULL;
	if (parts.path && parts.path[0] && strcmp(parts.path, "/") != 0) {
		err_set(err, ERR_PROTOCOL, "the instance URL has a path");
		return NULL;
	}
	url_add_origin(&b, &parts);
	if (buf_failed(&b)) {
		err_oom(err);
		return NULL;
	}
	return TAKE(b.data);
}

static bool add_login_host(struct config_list *list, const char *login_url)
{
	struct url parts;
	CLEANUP(buf_finip) struct buf key;

	buf_init(&key, URL_HOST_MAX + 8);
	if (!login_url || salesforce_parse_url(login_url, &parts, NULL) < 0)
		return true; /* such a URL is refused where it is used */
	salesforce_host_key(&parts, &key);
	if (buf_failed(&key))
		return false;
	list->items[list->n++] = TAKE(key.data);
	return true;
}

int salesforce_hosts(struct config_list *out, const struct config_list *configured,
		     const char *login_url, struct err *err)
{
	bool given = configured && configured->n;
	size_t n = 0;
	bool ok;

	while (given ? n < configured->n : settings_default_hosts[n] != NULL)
		n++;
	*out = (struct config_list){ .items = calloc(n + 1, sizeof *out->items) };
	if (!out->items)
		return err_oom(err);
	for (; out->n < n; out->n++) {
		out->items[out->n] = strdup(given ? configured->items[out->n]
						  : settings_default_hosts[out->n]);
		if (!out->items[out->n])
			break;
	}
	ok = out->n == n;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few URLs that we write or accept (LoginUrl, Proxy, instance_url), and the hosts that we may
 * contact. Strict: what is not understood is refused. Pure.
 */
#ifndef COMMON_URL_H
#define COMMON_URL_H

#include <stdbool.h>

#include "base/err.h"
#include "daemon/common/config.h"

enum { URL_HOST_MAX = 253 };

struct url {
	bool https;
	char host[URL_HOST_MAX + 3]; /* lower case; "[::1]" keeps its brackets */
	unsigned port;               /* the default of the scheme if none was written */
	const char *path;            /* inside the text: "" or from the first '/' on */
};

/*
 * https://host[:port][/path] or http://. No user info, query, fragment, percent signs, empty or dot
 * segments. 0, or -ERR_ADMIN with what is wrong (the URL is not repeated: it might hold a
 * password).
 */
int url_parse(const char *text, struct url *out, struct err *err);

/* 127.0.0.1 and [::1]: the only hosts for which http:// is accepted. */
bool url_is_loopback(const struct url *u);

/* "https://host", with ":port" where it is not the default. Appends. */
void url_add_origin(struct buf *out, const struct url *u);

/* A host, "host:port" or "*.host": what AllowedHosts= may hold. */
bool url_pattern_ok(const char *pattern);

/*
 * Whether a pattern allows the URL. "*." stands for one or more labels; a pattern without port
 * allows the default port of the scheme alone. Case does not matter.
 */
bool url_allowed(const struct url *u, const struct config_list *patterns);

/* How a request to url may be sent: "https", "http" for a loopback literal alone, NULL: not at all. */
const char *url_scheme(const char *url);

#endif

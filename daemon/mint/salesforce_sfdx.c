/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "sfdx auth url" that "sf org display --verbose" prints: force://CLIENT_ID:SECRET:REFRESH_TOKEN@HOST[:PORT] (salesforce-oauth.md 10). It is always https. Colons divide it and the
 * first at sign ends the token, for none of the parts may hold either.
 */
#include <ctype.h>
#include <string.h>

#include "daemon/mint/salesforce.h"

enum { CLIENT_ID_MAX = 1024, SECRET_MAX = 4096, TOKEN_MAX = 16 * 1024, SFDX_HOST_MAX = 300 };

static const char scheme[] = "force://";

struct part {
	const char *at;
	size_t size;
};

/* The part up to mark; *at moves behind that. false: mark is missing. */
static bool cut(struct part *out, const char **at, const char *end, char mark)
{
	const char *stop = memchr(*at, mark, (size_t)(end - *at));

	if (!stop)
		return false;
	*out = (struct part){ *at, (size_t)(stop - *at) };
	*at = stop + 1;
	return true;
}

static bool part_ok(struct part p, size_t min, size_t max)
{
	for (size_t i = 0; i < p.size; i++) {
		if (p.at[i] <= ' ' || p.at[i] > '~' || p.at[i] == ':' || p.at[i] == '@')
			return false;
	}
	return p.size >= min && p.size <= max;
}

/* The host, whatever path comes behind it left out. */
static int take_host(const char *at, const char *end, char **base_url, struct err *err)
{
	const char *slash = memchr(at, '/', (size_t)(end - at));
	size_t size = (size_t)((slash ? slash : end) - at);
	CLEANUP(buf_finip) struct buf url;
	struct url parts;

	buf_init(&url, SFDX_HOST_MAX);
	buf_add_text(&url, "https://");
	buf_add(&url, at, size);
	if (buf_failed(&url) || memchr(at, '\0', size) ||
	    salesforce_parse_url(url.data, &parts, NULL) < 0)
		return err_set(err, ERR_INPUT, "the part behind the @ is no HOST or HOST:PORT");
	buf_clear(&url);
	url_add_origin(&url, &parts);
	if (buf_failed(&url))
		return err_oom(err);
	*base_url = TAKE(url.data);
	return 0;
}

static int take_parts(struct part id, struct part secret, struct part token,
		      struct sfdx_auth_url *out, struct err *err)
{
	if (!part_ok(id, 1, CLIENT_ID_MAX))
		return err_set(err, ERR_INPUT, "the first part is no client id");
	if (!part_ok(secret, 0, SECRET_MAX))
		return err_set(err, ERR_INPUT, "the second part is no client secret");
	if (!part_ok(token, 1, TOKEN_MAX))
		return err_set(err, ERR_INPUT, "the third part is no refresh token");
	out->client_id = strndup(id.at, id.size);
	out->client_secret = secret.size ? secret_new(secret.at, secret.size) : NULL;
	out->refresh_token = secret_new(token.at, token.size);
	if (!out->client_id || !out->refresh_token || (secret.size && !out->client_secret))
		return err_oom(err);
	return 0;
}

int salesforce_parse_sfdx(const struct secret *text, struct sfdx_auth_url *out, struct err *err)
{
	const char *at = secret_bytes(text), *end = at + secret_size(text);
	struct part id, secret, token;
	int r;

	*out = (struct sfdx_auth_url){ 0 };
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	while (at < end && isspace((unsigned char)*at))
		at++;
	if ((size_t)(end - at) < strlen(scheme) || memcmp(at, scheme, strlen(scheme)) != 0)
		return err_set(err, ERR_INPUT, "it does not begin with force://");
	at += strlen(scheme);
	if (!cut(&id, &at, end, ':') || !cut(&secret, &at, end, ':') || !cut(&token, &at, end, '@'))
		return err_set(
			err, ERR_INPUT,
			"it is not force://CLIENT_ID:SECRET:REFRESH_TOKEN@HOST (SECRET may be empty)");
	r = take_parts(id, secret, token, out, err);
	if (r == 0)
		r = take_host(at, end, &out->base_url, err);
	if (r < 0)
		sfdx_auth_url_fini(out);
	return r;
}

void sfdx_auth_url_fini(struct sfdx_auth_url *u)
{
	free(u->client_id);
	free(u->base_url);
	secret_unref(u->client_secret);
	secret_unref(u->refresh_token);
	*u = (struct sfdx_auth_url){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The answer that begins a device flow (RFC 8628 3.2, salesforce-oauth.md 5.5). What is in it is shown to people, so it is read as strictly as a token. */
#include <stdlib.h>
#include <string.h>

#include "daemon/mint/oauth_parts.h"
#include "daemon/mint/salesforce.h"
#include "proto/json.h"
#include "proto/messages.h"

enum {
	ANSWER_DEPTH = 8,
	URI_MAX = 1024,
	USER_CODE_MAX = 64,
	INTERVAL_S = 5, /* RFC 8628 3.2 */
	INTERVAL_MAX_S = 300,
	EXPIRES_S = 600, /* salesforce-oauth.md 5.5: it does not say */
	EXPIRES_MAX_S = 3600,
};

static int64_t seconds(struct json_value v, int64_t max, int64_t otherwise)
{
	int64_t s = json_type(v) == JSON_INT ? json_int(v) : 0;

	if (s < 1)
		return otherwise;
	return s < max ? s : max;
}

/* NULL: no text, or one with bytes that nobody is to see. */
static const char *plain_text(struct json_value v, size_t max, char lowest)
{
	size_t size;
	const char *text = json_type(v) == JSON_STRING ? json_text(v, &size) : NULL;

	return text && text[0] && strlen(text) == size && oauth_printable(text, max, lowest) ? text
											     : NULL;
}

/* A page that a person may open: https (or a loopback literal), and no name before the host that would pass for it. */
static bool uri_ok(const char *uri)
{
	char origin[URI_MAX + 1];
	size_t scheme = strcspn(uri, ":") + 3, size;
	struct url parts;

	if (scheme > strlen(uri) || strncmp(uri, "http", 4) != 0)
		return false;
	size = scheme + strcspn(uri + scheme, "/?#\\");
	if (size > URI_MAX)
		return false;
	memcpy(origin, uri, size);
	origin[size] = '\0';
	return salesforce_parse_url(origin, &parts, NULL) == 0;
}

static const char *uri_text(struct json_value v)
{
	const char *uri = plain_text(v, URI_MAX, '!');

	return uri && uri_ok(uri) ? uri : NULL;
}

struct members {
	const char *device_code, *user_code, *uri, *complete;
};

static void read_members(struct json_value o, struct members *m, struct oauth_device *out)
{
	struct json_value key, value;

	for (struct json_iter i = json_iterate(o); json_next(&i, &key, &value);) {
		if (json_is(key, "device_code"))
			m->device_code = plain_text(value, OAUTH_TOKEN_MAX, '!');
		else if (json_is(key, "user_code"))
			m->user_code = plain_text(value, USER_CODE_MAX, ' ');
		else if (json_is(key, "verification_uri"))
			m->uri = uri_text(value);
		else if (json_is(key, "verification_uri_complete"))
			m->complete = uri_text(value);
		else if (json_is(key, "expires_in"))
			out->expires_in_ms = seconds(value, EXPIRES_MAX_S, EXPIRES_S) * 1000;
		else if (json_is(key, "interval"))
			out->interval_ms = seconds(value, INTERVAL_MAX_S, INTERVAL_S) * 1000;
	}
}

static bool copy(const struct members *m, struct oauth_device *out)
{
	out->device_code = secret_new(m->device_code, strlen(m->device_code));
	out->user_code = strdup(m->user_code);
	out->verification_uri = strdup(m->uri);
	if (m->complete)
		out->verification_uri_complete = strdup(m->complete);
	return out->device_code && out->user_code && out->verification_uri &&
	       (!m->complete || out->verification_uri_complete);
}

/* The answer is a JSON object that has a device code; otherwise it is read as what it may be instead. */
static bool is_start(const struct http_response *res)
{
	struct json_value root, key, value;

	if (res->outcome != HTTP_ANSWERED || res->status != 200 || !res->body ||
	    json_check(res->body, res->size, ANSWER_DEPTH, NULL) < 0)
		return false;
	root = json_root(res->body, res->size);
	if (json_type(root) != JSON_OBJECT)
		return false;
	for (struct json_iter i = json_iterate(root); json_next(&i, &key, &value);) {
		if (json_is(key, "device_code"))
			return true;
	}
	return false;
}

bool oauth_read_device(const struct http_response *res, struct oauth_device *out,
		       struct problem *problem)
{
	struct members m = { 0 };

	*out = (struct oauth_device){ .expires_in_ms = EXPIRES_S * 1000,
				      .interval_ms = INTERVAL_S * 1000 };
	if (!is_start(res)) {
		oauth_classify(res, GRANT_DEVICE, problem);
		return false;
	}
	read_members(json_root(res->body, res->size), &m, out);
	if (!m.device_code || !m.user_code || !m.uri) {
		oauth_situation(res, GRANT_DEVICE, "#json",
				"device_code, user_code or verification_uri is missing or strange",
				problem);
		return false;
	}
	if (copy(&m, out))
		return true;
	oauth_device_fini(out);
	oauth_situation(res, GRANT_DEVICE, "#refused", "out of memory", problem);
	return false;
}

void oauth_device_fini(struct oauth_device *d)
{
	secret_unref(d->device_code);
	free(d->user_code);
	free(d->verification_uri);
	free(d->verification_uri_complete);
	*d = (struct oauth_device){ 0 };
}

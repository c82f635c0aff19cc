/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers that are not Salesforce say of themselves, what begins a device flow, and assertions that somebody has put into a file. The first byte chooses; the rest is the body.
 */
#include "fuzz.h"

#include <strings.h>

#include "daemon/mint/discovery.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "daemon/mint/saml.h"

#define ISSUER "https://op.example"

static char *host_items[] = { (char[]){ "op.example" }, (char[]){ "*.op.example" } };
static const struct config_list hosts = { host_items, 2 };

static void must_be_text(const char *text, char lowest)
{
	MUST(*text);
	for (; *text; text++)
		MUST(*text >= lowest && *text <= '~');
}

static void must_be_endpoint(const char *url)
{
	MUST(!url || salesforce_check_url(url, &hosts, NULL) == 0);
}

static void read_discovery(const struct http_response *res, unsigned place)
{
	struct endpoints *e = NULL;
	struct problem p = { 0 };
	enum discovery d = discovery_read(res, ISSUER, place, &hosts, &e, &p);

	MUST((d == DISCOVERY_FOUND) == (e != NULL));
	if (d == DISCOVERY_FAILED)
		MUST(p.class > PROBLEM_NONE && p.message[0]);
	if (!e)
		return;
	MUST(res->status == 200 && strcmp(e->issuer, ISSUER) == 0 && e->token);
	must_be_endpoint(e->token);
	must_be_endpoint(e->authorization);
	must_be_endpoint(e->device_authorization);
	must_be_endpoint(e->userinfo);
	must_be_endpoint(e->introspection);
	must_be_endpoint(e->revocation);
	endpoints_unref(e);
}

static void read_device(const struct http_response *res)
{
	struct oauth_device d;
	struct problem p = { 0 };

	if (!oauth_read_device(res, &d, &p)) {
		MUST(p.class > PROBLEM_NONE && p.message[0] && !d.user_code);
		return;
	}
	must_be_text(secret_bytes(d.device_code), '!');
	must_be_text(d.user_code, ' ');
	must_be_text(d.verification_uri, '!');
	MUST(!strncasecmp(d.verification_uri, "https://", 8) ||
	     !strncasecmp(d.verification_uri, "http://127.0.0.1", 16) ||
	     !strncasecmp(d.verification_uri, "http://[::1]", 12));
	MUST(d.expires_in_ms > 0 && d.expires_in_ms <= 3600000 && d.interval_ms > 0);
	oauth_device_fini(&d);
}

static void read_assertion(const uint8_t *data, size_t size)
{
	CLEANUP(secret_unrefp) struct secret *given = secret_new(data, size);
	CLEANUP(buf_finip) struct buf xml;
	struct err err = { 0 };

	buf_init(&xml, SAML_MAX);
	if (saml_given(given, &xml, &err) < 0)
		MUST(err.text[0]);
	else
		MUST(xml.len && strstr(xml.data, "Assertion"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const long codes[] = { 200, 200, 404, 503 };
	struct http_response res = { .content_type = "application/json", .location = "" };

	if (size < 2 || size > HTTP_BODY_MAX)
		return 0;
	if (data[0] & 0x80) {
		read_assertion(data + 1, size - 1);
		return 0;
	}
	res.status = codes[data[0] & 3];
	res.size = size - 1;
	res.body = fuzz_copy(data + 1, size - 1);
	if (data[0] & 4)
		read_device(&res);
	else
		read_discovery(&res, data[0] >> 3 & 1);
	free(res.body);
	return 0;
}

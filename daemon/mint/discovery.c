/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/discovery.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "proto/json.h"

enum { DOCUMENT_DEPTH = 8, PLACE_MAX = 1200 };

/* --- asking --- */

/* Discovery 1.0 puts its name behind the issuer's path, RFC 8414 in front of it. */
static char *place_url(const char *issuer, unsigned place)
{
	struct url parts;
	size_t size = strlen(issuer);
	CLEANUP(buf_finip) struct buf b;

	buf_init(&b, PLACE_MAX);
	if (salesforce_parse_url(issuer, &parts, NULL) < 0)
		return NULL;
	while (size && issuer[size - 1] == '/')
		size--;
	if (place == 0) {
		buf_add(&b, issuer, size);
		buf_add_text(&b, "/.well-known/openid-configuration");
	} else {
		url_add_origin(&b, &parts);
		buf_add_text(&b, "/.well-known/oauth-authorization-server");
		if (issuer + size > parts.path)
			buf_add(&b, parts.path, (size_t)(issuer + size - parts.path));
	}
	return buf_failed(&b) ? NULL : TAKE(b.data);
}

int discovery_request(const char *issuer, unsigned place, struct http_request *req, struct err *err)
{
	*req = (struct http_request){ .url = place_url(issuer, place), .endpoint = HTTP_DISCOVERY };
	return req->url ? 0 : err_set(err, ERR_ADMIN, "Issuer= is not a URL that can be asked");
}

/* --- reading --- */

static enum discovery __attribute__((format(printf, 3, 4)))
failed(struct problem *p, enum problem_class class, const char *format, ...)
{
	va_list ap;

	p->class = class;
	va_start(ap, format);
	vsnprintf(p->message, sizeof p->message, format, ap);
	va_end(ap);
	return DISCOVERY_FAILED;
}

/* No document: the next place, or nowhere. */
static enum discovery absent(const struct http_response *res, unsigned place, struct problem *p)
{
	if (place + 1 < DISCOVERY_PLACES)
		return DISCOVERY_ELSEWHERE;
	return failed(
		p, PROBLEM_ADMIN,
		"the server of Issuer= has no discovery document (HTTP %ld): check Issuer=; for Salesforce use LoginUrl=",
		res->status);
}

/* The members that we use; where they go. */
static const struct member {
	const char *name;
	size_t offset;
} members[] = {
	{ "token_endpoint", offsetof(struct endpoints, token) },
	{ "authorization_endpoint", offsetof(struct endpoints, authorization) },
	{ "device_authorization_endpoint", offsetof(struct endpoints, device_authorization) },
	{ "userinfo_endpoint", offsetof(struct endpoints, userinfo) },
	{ "introspection_endpoint", offsetof(struct endpoints, introspection) },
	{ "revocation_endpoint", offsetof(struct endpoints, revocation) },
	{ "issuer", offsetof(struct endpoints, issuer) },
};

static char **at(struct endpoints *e, const struct member *m)
{
	return (char **)(void *)((char *)e + m->offset);
}

/* 0, or -1: out of memory. What is no text, or holds a NUL, is left out. */
static int take_member(struct endpoints *e, struct json_value key, struct json_value value)
{
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		size_t size;
		const char *text;

		if (!json_is(key, members[i].name) || json_type(value) != JSON_STRING)
			continue;
		text = json_text(value, &size);
		if (strlen(text) == size && !(*at(e, &members[i]) = strdup(text)))
			return -1;
		return 0;
	}
	return 0;
}

/* RFC 9207 3 */
static bool says_iss(struct json_value key, struct json_value value)
{
	return json_is(key, "authorization_response_iss_parameter_supported") &&
	       json_type(value) == JSON_BOOL && json_bool(value);
}

static struct endpoints *read_document(struct json_value root)
{
	CLEANUP(endpoints_unrefp) struct endpoints *e = calloc(1, sizeof *e);
	struct json_value key, value;

	if (!e)
		return NULL;
	e->refs = 1;
	for (struct json_iter i = json_iterate(root); json_next(&i, &key, &value);) {
		if (take_member(e, key, value) < 0)
			return NULL;
		e->names_itself = e->names_itself || says_iss(key, value);
	}
	return TAKE(e);
}

static bool is_document(const struct http_response *res)
{
	return res->status == 200 && res->body &&
	       json_check(res->body, res->size, DOCUMENT_DEPTH, NULL) == 0 &&
	       json_type(json_root(res->body, res->size)) == JSON_OBJECT;
}

static bool judge(const struct endpoints *e, const char *issuer, const struct config_list *hosts,
		  struct problem *p)
{
	struct err err = { 0 };

	if (!e->issuer || strcmp(e->issuer, issuer) != 0) {
		char name[160];

		oauth_clean(name, sizeof name, e->issuer ? e->issuer : "none");
		failed(p, PROBLEM_ADMIN,
		       "the discovery document is of another issuer (%s): write Issuer= exactly as the server does",
		       name);
		return false;
	}
	if (!e->token) {
		failed(p, PROBLEM_ADMIN,
		       "the discovery document of Issuer= names no token_endpoint");
		return false;
	}
	for (size_t i = 0; i + 1 < sizeof members / sizeof members[0]; i++) {
		const char *url = *at((struct endpoints *)(uintptr_t)e, &members[i]);

		if (!url || salesforce_check_url(url, hosts, &err) == 0)
			continue;
		failed(p, PROBLEM_ADMIN, "%s of the discovery document: %s", members[i].name,
		       err.text);
		return false;
	}
	return true;
}

enum discovery discovery_read(const struct http_response *res, const char *issuer, unsigned place,
			      const struct config_list *allowed_hosts, struct endpoints **out,
			      struct problem *problem)
{
	CLEANUP(endpoints_unrefp) struct endpoints *e = NULL;

	*out = NULL;
	oauth_situation(res, -1, "#status", NULL, problem);
	if (res->outcome != HTTP_ANSWERED || res->status == 429 || res->status >= 500) {
		oauth_classify(res, -1, problem);
		return DISCOVERY_FAILED;
	}
	if (!is_document(res))
		return absent(res, place, problem);
	e = read_document(json_root(res->body, res->size));
	if (!e)
		return failed(problem, PROBLEM_RETRY, "out of memory");
	if (!judge(e, issuer, allowed_hosts, problem))
		return DISCOVERY_FAILED;
	*out = TAKE(e);
	return DISCOVERY_FOUND;
}

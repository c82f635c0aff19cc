/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People who log in: what they ask of the Manager, and the address that their browser ends at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/mint/oauth.h"
#include "tests/scenario/script.h"

enum { ADMIN_UID = 0, URL_MAX = 8192 };

#define INSTANCE "https://example.my.salesforce.com"
#define IDENTITY "https://login.salesforce.com/id/00D000000000001AAA/"

void script_login(struct script *s, struct script_caller *c, char **words, size_t n)
{
	const char *flow = script_option(words, n, "flow"),
		   *redirect = script_option(words, n, "redirect");
	struct buf b;

	buf_init(&b, 4096);
	buf_addf(&b, "{\"credential\":\"%s\"", n ? words[0] : "");
	if (flow)
		buf_addf(&b, ",\"flow\":\"%s\"", flow);
	if (redirect)
		buf_addf(&b, ",\"redirectUri\":\"%s\"", redirect);
	script_send(s, c, "io.sftoken.Manager.Login", &b, true, script_uid(words, n, ADMIN_UID));
}

/* Our writer leaves what an address consists of as it is. */
static void take_parameter(const char *url, const char *name, char *to, size_t room)
{
	const char *at = strstr(url, name);
	size_t used = 0;

	if (!at)
		return;
	for (at += strlen(name); *at && *at != '&' && used + 1 < room; at++) {
		if (*at == '%') {
			char digits[3] = { at[1], at[2], '\0' };

			to[used++] = (char)strtol(digits, NULL, 16);
			at += 2;
		} else {
			to[used++] = *at;
		}
	}
	to[used] = '\0';
}

void script_saw_login(struct script_caller *c, const char *json)
{
	char url[URL_MAX];

	script_member(json, "loginId", c->login_id, sizeof c->login_id);
	if (!script_member(json, "authorizationUrl", url, sizeof url) || strcmp(url, "null") == 0)
		return;
	take_parameter(url, "&state=", c->login_state, sizeof c->login_state);
	take_parameter(url, "redirect_uri=", c->redirect_uri, sizeof c->redirect_uri);
}

static void add(struct buf *query, const char *name, const char *value)
{
	if (value)
		oauth_form_add(query, name, value, strlen(value));
}

static void add_token(struct script *s, struct buf *query, const char *token, char **words,
		      size_t n)
{
	const char *instance = script_option(words, n, "instance"),
		   *user = script_option(words, n, "id");
	struct script_token *t = script_token(s, token);
	char id[128];

	if (!t->text)
		t->text = strdup(token);
	snprintf(id, sizeof id, "%s%s", IDENTITY, user ? user : "005000000000001AAA");
	add(query, "access_token", t->text);
	add(query, "token_type", "Bearer");
	add(query, "instance_url", instance ? instance : INSTANCE);
	add(query, "id", id);
	add(query, "expires_in", script_option(words, n, "expires_in"));
}

void script_complete(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct script_caller *logger = script_caller(s, n ? words[0] : "");
	const char *token = script_option(words, n, "token"),
		   *state = script_option(words, n, "state"),
		   *base = script_option(words, n, "base");
	struct buf b, query;

	buf_init(&b, URL_MAX);
	buf_init(&query, URL_MAX);
	add(&query, "code", script_option(words, n, "code"));
	add(&query, "error", script_option(words, n, "error"));
	add(&query, "error_description", script_option(words, n, "description"));
	add(&query, "iss", script_option(words, n, "iss"));
	if (token)
		add_token(s, &query, token, words, n);
	if (!state || strcmp(state, "none") != 0)
		add(&query, "state", state ? state : logger->login_state);
	buf_addf(&b, "{\"loginId\":\"%s\",\"redirectUrl\":\"%s%c%s\"", logger->login_id,
		 base ? base : logger->redirect_uri, token ? '#' : '?',
		 query.data ? query.data : "");
	script_send(s, c, "io.sftoken.Manager.CompleteLogin", &b, false,
		    script_uid(words, n, ADMIN_UID));
	buf_fini(&query);
}

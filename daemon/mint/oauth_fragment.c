/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the authorization endpoint says by way of the browser: the token of the user-agent flow, or an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/mint/oauth_parts.h"
#include "daemon/mint/salesforce.h"
#include "proto/messages.h"

enum { EXPIRES_MAX_S = 86400, SCOPE_MAX = 4096, IDENTITY_MAX = 512 };

void oauth_classify_redirect(int grant_type, const char *error, const char *description,
			     struct problem *p)
{
	const struct oauth_error_row *row;

	memset(p, 0, sizeof *p);
	oauth_clean_error(p->error, sizeof p->error, error);
	oauth_clean(p->description, sizeof p->description, description ? description : "");
	row = oauth_error_find(grant_type, p->error, p->description);
	p->class = row->class;
	snprintf(p->message, sizeof p->message, "%s (%s%s%.120s)", row->sentence,
		 p->error[0] ? p->error : "no error code", p->description[0] ? ": " : "",
		 p->description);
}

static struct grant *refuse(struct problem *p, const char *why)
{
	memset(p, 0, sizeof *p);
	p->class = PROBLEM_RETRY;
	snprintf(p->message, sizeof p->message,
		 "the answer of the login is damaged, or is none: %.200s", why);
	return NULL;
}

/* Digits within 1..max; anything else counts as not said. */
static int64_t number(const char *text, int64_t max)
{
	int64_t n = 0;

	if (!text || !text[0] || strlen(text) > 15 || text[strspn(text, "0123456789")])
		return 0;
	for (; *text; text++)
		n = n * 10 + (*text - '0');
	return n <= max ? n : 0;
}

static int fill(struct grant *g, const struct oauth_fragment *f, const struct config_list *hosts,
		struct err *err)
{
	const char *scope = f->scope && oauth_printable(f->scope, SCOPE_MAX, ' ') ? f->scope : "";

	if (salesforce_identity(f->id, &g->organization_id, &g->user_id, err) < 0)
		return -1;
	g->instance_url = salesforce_instance_url(f->instance_url, hosts, err);
	if (!g->instance_url)
		return err_prefix(err, "instance_url");
	g->access_token = secret_new(f->access_token, strlen(f->access_token));
	g->token_type = strdup("Bearer");
	g->scope = strdup(scope);
	g->identity_url = strdup(f->id);
	if (!g->access_token || !g->token_type || !g->scope || !g->identity_url)
		return err_oom(err);
	g->expires_in_ms = number(f->expires_in, EXPIRES_MAX_S) * 1000;
	g->issued_at_real_ms = number(f->issued_at, INT64_C(4102444800000));
	salesforce_jwt_life(f->access_token, strlen(f->access_token), &g->jwt_exp_s, &g->jwt_iat_s);
	return 0;
}

struct grant *oauth_read_fragment(const struct oauth_fragment *f,
				  const struct config_list *allowed_hosts, int64_t now_ms,
				  struct problem *problem)
{
	CLEANUP(grant_unrefp) struct grant *g = NULL;
	struct err err = { 0 };

	if (!f->access_token || !f->access_token[0])
		return refuse(problem, "no access_token");
	if (!oauth_printable(f->access_token, OAUTH_TOKEN_MAX, '!'))
		return refuse(problem,
			      "access_token is longer than 16 KiB or has bytes that no token has");
	if (!f->token_type || strcasecmp(f->token_type, "Bearer") != 0)
		return refuse(problem, "token_type is not Bearer");
	if (!f->instance_url)
		return refuse(problem, "no instance_url");
	if (!f->id || !oauth_printable(f->id, IDENTITY_MAX, '!'))
		return refuse(problem, "no id");
	g = calloc(1, sizeof *g);
	if (!g)
		return refuse(problem, "out of memory");
	g->refs = 1;
	g->sent_ms = now_ms;
	if (fill(g, f, allowed_hosts, &err) < 0)
		return refuse(problem, err.text);
	return TAKE(g);
}

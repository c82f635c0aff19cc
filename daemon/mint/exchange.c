/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/exchange.h"

#include <stdlib.h>
#include <string.h>

void http_request_fini(struct http_request *r)
{
	free(r->url);
	secret_unref(r->body);
	secret_unref(r->bearer);
	secret_unref(r->basic);
	memset(r, 0, sizeof *r);
}

struct endpoints *endpoints_ref(struct endpoints *e)
{
	if (e)
		e->refs++;
	return e;
}

struct endpoints *endpoints_unref(struct endpoints *e)
{
	if (!e || --e->refs)
		return NULL;
	free(e->issuer);
	free(e->token);
	free(e->authorization);
	free(e->device_authorization);
	free(e->userinfo);
	free(e->introspection);
	free(e->revocation);
	free(e);
	return NULL;
}

struct grant *grant_ref(struct grant *g)
{
	if (g)
		g->refs++;
	return g;
}

struct grant *grant_unref(struct grant *g)
{
	if (!g || --g->refs)
		return NULL;
	secret_unref(g->access_token);
	secret_unref(g->refresh_token);
	free(g->instance_url);
	free(g->token_type);
	free(g->scope);
	free(g->identity_url);
	free(g->organization_id);
	free(g->user_id);
	free(g->username);
	free(g);
	return NULL;
}

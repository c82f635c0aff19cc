/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about a token that is there: is it alive, until when, and end it. At Salesforce below its instance, elsewhere where discovery says. */
#include <string.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"

static void add_token(struct buf *form, const struct secret *token, const char *type)
{
	oauth_form_add(form, "token", secret_bytes(token), secret_size(token));
	oauth_form_add(form, "token_type_hint", type, strlen(type));
}

static const struct endpoints nowhere;

static const struct endpoints *endpoints_of(const struct flow_run *run)
{
	return run->endpoints ? run->endpoints : &nowhere;
}

/* This server has none, or nobody has asked it yet. */
static int without(const struct flow_run *run, const char *name, struct err *err)
{
	if (run->endpoints)
		return err_set(err, ERR_ADMIN, "the server of Issuer= has no %s", name);
	return err_set(err, ERR_RETRY, "it is not known yet where the server has its %s", name);
}

static int ask(const struct flow_run *run, const char *url, struct buf *form,
	       enum http_endpoint endpoint, struct http_request *req, struct err *err)
{
	int r = flow_ask(run, url, form, FLOW_AUTHENTICATED, req, err);

	req->endpoint = endpoint;
	return r;
}

int flow_ask_userinfo(const struct flow_run *run, const struct grant *g, struct http_request *req,
		      struct err *err)
{
	const char *url = endpoints_of(run)->userinfo;

	*req = (struct http_request){ 0 };
	if (!run->credential->issuer)
		return salesforce_userinfo_request(g, req, err);
	if (!url)
		return without(run, "userinfo_endpoint", err);
	*req = (struct http_request){ .url = strdup(url),
				       .endpoint = HTTP_USERINFO,
				       .bearer = secret_ref(g->access_token) };
	if (req->url)
		return 0;
	http_request_fini(req);
	return err_oom(err);
}

int flow_ask_introspection(const struct flow_run *run, const struct grant *g,
			   struct http_request *req, struct err *err)
{
	const char *url = endpoints_of(run)->introspection;
	CLEANUP(cleanup_free) char *salesforce = NULL;
	CLEANUP(buf_finip) struct buf form;

	*req = (struct http_request){ 0 };
	buf_init(&form, HTTP_BODY_MAX);
	if (!flow_client_proves(run->credential))
		return err_set(err, ERR_ADMIN,
			       "introspection needs ClientSecret=, or ClientAuth=private_key_jwt");
	if (run->credential->issuer && !url)
		return without(run, "introspection_endpoint", err);
	if (!run->credential->issuer) {
		salesforce = salesforce_url(g->instance_url, "introspect");
		url = salesforce;
	}
	if (!url)
		return err_oom(err);
	add_token(&form, g->access_token, "access_token");
	return ask(run, url, &form, HTTP_INTROSPECTION, req, err);
}

int flow_ask_revocation(const struct flow_run *run, const char *base_url,
			const struct secret *token, bool refresh, struct http_request *req,
			struct err *err)
{
	const char *url = endpoints_of(run)->revocation;
	CLEANUP(buf_finip) struct buf form;

	*req = (struct http_request){ 0 };
	if (!run->credential->issuer)
		return salesforce_revoke_request(base_url, token, req, err);
	buf_init(&form, HTTP_BODY_MAX);
	if (!url)
		return without(run, "revocation_endpoint", err);
	add_token(&form, token, refresh ? "refresh_token" : "access_token");
	return ask(run, url, &form, HTTP_REVOCATION, req, err);
}

/* Whoever is not Salesforce says 200 of what it does not know, too (RFC 7009 2.2): an error is one. */
int flow_read_revocation(const struct credential *c, const struct http_response *res,
			 struct err *err)
{
	struct problem p;
	bool passes;

	if (!c->issuer)
		return salesforce_revoke_answer(res, err);
	if (res->outcome == HTTP_ANSWERED && res->status == 200)
		return 0;
	oauth_classify(res, -1, &p);
	if (strcmp(p.error, "invalid_token") == 0)
		return 0;
	passes = p.class == PROBLEM_RETRY || p.class == PROBLEM_RATE;
	err_set(err, passes ? ERR_RETRY : ERR_ADMIN, "the server does not revoke it: %s",
		p.message);
	if (err)
		err->retry_after_ms = p.retry_after_ms;
	return passes ? -ERR_RETRY : -ERR_ADMIN;
}

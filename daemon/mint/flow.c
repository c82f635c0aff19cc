/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/flow.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"

enum { ORIGIN_MAX = 300, URL_MAX = 4096 };

const struct flow_ops *flow_find(int grant_type)
{
	static const struct flow_ops *const flows[] = {
		&flow_client_credentials, &flow_device,      &flow_jwt_bearer,
		&flow_refresh_token,      &flow_saml_bearer, &flow_token_exchange,
		&flow_user_agent,         &flow_web_server
	};

	for (size_t i = 0; i < sizeof flows / sizeof flows[0]; i++) {
		if (flows[i]->grant_type == grant_type)
			return flows[i];
	}
	return NULL;
}

/*
 * What was meant to replace the spent token is in our hands after all: nothing is lost, and the run may be repeated with it. But what an administrator has to change (the answer
 * names a host that is not allowed) is not repeated: each try would spend a token.
 */
static void salvage(struct flow_run *run, const struct http_response *res)
{
	run->salvaged = secret_unref(run->salvaged);
	if (!run->problem.spend_unknown)
		return;
	run->salvaged = oauth_salvage_refresh(res);
	if (!run->salvaged)
		return;
	run->problem.spend_unknown = false;
	if (run->problem.class != PROBLEM_ADMIN)
		run->problem.class = PROBLEM_RETRY;
}

/* Salesforce always says where its token is good; for other servers it is configured, or the issuer's own host. The caller's; NULL with *required: it must be said, else out of memory. */
static char *instance_otherwise(const struct credential *c, bool *required)
{
	CLEANUP(buf_finip) struct buf origin;
	struct url parts;

	*required = !c->issuer;
	if (*required)
		return NULL;
	if (c->instance_url && c->instance_url[0])
		return strdup(c->instance_url);
	buf_init(&origin, ORIGIN_MAX);
	if (salesforce_parse_url(c->login_url, &parts, NULL) == 0)
		url_add_origin(&origin, &parts);
	return buf_failed(&origin) ? NULL : TAKE(origin.data);
}

static void read_token(struct flow_run *run, const struct http_response *res, int grant_type)
{
	bool required;
	CLEANUP(cleanup_free) char *otherwise = instance_otherwise(run->credential, &required);

	grant_unref(TAKE(run->grant));
	if (otherwise || required)
		run->grant = oauth_read_token(res, grant_type, run->allowed_hosts, otherwise,
					      &run->problem);
	else
		oauth_situation(res, grant_type, "#refused", "out of memory", &run->problem);
}

enum verdict flow_take_token_as(struct flow_run *run, const struct http_response *res,
				int grant_type)
{
	read_token(run, res, grant_type);
	if (!run->grant)
		salvage(run, res);
	return run->grant ? FLOW_DONE : FLOW_FAILED;
}

enum verdict flow_take_token(struct flow_run *run, const struct http_response *res)
{
	return flow_take_token_as(run, res, run->credential->grant_type);
}

enum verdict flow_take_login(struct flow_run *run, const struct http_response *res, int grant_type)
{
	read_token(run, res, grant_type);
	run->problem.spend_unknown = false;
	return run->grant ? FLOW_DONE : FLOW_FAILED;
}

void flow_add_scopes(const struct flow_run *run, struct buf *form)
{
	const char *scopes = run->credential->scopes;

	if (scopes && scopes[0])
		oauth_form_add(form, "scope", scopes, strlen(scopes));
}

/* Whose requests are proved is the server, and it goes by the name of its token endpoint. At Salesforce that is beside the others. NULL: no memory. */
static char *audience_of(const struct flow_run *run, const char *url)
{
	const char *name = strrchr(url, '/');
	CLEANUP(buf_finip) struct buf b;

	buf_init(&b, URL_MAX);
	if (run->endpoints)
		buf_add_text(&b, run->endpoints->token);
	else {
		buf_add(&b, url, name ? (size_t)(name - url) + 1 : 0);
		buf_add_text(&b, "token");
	}
	return buf_failed(&b) ? NULL : TAKE(b.data);
}

static int prove(const struct flow_run *run, const char *url, struct buf *form,
		 struct http_request *req, struct err *err)
{
	CLEANUP(cleanup_free) char *audience = audience_of(run, url);

	return audience ? flow_authenticate(run, audience, form, req, err) : err_oom(err);
}

static int fill(const struct flow_run *run, const char *url, struct buf *form,
		enum flow_client client, struct http_request *req, struct err *err)
{
	int r = client == FLOW_PUBLIC ? 0 : prove(run, url, form, req, err);

	if (r < 0)
		return r;
	req->url = strdup(url);
	req->body = buf_failed(form) ? NULL : secret_new(form->data, form->len);
	return req->url && req->body ? 0 : err_oom(err);
}

int flow_ask(const struct flow_run *run, const char *url, struct buf *form, enum flow_client client,
	     struct http_request *req, struct err *err)
{
	int r;

	*req = (struct http_request){ .post = true };
	r = fill(run, url, form, client, req, err);
	if (r < 0)
		http_request_fini(req);
	return r;
}

int flow_ask_token(const struct flow_run *run, struct buf *form, enum flow_client client,
		   struct http_request *req, struct err *err)
{
	CLEANUP(cleanup_free) char *url = NULL;

	if (run->endpoints)
		return flow_ask(run, run->endpoints->token, form, client, req, err);
	url = salesforce_url(run->base_url ? run->base_url : run->credential->login_url, "token");
	return url ? flow_ask(run, url, form, client, req, err) : err_oom(err);
}

static void forget_prompt(struct flow_prompt *p)
{
	free(p->verification_uri);
	free(p->verification_uri_complete);
	free(p->user_code);
	*p = (struct flow_prompt){ 0 };
}

void flow_run_fini(struct flow_run *run, const struct flow_ops *ops)
{
	if (ops && ops->fini)
		ops->fini(run);
	run->state = NULL;
	forget_prompt(&run->prompt);
	run->grant = grant_unref(run->grant);
	run->salvaged = secret_unref(run->salvaged);
}

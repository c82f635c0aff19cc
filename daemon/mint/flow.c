/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/flow.h"

#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"

const struct flow_ops *flow_find(int grant_type)
{
	static const struct flow_ops *const flows[] = { &flow_client_credentials, &flow_jwt_bearer,
							&flow_refresh_token };

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

enum verdict flow_take_token(struct flow_run *run, const struct http_response *res)
{
	grant_unref(run->grant);
	run->grant = oauth_read_token(res, run->credential->grant_type, run->allowed_hosts,
				      &run->problem);
	if (!run->grant)
		salvage(run, res);
	return run->grant ? FLOW_DONE : FLOW_FAILED;
}

int flow_ask_token(const struct flow_run *run, const struct buf *form, struct http_request *req,
		   struct err *err)
{
	const char *base = run->base_url ? run->base_url : run->credential->login_url;

	*req = (struct http_request){ .post = true, .url = salesforce_url(base, "token") };
	req->body = buf_failed(form) ? NULL : secret_new(form->data, form->len);
	if (req->url && req->body)
		return 0;
	http_request_fini(req);
	return err_oom(err);
}

void flow_run_fini(struct flow_run *run, const struct flow_ops *ops)
{
	if (ops && ops->fini)
		ops->fini(run);
	run->state = NULL;
	run->grant = grant_unref(run->grant);
	run->salvaged = secret_unref(run->salvaged);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that nobody uses any more are revoked at the server, in the background: what a login has replaced, and what a login brought that failed after all. Nothing depends on the
 * outcome; without it the server keeps one more session until it ends by itself.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/keeper_parts.h"

struct keeper_disposal {
	struct keeper_disposal *next;
	struct keeper_context *context;
	struct credential *credential; /* as it was; its server is asked */
	struct tally *tally;
	char *base_url;
	struct secret *token;
	bool refresh; /* what it is */
	struct attempt *call;
	struct timer *timer;
	size_t tries;
};

static const int64_t pauses_ms[] = { 2 * 1000, 30 * 1000, 300 * 1000 };
enum { N_PAUSES = sizeof pauses_ms / sizeof pauses_ms[0] };

static void disposal_free(struct keeper_disposal *d)
{
	struct keeper_disposal **at = &d->context->disposals;

	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	attempt_cancel(d->call);
	timer_free(d->timer);
	secret_unref(d->token);
	credential_unref(d->credential);
	tally_unref(d->tally);
	free(d->base_url);
	free(d);
}

static void failed(struct keeper_disposal *d, const struct err *err)
{
	bool again = err->code == ERR_RETRY && d->tries < N_PAUSES;

	log_event(LOG_LEVEL_WARNING, "token.not_revoked", F_STR("credential", d->credential->name),
		  F_STR("why", err->text), F_STR("again", again ? "yes" : "no"));
	if (again)
		timer_set(d->timer, loop_now_ms(d->context->loop) + pauses_ms[d->tries++]);
	else
		disposal_free(d);
}

static void answered(const struct http_response *res, void *arg)
{
	struct keeper_disposal *d = arg;
	struct err err = { 0 };

	d->call = NULL;
	if (flow_read_revocation(d->credential, res, &err) < 0) {
		failed(d, &err);
		return;
	}
	log_event(LOG_LEVEL_INFO, "token.revoked", F_STR("credential", d->credential->name));
	disposal_free(d);
}

/* AllowedHosts= may have another mind than when the token was given. */
static int check_host(const struct keeper_disposal *d, const char *url, struct err *err)
{
	struct config_list hosts = { 0 };
	int r = salesforce_hosts(&hosts, &d->context->settings->network.allowed_hosts,
				 d->credential->login_url, err);

	if (r == 0)
		r = salesforce_check_url(url, &hosts, err);
	salesforce_hosts_fini(&hosts);
	return r;
}

static int make_request(const struct keeper_disposal *d, struct http_request *req, struct err *err)
{
	CLEANUP(endpoints_unrefp)
	struct endpoints *e = attempts_endpoints(d->context->attempts, d->credential);
	struct flow_run run = { .credential = d->credential,
				.endpoints = e,
				.real_ms = clock_real_ms() };
	int r = unique_fill(run.unique, err);

	if (r == 0)
		r = flow_ask_revocation(&run, d->base_url, d->token, d->refresh, req, err);
	return r == 0 ? check_host(d, req->url, err) : r;
}

static void ask(void *arg)
{
	struct keeper_disposal *d = arg;
	struct http_request req = { 0 };
	struct err err = { 0 };

	int r = make_request(d, &req, &err);

	if (r == 0)
		d->call = attempt_request(d->context->attempts, &req, answered, d);
	attempt_count_for(d->call, d->tally);
	http_request_fini(&req);
	if (d->call)
		return;
	if (r == 0)
		err_oom(&err);
	failed(d, &err);
}

void keeper_dispose(struct keeper *k, const char *base_url, struct secret *token, bool refresh)
{
	struct keeper_disposal *d = calloc(1, sizeof *d);

	if (!d)
		return;
	d->context = k->context;
	d->next = k->context->disposals;
	k->context->disposals = d;
	d->credential = credential_ref(k->credential);
	d->tally = tally_ref(k->tally);
	d->base_url = strdup(base_url);
	d->token = secret_ref(token);
	d->refresh = refresh;
	d->timer = timer_new(k->context->loop, ask, d);
	if (d->base_url && d->timer)
		timer_set(d->timer, 0);
	else
		disposal_free(d);
}

void keeper_disposals_free(struct keeper_context *context)
{
	while (context->disposals)
		disposal_free(context->disposals);
}

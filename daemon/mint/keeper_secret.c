/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What administrators do with refresh tokens: give one, or revoke.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/mint/keeper_parts.h"
#include "daemon/mint/salesforce.h"

/* --- giving --- */

static int check_base_url(const struct keeper *k, const char *base_url, struct err *err)
{
	struct err why = { 0 };

	if (!base_url || keeper_check_host(k, base_url, &why) == 0)
		return 0;
	if (why.code == ERR_INTERNAL)
		return err_oom(err);
	return err_set(
		err, ERR_INPUT,
		"its host is not allowed: add it to AllowedHosts= in sftokend.conf, or set LoginUrl=");
}

int keeper_give_refresh(struct keeper *k, struct secret *token, const char *base_url,
			struct err *err)
{
	struct schedule_event e = { .type = SCHEDULE_SUPPLIED, .supplied.fresh = true };
	int r;

	if (!keeper_spends(k))
		return err_set(err, ERR_INPUT, "this grant has no refresh token (GrantType=%s)",
			       grant_type_names[k->credential->grant_type]);
	r = check_base_url(k, base_url, err);
	if (r < 0)
		return r;
	if (k->spending)
		return err_set(
			err, ERR_RETRY,
			"the old refresh token is being spent at this moment: try again in a few seconds");
	r = store_give_refresh(k->context->store, k->stored, token, k->origin, base_url,
			       loop_now_ms(k->context->loop), err);
	if (r < 0)
		return r;
	keeper_note(k, "import", "done", 0, NULL);
	k->begun = true;
	keeper_step(k, &e);
	return 0;
}

void keeper_supplied(struct keeper *k)
{
	struct schedule_event e = { .type = SCHEDULE_SUPPLIED };
	enum state s = k->schedule.state;

	/* what waits for nothing is left alone; a new keeper begins by itself */
	if (!k->begun || s == STATE_DISABLED || k->schedule.trouble == TROUBLE_NONE)
		return;
	keeper_step(k, &e);
}

void keeper_store_mended(struct keeper *k)
{
	/* who waits for Salesforce goes on waiting */
	if (k->schedule.trouble == TROUBLE_PROBLEM && k->problem.outcome == HTTP_REFUSED)
		keeper_supplied(k);
}

/* --- revoking --- */

enum revocation_phase { REVOCATION_WAITS, REVOCATION_ASKS, REVOCATION_ENDS };

struct keeper_revocation {
	struct keeper *keeper; /* NULL: gone */
	enum revocation_phase phase;
	bool forget;
	struct attempt *call;
	struct timer *timer; /* delivers what is decided without a request */
	int status;
	struct err err;
	void (*done)(int status, const struct err *err, void *arg); /* NULL: nobody listens */
	void *arg;
};

static void revocation_free(struct keeper_revocation *r)
{
	if (r->keeper)
		r->keeper->revocation = NULL;
	attempt_cancel(r->call);
	timer_free(r->timer);
	free(r);
}

static void finish(struct keeper_revocation *r)
{
	struct keeper *k;

	if (r->done)
		r->done(r->status, &r->err, r->arg);
	k = r->keeper; /* NULL: done() has removed it */
	revocation_free(r);
	if (k)
		keeper_logins_settled(k);
}

static void finish_by_timer(void *arg)
{
	finish(arg);
}

/* Decided; done() comes in the next turn. */
static void end(struct keeper_revocation *r, int status)
{
	r->phase = REVOCATION_ENDS;
	r->status = status;
	timer_set(r->timer, 0);
}

/* Salesforce has ended it: now it is forgotten here. */
static int forget(struct keeper *k, bool refresh, struct err *err)
{
	struct schedule_event revoked = { .type = SCHEDULE_REVOKED };
	int status = 0;

	k->withdrawn = k->schedule.generation;
	k->begun = true;
	if (refresh && k->stored->refresh.token)
		status = store_forget_refresh(k->context->store, k->stored, err);
	k->schedule.spent = k->stored->refresh.token != NULL;
	keeper_step(k, &revoked);
	grant_unref(TAKE(k->token));
	keeper_save(k, STORE_SYNC);
	keeper_note(k, "revoke", "done", 0, NULL);
	keeper_mark(k);
	return status;
}

static void revoked(const struct http_response *res, void *arg)
{
	struct keeper_revocation *r = arg;

	r->call = NULL;
	r->status = flow_read_revocation(r->keeper->credential, res, &r->err);
	if (r->status == 0)
		r->status = forget(r->keeper, r->forget, &r->err);
	finish(r);
}

static int fill(struct keeper_revocation *r, const char *base, const struct secret *token,
		bool refresh, struct http_request *req)
{
	struct keeper *k = r->keeper;
	CLEANUP(endpoints_unrefp) struct endpoints *e = NULL;
	struct flow_run run;
	int status = keeper_run(k, &run, &e, &r->err);

	if (status == 0)
		status = flow_ask_revocation(&run, base, token, refresh, req, &r->err);
	/* AllowedHosts= may have another mind than when the token was given */
	return status < 0 ? status : check_base_url(k, req->url, &r->err);
}

/* A refresh token that another grant or server has left is forgotten, and shown to nobody. */
static bool has_refresh(const struct keeper_revocation *r)
{
	return r->forget && keeper_spends(r->keeper) && keeper_owns_refresh(r->keeper);
}

static void ask_to_revoke(struct keeper_revocation *r)
{
	struct keeper *k = r->keeper;
	const struct stored_refresh *stored = &k->stored->refresh;
	bool refresh = has_refresh(r);
	const struct secret *token = refresh    ? stored->token
				     : k->token ? k->token->access_token
						: NULL;
	const char *base = k->credential->login_url;
	struct http_request req = { 0 };
	int status;

	if (!token) { /* it has ended meanwhile, or is not ours */
		end(r, r->forget ? forget(k, true, &r->err) : 0);
		return;
	}
	if (refresh && stored->base_url)
		base = stored->base_url;
	else if (!refresh)
		base = k->token->instance_url;
	status = fill(r, base, token, refresh, &req);
	if (status == 0)
		r->call = attempt_request(k->context->attempts, &req, revoked, r);
	attempt_count_for(r->call, k->tally);
	http_request_fini(&req);
	if (!r->call)
		end(r, status < 0 ? status : err_oom(&r->err));
}

static void endpoints_found(const struct endpoints *e, const struct problem *p, void *arg)
{
	struct keeper_revocation *r = arg;

	r->call = NULL;
	if (e) {
		ask_to_revoke(r);
		return;
	}
	end(r,
	    err_set(&r->err, p->class == PROBLEM_ADMIN ? ERR_ADMIN : ERR_RETRY, "%s", p->message));
}

static void ask(struct keeper_revocation *r)
{
	r->phase = REVOCATION_ASKS;
	if (r->keeper->token || has_refresh(r))
		r->call = keeper_discover(r->keeper, endpoints_found, r);
	if (!r->call)
		ask_to_revoke(r);
}

void keeper_revocation_settled(struct keeper *k)
{
	if (k->revocation && k->revocation->phase == REVOCATION_WAITS && !k->spending)
		ask(k->revocation);
}

/* k ends (it was removed from the configuration): what was asked goes on, but there is nothing here to be forgotten. */
void keeper_revocation_drop(struct keeper *k)
{
	struct keeper_revocation *r = k->revocation;

	if (!r)
		return;
	k->revocation = NULL;
	r->keeper = NULL;
	if (!r->done) { /* at the end there is no next turn either */
		revocation_free(r);
		return;
	}
	attempt_cancel(TAKE(r->call));
	err_set(&r->err, ERR_RETRY, "the credential has changed meanwhile: try again");
	end(r, -ERR_RETRY);
}

struct keeper_revocation *keeper_revoke(struct keeper *k, bool forget_refresh,
					void (*done)(int status, const struct err *err, void *arg),
					void *arg, struct err *err)
{
	struct keeper_revocation *r;

	if (k->revocation) {
		err_set(err, ERR_RETRY, "it is being revoked already: try again in a few seconds");
		return NULL;
	}
	if (!k->token && !k->spending && !(forget_refresh && k->stored->refresh.token)) {
		err_set(err, ERR_INPUT, "there is no token that could be revoked");
		return NULL;
	}
	r = calloc(1, sizeof *r);
	if (r)
		r->timer = timer_new(k->context->loop, finish_by_timer, r);
	if (!r || !r->timer) {
		free(r);
		err_oom(err);
		return NULL;
	}
	r->keeper = k;
	r->forget = forget_refresh;
	r->done = done;
	r->arg = arg;
	k->revocation = r;
	keeper_revocation_settled(k);
	return r;
}

void keeper_revocation_forget(struct keeper_revocation *r)
{
	if (r)
		r->done = NULL;
}

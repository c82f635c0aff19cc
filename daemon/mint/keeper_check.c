/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two questions that are no attempts and cost none of the budget: userinfo (is this token alive?) and introspection (until when, and a second opinion).
 */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/keeper_parts.h"
#include "daemon/mint/oauth.h"

/* --- where to ask --- */

struct attempt *keeper_discover(struct keeper *k,
				void (*done)(const struct endpoints *e, const struct problem *p,
					     void *arg),
				void *arg)
{
	struct attempts *a = k->context->attempts;
	CLEANUP(endpoints_unrefp) struct endpoints *known = attempts_endpoints(a, k->credential);

	struct attempt *call = known || !k->credential->issuer
				       ? NULL
				       : attempt_discover(a, k->credential, done, arg);

	attempt_count_for(call, k->tally);
	return call;
}

int keeper_run(const struct keeper *k, struct flow_run *run, struct endpoints **endpoints,
	       struct err *err)
{
	*endpoints = attempts_endpoints(k->context->attempts, k->credential);
	*run = (struct flow_run){ .credential = k->credential,
				  .real_ms = clock_real_ms() + k->schedule.skew_ms,
				  .endpoints = *endpoints };
	return unique_fill(run->unique, err);
}

typedef int question(const struct flow_run *run, const struct grant *g, struct http_request *req,
		     struct err *err);

/* NULL: it cannot be asked. AllowedHosts= may have another mind than when the endpoints were found. */
static struct attempt *ask(struct keeper *k, const struct grant *g, question *fill,
			   void (*done)(const struct http_response *res, void *arg))
{
	CLEANUP(endpoints_unrefp) struct endpoints *e = NULL;
	struct http_request req = { 0 };
	struct attempt *call = NULL;
	struct flow_run run;

	if (keeper_run(k, &run, &e, NULL) == 0 && fill(&run, g, &req, NULL) == 0 &&
	    (!e || keeper_check_host(k, req.url, NULL) == 0))
		call = attempt_request(k->context->attempts, &req, done, k);
	attempt_count_for(call, k->tally);
	http_request_fini(&req);
	return call;
}

/* --- userinfo --- */

static void tell_liveness(struct keeper *k, enum liveness liveness)
{
	static const char *const names[] = { "alive", "dead", "unsure" };
	struct schedule_event e = {
		.type = SCHEDULE_CHECKED,
		.checked = { .generation = k->schedule.generation, .liveness = liveness },
	};

	log_event(LOG_LEVEL_INFO, "token.checked", F_STR("credential", k->credential->name),
		  F_INT("generation", k->schedule.generation), F_STR("result", names[liveness]));
	keeper_step(k, &e);
}

static void userinfo_done(const struct http_response *res, void *arg)
{
	struct keeper *k = arg;

	k->userinfo = NULL;
	tell_liveness(k, salesforce_userinfo_answer(res));
}

static void ask_userinfo(struct keeper *k)
{
	if (k->token)
		k->userinfo = ask(k, k->token, flow_ask_userinfo, userinfo_done);
	if (!k->userinfo)
		tell_liveness(k, TOKEN_UNSURE);
}

static void userinfo_found(const struct endpoints *e, const struct problem *p, void *arg)
{
	struct keeper *k = arg;

	(void)e;
	(void)p;
	k->userinfo = NULL;
	ask_userinfo(k);
}

/* What was asked before concerns an older claim or token: its answer is not waited for. */
void keeper_ask_userinfo(struct keeper *k)
{
	attempt_cancel(TAKE(k->userinfo));
	k->userinfo = keeper_discover(k, userinfo_found, k);
	if (!k->userinfo)
		ask_userinfo(k);
}

/* --- introspection --- */

static void tell_introspection(struct keeper *k, const struct introspection *answer,
			       const struct http_response *res)
{
	struct schedule_event e = {
		.type = SCHEDULE_INTROSPECTED,
		.introspected = { .generation = k->schedule.generation,
				  .active = answer->active,
				  .exp_s = answer->exp_s,
				  .sent_ms = res ? res->sent_ms : 0,
				  .date_real_ms = res ? res->date_real_ms : 0 },
	};

	log_event(LOG_LEVEL_DEBUG, "token.introspected", F_STR("credential", k->credential->name),
		  F_INT("generation", k->schedule.generation), F_INT("active", answer->active),
		  F_INT("exp", answer->exp_s));
	keeper_step(k, &e);
}

static void introspection_done(const struct http_response *res, void *arg)
{
	struct keeper *k = arg;
	struct introspection answer = { .active = -1 };
	struct problem problem = { 0 };

	k->introspection = NULL;
	oauth_read_introspection(res, &answer, &problem);
	tell_introspection(k, &answer, res);
}

static void ask_introspection(struct keeper *k)
{
	static const struct introspection unknown = { .active = -1 };

	if (k->token)
		k->introspection = ask(k, k->token, flow_ask_introspection, introspection_done);
	if (!k->introspection)
		tell_introspection(k, &unknown, NULL);
}

static void introspection_found(const struct endpoints *e, const struct problem *p, void *arg)
{
	struct keeper *k = arg;

	(void)e;
	(void)p;
	k->introspection = NULL;
	ask_introspection(k);
}

/* One answer serves both purposes, but it must be about the present token: keeper_drop_checks() came before if that changed. */
void keeper_ask_introspection(struct keeper *k)
{
	if (k->introspection)
		return;
	k->introspection = keeper_discover(k, introspection_found, k);
	if (!k->introspection)
		ask_introspection(k);
}

void keeper_drop_checks(struct keeper *k)
{
	attempt_cancel(TAKE(k->userinfo));
	attempt_cancel(TAKE(k->introspection));
}

/* --- the elder: is a token older than the one that died still alive? --- */

static void tell_elder(struct keeper *k, enum liveness liveness)
{
	struct schedule_event e = { .type = SCHEDULE_ELDER, .elder = liveness };

	keeper_step(k, &e);
}

static void elder_done(const struct http_response *res, void *arg)
{
	struct keeper *k = arg;

	k->elder_call = NULL;
	tell_elder(k, salesforce_userinfo_answer(res));
}

void keeper_ask_elder(struct keeper *k)
{
	if (k->elder && !k->elder_call)
		k->elder_call = ask(k, k->elder, flow_ask_userinfo, elder_done);
	if (!k->elder_call)
		tell_elder(k, TOKEN_UNSURE);
}

void keeper_drop_elder(struct keeper *k)
{
	attempt_cancel(TAKE(k->elder_call));
	grant_unref(TAKE(k->elder));
}

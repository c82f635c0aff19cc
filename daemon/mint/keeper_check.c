/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two questions that are no attempts and cost none of the budget: userinfo (is this token alive?) and introspection (until when, and a second opinion).
 */
#include "base/log.h"
#include "daemon/mint/keeper_parts.h"
#include "daemon/mint/oauth.h"

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

/* What was asked before concerns an older claim or token: its answer is not waited for. */
void keeper_ask_userinfo(struct keeper *k)
{
	struct http_request req = { 0 };
	struct err err;

	attempt_cancel(TAKE(k->userinfo));
	if (k->token && salesforce_userinfo_request(k->token, &req, &err) == 0)
		k->userinfo = attempt_request(k->context->attempts, &req, userinfo_done, k);
	http_request_fini(&req);
	if (!k->userinfo)
		tell_liveness(k, TOKEN_UNSURE);
}

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

/* One answer serves both purposes, but it must be about the present token: keeper_drop_checks() came before if that changed. */
void keeper_ask_introspection(struct keeper *k)
{
	static const struct introspection unknown = { .active = -1 };
	struct http_request req = { 0 };
	struct err err;

	if (k->introspection)
		return;
	if (k->token && salesforce_introspect_request(k->credential, k->token, &req, &err) == 0)
		k->introspection = attempt_request(k->context->attempts, &req, introspection_done,
						   k);
	http_request_fini(&req);
	if (!k->introspection)
		tell_introspection(k, &unknown, NULL);
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
	struct http_request req = { 0 };
	struct err err;

	if (k->elder && !k->elder_call && salesforce_userinfo_request(k->elder, &req, &err) == 0)
		k->elder_call = attempt_request(k->context->attempts, &req, elder_done, k);
	http_request_fini(&req);
	if (!k->elder_call)
		tell_elder(k, TOKEN_UNSURE);
}

void keeper_drop_elder(struct keeper *k)
{
	attempt_cancel(TAKE(k->elder_call));
	grant_unref(TAKE(k->elder));
}

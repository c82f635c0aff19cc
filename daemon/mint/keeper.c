/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/keeper_parts.h"

/* xorshift64*: jitter needs no secrecy, and tests need the same numbers again. */
static uint32_t next_random(struct keeper_context *c)
{
	uint64_t x = c->random ? c->random : 0x9e3779b97f4a7c15u;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	c->random = x;
	return (uint32_t)((x * 0x2545f4914f6cdd1du) >> 32);
}

struct schedule_rules keeper_rules(const struct keeper *k)
{
	const struct credential *c = k->credential;
	const struct flow_ops *flow = flow_find(c->grant_type);

	return (struct schedule_rules){
		.limits = &k->context->settings->limits,
		.renewal = flow ? flow->renewal : RENEW_PERSON,
		.introspect = c->introspect != INTROSPECT_NO && flow_client_proves(c),
		.renewal_ends_session = c->renewal_ends_session,
		.renew_when_idle = c->renew_when_idle,
		.idle_stop_ms = c->idle_stop_ms,
		.session_timeout_ms = c->session_timeout_ms,
		.renew_at_percent = c->renew_at_percent,
		/* what lacks its refresh token says so at once */
		.start_spread_ms = c->required || (flow && flow->spends &&
						   (!k->stored->refresh.token ||
						    k->stored->refresh.refused))
					   ? 0
					   : k->context->start_spread_ms,
	};
}

static void log_state(const struct keeper *k, enum state from)
{
	const struct schedule *s = &k->schedule;
	bool people = s->state == STATE_SUSPENDED || s->state == STATE_LOGIN_REQUIRED;

	if (s->state == from)
		return;
	log_event(people ? LOG_LEVEL_ERR : LOG_LEVEL_INFO, "keeper.state",
		  F_STR("credential", k->credential->name), F_STR("from", state_names[from]),
		  F_STR("to", state_names[s->state]),
		  F_STR("why", s->trouble == TROUBLE_PROBLEM ? k->problem.message : NULL));
}

/* --- the attempt --- */

int64_t keeper_next_generation(const struct keeper *k)
{
	int64_t now_s = clock_real_ms() / 1000;

	return k->schedule.generation + 1 > now_s ? k->schedule.generation + 1 : now_s;
}

/* The same token, to be used elsewhere: instance_url counts anew with every grant (salesforce-oauth.md 1.7). */
void keeper_move_instance(struct keeper *k, struct grant *g)
{
	if (strcmp(k->token->instance_url, g->instance_url) == 0)
		return;
	grant_unref(k->token);
	k->token = grant_ref(g);
	memset(&k->sent.wall, 0, sizeof k->sent.wall); /* the front is to be told */
}

/* A refresh does not say the user's name, which a login has asked for. It is the same user's by the ids (salesforce-oauth.md 3: the last two parts of id). */
static void keep_username(const struct grant *old, struct grant *g)
{
	if (!old || !old->username || g->username || !old->user_id || !g->user_id ||
	    !old->organization_id || !g->organization_id)
		return;
	if (strcmp(old->user_id, g->user_id) == 0 &&
	    strcmp(old->organization_id, g->organization_id) == 0)
		g->username = strdup(old->username);
}

static void granted(struct keeper *k, const struct attempt_result *r)
{
	struct grant *g = r->grant;
	bool same = k->token && secret_equal(k->token->access_token, g->access_token);
	struct schedule_event e = {
		.type = SCHEDULE_GRANTED,
		.granted = { .same = same && k->schedule.has_token,
			     .generation = keeper_next_generation(k),
			     .sent_ms = r->sent_ms,
			     .expires_in_ms = g->expires_in_ms,
			     .jwt_exp_s = g->jwt_exp_s,
			     .jwt_iat_s = g->jwt_iat_s,
			     .date_real_ms = r->date_real_ms },
	};

	keep_username(k->token, g);
	if (!same) {
		k->previous = TAKE(k->token);
		k->token = grant_ref(g);
	} else {
		keeper_move_instance(k, g);
	}
	keeper_note_attempt(k, NULL, same);
	keeper_step(k, &e);
	grant_unref(TAKE(k->previous));
	log_event(LOG_LEVEL_INFO, same ? "token.unchanged" : "token.minted",
		  F_STR("credential", k->credential->name),
		  F_INT("generation", k->schedule.generation),
		  F_INT("life_s", k->schedule.life_ms / 1000),
		  F_STR("source", expiry_source_names[k->schedule.source]),
		  F_INT("took_ms", r->took_ms));
}

void keeper_refused(struct keeper *k, const struct problem *p)
{
	struct schedule_event e = { .type = SCHEDULE_FAILED, .failed = p };

	log_event(LOG_LEVEL_WARNING, "attempt.failed", F_STR("credential", k->credential->name),
		  F_STR("message", p->message), F_STR("error", p->error[0] ? p->error : NULL),
		  F_STR("description", p->description[0] ? p->description : NULL),
		  F_INT("status", p->http_status));
	keeper_note_attempt(k, p, false);
	keeper_step(k, &e);
}

/* Whoever waits for an attempt is answered when none runs any more. */
void keeper_tell_settled(struct keeper *k)
{
	keeper_revocation_settled(k);
	keeper_logins_settled(k);
	if (!k->schedule.in_flight)
		k->context->settled(k, k->context->arg);
}

static void attempt_done(const struct attempt_result *r, void *arg)
{
	struct keeper *k = arg;
	CLEANUP(credential_unrefp) struct credential *running = TAKE(k->running);
	struct problem problem = { 0 };
	bool heard = k->schedule.in_flight;

	if (r->problem)
		problem = *r->problem;
	k->attempt = NULL;
	keeper_settle_spend(k, r, &problem);
	if (k->retired) {
		keeper_free(k);
		return;
	}
	/* a spend that was cancelled is in the store now, and that is all that was left to do */
	if (heard && r->grant)
		granted(k, r);
	else if (heard)
		keeper_refused(k, &problem);
	keeper_tell_settled(k);
}

static void start_attempt(struct keeper *k)
{
	CLEANUP(secret_unrefp) struct secret *assertion = NULL;
	CLEANUP(secret_unrefp) struct secret *subject_token = NULL;
	struct err err = { 0 };
	struct problem p = { .class = PROBLEM_RETRY,
			     .outcome = HTTP_REFUSED,
			     .message = "out of memory" };
	struct attempt_order order = {
		.kind = k->schedule.demanded ? ATTEMPT_DEMANDED : ATTEMPT_SCHEDULED,
		.real_skew_ms = k->schedule.skew_ms,
		.done = attempt_done,
		.arg = k,
	};

	/* the one before was cancelled, but it has spent the refresh token: its answer is that of this one, too */
	if (k->attempt)
		return;
	k->kind = k->schedule.unknown ? "replay" : k->schedule.demanded ? "demanded" : "scheduled";
	if (!keeper_may_start(k, &p)) {
		keeper_refused(k, &p);
		return;
	}
	if (keeper_read_files(k, &assertion, &subject_token, &err) < 0) {
		keeper_problem_of(&p, &err);
		/* whoever writes the file may be about to: the attempts go on, and each reads it */
		p.class = PROBLEM_RETRY;
		keeper_refused(k, &p);
		return;
	}
	k->running = credential_ref(k->credential);
	order.credential = k->running;
	order.assertion = assertion;
	order.subject_token = subject_token;
	if (keeper_spends(k)) {
		order.refresh_token = k->stored->refresh.token;
		order.base_url = k->stored->refresh.base_url;
		order.about_to_spend = keeper_about_to_spend;
	}
	k->attempt = attempt_start(k->context->attempts, &order);
	attempt_count_for(k->attempt, k->tally);
	if (k->attempt)
		return;
	k->running = credential_unref(k->running);
	keeper_refused(k, &p);
}

/* --- acting out the schedule --- */

static void cancel(struct keeper *k)
{
	if (!k->spending) {
		attempt_cancel(TAKE(k->attempt));
		k->running = credential_unref(k->running);
	}
	keeper_drop_checks(k);
	keeper_drop_elder(k);
}

void keeper_mark(struct keeper *k)
{
	keeper_set_dirty(k, true);
	k->context->changed(k, k->context->arg);
}

static void act(struct keeper *k, const struct schedule_actions *out)
{
	if (out->cancel)
		cancel(k);
	if (out->drop_checks)
		keeper_drop_checks(k);
	if (out->drop_elder)
		keeper_drop_elder(k);
	if (out->keep_elder) {
		keeper_drop_elder(k);
		k->elder = TAKE(k->previous);
	}
	if (out->wake_ms)
		timer_set(k->timer, out->wake_ms);
	else
		timer_clear(k->timer);
	if (out->changed)
		keeper_mark(k);
	if (out->demand && k->attempt)
		attempt_demand(k->attempt);
	/* each of these may fail at once and come back here */
	if (out->ask_elder)
		keeper_ask_elder(k);
	if (out->check)
		keeper_ask_userinfo(k);
	if (out->introspect)
		keeper_ask_introspection(k);
	if (out->start)
		start_attempt(k);
}

/*
 * What became of the last spend is what the store says: the schedule does not hear of one that a removed predecessor had in flight, nor, while it is disabled, of a new refresh token.
 */
static void recall_spend(struct keeper *k)
{
	if (!k->schedule.in_flight && k->stored->spend.state != SPEND_INTENT)
		k->schedule.unknown = keeper_in_doubt(k);
}

void keeper_step(struct keeper *k, struct schedule_event *e)
{
	struct schedule_rules rules = keeper_rules(k);
	struct schedule_now now = { loop_now_ms(k->context->loop), clock_real_ms() };
	struct schedule_actions out;
	enum state before = k->schedule.state;

	e->random = next_random(k->context);
	recall_spend(k);
	schedule_step(&rules, &k->schedule, e, now, &out);
	if (out.take_problem)
		k->problem = *e->failed;
	/* on disk before anybody hears of it, a log that may block included */
	keeper_save(k, STORE_SOON);
	if (out.confirmed_dead)
		log_event(LOG_LEVEL_NOTICE, "token.dead", F_STR("credential", k->credential->name),
			  F_INT("generation", k->schedule.generation),
			  F_INT("age_s", (now.boot_ms - k->schedule.issued_ms) / 1000));
	log_state(k, before);
	if (out.put_off)
		log_event(LOG_LEVEL_INFO, "renewal.put_off",
			  F_STR("credential", k->credential->name),
			  F_INT("generation", k->schedule.generation),
			  F_INT("for_s", (k->schedule.next_attempt_ms - now.boot_ms) / 1000));
	if (out.ending)
		log_event(LOG_LEVEL_ERR, "token.ending", F_STR("credential", k->credential->name),
			  F_INT("generation", k->schedule.generation),
			  F_STR("message", keeper_login_text(k)));
	act(k, &out);
}

static void timer_fired(void *arg)
{
	struct schedule_event e = { .type = SCHEDULE_TICK };

	keeper_step(arg, &e);
}

/* --- life --- */

struct keeper *keeper_new(struct keeper_context *context, struct credential *c, struct err *err)
{
	struct keeper *k = calloc(1, sizeof *k);

	if (!k) {
		err_oom(err);
		return NULL;
	}
	k->context = context;
	TAILQ_INIT(&k->logins);
	k->credential = credential_ref(c);
	k->origin = credential_origin(c);
	k->timer = timer_new(context->loop, timer_fired, k);
	k->tally = tally_new();
	k->stored = store_get(context->store, c->name);
	schedule_init(&k->schedule, k->stored ? k->stored->generation : 0);
	if (!k->origin || !k->timer || !k->stored || !k->tally) {
		keeper_free(k);
		err_oom(err);
		return NULL;
	}
	return k;
}

/* Not yet: the refresh token is on its way, and what comes back must not be lost. */
static void retire(struct keeper *k)
{
	struct keeper_context *c = k->context;

	timer_clear(k->timer);
	k->retired = true;
	k->next_retired = c->retired;
	c->retired = k;
}

static void leave_retired(struct keeper *k)
{
	struct keeper **at = &k->context->retired;

	while (*at && *at != k)
		at = &(*at)->next_retired;
	if (*at)
		*at = k->next_retired;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	cancel(k);
	keeper_set_dirty(k, false);
	keeper_revocation_drop(k);
	keeper_logins_drop(k);
	if (k->attempt && !k->retired) {
		retire(k);
		return;
	}
	leave_retired(k);
	timer_free(k->timer);
	keeper_history_fini(k);
	grant_unref(k->token);
	secret_unref(k->next_refresh);
	credential_unref(k->running);
	credential_unref(k->credential);
	tally_unref(k->tally);
	free(k->origin);
	free(k);
}

void keeper_free_retired(struct keeper_context *context)
{
	while (context->retired) {
		struct keeper *k = context->retired;

		attempt_cancel(TAKE(k->attempt));
		k->spending = false;
		keeper_free(k);
	}
	keeper_disposals_free(context);
}

void keeper_start(struct keeper *k)
{
	struct schedule_event e = { .type = SCHEDULE_START };

	if (k->begun)
		return;
	k->begun = true;
	keeper_step(k, &e);
}

void keeper_set_credential(struct keeper *k, struct credential *c)
{
	credential_ref(c);
	credential_unref(k->credential);
	k->credential = c;
	keeper_mark(k);
}

void keeper_want(struct keeper *k, const struct link_want *want)
{
	struct schedule_event e = {
		.type = SCHEDULE_WANTED,
		.wanted = { .min_left_ms = want->min_left_ms.value,
			    .not_generation = want->not_generation.value,
			    .deadline_ms = want->deadline_ms.value },
	};

	k->begun = true;
	/* a file that was mended a moment ago: the demand is not kept waiting for the back-off */
	keeper_look_at_files(k);
	keeper_step(k, &e);
}

void keeper_report(struct keeper *k, const struct link_report *report)
{
	struct schedule_event e = {
		.type = SCHEDULE_REPORTED,
		.reported = { .generation = report->generation.value,
			      .deadline_ms = report->deadline_ms.value },
	};

	log_event(LOG_LEVEL_INFO, "token.reported", F_STR("credential", k->credential->name),
		  F_INT("generation", report->generation.value),
		  F_INT("uid", report->uid.set ? report->uid.value : -1),
		  F_INT("pid", report->pid.set ? report->pid.value : -1),
		  F_INT("status", report->http_status.set ? report->http_status.value : 0),
		  F_STR("error", report->error_code));
	keeper_step(k, &e);
}

void keeper_hold(struct keeper *k, int64_t generation, int64_t until_ms)
{
	struct schedule_event e = { .type = SCHEDULE_HELD,
				    .held = { .generation = generation, .until_ms = until_ms } };

	if (k->schedule.held_generation == generation && k->schedule.held_until_ms == until_ms)
		return;
	keeper_step(k, &e);
}

void keeper_end_hold_soon(struct keeper *k)
{
	int64_t soon = loop_now_ms(k->context->loop) + HOLD_GRACE_MS;

	if (k->schedule.held_until_ms > soon)
		keeper_hold(k, k->schedule.held_generation, soon);
}

void keeper_used(struct keeper *k)
{
	struct schedule_event e = { .type = SCHEDULE_USED };

	keeper_step(k, &e);
}

bool keeper_refresh(struct keeper *k)
{
	struct schedule_event e = { .type = SCHEDULE_REFRESH };

	k->begun = true;
	keeper_step(k, &e);
	return k->schedule.in_flight;
}

void keeper_set_enabled(struct keeper *k, bool enabled)
{
	struct schedule_event e = { .type = enabled ? SCHEDULE_ENABLE : SCHEDULE_DISABLE };

	k->begun = true;
	keeper_step(k, &e);
	keeper_recall_refusal(k);
	k->stored->disabled = !enabled;
	keeper_save(k, STORE_SYNC);
	keeper_tell_settled(k);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the grant of a login becomes the credential's token, and what becomes of the one that it replaces.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/keeper_parts.h"

struct keeper_login {
	TAILQ_ENTRY(keeper_login) link;
	struct keeper *keeper; /* NULL: it was applied, or the keeper is gone */
	struct keeper_context *context;
	struct grant *grant;
	int64_t date_real_ms;
	struct timer *timer; /* delivers */
	int status;
	struct err err;
	void (*done)(int status, const struct err *err, void *arg);
	void *arg;
};

const struct keeper_context *keeper_context(const struct keeper *k)
{
	return k->context;
}

/* --- in words --- */

void keeper_login_hint(const struct keeper *k, char *to, size_t room)
{
	const char *name = k->credential->name;

	if (k->credential->grant_type == GRANT_REFRESH_TOKEN)
		snprintf(to, room, "sftoken login %s, or sftoken import %s --kind refresh_token",
			 name, name);
	else
		snprintf(to, room, "sftoken login %s", name);
}

const char *keeper_login_text(struct keeper *k)
{
	const struct schedule *s = &k->schedule;
	int64_t now_ms = loop_now_ms(k->context->loop);
	time_t end = (time_t)((s->deadline_ms + clock_real_ms() - now_ms) / 1000);
	const char *name = k->credential->name;
	char text[16] = "?";
	struct tm tm;

	if (keeper_token(k) && now_ms < s->deadline_ms) {
		if (gmtime_r(&end, &tm))
			strftime(text, sizeof text, "%H:%M:%S UTC", &tm);
		snprintf(k->login, sizeof k->login,
			 "the token ends at %s and cannot be renewed: sftoken login %s", text,
			 name);
	} else if (k->token || s->generation) {
		snprintf(k->login, sizeof k->login,
			 "the token has ended and cannot be renewed: sftoken login %s", name);
	} else {
		snprintf(k->login, sizeof k->login, "nobody has logged in yet: sftoken login %s",
			 name);
	}
	return k->login;
}

/* --- what is replaced, or not wanted --- */

/* Of this login URL, client and user, not known to be dead, and not what the server has just given again. */
static bool is_replaced(const struct keeper *k, const struct grant *g)
{
	const struct stored_refresh *old = &k->stored->refresh;

	return keeper_owns_refresh(k) && g->refresh_token && !old->refused &&
	       !secret_equal(old->token, g->refresh_token);
}

void keeper_discard(struct keeper *k, struct grant *g)
{
	const struct grant *held = keeper_token(k);

	/* one session: to end it would take the token away that callers have */
	if (held && secret_equal(held->access_token, g->access_token))
		return;
	if (g->refresh_token && secret_equal(g->refresh_token, k->stored->refresh.token))
		return;
	keeper_dispose(k, g->refresh_token ? k->credential->login_url : g->instance_url,
		       g->refresh_token ? g->refresh_token : g->access_token,
		       g->refresh_token != NULL);
}

/* --- applying --- */

static struct schedule_event event_of(const struct keeper *k, const struct keeper_login *l,
				      bool same)
{
	const struct grant *g = l->grant;

	return (struct schedule_event){
		.type = SCHEDULE_LOGGED_IN,
		.granted = { .same = same && k->schedule.has_token,
			     .generation = keeper_next_generation(k),
			     .sent_ms = g->sent_ms,
			     .expires_in_ms = g->expires_in_ms,
			     .jwt_exp_s = g->jwt_exp_s,
			     .jwt_iat_s = g->jwt_iat_s,
			     .date_real_ms = l->date_real_ms },
	};
}

/* What the schedule will believe of it goes into the record with it: the schedule is a pure function, so a copy of it is asked first. */
static int store_it(struct keeper *k, struct grant *g, const struct schedule_event *e,
		    struct err *err)
{
	struct schedule_rules rules = keeper_rules(k);
	struct schedule_now now = { loop_now_ms(k->context->loop), clock_real_ms() };
	struct schedule s = k->schedule;
	struct schedule_actions out;
	struct stored_token token;
	int r;

	schedule_step(&rules, &s, e, now, &out);
	token = (struct stored_token){
		.grant = g,
		.origin = k->origin,
		.generation = s.generation,
		.issued_ms = s.issued_ms,
		.life_ms = s.life_ms,
		.deadline_ms = s.deadline_ms,
		.vouched_ms = s.vouched_ms,
		.source = s.source,
		.unchanged = s.unchanged,
	};
	r = store_take_login(k->context->store, k->stored,
			     rules.renewal == RENEW_REFRESH ? g->refresh_token : NULL, k->origin,
			     &token, now.boot_ms, err);
	if (r < 0 && rules.renewal == RENEW_PERSON) {
		/* there is nothing that a restart could lose but this token: it is served from memory */
		log_event(LOG_LEVEL_ERR, "store.not_written",
			  F_STR("credential", k->credential->name), F_STR("why", err->text));
		return 0;
	}
	return r;
}

static void take(struct keeper *k, struct keeper_login *l, struct schedule_event *e, bool same)
{
	if (same) {
		keeper_move_instance(k, l->grant);
	} else {
		k->previous = TAKE(k->token);
		k->token = grant_ref(l->grant);
	}
	k->begun = true;
	keeper_note(k, "login", same ? "same_token" : "new_token", 200, NULL);
	keeper_step(k, e);
	grant_unref(TAKE(k->previous));
	log_event(LOG_LEVEL_INFO, "token.logged_in", F_STR("credential", k->credential->name),
		  F_INT("generation", k->schedule.generation),
		  F_INT("life_s", k->schedule.life_ms / 1000),
		  F_STR("source", expiry_source_names[k->schedule.source]));
}

static int apply(struct keeper *k, struct keeper_login *l, struct err *err)
{
	bool same = k->token && secret_equal(k->token->access_token, l->grant->access_token);
	struct schedule_event e = event_of(k, l, same);
	const struct stored_refresh *r = &k->stored->refresh;
	bool replaced = is_replaced(k, l->grant);
	CLEANUP(secret_unrefp) struct secret *old = r->token ? secret_ref(r->token) : NULL;
	CLEANUP(cleanup_free)
	char *base = strdup(r->base_url ? r->base_url : k->credential->login_url);
	int status = store_it(k, l->grant, &e, err);

	if (status < 0)
		return status;
	take(k, l, &e, same);
	/* with the same access token it is one session, which the end of the old one would end */
	if (replaced && !same && base)
		keeper_dispose(k, base, old, true);
	if (!k->schedule.in_flight)
		k->context->settled(k, k->context->arg);
	return 0;
}

static void login_free(struct keeper_login *l)
{
	timer_free(l->timer);
	grant_unref(l->grant);
	free(l);
}

static void deliver(void *arg)
{
	struct keeper_login *l = arg;

	l->done(l->status, &l->err, l->arg);
	login_free(l);
}

static void leave(struct keeper_login *l)
{
	if (l->keeper)
		TAILQ_REMOVE(&l->keeper->logins, l, link);
	l->keeper = NULL;
}

void keeper_logins_settled(struct keeper *k)
{
	struct keeper_login *l;

	if (k->retired)
		return;
	while (!k->spending && !k->revocation && (l = TAILQ_FIRST(&k->logins))) {
		leave(l);
		l->status = apply(k, l, &l->err);
		if (l->status < 0) {
			keeper_note(k, "login", "not_sent", 0, l->err.text);
			keeper_discard(k, l->grant);
		}
		timer_set(l->timer, 0);
	}
}

void keeper_logins_drop(struct keeper *k)
{
	struct keeper_login *l;

	while ((l = TAILQ_FIRST(&k->logins))) {
		leave(l);
		keeper_discard(k, l->grant);
		l->status = err_set(&l->err, ERR_RETRY,
				    "the credential was changed or removed meanwhile");
		timer_set(l->timer, 0);
	}
}

struct keeper_login *keeper_take_login(struct keeper *k, struct grant *g, int64_t date_real_ms,
				       void (*done)(int status, const struct err *err, void *arg),
				       void *arg)
{
	struct keeper_login *l = calloc(1, sizeof *l);

	if (l)
		l->timer = timer_new(k->context->loop, deliver, l);
	if (!l || !l->timer) {
		free(l);
		return NULL;
	}
	l->context = k->context;
	l->keeper = k;
	l->grant = grant_ref(g);
	l->date_real_ms = date_real_ms;
	l->done = done;
	l->arg = arg;
	TAILQ_INSERT_TAIL(&k->logins, l, link);
	keeper_logins_settled(k);
	return l;
}

bool keeper_login_cancel(struct keeper_login *l)
{
	bool in_use = l && !l->keeper && l->status == 0;

	if (!l)
		return true;
	if (l->keeper)
		keeper_discard(l->keeper, l->grant);
	leave(l);
	login_free(l);
	return !in_use;
}

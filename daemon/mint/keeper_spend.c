/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper and the store: what is asked before an attempt begins, the journal around a spend, and what is kept for the next start.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/keeper_parts.h"

bool keeper_spends(const struct keeper *k)
{
	const struct flow_ops *flow = flow_find(k->credential->grant_type);

	return flow && flow->spends;
}

/* What a grant of another type has left in the store does not matter to this one. */
bool keeper_in_doubt(const struct keeper *k)
{
	return keeper_spends(k) && k->stored->spend.state == SPEND_UNKNOWN;
}

const struct stored *keeper_stored(const struct keeper *k)
{
	return k->stored;
}

/* --- before --- */

void keeper_problem_of(struct problem *p, const struct err *err)
{
	*p = (struct problem){
		.class = err->code == ERR_LOGIN   ? PROBLEM_LOGIN
			 : err->code == ERR_ADMIN ? PROBLEM_ADMIN
						  : PROBLEM_RETRY,
		.outcome = HTTP_REFUSED,
	};
	snprintf(p->message, sizeof p->message, "%.*s", ERR_TEXT_MAX - 1, err->text);
}

bool keeper_owns_refresh(const struct keeper *k)
{
	const struct stored_refresh *r = &k->stored->refresh;

	return r->token && (!r->origin || strcmp(r->origin, k->origin) == 0);
}

/* The stored token belongs to another org, client or user since the configuration was changed. */
static int check_origin(const struct keeper *k, struct err *err)
{
	if (!k->stored->refresh.token || keeper_owns_refresh(k))
		return 0;
	return err_set(err, ERR_LOGIN, "of another origin");
}

/* The store knows what is wrong; here it is known what a person can do about it. */
static void say_how(const struct keeper *k, struct err *err)
{
	char hint[2 * CREDENTIAL_NAME_MAX + 80];
	const struct stored_refresh *r = &k->stored->refresh;

	keeper_login_hint(k, hint, sizeof hint);
	if (err->code == ERR_LOGIN && !r->token)
		err_set(err, ERR_LOGIN, "there is no refresh token yet: %s", hint);
	else if (err->code == ERR_LOGIN && r->refused)
		err_set(err, ERR_LOGIN, "Salesforce does not take the refresh token any more: %s",
			hint);
	else if (err->code == ERR_LOGIN)
		err_set(err, ERR_LOGIN, "%s: %s",
			"the stored refresh token belongs to another LoginUrl=, ClientId= or Username=",
			hint);
}

bool keeper_may_start(struct keeper *k, struct problem *p)
{
	const char *missing = credential_missing(k->credential);
	struct err err = { 0 };

	if (k->context->stopping)
		err_set(&err, ERR_RETRY, "the daemon is stopping");
	else if (k->revocation)
		err_set(&err, ERR_RETRY, "the token is being revoked at this moment");
	else if (missing)
		err_set(&err, ERR_ADMIN, "%s", missing);
	else if (!keeper_spends(k) || (check_origin(k, &err) == 0 &&
				       store_may_spend(k->context->store, k->stored, &err) == 0))
		return true;
	say_how(k, &err);
	keeper_problem_of(p, &err);
	return false;
}

void keeper_recall_refusal(struct keeper *k)
{
	struct problem p = { 0 };
	struct schedule_event e = { .type = SCHEDULE_REFUSED, .failed = &p };
	struct err err = { 0 };

	if (!keeper_spends(k) || !keeper_owns_refresh(k) || !k->stored->refresh.refused)
		return;
	err_set(&err, ERR_LOGIN, "refused");
	say_how(k, &err);
	keeper_problem_of(&p, &err);
	keeper_step(k, &e);
}

/* The connection is up, and the next thing that leaves is the token. */
int keeper_about_to_spend(void *keeper, struct err *err)
{
	struct keeper *k = keeper;
	int r;

	/* it was only connecting when the daemon was told to stop: nobody would wait for its answer */
	if (k->context->stopping)
		return err_set(err, ERR_RETRY, "the daemon is stopping");
	k->replay = k->stored->spend.state == SPEND_UNKNOWN;
	r = store_intend(k->context->store, k->stored, clock_now_ms(), clock_real_ms(), err);
	if (r < 0) {
		log_event(LOG_LEVEL_ERR, "spend.refused", F_STR("credential", k->credential->name),
			  F_STR("why", err->text));
		return r;
	}
	k->spending = true;
	k->context->spending++;
	log_event(LOG_LEVEL_DEBUG, "spend.intent", F_STR("credential", k->credential->name),
		  F_INT("number", k->stored->refresh.number), F_INT("replay", k->replay));
	return 0;
}

/* --- after --- */

static void warn_not_stored(const struct keeper *k, const struct err *err)
{
	log_event(LOG_LEVEL_ERR, "store.not_written", F_STR("credential", k->credential->name),
		  F_STR("why", err->text));
}

/* An old one that was sent again and refused: what was feared has happened, and the sentence says so. */
static void explain_loss(const struct keeper *k, struct problem *p)
{
	char hint[2 * CREDENTIAL_NAME_MAX + 80];

	keeper_login_hint(k, hint, sizeof hint);
	if (k->replay)
		snprintf(
			p->message, sizeof p->message,
			"the answer to an earlier renewal was lost, and Salesforce had replaced the refresh token in it: %.190s",
			hint);
}

static int settle_failure(struct keeper *k, const struct attempt_result *r, struct problem *p,
			  struct err *err)
{
	struct store *s = k->context->store;
	struct stored *e = k->stored;

	if (r->salvaged)
		return store_result(s, e, r->salvaged, clock_now_ms(), err);
	if (p->outcome == HTTP_UNSENT || p->outcome == HTTP_REFUSED)
		return store_unspent(s, e, err);
	if (p->class == PROBLEM_LOGIN) {
		explain_loss(k, p);
		return store_answered(s, e, true, err);
	}
	/* any other answer to a replay says nothing of the request whose answer was lost */
	if (p->spend_unknown || k->replay) {
		/* but what an administrator has to mend is not tried again for that */
		p->spend_unknown = p->spend_unknown ||
				   (p->class != PROBLEM_ADMIN && p->class != PROBLEM_BUG);
		return store_unknown(s, e, err);
	}
	return store_answered(s, e, false, err);
}

static void log_outcome(const struct keeper *k, const struct attempt_result *r,
			const struct problem *p)
{
	if (r->salvaged)
		log_event(LOG_LEVEL_WARNING, "spend.salvaged",
			  F_STR("credential", k->credential->name), F_STR("why", p->message));
	if (p->spend_unknown)
		log_event(LOG_LEVEL_WARNING, "spend.unknown",
			  F_STR("credential", k->credential->name), F_STR("why", p->message),
			  F_STR("effect", keeper_unknown(k)));
}

/*
 * RESULT waits for the schedule's word on the access token (keeper_save() comes before anything is told), so that one record holds both; when nobody listens any more, the refresh token
 * alone is kept.
 */
static int settle_success(struct keeper *k, const struct attempt_result *r, struct err *err)
{
	k->result = !k->retired && k->schedule.in_flight;
	if (!k->result)
		return store_result(k->context->store, k->stored, r->grant->refresh_token,
				    clock_now_ms(), err);
	if (r->grant->refresh_token)
		k->next_refresh = secret_ref(r->grant->refresh_token);
	return 0;
}

static int write_result(struct keeper *k, struct err *err)
{
	CLEANUP(secret_unrefp) struct secret *next = TAKE(k->next_refresh);

	k->result = false;
	return store_result(k->context->store, k->stored, next, clock_now_ms(), err);
}

void keeper_settle_spend(struct keeper *k, const struct attempt_result *r, struct problem *p)
{
	struct err err = { 0 };
	int stored;

	if (!k->spending)
		return;
	k->spending = false;
	stored = r->grant ? settle_success(k, r, &err) : settle_failure(k, r, p, &err);
	if (stored < 0)
		warn_not_stored(k, &err);
	if (!r->grant)
		log_outcome(k, r, p);
	if (!k->result)
		keeper_spend_ended(k);
}

void keeper_spend_ended(struct keeper *k)
{
	struct keeper_context *c = k->context;

	if (--c->spending == 0)
		c->spent(c->arg);
}

/* --- what is kept --- */

static bool copy_requests(struct stored *e, const struct schedule *s)
{
	unsigned n = s->n_requests < STORED_REQUESTS ? s->n_requests : STORED_REQUESTS;
	bool differs = e->n_requests != n;

	for (unsigned i = 0; i < n; i++) {
		int64_t at = s->requests[(s->n_requests - n + i) % SCHEDULE_RING];

		differs = differs || e->requests[i] != at;
		e->requests[i] = at;
	}
	e->n_requests = n;
	return differs;
}

static bool set(int64_t *to, int64_t value)
{
	bool differs = *to != value;

	*to = value;
	return differs;
}

static void forget_stored_token(struct stored_token *t)
{
	grant_unref(t->grant);
	free(t->origin);
	memset(t, 0, sizeof *t);
}

static bool copy_token(struct keeper *k)
{
	struct stored_token *t = &k->stored->token;
	const struct schedule *s = &k->schedule;
	bool differs;

	if (!keeper_token(k)) {
		differs = t->grant != NULL;
		forget_stored_token(t);
		return differs;
	}
	differs = t->grant != k->token;
	if (differs) {
		forget_stored_token(t);
		t->origin = strdup(k->origin);
		t->grant = t->origin ? grant_ref(k->token) : NULL;
	}
	/* only a token of another boot is measured by the wall clock, and only until the server has said how long it lives */
	if (set(&t->generation, s->generation) || differs ||
	    (t->deadline_ms != s->deadline_ms && !k->by_clock))
		t->deadline_real_ms = 0;
	differs = set(&t->issued_ms, s->issued_ms) || differs;
	differs = set(&t->life_ms, s->life_ms) || differs;
	differs = set(&t->deadline_ms, s->deadline_ms) || differs;
	differs = set(&t->vouched_ms, s->vouched_ms) || differs;
	differs = t->unchanged != s->unchanged || t->source != s->source || differs;
	t->unchanged = s->unchanged;
	t->source = s->source;
	return differs;
}

void keeper_save(struct keeper *k, enum store_durability how)
{
	struct stored *e = k->stored;
	const struct schedule *s = &k->schedule;
	bool differs = how == STORE_SYNC;
	struct err err = { 0 };

	if (k->retired || !k->begun)
		return;
	differs = copy_token(k) || differs;
	differs = copy_requests(e, s) || differs;
	if (s->generation > e->generation)
		differs = set(&e->generation, s->generation) || differs;
	differs = set(&e->learned_ms, s->learned_ms) || differs;
	differs = set(&e->learned_death_ms, s->learned_death_ms) || differs;
	differs = set(&e->next_check_ms, s->next_check_ms) || differs;
	if (k->result) {
		if (write_result(k, &err) < 0)
			warn_not_stored(k, &err);
		keeper_spend_ended(k);
		return;
	}
	/* while nothing can be written, the store says so once and tries by itself */
	if (differs && store_write(k->context->store, e, how, &err) < 0 && how == STORE_SYNC)
		warn_not_stored(k, &err);
}

static void restore_schedule(struct keeper *k)
{
	struct schedule *s = &k->schedule;
	const struct stored *e = k->stored;

	s->learned_ms = e->learned_ms;
	s->learned_death_ms = e->learned_death_ms;
	s->next_check_ms = e->next_check_ms;
	s->n_requests = e->n_requests;
	for (unsigned i = 0; i < e->n_requests; i++)
		s->requests[i] = e->requests[i];
	s->spent = keeper_spends(k) && e->refresh.token;
	s->spent_ms = e->refresh.used_ms;
	s->unknown = keeper_in_doubt(k);
	s->replays = e->spend.replays;
	if (s->unknown)
		s->trouble = TROUBLE_UNKNOWN;
}

static void restore_token(struct keeper *k)
{
	const struct stored_token *t = &k->stored->token;
	struct schedule_event e = {
		.type = SCHEDULE_TAKEN_OVER,
		.taken_over = { .generation = t->generation,
				.issued_ms = t->issued_ms,
				.life_ms = t->life_ms,
				.deadline_ms = t->deadline_ms,
				.vouched_ms = t->vouched_ms,
				.source = t->source,
				.unchanged = t->unchanged },
	};

	k->token = grant_ref(t->grant);
	k->begun = true;
	/* what is overdue may have waited for callers: the front, or they themselves, will say so in a moment */
	k->schedule.held_generation = t->generation;
	k->schedule.held_until_ms = loop_now_ms(k->context->loop) + HOLD_GRACE_MS;
	keeper_step(k, &e);
	keeper_recall_refusal(k);
}

/* Of this origin, for a host that may still have it. */
static bool fits(const struct keeper *k)
{
	const struct stored_token *t = &k->stored->token;

	return t->origin && strcmp(t->origin, k->origin) == 0 && t->grant->instance_url &&
	       keeper_check_host(k, t->grant->instance_url, NULL) == 0;
}

void keeper_restore(struct keeper *k)
{
	const struct stored *e = k->stored;
	struct schedule_event disable = { .type = SCHEDULE_DISABLE };

	restore_schedule(k);
	if (e->token.grant && fits(k))
		restore_token(k);
	else if (e->token.grant)
		k->withdrawn = e->token.generation;
	if (keeper_in_doubt(k))
		log_event(LOG_LEVEL_WARNING, "spend.unknown",
			  F_STR("credential", k->credential->name),
			  F_STR("why", "found in the store"), F_STR("effect", keeper_unknown(k)));
	if (!e->disabled)
		return;
	k->begun = true;
	keeper_step(k, &disable);
}

/* --- in words --- */

static void time_text(int64_t real_ms, char *to, size_t room)
{
	time_t seconds = (time_t)(real_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(to, room, "%H:%M:%S UTC", &tm))
		snprintf(to, room, "?");
}

const char *keeper_unknown(const struct keeper *k)
{
	const struct stored_spend *spend = &k->stored->spend;
	const struct schedule *s = &k->schedule;
	int64_t to_wall = clock_real_ms() - loop_now_ms(k->context->loop);
	char *text = ((struct keeper *)(uintptr_t)k)
			     ->unknown; /* the text is a cache of what is said */
	char then[16], end[16], hint[CREDENTIAL_NAME_MAX + 40] = "sftoken import a new one";

	if (!keeper_in_doubt(k))
		return NULL;
	if (k->credential->grant_type != GRANT_REFRESH_TOKEN)
		keeper_login_hint(k, hint, sizeof hint);
	time_text(spend->at_real_ms, then, sizeof then);
	time_text(s->deadline_ms + to_wall, end, sizeof end);
	if (keeper_usable(k))
		snprintf(
			text, sizeof k->unknown,
			"the answer to the renewal of %s is lost; the token works until %s, then the old refresh token is "
			"tried once; if it is refused, %s",
			then, end, hint);
	else
		snprintf(
			text, sizeof k->unknown,
			"the answer to the renewal of %s is lost and the token has ended; the old refresh token is tried "
			"again; if it is refused, %s",
			then, hint);
	return text;
}

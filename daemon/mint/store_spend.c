/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spend journal. The one table of what may follow what; every change is written before anybody acts on it.
 *
 *	            intend    unspent   answered         unknown   result   give, login, forget
 *	NONE        INTENT    -         -                -         -        NONE
 *	INTENT      -         as before as before, NONE  UNKNOWN   NONE     -
 *	UNKNOWN     INTENT    -         -                -         -        NONE
 *
 * "As before": a first request leads back to NONE, a replay to UNKNOWN; what was unknown before a replay that did not count is so after it. A token that is refused is NONE.
 */
#include <string.h>

#include "daemon/mint/store_parts.h"

/* Everything that a transition may change, to be put back when it cannot be written. Borrows. */
struct before {
	struct stored_refresh refresh;
	struct stored_spend spend;
};

static struct before remember(const struct stored *e)
{
	return (struct before){ e->refresh, e->spend };
}

static void set_spend(struct store *s, struct stored *e, struct stored_spend spend)
{
	s->intents -= e->spend.state == SPEND_INTENT;
	s->intents += spend.state == SPEND_INTENT;
	e->spend = spend;
}

/* After memory was put back: what the file or store.keep may have been told meanwhile is no longer true. */
static void say_anew(struct store *s, struct part *p)
{
	if (store_state(s) == STORE_OK)
		return;
	p->dirty = true;
	p->kept = false;
	store_keep(s);
}

static void take_back(struct store *s, struct stored *e, const struct before *before)
{
	set_spend(s, e, before->spend);
	e->refresh = before->refresh;
	say_anew(s, &store_entry(e)->parts[STORE_KIND_CREDENTIAL]);
}

static int put(struct store *s, struct stored *e, bool result, struct err *err)
{
	return store_put(s, store_entry(e), STORE_KIND_CREDENTIAL, STORE_SYNC, result, err);
}

static int not_under_way(const struct stored *e, struct err *err)
{
	return err_set(err, ERR_INTERNAL, "%s: no request with its refresh token is under way",
		       e->name);
}

static int under_way(const struct stored *e, struct err *err)
{
	return err_set(
		err, ERR_RETRY,
		"%s: a request with its refresh token is under way: try again when it has ended",
		e->name);
}

int store_may_spend(const struct store *s, const struct stored *e, struct err *err)
{
	if (store_state(s) != STORE_OK)
		return store_refuse(s, err);
	if (!e->refresh.token)
		return err_set(err, ERR_LOGIN,
			       "%s has no refresh token: give it one with `sftoken import`",
			       e->name);
	if (e->refresh.refused)
		return err_set(
			err, ERR_LOGIN,
			"Salesforce does not take the refresh token of %s any more: give another one "
			"with `sftoken import`",
			e->name);
	return e->spend.state == SPEND_INTENT ? under_way(e, err) : 0;
}

/* Our file, or nothing is spent: a disk that cannot even say so is none to write an INTENT to. */
static int check_name(struct store *s, struct err *err)
{
	struct err why = { 0 };
	int r = store_check_name(s, &why);

	if (r == 0)
		return 0;
	if (!s->suspect)
		store_fill(s, &why);
	return store_refuse(s, err);
}

int store_intend(struct store *s, struct stored *e, int64_t now_ms, int64_t now_real_ms,
		 struct err *err)
{
	struct before before = remember(e);
	bool replay = e->spend.state == SPEND_UNKNOWN;
	int r = store_may_spend(s, e, err);

	if (r == 0)
		r = check_name(s, err);
	if (r < 0)
		return r;
	set_spend(s, e,
		  (struct stored_spend){
			  .state = SPEND_INTENT,
			  .at_ms = now_ms,
			  .at_real_ms = now_real_ms,
			  .replays = replay ? e->spend.replays + 1 : 0,
		  });
	r = put(s, e, false, err);
	if (r < 0)
		take_back(s, e, &before);
	return r;
}

/* The state before this request, which has proved to count for nothing. */
static struct stored_spend without_this(const struct stored_spend *spend)
{
	struct stored_spend was = *spend;

	if (spend->replays == 0)
		return (struct stored_spend){ .state = SPEND_NONE };
	was.state = SPEND_UNKNOWN;
	was.replays--;
	return was;
}

/* What cannot be written here is not taken back: it is true all the same, and memory must say so. */
static int settle(struct store *s, struct stored *e, struct err *err)
{
	int r = put(s, e, true, err);

	if (r < 0)
		store_keep(s);
	return r;
}

int store_unspent(struct store *s, struct stored *e, struct err *err)
{
	if (e->spend.state != SPEND_INTENT)
		return not_under_way(e, err);
	set_spend(s, e, without_this(&e->spend));
	return settle(s, e, err);
}

int store_answered(struct store *s, struct stored *e, bool refused, struct err *err)
{
	struct stored_spend left = { 0 };

	if (e->spend.state != SPEND_INTENT)
		return not_under_way(e, err);
	if (!refused)
		left = without_this(&e->spend);
	set_spend(s, e, left);
	e->refresh.refused = refused;
	return settle(s, e, err);
}

int store_unknown(struct store *s, struct stored *e, struct err *err)
{
	struct stored_spend spend = e->spend;

	if (e->spend.state != SPEND_INTENT)
		return not_under_way(e, err);
	spend.state = SPEND_UNKNOWN;
	set_spend(s, e, spend);
	return settle(s, e, err);
}

int store_result(struct store *s, struct stored *e, struct secret *next, int64_t now_ms,
		 struct err *err)
{
	if (e->spend.state != SPEND_INTENT)
		return not_under_way(e, err);
	set_spend(s, e, (struct stored_spend){ 0 });
	e->refresh.used_ms = now_ms;
	e->refresh.refused = false;
	if (next && !secret_equal(next, e->refresh.token)) {
		secret_unref(e->refresh.token);
		e->refresh.token = secret_ref(next);
		e->refresh.number++;
		e->refresh.rotates = true;
	}
	return settle(s, e, err);
}

static void free_refresh(struct stored_refresh *r)
{
	secret_unref(r->token);
	free(r->origin);
	free(r->base_url);
}

/* Puts another token in the place of the one there; or takes it back. next is owned. */
static int replace(struct store *s, struct stored *e, struct stored_refresh *next, struct err *err)
{
	struct before before = remember(e);
	int r;

	e->refresh = *next;
	set_spend(s, e, (struct stored_spend){ 0 });
	r = put(s, e, false, err);
	if (r < 0)
		take_back(s, e, &before);
	free_refresh(r < 0 ? next : &before.refresh);
	return r;
}

int store_give_refresh(struct store *s, struct stored *e, struct secret *token, const char *origin,
		       const char *base_url, int64_t now_ms, struct err *err)
{
	struct stored_refresh next = {
		.token = secret_ref(token),
		.origin = origin ? strdup(origin) : NULL,
		.base_url = base_url ? strdup(base_url) : NULL,
		.number = e->refresh.number + 1,
		.used_ms = now_ms,
	};
	int r = 0;

	if (e->spend.state == SPEND_INTENT)
		r = under_way(e, err);
	else if ((origin && !next.origin) || (base_url && !next.base_url))
		r = err_oom(err);
	if (r < 0) {
		free_refresh(&next);
		return r;
	}
	return replace(s, e, &next, err);
}

/* The access token beside it, in memory; *before is what it replaced, to be given back or freed. */
static int swap_token(struct stored *e, const struct stored_token *token,
		      struct stored_token *before, struct err *err)
{
	char *origin = token->origin ? strdup(token->origin) : NULL;

	if (token->origin && !origin)
		return err_oom(err);
	*before = e->token;
	e->token = *token;
	e->token.grant = grant_ref(token->grant);
	e->token.origin = origin;
	return 0;
}

static void free_token(struct stored_token *t)
{
	grant_unref(t->grant);
	free(t->origin);
}

static int put_login(struct store *s, struct stored *e, struct secret *refresh, const char *origin,
		     int64_t now_ms, struct err *err)
{
	if (refresh)
		return store_give_refresh(s, e, refresh, origin, NULL, now_ms, err);
	return put(s, e, false, err);
}

int store_take_login(struct store *s, struct stored *e, struct secret *refresh, const char *origin,
		     const struct stored_token *token, int64_t now_ms, struct err *err)
{
	int64_t generation = e->generation;
	struct stored_token before = { 0 };
	int r;

	if (e->spend.state == SPEND_INTENT)
		return under_way(e, err);
	r = swap_token(e, token, &before, err);
	if (r < 0)
		return r;
	if (token->generation > e->generation)
		e->generation = token->generation;
	r = put_login(s, e, refresh, origin, now_ms, err);
	if (r == 0) {
		free_token(&before);
		return 0;
	}
	free_token(&e->token);
	e->token = before;
	e->generation = generation;
	say_anew(s, &store_entry(e)->parts[STORE_KIND_CREDENTIAL]);
	return r;
}

int store_forget_refresh(struct store *s, struct stored *e, struct err *err)
{
	struct stored_refresh none = { .number = e->refresh.number };
	int r;

	if (e->spend.state == SPEND_INTENT)
		return under_way(e, err);
	r = replace(s, e, &none, err);
	/* a person wants it gone: older records still have it, though sealed */
	if (r == 0 && store_state(s) == STORE_OK)
		(void)store_compact(s, s->id, false, NULL);
	return r;
}

int store_give_secret(struct store *s, struct stored *e, enum stored_secret kind,
		      struct secret *value, struct err *err)
{
	struct entry *x = store_entry(e);
	struct secret *before = e->secrets[kind];
	int r;

	e->secrets[kind] = value ? secret_ref(value) : NULL;
	r = store_put(s, x, STORE_KIND_SECRETS, STORE_SYNC, false, err);
	if (r == 0) {
		secret_unref(before);
		return 0;
	}
	secret_unref(e->secrets[kind]);
	e->secrets[kind] = before;
	say_anew(s, &x->parts[STORE_KIND_SECRETS]);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps one credential's token fresh. Owns its schedule, the current grant, at most one attempt, one check and one introspection; acts out what schedule_step() decides.
 * It never talks to the front: it raises one dirty flag, and publish.c writes the newest state when there is room.
 */
#ifndef MINT_KEEPER_H
#define MINT_KEEPER_H

#include <sys/queue.h>

#include "daemon/common/loop.h"
#include "daemon/mint/attempt.h"
#include "daemon/mint/schedule.h"
#include "proto/link_messages.h"

struct keeper;
struct stored_told;

TAILQ_HEAD(keeper_queue, keeper);

/* What all keepers share; owned by the registry and outlives them. */
struct keeper_context {
	struct loop *loop;
	struct attempts *attempts;
	struct store *store;
	const struct settings *settings; /* replaced at a reload */
	int64_t start_spread_ms;
	uint64_t random; /* state of the jitter generator, seeded once */
	bool stopping;   /* no attempt begins any more */
	size_t spending; /* attempts that have spent a refresh token and wait for the answer, retired keepers' too; and logins that have spent their code */
	struct keeper_queue
		dirty; /* keepers with news for the front, in the order in which they came */
	struct keeper *retired;            /* removed, but not before that answer is in the store */
	struct keeper_disposal *disposals; /* tokens that are being revoked in the background */
	/* Something about k that the front should hear (may be called often; never deletes k). */
	void (*changed)(struct keeper *k, void *arg);
	/* An attempt of k ended (or cannot be made): whoever waits for it is to be answered. problem NULL: a token came. */
	void (*settled)(struct keeper *k, void *arg);
	/* spending has become 0: every answer is in the store. */
	void (*spent)(void *arg);
	void *arg;
};

/* Takes a reference to c. NULL: out of memory. Does nothing before keeper_start() or keeper_take_over(). */
struct keeper *keeper_new(struct keeper_context *context, struct credential *c, struct err *err);
/* Takes NULL; cancels what is in flight, but for the spend of a refresh token: its answer is stored first, then k is freed (context.retired). */
void keeper_free(struct keeper *k);
void keeper_free_retired(
	struct keeper_context *context); /* at the very end: drops those too, and the disposals */

/* The first attempt is planned (start-up spread; at once for Required=). A keeper that took a token over has begun already: nothing happens. */
void keeper_start(struct keeper *k);

/*
 * Takes over a token that the front still holds; its deadline stays and no request is sent before it is due. 0; -ERR_DENIED when origin or host do not fit, or a newer
 * generation is here already; -ERR_INTERNAL.
 */
int keeper_take_over(struct keeper *k, const struct link_have *have, struct err *err);

/* What the store has kept of it: token, budget, learned life, disabled. For a keeper that has no predecessor; no request is sent before it is due. */
void keeper_restore(struct keeper *k);

/* After a reload: generations go on, the budget stays used, and the token is kept when grant, login URL, client and user are the same. */
void keeper_inherit(struct keeper *k, struct keeper *old);

/* The credential's object after a reload that did not change it (takes a reference). */
void keeper_set_credential(struct keeper *k, struct credential *c);

void keeper_want(struct keeper *k, const struct link_want *want);
void keeper_report(struct keeper *k, const struct link_report *report);
/* Callers hold the session of this generation until then (BOOTTIME); 0: nobody does. */
void keeper_hold(struct keeper *k, int64_t generation, int64_t until_ms);
/* The front that knew of the holds is gone: HOLD_GRACE_MS for its successor to hear of them again. */
enum { HOLD_GRACE_MS = 15000 };
void keeper_end_hold_soon(struct keeper *k);
void keeper_used(struct keeper *k);
/* Refresh now, whatever the expiry. context.settled() follows when an attempt ends; false: none could be started (the problem says why). */
bool keeper_refresh(struct keeper *k);
void keeper_set_enabled(struct keeper *k, bool enabled);

/* --- refresh tokens and what administrators do with them (keeper_secret.c) --- */

/*
 * A refresh token from a person. base_url: where it is to be refreshed (checked against AllowedHosts=), NULL: LoginUrl=. Stored and synced when 0 is returned; the old access token is
 * served until the new one has come. -ERR_INPUT: this grant takes none, or base_url is not allowed; -ERR_RETRY: the store cannot be written, or a spend is in flight.
 */
int keeper_give_refresh(struct keeper *k, struct secret *token, const char *base_url,
			struct err *err);

/* A secret that an attempt lacked is there now: tries again at once if there was any trouble. */
void keeper_supplied(struct keeper *k);
/* Assertion= or SubjectToken= may have been written anew: then what had failed for it is tried again at once. Called from time to time. */
void keeper_look_at_files(struct keeper *k);
/* The store can be written again, or was adopted: who was held back by that alone tries again. */
void keeper_store_mended(struct keeper *k);

/*
 * Revokes at Salesforce (salesforce-oauth.md 7.1) and forgets. forget: the refresh token, which ends all its sessions, and then it is erased from the store; else the access token alone.
 * done() exactly once, never from within: 0, or negative with err (then nothing was forgotten). What Salesforce does not know any more counts as revoked. Afterwards nothing is
 * renewed before somebody asks. A spend in flight is waited for. NULL with err: out of memory, or nothing to revoke (-ERR_INPUT).
 */
struct keeper_revocation;
struct keeper_revocation *keeper_revoke(struct keeper *k, bool forget,
					void (*done)(int status, const struct err *err, void *arg),
					void *arg, struct err *err);
/* Nobody wants to hear of it any more; it goes on. Takes NULL. */
void keeper_revocation_forget(struct keeper_revocation *r);

/* --- what a login brings (keeper_login.c) --- */

/*
 * The grant of a login becomes the token of k: refresh token and access token in the store first, in one record, then in use, with a new generation; what was held until then is served
 * until then. While a spend or a revocation is in flight it waits for its end. Afterwards the refresh token that was replaced is revoked in the background, if it was another one.
 * done() exactly once, never from within: 0, or negative with err, and nothing has changed (the new grant is then revoked in the background): -ERR_RETRY (the store, or the credential was
 * changed meanwhile), -ERR_INTERNAL. NULL: out of memory.
 */
struct keeper_login;
struct keeper_login *keeper_take_login(struct keeper *k, struct grant *g, int64_t date_real_ms,
				       void (*done)(int status, const struct err *err, void *arg),
				       void *arg);
/* It is not wanted any more: dropped and revoked. done() is not called. false: it is in use already, and stays. Takes NULL. */
bool keeper_login_cancel(struct keeper_login *l);
/* A grant that nobody will use (a login that failed after all) is revoked in the background, unless its access token or refresh token is the one in use. */
void keeper_discard(struct keeper *k, struct grant *g);
/* A login that did not bring a token: for the history. */
void keeper_login_failed(struct keeper *k, const struct problem *p);
/* What a login needs of those around it: loop, attempts, settings. */
const struct keeper_context *keeper_context(const struct keeper *k);

/* The last attempts, newest first (Manager.History). Texts live until the next event. */
enum { KEEPER_NOTES = 20 };
struct keeper_note {
	int64_t time_s;   /* seconds since 1970 */
	const char *kind; /* "scheduled", "demanded", "replay"; "import", "revoke", "login" */
	const char *
		outcome; /* "new_token", "same_token", "transient", "rate_limited", "clock", "login_required", "admin", "bug", "not_sent", "unknown"; "done" */
	long http_status;    /* 0: none */
	const char *message; /* NULL: nothing to say */
};
size_t keeper_history(const struct keeper *k, struct keeper_note notes[KEEPER_NOTES]);

/* --- for publish, manager_api and status --- */

const struct credential *keeper_credential(const struct keeper *k);
const char *keeper_name(const struct keeper *k);
/* Its counters, for those who ask the server for it, and for Manager.Metrics. */
struct tally *keeper_tally(const struct keeper *k);
const char *keeper_origin(const struct keeper *k);
const struct schedule *keeper_schedule(const struct keeper *k);
const struct grant *keeper_token(const struct keeper *k); /* NULL: none, or confirmed dead */
const struct grant *keeper_newest(
	const struct keeper *k); /* also a dead one, to know whose it was; NULL: none */
int64_t keeper_generation(const struct keeper *k);
/* The generation that nobody may be given any more: confirmed dead, or of other settings. 0: none. */
int64_t keeper_withdrawn(const struct keeper *k);
bool keeper_usable(const struct keeper *k);
/* What the store knows of it; NULL: nothing. */
const struct stored *keeper_stored(const struct keeper *k);
/* What people were told of it, for the store. */
void keeper_set_told(struct keeper *k, const struct stored_told *told);
/* The outcome of the last spend is not known: a sentence for people (what happened, what still works until when, what will be tried, what to do), else NULL. Lives until the next call. */
const char *keeper_unknown(const struct keeper *k);

/* Required= is satisfied: a usable token, or a state that only people can end. */
bool keeper_ready(const struct keeper *k);

/* What a caller without a usable token hears. error -1: nothing is wrong. Texts live until the next event. */
struct keeper_problem {
	int error; /* enum broker_error or -1 */
	bool permanent;
	const char *message, *oauth_error, *description;
	int64_t http_status, retry_at_ms;
};
struct keeper_problem keeper_problem(const struct keeper *k);
/* Why keeper_refresh() could not begin, where nothing is wrong. */
struct keeper_problem keeper_no_refresh(const struct keeper *k);

/*
 * Wall times for people, computed from the BOOTTIME ones when a token is published, and again only after the clock was set or the deadline moved: two replies for one
 * generation are to be equal.
 */
struct keeper_wall {
	int64_t generation, deadline_ms, refresh_after_ms; /* for which they were computed */
	int64_t issued, expires, refresh_after;            /* seconds since 1970 */
};
const struct keeper_wall *keeper_wall(struct keeper *k);
void keeper_clock_set(struct keeper *k);

/* What the front was told last on the present link; publish.c's own notes. */
struct keeper_sent {
	bool known;   /* the credential has been sent */
	int64_t dead; /* generation that was said to be dead */
	bool problem;
	struct keeper_wall wall;
	bool unchanged, reported;
	int64_t vouched_ms, verdict_at_ms;
};
struct keeper_sent *keeper_sent(struct keeper *k);

/* When the next generation is planned (BOOTTIME), 0: not known. */
int64_t keeper_refresh_after_ms(const struct keeper *k);

/* The dirty flag: publish.c owns its meaning, the keeper raises it. A dirty keeper stands in context.dirty. */
void keeper_set_dirty(struct keeper *k, bool dirty);

#endif

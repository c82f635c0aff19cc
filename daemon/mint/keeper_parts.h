/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the keeper*.c files; nobody else includes this.
 */
#ifndef MINT_KEEPER_PARTS_H
#define MINT_KEEPER_PARTS_H

#include "daemon/mint/keeper.h"
#include "daemon/mint/store.h"
#include "daemon/mint/tally.h"

/* One line of the history; message owned. Small: each credential has twenty of them in the long run. */
struct keeper_entry {
	int64_t time_s : 48, http_status : 16;
	const char *kind, *outcome;
	char *message;
};

TAILQ_HEAD(keeper_logins, keeper_login);

struct keeper {
	TAILQ_ENTRY(keeper) dirty_link;
	struct keeper_context *context;
	struct credential *credential;
	char *origin;
	struct schedule schedule;
	struct grant *token; /* the newest; also when it is dead, to know it when it comes again */
	struct grant *previous; /* while a new one is judged: the one that it replaced */
	struct grant *elder;    /* a replaced one that is asked about later */
	struct attempt *elder_call;
	struct problem problem;  /* of the last attempt whose failure counts */
	struct attempt *attempt; /* of the flow: at most one */
	struct credential *
		running; /* with which it was started: a reload may replace the other one meanwhile */
	struct attempt *userinfo; /* check of a claim */
	struct attempt *introspection;
	struct timer *timer;
	int64_t withdrawn; /* generation of another client or user: nobody may have it any more */
	bool begun, dirty;
	struct stored *stored; /* belongs to the store, which outlives all keepers */
	uint64_t
		file; /* what each attempt reads anew, as it looked at the last one (keeper_files.c) */
	bool by_clock; /* the wall clock was set: what this step changes is not the server's word */
	bool spending; /* attempt has spent the refresh token: it is not cancelled */
	bool result; /* the spend has succeeded: keeper_save() writes RESULT with next_refresh (NULL: the server keeps the old one) */
	struct secret *next_refresh;
	bool replay;      /* the attempt repeats a spend whose outcome is unknown */
	const char *kind; /* of the attempt, for the history */
	bool retired;     /* freed, but for that */
	struct keeper *next_retired;
	struct keeper_revocation *revocation;
	struct keeper_entry *notes; /* oldest first, at most KEEPER_NOTES */
	unsigned char n_notes, room_notes;
	struct keeper_logins logins; /* that wait for the spend or the revocation in flight */
	char unknown[512];
	char login[300]; /* what TROUBLE_LOGIN says */
	struct keeper_wall wall;
	struct keeper_sent sent;
	struct tally *tally; /* what requests for it came to; owned */
};

/* keeper.c */
struct schedule_rules keeper_rules(const struct keeper *k);
int64_t keeper_next_generation(const struct keeper *k);
/* The same token, to be used elsewhere. */
void keeper_move_instance(struct keeper *k, struct grant *g);
/* Whoever waits for an attempt is answered when none runs any more. */
void keeper_tell_settled(struct keeper *k);

/* The one way to the schedule. *e gets its random number here. */
void keeper_step(struct keeper *k, struct schedule_event *e);

void keeper_mark(struct keeper *k);
/* What the attempt brought is told to the schedule. */
void keeper_refused(struct keeper *k, const struct problem *p);

/* keeper_state.c: whether a token may go to this URL: AllowedHosts= and LoginUrl= as they are now. 0, -ERR_INTERNAL, or negative with what is wrong. */
int keeper_check_host(const struct keeper *k, const char *url, struct err *err);

/* keeper_spend.c: what is sure before an attempt begins, when it spends, and after it. */
bool keeper_may_start(struct keeper *k, struct problem *p);
/* What kept an attempt from being made. */
void keeper_problem_of(struct problem *p, const struct err *err);
int keeper_about_to_spend(void *keeper, struct err *err);
/* The answer is in: the journal first. *p is the problem as it is to be told (r->problem, in other words where more is known). */
void keeper_settle_spend(struct keeper *k, const struct attempt_result *r, struct problem *p);
void keeper_spend_ended(struct keeper *k);
bool keeper_spends(const struct keeper *k);
/* There is a refresh token, and it is of the grant, server, client and user that k has now: nobody else may see it. */
bool keeper_owns_refresh(const struct keeper *k);
/* Tells the schedule, when it has taken a token from elsewhere, that nothing renews it: the refresh token is known to be dead. */
void keeper_recall_refusal(struct keeper *k);
/* The outcome of its last spend is not known. */
bool keeper_in_doubt(const struct keeper *k);
/* The store gets what has changed (SOON: no system call but a write). */
void keeper_save(struct keeper *k, enum store_durability how);

/* keeper_history.c: message is copied, NULL: none. */
void keeper_note(struct keeper *k, const char *kind, const char *outcome, long http_status,
		 const char *message);
void keeper_note_attempt(struct keeper *k, const struct problem *p, bool same);
void keeper_history_fini(struct keeper *k);
void keeper_history_move(struct keeper *to, struct keeper *from);

/* keeper_login.c */
void keeper_logins_settled(struct keeper *k);
void keeper_logins_drop(struct keeper *k);
void keeper_disposals_free(struct keeper_context *context);
/* Revokes a refresh or access token at base_url in the background; a failure is logged, and tried again a few times. */
void keeper_dispose(struct keeper *k, const char *base_url, struct secret *token, bool refresh);
/* What TROUBLE_LOGIN means now. */
const char *keeper_login_text(struct keeper *k);
/* How a person gives this credential another token, as a part of a sentence. */
void keeper_login_hint(const struct keeper *k, char *to, size_t room);

/* keeper_secret.c */
void keeper_revocation_settled(struct keeper *k);
void keeper_revocation_drop(struct keeper *k);

/* keeper_files.c: what the attempt needs anew, counted; NULL: nothing. 0, or negative with what is wrong with the file. */
int keeper_read_files(struct keeper *k, struct secret **assertion, struct secret **subject_token,
		      struct err *err);

/* keeper_check.c */
/*
 * Where the server of Issuer= has its endpoints is to be asked for first: the request for it, which ends with done(). NULL: it is known, or needs not be (or there is no memory, and then what
 * is asked fails for the lack of it).
 */
struct attempt *keeper_discover(struct keeper *k,
				void (*done)(const struct endpoints *e, const struct problem *p,
					     void *arg),
				void *arg);
/* Fills *run for the requests of flow_token.c; its endpoints are the caller's reference. 0 or -ERR_INTERNAL. */
int keeper_run(const struct keeper *k, struct flow_run *run, struct endpoints **endpoints,
	       struct err *err);
void keeper_ask_userinfo(struct keeper *k);
void keeper_ask_introspection(struct keeper *k);
void keeper_drop_checks(struct keeper *k);
void keeper_ask_elder(struct keeper *k);
void keeper_drop_elder(struct keeper *k);

#endif

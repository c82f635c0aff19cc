/* SPDX-License-Identifier: Apache-2.0 */
/* Between front.c and the files that answer calls (broker_*.c). */
#ifndef FRONT_BROKER_H
#define FRONT_BROKER_H

#include "daemon/front/front.h"

/* --- broker_api.c: calls, credentials by name, errors --- */

extern const struct service broker_service;

/* Handlers of connection.h. */
void broker_call(struct connection *c, struct varlink_call *call, void *front);

/* uid 0 and the service user: reserved connections, no rate limits. */
bool broker_privileged(const struct front *f, uid_t uid);
/* False, with c->unknown: it is not known yet (identity.h). */
bool broker_allows(struct caller *c, const struct entry *e);
/* A call that was kept until it was known who makes it. */
void broker_resume(struct caller *c, const struct varlink_call *call);
/*
 * name NULL: what null means for this caller. NULL: no such credential, or not this caller's; there
 * is no telling which. c->unknown as above.
 */
struct entry *broker_find(struct caller *c, const char *name);
/* Takes one report from the caller's allowance. */
bool broker_may_report(struct caller *c);

/* Or Unavailable, if the last look did not come to an end (c->unknown). */
void broker_no_such(struct caller *c, const char *sent);
void broker_rate_limited(struct caller *c);
void broker_shutting_down(struct caller *c);
/* The error that a judgement came to; sent, wait_s and min_valid_s as the caller gave them. */
void broker_judged_error(struct caller *c, const struct entry *e, const struct judgement *j,
			 const char *sent, int64_t wait_s, int64_t min_valid_ms);

/* --- broker_get.c: GetToken and ReportRejected --- */

bool broker_shortcut(struct connection *c, const char *raw, size_t size, void *front);
void broker_get_token(void *caller, const struct varlink_call *call, const void *params);
void broker_report_rejected(void *caller, const struct varlink_call *call, const void *params);
void broker_forget_request(struct front *f, struct remembered *r); /* takes NULL */

/* The link-independent view that judge() wants, and the judgement. */
struct judgement broker_judge(struct front *f, struct entry *e, struct judge_ask *ask);
/* Raises e's Want and Report as the judgement says (sent by front_link_send()). */
void broker_ask_mint(struct front *f, struct entry *e, const struct judgement *j,
		     struct judge_ask *ask, const struct peer *peer);
/* The caller's GetToken, if one is not answered yet, ends so: it is counted. */
void broker_got(struct caller *c, enum get_outcome outcome);
/* Sends e's token; more: the call goes on. false: no memory, nothing was sent. */
bool broker_give(struct caller *c, struct entry *e, int validity, bool more, const char *reason);
/* The same with another end (token_reply_with()). */
bool broker_give_with(struct caller *c, struct entry *e, int validity, const char *tail,
		      size_t tail_size, bool more, const char *reason);

/* --- broker_waiting.c and broker_wait.c: calls that are not answered yet --- */

/*
 * A waiter for this caller's running call; it is in no list. NULL: no memory, and the error has
 * been sent.
 */
struct waiting *broker_wait(struct caller *c, struct entry *e, const char *sent);
/* Takes it out of everything and frees it; the call is still to be answered. */
void broker_wait_end(struct waiting *w);
/* Judges all that wait for e anew, and sends at most one Want. */
void broker_changed(struct front *f, struct entry *e);
/* It is known who c is: judges what it waits for. */
void broker_identified(struct caller *c);
/* e is gone: NoSuchCredential for all. */
void broker_gone(struct entry *e);
/* Everything of from goes on waiting at to. */
void broker_move(struct entry *to, struct entry *from);
void broker_deadline(void *front);
void broker_stop(struct front *f);

/* --- broker_watch.c --- */

void broker_watch_token(void *caller, const struct varlink_call *call, const void *params);
/* Sends what is new, or ends the watch. */
void broker_watch_step(struct waiting *w);
void broker_drained(struct connection *c, void *front);

/* --- broker_hold.c --- */

void broker_hold_token(void *caller, const struct varlink_call *call, const void *params);
/* Begins the hold when there is a token, says that it ends, or ends it. */
void broker_hold_step(struct waiting *w);
/* A hold of e has begun or ended, or its token is another: tells the mint. */
void broker_holds_changed(struct front *f, struct entry *e);

/* --- broker_list.c --- */

void broker_list_credentials(void *caller, const struct varlink_call *call, const void *params);
void broker_get_credential(void *caller, const struct varlink_call *call, const void *params);

#endif

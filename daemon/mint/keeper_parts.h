/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between keeper.c, keeper_check.c and keeper_state.c; nobody else includes this.
 */
#ifndef MINT_KEEPER_PARTS_H
#define MINT_KEEPER_PARTS_H

#include "daemon/mint/keeper.h"

struct keeper {
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
	struct keeper_wall wall;
	struct keeper_sent sent;
};

/* The one way to the schedule. *e gets its random number here. */
void keeper_step(struct keeper *k, struct schedule_event *e);

/* keeper_check.c */
void keeper_ask_userinfo(struct keeper *k);
void keeper_ask_introspection(struct keeper *k);
void keeper_drop_checks(struct keeper *k);
void keeper_ask_elder(struct keeper *k);
void keeper_drop_elder(struct keeper *k);

#endif

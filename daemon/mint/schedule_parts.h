/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the schedule*.c files; nobody else includes this.
 */
#ifndef MINT_SCHEDULE_PARTS_H
#define MINT_SCHEDULE_PARTS_H

#include "daemon/mint/schedule.h"

/* One step: what every cell of the table gets. */
struct step {
	const struct schedule_rules *rules;
	struct schedule *s;
	const struct schedule_event *e;
	struct schedule_now now;
	struct schedule_actions *out;
};

/* schedule.c */
void step_set_state(struct step *x, enum state to);
bool step_held(const struct schedule *s); /* a token that is not known to be dead */
void step_plan(struct step *x, int64_t at_ms);
bool step_start_attempt(struct step *x, bool demanded);

/* schedule_answers.c: cells */
void step_granted(struct step *x);
void step_failed(struct step *x);
void step_refused(struct step *x);
void step_elder(struct step *x);
void step_logged_in(struct step *x);

/* schedule_claims.c */
void step_settle_claim(struct step *x, bool alive);
void step_forget_claims(struct step *x);
void step_begin_check(struct step *x);
void step_drop_elder(struct step *x);
/* cells */
void step_report(struct step *x);
void step_checked(struct step *x);
void step_check_by_grant(struct step *x);

/* schedule_login.c: what only a person can renew */
bool step_by_person(const struct step *x);
/* Somebody needs a token that no attempt can bring. */
void step_login_needed(struct step *x);
void step_person_due(struct step *x);
int64_t step_person_wake_ms(const struct schedule *s);

/* schedule_hold.c: true: nothing is sent now, because somebody holds the session that it would end; the next time is planned. */
bool step_wait_for_holders(struct step *x);
/* cell */
void step_hold(struct step *x);

#endif

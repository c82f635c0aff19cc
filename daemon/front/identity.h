/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which unit a caller is, and which program it runs: for AllowUnit= and AllowExecutable=, and asked only when such a rule may decide. We may
 * open no file, so the mint reads /proc/PID for us. A pid may be another process's by then: what was read counts only if the
 * process that connected (its pidfd, SO_PEERPIDFD) has not ended after that, and as long as it has not.
 */
#ifndef FRONT_IDENTITY_H
#define FRONT_IDENTITY_H

#include "daemon/front/front.h"

/* One caller of which something like that was asked. */
struct identity {
	struct list link; /* in front->unidentified until it is known */
	struct deadline deadline;
	struct caller *caller;
	int64_t id;
	uint32_t programs;       /* of the table when the mint answered */
	int pidfd;               /* of the process that connected; -1: cannot be proved here */
	bool asked;              /* the mint has been told */
	bool known;              /* the mint has answered, or nobody can */
	char *unit, *executable; /* NULL: not known */
	bool suspended;          /* call waits until it is known */
	bool late;               /* it has waited long enough */
	struct varlink_call call;
};

/*
 * Whether c may use e. POLICY_UNKNOWN: a rule decides, and it is not known yet who c is; it is being found out, and then what c waits for is judged
 * again (broker_identified()).
 */
enum policy identity_judge(struct caller *c, const struct entry *e);

/*
 * Before call is run: if some credential can be used by c only after it is known who that is, call is kept until then, but not longer than
 * IdentifyWait=, and broker_resume() runs it. False: run it now.
 */
bool identity_suspend(struct caller *c, const struct varlink_call *call);

/* What is known of c, NULL: nothing, or not by the rules of now. Valid until the process has ended, which it looks at. */
const struct proof *identity_proof(struct caller *c, struct proof *proof);

void identity_free(struct identity *i); /* takes NULL */

/* From the link: an answer; there is room again, or a new mint (again: what was asked is forgotten). */
void identity_answered(struct front *f, const struct link_identity *m);
void identity_ask_all(struct front *f, bool again);
/* deadlines_init()'s fire for front->identify_due. */
void identity_deadline(void *front);
/* ShuttingDown for all calls that are kept. */
void identity_stop(struct front *f);

#endif

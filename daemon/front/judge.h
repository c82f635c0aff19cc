/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one waiter gets now: a pure function of the credential as the mint last described it, the
 * wish, and the time. The rules are those of io.sftoken.Broker.varlink and architecture.md 7; every
 * sentence of them is a row of tests/unit/test_judge.c. All times are BOOTTIME milliseconds, all
 * lengths milliseconds.
 */
#ifndef FRONT_JUDGE_H
#define FRONT_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/common/settings.h"
#include "proto/messages.h"

/*
 * The current token; generation 0: there is none that may be given (never was, or confirmed dead).
 */
struct judge_token {
	int64_t generation, life_ms, issued_ms, deadline_ms, vouched_ms;
	bool unchanged, reported;
};

/* The credential without its token. */
struct judge_credential {
	int state;               /* enum state */
	bool attempt;            /* a request for a token is under way */
	bool linked;             /* a mint is there to ask */
	int64_t next_attempt_ms; /* 0: none planned */
	int problem;             /* enum broker_error, -1 none */
	/* nothing but an administrator, a person or time of unknown length helps */
	bool permanent;
	int64_t retry_at_ms; /* of the problem; 0: not known */
	/* the last check of a claim; generation 0: none */
	int64_t verdict_generation, verdict_ms, next_check_ms;
	bool verdict_alive;
	/* a Want is out and nothing about this credential has come since */
	bool want_pending;
	int64_t want_ms; /* when the last Want went out; 0: never */
	/* callers hold its session, and no renewal comes before; 0: nobody does */
	int64_t held_until_ms;
	int64_t demand_ms; /* when the last call before this one missed; 0: never */
};

/* One caller's wish. */
struct judge_ask {
	int64_t min_valid_ms; /* -1: the default */
	int64_t rejected;     /* generation that Salesforce refused the caller; -1: none */
	int64_t start_ms, deadline_ms;
	/* when this caller's claim about the current generation was made; 0: not made */
	int64_t claimed_ms;
	bool allow_stale;
	bool first; /* never judged before: may bring an attempt forward */
};

enum judge_what { JUDGE_GIVE, JUDGE_WAIT, JUDGE_ERROR };

struct judgement {
	enum judge_what what;
	int validity; /* JUDGE_GIVE: enum validity */
	/*
	 * JUDGE_WAIT; want and report may also come with an error (waitSeconds 0) or, for the
	 * default wish, with nothing else to do
	 */
	int64_t until_ms; /* judge again then, if nothing has happened */
	/* JUDGE_ERROR */
	/* enum broker_error; for JUDGE_PROBLEM the parameters are the mint's */
	int error;
	bool of_problem; /* the texts of the mint's Problem belong to it */
	bool held;       /* Unavailable, because a caller holds the session */
	bool alive;      /* Rejected(token_accepted_by_server) */
	int64_t retry_after_s;
	int64_t max_valid_s; /* LifetimeTooShort */
	/* To be sent to the mint, whatever the caller gets. */
	bool want, report;
	bool miss; /* counts as a demand */
};

/* How sure we are of the token at now. */
int judge_validity(const struct judge_token *t, int64_t now_ms);

struct judgement judge(const struct judge_token *t, const struct judge_credential *c,
		       const struct judge_ask *a, const struct limits *limits, int64_t now_ms);

#endif

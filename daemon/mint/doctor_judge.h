/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a set-up, as a pure function of what was found out about it: doctor.c finds out, this judges, one step at a time and in order. Which step an answer of the token
 * endpoint belongs to, and which click in Salesforce mends it, is one table (doctor_words.c) beside the error table of oauth.h, whose sentences are shown.
 */
#ifndef MINT_DOCTOR_JUDGE_H
#define MINT_DOCTOR_JUDGE_H

#include "daemon/mint/credential.h"
#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "daemon/mint/store.h"

/* In the order in which they are told. */
enum doctor_step {
	DOCTOR_CONFIGURATION,
	DOCTOR_NAME,
	DOCTOR_TLS,
	DOCTOR_CLOCK,
	DOCTOR_HOST,
	DOCTOR_AUDIENCE,
	DOCTOR_KEY,
	DOCTOR_GRANT,
	DOCTOR_APPROVAL,
	DOCTOR_SCOPES,
	DOCTOR_TOKEN,
	DOCTOR_STEPS
};
extern const char *const doctor_step_names[DOCTOR_STEPS];

enum {
	DOCTOR_MESSAGE_MAX = 600,
	DOCTOR_ACTION_MAX = 400,
	DOCTOR_TEXT_MAX = 320,
	DOCTOR_URL_MAX = 1100
};

struct doctor_finding {
	enum check_outcome outcome;
	enum check_actor actor; /* ACTOR_NONE: ok and skipped */
	char message[DOCTOR_MESSAGE_MAX];
	char action[DOCTOR_ACTION_MAX]; /* "": nothing is to be changed */
};

/* One GET to the host that gives tokens. */
struct doctor_probe {
	bool done;
	enum http_outcome outcome;
	enum http_why why;
	long status;
	char problem[DOCTOR_TEXT_MAX]; /* there was no answer: in words */
	char moved[DOCTOR_TEXT_MAX];   /* a redirect: scheme, host and port of where to; "" */
	bool page;                     /* a web page came, or nothing that is JSON */
	bool has_date;
	int64_t skew_ms; /* server's clock minus ours */
};

enum doctor_asked {
	DOCTOR_NOT_ASKED, /* nothing was sent, and nothing is known */
	DOCTOR_GIVEN,     /* a token came */
	DOCTOR_REFUSED,   /* answer says why; also the answer to an earlier request */
	DOCTOR_NO_ANSWER, /* none in all the time that we wait */
};

/* What keeper_problem() says, copied. */
struct doctor_answer {
	int error;    /* enum broker_error; -1: nothing is wrong */
	bool earlier; /* it could not be asked now: the last answer */
	char message[ERR_TEXT_MAX + 1], oauth_error[64], description[200];
	int64_t retry_s; /* when it can be asked again, 0: now, or not known */
};

/* What userinfo said of the present token. */
struct doctor_userinfo {
	bool done;
	enum liveness liveness;
	long status;
	char problem[DOCTOR_TEXT_MAX];
	char username[128], organization_id[20]; /* "": not said, or not fit to be shown */
};

struct doctor_facts {
	const struct credential *credential;
	enum renewal renewal;
	bool spends;
	/* configuration */
	bool disabled;
	char stale
		[DOCTOR_TEXT_MAX]; /* a file is another one than the one that was read, as a sentence; "" */
	char missing[DOCTOR_TEXT_MAX]; /* "": no secret is missing */
	enum store_state store;
	char store_why[DOCTOR_TEXT_MAX];
	/* where tokens come from: LoginUrl=, or where the refresh token belongs to */
	char base_url[DOCTOR_URL_MAX];
	char host_problem[ERR_TEXT_MAX + 1]; /* why it may not be contacted; "" */
	struct doctor_probe probe;
	/* key; "": good, or there is none */
	char key_problem[ERR_TEXT_MAX + 1];
	char fingerprint[80];                       /* of its public key, "": not known */
	char certificate_problem[ERR_TEXT_MAX + 1]; /* of Certificate=, "" */
	char certificate_day[32];                   /* when it ends; "": not known */
	int64_t certificate_left_s;
	/* grant */
	enum doctor_asked asked;
	struct doctor_answer answer;
	bool has_refresh, refresh_refused, refresh_foreign;
	int64_t refresh_age_s; /* since it was last accepted, or given; negative: not known */
	char unknown[DOCTOR_TEXT_MAX]; /* keeper_unknown(); "" */
	/* the present token; NULL: none. Borrowed */
	const struct grant *token;
	bool usable;
	int64_t left_s;
	struct doctor_userinfo userinfo;
	bool interrupted;
	/* what was judged so far; written by doctor_judge() */
	enum check_outcome outcome[DOCTOR_STEPS];
};

/* Judges one step; the ones before it must have been judged. Fills *out. */
void doctor_judge(struct doctor_facts *f, enum doctor_step step, struct doctor_finding *out);

/* The credential was changed or removed meanwhile: the first step that is not told fails, the others hang on it. */
void doctor_interrupted(struct doctor_facts *f, enum doctor_step step, struct doctor_finding *out);

/* Whether what is known so far lets the token endpoint be asked at all (name and tls are judged). */
bool doctor_may_ask(const struct doctor_facts *f);

/* What an answer means here. */
struct doctor_cause {
	enum doctor_step step; /* the one that fails */
	char message[DOCTOR_MESSAGE_MAX], action[DOCTOR_ACTION_MAX];
};
/* Where a text of ours goes on with what to do; "" at its end if it does not say so. *size: what stands before that. Paths and the words of others may hold anything. */
const char *doctor_cut(const char *text, size_t *size);

/* Fills *out from the words of the answer (doctor_words.c). */
void doctor_read_answer(const struct credential *c, const struct doctor_answer *answer,
			struct doctor_cause *out);

/* The body of userinfo, read strictly (changes it). What is not fit to be shown is left out. */
void doctor_read_userinfo(char *body, size_t size, struct doctor_userinfo *out);

/* --- parts, tested by themselves --- */

/* "https://x.my.salesforce.com" for the host of a page of Setup or Lightning; false: it is none. */
bool doctor_login_url_for(const char *host, char *out, size_t room);
/* "name@example.com.uat": what Salesforce makes of user names in sandboxes. */
bool doctor_sandbox_username(const char *username);

#endif

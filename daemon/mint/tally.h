/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has happened for one credential since this process began, as plain numbers for Manager.Metrics. Counted: a reload gives the keeper of a changed credential the tally of its
 * predecessor, and a request that is on its way has a reference of its own.
 */
#ifndef MINT_TALLY_H
#define MINT_TALLY_H

#include "base/cleanup.h"
#include "daemon/mint/exchange.h"

/* What became of a request that was made (one that we did not make, HTTP_REFUSED, is none). */
enum tally_answer {
	TALLY_OK,           /* 2xx */
	TALLY_REFUSED,      /* 3xx, 4xx */
	TALLY_RATE_LIMITED, /* 429 */
	TALLY_SERVER_ERROR, /* 5xx */
	TALLY_NOT_SENT,     /* no connection: name, address, TLS */
	TALLY_NO_ANSWER,    /* sent, and no complete answer that may be read */
	TALLY_CANCELLED,    /* by us */
	TALLY_ANSWERS
};
extern const char *const tally_answer_names[TALLY_ANSWERS];
extern const char *const http_endpoint_names[HTTP_ENDPOINTS];

/* How an attempt to renew ended; the words of Manager.History. */
enum tally_renewal {
	RENEWAL_NEW_TOKEN,
	RENEWAL_SAME_TOKEN,
	RENEWAL_TRANSIENT,
	RENEWAL_RATE_LIMITED,
	RENEWAL_CLOCK,
	RENEWAL_LOGIN_REQUIRED,
	RENEWAL_ADMIN,
	RENEWAL_BUG,
	RENEWAL_NOT_SENT,
	RENEWAL_UNKNOWN, /* a refresh token was spent, and nobody knows what became of it */
	TALLY_RENEWALS
};
extern const char *const tally_renewal_names[TALLY_RENEWALS];

struct tally {
	unsigned refs;
	uint32_t requests[HTTP_ENDPOINTS][TALLY_ANSWERS];
	uint32_t renewals[TALLY_RENEWALS];
	int64_t served;    /* tokens given to callers, as the front has told */
	int64_t renewed_s; /* the last renewal that brought a token, seconds since 1970; 0: none */
};

struct tally *tally_new(void); /* NULL: out of memory */
struct tally *tally_ref(struct tally *t);
struct tally *tally_unref(struct tally *t); /* takes NULL, returns NULL */

/* All take NULL: then nothing is counted. */
void tally_answered(struct tally *t, enum http_endpoint e, const struct http_response *res);
void tally_cancelled(struct tally *t, enum http_endpoint e);
void tally_renewed(struct tally *t, enum tally_renewal how, int64_t now_s);
/* p NULL: a token came. */
enum tally_renewal tally_renewal_of(const struct problem *p, bool same);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the listener of redirect.h is made of: requests as plain bytes, and pages. */
#ifndef CLI_REDIRECT_PARTS_H
#define CLI_REDIRECT_PARTS_H

#include "client/cli/redirect.h"

enum { NONCE_SIZE = 33 };

/* What a request must be. */
struct request_rules {
	struct redirect_uri uri; /* with the port that is bound */
	bool relay;
	char nonce
		[NONCE_SIZE]; /* that the relay page sends back with what it found in its fragment */
};

enum request_kind {
	REQUEST_MORE,     /* it is not complete */
	REQUEST_REDIRECT, /* part is the query, or what the relay page sent: it holds a state */
	REQUEST_RELAY,    /* wants the relay page */
	REQUEST_REFUSED,  /* status says why */
};

struct request {
	enum request_kind kind;
	int status;
	bool miss;        /* somebody tried something; a browser that asks for its icon does not */
	bool in_fragment; /* of REQUEST_REDIRECT */
	const char *part; /* into the data */
	size_t part_len;
};

/* Judges what came so far, anew each time; data is not changed. No more than REDIRECT_HEAD_MAX + REDIRECT_BODY_MAX bytes are ever needed. */
void request_judge(const struct request_rules *rules, const char *data, size_t len,
		   struct request *out);

/* The URL that the browser was sent to; NULL: out of memory. Caller erases and frees. */
char *request_url(const struct request_rules *rules, const struct request *request);

/* Whether two texts are the same, in a time that tells nothing about where they differ. */
bool same_secret(const char *a, size_t a_len, const char *b);

/* The value of "state" in a query or fragment as it stands there; NULL: it has none, or an empty one. */
const char *state_in(const char *part, size_t len, size_t *state_len);

/* A whole HTTP answer, head and page; NULL: out of memory. Caller frees. */
char *page_answer(enum redirect_page page, size_t *len);
char *page_refusal(int status, size_t *len);
/* The one that reads the fragment and sends it back to us with the nonce. */
char *page_relay(const char *nonce, size_t *len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses the mint's layers, as plain data without behaviour: one HTTP exchange, the result of a grant, a refusal after
 * classification. It stands below flow, oauth, salesforce and http so that none of them needs another one's header for it.
 */
#ifndef MINT_EXCHANGE_H
#define MINT_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/* --- one HTTP exchange (http.c and the tests' fake both take it) --- */

enum { HTTP_BODY_MAX = 64 * 1024 };

/* What is asked, for the counters. */
enum http_endpoint { HTTP_TOKEN, HTTP_USERINFO, HTTP_INTROSPECTION, HTTP_REVOCATION, HTTP_DEVICE, HTTP_DISCOVERY, HTTP_ENDPOINTS };

struct http_request {
	char *url; /* owned */
	enum http_endpoint endpoint;
	bool post;
	struct secret *body;   /* application/x-www-form-urlencoded; owned; NULL for GET */
	struct secret *bearer; /* Authorization: Bearer; owned; NULL */
	struct secret *basic;  /* "user:password" for Authorization: Basic; owned; NULL */
	bool fresh; /* a new connection, never reused, and never sent again by libcurl itself (reliability.md 0.2) */
	/*
	 * Called once, when the connection is up (TLS included) and no byte of the request has left (reliability.md 0.3). Negative: nothing is sent, and the
	 * outcome is HTTP_REFUSED with err's text. NULL: no such call. It must not touch the call nor http.
	 */
	int (*about_to_send)(void *arg, struct err *err);
	void *about_to_send_arg;
};

enum http_outcome {
	HTTP_ANSWERED, /* a complete answer; status and body count */
	HTTP_UNSENT,   /* nothing of the request left this machine: DNS, connect, TLS */
	HTTP_UNKNOWN,  /* sent, but no complete answer */
	HTTP_TOO_BIG,  /* the answer passed HTTP_BODY_MAX */
	HTTP_REFUSED,  /* we did not send: host not allowed, out of memory */
};

/* Why there is no connection that may be used: what a person has to look at (HTTP_UNSENT; NONE: anything else). */
enum http_why {
	HTTP_WHY_NONE,
	HTTP_WHY_NAME,      /* the host has no address */
	HTTP_WHY_CONNECT,   /* it has, and takes no connection */
	HTTP_WHY_TIMEOUT,   /* nothing came in time */
	HTTP_WHY_PROXY,     /* the proxy of [Network] */
	HTTP_WHY_CA_FILE,   /* CaFile= cannot be read */
	HTTP_WHY_UNTRUSTED, /* the certificate: of an authority that CaFile= does not have */
	HTTP_WHY_EXPIRED,   /* over, or not yet valid, by the clock of this machine */
	HTTP_WHY_WRONG_NAME, /* of another host */
	HTTP_WHY_TLS,       /* any other end of the handshake */
};

struct http_response {
	enum http_outcome outcome;
	enum http_why why;
	long status;
	const char *content_type; /* "" if none */
	/*
	 * HTTP_BODY_MAX at most, NUL-terminated, writable (checked and decoded in place); erased by http.c. HTTP_UNKNOWN and HTTP_TOO_BIG: what had come (and status, if so much had);
	 * else NULL unless ANSWERED
	 */
	char *body;
	size_t size;
	int64_t retry_after_ms; /* clamped to 0..retry_after_max; 0: none */
	const char *location;   /* of a redirect; "" */
	int64_t date_real_ms;   /* of the Date header, 0: none */
	int64_t sent_ms; /* BOOTTIME when the request was sent (the life of a token begins here) */
	const char *problem; /* outcome != ANSWERED: in words, without secrets */
};

void http_request_fini(struct http_request *r); /* erases */

/* --- where a server that is not Salesforce has its endpoints (OpenID Connect Discovery 1.0, RFC 8414) --- */

struct endpoints {
	unsigned refs;
	char *issuer;
	char *token;
	char *authorization, *device_authorization, *userinfo, *introspection,
		*revocation; /* NULL: it has none */
	bool names_itself;   /* in each answer by way of the browser (iss, RFC 9207 3) */
};
struct endpoints *endpoints_ref(struct endpoints *e);
struct endpoints *endpoints_unref(struct endpoints *e); /* takes NULL, returns NULL */
DEFINE_CLEANUP(struct endpoints *, endpoints_unref)

/* --- the result of a grant --- */

struct grant {
	unsigned refs;
	struct secret *access_token;
	struct secret *refresh_token; /* that came with it; NULL: none, the old one stays good */
	char *instance_url; /* normalised: scheme://host[:port], checked against AllowedHosts */
	char *token_type;   /* "Bearer" */
	char *scope;        /* space-separated, "" */
	char *identity_url, *organization_id, *user_id, *username; /* NULL if unknown */
	int64_t expires_in_ms;                                     /* 0: not said */
	int64_t jwt_exp_s; /* of a JWT-format access token, 0: opaque */
	int64_t jwt_iat_s;
	int64_t issued_at_real_ms; /* server's word, 0: not said */
	int64_t sent_ms;           /* BOOTTIME */
};
struct grant *grant_unref(struct grant *g); /* takes NULL, returns NULL */
struct grant *grant_ref(struct grant *g);
DEFINE_CLEANUP(struct grant *, grant_unref)

/* --- errors of the token endpoint, after classification (oauth.c has the table) --- */

enum problem_class {
	PROBLEM_NONE,
	PROBLEM_RETRY, /* transient: network, 5xx, html, unknown_error */
	PROBLEM_RATE,  /* 429, login rate exceeded: minutes to an hour */
	PROBLEM_CLOCK, /* our assertion is outside of the server's time: one corrected retry */
	PROBLEM_LOGIN, /* a person must log in */
	PROBLEM_ADMIN, /* an administrator must change something; slow probes for assertion grants */
	PROBLEM_BUG,   /* our request was wrong */
};

struct problem {
	enum problem_class class;
	enum http_outcome outcome;
	long http_status; /* 0: none */
	char error[64];   /* OAuth error code or "" */
	char description
		[200]; /* the server's words, cleaned: no control bytes, token-shaped words cut out */
	char message[ERR_TEXT_MAX]; /* what happened and what to do, for a person */
	int64_t retry_after_ms;     /* the server's wish, 0: none */
	int64_t skew_ms;            /* CLOCK: server time minus ours, from Date; 0: unknown */
	/*
	 * A refresh token was sent, and nobody can say whether the server has replaced it: no complete answer, or one that may come from a gateway on the way (2xx and 5xx
	 * but 503, without an OAuth answer). An OAuth error, 429 and 503 are answers: the token is what it was. Only for grants that spend one.
	 */
	bool spend_unknown;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow is a table of steps without I/O (architecture.md 6). ask() says what to send, answer() says what the reply means; attempt.c is the only code that turns this into requests and timers.
 */
#ifndef MINT_FLOW_H
#define MINT_FLOW_H

#include "base/secret.h"
#include "daemon/mint/credential.h"

/* --- what goes over HTTP, as plain data (http.c and the test's fake both take it) --- */

enum { HTTP_BODY_MAX = 64 * 1024 };

struct http_request {
	char *url;                     /* owned */
	bool post;
	struct secret *body;           /* application/x-www-form-urlencoded; owned; NULL for GET */
	struct secret *bearer;         /* Authorization: Bearer; owned; NULL */
	struct secret *basic;          /* "user:password" for Authorization: Basic; owned; NULL */
	bool fresh;                    /* a new connection, never reused */
};

enum http_outcome {
	HTTP_ANSWERED,  /* a complete answer; status and body count */
	HTTP_UNSENT,    /* nothing of the request left this machine: DNS, connect, TLS */
	HTTP_UNKNOWN,   /* sent, but no complete answer */
	HTTP_TOO_BIG,   /* the answer passed HTTP_BODY_MAX */
	HTTP_REFUSED,   /* we did not send: host not allowed, out of memory */
};

struct http_response {
	enum http_outcome outcome;
	long status;
	const char *content_type;    /* "" if none */
	char *body;                  /* HTTP_BODY_MAX at most, NUL-terminated, writable (checked and decoded in place); erased by http.c */
	size_t size;
	int64_t retry_after_ms;      /* clamped to 0..retry_after_max; 0: none */
	const char *location;        /* of a redirect; "" */
	int64_t date_real_ms;        /* of the Date header, 0: none */
	int64_t sent_ms;             /* BOOTTIME when the request was sent (the life of a token begins here) */
	const char *problem;         /* outcome != ANSWERED: in words, without secrets */
};

void http_request_fini(struct http_request *r); /* erases */

/* --- the result of a grant --- */

struct grant {
	unsigned refs;
	struct secret *access_token;
	char *instance_url;            /* normalised: scheme://host[:port], checked against AllowedHosts */
	char *token_type;              /* "Bearer" */
	char *scope;                   /* space-separated, "" */
	char *identity_url, *organization_id, *user_id, *username; /* NULL if unknown */
	int64_t expires_in_ms;         /* 0: not said */
	int64_t jwt_exp_s;             /* of a JWT-format access token, 0: opaque */
	int64_t jwt_iat_s;
	int64_t issued_at_real_ms;     /* server's word, 0: not said */
	int64_t sent_ms;               /* BOOTTIME */
};
struct grant *grant_unref(struct grant *g); /* takes NULL, returns NULL */
struct grant *grant_ref(struct grant *g);
DEFINE_CLEANUP(struct grant *, grant_unref)

/* --- errors of the token endpoint, after classification (oauth.c has the table) --- */

enum problem_class {
	PROBLEM_NONE,
	PROBLEM_RETRY,   /* transient: network, 5xx, html, unknown_error */
	PROBLEM_RATE,    /* 429, login rate exceeded: minutes to an hour */
	PROBLEM_CLOCK,   /* our assertion is outside of the server's time: one corrected retry */
	PROBLEM_LOGIN,   /* a person must log in */
	PROBLEM_ADMIN,   /* an administrator must change something; slow probes for assertion grants */
	PROBLEM_BUG,     /* our request was wrong */
};

struct problem {
	enum problem_class class;
	enum http_outcome outcome;
	long http_status;            /* 0: none */
	char error[64];              /* OAuth error code or "" */
	char description[200];       /* the server's words, cleaned: no control bytes, token-shaped words cut out */
	char message[ERR_TEXT_MAX];  /* what happened and what to do, for a person */
	int64_t retry_after_ms;      /* the server's wish, 0: none */
	int64_t skew_ms;             /* CLOCK: server time minus ours, from Date; 0: unknown */
};

/* --- flows --- */

enum verdict { FLOW_NEXT, FLOW_AGAIN, FLOW_NEED_USER, FLOW_DONE, FLOW_FAILED };

/* How the flow renews itself when its token grows old. */
enum renewal { RENEW_ITSELF, RENEW_REFRESH, RENEW_PERSON };

struct flow_run {
	const struct credential *credential; /* borrowed for the run */
	int64_t real_ms;             /* wall clock now, corrected by the learned skew (JWT exp) */
	const struct config_list *allowed_hosts;
	struct grant *grant;         /* result of DONE */
	struct problem problem;      /* of FAILED */
	int64_t delay_ms;            /* of AGAIN */
	void *state;                 /* the flow's own, freed by flow_ops.fini */
};

struct flow_step {
	const char *name;
	/* Fills *req (zeroed). 0, or negative with err: the run FAILED with PROBLEM_ADMIN or RETRY. Neither function blocks, logs, or keeps anything outside run. */
	int (*ask)(struct flow_run *run, struct http_request *req, struct err *err);
	enum verdict (*answer)(struct flow_run *run, const struct http_response *res);
};

struct flow_ops {
	int grant_type;
	enum renewal renewal;
	bool repeatable;             /* a repeat may be sent after a lost answer */
	const struct flow_step *steps;
	size_t n_steps;
	void (*fini)(struct flow_run *run); /* may be NULL */
};

/* The flow of a grant type; NULL: not in this version. */
const struct flow_ops *flow_find(int grant_type);
extern const struct flow_ops flow_client_credentials, flow_jwt_bearer;

/* Helpers that every flow's last step uses: strict reading of the answer of the token endpoint. */
enum verdict flow_take_token(struct flow_run *run, const struct http_response *res);
void flow_run_fini(struct flow_run *run, const struct flow_ops *ops);

#endif

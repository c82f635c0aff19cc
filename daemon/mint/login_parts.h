/* SPDX-License-Identifier: Apache-2.0 */
/* Between login.c and login_finish.c; nobody else includes this. */
#ifndef MINT_LOGIN_PARTS_H
#define MINT_LOGIN_PARTS_H

#include <stdarg.h>

#include "daemon/mint/login.h"

enum login_phase {
	LOGIN_PREPARES, /* nothing to show yet: discovery, or the first request of the device flow */
	LOGIN_WAITS,    /* for the person */
	LOGIN_EXCHANGES, /* the code for a token */
	LOGIN_ASKS,      /* userinfo: who is it? */
	LOGIN_APPLIES,   /* the keeper has it */
	LOGIN_OVER, /* decided; ended() comes with the timer, or has come and an exchange is waited for */
};

struct login {
	TAILQ_ENTRY(login) link;
	struct logins *all;
	struct keeper *keeper;         /* NULL: gone */
	struct credential *credential; /* as it was at the start */
	struct keeper_context *context;
	enum login_phase phase;
	int flow, state;   /* enum login_flow, enum login_state */
	bool told;         /* ended() was called: only the answer of the exchange is waited for */
	bool exchanging;   /* the code was sent */
	bool names_itself; /* the server says that its answers have iss */
	bool counted; /* among context.spending: the code is spent, or a grant is here, and stopping waits for what becomes of it */
	uid_t uid;
	pid_t pid;
	char *id, *redirect_uri, *url;
	struct secret *state_secret, *verifier;
	struct flow_prompt prompt; /* of the device flow; copied */
	int64_t expires_at_s;
	struct timer *timer; /* deadline; or what is decided already */
	struct attempt *call;
	struct grant *grant;
	int64_t date_real_ms;
	struct keeper_login *applying;
	char before[80]; /* " (before: NAME)", or "" */
	char message[ERR_TEXT_MAX + 1];
};

/* Decides how it ends; ended() comes with the next turn of the loop. */
void login_end(struct login *l, int state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void login_end_problem(struct login *l, const struct problem *p);

/* The code is about to be sent, or a grant has come: until the login is over, the daemon does not stop. */
void login_hold_stop(struct login *l);
void login_forget(struct login *l); /* frees what was told */
/* What it asks now is counted for its credential. */
void login_count(struct login *l);

/* login_finish.c: attempt_order.done of the exchange. */
void login_exchanged(const struct attempt_result *r, void *login);
/* The grant of l->grant: who is it, and into the keeper. */
void login_check_user(struct login *l);

#endif

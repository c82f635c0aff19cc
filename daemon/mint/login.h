/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins under way: from the URL or code that a person gets, to the token in the keeper (docs/architecture.md, "A login"). A login knows its credential as it was when it began, and
 * ends when that is changed or removed. Its secrets (state, verifier, code, tokens) are in no log, message, history or error.
 */
#ifndef MINT_LOGIN_H
#define MINT_LOGIN_H

#include "daemon/mint/keeper.h"
#include "daemon/mint/login_url.h"

struct logins; /* all of them */
struct login;

enum { LOGINS_MAX = 64, LOGINS_OF_CREDENTIAL_MAX = 8 };
/* Begun in a minute by one user who is neither root nor the service user: each may ask the server for a code. */
enum { LOGIN_STARTS_MAX = 20 };

struct login_handlers {
	/* The person can act: login_describe() says how. At most once a login. */
	void (*offered)(struct login *l, void *arg);
	/* It is over: login_describe() says how. Once a login, which is gone afterwards. */
	void (*ended)(struct login *l, void *arg);
	void *arg;
};

/* That have begun and are not over. */
size_t logins_count(const struct logins *all);
struct logins *logins_new(const struct login_handlers *handlers, struct err *err);
void logins_free(struct logins *all); /* takes NULL; drops what is left, nobody is told */

struct login_order {
	struct keeper *keeper;
	int flow;                 /* enum login_flow, of login_flow_of() */
	const char *redirect_uri; /* NULL: RedirectUri= */
	uid_t uid;                /* who starts it */
	pid_t pid;
};

/* The flow that a login of this credential takes when flow (enum login_flow, -1: not said) was asked for; -1: it has no such flow. */
int login_flow_of(const struct credential *c, int flow);

/*
 * Neither handler is called from within. NULL with err: -ERR_RETRY (too many logins are pending; retry_after_ms), -ERR_ADMIN (the store could not keep what it brings), -ERR_INTERNAL.
 * redirect_uri must have passed login_redirect_allowed().
 */
struct login *login_start(struct logins *all, const struct login_order *order, struct err *err);

/* A pending one (also while its answer is exchanged) with this ID; NULL. */
struct login *logins_find(struct logins *all, const char *id);
uid_t login_uid(const struct login *l);
const struct credential *login_credential(const struct login *l);

/*
 * The redirect that the browser was sent to. 0: consumed, ended() follows. 1: an answer is being exchanged already. Negative, and nothing has changed: -ERR_DENIED (its state is missing or
 * not that of this login), -ERR_INPUT with what is wrong with the URL. ended() is not called from within.
 */
int login_complete(struct login *l, const struct secret *url, struct err *err);

/* The person does not want it any more. ended() is called. What the server gives all the same is revoked. */
void login_cancel(struct login *l, const char *why);

/* The keeper ends, or a reload put another in its place (NULL: none): its logins end as failed. */
void logins_keeper_gone(struct logins *all, struct keeper *old, struct keeper *new,
			const char *why);

/* What the replies of Manager.Login say; texts live as long as l. */
void login_describe(const struct login *l, struct login_reply *out);

#endif

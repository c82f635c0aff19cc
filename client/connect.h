/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and trusting the daemon: which socket, connecting within a deadline, and whether the process at the other end may be believed.
 */
#ifndef CLIENT_CONNECT_H
#define CLIENT_CONNECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/sftoken.h"

/* Sets *err (may be NULL) and returns code. */
int fail(struct sftoken_err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Which daemon. With a user (his path) there is a choice between his and the system's, made anew at each try to connect until one has succeeded: then it is settled, so that a restart of his
 * daemon does not lead to another one.
 */
struct sockets {
	char *user, *system; /* user NULL: no choice */
	const char *path;    /* one of them, chosen last */
	bool settled;
};

/* path, else $SFTOKEN_SOCKET, else the choice. 0 or -1: out of memory. The caller frees it with sockets_fini(). */
int sockets_init(struct sockets *s, const char *path);
void sockets_fini(struct sockets *s);
/* Sets s->path: the user's if his socket exists, else the system's. */
void sockets_choose(struct sockets *s);

struct trust {
	bool named; /* uid was named by the program or $SFTOKEN_SERVER_UID */
	bool wrong; /* $SFTOKEN_SERVER_UID is no number: nobody is trusted */
	uid_t uid;
};

/* $SFTOKEN_SERVER_UID, if it is a number. */
struct trust connect_trust_from_environment(void);

/*
 * Connects to s->path, choosing it at each try (ECONNREFUSED, ENOENT, EAGAIN: tried again until wait_until_ms; CLOCK_MONOTONIC) and checks the server's uid. Returns a close-on-exec,
 * non-blocking descriptor or SFTOKEN_E_*.
 */
int connect_to(struct sockets *s, const struct trust *trust, int64_t wait_until_ms,
	       struct sftoken_err *err);

#endif

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

/* The path of interfaces.md 2 "Which daemon". Caller frees; NULL: out of memory. */
char *connect_default_path(void);

struct trust {
	bool named; /* uid was named by the program or $SFTOKEN_SERVER_UID */
	bool wrong; /* $SFTOKEN_SERVER_UID is no number: nobody is trusted */
	uid_t uid;
};

/* $SFTOKEN_SERVER_UID, if it is a number. */
struct trust connect_trust_from_environment(void);

/*
 * Connects to path (ECONNREFUSED, ENOENT, EAGAIN: tried again until wait_until_ms; CLOCK_MONOTONIC) and checks the server's uid. Returns a close-on-exec,
 * non-blocking descriptor or SFTOKEN_E_*.
 */
int connect_to(const char *path, const struct trust *trust, int64_t wait_until_ms,
	       struct sftoken_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What test_manager_login.c tells the fake logins to do, and what they were asked. */
#ifndef TESTS_UNIT_MANAGER_LOGINS_H
#define TESTS_UNIT_MANAGER_LOGINS_H

#include "daemon/mint/login.h"

struct manager_logins {
	int status;     /* of login_complete() */
	struct err err; /* of login_complete(), and of login_start() if its code is set */
	unsigned started, cancelled, gone;
	char completed[300]; /* the URL that login_complete() was given */
};
extern struct manager_logins manager_logins;

/* Logins count from 1. */
void manager_login_offer(unsigned number, const char *url);
void manager_login_end(unsigned number, int state, const char *message);
const struct login_order *manager_login_order(unsigned number);

#endif

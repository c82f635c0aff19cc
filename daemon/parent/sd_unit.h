/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the service manager to start a unit (org.freedesktop.systemd1(5), StartUnit), or whether it is there, without ever waiting: the answer comes through the poll() loop of the parent. A home of libsystemd: sd.c tells
 * the manager, this asks it. One question is one connection, open until its answer: events are rare, and a bus that was restarted meanwhile is met anew.
 */
#ifndef PARENT_SD_UNIT_H
#define PARENT_SD_UNIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum sd_answer {
	SD_STARTED,   /* the job is in its queue; what the unit does is told in its own log */
	SD_FORBIDDEN, /* it does not let us: polkit is not there, or has no rule for it */
	SD_NO_UNIT,   /* there is no such unit, or it cannot be loaded */
	SD_AWAY,      /* no connection, or no answer in time: later may be better */
	SD_FAILED,    /* anything else */
	SD_FOUND,     /* sd_unit_find(): it is there */
};

struct sd_unit;

/* Whether there is anybody to ask: the manager of this user (user_mode), or of the system. 0, or -ERR_ADMIN with who is missing. */
int sd_unit_possible(bool user_mode, struct err *err);

/*
 * Asks; *out is the question, which the caller closes. 0, or negative with err: it could not be asked, now (-ERR_RETRY) or at all. root is let in by the manager itself, a user mode daemon by the manager of its
 * user; for all others the system bus carries the question, and polkit judges it.
 */
int sd_unit_start(struct sd_unit **out, bool user_mode, const char *unit, int64_t now_ms,
		  struct err *err);

/* The same question whether a file of this unit (a template, too) is there and not masked: GetUnitFileState, for which nobody needs a permission. */
int sd_unit_find(struct sd_unit **out, bool user_mode, const char *unit, int64_t now_ms,
		 struct err *err);

/* What to wait for. until_ms: CLOCK_MONOTONIC, when sd_unit_look() is to be called at the latest. */
void sd_unit_wait(struct sd_unit *u, struct pollfd *out, int64_t *until_ms);

/* Reads and writes what is possible now. true: it is answered, with *answer, and what the manager said (text; "": nothing). */
bool sd_unit_look(struct sd_unit *u, int64_t now_ms, enum sd_answer *answer, struct err *said);

void sd_unit_close(struct sd_unit *u); /* takes NULL */

#endif

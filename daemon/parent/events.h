/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [Daemon] OnEvent=: the unit that is started when people should know of something. The mint says what happened, once; here it waits in a bounded queue for the service manager, one after the
 * other. What cannot be started is one log line, and a warning of "sftoken status".
 */
#ifndef PARENT_EVENTS_H
#define PARENT_EVENTS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/link_messages.h"

/* UNIT_NAME: UNIT_NAME_MAX of systemd, with the NUL. */
enum { UNIT_NAME = 256, EVENTS_QUEUE_MAX = 256 };

struct sd_unit;

struct events_item {
	int event; /* enum unit_event */
	char credential[CREDENTIAL_NAME_MAX + 1];
	unsigned tries;
	bool failed; /* systemd has refused: tried again when somebody has changed something (events_use()) */
};

/* All zero but for user_mode: no unit is configured, and no event is kept. */
struct events {
	bool user_mode;
	char unit[UNIT_NAME];      /* OnEvent= as written; "": none */
	struct events_item *queue; /* oldest first; made when the first event comes */
	size_t n;
	size_t at;             /* the item that is asked about */
	struct sd_unit *asked; /* NULL: nothing is asked now */
	bool look_due,
		looking; /* is the unit there? To be asked, when nothing else is; it is what is asked */
	int64_t not_before_ms; /* CLOCK_MONOTONIC */
	int store; /* the last event of the store that was added; 0: none, so it is ok */
	char warning[ERR_TEXT_MAX + 1];
	bool news; /* the warning is another one: whoever shows it clears this */
};

/*
 * OnEvent= as it is from now on (the start of the mint, and each reload), from a trusted place; NULL or "": none. What waits is told by the new one, and what could not be told is tried
 * again. Warns where nobody can be asked, and, when systemd has said so, where there is no such unit.
 */
void events_use(struct events *e, const char *unit);

/* Something has happened. Without OnEvent= nothing is done. What waits already is not added again. */
void events_add(struct events *e, int event, const char *credential);

/* Asks what is to be asked, takes what was answered. Returns when to call it again at the latest (CLOCK_MONOTONIC ms), INT64_MAX: nothing waits. */
int64_t events_step(struct events *e, int64_t now_ms);

/* What poll() has to wait for before that; fd -1: nothing. */
struct pollfd events_wait(const struct events *e);

void events_fini(struct events *e);

/*
 * The name of the unit: OnEvent=NAME@.service (or NAME@), event and credential to NAME@EVENT:CREDENTIAL.service, escaped as systemd-escape(1) does it. 0, or -ERR_ADMIN: it is longer than systemd's
 * names may be.
 */
int events_unit_name(const char *template, int event, const char *credential, char name[UNIT_NAME],
		     struct err *err);

#endif

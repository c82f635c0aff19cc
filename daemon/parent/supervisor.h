/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps mint and front alive and connected until it is told to stop. A poll() loop of its own; parses nothing from callers or Salesforce.
 */
#ifndef PARENT_SUPERVISOR_H
#define PARENT_SUPERVISOR_H

#include "daemon/parent/child.h"
#include "daemon/parent/events.h"
#include "daemon/parent/sockets.h"

struct supervisor {
	const struct settings *settings;
	const struct places
		*places; /* where they are read again (OnEvent=), and who may own them */
	uid_t service_uid;
	struct sockets *sockets;
	struct sd *sd;
	char *const *environment;
	struct child mint, front;
	struct events events; /* OnEvent= */
	int signals;          /* signalfd */
	int64_t started_wall; /* seconds since 1970 */
	char status
		[200]; /* the mint's words, for STATUS= while nothing is wrong with the children */
	bool status_due;      /* the words are news for the service manager */
	int64_t status_at_ms; /* CLOCK_MONOTONIC: not to be told before */
	bool reloading, stopping, told_ready;
	int64_t stop_at_ms;    /* CLOCK_MONOTONIC: when who is still there is killed */
	int64_t until_idle_ms; /* --until-idle; 0: for ever */
	int exit_status;
};

/* Blocks the signals and makes s->signals. 0 or -ERR_INTERNAL. */
int supervisor_init(struct supervisor *s, struct err *err);

/* Runs until the end; returns the exit status. */
int supervisor_run(struct supervisor *s);

#endif

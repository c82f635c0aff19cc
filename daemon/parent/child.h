/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One child process: its program (opened once, so that an upgrade never mixes builds), its end of the control channel, and what is known of its life. Times: CLOCK_MONOTONIC ms, so that a
 * suspend is no reason to kill anybody.
 */
#ifndef PARENT_CHILD_H
#define PARENT_CHILD_H

#include "daemon/common/settings.h"
#include "proto/link_messages.h"

struct child {
	const char *name;  /* "sftokend-mint" */
	int program;       /* O_PATH */
	int lock;          /* becomes STATE_LOCK_FD; -1: none */
	bool dies_with_us; /* PR_SET_PDEATHSIG */
	char *const *arguments;
	int64_t watchdog_ms; /* no Pong for so long: killed */
	int64_t ping_ms;     /* a Ping so often; 0: every 2 s */
	/* its life */
	pid_t pid;   /* 0: not running */
	int control; /* -1: not running */
	bool ready, ever_ready, hung;
	int64_t started_ms, restart_at_ms, pinged_ms, pong_ms; /* pong_ms 0: none yet */
	unsigned deaths; /* in a row, without having lived for a while */
	int64_t starts;  /* ever */
};

/* Opens name beside us: ../libexec/sftokend/, else the build folder's layout. 0 or -ERR_ADMIN. */
int child_open(struct child *c, const char *name, struct err *err);

/* The child inherits a copy of this lock as STATE_LOCK_FD. 0 or -ERR_INTERNAL. */
int child_lock(struct child *c, int lock, struct err *err);

/* Starts it with a clean environment, the control channel as descriptor 3 and the lock as 4. 0 or -ERR_INTERNAL. */
int child_start(struct child *c, char *const *environment, struct err *err);

/* Sends one message, with a descriptor or -1. A channel that cannot take it belongs to a child that hangs: it is killed. */
void child_send(struct child *c, const struct control_message *m, int fd);
void child_send_type(struct child *c, enum control_type type);

/* After waitpid(): closes the channel and plans the restart (at once, then first_ms doubled up to max_ms). */
void child_died(struct child *c, int status, const struct limits *limits);

/* Pings it, and kills it when it has been silent for too long. Returns when to look again. */
int64_t child_watch(struct child *c, int64_t now_ms);
void child_pong(struct child *c);

/* Its channel has ended, so it is about to end itself: it gets as long for that as for a Pong, so that its exit status is not lost. */
void child_hung_up(struct child *c, int64_t now_ms);

/* SIGKILL; it is reaped like any other death. */
void child_kill(struct child *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a struct sftoken is, for the files of the library alone. */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"
#include "client/connect.h"
#include "proto/varlink.h"

/* The connection, and what makes it ours: another process, uid or file behind the number means that it is not. */
struct wire {
	int fd;
	dev_t dev;
	ino_t ino;
	pid_t pid;
	uid_t uid;
};

struct sftoken {
	pthread_mutex_t lock;
	pid_t lock_pid; /* after a fork nobody of the parent's threads will unlock it */
	struct sockets sockets;
	struct trust trust;
	int connect_wait_ms;
	struct wire wire;
	struct buf in, out;
	size_t sent, scanned;
	/* the call that runs */
	bool running, answered, stopping;
	int flags, losses;
	int64_t deadline_ms; /* CLOCK_MONOTONIC; INT64_MAX: none */
	sftoken_reply_fn *reply;
	void *arg;
};

/* Code, name and sentence of an error reply (client/errors.c). */
int error_from_reply(const struct varlink_reply *reply, struct sftoken_err *err);

/* sftoken_call() without taking the lock. */
int call_locked(struct sftoken *h, const char *method, const char *parameters, int flags,
		int timeout_ms, sftoken_reply_fn *reply, void *arg, struct sftoken_err *err);
void handle_lock(struct sftoken *h);
void handle_unlock(struct sftoken *h);

#endif

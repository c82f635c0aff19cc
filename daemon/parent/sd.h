/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager, where there is one: what it is told ($NOTIFY_SOCKET, sd_notify(3)), and what it gives us (sockets, the watchdog, its store of descriptors). The home of libsystemd in the
 * parent.
 *
 * Telling it never waits. sd_notify() does, as long as nobody reads at the other end, and the parent has two children to look after; so what the socket does not take now is kept and tried again.
 */
#ifndef PARENT_SD_H
#define PARENT_SD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

/* A descriptor that the manager passed: of a socket unit, or one that an earlier daemon gave it to keep. */
struct sd_given {
	char *name;
	int fd; /* -1: somebody took it */
};

enum { SD_TEXT_MAX = 512, SD_QUEUE_MAX = 128 };

struct sd_message {
	char text[SD_TEXT_MAX];
	int fd; /* a copy of ours, or -1 */
};

/* All zero but for socket = -1: there is no manager, and telling it does nothing. */
struct sd {
	int socket;
	struct sockaddr_un address;
	socklen_t address_len;
	int64_t watchdog_ms; /* it ends us when it hears nothing for so long; 0: it does not */
	size_t store_max;    /* how many descriptors it keeps ($FDSTORE); 0: none */
	struct sd_given *given;
	size_t n_given;
	struct sd_message *queue; /* what it could not take yet, oldest first */
	size_t n_queue;
	char status[SD_TEXT_MAX]; /* the newest words that it could not take yet; "": none */
};

/* Reads the environment and takes the descriptors that were passed. 0 or -ERR_INTERNAL. */
int sd_init(struct sd *sd, struct err *err);
void sd_fini(struct sd *sd);

/* Life, in words for STATUS=. What comes after a message that is kept waits behind it, but only the newest status is. */
void sd_tell_ready(struct sd *sd, const char *status);
void sd_tell_status(struct sd *sd, const char *status);
void sd_tell_reloading(struct sd *sd);
void sd_tell_stopping(struct sd *sd);

/* "Still alive." Never kept: the next one is as good. */
void sd_tell_alive(struct sd *sd);

/* Asks it to keep a copy of fd under this name over a restart, or to forget what it keeps under it. */
void sd_store(struct sd *sd, const char *name, int fd);
void sd_forget(struct sd *sd, const char *name);

/* Whether a descriptor can be kept under this name: printable ASCII without a colon, at most 255 bytes. */
bool sd_name_fits(const char *name);

/* Tries again what is kept. Returns when to look again (CLOCK_MONOTONIC ms), INT64_MAX when nothing is left. */
int64_t sd_flush(struct sd *sd, int64_t now_ms);

#endif

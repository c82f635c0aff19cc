/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet of a SOCK_SEQPACKET pair, at most PACKET_MAX bytes, with at most one descriptor. No libevent: the parent's poll() loop uses it too.
 */
#ifndef COMMON_PACKET_H
#define COMMON_PACKET_H

#include <stddef.h>

#include "base/err.h"

/* A connected pair, both ends close-on-exec and non-blocking. */
int packet_pair(int ends[2], struct err *err);

/* Sends all of it. fd -1: none. Returns 1 sent, 0 would block (nothing was sent), -code. The bytes are not erased. */
int packet_send(int sock, const char *bytes, size_t size, int fd, struct err *err);

/*
 * Receives one packet into buffer[size] (size > PACKET_MAX). Returns its length > 0, 0 for end of file, -ERR_RETRY for "nothing there", other -code.
 * *fd: the descriptor that came with it (close-on-exec; the caller owns it) or -1.
 */
int packet_recv(int sock, char *buffer, size_t size, int *fd, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One caller on a Varlink socket: frames in, replies out, and all limits of interfaces.md 1 that belong to one connection. Used by front and mint alike.
 *
 * One call at a time: after call() nothing is read until connection_done() (pipelined calls wait in the buffer). A call is answered by one or more
 * connection_reply_*() and ended by connection_done(). Bytes are read with recvmsg(); the uid of every message must be the uid at accept, and
 * descriptors that a caller sends are never received (the control buffer has room for one ucred).
 * While a call waits, hang-up is watched: POLLHUP cancels it, a half close lets it finish and then closes.
 */
#ifndef COMMON_CONNECTION_H
#define COMMON_CONNECTION_H

#include "base/buf.h"
#include "daemon/common/loop.h"
#include "daemon/common/peer.h"
#include "proto/service.h"

struct connection;

struct connection_limits {
	int64_t request_timeout_ms; /* first byte to complete request */
	int64_t idle_timeout_ms;    /* no request at all; not while a call runs */
	int64_t stalled_ms;         /* a reply that is not read; 60 s */
};

struct connection_handlers {
	/*
	 * One complete, well-formed call; texts are valid until connection_done(). raw/raw_size: the request bytes as sent, or as they were before
	 * decoding in place (for the byte-equal shortcut). The callee answers now or later.
	 */
	void (*call)(struct connection *c, struct varlink_call *call, void *arg);
	/*
	 * Optional shortcut, asked before any parsing: raw[0..size) is the whole request without NUL. Return true when it has been answered through
	 * connection_send_ready().
	 */
	bool (*raw_call)(struct connection *c, const char *raw, size_t size, void *arg);
	/* The reply in flight has been taken by the kernel and the call still runs (a watch): write the next one, if there is one. */
	void (*drained)(struct connection *c, void *arg);
	/* The connection ends for any reason: forget it, drop what waits for it. Called once; c is freed afterwards. */
	void (*closed)(struct connection *c, void *arg);
	/* May be NULL: counts a limit that was reached ("request_too_long", "request_timeout", "uid_changed", ...). */
	void (*limit)(struct connection *c, const char *which, void *arg);
	/* Requests may hold secrets: no byte of them stays in memory when they have been answered. */
	bool erase_input;
};

/* Takes over sock and *peer. limits and handlers must outlive it. data: the owner's, see connection_data(). */
struct connection *connection_open(struct loop *l, int sock, struct peer *peer,
				   const struct connection_limits *limits,
				   const struct connection_handlers *handlers, void *arg,
				   void *data, struct err *err);
void connection_close(struct connection *c); /* closed() is called; safe from within handlers */

const struct peer *connection_peer(const struct connection *c);
void *connection_data(const struct connection *c);
int connection_sock(const struct connection *c); /* stays the connection's */

/* The output buffer: append exactly one whole message (varlink_begin_reply() ... or an error) and call connection_reply(). For oneway calls nothing is sent. */
struct buf *connection_out(struct connection *c);
/* Sends what is in the output buffer. more: another reply of this call follows (the call goes on). Without more the call is done. */
void connection_reply(struct connection *c, bool more);
/* Sends one whole message that stands elsewhere (a token's ready-made reply), without copying it. The call is done, or goes on with more. */
void connection_send_ready(struct connection *c, const char *bytes, size_t size, bool more);
/* True while bytes of an earlier reply are unsent: a watch must wait for drained(). */
bool connection_busy(const struct connection *c);
/* True while a call is being answered. */
bool connection_in_call(const struct connection *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection on a socket pair: `peer` is the caller's end, driven by the test; the other end answers by the method's name.
 *
 *	x.Echo  one reply at once        x.Wait  no reply until the test answers        x.Watch  `more` replies, the newest only, until closed
 *	x.Big   a reply of 60000 bytes   x.None  a reply that is too long
 */
#ifndef TESTS_UNIT_CONNECTION_FIXTURE_H
#define TESTS_UNIT_CONNECTION_FIXTURE_H

#include "daemon/common/connection.h"
#include "daemon/common/loop.h"

struct fixture {
	struct loop *loop;
	struct connection *c; /* NULL once closed() was called */
	int peer;             /* the caller's end, blocking */
	unsigned calls, raw_calls, closed, drained, limits;
	const char *limit; /* the last that was counted */
	char method[64];   /* of the last call */
	struct connection_limits times;
	/* what the test waits for; see fixture_run() */
	bool (*done)(const struct fixture *f);
	struct timer *tick;
	int64_t give_up_ms;
};

/* x.Raw is answered by the shortcut, before parsing. */
#define ECHO_CALL "{\"method\":\"x.Echo\"}"
#define RAW_CALL "{\"method\":\"x.Raw\"}"
#define WAIT_CALL "{\"method\":\"x.Wait\"}"
#define WATCH_CALL "{\"method\":\"x.Watch\",\"more\":true}"
#define BIG_CALL "{\"method\":\"x.Big\"}"
#define ECHO_REPLY "{\"parameters\":{\"echo\":1}}"
#define RAW_REPLY "{\"raw\":1,\"left\":7}"
#define LATE_REPLY "{\"parameters\":{\"late\":1}}"

/* Limits of a minute, unless f->times was filled in by the test before. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

/* Sends bytes as the caller; text: with its NUL. */
void fixture_send(const struct fixture *f, const char *bytes, size_t size);
#define SEND(f, text) fixture_send((f), (text), sizeof(text))

/* Runs the loop until done(f), at most 20 s. False when that was not enough. */
bool fixture_run(struct fixture *f, bool (*done)(const struct fixture *f));

/* Runs the loop until the caller can read size bytes, and reads them; returns how many. */
size_t fixture_read(struct fixture *f, char *bytes, size_t size);

bool fixture_is_closed(const struct fixture *f);
bool fixture_in_call(const struct fixture *f);

#endif

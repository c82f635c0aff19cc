/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/connection_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { TICK_MS = 1, PATIENCE_MS = 20000, MINUTE_MS = 60000, BIG = 60000 };

static void reply_text(struct connection *c, const char *text, bool more)
{
	buf_add(connection_out(c), text, strlen(text) + 1);
	connection_reply(c, more);
}

static void reply_big(struct connection *c, size_t size, bool more)
{
	struct buf *out = connection_out(c);

	for (size_t i = 0; i + 1 < size; i++)
		buf_add_char(out, 'b');
	buf_add_char(out, '\0');
	connection_reply(c, more);
}

static bool on_raw(struct connection *c, const char *raw, size_t size, void *arg)
{
	struct fixture *f = arg;

	f->raw_calls++;
	if (size != strlen(RAW_CALL) || memcmp(raw, RAW_CALL, size) != 0)
		return false;
	connection_send_ready(c, "{\"raw\":1,\"left\":7}", 19, false);
	return true;
}

static void on_call(struct connection *c, struct varlink_call *call, void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	snprintf(f->method, sizeof f->method, "%s", call->method);
	if (strcmp(call->method, "x.Echo") == 0)
		reply_text(c, ECHO_REPLY, false);
	else if (strcmp(call->method, "x.Big") == 0)
		reply_big(c, BIG, false);
	else if (strcmp(call->method, "x.None") == 0)
		reply_big(c, 2 * VARLINK_MESSAGE_MAX, false);
	else if (strcmp(call->method, "x.Close") == 0)
		connection_close(c);
	else if (strcmp(call->method, "x.Watch") == 0)
		reply_big(c, BIG, true);
}

static void on_drained(struct connection *c, void *arg)
{
	struct fixture *f = arg;

	(void)c;
	f->drained++;
}

static void on_closed(struct connection *c, void *arg)
{
	struct fixture *f = arg;

	(void)c;
	f->closed++;
	f->c = NULL;
}

static void on_limit(struct connection *c, const char *which, void *arg)
{
	struct fixture *f = arg;

	(void)c;
	f->limits++;
	f->limit = which;
}

static const struct connection_handlers handlers = {
	.call = on_call,
	.raw_call = on_raw,
	.drained = on_drained,
	.closed = on_closed,
	.limit = on_limit,
};

static void on_tick(void *arg)
{
	struct fixture *f = arg;

	if (f->done(f) || clock_now_ms() >= f->give_up_ms)
		loop_stop(f->loop);
	else
		timer_set(f->tick, clock_now_ms() + TICK_MS);
}

void fixture_open(struct fixture *f)
{
	struct peer peer;
	int ends[2], on = 1;

	if (!f->times.request_timeout_ms)
		f->times = (struct connection_limits){ MINUTE_MS, MINUTE_MS, MINUTE_MS };
	f->loop = loop_new(NULL);
	f->tick = timer_new(f->loop, on_tick, f);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
	    peer_read(ends[0], &peer, NULL) < 0)
		abort();
	f->peer = ends[1];
	f->c = connection_open(f->loop, ends[0], &peer, &f->times, &handlers, f, f, NULL);
	if (!f->c)
		abort();
}

void fixture_close(struct fixture *f)
{
	if (f->c)
		connection_close(f->c);
	if (f->peer >= 0)
		close(f->peer);
	timer_free(f->tick);
	loop_free(f->loop);
}

void fixture_send(const struct fixture *f, const char *bytes, size_t size)
{
	if (send(f->peer, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
		abort();
}

bool fixture_run(struct fixture *f, bool (*done)(const struct fixture *f))
{
	f->done = done;
	f->give_up_ms = clock_now_ms() + PATIENCE_MS;
	timer_set(f->tick, 0);
	loop_run(f->loop, NULL);
	return done(f);
}

static bool readable_or_closed(const struct fixture *f)
{
	int waiting = 0;

	return f->closed || (ioctl(f->peer, FIONREAD, &waiting) == 0 && waiting > 0);
}

size_t fixture_read(struct fixture *f, char *bytes, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n;

		if (!fixture_run(f, readable_or_closed))
			break;
		n = recv(f->peer, bytes + got, size - got, MSG_DONTWAIT);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

bool fixture_is_closed(const struct fixture *f)
{
	return f->closed > 0;
}

bool fixture_in_call(const struct fixture *f)
{
	return f->c && connection_in_call(f->c);
}

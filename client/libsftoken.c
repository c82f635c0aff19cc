/* SPDX-License-Identifier: Apache-2.0 */
/* Handles and calls: one connection, one call at a time, one deadline for all of it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/handle.h"

enum { CONNECT_WAIT_MS = 2000, READ_SIZE = 4096, REPEATS = 2 };

/* How long to wait before a lost call is sent again: the first and the second time. */
static const int repeat_pause_ms[REPEATS] = { 10, 100 };

const char *sftoken_version(void)
{
	return SFTOKEN_VERSION;
}

/* A lock of this kind holds nothing that pthread_mutex_destroy() would give back. */
static void lock_init(struct sftoken *h)
{
	h->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	h->lock_pid = getpid();
}

int sftoken_open(struct sftoken **out, const char *path, struct sftoken_err *err)
{
	struct sftoken *h;

	if (!out)
		return fail(err, SFTOKEN_E_INVALID, "sftoken_open: out is NULL");
	*out = NULL;
	h = calloc(1, sizeof *h);
	if (!h)
		return fail(err, SFTOKEN_E_MEMORY, "out of memory");
	if (sockets_init(&h->sockets, path) < 0) {
		free(h);
		return fail(err, SFTOKEN_E_MEMORY, "out of memory");
	}
	lock_init(h);
	h->trust = connect_trust_from_environment();
	h->connect_wait_ms = CONNECT_WAIT_MS;
	h->wire.fd = -1;
	buf_init(&h->in, VARLINK_MESSAGE_MAX + READ_SIZE);
	buf_init(&h->out, VARLINK_MESSAGE_MAX);
	*out = h;
	return 0;
}

/* Whether the descriptor is still the one that we opened; a program may have closed it and got the number for something else. */
static bool wire_is_ours(const struct wire *w)
{
	struct stat st;

	return w->fd >= 0 && fstat(w->fd, &st) == 0 && st.st_dev == w->dev && st.st_ino == w->ino;
}

/* Closes our descriptor, and only ours. After a fork this closes the child's copy; the parent's stays. */
static void wire_drop(struct sftoken *h)
{
	if (wire_is_ours(&h->wire))
		close(h->wire.fd);
	h->wire.fd = -1;
	buf_clear(&h->in);
	h->scanned = 0;
}

void sftoken_close(struct sftoken *h)
{
	if (!h)
		return;
	wire_drop(h);
	buf_fini(&h->in);
	buf_fini(&h->out);
	sockets_fini(&h->sockets);
	free(h);
}

const char *sftoken_path(const struct sftoken *h)
{
	return h->sockets.path;
}

void sftoken_set_connect_wait(struct sftoken *h, int milliseconds)
{
	h->connect_wait_ms = milliseconds < 0 ? 0 : milliseconds;
}

void sftoken_set_server_uid(struct sftoken *h, uid_t uid)
{
	h->trust = (struct trust){ .named = true, .uid = uid };
}

void handle_lock(struct sftoken *h)
{
	if (h->lock_pid != getpid())
		lock_init(h);
	(void)pthread_mutex_lock(&h->lock);
}

void handle_unlock(struct sftoken *h)
{
	(void)pthread_mutex_unlock(&h->lock);
}

static int wire_open(struct sftoken *h, struct sftoken_err *err)
{
	int64_t until_ms = clock_mono_ms() + h->connect_wait_ms;
	struct stat st;
	int fd;

	wire_drop(h);
	if (until_ms > h->deadline_ms)
		until_ms = h->deadline_ms;
	fd = connect_to(&h->sockets, &h->trust, until_ms, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return fail(err, SFTOKEN_E_MEMORY, "fstat: %s", strerror(errno));
	}
	h->wire = (struct wire){ fd, st.st_dev, st.st_ino, getpid(), geteuid() };
	return 0;
}

/* A connection that the daemon has closed meanwhile; only asked where a call may not simply be repeated. */
static bool wire_is_dead(const struct wire *w)
{
	char byte;
	ssize_t n = recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* The kernel told the daemon who we were at connect: after fork or setuid that is no longer true. */
static int wire_ready(struct sftoken *h, struct sftoken_err *err)
{
	const struct wire *w = &h->wire;

	if (w->fd >= 0 && w->pid == getpid() && w->uid == geteuid() && wire_is_ours(w) &&
	    ((h->flags & SFTOKEN_CALL_REPEAT) || !wire_is_dead(w)))
		return 0;
	return wire_open(h, err);
}

static void end_call(struct sftoken *h)
{
	h->running = false;
	buf_clear(&h->out);
	h->sent = 0;
}

/* Ends the call and the connection: what would still come belongs to nobody. */
static int abort_call(struct sftoken *h, int code)
{
	end_call(h);
	wire_drop(h);
	return code;
}

/* 1: go on; negative: lost */
static int flush(struct sftoken *h)
{
	while (h->sent < h->out.len) {
		ssize_t n = send(h->wire.fd, h->out.data + h->sent, h->out.len - h->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			h->sent += (size_t)n;
		else if (n < 0 && errno == EINTR)
			continue;
		else
			return n < 0 && errno == EAGAIN ? 1 : -1;
	}
	return 1;
}

/* 1: something came or nothing is there; negative: lost */
static int fill(struct sftoken *h)
{
	ssize_t n;

	if (buf_reserve(&h->in, READ_SIZE) < 0)
		return -1;
	do
		n = recv(h->wire.fd, h->in.data + h->in.len, h->in.cap - h->in.len - 1,
			 MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		h->in.len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		return -1;
	return 1;
}

static bool may_repeat(const struct sftoken *h)
{
	return (h->flags & SFTOKEN_CALL_REPEAT) && !h->answered && h->losses < REPEATS;
}

static int deliver(struct sftoken *h, char *message, size_t len, struct sftoken_err *err)
{
	struct varlink_reply reply;
	char *text = (char[]){ "{}" };
	struct err problem;
	bool last;
	int r = 0;

	if (varlink_parse_reply(message, len, &reply, &problem) < 0)
		return abort_call(h, fail(err, SFTOKEN_E_PROTOCOL,
					  "the daemon at %s sent something that is not Varlink: %s",
					  h->sockets.path, problem.text));
	if (reply.error) {
		r = error_from_reply(&reply, err);
		h->stopping = r == SFTOKEN_E_SHUTTING_DOWN && may_repeat(h);
		if (!h->stopping)
			end_call(h);
		return h->stopping ? 1 : r;
	}
	h->answered = true;
	last = !reply.continues || !(h->flags & SFTOKEN_CALL_MORE);
	if (reply.parameters.start) {
		text = reply.parameters.start;
		*reply.parameters.end = '\0';
	}
	if (last)
		end_call(h);
	if (h->reply)
		r = h->reply(text, !last, h->arg);
	if (r == 0)
		return last ? 0 : 1;
	return abort_call(h, r < 0 ? r : 0);
}

/* The connection broke: send the call again, if that is allowed. 1: sent again. */
static int lost(struct sftoken *h, struct sftoken_err *err)
{
	bool may = may_repeat(h);
	int64_t left_ms;
	int r;

	wire_drop(h);
	if (!may)
		return abort_call(h,
				  fail(err, SFTOKEN_E_DISCONNECTED,
				       "the daemon at %s closed the connection", h->sockets.path));
	left_ms = h->deadline_ms - clock_mono_ms();
	if (left_ms > repeat_pause_ms[h->losses])
		(void)poll(NULL, 0, repeat_pause_ms[h->losses]);
	h->losses++;
	h->sent = 0;
	r = wire_open(h, err);
	return r < 0 ? abort_call(h, r) : 1;
}

/* The daemon stops. When another one takes its place, the caller need not know. */
static int restarted(struct sftoken *h, struct sftoken_err *err)
{
	int r;

	h->stopping = false;
	r = lost(h, NULL);
	if (r >= 0)
		return r;
	return fail(err, SFTOKEN_E_SHUTTING_DOWN, "the daemon is stopping: try again in a moment");
}

/* Hands on every complete reply. 1: the call goes on, 0: it has ended, negative: failed. */
static int take_replies(struct sftoken *h, struct sftoken_err *err)
{
	while (h->running) {
		long len = varlink_frame(h->in.data, h->in.len, &h->scanned);
		int r;

		if (len == -1)
			return 1;
		if (len < 0)
			return abort_call(h,
					  fail(err, SFTOKEN_E_PROTOCOL,
					       "the daemon at %s sent a message that is too long",
					       h->sockets.path));
		r = deliver(h, h->in.data, (size_t)len, err);
		if (h->wire.fd >= 0)
			buf_drop(&h->in, (size_t)len + 1);
		h->scanned = 0;
		if (h->stopping)
			return restarted(h, err);
		if (r <= 0)
			return r;
	}
	return 0;
}

int sftoken_process(struct sftoken *h, struct sftoken_err *err)
{
	int r;

	if (!h->running)
		return 0;
	if (flush(h) < 0)
		return lost(h, err);
	if (h->sent == h->out.len && (h->flags & SFTOKEN_CALL_ONEWAY)) {
		end_call(h);
		return 0;
	}
	r = fill(h);
	if (r < 0) {
		int taken = take_replies(h, err);

		return taken <= 0 ? taken : lost(h, err);
	}
	return take_replies(h, err);
}

int sftoken_fd(const struct sftoken *h)
{
	return h->running ? h->wire.fd : -1;
}

int sftoken_events(const struct sftoken *h)
{
	return h->sent < h->out.len ? POLLIN | POLLOUT : POLLIN;
}

int sftoken_start(struct sftoken *h, const char *method, const char *parameters, int flags,
		  sftoken_reply_fn *reply, void *arg, struct sftoken_err *err)
{
	int r;

	if (h->running)
		return fail(err, SFTOKEN_E_INVALID, "another call runs on this handle");
	h->deadline_ms = INT64_MAX;
	h->flags = flags;
	h->losses = 0;
	h->answered = h->stopping = false;
	h->reply = reply;
	h->arg = arg;
	r = wire_ready(h, err);
	if (r < 0)
		return r;
	buf_clear(&h->out);
	h->sent = 0;
	varlink_add_call(&h->out, method, parameters, parameters ? strlen(parameters) : 0,
			 flags & SFTOKEN_CALL_MORE, flags & SFTOKEN_CALL_ONEWAY);
	if (buf_failed(&h->out)) {
		buf_clear(&h->out);
		return fail(err, SFTOKEN_E_INVALID, "the call is longer than 64 KiB");
	}
	h->running = true;
	return flush(h) < 0 ? lost(h, err) : 1;
}

/* Waits until the socket is ready or the deadline is over. */
static int wait_ready(struct sftoken *h, struct sftoken_err *err)
{
	struct pollfd p = { h->wire.fd, (short)sftoken_events(h), 0 };
	int64_t left_ms = h->deadline_ms == INT64_MAX ? -1 : h->deadline_ms - clock_mono_ms();
	int n;

	if (h->deadline_ms != INT64_MAX && left_ms <= 0)
		n = 0;
	else
		n = poll(&p, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
	if (n < 0 && errno != EINTR)
		return abort_call(h, fail(err, SFTOKEN_E_MEMORY, "poll: %s", strerror(errno)));
	if (n == 0)
		return abort_call(h, fail(err, SFTOKEN_E_DEADLINE,
					  "no answer from %s in time: see `sftoken ping`",
					  h->sockets.path));
	return 0;
}

int call_locked(struct sftoken *h, const char *method, const char *parameters, int flags,
		int timeout_ms, sftoken_reply_fn *reply, void *arg, struct sftoken_err *err)
{
	int64_t deadline_ms = timeout_ms > 0 ? clock_mono_ms() + timeout_ms : INT64_MAX;
	int connect_wait_ms = h->connect_wait_ms, r;

	if (timeout_ms > 0 && timeout_ms < connect_wait_ms)
		h->connect_wait_ms = timeout_ms;
	r = sftoken_start(h, method, parameters, flags, reply, arg, err);
	h->connect_wait_ms = connect_wait_ms;
	if (r < 0)
		return r;
	h->deadline_ms = deadline_ms;
	do {
		if (!(flags & SFTOKEN_CALL_ONEWAY) || h->sent < h->out.len) {
			r = wait_ready(h, err);
			if (r < 0)
				return r;
		}
		r = sftoken_process(h, err);
	} while (r > 0);
	return r;
}

int sftoken_call(struct sftoken *h, const char *method, const char *parameters, int flags,
		 int timeout_ms, sftoken_reply_fn *reply, void *arg, struct sftoken_err *err)
{
	int r;

	if (!h || !method)
		return fail(err, SFTOKEN_E_INVALID, "sftoken_call: handle or method is NULL");
	handle_lock(h);
	r = call_locked(h, method, parameters, flags, timeout_ms, reply, arg, err);
	handle_unlock(h);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built for many idle connections and a short way from readable to answered: bytes are read into one shared buffer and a connection owns memory
 * for input or output only while a request is incomplete, a call runs or a reply is unsent. All connections with the same limits form a group with
 * one timer; each of its queues has one timeout, so that a queue is in order of time and a warm call moves two pointers.
 */
#include "daemon/common/connection.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/common/timeouts.h"

enum {
	CALLS_A_TURN = 16, /* of one connection that sends many at once */
	LOOK_MS = 500,     /* how often to look at a peer whose socket is out of the loop */
};

/* What a connection waits for, and for how long. */
enum queue {
	QUEUE_IDLE,    /* the first byte of a request */
	QUEUE_READING, /* the rest of a request */
	QUEUE_STALLED, /* the peer to read its reply */
	QUEUE_LOOK,    /* its answer, with the socket out of the loop */
	QUEUE_SOON,    /* the next turn: requests in the buffer, or its end */
	QUEUE_NONE = TIMEOUT_NONE,
};

struct group {
	struct group *next;
	struct loop *loop;
	const struct connection_limits *limits;
	const struct connection_handlers *handlers;
	void *arg; /* of the handlers */
	struct timeouts timeouts;
	struct buf scratch; /* replies are composed here, one at a time */
	struct connection *scratch_of;
	size_t users; /* connections, and functions that must not lose the group */
};

struct connection {
	struct event event;
	struct group *group;
	struct timeout_entry timeout;
	void *data;
	struct buf *in;      /* what was read and is not a finished call yet */
	struct buf *message; /* the running call, decoded in place */
	struct buf *out;     /* what the kernel did not take */
	struct peer peer;
	uint32_t scanned; /* bytes of in that are known to hold no NUL */
	unsigned char mask, depth;
	bool in_call : 1, oneway : 1, processing : 1, broken : 1, closed : 1;
	bool quiet : 1; /* the socket has something to say that must wait for the end of the call */
};

static struct group *groups;
/* Everybody's input; used only between a recvmsg() and the end of on_event(). */
static char input[VARLINK_MESSAGE_MAX];

static void on_event(evutil_socket_t fd, short what, void *arg);
static void on_expired(struct timeout_entry *e, void *arg);

/* --- groups --- */

static int64_t timeout_length(unsigned queue, void *arg)
{
	const struct connection_limits *limits = ((const struct group *)arg)->limits;

	switch (queue) {
	case QUEUE_IDLE:
		return limits->idle_timeout_ms;
	case QUEUE_READING:
		return limits->request_timeout_ms;
	case QUEUE_STALLED:
		return limits->stalled_ms;
	case QUEUE_LOOK:
		return LOOK_MS;
	default: /* QUEUE_SOON */
		return 0;
	}
}

static void group_unuse(struct group *g)
{
	struct group **at = &groups;

	if (--g->users > 0)
		return;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	timeouts_fini(&g->timeouts);
	buf_fini(&g->scratch);
	free(g);
}

static void on_timeouts_run(bool begins, void *arg)
{
	struct group *g = arg;

	begins ? (void)g->users++ : group_unuse(g);
}

/* The group of these, made on first use; one user more. */
static struct group *group_use(struct loop *l, const struct connection_limits *limits,
			       const struct connection_handlers *handlers, void *arg,
			       struct err *err)
{
	struct group *g;

	for (g = groups; g; g = g->next) {
		if (g->loop == l && g->limits == limits && g->handlers == handlers &&
		    g->arg == arg) {
			g->users++;
			return g;
		}
	}
	g = calloc(1, sizeof *g);
	if (!g) {
		err_oom(err);
		return NULL;
	}
	*g = (struct group){ groups, l, limits, handlers, arg, .users = 1 };
	g->timeouts = (struct timeouts){
		.length = timeout_length, .expired = on_expired, .run = on_timeouts_run, .arg = g
	};
	if (timeouts_init(&g->timeouts, l, err) < 0) {
		free(g);
		return NULL;
	}
	buf_init(&g->scratch, VARLINK_MESSAGE_MAX);
	groups = g;
	return g;
}

static void enqueue(struct connection *c, enum queue queue)
{
	timeouts_put(&c->group->timeouts, &c->timeout, queue);
}

/* --- the end of a connection --- */

static void count_limit(struct connection *c, const char *which)
{
	if (c->group->handlers->limit)
		c->group->handlers->limit(c, which, c->group->arg);
}

static void drop_buf(struct buf **b)
{
	if (*b)
		buf_fini(*b);
	free(*b);
	*b = NULL;
}

/* Adds bytes to *b, which is made when it is needed. 0 or -1. */
static int keep(struct buf **b, size_t max, const char *bytes, size_t size)
{
	if (!*b) {
		*b = malloc(sizeof **b);
		if (!*b)
			return -1;
		buf_init(*b, max);
	}
	buf_add(*b, bytes, size);
	return buf_failed(*b) ? -1 : 0;
}

static void connection_free(struct connection *c)
{
	struct group *g = c->group;

	drop_buf(&c->in);
	drop_buf(&c->message);
	drop_buf(&c->out);
	peer_fini(&c->peer);
	free(c);
	group_unuse(g);
}

static void enter(struct connection *c)
{
	c->depth++;
}

static void leave(struct connection *c)
{
	if (--c->depth == 0 && c->closed)
		connection_free(c);
}

void connection_close(struct connection *c)
{
	if (c->closed)
		return;
	c->closed = true;
	enter(c);
	if (c->mask)
		event_del(&c->event);
	enqueue(c, QUEUE_NONE);
	if (c->group->scratch_of == c)
		c->group->scratch_of = NULL;
	c->group->handlers->closed(c, c->group->arg);
	close(event_get_fd(&c->event));
	leave(c);
}

static void close_for(struct connection *c, const char *limit)
{
	count_limit(c, limit);
	connection_close(c);
}

/*
 * The peer is gone, found out while replying. The owner may be in the middle of a list of connections and go on using c, so that closed() is
 * called in the next turn.
 */
static void break_off(struct connection *c)
{
	c->broken = true;
	drop_buf(&c->out);
	if (c->mask)
		event_del(&c->event);
	c->mask = 0;
	enqueue(c, QUEUE_SOON);
}

/* --- what to wait for --- */

static void set_mask(struct connection *c, short mask)
{
	if (c->mask == (unsigned char)mask)
		return;
	if (c->mask)
		event_del(&c->event);
	c->mask = (unsigned char)mask;
	if (!mask)
		return;
	event_assign(&c->event, loop_base(c->group->loop), event_get_fd(&c->event),
		     (short)(mask | EV_PERSIST), on_event, c);
	if (event_add(&c->event, NULL) < 0) {
		c->mask = 0;
		break_off(c);
	}
}

/* After anything has changed: which events and which timeout are right now. */
static void settle(struct connection *c)
{
	if (c->closed || c->broken || c->processing)
		return;
	if (c->out) {
		if (c->timeout.queue != QUEUE_STALLED)
			enqueue(c, QUEUE_STALLED);
		set_mask(c, EV_WRITE);
	} else if (c->in_call) {
		enqueue(c, c->quiet ? QUEUE_LOOK : QUEUE_NONE);
		set_mask(c, c->quiet ? 0 : EV_READ);
	} else if (c->in && c->in->len > c->scanned) {
		enqueue(c, QUEUE_SOON);
		set_mask(c, 0);
	} else {
		if (!c->in || c->timeout.queue != QUEUE_READING)
			enqueue(c, c->in ? QUEUE_READING : QUEUE_IDLE);
		set_mask(c, EV_READ);
	}
}

/*
 * Something happened on the socket while a call waits. POLLHUP: both directions are closed, nobody reads the answer. Else the peer sent more, or
 * has closed its sending side and still wants the answer; either stays readable, so that we stop listening and look again from time to time.
 * (EV_CLOSED would tell us sooner, but stays raised after a half close, and libevent 2.1 drops EPOLLERR for an event that waits for it alone.)
 */
static void look_at_peer(struct connection *c)
{
	struct pollfd p = { .fd = event_get_fd(&c->event) };

	if (poll(&p, 1, 0) > 0) {
		connection_close(c);
		return;
	}
	c->quiet = true;
	settle(c);
}

/* --- replies --- */

/* Keeps what the kernel did not take. */
static void keep_output(struct connection *c, const char *rest, size_t size)
{
	/* Room for a reply of a watch and the error that ends it. */
	if (keep(&c->out, 2 * VARLINK_MESSAGE_MAX, rest, size) < 0)
		break_off(c);
}

static ssize_t send_some(struct connection *c, const char *bytes, size_t size)
{
	ssize_t sent;

	do {
		sent = send(event_get_fd(&c->event), bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
		return 0;
	return sent;
}

static void call_done(struct connection *c, bool more)
{
	if (more)
		return;
	c->in_call = false;
	c->quiet = false;
	/* Our caller may still look at the call's texts: within process() they are freed when call() has returned. */
	if (!c->processing)
		drop_buf(&c->message);
}

void connection_send_ready(struct connection *c, const char *bytes, size_t size, bool more)
{
	ssize_t sent = 0;

	if (c->closed || c->broken)
		return;
	if (!c->oneway) {
		if (!c->out && size > 0)
			sent = send_some(c, bytes, size);
		if (sent < 0) {
			break_off(c);
			return;
		}
		if ((size_t)sent < size)
			keep_output(c, bytes + sent, size - (size_t)sent);
	}
	call_done(c, more);
	settle(c);
}

struct buf *connection_out(struct connection *c)
{
	struct group *g = c->group;

	if (g->scratch_of != c) {
		buf_clear(&g->scratch);
		g->scratch_of = c;
	}
	return &g->scratch;
}

void connection_reply(struct connection *c, bool more)
{
	struct group *g = c->group;
	struct buf *out = connection_out(c);

	if (buf_failed(out)) {
		/* Longer than a reply may be, or no memory: a part of it would be worse than none. */
		if (!c->closed && !c->broken) {
			count_limit(c, "reply_too_long");
			break_off(c);
		}
	} else {
		connection_send_ready(c, out->data, out->len, more);
	}
	g->scratch_of = NULL;
	buf_clear(&g->scratch);
}

static void flush(struct connection *c)
{
	ssize_t sent = send_some(c, c->out->data, c->out->len);

	if (sent < 0) {
		connection_close(c);
		return;
	}
	if ((size_t)sent < c->out->len) {
		buf_drop(c->out, (size_t)sent);
		return;
	}
	drop_buf(&c->out);
	settle(c);
	if (c->in_call && c->group->handlers->drained)
		c->group->handlers->drained(c, c->group->arg);
}

/* --- requests --- */

/* One complete request, without its NUL. */
static void handle_request(struct connection *c, const char *raw, size_t size)
{
	const struct connection_handlers *h = c->group->handlers;
	struct varlink_call call;

	c->in_call = true;
	c->oneway = false;
	if (h->raw_call && h->raw_call(c, raw, size, c->group->arg))
		return;
	if (c->closed || c->broken)
		return;
	if (keep(&c->message, VARLINK_MESSAGE_MAX, raw, size) < 0) {
		close_for(c, "no_memory");
		return;
	}
	if (varlink_parse_call(c->message->data, size, &call, NULL) < 0) {
		close_for(c, "malformed_request");
		return;
	}
	c->oneway = call.oneway;
	h->call(c, &call, c->group->arg);
	if (!c->in_call)
		drop_buf(&c->message);
}

/* Handles what is complete in bytes[0..len); returns how much that was. c->scanned is then how much of the rest holds no NUL. */
static size_t process(struct connection *c, const char *bytes, size_t len)
{
	size_t at = 0, scanned = c->scanned;

	c->processing = true;
	for (int calls = 0; !c->closed && !c->broken && !c->in_call && !c->out; calls++) {
		long size;

		if (calls == CALLS_A_TURN)
			break;
		size = varlink_frame(bytes + at, len - at, &scanned);
		if (size == -2)
			close_for(c, "request_too_long");
		if (size < 0)
			break;
		handle_request(c, bytes + at, (size_t)size);
		at += (size_t)size + 1;
		scanned = 0;
	}
	c->processing = false;
	c->scanned = (uint32_t)scanned;
	return at;
}

static void process_kept(struct connection *c)
{
	size_t used = process(c, c->in->data, c->in->len);

	if (c->closed)
		return;
	if (used > 0 && c->timeout.queue == QUEUE_READING)
		enqueue(c, QUEUE_NONE); /* what is left is another request: its time begins now */
	if (used == c->in->len)
		drop_buf(&c->in);
	else if (used > 0)
		buf_drop(c->in, used);
}

static void take_input(struct connection *c, const char *bytes, size_t size)
{
	bool first = !c->in;
	size_t used = first ? process(c, bytes, size) : 0;

	if (c->closed)
		return;
	if (used < size && keep(&c->in, VARLINK_MESSAGE_MAX, bytes + used, size - used) < 0) {
		close_for(c, "no_memory");
		return;
	}
	if (!first)
		process_kept(c);
	settle(c);
}

static void receive(struct connection *c)
{
	ssize_t n = peer_recv(event_get_fd(&c->event), input,
			      sizeof input - (c->in ? c->in->len : 0), &c->peer);

	if (n == PEER_RECV_NOTHING)
		return;
	if (n == PEER_RECV_OTHER_UID)
		close_for(c, "uid_changed");
	else if (n <= 0)
		connection_close(c);
	else
		take_input(c, input, (size_t)n);
	if (n > 0 && c->group->handlers->erase_input)
		explicit_bzero(input, (size_t)n);
}

/* --- events --- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	(void)fd;
	enter(c);
	if (c->out) {
		if (what & EV_WRITE)
			flush(c);
	} else if (c->in_call) {
		look_at_peer(c);
	} else {
		receive(c);
	}
	leave(c);
}

static void on_expired(struct timeout_entry *e, void *arg)
{
	static const char *const limit[QUEUE_NONE] = { "idle_timeout", "request_timeout",
						       "reply_stalled" };
	struct connection *c = (void *)((char *)e - offsetof(struct connection, timeout));

	(void)arg;
	enter(c);
	if (c->broken) {
		connection_close(c);
	} else if (limit[e->queue]) {
		close_for(c, limit[e->queue]);
	} else if (e->queue == QUEUE_LOOK) {
		look_at_peer(c);
	} else {
		enqueue(c, QUEUE_NONE);
		process_kept(c);
		settle(c);
	}
	leave(c);
}

struct connection *connection_open(struct loop *l, int sock, struct peer *peer,
				   const struct connection_limits *limits,
				   const struct connection_handlers *handlers, void *arg,
				   void *data, struct err *err)
{
	struct group *g = group_use(l, limits, handlers, arg, err);
	struct connection *c = g ? calloc(1, sizeof *c) : NULL;

	if (!c) {
		if (g)
			group_unuse(g);
		peer_fini(peer);
		close(sock);
		err_oom(err);
		return NULL;
	}
	*c = (struct connection){
		.group = g, .timeout = { .queue = QUEUE_NONE }, .data = data, .peer = *peer
	};
	*peer = (struct peer){ .uid = PEER_OVERFLOW_UID, .gid = PEER_OVERFLOW_UID };
	event_assign(&c->event, loop_base(l), sock, EV_READ | EV_PERSIST, on_event, c);
	enqueue(c, QUEUE_IDLE);
	set_mask(c, EV_READ); /* if that fails, closed() is called in the next turn */
	return c;
}

const struct peer *connection_peer(const struct connection *c)
{
	return &c->peer;
}

int connection_sock(const struct connection *c)
{
	return event_get_fd(&c->event);
}

void *connection_data(const struct connection *c)
{
	return c->data;
}

bool connection_busy(const struct connection *c)
{
	return c->out != NULL;
}

bool connection_in_call(const struct connection *c)
{
	return c->in_call;
}

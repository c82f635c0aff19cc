/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/control.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/log.h"
#include "daemon/common/packet.h"

enum {
	QUEUE_MAX = 64,
	PACKETS_A_TURN = 32,
};

struct waiting {
	TAILQ_ENTRY(waiting) link;
	enum control_type type;
	struct buf packet;
};

TAILQ_HEAD(waiting_list, waiting);

struct control {
	int fd;
	const struct control_handlers *handlers;
	struct event *readable, *writable;
	struct waiting_list queue;
	size_t queued, dropped;
	bool busy, closed; /* closed from within a handler: freed when it returns */
};

static void waiting_free(struct waiting *w)
{
	if (!w)
		return;
	buf_fini(&w->packet);
	free(w);
}

static void control_free(struct control *c)
{
	while (!TAILQ_EMPTY(&c->queue)) {
		struct waiting *w = TAILQ_FIRST(&c->queue);

		TAILQ_REMOVE(&c->queue, w, link);
		waiting_free(w);
	}
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	cleanup_close(&c->fd);
	free(c);
}

/* --- sending --- */

static void remove_waiting(struct control *c, struct waiting *w)
{
	TAILQ_REMOVE(&c->queue, w, link);
	c->queued--;
	waiting_free(w);
}

static void drop(struct control *c, const struct control_message *m)
{
	c->dropped++;
	log_event(LOG_LEVEL_WARNING, "control.dropped", F_STR("type", control_type_name(m->type)),
		  F_INT("total", (int64_t)c->dropped));
}

/* A newer Ready replaces an older one that has not left; the others keep their order and are bounded. */
static void enqueue(struct control *c, const struct control_message *m, struct buf *take_packet)
{
	struct waiting *w, *next;

	for (w = TAILQ_FIRST(&c->queue); w && m->type == CONTROL_READY; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->type == CONTROL_READY)
			remove_waiting(c, w);
	}
	w = c->queued < QUEUE_MAX + (m->type == CONTROL_READY) ? calloc(1, sizeof *w) : NULL;
	if (!w) {
		drop(c, m);
		buf_fini(take_packet);
		return;
	}
	w->type = m->type;
	w->packet = *take_packet;
	TAILQ_INSERT_TAIL(&c->queue, w, link);
	c->queued++;
	event_add(c->writable, NULL);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)what;
	while (!TAILQ_EMPTY(&c->queue)) {
		struct waiting *w = TAILQ_FIRST(&c->queue);

		if (packet_send(fd, w->packet.data, w->packet.len, -1, NULL) == 0) {
			event_add(c->writable, NULL);
			return;
		}
		/* Sent, or the parent is gone: reading finds that out. */
		remove_waiting(c, w);
	}
}

void control_send(struct control *c, const struct control_message *m)
{
	struct buf packet;

	buf_init(&packet, PACKET_MAX);
	control_encode(m, &packet);
	if (buf_failed(&packet)) {
		drop(c, m);
		buf_fini(&packet);
		return;
	}
	if (TAILQ_EMPTY(&c->queue) && packet_send(c->fd, packet.data, packet.len, -1, NULL) != 0)
		buf_fini(&packet);
	else
		enqueue(c, m, &packet);
}

/* --- receiving --- */

static void take_message(struct control *c, char *packet, size_t len, int take_fd_received)
{
	struct control_message m, pong = { .type = CONTROL_PONG };
	struct err err;

	if (control_decode(packet, len, &m, &err) < 0) {
		log_event(LOG_LEVEL_ERR, "control.malformed", F_STR("why", err.text));
		cleanup_close(&take_fd_received);
		return;
	}
	if (m.type == CONTROL_PING) {
		control_send(c, &pong);
		cleanup_close(&take_fd_received);
		return;
	}
	c->handlers->message(&m, take_fd_received, c->handlers->arg);
}

/* False when there is nothing more to read now. */
static bool receive(struct control *c)
{
	static char packet[PACKET_MAX + 1];
	struct err err;
	int fd, n;

	n = packet_recv(c->fd, packet, sizeof packet, &fd, &err);
	if (n > 0) {
		take_message(c, packet, (size_t)n, fd);
		return true;
	}
	if (n == -ERR_RETRY)
		return false;
	if (n == -ERR_PROTOCOL) {
		log_event(LOG_LEVEL_ERR, "control.malformed", F_STR("why", err.text));
		return true;
	}
	event_del(c->readable);
	event_del(c->writable);
	c->handlers->parent_gone(c->handlers->arg);
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd;
	(void)what;
	c->busy = true;
	for (int i = 0; i < PACKETS_A_TURN && !c->closed && receive(c); i++)
		;
	c->busy = false;
	if (c->closed)
		control_free(c);
}

struct control *control_open(struct loop *l, int fd, const struct control_handlers *handlers,
			     struct err *err)
{
	struct control *c = calloc(1, sizeof *c);

	if (!c) {
		close(fd);
		err_oom(err);
		return NULL;
	}
	*c = (struct control){ .fd = fd, .handlers = handlers };
	TAILQ_INIT(&c->queue);
	c->readable = event_new(loop_base(l), fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(loop_base(l), fd, EV_WRITE, on_writable, c);
	if (!c->readable || !c->writable || event_add(c->readable, NULL) < 0) {
		control_free(c);
		err_set(err, ERR_INTERNAL, "cannot listen to the parent");
		return NULL;
	}
	return c;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	if (c->busy)
		c->closed = true;
	else
		control_free(c);
}

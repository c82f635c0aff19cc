/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/link.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "daemon/common/packet.h"

enum { PACKETS_A_TURN = 64 };

struct link_end {
	int fd;
	char *build;
	const struct link_handlers *handlers;
	struct event *readable, *writable;
	struct timer *broken; /* says closed() outside of link_send() */
	struct loop *loop;
	bool greeted;     /* the other end's Hello has come */
	bool other_build; /* and it was of another build */
	bool done;        /* closed() was called or is about to be */
	unsigned busy;    /* depth of handlers */
	bool closed;      /* by its owner, from within a handler */
};

static void link_free(struct link_end *e)
{
	if (e->readable)
		event_free(e->readable);
	if (e->writable)
		event_free(e->writable);
	timer_free(e->broken);
	cleanup_close(&e->fd);
	free(e->build);
	free(e);
}

static void enter(struct link_end *e)
{
	e->busy++;
}

static void leave(struct link_end *e)
{
	if (--e->busy == 0 && e->closed)
		link_free(e);
}

/* The link is over: nothing is read or written any more, and the owner hears of it in the next turn. */
static void link_break(struct link_end *e)
{
	if (e->done)
		return;
	e->done = true;
	event_del(e->readable);
	event_del(e->writable);
	timer_set(e->broken, loop_now_ms(e->loop));
}

static void on_broken(void *arg)
{
	struct link_end *e = arg;

	enter(e);
	e->handlers->closed(e->handlers->arg);
	leave(e);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link_end *e = arg;

	(void)fd;
	(void)what;
	enter(e);
	e->handlers->writable(e->handlers->arg);
	leave(e);
}

/* --- receiving --- */

static void greet(struct link_end *e, const struct link_message *m)
{
	if (m->type != LINK_HELLO || strcmp(m->hello.build, e->build) != 0) {
		log_event(LOG_LEVEL_ERR, "link.build", F_STR("ours", e->build),
			  F_STR("theirs", m->type == LINK_HELLO ? m->hello.build : NULL));
		e->other_build = m->type == LINK_HELLO;
		link_break(e);
		return;
	}
	e->greeted = true;
}

static void take_message(struct link_end *e, char *packet, size_t len)
{
	struct link_message m;
	struct err err;

	if (link_decode(packet, len, &m, &err) < 0) {
		log_event(LOG_LEVEL_ERR, "link.malformed", F_STR("why", err.text));
		link_break(e);
	} else if (!e->greeted) {
		greet(e, &m);
	} else if (m.type != LINK_HELLO) {
		e->handlers->message(&m, e->handlers->arg);
	}
	explicit_bzero(packet, len); /* it may have held a token */
}

static bool receive(struct link_end *e)
{
	static char packet[PACKET_MAX + 1];
	struct err err;
	int fd, n;

	n = packet_recv(e->fd, packet, sizeof packet, &fd, &err);
	cleanup_close(&fd); /* no message of the link has one */
	if (n > 0) {
		take_message(e, packet, (size_t)n);
		return true;
	}
	if (n != -ERR_RETRY)
		link_break(e);
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link_end *e = arg;

	(void)fd;
	(void)what;
	enter(e);
	for (int i = 0; i < PACKETS_A_TURN && !e->closed && !e->done && receive(e); i++)
		;
	leave(e);
}

bool link_other_build(const struct link_end *e)
{
	return e->other_build;
}

/* --- sending --- */

int link_send(struct link_end *e, const struct link_message *m)
{
	struct buf packet;
	int rc;

	if (e->done || e->closed)
		return -ERR_INTERNAL;
	buf_init(&packet, PACKET_MAX);
	link_encode(m, &packet);
	if (buf_failed(&packet)) {
		/* Trying again would not help, and the next state replaces this one: it counts as sent. */
		log_event(LOG_LEVEL_ERR, "link.dropped", F_STR("type", link_type_name(m->type)));
		buf_fini(&packet);
		return 1;
	}
	rc = packet_send(e->fd, packet.data, packet.len, -1, NULL);
	buf_fini(&packet);
	if (rc == 0)
		event_add(e->writable, NULL);
	if (rc < 0)
		link_break(e);
	return rc;
}

struct link_end *link_open(struct loop *l, int fd, const char *build,
			   const struct link_handlers *handlers, struct err *err)
{
	struct link_end *e = calloc(1, sizeof *e);
	struct link_message hello = { .type = LINK_HELLO, .hello = { .build = build } };

	if (!e) {
		close(fd);
		err_oom(err);
		return NULL;
	}
	*e = (struct link_end){ .fd = fd, .loop = l, .handlers = handlers, .build = strdup(build) };
	e->broken = timer_new(l, on_broken, e);
	e->readable = event_new(loop_base(l), fd, EV_READ | EV_PERSIST, on_readable, e);
	e->writable = event_new(loop_base(l), fd, EV_WRITE, on_writable, e);
	if (!e->build || !e->broken || !e->readable || !e->writable ||
	    event_add(e->readable, NULL) < 0) {
		link_free(e);
		err_set(err, ERR_INTERNAL, "cannot set up the link between mint and front");
		return NULL;
	}
	/* On a fresh pair there is room; a dead other end is told by closed(). */
	link_send(e, &hello);
	return e;
}

void link_close(struct link_end *e)
{
	if (!e)
		return;
	if (e->busy == 0) {
		link_free(e);
		return;
	}
	e->closed = true;
	e->done = true;
	event_del(e->readable);
	event_del(e->writable);
	timer_clear(e->broken);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct listener {
	struct loop *loop;
	int fd;
	char *name, *path;
	struct event *event;
	struct timer *resume;
	const struct listener_handlers *handlers;
	bool enabled, paused;
	bool accepting, closed; /* closed from within accepted(): freed when accepting ends */
};

static void on_resume(void *arg)
{
	struct listener *l = arg;

	l->paused = false;
	if (l->enabled)
		event_add(l->event, NULL);
}

static void listener_pause(struct listener *l, int errnum)
{
	l->paused = true;
	event_del(l->event);
	timer_set(l->resume, loop_now_ms(l->loop) + l->handlers->pause_ms);
	if (l->handlers->paused)
		l->handlers->paused(l, errnum, l->handlers->arg);
}

static void take_one(struct listener *l, int take_sock)
{
	struct peer peer;

	if (peer_read(take_sock, &peer, NULL) < 0) {
		peer_fini(&peer);
		close(take_sock);
		return;
	}
	l->handlers->accepted(l, take_sock, &peer, l->handlers->arg);
}

/*
 * One a turn: the socket stays readable while more wait, a flood of connections keeps nobody from
 * being served, and the usual single one costs no second call that finds nothing.
 */
static void accept_one(struct listener *l)
{
	/* cppcheck-suppress nullPointer ; nobody wants the address */
	int sock = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (sock >= 0)
		take_one(l, sock);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		listener_pause(l, errno);
}

static void listener_free(struct listener *l)
{
	if (l->event)
		event_free(l->event);
	timer_free(l->resume);
	cleanup_close(&l->fd);
	free(l->name);
	free(l->path);
	free(l);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	l->accepting = true;
	accept_one(l);
	l->accepting = false;
	if (l->closed)
		listener_free(l);
}

struct listener *listener_open(struct loop *loop, int fd, const char *name, const char *path,
			       const struct listener_handlers *handlers, struct err *err)
{
	struct listener *l = calloc(1, sizeof *l);
	int on = 1;

	if (!l) {
		close(fd);
		err_oom(err);
		return NULL;
	}
	*l = (struct listener){ .loop = loop, .fd = fd, .handlers = handlers };
	l->name = strdup(name);
	l->path = strdup(path);
	l->resume = timer_new(loop, on_resume, l);
	l->event = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, on_readable, l);
	if (!l->name || !l->path || !l->resume || !l->event) {
		listener_free(l);
		err_oom(err);
		return NULL;
	}
	/* Accepted sockets inherit it (unix(7)): every message then comes with the uid of who sent it. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
		err_errno(err, ERR_INTERNAL, errno, "cannot ask for credentials on the socket %s",
			  path);
		listener_free(l);
		return NULL;
	}
	/* Whoever made it may have left it blocking (systemd does); accepting would then stop everything. */
	if (evutil_make_socket_nonblocking(fd) < 0) {
		err_errno(err, ERR_INTERNAL, errno, "cannot make the socket %s non-blocking", path);
		listener_free(l);
		return NULL;
	}
	return l;
}

void listener_close(struct listener *l)
{
	if (!l)
		return;
	listener_enable(l, false);
	if (l->accepting)
		l->closed = true;
	else
		listener_free(l);
}

void listener_enable(struct listener *l, bool enabled)
{
	if (l->enabled == enabled)
		return;
	l->enabled = enabled;
	if (!enabled)
		event_del(l->event);
	else if (!l->paused)
		event_add(l->event, NULL);
}

const char *listener_name(const struct listener *l)
{
	return l->name;
}

const char *listener_path(const struct listener *l)
{
	return l->path;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/scenario/fake.h"

enum { LISTENERS_MAX = 8 };

struct listener {
	char *name, *path;
	const struct listener_handlers *handlers;
	bool enabled;
};

struct connection {
	struct fake_caller *caller;
	const struct connection_handlers *handlers;
	void *arg, *data;
	struct peer peer;
	struct buf out;
	char *message; /* of the running call: texts of the callee point into it */
	bool in_call;
};

static struct listener *listeners[LISTENERS_MAX];
static struct connection *accepted_now;

/* --- listeners --- */

struct listener *listener_open(struct loop *loop, int fd, const char *name, const char *path,
			       const struct listener_handlers *handlers, struct err *err)
{
	(void)loop;
	(void)fd;
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		struct listener *l = listeners[i] ? NULL : calloc(1, sizeof *l);

		if (!l)
			continue;
		l->name = strdup(name);
		l->path = strdup(path);
		l->handlers = handlers;
		listeners[i] = l;
		return l;
	}
	err_set(err, ERR_INTERNAL, "too many listeners");
	return NULL;
}

void listener_close(struct listener *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < LISTENERS_MAX; i++)
		if (listeners[i] == l)
			listeners[i] = NULL;
	free(l->name);
	free(l->path);
	free(l);
}

void listener_enable(struct listener *l, bool enabled)
{
	l->enabled = enabled;
}

const char *listener_name(const struct listener *l)
{
	return l->name;
}

const char *listener_path(const struct listener *l)
{
	return l->path;
}

/* --- the daemon's end --- */

struct connection *connection_open(struct loop *l, int sock, struct peer *peer,
				   const struct connection_limits *limits,
				   const struct connection_handlers *handlers, void *arg,
				   void *data, struct err *err)
{
	struct connection *c = calloc(1, sizeof *c);

	(void)l;
	(void)sock;
	(void)limits;
	if (!c) {
		err_oom(err);
		return NULL;
	}
	c->handlers = handlers;
	c->arg = arg;
	c->data = data;
	c->peer = *peer;
	buf_init(&c->out, VARLINK_MESSAGE_MAX);
	accepted_now = c;
	return c;
}

void connection_close(struct connection *c)
{
	if (c->caller)
		c->caller->connection = NULL;
	c->handlers->closed(c, c->arg);
	buf_fini(&c->out);
	peer_fini(&c->peer);
	free(c->message);
	free(c);
}

const struct peer *connection_peer(const struct connection *c)
{
	return &c->peer;
}

int connection_sock(const struct connection *c)
{
	(void)c;
	return -1;
}

void *connection_data(const struct connection *c)
{
	return c->data;
}

struct buf *connection_out(struct connection *c)
{
	return &c->out;
}

static void keep_reply(struct connection *c, const char *bytes, size_t size, bool more)
{
	struct fake_caller *caller = c->caller;

	if (caller->n_replies == sizeof caller->replies / sizeof caller->replies[0])
		abort();
	caller->replies[caller->n_replies++] = strndup(bytes, size);
	caller->final = !more;
	c->in_call = more;
}

void connection_reply(struct connection *c, bool more)
{
	keep_reply(c, c->out.data, c->out.len, more);
	buf_clear(&c->out);
}

void connection_send_ready(struct connection *c, const char *bytes, size_t size, bool more)
{
	keep_reply(c, bytes, size, more);
}

bool connection_busy(const struct connection *c)
{
	(void)c;
	return false;
}

bool connection_in_call(const struct connection *c)
{
	return c->in_call;
}

/* --- the caller's end --- */

bool fake_connect(struct fake_caller *c, const char *listener, uid_t uid)
{
	struct peer peer = { .uid = uid, .gid = (gid_t)uid, .pid = 4711 };

	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		struct listener *l = listeners[i];

		if (!l || !l->enabled || strcmp(l->name, listener) != 0)
			continue;
		accepted_now = NULL;
		l->handlers->accepted(l, -1, &peer, l->handlers->arg);
		c->connection = accepted_now;
		if (c->connection)
			c->connection->caller = c;
		return c->connection != NULL;
	}
	return false;
}

void fake_call(struct fake_caller *c, const char *method, const char *parameters, bool more)
{
	struct connection *connection = c->connection;
	struct varlink_call call;
	struct err err;
	struct buf b;
	size_t size;

	buf_init(&b, VARLINK_MESSAGE_MAX);
	varlink_add_call(&b, method, parameters, strlen(parameters), more, false);
	size = strlen(b.data);
	c->final = false;
	connection->in_call = true;
	if (connection->handlers->raw_call &&
	    connection->handlers->raw_call(connection, b.data, size, connection->arg)) {
		buf_fini(&b);
		return;
	}
	free(connection->message);
	connection->message = strdup(b.data);
	buf_fini(&b);
	if (varlink_parse_call(connection->message, size, &call, &err) < 0)
		abort();
	connection->handlers->call(connection, &call, connection->arg);
}

void fake_hang_up(struct fake_caller *c)
{
	if (c->connection)
		connection_close(c->connection);
}

void fake_caller_fini(struct fake_caller *c)
{
	fake_hang_up(c);
	for (size_t i = 0; i < c->n_replies; i++)
		free(c->replies[i]);
	memset(c, 0, sizeof *c);
}

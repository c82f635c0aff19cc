/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_broker.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS = 128 };

struct serving {
	pthread_t thread;
	struct pollfd fds[CONNECTIONS + 2];
	size_t n;
	char in[CONNECTIONS + 2][4096];
	size_t len[CONNECTIONS + 2];
	size_t answered[CONNECTIONS + 2];
};

static void send_all(int fd, const char *bytes, size_t size, size_t piece)
{
	for (size_t i = 0; i < size;) {
		ssize_t n = send(fd, bytes + i, size - i < piece ? size - i : piece, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		i += (size_t)n;
	}
}

static void send_without_end(int fd)
{
	char bytes[1024];

	memset(bytes, ' ', sizeof bytes);
	for (int i = 0; i < 128; i++)
		send_all(fd, bytes, sizeof bytes, sizeof bytes);
}

/* A reply that continues is followed by the next one at once. */
static void answer(struct fake_broker *b, struct serving *s, size_t i)
{
	const char *reply;

	do {
		reply = b->replies[s->answered[i]];
		if (b->replies[s->answered[i] + 1])
			s->answered[i]++;
		send_all(s->fds[i].fd, reply, strlen(reply) + 1,
			 b->behaviour == BYTE_BY_BYTE ? 1 : 65536);
	} while (strstr(reply, "\"continues\":true"));
}

/* False: the connection is to be closed. */
static bool on_call(struct fake_broker *b, struct serving *s, size_t i)
{
	b->calls++;
	(void)snprintf(b->last_call, sizeof b->last_call, "%s", s->in[i]);
	switch (b->behaviour) {
	case DROP_FIRST:
		if (b->connections <= b->drops)
			return false;
		answer(b, s, i);
		return true;
	case SILENT:
		return true;
	case NO_END:
		send_without_end(s->fds[i].fd);
		return true;
	default:
		if (!strstr(s->in[i], "\"oneway\":true"))
			answer(b, s, i);
		return true;
	}
}

static bool on_bytes(struct fake_broker *b, struct serving *s, size_t i)
{
	ssize_t n = recv(s->fds[i].fd, s->in[i] + s->len[i], sizeof s->in[i] - s->len[i] - 1, 0);
	char *end;

	if (n <= 0)
		return false;
	s->len[i] += (size_t)n;
	while ((end = memchr(s->in[i], '\0', s->len[i]))) {
		size_t used = (size_t)(end - s->in[i]) + 1;

		if (!on_call(b, s, i))
			return false;
		memmove(s->in[i], s->in[i] + used, s->len[i] - used);
		s->len[i] -= used;
	}
	return true;
}

static void on_connection(struct fake_broker *b, struct serving *s)
{
	int fd = accept(b->listener, NULL, NULL);
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (fd < 0 || s->n == CONNECTIONS + 2)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		b->last_uid = peer.uid;
	b->connections++;
	s->fds[s->n] = (struct pollfd){ fd, POLLIN, 0 };
	s->len[s->n] = s->answered[s->n] = 0;
	s->n++;
}

static void drop(struct serving *s, size_t i)
{
	close(s->fds[i].fd);
	s->n--;
	s->fds[i] = s->fds[s->n];
	memcpy(s->in[i], s->in[s->n], s->len[s->n]);
	s->len[i] = s->len[s->n];
	s->answered[i] = s->answered[s->n];
}

static void *serve(void *arg)
{
	struct fake_broker *b = arg;
	struct serving *s = b->state;

	while (poll(s->fds, s->n, -1) > 0 && !s->fds[1].revents) {
		for (size_t i = s->n - 1; i >= 2; i--)
			if (s->fds[i].revents && !on_bytes(b, s, i))
				drop(s, i);
		if (s->fds[0].revents)
			on_connection(b, s);
	}
	for (size_t i = 2; i < s->n; i++)
		close(s->fds[i].fd);
	return NULL;
}

static bool listen_at(struct fake_broker *b)
{
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} address = { .un = { .sun_family = AF_UNIX } };

	(void)snprintf(b->dir, sizeof b->dir, "/tmp/fake-broker.XXXXXX");
	if (!mkdtemp(b->dir) || chmod(b->dir, 0755) < 0)
		return false;
	(void)snprintf(b->path, sizeof b->path, "%s/io.sftoken.Broker", b->dir);
	(void)snprintf(address.un.sun_path, sizeof address.un.sun_path, "%s", b->path);
	b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return b->listener >= 0 && bind(b->listener, &address.any, sizeof address.un) == 0 &&
	       chmod(b->path, 0777) == 0 && listen(b->listener, 128) == 0;
}

bool fake_broker_start(struct fake_broker *b)
{
	struct serving *s = calloc(1, sizeof *s);

	b->state = s;
	if (!s || !listen_at(b) || pipe(b->stop) < 0)
		return false;
	s->fds[0] = (struct pollfd){ b->listener, POLLIN, 0 };
	s->fds[1] = (struct pollfd){ b->stop[0], POLLIN, 0 };
	s->n = 2;
	return pthread_create(&s->thread, NULL, serve, b) == 0;
}

void fake_broker_stop(struct fake_broker *b)
{
	struct serving *s = b->state;

	if (write(b->stop[1], "x", 1) == 1)
		pthread_join(s->thread, NULL);
	close(b->listener);
	close(b->stop[0]);
	close(b->stop[1]);
	unlink(b->path);
	rmdir(b->dir);
	free(s);
}

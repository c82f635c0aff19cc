/* SPDX-License-Identifier: Apache-2.0 */
/* The listener: a few connections, one request each, all non-blocking. */
#include "client/cli/redirect.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/cli/redirect_parts.h"

enum {
	INPUT_MAX = REDIRECT_HEAD_MAX + REDIRECT_BODY_MAX,
	LISTENERS = 2,
	BACKLOG = 64,
	ACCEPTS = 32,    /* in one turn: the others get theirs, too */
	PORT_TRIES = 16, /* for one port that is free on both addresses */
	SECOND_MS = 1000,
};

enum stage {
	FREE,
	READING,
	READY, /* its redirect waits for redirect_next() */
	ASKED, /* ... and for redirect_answer() */
	WRITING,
	DRAINING, /* written: until the other side closes, so that no reset cuts our answer off */
};

struct connection {
	enum stage stage;
	int fd;
	uint64_t number; /* in the order of their coming */
	int64_t until_ms;
	char *in; /* INPUT_MAX bytes */
	size_t in_len;
	char *url;
	char *out;
	size_t out_len, sent;
};

struct redirect {
	int listeners[LISTENERS]; /* -1: none */
	char *uri, *state;
	struct request_rules rules;
	struct connection connections[REDIRECT_CONNECTIONS];
	uint64_t numbers;
	int64_t second_ms; /* when the running second of misses began */
	unsigned misses;
};

/* --- binding --- */

/*
 * SO_REUSEADDR lets us follow a login that has just ended (TIME_WAIT). On Linux it shares the port with nobody who listens, and nobody can listen on it after us; SO_REUSEPORT would do both
 * (tests/unit/test_redirect.c).
 */
static int listen_on(int family, unsigned port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { .any.sa_family = (sa_family_t)family };
	socklen_t size = family == AF_INET ? sizeof address.v4 : sizeof address.v6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, code;

	if (fd < 0)
		return -errno;
	if (family == AF_INET) {
		address.v4.sin_port = htons((uint16_t)port);
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else {
		address.v6.sin6_port = htons((uint16_t)port);
		address.v6.sin6_addr = in6addr_loopback;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    bind(fd, &address.any, size) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	code = errno;
	close(fd);
	return -code;
}

static unsigned port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof address;

	if (getsockname(fd, &address.any, &size) < 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

static void stop_listening(struct redirect *r)
{
	for (size_t i = 0; i < LISTENERS; i++) {
		if (r->listeners[i] >= 0)
			close(r->listeners[i]);
		r->listeners[i] = -1;
	}
}

/* One address may not exist here; but if somebody else has the port on one of the two, a browser may go to him. */
static int listen_both(struct redirect *r, const struct redirect_uri *uri, unsigned *port)
{
	int v4 = -EADDRNOTAVAIL, v6 = -EADDRNOTAVAIL;

	*port = uri->port;
	if (uri->v4)
		v4 = listen_on(AF_INET, *port);
	if (v4 >= 0)
		*port = port_of(v4);
	if (uri->v6 && v4 != -EADDRINUSE)
		v6 = listen_on(AF_INET6, *port);
	if (v6 >= 0)
		*port = port_of(v6);
	r->listeners[0] = v4 < 0 ? -1 : v4;
	r->listeners[1] = v6 < 0 ? -1 : v6;
	if (v4 == -EADDRINUSE || v6 == -EADDRINUSE) {
		stop_listening(r);
		return -EADDRINUSE;
	}
	if (v4 >= 0 || v6 >= 0)
		return 0;
	return uri->v4 ? v4 : v6;
}

static int listen_for(struct redirect *r, const struct redirect_uri *uri)
{
	unsigned port = 0;
	int code = -EADDRINUSE;

	for (int i = 0; code == -EADDRINUSE && i < (uri->port ? 1 : PORT_TRIES); i++)
		code = listen_both(r, uri, &port);
	if (code)
		return code;
	r->uri = uri->port ? strdup(uri->text) : redirect_uri_with_port(uri, port);
	return r->uri ? redirect_uri_parse(r->uri, &r->rules.uri) : -ENOMEM;
}

static int make_nonce(char nonce[NONCE_SIZE])
{
	unsigned char bytes[(NONCE_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return -errno;
	for (size_t i = 0; i < sizeof bytes; i++)
		(void)snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int redirect_open(struct redirect **out, const struct redirect_options *options)
{
	struct redirect_uri uri;
	struct redirect *r;
	int code = redirect_uri_parse(options->uri, &uri);

	*out = NULL;
	if (code || (!uri.v4 && !uri.v6))
		return -EINVAL;
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->listeners[0] = r->listeners[1] = -1;
	r->rules.relay = options->relay;
	code = make_nonce(r->rules.nonce);
	if (!code)
		code = listen_for(r, &uri);
	if (code)
		redirect_free(r);
	else
		*out = r;
	return code;
}

const char *redirect_uri_of(const struct redirect *r)
{
	return r->uri;
}

int redirect_expect(struct redirect *r, const char *state)
{
	free(r->state);
	r->state = strdup(state);
	return r->state ? 0 : -ENOMEM;
}

/* --- connections --- */

static void erase(char **text, size_t len)
{
	if (*text)
		explicit_bzero(*text, len);
	free(*text);
	*text = NULL;
}

static void erase_input(struct connection *c)
{
	erase(&c->in, INPUT_MAX);
	c->in_len = 0;
	erase(&c->url, c->url ? strlen(c->url) : 0);
}

static void drop(struct connection *c)
{
	if (c->stage != FREE)
		close(c->fd);
	erase_input(c);
	erase(&c->out, c->out_len);
	*c = (struct connection){ .stage = FREE, .fd = -1 };
}

void redirect_free(struct redirect *r)
{
	if (!r)
		return;
	stop_listening(r);
	for (size_t i = 0; i < REDIRECT_CONNECTIONS; i++)
		drop(&r->connections[i]);
	free(r->uri);
	free(r->state);
	explicit_bzero(&r->rules, sizeof r->rules);
	free(r);
}

/* Whether misses get no answers any more in this second. */
static bool too_many(struct redirect *r, int64_t now_ms)
{
	if (now_ms - r->second_ms >= SECOND_MS) {
		r->second_ms = now_ms;
		r->misses = 0;
	}
	return r->misses >= REDIRECT_MISSES;
}

static void on_writable(struct connection *c, int64_t now_ms)
{
	while (c->sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->sent, c->out_len - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			drop(c);
			return;
		}
		c->sent += (size_t)n;
	}
	(void)shutdown(c->fd, SHUT_WR);
	c->stage = DRAINING;
	c->until_ms = now_ms + REDIRECT_LINGER_MS;
}

/* Takes text. */
static void start_answer(struct connection *c, char *text, size_t len, int64_t now_ms)
{
	erase_input(c);
	if (!text) {
		drop(c);
		return;
	}
	c->out = text;
	c->out_len = len;
	c->stage = WRITING;
	c->until_ms = now_ms + REDIRECT_REQUEST_MS;
	on_writable(c, now_ms);
}

static void refuse(struct redirect *r, struct connection *c, const struct request *request,
		   int64_t now_ms)
{
	size_t len;
	char *text;

	if (request->miss && too_many(r, now_ms)) {
		drop(c);
		return;
	}
	r->misses += request->miss;
	text = page_refusal(request->status, &len);
	start_answer(c, text, len, now_ms);
}

/* Beyond the limit only who knows the state is heard: nobody can keep the person who logs in out by asking much. */
static void take_redirect(struct redirect *r, struct connection *c, const struct request *request,
			  int64_t now_ms)
{
	size_t len;
	const char *state = state_in(request->part, request->part_len, &len);

	if (too_many(r, now_ms) && !(r->state && same_secret(state, len, r->state))) {
		drop(c);
		return;
	}
	c->url = request_url(&r->rules, request);
	erase(&c->in, INPUT_MAX);
	c->stage = READY;
	if (!c->url)
		drop(c);
}

static void look_at(struct redirect *r, struct connection *c, int64_t now_ms)
{
	struct request request;
	size_t len;
	char *text;

	request_judge(&r->rules, c->in, c->in_len, &request);
	switch (request.kind) {
	case REQUEST_MORE:
		return;
	case REQUEST_REDIRECT:
		take_redirect(r, c, &request, now_ms);
		return;
	case REQUEST_RELAY:
		text = page_relay(r->rules.nonce, &len);
		start_answer(c, text, len, now_ms);
		return;
	default:
		refuse(r, c, &request, now_ms);
	}
}

static void on_readable(struct redirect *r, struct connection *c, int64_t now_ms)
{
	while (c->stage == READING) {
		ssize_t n = recv(c->fd, c->in + c->in_len, INPUT_MAX - c->in_len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			drop(c);
			return;
		}
		c->in_len += (size_t)n;
		look_at(r, c, now_ms);
	}
}

/* What comes behind a request that was answered is read and forgotten. */
static void on_drain(struct connection *c)
{
	char nothing[4096];
	ssize_t n = recv(c->fd, nothing, sizeof nothing, 0);

	explicit_bzero(nothing, sizeof nothing);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(c);
}

static bool may_go(const struct connection *c)
{
	return c->stage == READING || c->stage == WRITING || c->stage == DRAINING;
}

/* A free place, else that of the one who has kept us waiting longest; NULL: all wait for us. */
static struct connection *place(struct redirect *r)
{
	struct connection *oldest = NULL;

	for (size_t i = 0; i < REDIRECT_CONNECTIONS; i++) {
		struct connection *c = &r->connections[i];

		if (c->stage == FREE)
			return c;
		if (may_go(c) && (!oldest || c->number < oldest->number))
			oldest = c;
	}
	if (oldest)
		drop(oldest);
	return oldest;
}

static bool has_place(const struct redirect *r)
{
	for (size_t i = 0; i < REDIRECT_CONNECTIONS; i++)
		if (r->connections[i].stage == FREE || may_go(&r->connections[i]))
			return true;
	return false;
}

/* Reads at once: who has sent a whole request is not in the way of others. */
static void on_connection(struct redirect *r, int listener, int64_t now_ms)
{
	for (int i = 0; i < ACCEPTS && has_place(r); i++) {
		/* cppcheck-suppress nullPointer ; nobody asks for the address */
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct connection *c;

		if (fd < 0)
			return;
		c = place(r);
		if (!c) {
			close(fd);
			return;
		}
		*c = (struct connection){ .stage = READING,
					  .fd = fd,
					  .number = r->numbers++,
					  .until_ms = now_ms + REDIRECT_REQUEST_MS,
					  .in = malloc(INPUT_MAX) };
		if (c->in)
			on_readable(r, c, now_ms);
		else
			drop(c);
	}
}

/* --- the caller's loop --- */

size_t redirect_poll(const struct redirect *r, struct pollfd *fds)
{
	size_t n = 0;

	for (size_t i = 0; i < REDIRECT_CONNECTIONS; i++) {
		const struct connection *c = &r->connections[i];

		if (may_go(c))
			fds[n++] = (struct pollfd){ c->fd, c->stage == WRITING ? POLLOUT : POLLIN,
						    0 };
	}
	for (size_t i = 0; i < LISTENERS && has_place(r); i++)
		if (r->listeners[i] >= 0)
			fds[n++] = (struct pollfd){ r->listeners[i], POLLIN, 0 };
	return n;
}

int redirect_timeout_ms(const struct redirect *r, int64_t now_ms)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < REDIRECT_CONNECTIONS; i++)
		if (may_go(&r->connections[i]) && r->connections[i].until_ms < first)
			first = r->connections[i].until_ms;
	if (first == INT64_MAX)
		return -1;
	return first <= now_ms ? 0 : first - now_ms > INT_MAX ? INT_MAX : (int)(first - now_ms);
}

static bool is_ready(const struct pollfd *fds, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i].fd == fd)
			return fds[i].revents != 0;
	return false;
}

void redirect_run(struct redirect *r, const struct pollfd *fds, size_t n, int64_t now_ms)
{
	for (size_t i = 0; i < REDIRECT_CONNECTIONS; i++) {
		struct connection *c = &r->connections[i];

		if (may_go(c) && is_ready(fds, n, c->fd)) {
			if (c->stage == READING)
				on_readable(r, c, now_ms);
			else if (c->stage == WRITING)
				on_writable(c, now_ms);
			else
				on_drain(c);
		}
		if (may_go(c) && now_ms >= c->until_ms)
			drop(c);
	}
	for (size_t i = 0; i < LISTENERS; i++)
		if (r->listeners[i] >= 0 && is_ready(fds, n, r->listeners[i]))
			on_connection(r, r->listeners[i], now_ms);
}

int redirect_next(struct redirect *r, const char **url)
{
	int found = -1;

	for (int i = 0; i < REDIRECT_CONNECTIONS; i++)
		if (r->connections[i].stage == READY &&
		    (found < 0 || r->connections[i].number < r->connections[found].number))
			found = i;
	if (found < 0)
		return -1;
	r->connections[found].stage = ASKED;
	*url = r->connections[found].url;
	return found;
}

void redirect_answer(struct redirect *r, int id, enum redirect_page page, int64_t now_ms)
{
	struct connection *c = &r->connections[id];
	size_t len;
	char *text;

	if (page == REDIRECT_MISMATCH && too_many(r, now_ms)) {
		drop(c);
		return;
	}
	r->misses += page == REDIRECT_MISMATCH;
	text = page_answer(page, &len);
	start_answer(c, text, len, now_ms);
}

void redirect_end(struct redirect *r, enum redirect_page page, int64_t now_ms)
{
	stop_listening(r);
	for (int i = 0; i < REDIRECT_CONNECTIONS; i++) {
		enum stage stage = r->connections[i].stage;

		if (stage == ASKED || stage == READY)
			redirect_answer(r, i, stage == ASKED ? page : REDIRECT_USED, now_ms);
		else if (stage == READING)
			drop(&r->connections[i]);
	}
}

bool redirect_idle(const struct redirect *r)
{
	for (size_t i = 0; i < REDIRECT_CONNECTIONS; i++)
		if (may_go(&r->connections[i]))
			return false;
	return true;
}

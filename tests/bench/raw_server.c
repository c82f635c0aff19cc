/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: a single-threaded epoll server on AF_UNIX that answers whatever comes with a 1 KiB message, without looking at it.
 *
 *	raw_server PATH
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REPLY_SIZE = 1024, EVENTS = 64 };

static char reply[REPLY_SIZE];

static int listen_at(const char *path)
{
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} address = { .un = { .sun_family = AF_UNIX } };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof address.un.sun_path)
		errx(1, "the path is too long");
	memcpy(address.un.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd < 0 || bind(fd, &address.any, sizeof address.un) < 0 || listen(fd, 4096) < 0)
		err(1, "%s", path);
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void serve(int fd)
{
	char request[4096];
	ssize_t n = recv(fd, request, sizeof request, 0);

	if (n <= 0 || send(fd, reply, sizeof reply, MSG_NOSIGNAL) < 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listener, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (argc != 2)
		errx(64, "usage: raw_server PATH");
	memset(reply, 'x', sizeof reply - 1);
	listener = listen_at(argv[1]);
	watch(epoll, listener);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != listener) {
				serve(events[i].data.fd);
				continue;
			}
			int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (fd >= 0)
				watch(epoll, fd);
		}
	}
}

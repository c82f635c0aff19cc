/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: a single-threaded epoll server on AF_UNIX that answers whatever comes with a 1 KiB message, without looking at it.
 *
 *	raw_server PATH [checked]
 *
 * checked: who wrote each message is asked for, as the front must (SO_PASSCRED): what that alone costs.
 */
#include <stdbool.h>
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

static ssize_t take(int fd, bool checked)
{
	static char request[4096];
	char who[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec piece = { .iov_base = request, .iov_len = sizeof request };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = who,
				  .msg_controllen = sizeof who };

	return checked ? recvmsg(fd, &message, 0) : recv(fd, request, sizeof request, 0);
}

static void serve(int fd, bool checked)
{
	ssize_t n = take(fd, checked);

	if (n <= 0 || send(fd, reply, sizeof reply, MSG_NOSIGNAL) < 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listener, epoll = epoll_create1(EPOLL_CLOEXEC);
	const int checked = argc == 3 && strcmp(argv[2], "checked") == 0;

	if (argc < 2 || argc != 2 + checked)
		errx(64, "usage: raw_server PATH [checked]");
	memset(reply, 'x', sizeof reply - 1);
	listener = listen_at(argv[1]);
	/* inherited by what it accepts */
	if (setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &checked, sizeof checked) < 0)
		err(1, "SO_PASSCRED");
	watch(epoll, listener);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != listener) {
				serve(events[i].data.fd, checked);
				continue;
			}
			int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (fd >= 0)
				watch(epoll, fd);
		}
	}
}

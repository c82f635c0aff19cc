/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "proto/link_messages.h"

/* Two descriptors' room, so that a second one is seen (and closed) instead of silently cut off. */
union control_room {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(2 * sizeof(int))];
};

int packet_pair(int ends[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot make a socket pair");
	return 0;
}

int packet_send(int sock, const char *bytes, size_t size, int fd, struct err *err)
{
	struct iovec piece = { .iov_base = (void *)bytes, .iov_len = size };
	union control_room room = { 0 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	/* A packet without bytes would look like end of file to the receiver. */
	if (size == 0 || size > PACKET_MAX)
		return err_set(err, ERR_INTERNAL, "a packet of %zu bytes cannot be sent", size);
	if (fd >= 0) {
		message.msg_control = room.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof fd);
		room.header.cmsg_level = SOL_SOCKET;
		room.header.cmsg_type = SCM_RIGHTS;
		room.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&room.header), &fd, sizeof fd);
	}
	for (;;) {
		if (sendmsg(sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 1; /* SOCK_SEQPACKET: all or nothing */
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
			return 0;
		return err_errno(err, ERR_INTERNAL, errno, "cannot send to the other process");
	}
}

/* The one descriptor of a message, or -1. *extra: there were more than one; none of them stays open. */
static int take_descriptor(struct msghdr *message, bool *extra)
{
	int first = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (char *)c + at, sizeof fd);
			if (first < 0) {
				first = fd;
				continue;
			}
			close(fd);
			*extra = true;
		}
	}
	if (*extra)
		cleanup_close(&first);
	return first;
}

int packet_recv(int sock, char *buffer, size_t size, int *fd, struct err *err)
{
	struct iovec piece = { .iov_base = buffer, .iov_len = size };
	union control_room room = { 0 };
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof room.bytes,
	};
	bool extra = false;
	ssize_t n;

	*fd = -1;
	do {
		n = recvmsg(sock, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return err_set(err, ERR_RETRY, "nothing there");
	if (n < 0 && errno == ECONNRESET)
		return 0; /* the other end died with our packets unread */
	if (n < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot receive from the other process");
	*fd = take_descriptor(&message, &extra);
	if (extra || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n > PACKET_MAX) {
		cleanup_close(fd);
		return err_set(err, ERR_PROTOCOL,
			       "a packet was too long or held more than one descriptor");
	}
	return (int)n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* asm-generic/socket.h, since Linux 4.13 */
#endif

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* the same, since Linux 6.5; not in Debian 12's headers */
#endif

enum { GROUPS_USUAL = 256 };

static int by_number(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return (x > y) - (x < y);
}

/* Takes size bytes over from the kernel's answer. They come sorted as a rule; that is no promise of its. */
static int keep_groups(struct peer *p, const gid_t *groups, size_t size, struct err *err)
{
	/* most users are in their own group alone, which is p->gid: that takes no memory */
	if (size == 0 || (size == sizeof(gid_t) && groups[0] == p->gid))
		return 0;
	p->groups = malloc(size);
	if (!p->groups)
		return err_oom(err);
	memcpy(p->groups, groups, size);
	p->n_groups = (uint16_t)(size / sizeof(gid_t));
	qsort(p->groups, p->n_groups, sizeof(gid_t), by_number);
	return 0;
}

/*
 * Supplementary groups; most callers have few, so that the first try nearly always fits. With newgidmap(1) anybody can be
 * in 65536 of them, 256 KiB for each connection: nobody needs that many, and such a caller is refused.
 */
static int read_groups(int sock, struct peer *p, struct err *err)
{
	static gid_t usual[GROUPS_USUAL], most[PEER_GROUPS_MAX];
	socklen_t size = sizeof usual;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, usual, &size) == 0)
		return keep_groups(p, usual, size, err);
	if (errno == ERANGE) {
		size = sizeof most;
		if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, most, &size) == 0)
			return keep_groups(p, most, size, err);
	}
	return err_errno(err, ERR_INTERNAL, errno, "cannot read the groups of a caller");
}

int peer_read(int sock, struct peer *p, struct err *err)
{
	struct ucred who;
	socklen_t size = sizeof who;

	*p = (struct peer){ .uid = PEER_OVERFLOW_UID, .gid = PEER_OVERFLOW_UID };
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot read who a caller is");
	p->uid = who.uid;
	p->gid = who.gid;
	p->pid = who.pid;
	return read_groups(sock, p, err);
}

void peer_fini(struct peer *p)
{
	free(p->groups);
	*p = (struct peer){ .uid = PEER_OVERFLOW_UID, .gid = PEER_OVERFLOW_UID };
}

bool peer_in_group(const struct peer *p, gid_t gid)
{
	size_t low = 0, high = p->n_groups;

	if (p->gid == gid)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->groups[middle] == gid)
			return true;
		if (p->groups[middle] < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* True if the kernel says that this message was written under p's uid. */
static bool uid_agrees(struct msghdr *message, struct peer *p)
{
	struct ucred who;

	for (struct cmsghdr *m = CMSG_FIRSTHDR(message); m; m = CMSG_NXTHDR(message, m)) {
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_CREDENTIALS ||
		    m->cmsg_len < CMSG_LEN(sizeof who))
			continue;
		memcpy(&who, CMSG_DATA(m), sizeof who);
		p->shared |= who.pid != p->pid;
		return who.uid == p->uid;
	}
	return false;
}

ssize_t peer_recv(int sock, char *bytes, size_t size, struct peer *p)
{
	/* Room for exactly one ucred: descriptors find none and are never received (unix(7), MSG_CTRUNC). */
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} room;
	struct iovec piece = { .iov_base = bytes, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof room.bytes,
	};
	ssize_t n = recvmsg(sock, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n > 0)
		return uid_agrees(&message, p) ? n : PEER_RECV_OTHER_UID;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? PEER_RECV_NOTHING : PEER_RECV_FAILED;
	return 0;
}

int peer_pidfd(int sock)
{
	socklen_t size = sizeof(int);
	int pidfd = -1;

	return getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0 ? pidfd : -1;
}

bool peer_can_prove(void)
{
	int ends[2], pidfd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	pidfd = peer_pidfd(ends[0]);
	close(ends[0]);
	close(ends[1]);
	if (pidfd < 0)
		return false;
	close(pidfd);
	return true;
}

bool peer_lives(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, 0) == 0;
}

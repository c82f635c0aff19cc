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

/* Each once and without gid, which is a group of its own to everybody. Returns how many are left. */
static size_t compact(gid_t *groups, size_t n, gid_t gid)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (groups[i] != gid && (kept == 0 || groups[i] != groups[kept - 1]))
			groups[kept++] = groups[i];
	return kept;
}

int peer_set_groups(struct peer *p, gid_t *groups, size_t n, struct err *err)
{
	gid_t *kept = p->groups.few;

	/* the kernel's answer comes sorted as a rule; that is no promise of its */
	qsort(groups, n, sizeof(gid_t), by_number);
	n = compact(groups, n, p->gid);
	if (n > PEER_GROUPS_MAX)
		return err_set(err, ERR_INTERNAL, "a caller is in more than %d groups",
			       PEER_GROUPS_MAX);
	if (n > PEER_GROUPS_FEW) {
		kept = malloc(n * sizeof(gid_t));
		if (!kept)
			return err_oom(err);
		p->groups.many = kept;
	}
	memcpy(kept, groups, n * sizeof(gid_t));
	p->n_groups = (uint16_t)n;
	return 0;
}

static const gid_t *groups_of(const struct peer *p)
{
	return p->n_groups > PEER_GROUPS_FEW ? p->groups.many : p->groups.few;
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
		return peer_set_groups(p, usual, size / sizeof(gid_t), err);
	if (errno == ERANGE) {
		size = sizeof most;
		if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, most, &size) == 0)
			return peer_set_groups(p, most, size / sizeof(gid_t), err);
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
	if (p->n_groups > PEER_GROUPS_FEW)
		free(p->groups.many);
	*p = (struct peer){ .uid = PEER_OVERFLOW_UID, .gid = PEER_OVERFLOW_UID };
}

bool peer_in_group(const struct peer *p, gid_t gid)
{
	const gid_t *groups = groups_of(p);
	size_t low = 0, high = p->n_groups;

	if (p->gid == gid)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (groups[middle] == gid)
			return true;
		if (groups[middle] < gid)
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

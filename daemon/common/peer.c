/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* asm-generic/socket.h, since Linux 4.13 */
#endif

enum { GROUPS_USUAL = 256, GROUPS_MOST = 65536 /* NGROUPS_MAX */ };

/* Supplementary groups; most callers have few, so that the first try nearly always fits. */
static int read_groups(int sock, struct peer *p, struct err *err)
{
	static gid_t usual[GROUPS_USUAL];
	socklen_t size = sizeof usual;
	gid_t *all;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, usual, &size) == 0) {
		if (size == 0)
			return 0;
		p->groups = malloc(size);
		if (!p->groups)
			return err_oom(err);
		memcpy(p->groups, usual, size);
		p->n_groups = size / sizeof(gid_t);
		return 0;
	}
	/* The kernel says how much room is needed. */
	if (errno != ERANGE || size > GROUPS_MOST * sizeof(gid_t))
		return err_errno(err, ERR_INTERNAL, errno, "cannot read the groups of a caller");
	all = malloc(size);
	if (!all)
		return err_oom(err);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, all, &size) < 0) {
		free(all);
		return err_errno(err, ERR_INTERNAL, errno, "cannot read the groups of a caller");
	}
	p->groups = all;
	p->n_groups = size / sizeof(gid_t);
	return 0;
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
	if (p->gid == gid)
		return true;
	for (size_t i = 0; i < p->n_groups; i++) {
		if (p->groups[i] == gid)
			return true;
	}
	return false;
}

/* True if the kernel says that this message was written under uid. */
static bool uid_agrees(struct msghdr *message, uid_t uid)
{
	struct ucred who;

	for (struct cmsghdr *m = CMSG_FIRSTHDR(message); m; m = CMSG_NXTHDR(message, m)) {
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_CREDENTIALS ||
		    m->cmsg_len < CMSG_LEN(sizeof who))
			continue;
		memcpy(&who, CMSG_DATA(m), sizeof who);
		return who.uid == uid;
	}
	return false;
}

ssize_t peer_recv(int sock, char *bytes, size_t size, uid_t uid)
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
		return uid_agrees(&message, uid) ? n : PEER_RECV_OTHER_UID;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? PEER_RECV_NOTHING : PEER_RECV_FAILED;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a Unix socket: the kernel's answer at accept (SO_PEERCRED, SO_PEERGROUPS), unix(7). pid 0: outside of our pid namespace.
 * A pid alone proves nothing, as it may be another process's by now; a pidfd (SO_PEERPIDFD, Linux 6.5) does.
 */
#ifndef COMMON_PEER_H
#define COMMON_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* PEER_GROUPS_FEW: as many as have room in place of a pointer */
enum { PEER_OVERFLOW_UID = 65534, PEER_GROUPS_MAX = 4096, PEER_GROUPS_FEW = 2 };

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	uint16_t n_groups; /* the small ones side by side: every idle connection has a peer in it */
	bool shared;       /* some message came from another process than the one that connected */
	/* Supplementary ones but gid, each once, in ascending order. The most frequent caller is in one or two and takes no memory for them. */
	union {
		gid_t few[PEER_GROUPS_FEW]; /* n_groups <= PEER_GROUPS_FEW */
		gid_t *many;                /* owned */
	} groups;
};

/* Fills *p (to be ended by peer_fini()). A peer in more than PEER_GROUPS_MAX groups is an error. */
int peer_read(int sock, struct peer *p, struct err *err);
void peer_fini(struct peer *p);

/* Makes the n in groups (any order, any of them twice; they are sorted in place) p's supplementary ones; p has none yet. 0, or -ERR_INTERNAL: too many, or no memory. */
int peer_set_groups(struct peer *p, gid_t *groups, size_t n, struct err *err);

/*
 * Reads what there is, without waiting. Returns its size, 0 at the end, or one of these. Nothing from another uid than p's is ever returned
 * (SO_PASSCRED must be set, and is inherited from the listening socket), and descriptors that come along are closed by the kernel. Sets p->shared.
 */
enum { PEER_RECV_NOTHING = -1, PEER_RECV_OTHER_UID = -2, PEER_RECV_FAILED = -3 };
ssize_t peer_recv(int sock, char *bytes, size_t size, struct peer *p);

/* A descriptor of the process that connected, also when it has ended since. -1 with errno: ENOPROTOOPT before Linux 6.5. */
int peer_pidfd(int sock);
/* Whether this kernel has it. */
bool peer_can_prove(void);
/* The process has not ended: what was read of its /proc/PID before was its own. */
bool peer_lives(int pidfd);

/* gid itself or among the supplementary groups. */
bool peer_in_group(const struct peer *p, gid_t gid);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a Unix socket. */
#include "daemon/common/peer.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

TEST(a_peer_is_in_its_groups)
{
	int fds[2];
	struct peer p;
	gid_t groups[1000];
	int n = getgroups(1000, groups);

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	CHECK_INT(peer_read(fds[0], &p, NULL), 0);
	CHECK_INT(p.uid, geteuid());
	CHECK_INT(p.pid, getpid());
	/* one's own group alone takes no room */
	CHECK_INT(p.n_groups, n == 1 && groups[0] == getegid() ? 0 : n);
	for (int i = 0; i < n; i++)
		CHECK(peer_in_group(&p, groups[i]));
	CHECK(peer_in_group(&p, getegid()));
	CHECK(!peer_in_group(&p, 54321));
	peer_fini(&p);
	CHECK(!peer_in_group(&p, getegid()));
	close(fds[0]);
	close(fds[1]);
}

/* The kernel takes who we are when the pair is made. */
static int read_in_groups(size_t n, struct peer *p)
{
	static gid_t groups[PEER_GROUPS_MAX + 1];
	int fds[2], r;

	for (size_t i = 0; i < n; i++)
		groups[i] = (gid_t)(100000 + 2 * (n - i));
	if (setgroups(n, groups) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		_exit(1);
	r = peer_read(fds[0], p, NULL);
	close(fds[0]);
	close(fds[1]);
	return r;
}

TEST(a_peer_in_more_groups_than_anybody_needs_is_refused)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		SKIP("only root can change its groups");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct peer p;
		bool good = read_in_groups(PEER_GROUPS_MAX, &p) == 0 &&
			    p.n_groups == PEER_GROUPS_MAX && peer_in_group(&p, 100002) &&
			    peer_in_group(&p, 100000 + 2 * PEER_GROUPS_MAX) &&
			    !peer_in_group(&p, 100003);

		peer_fini(&p);
		good = good && read_in_groups(PEER_GROUPS_MAX + 1, &p) < 0;
		peer_fini(&p);
		_exit(good ? 0 : 2);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

CHECK_MAIN()

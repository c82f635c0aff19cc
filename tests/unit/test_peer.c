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
	int n = getgroups(1000, groups), others = 0;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	CHECK_INT(peer_read(fds[0], &p, NULL), 0);
	CHECK_INT(p.uid, geteuid());
	CHECK_INT(p.pid, getpid());
	for (int i = 0; i < n; i++) {
		CHECK(peer_in_group(&p, groups[i]));
		others += groups[i] != getegid();
	}
	CHECK_INT(p.n_groups, others);
	CHECK(peer_in_group(&p, getegid()));
	CHECK(!peer_in_group(&p, 54321));
	peer_fini(&p);
	CHECK(!peer_in_group(&p, getegid()));
	close(fds[0]);
	close(fds[1]);
}

enum { FEW = PEER_GROUPS_FEW, OWN = 500 };

/* The list is made in no memory but the peer's, so that many peers in few groups are small. */
TEST(a_few_groups_take_no_room)
{
	CHECK_INT(FEW, 2);
	CHECK_INT(sizeof(struct peer), 24);
}

static struct peer in_groups(const gid_t *groups, size_t n)
{
	struct peer p = { .uid = OWN, .gid = OWN };
	gid_t copy[FEW + 8];

	memcpy(copy, groups, n * sizeof(gid_t));
	CHECK_INT(peer_set_groups(&p, copy, n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		CHECK(peer_in_group(&p, groups[i]));
	CHECK(peer_in_group(&p, OWN));
	return p;
}

TEST(each_number_of_groups_is_kept)
{
	const gid_t all[] = { 900, 100, 700, 300, 500000, 4294967294u };

	for (size_t n = 0; n <= sizeof all / sizeof all[0]; n++) {
		struct peer p = in_groups(all, n);
		const gid_t *kept = n > FEW ? p.groups.many : p.groups.few;

		CHECK_INT(p.n_groups, n);
		for (size_t i = 1; i < n; i++)
			CHECK(kept[i - 1] < kept[i]);
		for (size_t i = n; i < sizeof all / sizeof all[0]; i++)
			CHECK(!peer_in_group(&p, all[i]));
		CHECK(!peer_in_group(&p, 0));
		CHECK(!peer_in_group(&p, 301));
		peer_fini(&p);
		CHECK_INT(p.n_groups, 0);
		peer_fini(&p);
	}
}

/* Which is the only or the last one: as many as have room are there, and one more is none of them. */
TEST(a_group_counts_once_and_the_own_one_not_at_all)
{
	static const struct {
		const char *says;
		gid_t groups[FEW + 4];
		size_t n, kept;
	} rows[] = {
		{ "the own one", { OWN }, 1, 0 },
		{ "the own one twice", { OWN, OWN }, 2, 0 },
		{ "one twice", { 7, 7 }, 2, 1 },
		{ "own first", { OWN, 7, 900 }, 3, FEW },
		{ "own between", { 7, OWN, 900 }, 3, FEW },
		{ "own last", { 900, 7, OWN }, 3, FEW },
		{ "each twice", { 900, 7, OWN, OWN, 7, 900 }, 6, FEW },
		{ "one more", { OWN, 900, 7, 8, OWN }, 5, FEW + 1 },
		{ "one more, twice", { 8, 900, 7, OWN, 8, 900 }, 6, FEW + 1 },
		{ "root's, to a user", { 0, 7 }, 2, FEW },
		{ "the greatest", { 4294967294u, OWN }, 2, 1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct peer p;

		check_row(rows[i].says);
		p = in_groups(rows[i].groups, rows[i].n);
		CHECK_INT(p.n_groups, rows[i].kept);
		CHECK(!peer_in_group(&p, 9));
		CHECK_INT(peer_in_group(&p, 0), rows[i].groups[0] == 0);
		peer_fini(&p);
		CHECK(!peer_in_group(&p, 7));
	}
	check_row(NULL);
}

TEST(no_number_of_groups_wraps_around)
{
	enum { ALL = 65536 }; /* NGROUPS_MAX, and one more than a uint16_t holds */
	static gid_t groups[ALL];
	static const size_t many[] = { PEER_GROUPS_MAX + 1, ALL - 1, ALL };
	struct peer p = { .gid = OWN };

	for (size_t n = 0; n < 3; n++) {
		for (size_t i = 0; i < ALL; i++)
			groups[i] = (gid_t)(1000 + i);
		CHECK(peer_set_groups(&p, groups, many[n], NULL) < 0);
		CHECK_INT(p.n_groups, 0);
		CHECK(!peer_in_group(&p, 1000));
	}
	for (size_t i = 0; i < ALL; i++)
		groups[i] = (gid_t)(1000 + i % PEER_GROUPS_MAX);
	CHECK_INT(peer_set_groups(&p, groups, ALL, NULL), 0);
	CHECK_INT(p.n_groups, PEER_GROUPS_MAX);
	CHECK(peer_in_group(&p, 1000) && peer_in_group(&p, 999 + PEER_GROUPS_MAX));
	CHECK(!peer_in_group(&p, 999) && !peer_in_group(&p, 1000 + PEER_GROUPS_MAX));
	peer_fini(&p);
}

/* The kernel takes who we are when the pair is made. */
static int read_in_groups(size_t n, struct peer *p)
{
	static gid_t groups[65536];
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

static bool is_read_in_groups(size_t n)
{
	struct peer p;
	bool good = read_in_groups(n, &p) == 0 && p.n_groups == n && peer_in_group(&p, 100002) &&
		    peer_in_group(&p, (gid_t)(100000 + 2 * n)) && !peer_in_group(&p, 100001);

	peer_fini(&p);
	return good;
}

static bool is_refused_in_groups(size_t n)
{
	struct peer p;
	bool good = read_in_groups(n, &p) < 0 && p.n_groups == 0;

	peer_fini(&p);
	return good;
}

TEST(a_peer_in_more_groups_than_anybody_needs_is_refused)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		SKIP("only root can change its groups");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(is_read_in_groups(1) && is_read_in_groups(FEW) &&
				      is_read_in_groups(FEW + 1) &&
				      is_read_in_groups(PEER_GROUPS_MAX) &&
				      is_refused_in_groups(PEER_GROUPS_MAX + 1) &&
				      is_refused_in_groups(65536)
			      ? 0
			      : 2);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

CHECK_MAIN()

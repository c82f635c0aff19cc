/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix of peers and rules (T27 of the reliability facts). */
#include "daemon/front/policy.h"

#include "tests/unit/check.h"

struct row {
	const char *says;
	const char *uids, *gids; /* JSON, as the mint sends them */
	struct {
		uid_t uid;
		gid_t gid;
		gid_t groups[3];
		size_t n;
	} peer;
	const char *globs[2];
	bool allowed;
};

/* clang-format off */
static const struct row rows[] = {
	{ "the named uid", "[500]", "[]", { 500, 500, { 0 }, 0 }, { 0 }, true },
	{ "another uid", "[500]", "[]", { 501, 500, { 0 }, 0 }, { 0 }, false },
	{ "a gid that equals a named uid", "[500]", "[]", { 501, 501, { 500 }, 1 }, { 0 }, false },
	{ "a uid that equals a named gid", "[]", "[500]", { 500, 1, { 1 }, 1 }, { 0 }, false },
	{ "the primary group", "[]", "[90]", { 501, 90, { 0 }, 0 }, { 0 }, true },
	{ "a supplementary group", "[]", "[80,90,100]", { 501, 501, { 7, 9, 90 }, 3 }, { 0 }, true },
	{ "the last supplementary group", "[]", "[100]", { 501, 501, { 7, 90, 100 }, 3 }, { 0 }, true },
	{ "no group of those", "[]", "[80,91,100]", { 501, 501, { 7, 9, 90 }, 3 }, { 0 }, false },
	{ "nothing named: nobody", "[]", "[]", { 500, 500, { 500 }, 1 }, { 0 }, false },
	{ "root when the mint has put it in", "[0,500]", "[]", { 0, 0, { 0 }, 1 }, { 0 }, true },
	{ "root when it has not (Root=no)", "[500]", "[]", { 0, 0, { 0 }, 1 }, { 0 }, false },
	{ "root through a named group", "[500]", "[90]", { 0, 0, { 90 }, 1 }, { 0 }, true },
	{ "the overflow uid, though named", "[65534]", "[]", { 65534, 1, { 0 }, 0 }, { 0 }, false },
	{ "the overflow uid in a named group", "[]", "[90]", { 65534, 90, { 90 }, 1 }, { 0 }, false },
	{ "out of order lists", "[900,3,500,1]", "[]", { 3, 1, { 0 }, 0 }, { 0 }, true },
	{ "the greatest id", "[4294967294]", "[]", { 4294967294u, 1, { 0 }, 0 }, { 0 }, true },
	{ "numbers that are no ids name nobody", "[-1,4294967295,4294967296]", "[-1]", { 4294967295u, 4294967295u, { 0 }, 1 }, { 0 }, false },
	{ "4294967296 is not uid 0", "[4294967296]", "[]", { 0, 1, { 1 }, 1 }, { 0 }, false },
	{ "through a socket that gives it by name", "[500]", "[]", { 500, 500, { 0 }, 0 }, { "etl.prod" }, true },
	{ "through a socket that gives it by glob", "[500]", "[]", { 500, 500, { 0 }, 0 }, { "x", "etl.*" }, true },
	{ "through a socket that does not give it", "[500]", "[]", { 500, 500, { 0 }, 0 }, { "etl.test", "ETL.*" }, false },
	{ "a glob narrows and never widens", "[500]", "[]", { 501, 501, { 0 }, 0 }, { "*" }, false },
};
/* clang-format on */

/* The lists as fields_decode() gives them. */
static struct int_list list_of(char *json)
{
	return (struct int_list){ .raw = json_root(json, strlen(json)) };
}

TEST(the_matrix_holds)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		char uids[64], gids[64];
		gid_t groups[3];
		struct peer peer = { .uid = r->peer.uid, .gid = r->peer.gid };
		struct globs globs = { .glob = (char **)(void *)r->globs,
				       .n = (size_t)(!!r->globs[0] + !!r->globs[1]) };
		struct int_list u, g;
		struct access access;

		check_row(r->says);
		memcpy(groups, r->peer.groups, sizeof(groups));
		REQUIRE(peer_set_groups(&peer, groups, r->peer.n, NULL) == 0);
		snprintf(uids, sizeof(uids), "%s", r->uids);
		snprintf(gids, sizeof(gids), "%s", r->gids);
		u = list_of(uids);
		g = list_of(gids);
		REQUIRE(access_init(&access, &u, &g, NULL) == 0);
		CHECK_INT(policy_judge(&access, &peer, NULL, globs.n > 0 ? &globs : NULL,
				       "etl.prod"),
			  r->allowed ? POLICY_YES : POLICY_NO);
		access_fini(&access);
		peer_fini(&peer);
	}
}

TEST(absent_lists_allow_nobody)
{
	const struct int_list none = { 0 };
	struct peer peer = { .uid = 0 };
	struct access access;

	REQUIRE(access_init(&access, &none, &none, NULL) == 0);
	CHECK_INT(policy_judge(&access, &peer, NULL, NULL, "x"), POLICY_NO);
	access_fini(&access);
}

CHECK_MAIN()

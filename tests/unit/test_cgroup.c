/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>

#include "daemon/common/cgroup.h"

/* clang-format off */
static const struct {
	const char *text, *unit, *user_unit;
} rows[] = {
	/* as systemd 252 has them */
	{ "0::/system.slice/etl.service\n", "etl.service", "" },
	{ "0::/system.slice/system-etl.slice/etl@crm.service\n", "etl@crm.service", "" },
	{ "0::/init.scope\n", "init.scope", "" },
	{ "0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope", "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/etl.service\n", "user@1000.service", "etl.service" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "user@1000.service", "init.scope" },
	{ "0::/user.slice/user-1000.slice/user@1000.service\n", "user@1000.service", "" },
	{ "0::/system.slice/srv-data\\x2dold.mount\n", "srv-data\\x2dold.mount", "" },
	{ "0::/system.slice/_cgroup.service\n", "cgroup.service", "" },
	{ "0::/system.slice/etl.service", "etl.service", "" },
	/* below a unit anybody to whom it was delegated may write what he likes */
	{ "0::/system.slice/docker.service/system.slice/etl.service\n", "docker.service", "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/system.slice/backup.service\n", "user@1000.service", "backup.service" },
	{ "0::/system.slice/etl.service/sub (deleted)\n", "etl.service", "" },
	/* the old hierarchies */
	{ "12:pids:/x.slice/y.service\n1:name=systemd:/system.slice/etl.service\n0::/\n", "etl.service", "" },
	{ "12:pids:/x.slice/y.service\n0::/system.slice/etl.service\n", "etl.service", "" },
	{ "0::/system.slice/b.service\n1:name=systemd:/system.slice/etl.service\n", "etl.service", "" },
	{ "9:name=systemd:/\n8:pids:/\n0::/system.slice/etl.service\n", "etl.service", "" },
	{ "0::/system.slice/etl.service\n9:name=systemd:/\n", "etl.service", "" },
	/* none */
	{ "", "", "" }, { "\n", "", "" }, { "0::/\n", "", "" }, { "0::\n", "", "" }, { "0:", "", "" }, { "0::system.slice/a.service\n", "", "" },
	{ "0::/system.slice\n", "", "" }, { "0::/kubepods/pod1/abc\n", "", "" }, { "0::/machine/system.slice/etl.service\n", "", "" },
	{ "0::/../etl.service\n", "", "" }, { "0::/system.slice/../etl.service\n", "", "" }, { "0::/.service\n", "", "" },
	{ "0::/system.slice/etl.service (deleted)\n", "", "" }, { "0::/system.slice/e\x01l.service\n", "", "" }, { "0::/_\n", "", "" },
	{ "12:pids:/system.slice/etl.service\n", "", "" }, { "00::/system.slice/etl.service\n", "", "" }, { "1:name=systemdx:/system.slice/etl.service\n", "", "" },
};
/* clang-format on */

TEST(a_process_is_in_the_outermost_unit)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);
		char *text = malloc(len ? len : 1); /* no zero byte behind it */
		struct cgroup_unit u;

		check_row(rows[i].text);
		REQUIRE(text);
		memcpy(text, rows[i].text, len);
		CHECK_INT(cgroup_unit(text, len, &u), rows[i].unit[0] != '\0');
		CHECK_STR(u.unit, rows[i].unit);
		CHECK_STR(u.user_unit, rows[i].user_unit);
		free(text);
	}
}

TEST(a_name_that_is_too_long_is_none)
{
	char text[600] = "0::/system.slice/";
	struct cgroup_unit u;

	memset(text + 17, 'x', 247);
	memcpy(text + 17 + 247, ".service\n", 10);
	CHECK(cgroup_unit(text, strlen(text), &u));
	CHECK_INT(strlen(u.unit), 255);
	memset(text + 17, 'x', 248);
	memcpy(text + 17 + 248, ".service\n", 10);
	CHECK(!cgroup_unit(text, strlen(text), &u));
	CHECK_STR(u.unit, "");
}

CHECK_MAIN()

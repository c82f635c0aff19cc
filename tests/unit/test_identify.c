/* SPDX-License-Identifier: Apache-2.0 */
/* Which unit a process is in: lines of cgroups(7), and /proc as it is here. */
#include "daemon/mint/identify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <signal.h>
#include <sched.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

#define NONE ""

static const struct row {
	const char *cgroups, *unit, *own; /* own: for a daemon of user 1000 */
} rows[] = {
	/* version 2 */
	{ "0::/system.slice/etl.service\n", "etl.service", NONE },
	{ "0::/system.slice/etl.service", "etl.service", NONE },
	{ "0::/system.slice/system-etl.slice/etl@prod.service\n", "etl@prod.service", NONE },
	{ "0::/a.slice/a-b.slice/a-b-c.slice/job-a\\x2db.service\n", "job-a\\x2db.service", NONE },
	{ "0::/init.scope\n", "init.scope", NONE },
	{ "0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope", NONE },
	{ "0::/system.slice/_cpu.service\n", "cpu.service", NONE },
	{ "0::/system.slice/dev-sda1.swap\n", "dev-sda1.swap", NONE },
	{ "0::/system.slice/docker-0123abcd.scope\n", "docker-0123abcd.scope", NONE },
	/* what lies below a unit is its own to name */
	{ "0::/system.slice/evil.service/system.slice/etl.service\n", "evil.service", NONE },
	{ "0::/system.slice/evil.service/etl.service\n", "evil.service", NONE },
	{ "0::/machine.slice/machine-x.scope/payload/system.slice/etl.service\n", "machine-x.scope", NONE },
	{ "0::/system.slice/evil.service/user@1000.service/etl.service\n", "evil.service", NONE },
	/* units of users */
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/etl.service\n", "user@1000.service/etl.service", "etl.service" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "user@1000.service/init.scope", "init.scope" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/etl.service\n", "user@1000.service/x.service", "x.service" },
	{ "0::/user.slice/user-1001.slice/user@1001.service/app.slice/etl.service\n", "user@1001.service/etl.service", NONE },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice\n", "user@1000.service", NONE },
	{ "0::/user.slice/user-1000.slice/user@1000.service/evil/etl.service\n", "user@1000.service", NONE },
	{ "0::/user.slice/user@1000.service.service/etl.service\n", "user@1000.service.service", NONE },
	{ "0::/user.slice/user@10x0.service/etl.service\n", "user@10x0.service", NONE },
	{ "0::/user.slice/user@.service/etl.service\n", "user@.service", NONE },
	{ "0::/user.slice/user@01000.service/etl.service\n", "user@01000.service", NONE },
	/* nobody's */
	{ "", NONE, NONE },
	{ "\n", NONE, NONE },
	{ "0::/\n", NONE, NONE },
	{ "0::\n", NONE, NONE },
	{ "0::/system.slice\n", NONE, NONE },
	{ "0::/etl\n", NONE, NONE },
	{ "0::/.service\n", NONE, NONE },
	{ "0::/system.slice/etl.timer\n", NONE, NONE },
	{ "0::/system.slice//etl.service\n", NONE, NONE },
	{ "0::/kubepods/pod1/etl.service\n", NONE, NONE },
	{ "0::/../../system.slice/etl.service\n", NONE, NONE },
	{ "0::/..\n", NONE, NONE },
	{ "0::system.slice/etl.service\n", NONE, NONE },
	{ "::/system.slice/etl.service\n", NONE, NONE },
	{ "x::/system.slice/etl.service\n", NONE, NONE },
	{ "0:name=systemd/system.slice/etl.service\n", NONE, NONE },
	{ "0::/system.slice/etl.service (deleted)\n", NONE, NONE },
	{ "0::/system.slice/etl .service\n", NONE, NONE },
	{ "0::/system.slice/e*l.service\n", NONE, NONE },
	{ "0::/system.slice/\xc3\xa4.service\n", NONE, NONE },
	{ "0::/system.slice/\n/etl.service\n", NONE, NONE },
	{ "1:name=systemd:/system.slice/etl.service\n0::/\n", NONE, NONE },
};

TEST(the_unit_of_a_process)
{
	char unit[IDENTIFY_UNIT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].cgroups);
		CHECK_INT(identify_unit(rows[i].cgroups, true, -1, unit), rows[i].unit[0] != '\0');
		CHECK_STR(unit, rows[i].unit);
		CHECK_INT(identify_unit(rows[i].cgroups, true, 1000, unit), rows[i].own[0] != '\0');
		CHECK_STR(unit, rows[i].own);
	}
}

/* Version 1 and hybrids: systemd's own hierarchy says it, and no other one. */
TEST(the_named_hierarchy)
{
	static const struct row named[] = {
		{ "12:pids:/other\n1:name=systemd:/system.slice/etl.service\n0::/\n", "etl.service", NONE },
		{ "1:name=systemd:/system.slice/etl.service\n0::/system.slice/x.service\n", "etl.service", NONE },
		{ "1:name=systemd:/\n0::/system.slice/etl.service\n", NONE, NONE },
		{ "4:memory:/system.slice/evil.service\n0::/system.slice/etl.service\n", NONE, NONE },
		{ "4:xname=systemd:/system.slice/etl.service\n", NONE, NONE },
		{ "4:cpu,name=systemd:/system.slice/etl.service\n", NONE, NONE },
	};
	char unit[IDENTIFY_UNIT_MAX];

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		check_row(named[i].cgroups);
		CHECK_INT(identify_unit(named[i].cgroups, false, -1, unit),
			  named[i].unit[0] != '\0');
		CHECK_STR(unit, named[i].unit);
	}
}

TEST(a_name_that_no_unit_can_have)
{
	char line[1024], unit[IDENTIFY_UNIT_MAX];
	char name[256];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	snprintf(line, sizeof(line), "0::/system.slice/%s.service\n", name);
	CHECK(!identify_unit(line, true, -1, unit));
	name[247] = '\0'; /* 255 with its type */
	snprintf(line, sizeof(line), "0::/system.slice/%s.service\n", name);
	CHECK(identify_unit(line, true, -1, unit));
	snprintf(line, sizeof(line), "0::/user@4294967294.service/%s.service\n", name);
	CHECK(identify_unit(line, true, -1, unit));
	CHECK_INT(strlen(unit), 255 + sizeof("user@4294967294.service/") - 1);
}

static const char *only; /* the path that is named; NULL: every one */

static bool named(const char *path, void *arg)
{
	(void)arg;
	return !only || strcmp(path, only) == 0;
}

static unsigned stats;

int __real_stat64(const char *path, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);

/* Instead of the kernel (meson.build). */
int __wrap_stat64(const char *path, struct stat *st)
{
	stats++;
	return __real_stat64(path, st);
}

/* Each look could wait for a server of the caller's choice. */
TEST(what_no_rule_names_is_not_looked_at)
{
	struct identified who;

	only = "/usr/bin/etl";
	stats = 0;
	identify(getpid(), -1, named, NULL, &who);
	CHECK_STR(who.executable, "");
	CHECK_INT(stats, 0);
	only = NULL;
	identify(getpid(), -1, named, NULL, &who);
	CHECK_INT(stats, 2);
}

TEST(our_own_program_is_known)
{
	struct identified who;
	char *real = realpath("/proc/self/exe", NULL);

	identify(getpid(), -1, named, NULL, &who);
	CHECK_STR(who.executable, real);
	free(real);
}

TEST(nobody_is_nobody)
{
	struct identified who;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	identify(child, -1, named, NULL, &who);
	CHECK_STR(who.unit, "");
	CHECK_STR(who.executable, "");
	identify(0, -1, named, NULL, &who);
	CHECK_STR(who.executable, "");
	identify(-1, -1, named, NULL, &who);
	CHECK_STR(who.executable, "");
}

static void copy_sleep(const char *to)
{
	const char *const words[] = { "cp", "/bin/sleep", to, NULL };
	int status = -1;
	pid_t child;

	if (posix_spawnp(&child, "cp", NULL, NULL, (char **)(void *)words, NULL) != 0 ||
	    waitpid(child, &status, 0) != child || status != 0)
		abort();
}

/* In a mount namespace of its own, whose root is a folder there: a container that was started in a chroot. */
static void sleep_below(const char *folder)
{
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("/", folder, NULL, MS_BIND | MS_REC, NULL) == 0 && chroot(folder) == 0 &&
	    chdir("/") == 0)
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
	_exit(1);
}

TEST(a_program_has_the_name_that_its_own_root_gives_it)
{
	char folder[] = "/tmp/sftoken-test-XXXXXX", *real;
	struct identified who;
	int ends[2];
	pid_t child;

	if (geteuid() != 0)
		SKIP("needs root");
	real = realpath("/bin/sleep", NULL);
	REQUIRE(real && mkdtemp(folder) && pipe2(ends, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0)
		sleep_below(folder);
	close(ends[1]);
	CHECK_INT(read(ends[0], &(char){ 0 }, 1), 0); /* it runs */
	close(ends[0]);
	identify(child, -1, named, NULL, &who);
	CHECK_STR(who.executable, real);
	only = "/usr/bin/etl";
	identify(child, -1, named, NULL, &who);
	CHECK_STR(who.executable, "");
	only = NULL;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	rmdir(folder);
	free(real);
}

/* A copy runs, and another file has its name by now. */
TEST(a_file_that_was_replaced_is_not_what_runs)
{
	char folder[] = "/tmp/sftoken-test-XXXXXX", path[64];
	struct identified who;
	int ends[2];
	pid_t child;

	REQUIRE(mkdtemp(folder) && pipe2(ends, O_CLOEXEC) == 0);
	snprintf(path, sizeof(path), "%s/sleep", folder);
	copy_sleep(path);
	child = fork();
	if (child == 0) {
		execl(path, path, "60", (char *)NULL);
		_exit(1);
	}
	close(ends[1]);
	CHECK_INT(read(ends[0], &(char){ 0 }, 1), 0); /* it runs */
	close(ends[0]);
	identify(child, -1, named, NULL, &who);
	CHECK_STR(who.executable, path);
	unlink(path);
	identify(child, -1, named, NULL, &who);
	CHECK_STR(who.executable, "");
	copy_sleep(path);
	identify(child, -1, named, NULL, &who);
	CHECK_STR(who.executable, "");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	unlink(path);
	rmdir(folder);
}

CHECK_MAIN()

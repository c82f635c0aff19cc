/* SPDX-License-Identifier: Apache-2.0 */
/* Who may write the files of the configuration, and what is different in a container. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/common/settings.h"
#include "tests/unit/check.h"
#include "tests/unit/config_fixture.h"

TEST(files_that_others_may_write_are_refused)
{
	static const struct {
		const char *path;
		mode_t mode;
		const char *said;
	} rows[] = {
		{ "sftokend.conf", 0666,
		  "sftokend.conf: others may write it (mode 0666) — chmod go-w "
		  "@DIR@/sftokend.conf\n" },
		{ "sftokend.conf", 0664,
		  "sftokend.conf: others may write it (mode 0664) — chmod go-w "
		  "@DIR@/sftokend.conf\n" },
		{ "sftokend.conf.d", 0777,
		  "sftokend.conf.d: others may write it (mode 0777) — chmod go-w "
		  "@DIR@/sftokend.conf.d\n" },
		{ "sftokend.conf.d/a.conf", 0646,
		  "sftokend.conf.d/a.conf: others may write it (mode 0646) — chmod go-w "
		  "@DIR@/sftokend.conf.d/a.conf\n" },
		{ "credentials", 0775,
		  "credentials: others may write it (mode 0775) — chmod go-w @DIR@/credentials\n" },
		{ "credentials/good.conf", 0622,
		  "credentials/good.conf: others may write it (mode 0622) — chmod go-w "
		  "@DIR@/credentials/good.conf\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;
		char said[600];

		fixture_init(&f);
		fixture_good(&f);
		fixture_write(&f, "sftokend.conf", "[Log]\nLevel=info\n");
		fixture_write(&f, "sftokend.conf.d/a.conf", "[Log]\nLevel=debug\n");
		check_row(rows[i].said);
		CHECK_INT(chmod(fixture_path(&f, rows[i].path), rows[i].mode), 0);
		fixture_check(&f);
		/* the path in the advice is whole, but the fixture cuts the directory out */
		snprintf(said, sizeof(said), "%s", rows[i].said);
		char *at = strstr(said, "@DIR@/");

		memmove(at, at + 6, strlen(at + 6) + 1);
		CHECK_STR(f.problems, said);
		CHECK_INT(f.status, 78);
		fixture_fini(&f);
	}
}

TEST(the_directory_itself_must_be_safe)
{
	struct fixture f;

	fixture_init(&f);
	fixture_good(&f);
	CHECK_INT(chmod(f.dir, 0777), 0);
	fixture_check(&f);
	CHECK_INT(f.status, 78);
	CHECK(strstr(f.problems, "others may write it (mode 0777)") != NULL);
	CHECK_INT(chmod(f.dir, 0700), 0);
	fixture_fini(&f);
}

enum { CANNOT = 77 };

static bool write_once(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

static bool own_mounts(void)
{
	uid_t uid = geteuid();
	char map[40];

	snprintf(map, sizeof(map), "%u %u 1", (unsigned)uid, (unsigned)uid);
	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) < 0 ||
	    (uid && !write_once("/proc/self/uid_map", map)))
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* In a process with its own mounts, which has no secrets: on ("": the directory) is seen read-only. 0: exactly what is to be said is said. */
static int check_mounted(const char *on, mode_t directory, mode_t file, const char *said)
{
	const unsigned long read_only = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV;
	struct config_notes notes = { 0 };
	struct fixture f;
	bool right;

	fixture_init(&f);
	struct places places = { .config_dir = f.dir, .state_dir = f.dir, .runtime_dir = f.dir };
	const char *place = *on ? on : f.dir;

	fixture_write(&f, "sftokend.conf.d/a.conf", "[Log]\nLevel=info\n");
	chmod(fixture_path(&f, "sftokend.conf.d"), directory);
	chmod(fixture_path(&f, "sftokend.conf.d/a.conf"), file);
	if (!own_mounts() || mount(place, place, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount(NULL, place, NULL, read_only, NULL) < 0) {
		fixture_fini(&f);
		return CANNOT;
	}
	settings_unref(settings_read(&places, f.uid, &notes, NULL));
	right = *said ? notes.n == 1 && strstr(notes.items[0].text, said) : notes.n == 0;
	for (size_t i = 0; !right && i < notes.n; i++)
		fprintf(stderr, "# %s: %s\n", notes.items[i].file, notes.items[i].text);
	config_notes_fini(&notes);
	umount2(place, MNT_DETACH);
	fixture_fini(&f);
	return right ? 0 : 1;
}

static int in_child(const char *on, mode_t directory, mode_t file, const char *said)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(check_mounted(on, directory, file, said));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(read_only_counts_only_in_a_mount_of_the_configuration)
{
	static const struct {
		const char *on;
		mode_t directory, file;
		const char *said;
	} rows[] = {
		/* a ConfigMap, a volume */
		{ "", 03777, 0644, "" },
		{ "", 0777, 0664, "" },
		{ "", 0755, 0666, "others may write it (mode 0666)" },
		/* a unit with ProtectSystem=strict: the rest of the machine can write there */
		{ "/tmp", 0755, 0644, "" },
		{ "/tmp", 03777, 0644, "others may write it (mode 3777)" },
		{ "/tmp", 0755, 0666, "others may write it (mode 0666)" },
		{ "/tmp", 0755, 0664, "others may write it (mode 0664)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status = in_child(rows[i].on, rows[i].directory, rows[i].file, rows[i].said);

		if (status == CANNOT)
			SKIP("mounts of one's own need root, or are not allowed here");
		check_row(rows[i].said);
		CHECK_INT(status, 0);
	}
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are other ones than those that were read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/common/config.h"
#include "tests/unit/check.h"
#include "tests/unit/config_fixture.h"

static struct fixture f;
static struct config_files files;

/* The file system's clock goes in steps of some ms: what is written now must not look like what was written before. */
static void await_next_step(void)
{
	struct timespec now, then;

	clock_gettime(CLOCK_REALTIME_COARSE, &then);
	do {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == then.tv_sec && now.tv_nsec == then.tv_nsec);
}

static void read_again(const char *name)
{
	struct config_notes notes = { 0 };
	struct config_origin *origin = NULL;

	config_files_fini(&files);
	CHECK_INT(config_read(f.dir, name, 0, NULL, 0, NULL, f.uid, &notes, &origin, &files, NULL),
		  0);
	CHECK_INT(notes.n, 0);
	config_origin_free(origin);
	config_notes_fini(&notes);
	await_next_step();
}

/* "change path", the directory cut out. */
static const char *compared(void)
{
	static const char *const names[] = { "same", "changed", "added", "removed" };
	static char out[300];
	char *path;
	enum config_change change = config_compare(&files, 0, &path);

	CHECK(!path == (change == CONFIG_SAME));
	snprintf(out, sizeof(out), "%s %s", names[change], path ? path + strlen(f.dir) + 1 : "");
	free(path);
	return out;
}

static void begin(void)
{
	fixture_init(&f);
	fixture_write(&f, "a.conf", "# a\n");
	fixture_write(&f, "a.conf.d/1.conf", "# 1\n");
	fixture_write(&f, "a.conf.d/3.conf", "# 3\n");
	read_again("a.conf");
	CHECK_INT(files.n, 3);
	CHECK_STR(compared(), "same ");
}

static void end(void)
{
	config_files_fini(&files);
	fixture_fini(&f);
}

TEST(what_was_written_added_or_removed_is_another_one)
{
	begin();
	fixture_write(&f, "a.conf", "# b\n"); /* as long as before */
	CHECK_STR(compared(), "changed a.conf");
	read_again("a.conf");
	CHECK_STR(compared(), "same ");
	CHECK_INT(chmod(fixture_path(&f, "a.conf.d/3.conf"), 0600), 0);
	CHECK_STR(compared(), "changed a.conf.d/3.conf");
	CHECK_INT(unlink(fixture_path(&f, "a.conf.d/1.conf")), 0);
	CHECK_STR(compared(), "removed a.conf.d/1.conf");
	read_again("a.conf");
	for (const char *name = "024"; *name; name++) {
		char path[] = "a.conf.d/0.conf";

		path[9] = *name;
		fixture_write(&f, path, "");
		snprintf(path, sizeof(path), "a.conf.d/%c.conf", *name);
		CHECK(strstr(compared(), path) && !strncmp(compared(), "added", 5));
		CHECK_INT(unlink(fixture_path(&f, path)), 0);
		CHECK_STR(compared(), "same ");
	}
	fixture_write(&f, "a.conf.d/.hidden.conf", "");
	fixture_write(&f, "a.conf.d/README", "");
	CHECK_STR(compared(), "same ");
	CHECK_INT(unlink(fixture_path(&f, "a.conf")), 0);
	CHECK_STR(compared(), "removed a.conf");
	end();
}

TEST(a_main_file_that_need_not_be_there_may_come)
{
	begin();
	read_again("none.conf");
	CHECK_STR(compared(), "same ");
	fixture_write(&f, "none.conf.d/x.conf", "");
	CHECK_STR(compared(), "added none.conf.d/x.conf");
	read_again("none.conf");
	CHECK_STR(compared(), "same ");
	fixture_write(&f, "none.conf", "");
	CHECK_STR(compared(), "added none.conf");
	end();
}

/* As a kubelet updates a ConfigMap: what stands in the directory stays the same links. */
TEST(links_are_followed)
{
	begin();
	fixture_write(&f, "..1/m.conf", "# m\n");
	fixture_write(&f, "..2/m.conf", "# m\n");
	CHECK_INT(symlink("..1", fixture_path(&f, "..data")), 0);
	CHECK_INT(symlink("..data/m.conf", fixture_path(&f, "m.conf")), 0);
	read_again("m.conf");
	CHECK_STR(compared(), "same ");
	CHECK_INT(symlink("..2", fixture_path(&f, "..new")), 0);
	CHECK_INT(rename(fixture_path(&f, "..new"), fixture_path(&f, "..data")), 0);
	CHECK_STR(compared(), "changed m.conf");
	read_again("m.conf");
	CHECK_STR(compared(), "same ");
	CHECK_INT(unlink(fixture_path(&f, "..data")), 0);
	CHECK_STR(compared(), "removed m.conf");
	end();
}

TEST(a_copy_is_compared_like_its_origin)
{
	struct config_files copy, kept;

	begin();
	CHECK_INT(config_files_copy(&copy, &files), 0);
	kept = files;
	files = copy;
	CHECK_STR(compared(), "same ");
	fixture_write(&f, "a.conf.d/1.conf", "# 2\n");
	CHECK_STR(compared(), "changed a.conf.d/1.conf");
	files = kept;
	config_files_fini(&copy);
	end();
}

CHECK_MAIN()

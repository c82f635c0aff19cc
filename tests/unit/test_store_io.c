/* SPDX-License-Identifier: Apache-2.0 */
/* The store's own system calls, and the whole store on a real file system: what the fake disk only claims. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "daemon/mint/store_parts.h"

static char state[64], run[80];

static void make_dirs(void)
{
	snprintf(state, sizeof(state), "/tmp/store-io.XXXXXX");
	if (!mkdtemp(state))
		abort();
	snprintf(run, sizeof(run), "%s/run", state);
	if (mkdir(run, 0700) < 0)
		abort();
}

static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", state, name);
	return path;
}

static void remove_dirs(void)
{
	static const char *const names[] = { "store", "store.key", "store.new", "other", "link", "fifo", "run/store.mark", "run/store.keep" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	rmdir(run);
	rmdir(state);
}

static struct store *open_store(struct err *err)
{
	struct store_options options = {
		.state_dir = state,
		.runtime_dir = run,
		.now_ms = clock_now_ms(),
		.now_real_ms = clock_real_ms(),
	};
	struct store *s = NULL;

	return store_open(&s, &options, err) == 0 ? s : NULL;
}

static int give(struct store *s, const char *text)
{
	CLEANUP(secret_unrefp) struct secret *token = secret_new(text, strlen(text));

	return store_give_refresh(s, store_get(s, "etl"), token, NULL, NULL, clock_now_ms(), NULL);
}

static const char *token_of(struct store *s)
{
	struct stored *e = store_find(s, "etl");

	return e && e->refresh.token ? secret_bytes(e->refresh.token) : NULL;
}

TEST(a_store_on_a_real_disk_comes_back)
{
	struct err err;
	struct store *s;
	struct stat st;

	make_dirs();
	s = open_store(&err);
	REQUIRE(s);
	CHECK_STR(store_why(s), "");
	CHECK_INT(give(s, "R1"), 0);
	store_close(s);
	CHECK_INT(stat(path_of("store"), &st), 0);
	CHECK_INT(st.st_mode, S_IFREG | 0600);
	CHECK_INT(st.st_size, 1024 * 1024);
	s = open_store(&err);
	REQUIRE(s);
	CHECK_STR(store_why(s), "");
	CHECK_STR(token_of(s), "R1");
	CHECK_INT(store_compact(s, s->id, false, NULL), 0);
	store_close(s);
	s = open_store(&err);
	REQUIRE(s);
	CHECK_STR(store_why(s), "");
	CHECK_STR(token_of(s), "R1");
	store_close(s);
	remove_dirs();
}

TEST(no_secret_is_readable_in_the_file)
{
	unsigned char bytes[16384];
	struct store *s;
	FILE *f;

	make_dirs();
	s = open_store(NULL);
	REQUIRE(s);
	CHECK_INT(give(s, "CanaryRefreshToken"), 0);
	store_close(s);
	f = fopen(path_of("store"), "rb");
	REQUIRE(f);
	CHECK_INT(fread(bytes, 1, sizeof(bytes), f), sizeof(bytes));
	fclose(f);
	CHECK(!memmem(bytes, sizeof(bytes), "Canary", 6));
	CHECK(!memmem(bytes, sizeof(bytes), "refreshToken", 12));
	CHECK(!memmem(bytes, sizeof(bytes), "etl", 3));
	remove_dirs();
}

/* Both a second descriptor of this process and another process are kept out. */
TEST(the_lock_keeps_others_out)
{
	struct err err = { 0 };
	struct store *s;
	int status;
	pid_t pid;

	make_dirs();
	s = open_store(NULL);
	REQUIRE(s);
	CHECK(!open_store(&err));
	CHECK_INT(err.code, ERR_EXISTS);
	pid = fork();
	if (pid == 0)
		_exit(open_store(&err) || err.code != ERR_EXISTS ? 1 : 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	store_close(s);
	s = open_store(&err);
	CHECK(s);
	store_close(s);
	remove_dirs();
}

TEST(links_and_fifos_are_not_followed)
{
	struct err err = { 0 };
	struct store *s;
	char to[160];

	make_dirs();
	s = open_store(NULL);
	store_close(s);
	snprintf(to, sizeof(to), "%s", path_of("other"));
	CHECK_INT(link(path_of("store"), to), 0);
	CHECK(!open_store(&err));
	CHECK_INT(err.code, ERR_ADMIN);
	CHECK(strstr(err.text, "hard links"));
	unlink(to);
	CHECK_INT(rename(path_of("store"), to), 0);
	CHECK_INT(symlink("other", path_of("store")), 0);
	CHECK(!open_store(&err));
	CHECK(strstr(err.text, "symbolic link"));
	unlink(path_of("store"));
	CHECK_INT(mkfifo(path_of("store"), 0600), 0);
	CHECK(!open_store(&err)); /* and does not wait for a writer */
	CHECK(strstr(err.text, "not a regular file"));
	remove_dirs();
}

TEST(a_copy_on_a_real_disk_is_suspect)
{
	unsigned char *bytes = malloc(1024 * 1024);
	struct err err = { 0 };
	struct store *s;
	FILE *f;

	REQUIRE(bytes);
	make_dirs();
	s = open_store(NULL);
	CHECK_INT(give(s, "R1"), 0);
	store_close(s);
	f = fopen(path_of("store"), "rb");
	CHECK_INT(fread(bytes, 1, 1024 * 1024, f), 1024 * 1024);
	fclose(f);
	unlink(path_of("store"));
	f = fopen(path_of("store"), "wb");
	CHECK_INT(fwrite(bytes, 1, 1024 * 1024, f), 1024 * 1024);
	fclose(f);
	chmod(path_of("store"), 0600);
	s = open_store(&err);
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_SUSPECT);
	CHECK_STR(token_of(s), "R1");
	CHECK_INT(store_adopt(s, NULL), 0);
	store_close(s);
	s = open_store(&err);
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	store_close(s);
	remove_dirs();
	free(bytes);
}

TEST(names_do_not_lead_out_of_the_directory)
{
	struct stat st;
	int dir, fd;

	make_dirs();
	dir = store_io_open_dir(state);
	REQUIRE(dir >= 0);
	CHECK_INT(store_io_open(dir, "../etc/passwd", O_RDONLY, 0), -1);
	CHECK_INT(symlink("/etc/passwd", path_of("link")), 0);
	CHECK_INT(store_io_open(dir, "link", O_RDONLY, 0), -1);
	CHECK_INT(errno, ELOOP);
	CHECK_INT(store_io_stat_name(dir, "link", &st), 0);
	CHECK(S_ISLNK(st.st_mode));
	fd = store_io_open(dir, "other", O_RDWR | O_CREAT | O_EXCL, 0600);
	REQUIRE(fd >= 0);
	CHECK_INT(store_io_allocate(fd, 4096), 0);
	CHECK_INT(store_io_stat(fd, &st), 0);
	CHECK_INT(st.st_size, 4096);
	CHECK(store_io_birth(fd) >= 0);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	store_io_close(fd);
	store_io_close(dir);
	remove_dirs();
}

TEST(this_boot_and_machine_have_names)
{
	struct store_identity a, b;

	store_identity(&a);
	store_identity(&b);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	CHECK_INT(strlen(a.boot_id), 36);
	CHECK(!strchr(a.machine_id, '\n'));
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Where secrets may be, and the ways of putting another file in their place (T25). */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/mint/credential_parts.h"
#include "tests/unit/config_fixture.h"

static struct fixture f;
static struct err err;

static void begin(void)
{
	fixture_init(&f);
	fixture_write_bytes(&f, "s", "hunter2\n", 8, 0600);
}

static void end(void)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	fixture_fini(&f);
}

/* What is said about a path below the directory; "" when it was read. The directory is cut out. */
static const char *refusal(const char *path, bool trim)
{
	static char said[700];
	char reference[600];
	size_t n = strlen(f.dir);
	char *at;

	err = (struct err){ 0 };
	snprintf(reference, sizeof(reference), "file:%s", fixture_path(&f, path));
	struct secret *s = credential_secret(reference, f.uid, trim, &err);

	if (s) {
		secret_unref(s);
		return "";
	}
	snprintf(said, sizeof(said), "%s", err.text);
	while ((at = strstr(said, f.dir)))
		memmove(at, at + n + 1, strlen(at + n + 1) + 1);
	return said;
}

TEST(a_safe_file_is_read)
{
	begin();
	char reference[600];

	snprintf(reference, sizeof(reference), "file:%s", fixture_path(&f, "s"));
	struct secret *s = credential_secret(reference, f.uid, true, &err);

	REQUIRE(s);
	CHECK_MEM(secret_bytes(s), secret_size(s), "hunter2", 7);
	secret_unref(s);
	s = credential_secret(reference, f.uid, false, &err);
	REQUIRE(s);
	CHECK_MEM(secret_bytes(s), secret_size(s), "hunter2\n", 8);
	secret_unref(s);
	end();
}

TEST(one_newline_is_trimmed)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "a", "a" }, { "a\n", "a" }, { "a\n\n", "a\n" }, { "a\r\n", "a" }, { "a ", "a " }
	};

	begin();
	setenv("CREDENTIALS_DIRECTORY", f.dir, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fixture_write_bytes(&f, "s", rows[i].in, strlen(rows[i].in), 0600);
		struct secret *s = credential_secret("credential:s", f.uid, true, &err);

		REQUIRE(s);
		CHECK_MEM(secret_bytes(s), secret_size(s), rows[i].out, strlen(rows[i].out));
		secret_unref(s);
	}
	end();
}

TEST(a_symlink_anywhere_is_refused)
{
	begin();
	CHECK_INT(symlink("s", fixture_path(&f, "link")), 0);
	CHECK_STR(refusal("link", true),
		  "link: there is a symbolic link on the way — name the file itself");
	CHECK_INT(mkdir(fixture_path(&f, "d"), 0700), 0);
	fixture_write_bytes(&f, "d/s", "x", 1, 0600);
	CHECK_INT(symlink("d", fixture_path(&f, "dlink")), 0);
	CHECK_STR(refusal("d/s", true), "");
	CHECK_STR(refusal("dlink/s", true),
		  "dlink/s: there is a symbolic link on the way — name the file itself");
	CHECK_INT(symlink("/dev/null", fixture_path(&f, "null")), 0);
	CHECK_STR(refusal("null", true),
		  "null: there is a symbolic link on the way — name the file itself");
	CHECK_INT(symlink("nowhere", fixture_path(&f, "dangling")), 0);
	CHECK_STR(refusal("dangling", true),
		  "dangling: there is a symbolic link on the way — name the file itself");
	end();
}

TEST(a_hard_link_is_refused)
{
	begin();
	CHECK_INT(link(fixture_path(&f, "s"), fixture_path(&f, "other")), 0);
	CHECK_STR(refusal("s", true),
		  "s has 2 names (hard links) — copy it: cp s s.new && mv s.new s");
	end();
}

TEST(only_regular_files_are_read)
{
	begin();
	CHECK_INT(mkfifo(fixture_path(&f, "fifo"), 0600), 0);
	CHECK_STR(refusal("fifo", true), "fifo is not a regular file — put the secret into a file");
	CHECK_INT(mkdir(fixture_path(&f, "dir"), 0700), 0);
	CHECK_STR(refusal("dir", true), "dir is not a regular file — put the secret into a file");
	CHECK_STR(refusal("nothing", true),
		  "nothing does not exist — put the secret there or mend the path");
	CHECK_STR(refusal("s/x", true),
		  "s/x does not exist — put the secret there or mend the path");
	end();
}

TEST(group_and_others_have_no_access)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666 };

	begin();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char said[200];

		CHECK_INT(chmod(fixture_path(&f, "s"), modes[i]), 0);
		snprintf(said, sizeof(said),
			 "group or others have access to s (mode %04o) — chmod 600 s",
			 (unsigned)modes[i]);
		CHECK_STR(refusal("s", true), said);
	}
	CHECK_INT(chmod(fixture_path(&f, "s"), 0400), 0);
	CHECK_STR(refusal("s", true), "");
	end();
}

/* Runs in a child under another uid that owns nothing; for root alone. */
static bool as_other(bool (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgid(4321) == 0 && setuid(4321) == 0 && run() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static bool no_permission(void)
{
	f.uid = 4321;
	return strcmp(refusal("s", true), "s: permission denied — the service user (uid 4321) must "
					  "own it: chown 4321 s") == 0;
}

/* What can be seen without the right to give files away. */
static void owners_without_root(void)
{
	struct stat st;
	char said[200];

	/* the system's own: the directory is root's, the file is not ours */
	if (CHECK(stat("/etc/passwd", &st) == 0) && st.st_uid == 0) {
		CHECK(!credential_secret("file:/etc/passwd", f.uid, true, &err));
		CHECK(strstr(err.text,
			     "/etc/passwd belongs to uid 0, not to the service user — chown ") ==
		      err.text);
	}
	f.uid++;
	snprintf(said, sizeof(said),
		 "the directory of s belongs to uid %u — chown it to root or uid %u",
		 (unsigned)geteuid(), (unsigned)f.uid);
	CHECK_STR(refusal("s", true), said);
}

static void owners_as_root(void)
{
	CHECK(as_other(no_permission));
	CHECK_INT(chown(fixture_path(&f, "s"), 1234, 1234), 0);
	CHECK_STR(refusal("s", true), "s belongs to uid 1234, not to the service user — chown 0 s");
	/* a file of root is not the service user's */
	CHECK_INT(chown(fixture_path(&f, "s"), 0, 0), 0);
	f.uid = 4321;
	CHECK_STR(refusal("s", true),
		  "s belongs to uid 0, not to the service user — chown 4321 s, or use credential:");
	CHECK_INT(chown(f.dir, 1234, 1234), 0);
	CHECK_STR(refusal("s", true),
		  "the directory of s belongs to uid 1234 — chown it to root or uid 4321");
	CHECK_INT(chown(f.dir, 4321, 0), 0);
	CHECK_INT(chown(fixture_path(&f, "s"), 4321, 0), 0);
	CHECK_STR(refusal("s", true), "");
}

TEST(another_owner_is_refused)
{
	begin();
	if (geteuid() == 0)
		owners_as_root();
	else
		owners_without_root();
	end();
}

TEST(a_directory_that_others_write_is_refused)
{
	static const mode_t modes[] = { 0777, 01777, 0770, 0707, 0720 };

	begin();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char said[200];

		CHECK_INT(chmod(f.dir, modes[i]), 0);
		snprintf(said, sizeof(said),
			 "others may write the directory of s (mode %04o) — chmod go-w the "
			 "directory",
			 (unsigned)modes[i]);
		CHECK_STR(refusal("s", true), said);
	}
	CHECK_INT(chmod(f.dir, 0755), 0);
	CHECK_STR(refusal("s", true), "");
	end();
}

TEST(sizes_are_bounded)
{
	static char big[64 * 1024 + 1];

	begin();
	memset(big, 'a', sizeof(big));
	fixture_write_bytes(&f, "s", "", 0, 0600);
	CHECK_STR(refusal("s", true), "s is empty — write the secret into it");
	fixture_write_bytes(&f, "s", "\n", 1, 0600);
	CHECK_STR(refusal("s", true), "s holds nothing but a newline — write the secret into it");
	fixture_write_bytes(&f, "s", big, sizeof(big), 0600);
	CHECK_STR(refusal("s", true), "s is larger than 64 KiB — this is no secret");
	fixture_write_bytes(&f, "s", big, sizeof(big) - 1, 0600);
	CHECK_STR(refusal("s", true), "");
	end();
}

TEST(references_have_one_form)
{
	static const char *const rows[][2] = {
		{ "file:s", "the path after file: is not absolute — begin it with /" },
		{ "file:", "the path after file: is not absolute — begin it with /" },
		{ "file:/etc/", "the path after file: names a directory — name the file" },
		{ "file:/etc/..", "the path after file: names a directory — name the file" },
		{ "credential:",
		  "credential: takes the ID of a system credential, without a slash — mend it" },
		{ "credential:a/b",
		  "credential: takes the ID of a system credential, without a slash — mend it" },
		{ "credential:../x",
		  "credential: takes the ID of a system credential, without a slash — mend it" },
		{ "stored:", "stored: does not fit here — use file: or credential:" },
		{ "hunter2", "this is not a reference — secrets are never in this file: write "
			     "file:PATH, credential:ID or stored:" },
		{ "", "this is not a reference — secrets are never in this file: write file:PATH, "
		      "credential:ID or stored:" },
	};

	unsetenv("CREDENTIALS_DIRECTORY");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i][0]);
		CHECK(!credential_secret(rows[i][0], geteuid(), true, &err));
		CHECK_INT(err.code, ERR_ADMIN);
		CHECK_STR(err.text, rows[i][1]);
	}
	check_row("credential: without directory");
	CHECK(!credential_secret("credential:x", geteuid(), true, &err));
	CHECK(strstr(err.text, "credential:x needs $CREDENTIALS_DIRECTORY, which is not set — ") ==
	      err.text);
}

/* kubelet's layout: ID -> ..data/ID, ..data -> ..2026_01; world-readable files of another owner are
 * fine here. */
TEST(the_credentials_directory_is_vouched_for)
{
	begin();
	setenv("CREDENTIALS_DIRECTORY", fixture_path(&f, "c"), 1);
	fixture_write_bytes(&f, "c/..2026_01/id", "mounted\n", 8, 0644);
	CHECK_INT(symlink("..2026_01", fixture_path(&f, "c/..data")), 0);
	CHECK_INT(symlink("..data/id", fixture_path(&f, "c/id")), 0);
	CHECK_INT(chmod(fixture_path(&f, "c"), 0777), 0);
	struct secret *s = credential_secret("credential:id", f.uid, true, &err);

	REQUIRE(s);
	CHECK_MEM(secret_bytes(s), secret_size(s), "mounted", 7);
	secret_unref(s);
	/* but nothing outside of it */
	CHECK_INT(symlink("../s", fixture_path(&f, "c/out")), 0);
	CHECK_INT(symlink("/etc/passwd", fixture_path(&f, "c/abs")), 0);
	CHECK(!credential_secret("credential:out", f.uid, true, &err));
	CHECK_STR(err.text, "in $CREDENTIALS_DIRECTORY: out leads out of its directory — let its "
			    "link stay inside");
	CHECK(!credential_secret("credential:abs", f.uid, true, &err));
	CHECK(!credential_secret("credential:..", f.uid, true, &err));
	CHECK(!credential_secret("credential:.", f.uid, true, &err));
	CHECK(!credential_secret("credential:gone", f.uid, true, &err));
	CHECK_STR(err.text, "in $CREDENTIALS_DIRECTORY: gone does not exist — put the secret there "
			    "or mend the path");
	end();
}

/* Swaps the file for a symlink to a planted one and back, as fast as it can. */
static void swap_for_ever(void)
{
	const char *path = fixture_path(&f, "race/s");
	char link_path[512], file_path[512];

	snprintf(link_path, sizeof(link_path), "%s", fixture_path(&f, "race/link"));
	snprintf(file_path, sizeof(file_path), "%s", fixture_path(&f, "race/file"));
	for (;;) {
		unlink(link_path);
		if (symlink("../planted", link_path) == 0 && rename(link_path, path) == 0) {
			int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

			if (fd >= 0 && write(fd, "genuine", 7) == 7)
				rename(file_path, path);
			if (fd >= 0)
				close(fd);
		}
	}
}

TEST(a_swap_never_wins)
{
	unsigned read_genuine = 0, refused = 0;
	char reference[600];

	begin();
	fixture_write_bytes(&f, "planted", "planted", 7, 0600);
	fixture_write_bytes(&f, "race/s", "genuine", 7, 0600);
	snprintf(reference, sizeof(reference), "file:%s", fixture_path(&f, "race/s"));
	pid_t pid = fork();

	if (pid == 0)
		swap_for_ever();
	for (unsigned i = 0; i < 20000; i++) {
		struct secret *s = credential_secret(reference, f.uid, true, &err);

		refused += !s;
		if (!s)
			continue;
		read_genuine++;
		if (!CHECK_MEM(secret_bytes(s), secret_size(s), "genuine", 7))
			i = 20000;
		secret_unref(s);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_INT(read_genuine + refused, 20000);
	CHECK(read_genuine > 0);
	end();
}

/* What we read has nothing to do with the umask, and we make nothing here. */
TEST(the_umask_changes_nothing)
{
	begin();
	mode_t old = umask(0);

	CHECK_STR(refusal("s", true), "");
	int fd = open(fixture_path(&f, "loose"), O_WRONLY | O_CREAT, 0666);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	CHECK_STR(refusal("loose", true),
		  "group or others have access to loose (mode 0666) — chmod 600 loose");
	umask(old);
	end();
}

static struct credential_secrets kept;

/* Whether the file below the directory is read within one load, as this. */
static bool reads(const char *path, bool trim, const char *text)
{
	char reference[600];

	snprintf(reference, sizeof(reference), "file:%s", fixture_path(&f, path));
	CLEANUP(secret_unrefp)
	struct secret *s = credential_secret_kept(&kept, reference, f.uid, trim, &err);

	return s && secret_size(s) == strlen(text) && !memcmp(secret_bytes(s), text, strlen(text));
}

TEST(a_load_keeps_the_folder_and_the_last_secret)
{
	begin();
	kept = CREDENTIAL_SECRETS_NONE;
	fixture_write_bytes(&f, "t", "other\n", 6, 0600);
	fixture_write_bytes(&f, "d/s", "below\n", 6, 0600);
	CHECK(reads("s", true, "hunter2"));
	CHECK(reads("s", false, "hunter2\n"));
	CHECK(reads("t", true, "other"));
	CHECK(reads("d/s", true, "below"));
	CHECK(!reads("d/none", true, ""));
	CHECK(!reads("gone/s", true, ""));
	CHECK(reads("s", true, "hunter2"));
	fixture_write_bytes(&f, "s", "changed\n", 8, 0600);
	CHECK(reads("s", true, "hunter2"));
	credential_secrets_fini(&kept);
	CHECK(reads("s", true, "changed"));
	credential_secrets_fini(&kept);
	end();
}

TEST(a_kept_folder_is_judged_for_each_file)
{
	begin();
	kept = CREDENTIAL_SECRETS_NONE;
	fixture_write_bytes(&f, "t", "other\n", 6, 0600);
	CHECK(reads("s", true, "hunter2"));
	CHECK_INT(chmod(f.dir, 0722), 0);
	CHECK(!reads("t", true, "other"));
	CHECK_INT(chmod(f.dir, 0700), 0);
	CHECK(reads("t", true, "other"));
	credential_secrets_fini(&kept);
	end();
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent does before it starts anybody: command line, directories and their locks, sockets.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/parent/options.h"
#include "daemon/parent/places.h"
#include "daemon/parent/sockets.h"
#include "tests/unit/check.h"

static char folder[32];
static struct identity me;

static void enter(void)
{
	snprintf(folder, sizeof folder, "/tmp/sftokend-test-XXXXXX");
	if (!mkdtemp(folder))
		abort();
	me = (struct identity){ .uid = geteuid(), .gid = getegid() };
}

static const char *in_folder(const char *name)
{
	static char path[4][320];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof path[0], "%s/%s", folder, name);
	return p;
}

static void leave(void)
{
	DIR *d = opendir(folder);

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    unlink(in_folder(e->d_name)) < 0)
			rmdir(in_folder(e->d_name));
	}
	if (d)
		closedir(d);
	rmdir(folder);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

/* --- options --- */

static int parse(struct options *o, struct err *err, const char *a, const char *b, const char *c)
{
	const char *argv[] = { "sftokend", a, b, c, NULL };
	int argc = 1 + !!a + !!b + !!c;

	return options_parse(o, argc, (char **)argv, err);
}

TEST(options_are_read_with_a_space_or_an_equals_sign)
{
	struct options o;
	struct err err;

	CHECK_INT(parse(&o, &err, "--config", "/c", "--user"), 0);
	CHECK_STR(o.places.config_option, "/c");
	CHECK(o.places.user_mode);
	CHECK(!o.places.state_option && !o.check);
	CHECK_INT(o.log_level, -1);
	CHECK_INT(o.log_format, -1);
	places_fini(&o.places);
	CHECK_INT(parse(&o, &err, "--state=/a=b", "--log-level=debug", "--log-format=json"), 0);
	CHECK_STR(o.places.state_option, "/a=b");
	CHECK_INT(o.log_level, LOG_LEVEL_DEBUG);
	CHECK_INT(o.log_format, LOG_FORMAT_JSON);
	places_fini(&o.places);
	CHECK_INT(parse(&o, &err, "--runtime", "/first", "--runtime=/second"), 0);
	CHECK_STR(o.places.runtime_option, "/second");
	CHECK_INT(o.until_idle_s, 0);
	places_fini(&o.places);
	CHECK_INT(parse(&o, &err, "--until-idle", "3600", NULL), 0);
	CHECK_INT(o.until_idle_s, 3600);
}

TEST(mistakes_on_the_command_line_are_refused_with_a_reason)
{
	static const struct {
		const char *a, *b, *says;
	} wrong[] = {
		{ "--until-idle", "0", "1 or more" },
		{ "--until-idle", "5m", "5m" },
		{ "--until-idle=-1", NULL, "-1" },
		{ "--until-idle=99999999999", NULL, "99999999999" },
		{ "--until-idle", NULL, "--until-idle" },
		{ "--log-format", "xml", "xml" },
		{ "--log-level", "loud", "loud" },
		{ "--config", NULL, "--config" },
		{ "--config=", NULL, "--config" },
		{ "--check=yes", NULL, "--check" },
		{ "--conf", "/c", "--conf" },
		{ "--configs", "/c", "--configs" },
		{ "-x", NULL, "-x" },
		{ "word", NULL, "word" },
		{ "", NULL, "see sftokend --help" },
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct options o;
		struct err err = { 0 };

		check_row(wrong[i].a);
		CHECK_INT(parse(&o, &err, wrong[i].a, wrong[i].b, NULL), -ERR_INPUT);
		CHECK(strstr(err.text, wrong[i].says) != NULL);
		places_fini(&o.places);
	}
}

TEST(help_names_every_option_of_this_version_and_no_other)
{
	static const char *const names[] = { "--user",       "--config",  "--state",
					     "--runtime",    "--check",   "--until-idle", "--log-level",
					     "--log-format", "--version", "--help" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	options_help(out);
	fclose(out);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		CHECK(strstr(text, names[i]) != NULL);
	free(text);
}

/* --- directories --- */

TEST(a_directory_is_made_with_what_is_missing_above_it)
{
	struct err err;

	enter();
	umask(077);
	CHECK_INT(place_make(in_folder("a/b"), 0755, &me, &err), 0);
	CHECK_INT(mode_of(in_folder("a/b")), 0755);
	CHECK_INT(mode_of(in_folder("a")), 0755); /* the service user has to get through */
	CHECK_INT(place_make(in_folder("s"), 0700, &me, &err), 0);
	CHECK_INT(mode_of(in_folder("s")), 0700);
	CHECK_INT(place_make(in_folder("s"), 0700, &me, &err), 0); /* again */
	rmdir(in_folder("a/b"));
	leave();
}

TEST(a_directory_of_somebody_else_or_a_file_is_refused)
{
	struct identity other = { .uid = geteuid() + 1, .gid = getegid() };
	struct err err;

	enter();
	mkdir(in_folder("d"), 0755);
	CHECK(place_make(in_folder("d"), 0755, &other, &err) < 0);
	CHECK(strstr(err.text, "--runtime") != NULL);
	CHECK(chmod(in_folder("d"), 0775) == 0);
	CHECK(place_make(in_folder("d"), 0755, &me, &err) < 0);
	CHECK(strstr(err.text, "chmod go-w") != NULL);
	CHECK_INT(mode_of(in_folder("d")), 0775); /* it is judged, not changed */
	close(open(in_folder("f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	CHECK(place_make(in_folder("f"), 0755, &me, &err) < 0);
	CHECK(place_make(in_folder("f/below"), 0755, &me, &err) < 0);
	leave();
}

TEST(a_new_directory_is_given_to_the_service_user)
{
	struct identity other = { .uid = 4321, .gid = 4322 };
	struct stat st = { 0 };
	struct err err;

	if (geteuid() != 0)
		SKIP("needs root");
	enter();
	CHECK_INT(place_make(in_folder("d"), 0700, &other, &err), 0);
	CHECK_INT(stat(in_folder("d"), &st), 0);
	CHECK_INT(st.st_uid, 4321);
	CHECK_INT(st.st_gid, 4322);
	leave();
}

/* --- locks --- */

/* A process that holds the lock of folder until it is killed. */
static pid_t start_holder(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		abort();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (place_lock(folder, &me, NULL) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		abort();
	close(ready[0]);
	return pid;
}

TEST(a_lock_that_somebody_holds_is_refused_and_names_the_holder)
{
	char number[16];
	struct err err;
	pid_t holder;

	enter();
	holder = start_holder();
	CHECK_INT(place_lock(folder, &me, &err), -ERR_EXISTS);
	snprintf(number, sizeof number, "%d", (int)holder);
	CHECK(strstr(err.text, number) != NULL);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	leave();
}

TEST(a_lock_holds_the_number_of_its_owner_and_is_close_on_exec)
{
	char text[32] = "", wanted[32];
	struct err err;
	int fd, again;

	enter();
	fd = open(in_folder("lock"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "999999999 a longer text that is left", 36), 36);
	close(fd);
	fd = place_lock(folder, &me, &err);
	REQUIRE(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(pread(fd, text, sizeof text - 1, 0) > 0);
	snprintf(wanted, sizeof wanted, "%d\n", (int)getpid());
	CHECK_STR(text, wanted);
	CHECK_INT(mode_of(in_folder("lock")), 0600);
	close(fd);
	again = place_lock(folder, &me, &err); /* freed with its last copy */
	CHECK(again >= 0);
	cleanup_close(&again);
	leave();
}

/* The holder's number belongs to a dead process, but a copy of the lock lives on for a moment: the mint of a daemon that was killed. */
static void write_number(pid_t pid)
{
	char text[32];
	int fd = open(in_folder("lock"), O_WRONLY | O_TRUNC | O_CLOEXEC);

	snprintf(text, sizeof text, "%d\n", (int)pid);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void wait_behind_the_dead(bool reap, pid_t number)
{
	struct err err;
	int fd, hold[2];
	pid_t dead, heir;

	enter();
	if (pipe(hold) < 0)
		abort();
	fflush(stdout);
	dead = fork();
	if (dead == 0) {
		int lock = place_lock(folder, &me, NULL);

		heir = fork();
		if (heir == 0) {
			char byte;

			close(hold[1]);
			_exit(read(hold[0], &byte, 1) < 0 ||
			      lock < 0); /* until the other end is closed */
		}
		_exit(lock < 0);
	}
	close(hold[0]);
	if (reap)
		waitpid(dead, NULL, 0);
	else
		waitid(P_PID, (id_t)dead, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	if (number > 0)
		write_number(number);
	/* somebody ends the heir while we wait for the lock */
	heir = fork();
	if (heir == 0) {
		poll(NULL, 0, 100);
		_exit(0); /* closes the last writing end but ours, which is closed below */
	}
	close(hold[1]);
	fd = place_lock(folder, &me, &err);
	CHECK(fd >= 0);
	cleanup_close(&fd);
	waitpid(heir, NULL, 0);
	waitpid(dead, NULL, WNOHANG);
	leave();
}

TEST(a_lock_left_by_a_dead_daemon_is_waited_for)
{
	wait_behind_the_dead(true, 0);
}

TEST(a_daemon_that_nobody_has_waited_for_is_dead_too)
{
	wait_behind_the_dead(false, 0);
}

/* In a container every start is pid 1. */
TEST(a_number_that_is_ours_by_now_is_that_of_a_dead_daemon)
{
	wait_behind_the_dead(true, getpid());
}

TEST(a_lock_is_not_taken_through_a_symlink)
{
	struct err err;

	enter();
	CHECK_INT(symlink("/tmp/sftokend-test-target", in_folder("lock")), 0);
	CHECK(place_lock(folder, &me, &err) < 0);
	CHECK(access("/tmp/sftokend-test-target", F_OK) < 0);
	leave();
}

TEST(a_lock_with_a_second_name_is_neither_emptied_nor_given_away)
{
	struct err err;
	int fd;

	enter();
	fd = open(in_folder("precious"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "12345678", 8), 8);
	CHECK_INT(link(in_folder("precious"), in_folder("lock")), 0);
	CHECK_INT(place_lock(folder, &me, &err), -ERR_ADMIN);
	CHECK_INT(lseek(fd, 0, SEEK_END), 8);
	close(fd);
	leave();
}

/* --- sockets --- */

static struct settings settings;
static struct listener_settings listener;
static struct sd manager = { .socket = -1 };

static int open_one(struct sockets *s, const char *path, char *group, int64_t mode, bool user_mode,
		    struct err *err)
{
	limits_default(&settings.limits);
	settings.daemon.admin_group = NULL;
	listener = (struct listener_settings){ .name = (char *)"broker",
					       .interface = LISTENER_BROKER,
					       .path = (char *)path,
					       .mode = mode,
					       .group = group };
	return sockets_open(s, &listener, &settings, user_mode, &me, &manager, err);
}

static bool can_connect(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	CLEANUP(cleanup_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, path, strlen(path) + 1);
	return connect(fd, (void *)&un, sizeof un) == 0;
}

static unsigned n_names(void)
{
	DIR *d = opendir(folder);
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

TEST(a_socket_takes_over_what_a_dead_daemon_left)
{
	struct sockets old, new;
	struct err err;

	enter();
	CHECK_INT(open_one(&old, in_folder("s"), NULL, -1, true, &err), 0);
	CHECK_INT(mode_of(in_folder("s")), 0600);
	CHECK_INT(open_one(&new, in_folder("s"), NULL, -1, true, &err), 0);
	CHECK_INT(n_names(), 1); /* nothing temporary is left */
	close(old.items[0].fd);
	CHECK(can_connect(in_folder("s")));
	listener.path = (char *)in_folder("s");
	sockets_close(&new);
	CHECK_INT(n_names(), 0);
	free(old.items[0].path);
	free(old.items);
	leave();
}

TEST(mode_and_group_are_what_the_listener_says)
{
	struct sockets s;
	struct err err;
	struct stat st;

	if (geteuid() != 0)
		SKIP("needs root");
	enter();
	CHECK_INT(open_one(&s, in_folder("s"), (char *)"12", -1, true, &err), 0);
	CHECK_INT(lstat(listener.path, &st), 0);
	CHECK_INT(st.st_gid, 12);
	CHECK_INT(st.st_mode & 0777, 0660);
	sockets_close(&s);
	CHECK_INT(open_one(&s, in_folder("s"), (char *)"12", 0666, false, &err), 0);
	CHECK_INT(mode_of(listener.path), 0666);
	CHECK_INT(s.n_warnings, 0);
	sockets_close(&s);
	leave();
}

/* In a container without groups: the default group is missing, and is not needed. */
TEST(a_mode_for_everybody_needs_no_group)
{
	static const int64_t modes[] = { 0666, 0600, 0606 };

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		struct sockets s;
		struct err err;

		enter();
		CHECK_INT(open_one(&s, in_folder("s"), NULL, modes[i], false, &err), 0);
		CHECK_INT(mode_of(listener.path), modes[i]);
		CHECK_INT(s.n_warnings, 0);
		sockets_close(&s);
		leave();
	}
}

TEST(a_socket_brings_its_last_directory_with_it)
{
	struct sockets s;
	struct err err;

	enter();
	CHECK_INT(open_one(&s, in_folder("own/s"), NULL, -1, true, &err), 0);
	CHECK_INT(mode_of(in_folder("own")), 0755);
	sockets_close(&s);
	chmod(in_folder("own"), 0770); /* somebody's decision */
	CHECK_INT(open_one(&s, in_folder("own/s"), NULL, -1, true, &err), 0);
	CHECK_INT(mode_of(in_folder("own")), 0770);
	sockets_close(&s);
	rmdir(in_folder("own"));
	leave();
}

/* The front sets it, too, but a caller may be faster. */
TEST(who_speaks_before_the_front_runs_is_known)
{
	struct sockets s;
	struct err err;
	int on = 0;
	socklen_t size = sizeof on;

	enter();
	CHECK_INT(open_one(&s, in_folder("s"), NULL, -1, true, &err), 0);
	CHECK_INT(getsockopt(s.items[0].fd, SOL_SOCKET, SO_PASSCRED, &on, &size), 0);
	CHECK_INT(on, 1);
	sockets_close(&s);
	leave();
}

TEST(a_group_that_does_not_exist_leaves_0600_and_a_warning_with_the_command)
{
	struct sockets s;
	struct err err;

	enter();
	CHECK_INT(open_one(&s, in_folder("s"), (char *)"no-such-group", 0666, false, &err), 0);
	CHECK_INT(mode_of(listener.path), 0600);
	CHECK_INT(s.n_warnings, 1);
	CHECK(s.n_warnings && strstr(s.warnings[0], "groupadd --system no-such-group") != NULL);
	sockets_close(&s);
	leave();
}

/* 4294967296 would be root's group, -1 and 4294967295 no change at all. */
TEST(a_number_that_is_no_group_leaves_0600)
{
	static const char *const wrong[] = { "4294967296", "4294967295", "-1", "+12", "0x0c" };

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct sockets s;
		struct err err;

		check_row(wrong[i]);
		enter();
		CHECK_INT(open_one(&s, in_folder("s"), (char *)wrong[i], -1, false, &err), 0);
		CHECK_INT(mode_of(listener.path), 0600);
		CHECK_INT(s.n_warnings, 1);
		sockets_close(&s);
		leave();
	}
}

TEST(a_name_that_is_no_socket_is_not_taken_over)
{
	struct sockets s;
	struct err err;

	enter();
	close(open(in_folder("s"), O_WRONLY | O_CREAT | O_CLOEXEC, 0400));
	CHECK(open_one(&s, in_folder("s"), NULL, -1, true, &err) < 0);
	CHECK_INT(mode_of(in_folder("s")), 0400);
	CHECK_INT(n_names(), 1);
	sockets_close(&s);
	leave();
}

TEST(a_socket_in_a_missing_directory_is_refused)
{
	struct sockets s;
	struct err err;

	enter();
	CHECK(open_one(&s, in_folder("none/below/s"), NULL, -1, true, &err) < 0);
	CHECK(strstr(err.text, "none") != NULL);
	sockets_close(&s);
	leave();
}

CHECK_MAIN()

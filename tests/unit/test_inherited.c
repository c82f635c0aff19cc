/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager passes to the parent, and what it is told: sockets of units, sockets that were kept, and messages that never wait for a reader. The manager is a datagram socket that the
 * test reads, or does not.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/parent/inherited.h"
#include "tests/unit/check.h"

static char folder[32];
static int manager_end = -1;
static struct sd sd;
static struct identity me;
static struct settings settings;
static struct listener_settings listeners[2];

static const char *in_folder(const char *name)
{
	static char path[8][320];
	static unsigned next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof path[0], "%s/%s", folder, name);
	return p;
}

static int bound(int type, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(un.sun_path, path, strlen(path) + 1);
	if (bind(fd, (void *)&un, sizeof un) < 0)
		abort();
	return fd;
}

static int listening(const char *path)
{
	int fd = bound(SOCK_STREAM, path);

	if (listen(fd, 16) < 0)
		abort();
	return fd;
}

/* keeps: how many descriptors the manager keeps. */
static void enter(const char *keeps)
{
	struct err err;

	snprintf(folder, sizeof folder, "/tmp/sftokend-test-XXXXXX");
	if (!mkdtemp(folder))
		abort();
	me = (struct identity){ .uid = geteuid(), .gid = getegid() };
	limits_default(&settings.limits);
	manager_end = bound(SOCK_DGRAM, in_folder("notify"));
	setenv("NOTIFY_SOCKET", in_folder("notify"), 1);
	setenv("FDSTORE", keeps, 1);
	sd = (struct sd){ .socket = -1 };
	CHECK_INT(sd_init(&sd, &err), 0);
	listeners[0] = (struct listener_settings){ .name = (char *)"broker",
						   .interface = LISTENER_BROKER,
						   .path = strdup(in_folder("io.sftoken.Broker")),
						   .mode = -1 };
	listeners[1] = (struct listener_settings){ 0 };
}

static void leave(void)
{
	DIR *d = opendir(folder);

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		unlink(in_folder(e->d_name));
	if (d)
		closedir(d);
	rmdir(folder);
	sd_fini(&sd);
	cleanup_close(&manager_end);
	free(listeners[0].path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("FDSTORE");
}

static void pass(const char *name, int fd)
{
	sd.given = reallocarray(sd.given, sd.n_given + 1, sizeof *sd.given);
	sd.given[sd.n_given++] = (struct sd_given){ strdup(name), fd };
}

/* The next message, "" when there is none; the descriptor in it goes to *fd, or is closed. */
static const char *told(int *fd)
{
	static char text[1024];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = { 0 };
	struct iovec piece = { text, sizeof text - 1 };
	struct msghdr m = { .msg_iov = &piece,
			    .msg_iovlen = 1,
			    .msg_control = room.bytes,
			    .msg_controllen = sizeof room.bytes };
	ssize_t n = recvmsg(manager_end, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int got = -1;

	text[n > 0 ? n : 0] = '\0';
	if (n > 0 && m.msg_controllen >= sizeof room.header)
		memcpy(&got, CMSG_DATA(&room.header), sizeof got);
	if (fd)
		*fd = got;
	else
		cleanup_close(&got);
	return text;
}

static int open_all(struct sockets *s, struct err *err)
{
	return sockets_open(s, &listeners[0], &settings, true, &me, &sd, err);
}

static bool connects(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	CLEANUP(cleanup_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, path, strlen(path) + 1);
	return connect(fd, (void *)&un, sizeof un) == 0;
}

/* The inode that a path leads to. */
static ino_t inode(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_ino : 0;
}

/* --- sockets of units --- */

TEST(a_socket_unit_is_found_by_the_name_of_the_interface_and_left_alone)
{
	struct sockets s;
	struct err err;
	ino_t before;

	enter("0");
	pass("io.sftoken.Broker", listening(in_folder("elsewhere")));
	before = inode(in_folder("elsewhere"));
	CHECK_INT(open_all(&s, &err), 0);
	CHECK_INT(s.n, 1);
	CHECK_STR(s.items[0].path, in_folder("elsewhere"));
	CHECK_INT(s.items[0].owner, SOCKET_MANAGERS);
	CHECK_INT(inode(listeners[0].path), 0); /* not opened */
	CHECK_INT(s.n_warnings, 1);             /* it is not where it should be */
	sockets_close(&s);
	CHECK_INT(inode(in_folder("elsewhere")), before);
	CHECK_STR(told(NULL), "");
	leave();
}

TEST(a_socket_on_demand_is_opened_when_it_is_wanted)
{
	const struct socket_entry *e;
	struct sockets s;
	struct err err = { 0 };
	char name[SD_TEXT_MAX];
	int fd;

	enter("9");
	listeners[0].name = (char *)"credential";
	listeners[0].interface = LISTENER_CREDENTIAL;
	listeners[0].on_demand = true;
	CHECK_INT(open_all(&s, &err), 0);
	CHECK_INT(s.n, 0);
	CHECK_INT(inode(listeners[0].path), 0);
	CHECK(!sockets_open_wanted(&s, "broker", &err) && !err.code);
	e = sockets_open_wanted(&s, "credential", &err);
	REQUIRE(e);
	CHECK_STR(e->path, listeners[0].path);
	CHECK(connects(listeners[0].path));
	CHECK(strstr(told(&fd), "FDSTORE=1")); /* kept for the next daemon, like the others */
	snprintf(name, sizeof name, "kept.%llu.%s", (unsigned long long)inode(listeners[0].path),
		 listeners[0].path);
	CHECK(!sockets_open_wanted(&s, "credential", &err) && !err.code); /* once */
	CHECK_INT(s.n, 1);
	sockets_close(&s);
	/* the next daemon takes it before anybody has wanted it: units wait in its queue */
	pass(name, fd);
	CHECK_INT(open_all(&s, &err), 0);
	CHECK_INT(s.n, 1);
	sockets_close(&s);
	leave();
}

TEST(a_named_socket_must_have_been_passed)
{
	struct sockets s;
	struct err err;

	enter("0");
	listeners[0].fd_name = (char *)"jobs";
	CHECK_INT(open_all(&s, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "FileDescriptorName=jobs") != NULL);
	sockets_close(&s);
	pass("jobs", listening(in_folder("jobs")));
	CHECK_INT(open_all(&s, &err), 0);
	CHECK_STR(s.items[0].path, in_folder("jobs"));
	sockets_close(&s);
	leave();
}

TEST(what_nobody_can_connect_to_is_refused)
{
	struct sockaddr_un abstract = { .sun_family = AF_UNIX };
	struct sockets s;
	struct err err;
	int fds[3];

	enter("0");
	fds[0] = bound(SOCK_DGRAM, in_folder("datagrams"));
	fds[1] = bound(SOCK_STREAM, in_folder("not-listening"));
	fds[2] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(fds[2], (void *)&abstract, sizeof(sa_family_t)), 0);
	CHECK_INT(listen(fds[2], 1), 0); /* everybody could */
	for (size_t i = 0; i < 3; i++) {
		pass("io.sftoken.Broker", fds[i]);
		CHECK_INT(open_all(&s, &err), -ERR_ADMIN);
		CHECK(strstr(err.text, "not a listening Unix stream socket") != NULL);
		sockets_close(&s);
		cleanup_close(&sd.given[i].fd);
	}
	leave();
}

TEST(a_socket_that_nobody_wants_is_closed_and_said)
{
	struct sockets s;
	struct err err;

	enter("0");
	pass("web", listening(in_folder("web")));
	CHECK_INT(open_all(&s, &err), 0);
	CHECK_INT(s.n_warnings, 1);
	CHECK(s.n_warnings && strstr(s.warnings[0], "web") != NULL);
	CHECK(!connects(in_folder("web")));
	CHECK(inode(in_folder("web")) != 0); /* its name is systemd's */
	sockets_close(&s);
	leave();
}

/* --- the store of descriptors --- */

/* Opens the listeners and tells what the manager was given: its name and descriptor. */
static int open_and_keep(struct sockets *s, char *name, size_t size)
{
	struct err err;
	const char *text;
	int fd = -1;

	CHECK_INT(open_all(s, &err), 0);
	text = told(&fd);
	CHECK(strncmp(text, "FDSTORE=1\nFDNAME=", 17) == 0);
	snprintf(name, size, "%s", strlen(text) > 17 ? text + 17 : "");
	return fd;
}

TEST(what_was_kept_is_used_again_under_the_same_name)
{
	struct sockets s;
	struct err err;
	char name[300];
	ino_t before;
	int kept;

	enter("8");
	kept = open_and_keep(&s, name, sizeof name);
	before = inode(listeners[0].path);
	sockets_close(&s);
	CHECK_INT(inode(listeners[0].path), before);
	CHECK(connects(listeners[0].path)); /* a caller between two daemons waits */
	pass(name, kept);
	listeners[0].mode = 0666;
	CHECK_INT(open_all(&s, &err), 0);
	CHECK_INT(s.items[0].fd, kept);
	CHECK_INT(inode(listeners[0].path), before);
	CHECK_STR(told(NULL), ""); /* it has it already */
	CHECK(accept(s.items[0].fd, NULL, NULL) >= 0);
	sockets_close(&s);
	leave();
}

TEST(what_does_not_fit_any_more_is_forgotten)
{
	struct sockets s;
	struct err err;
	char name[300], wanted[400];
	int kept;

	enter("8");
	kept = open_and_keep(&s, name, sizeof name);
	sockets_close(&s);
	pass(name, kept);
	snprintf(wanted, sizeof wanted, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	free(listeners[0].path);
	listeners[0].path = strdup(in_folder("moved"));
	CHECK_INT(open_all(&s, &err), 0);
	CHECK_STR(told(NULL), wanted);
	CHECK_INT(inode(in_folder("io.sftoken.Broker")), 0);
	CHECK(strncmp(told(NULL), "FDSTORE=1\nFDNAME=kept.", 22) == 0);
	CHECK(connects(in_folder("moved")));
	sockets_close(&s);
	leave();
}

TEST(a_path_that_leads_elsewhere_by_now_is_opened_anew)
{
	struct sockets s;
	struct err err;
	char name[300];
	int kept, other;

	enter("8");
	kept = open_and_keep(&s, name, sizeof name);
	sockets_close(&s);
	CHECK_INT(rename(listeners[0].path, in_folder("old")),
		  0); /* keeps its inode from being used again */
	other = listening(listeners[0].path);
	pass(name, kept);
	CHECK_INT(open_all(&s, &err), 0);
	CHECK(s.items[0].fd != kept);
	CHECK(strncmp(told(NULL), "FDSTOREREMOVE=1", 15) == 0);
	close(other);
	CHECK(connects(listeners[0].path));
	sockets_close(&s);
	leave();
}

TEST(without_a_store_the_names_go)
{
	struct sockets s;
	struct err err;

	enter("0");
	CHECK_INT(open_all(&s, &err), 0);
	sockets_close(&s);
	CHECK_INT(inode(listeners[0].path), 0);
	CHECK_STR(told(NULL), "");
	leave();
}

/* --- telling it --- */

TEST(nobody_reads_and_nothing_waits)
{
	int64_t begin_ms = clock_mono_ms();
	unsigned ready = 0, reloading = 0, n;
	char last[600] = "";

	enter("0");
	for (n = 0; n < 300; n++) {
		sd_tell_reloading(&sd);
		sd_tell_alive(&sd);
		sd_tell_ready(&sd, "fine");
		sd_tell_status(&sd, n < 299 ? "old" : "newest");
	}
	CHECK(clock_mono_ms() - begin_ms < 10000);
	CHECK(sd_flush(&sd, 1000) == 1050);
	for (n = 0; n < 2000; n++) { /* now somebody does */
		const char *text = told(NULL);

		if (!*text && sd_flush(&sd, 0) == INT64_MAX && !*(text = told(NULL)))
			break;
		reloading += strstr(text, "RELOADING=1\nMONOTONIC_USEC=") != NULL;
		ready += strncmp(text, "READY=1\n", 8) == 0;
		if (*text)
			snprintf(last, sizeof last, "%s", text);
	}
	CHECK(ready > 40 &&
	      reloading > 40); /* what was kept came, in order, and the newest words last */
	CHECK_STR(last, "STATUS=newest");
	leave();
}

TEST(without_a_manager_telling_does_nothing)
{
	struct err err;

	sd = (struct sd){ .socket = -1 };
	CHECK_INT(sd_init(&sd, &err), 0);
	sd_tell_ready(&sd, "fine");
	sd_tell_status(&sd, "fine");
	sd_tell_stopping(&sd);
	CHECK(sd_flush(&sd, 0) == INT64_MAX);
	sd_fini(&sd);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	CHECK_INT(sd_init(&sd, &err), 0);
	CHECK_INT(sd.socket, -1);
	sd_fini(&sd);
	unsetenv("NOTIFY_SOCKET");
}

TEST(names_for_the_store)
{
	char longest[300];

	memset(longest, 'a', sizeof longest);
	longest[255] = '\0';
	CHECK(sd_name_fits("kept.1.broker"));
	CHECK(sd_name_fits(longest));
	longest[255] = 'a';
	longest[256] = '\0';
	CHECK(!sd_name_fits(longest));
	CHECK(!sd_name_fits(""));
	CHECK(!sd_name_fits("a:b"));
	CHECK(!sd_name_fits("a\n"));
	CHECK(!sd_name_fits("\xc3\xa4"));
}

CHECK_MAIN()

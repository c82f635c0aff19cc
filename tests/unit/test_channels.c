/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of our own channels: link (mint and front), control (child and parent) and listener.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/common/control.h"
#include "daemon/common/link.h"
#include "daemon/common/listener.h"
#include "daemon/common/packet.h"
#include "tests/unit/check.h"

enum { PATIENCE_MS = 20000 };

static struct loop *loop;
static struct timer *tick;
static bool (*waiting_for)(void);
static int64_t give_up_ms;

static void on_tick(void *arg)
{
	(void)arg;
	if (waiting_for() || clock_now_ms() >= give_up_ms)
		loop_stop(loop);
	else
		timer_set(tick, clock_now_ms() + 1);
}

static void start(void)
{
	loop = loop_new(NULL);
	tick = timer_new(loop, on_tick, NULL);
}

static void finish(void)
{
	timer_free(tick);
	loop_free(loop);
}

static bool run_until(bool (*done)(void))
{
	waiting_for = done;
	give_up_ms = clock_now_ms() + PATIENCE_MS;
	timer_set(tick, 0);
	loop_run(loop, NULL);
	return done();
}

/* --- link --- */

struct end {
	struct link_end *link;
	unsigned messages, writable, closed;
	char text[70000];
	bool close_within;
};

static struct end ends[2];

static void on_link_message(const struct link_message *m, void *arg)
{
	struct end *e = arg;

	e->messages++;
	if (m->type == LINK_PUBLISH)
		snprintf(e->text, sizeof e->text, "%s", m->publish.token);
	if (e->close_within)
		link_close(TAKE(e->link));
}

static void on_link_writable(void *arg)
{
	((struct end *)arg)->writable++;
}

static void on_link_closed(void *arg)
{
	struct end *e = arg;

	e->closed++;
	link_close(TAKE(e->link));
}

static struct link_handlers handlers[2] = {
	{ on_link_message, on_link_writable, on_link_closed, &ends[0] },
	{ on_link_message, on_link_writable, on_link_closed, &ends[1] },
};

static void open_pair(const char *build_0, const char *build_1)
{
	int fds[2];

	start();
	memset(ends, 0, sizeof ends);
	if (packet_pair(fds, NULL) < 0)
		abort();
	ends[0].link = link_open(loop, fds[0], build_0, &handlers[0], NULL);
	ends[1].link = link_open(loop, fds[1], build_1, &handlers[1], NULL);
}

static void close_pair(void)
{
	link_close(ends[0].link);
	link_close(ends[1].link);
	finish();
}

static struct link_message publish(const char *token)
{
	struct link_message m = { .type = LINK_PUBLISH };

	m.publish.credential = "etl";
	m.publish.origin = "o";
	m.publish.token = token;
	m.publish.instance_url = "https://i";
	m.publish.generation = m.publish.life_ms = m.publish.issued_ms = (struct opt_int){ 1,
											   true };
	m.publish.deadline_ms = m.publish.refresh_after_ms = m.publish
								     .vouched_ms = (struct opt_int){
		2, true
	};
	m.publish.issued_wall = m.publish.expires_wall = m.publish.refresh_after_wall =
		(struct opt_int){ 3, true };
	m.publish.unchanged = m.publish.reported = (struct opt_bool){ false, true };
	return m;
}

static bool second_has_one(void)
{
	return ends[1].messages >= 1;
}

static bool both_closed(void)
{
	return ends[0].closed && ends[1].closed;
}

static bool first_closed(void)
{
	return ends[0].closed > 0;
}

static bool first_writable(void)
{
	return ends[0].writable > 0;
}

static bool a_turn(void)
{
	return true;
}

TEST(a_message_crosses_the_link_behind_the_hello)
{
	struct link_message m = publish("secret-token");

	open_pair("1", "1");
	CHECK_INT(link_send(ends[0].link, &m), 1);
	CHECK(run_until(second_has_one));
	CHECK_STR(ends[1].text, "secret-token");
	CHECK_INT(ends[1].messages, 1); /* the Hello is not passed on */
	CHECK_INT(ends[0].messages, 0);
	close_pair();
}

TEST(another_build_ends_the_link_and_nothing_is_passed_on)
{
	struct link_message m = publish("t");

	open_pair("1", "2");
	link_send(ends[0].link, &m);
	CHECK(run_until(both_closed));
	CHECK_INT(ends[1].messages, 0);
	close_pair();
}

TEST(a_message_before_the_hello_ends_the_link)
{
	static const char early[] = "{\"type\":\"Synced\"}";
	int fds[2];

	start();
	memset(ends, 0, sizeof ends);
	REQUIRE(packet_pair(fds, NULL) == 0);
	ends[0].link = link_open(loop, fds[0], "1", &handlers[0], NULL);
	CHECK_INT(packet_send(fds[1], early, sizeof early - 1, -1, NULL), 1);
	CHECK(run_until(first_closed));
	CHECK_INT(ends[0].messages, 0);
	close(fds[1]);
	close_pair();
}

TEST(a_full_link_says_so_and_calls_when_there_is_room)
{
	static char token[50001];
	struct link_message m;
	int sent = 0, rc, fds[2];
	static char packet[PACKET_MAX + 1];
	int fd;

	start();
	memset(ends, 0, sizeof ends);
	REQUIRE(packet_pair(fds, NULL) == 0);
	ends[0].link = link_open(loop, fds[0], "1", &handlers[0], NULL);
	memset(token, 'a', sizeof token - 1);
	m = publish(token);
	while ((rc = link_send(ends[0].link, &m)) == 1)
		sent++;
	CHECK_INT(rc, 0);
	CHECK(sent > 0);
	run_until(a_turn);
	CHECK_INT(ends[0].writable, 0);
	while (packet_recv(fds[1], packet, sizeof packet, &fd, NULL) > 0)
		;
	CHECK(run_until(first_writable));
	run_until(a_turn);
	CHECK_INT(ends[0].writable, 1); /* once for each send that did not fit */
	CHECK_INT(link_send(ends[0].link, &m), 1);
	close(fds[1]);
	CHECK(run_until(first_closed));
	CHECK_INT(ends[0].closed, 1);
	close_pair();
}

TEST(a_link_may_be_closed_within_its_own_handler)
{
	struct link_message m = publish("t");

	open_pair("1", "1");
	ends[1].close_within = true;
	link_send(ends[0].link, &m);
	link_send(ends[0].link, &m);
	CHECK(run_until(first_closed)); /* the other end learns of it */
	CHECK_INT(ends[1].messages, 1);
	CHECK_INT(ends[1].closed, 0);
	close_pair();
}

/* --- control --- */

static struct {
	struct control *control;
	int parent, fd;
	unsigned messages, gone;
	enum control_type last;
} child;

static void on_control(const struct control_message *m, int fd, void *arg)
{
	(void)arg;
	child.messages++;
	child.last = m->type;
	child.fd = fd;
}

static void on_gone(void *arg)
{
	(void)arg;
	child.gone++;
}

static const struct control_handlers control_handlers = { .message = on_control,
							  .parent_gone = on_gone };

static void open_child(void)
{
	int fds[2];

	start();
	memset(&child, 0, sizeof child);
	child.fd = -1;
	if (packet_pair(fds, NULL) < 0)
		abort();
	child.parent = fds[0];
	child.control = control_open(loop, fds[1], &control_handlers, NULL);
}

static void close_child(void)
{
	control_close(child.control);
	if (child.parent >= 0)
		close(child.parent);
	finish();
}

static void tell(enum control_type type, int fd)
{
	const struct control_message m = { .type = type };
	struct buf packet;

	buf_init(&packet, PACKET_MAX);
	control_encode(&m, &packet);
	CHECK_INT(packet_send(child.parent, packet.data, packet.len, fd, NULL), 1);
	buf_fini(&packet);
}

/* What the child has said, into *m (its texts into a static packet); false when there is nothing. */
static bool heard(struct control_message *m)
{
	static char packet[PACKET_MAX + 1];
	int fd, n = packet_recv(child.parent, packet, sizeof packet, &fd, NULL);

	return n > 0 && control_decode(packet, (size_t)n, m, NULL) == 0;
}

static bool child_has_message(void)
{
	return child.messages > 0;
}

static bool child_is_orphan(void)
{
	return child.gone > 0;
}

static struct control_message pong;
static unsigned pongs;

static bool pong_heard(void)
{
	pongs += heard(&pong);
	return pongs > 0;
}

TEST(a_ping_is_answered_and_not_passed_on)
{
	open_child();
	tell(CONTROL_PING, -1);
	CHECK(run_until(pong_heard));
	CHECK_INT(pong.type, CONTROL_PONG);
	CHECK_INT(pongs, 1);
	CHECK_INT(child.messages, 0);
	close_child();
}

TEST(a_message_brings_its_descriptor)
{
	int pipes[2];

	open_child();
	REQUIRE(pipe(pipes) == 0);
	tell(CONTROL_LINK, pipes[0]);
	CHECK(run_until(child_has_message));
	CHECK_INT(child.last, CONTROL_LINK);
	REQUIRE(child.fd >= 0);
	CHECK(fcntl(child.fd, F_GETFD) & FD_CLOEXEC);
	close(child.fd);
	close(pipes[0]);
	close(pipes[1]);
	close_child();
}

TEST(a_parent_that_is_gone_is_told_once)
{
	open_child();
	close(child.parent);
	child.parent = -1;
	CHECK(run_until(child_is_orphan));
	run_until(a_turn);
	CHECK_INT(child.gone, 1);
	close_child();
}

static unsigned events, readies;
static char last_status[100];

static bool all_heard(void)
{
	struct control_message m;

	while (heard(&m)) {
		events += m.type == CONTROL_EVENT;
		readies += m.type == CONTROL_READY;
		if (m.type == CONTROL_READY)
			snprintf(last_status, sizeof last_status, "%s", m.ready.status);
	}
	return strcmp(last_status, "newest") == 0;
}

static void say_ready(const char *status)
{
	const struct control_message m = { .type = CONTROL_READY,
					   .ready = { { true, true }, status } };

	control_send(child.control, &m);
}

/* While the parent does not read: what fits is in the socket, 64 more wait, and of all Readys only the newest. */
TEST(what_the_parent_does_not_read_waits_bounded_with_the_newest_ready)
{
	static char long_name[50000];
	struct control_message m = { .type = CONTROL_EVENT,
				     .event = { EVENT_SUSPENDED, long_name } };
	unsigned fits = 0;
	enum { MUCH = 200 };

	open_child();
	events = readies = 0;
	memset(long_name, 'e', sizeof long_name - 1);
	for (unsigned i = 0; i < MUCH; i++)
		control_send(child.control, &m);
	say_ready("old");
	say_ready("newest");
	CHECK(run_until(all_heard));
	CHECK_INT(readies, 1);
	fits = events - 64;
	CHECK(events > 64 && fits < 20); /* a socket buffer holds a few */
	close_child();
}

/* --- listener --- */

static struct {
	struct listener *listener;
	unsigned accepted, paused;
	int last_errno;
	bool close_within;
	uid_t uid;
	int socks[100];
} ears;

static void on_accepted(struct listener *l, int sock, struct peer *peer, void *arg)
{
	(void)arg;
	ears.uid = peer->uid;
	CHECK(fcntl(sock, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(sock, F_GETFD) & FD_CLOEXEC);
	peer_fini(peer);
	ears.socks[ears.accepted++] = sock;
	if (ears.close_within) {
		listener_close(l);
		ears.listener = NULL;
	}
}

static void on_paused(struct listener *l, int errnum, void *arg)
{
	(void)l;
	(void)arg;
	ears.paused++;
	ears.last_errno = errnum;
}

static const struct listener_handlers listener_handlers = { .accepted = on_accepted,
							    .paused = on_paused,
							    .pause_ms = 250 };
static char socket_path[100];

static void open_ears(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	start();
	memset(&ears, 0, sizeof ears);
	snprintf(socket_path, sizeof socket_path, "/tmp/sftokend-test-%d", (int)getpid());
	unlink(socket_path);
	memcpy(un.sun_path, socket_path, strlen(socket_path) + 1);
	if (bind(fd, (void *)&un, sizeof un) < 0 || listen(fd, 100) < 0)
		abort();
	ears.listener = listener_open(loop, fd, "broker", socket_path, &listener_handlers, NULL);
}

static void close_ears(void)
{
	for (unsigned i = 0; i < ears.accepted; i++)
		close(ears.socks[i]);
	listener_close(ears.listener);
	unlink(socket_path);
	finish();
}

static int call_in(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, socket_path, strlen(socket_path) + 1);
	if (connect(fd, (void *)&un, sizeof un) < 0)
		abort();
	return fd;
}

static bool one_accepted(void)
{
	return ears.accepted > 0;
}

static bool paused(void)
{
	return ears.paused > 0;
}

TEST(a_listener_accepts_only_when_it_is_enabled)
{
	int fd, on = 0;
	socklen_t size = sizeof on;

	open_ears();
	CHECK_STR(listener_name(ears.listener), "broker");
	fd = call_in();
	run_until(a_turn);
	run_until(a_turn);
	CHECK_INT(ears.accepted, 0);
	listener_enable(ears.listener, true);
	CHECK(run_until(one_accepted));
	CHECK_INT(ears.uid, geteuid());
	CHECK_INT(getsockopt(ears.socks[0], SOL_SOCKET, SO_PASSCRED, &on, &size), 0);
	CHECK_INT(on, 1); /* inherited: connection.c relies on it */
	close(fd);
	close_ears();
}

TEST(a_listener_may_be_closed_while_it_accepts)
{
	int fds[3];

	open_ears();
	ears.close_within = true;
	for (int i = 0; i < 3; i++)
		fds[i] = call_in();
	listener_enable(ears.listener, true);
	CHECK(run_until(one_accepted));
	CHECK_INT(ears.accepted, 1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close_ears();
}

TEST(accepting_pauses_when_descriptors_run_out_and_goes_on)
{
	struct rlimit old, none;
	int64_t paused_ms;
	int fd;

	open_ears();
	fd = call_in();
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){ 3, old.rlim_max };
	listener_enable(ears.listener, true);
	setrlimit(RLIMIT_NOFILE, &none);
	CHECK(run_until(paused));
	paused_ms = clock_now_ms();
	CHECK_INT(ears.last_errno, EMFILE);
	CHECK_INT(ears.accepted, 0);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK(run_until(one_accepted));
	/* the pause began a moment before we looked at the clock */
	CHECK(clock_now_ms() - paused_ms >= 150);
	close(fd);
	close_ears();
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* The mint's end of the link, with a front that says what no front of ours says. */
#include "daemon/mint/publish.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "daemon/common/link.h"
#include "daemon/mint/identify.h"
#include "tests/unit/check.h"
#include "tests/unit/empty_store.h"
#include "tests/unit/turns.h"

static struct loop *loop;
static struct attempts *attempts;
static struct store *store;
static struct registry *registry;
static struct publish *publish;
static struct link_end *front;
static struct settings settings;
static unsigned lines, fields_seen;
static char said[400];
static char last_event[64];
static int64_t identities,
	last_identity; /* that the front has heard: how many, and the id of the last one */

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	CLEANUP(buf_finip) struct buf b;

	(void)arg;
	buf_init(&b, sizeof said);
	log_format_line(&b, LOG_FORMAT_TEXT, "", 0, level, event, fields, n);
	snprintf(said, sizeof said, "%.*s", (int)b.len, b.data ? b.data : "");
	lines++;
	fields_seen = (unsigned)n;
	snprintf(last_event, sizeof last_event, "%s", event);
}

static void keeper_heard(struct keeper *k, void *arg)
{
	(void)k;
	(void)arg;
}

static void keeper_replaced(struct keeper *old, struct keeper *new, void *arg)
{
	(void)old;
	(void)new;
	(void)arg;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void no_counters(const struct link_counters *c, void *arg)
{
	(void)c;
	(void)arg;
}

static void front_message(const struct link_message *m, void *arg)
{
	(void)arg;
	if (m->type != LINK_IDENTITY)
		return;
	identities++;
	CHECK(m->identity.id.value > last_identity); /* in the order of the questions */
	last_identity = m->identity.id.value;
}

/* room: bytes that the mint can say before the front reads; 0: as ever */
static void start_with(int room)
{
	static const struct link_handlers front_handlers = { .message = front_message,
							     .writable = nothing,
							     .closed = nothing };
	const struct registry_handlers from_registry = { .changed = keeper_heard,
							 .settled = keeper_heard,
							 .removed = keeper_heard,
							 .replaced = keeper_replaced,
							 .reloaded = nothing };
	const struct publish_handlers from_publish = { .taken_over = nothing,
						       .counters = no_counters,
						       .other_build = nothing };
	static struct credential_set set = { .refs = 100 };
	int fds[2];

	settings = (struct settings){ .refs = 100 };
	limits_default(&settings.limits);
	store = empty_store();
	loop = loop_new(NULL);
	attempts = attempts_new(loop, NULL, &settings, NULL);
	registry = registry_new(loop, attempts, store, &from_registry, 1, NULL);
	CHECK_INT(registry_swap(registry, &settings, &set, NULL, NULL), 0);
	publish = publish_new(loop, registry, 1, &from_publish, NULL);
	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	if (room)
		CHECK_INT(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
	CHECK_INT(publish_link(publish, fds[0], NULL), 0);
	front = link_open(loop, fds[1], SFTOKEN_VERSION, &front_handlers, NULL);
	turns(loop, 4);
	log_set_sink(sink, NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	lines = 0;
	identities = last_identity = 0;
}

static void start(void)
{
	start_with(0);
}

static void stop(void)
{
	log_set_sink(NULL, NULL);
	link_close(front);
	publish_free(publish);
	registry_free(registry);
	attempts_free(attempts);
	store_close(store);
	loop_free(loop);
}

/* In the place of the real one: 600 is in a unit, 700 in one of a user, the others in none. */
bool identify_unit_of(pid_t pid, int64_t own_uid, char unit[IDENTIFY_UNIT_MAX])
{
	CHECK_INT(own_uid, -1);
	snprintf(unit, IDENTIFY_UNIT_MAX, "%s",
		 pid == 600   ? "etl.service"
		 : pid == 700 ? "user@1000.service/mail.service"
			      : "");
	return unit[0] != '\0';
}

void identify(pid_t pid, int64_t own_uid, identify_named *named, void *arg, struct identified *out)
{
	/* nobody has a rule */
	CHECK(!named("/bin/sleep", arg));
	*out = (struct identified){ 0 };
	(void)identify_unit_of(pid, own_uid, out->unit);
}

static void say(const char *event, const char *fields)
{
	struct link_message m = { .type = LINK_LOG,
				  .log = { .level = { LOG_LEVEL_INFO, true }, .event = event } };
	char *json = strdup(fields);

	m.log.fields = json_root(json, strlen(json));
	CHECK_INT(link_send(front, &m), 1);
	turns(loop, 4);
	free(json);
}

TEST(what_the_front_says_is_logged)
{
	start();
	say("limit.reached", "{\"which\":\"calls\",\"count\":3}");
	CHECK_INT(lines, 1);
	CHECK_INT(fields_seen, 2);
	CHECK_STR(last_event, "limit.reached");
	stop();
}

TEST(who_got_a_token_is_logged_with_what_is_known_of_him)
{
	static const struct {
		int pid;
		const char *reason, *said;
	} rows[] = {
		{ 600, "nightly", "token.served credential=crm generation=7 uid=500 gid=501 pid=600 count=1 unit=etl.service reason=nightly" },
		{ 700, NULL, "token.served credential=crm generation=7 uid=500 gid=501 pid=700 count=1 unit=user@1000.service user_unit=mail.service" },
		{ 0, NULL, "token.served credential=crm generation=7 uid=500 gid=501 pid=0 count=1" },
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct link_message m = { .type = LINK_SERVED };

		m.served = (struct link_served){ .credential = "crm", .generation = { 7, true }, .uid = { 500, true }, .gid = { 501, true },
						 .pid = { rows[i].pid, true }, .count = { 1, true }, .reason = rows[i].reason };
		CHECK_INT(link_send(front, &m), 1);
		turns(loop, 4);
		CHECK_STR(said, rows[i].said);
	}
	CHECK_INT(lines, 3);
	stop();
}

enum { MANY = 200 };

/* So many connections may there be, and MANY questions come at once. */
static void start_and_ask(int64_t max_connections)
{
	struct link_message all = { .type = LINK_HAVE_ALL };

	start_with(16 * 1024);
	settings.limits.max_connections = max_connections;
	CHECK_INT(link_send(front, &all), 1);
	turns(loop, 4);
	for (int i = 1; i <= MANY; i++) {
		struct link_message m = { .type = LINK_IDENTIFY,
					  .identify = { .id = { i, true }, .pid = { 600, true } } };

		CHECK_INT(link_send(front, &m), 1);
	}
	turns(loop, MANY);
}

/* A front that is slow, or a link that is full of a reload: who asks would be refused for as long as its connection lives. */
TEST(who_somebody_is_comes_late_but_comes_when_the_link_is_full)
{
	start_and_ask(MANY);
	CHECK_INT(identities, MANY);
	stop();
}

TEST(a_front_that_asks_for_more_than_it_can_have_is_not_listened_to)
{
	start_and_ask(10);
	CHECK(identities >= 10 && identities < MANY);
	stop();
}

/* Names are written as they are: a front that has been taken over must not write lines of its own. */
TEST(names_that_would_break_a_line_are_not_logged)
{
	start();
	say("x\n<3>sftokend-mint: forged", "{}");
	CHECK_INT(lines, 0);
	say("", "{}");
	CHECK_INT(lines, 0);
	say("limit.reached", "{\"a\\nb\":1,\"c d=\":2,\"\":3,\"good_1\":4}");
	CHECK_INT(lines, 1);
	CHECK_INT(fields_seen, 1);
	stop();
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Every message of the link and of the control channel, encoded, decoded and encoded again. */
#include "check.h"

#include <stdlib.h>

#include "proto/link_messages.h"

#define SET(v) { (v), true }

static const char *const names[] = { "a", "b" };
static const int64_t ids[] = { 0, 4294967294 };
static char object[] = "{\"x\":1}", array[] = "[{\"name\":\"broker\"}]";
#define OBJECT { object, object + sizeof(object) - 1 }

static const struct link_message links[] = {
	{ LINK_HELLO, .hello = { "0.1.0-abc" } },
	{ LINK_RULES, .rules = { OBJECT, "etl", { array, array + sizeof(array) - 1 }, SET(990) } },
	{ LINK_RULES, .rules = { .limits = OBJECT, .listeners = { array, array + sizeof(array) - 1 }, .service_uid = SET(0) } },
	{ LINK_CREDENTIAL, .credential = { "etl", { .items = names, .n = 2 }, { .items = ids, .n = 2 }, { .items = ids, .n = 1 }, GRANT_JWT_BEARER, STATE_BACKOFF, "u", SET(3), SET(true), SET(99), "oops", SET(true), { .items = names, .n = 2 }, { .items = names, .n = 2 }, { .items = names, .n = 1 } } },
	{ LINK_CREDENTIAL, .credential = { .name = "etl", .grant_type = GRANT_CLIENT_CREDENTIALS, .state = STATE_EMPTY } },
	{ LINK_PUBLISH, .publish = { "etl", "o", SET(17), "tok\"en", "https://i", SET(7200000), SET(1), SET(2), SET(3), SET(4), SET(5), SET(6), EXPIRY_TOKEN, SET(true), SET(false), SET(7),
				     { .items = names, .n = 2 }, "id", "org", "user", "name" } },
	{ LINK_PUBLISH, .publish = { .credential = "etl", .origin = "o", .token = "t", .instance_url = "i", .expiry_source = EXPIRY_RESPONSE } },
	{ LINK_DEAD, .dead = { "etl", SET(17) } },
	{ LINK_VERDICT, .verdict = { "etl", SET(17), SET(1), SET(2), SET(true) } },
	{ LINK_PROBLEM, .problem = { "etl", BROKER_REJECTED, SET(true), "m", "invalid_client", "d", SET(400), SET(12) } },
	{ LINK_PROBLEM, .problem = { .credential = "etl", .error = -1 } },
	{ LINK_REMOVE, .remove = { "etl" } },
	{ .type = LINK_SYNCED },
	{ .type = LINK_COUNT },
	{ LINK_HAVE, .have = { "etl", "o", SET(17), "t", "i", SET(1), SET(2), SET(3), SET(4), SET(5), EXPIRY_LEARNED, SET(true), { .items = names, .n = 1 }, "id", "org", "user", "name", SET(6) } },
	{ .type = LINK_HAVE_ALL },
	{ LINK_HOLD, .hold = { "etl", SET(17), SET(99) } },
	{ LINK_WANT, .want = { "etl", SET(60000), SET(17), SET(99) } },
	{ LINK_REPORT, .report = { "etl", SET(17), SET(99), SET(1000), SET(4242), SET(401), "INVALID_SESSION_ID" } },
	{ LINK_SERVED, .served = { "etl", SET(17), SET(1000), SET(1001), SET(4242), SET(1), "nightly" } },
	{ LINK_LOG, .log = { SET(4), "conn.refused", OBJECT } },
	{ LINK_COUNTERS, .counters = { OBJECT, OBJECT, { .items = names, .n = 2 } } },
	{ LINK_IDENTIFY, .identify = { SET(7), SET(4711) } },
	{ LINK_IDENTITY, .identity = { SET(7), "etl.service", "/usr/bin/etl" } },
};

static const struct control_message controls[] = {
	{ CONTROL_LISTENER, .listener = { "broker", "broker", "/run/sftokend/io.sftoken.Broker" } },
	{ .type = CONTROL_LISTENERS_END },
	{ .type = CONTROL_LINK },
	{ .type = CONTROL_PING },
	{ .type = CONTROL_RELOAD },
	{ .type = CONTROL_STOP },
	{ .type = CONTROL_WRITE_STATUS },
	{ CONTROL_ABOUT, .about = { SET(1), SET(2), SET(3), SET(4), SET(5), SET(6), { .items = names, .n = 2 } } },
	{ .type = CONTROL_PONG },
	{ CONTROL_READY, .ready = { SET(true), "2 credentials" } },
	{ CONTROL_RELOADED, .reloaded = { SET(false), "bad" } },
	{ CONTROL_EVENT, .event = { EVENT_LOGIN_REQUIRED, "etl" } },
	{ .type = CONTROL_ON_EVENT },
	{ CONTROL_IDLE, .idle = { SET(30000) } },
};

/* A packet of exactly the size of what was encoded. */
static char *packet_of(struct buf *b)
{
	char *packet = malloc(b->len);

	if (!packet)
		abort();
	memcpy(packet, b->data, b->len);
	return packet;
}

TEST(every_link_message_survives)
{
	unsigned seen = 0;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct link_message m;
		struct buf first, second;
		struct err err = { 0 };
		char *packet;

		check_row(link_type_name(links[i].type));
		seen |= 1u << links[i].type;
		buf_init(&first, PACKET_MAX);
		buf_init(&second, PACKET_MAX);
		link_encode(&links[i], &first);
		packet = packet_of(&first);
		CHECK_INT(link_decode(packet, first.len, &m, &err), 0);
		CHECK_STR(err.text, "");
		CHECK_INT(m.type, links[i].type);
		link_encode(&m, &second);
		CHECK_MEM(second.data, second.len, first.data, first.len);
		free(packet);
		buf_fini(&first);
		buf_fini(&second);
	}
	CHECK_INT(seen, (1u << LINK_TYPES) - 1);
}

TEST(every_control_message_survives)
{
	unsigned seen = 0;

	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		struct control_message m;
		struct buf first, second;
		char *packet;

		check_row(control_type_name(controls[i].type));
		seen |= 1u << controls[i].type;
		buf_init(&first, PACKET_MAX);
		buf_init(&second, PACKET_MAX);
		control_encode(&controls[i], &first);
		packet = packet_of(&first);
		CHECK_INT(control_decode(packet, first.len, &m, NULL), 0);
		CHECK_INT(m.type, controls[i].type);
		control_encode(&m, &second);
		CHECK_MEM(second.data, second.len, first.data, first.len);
		free(packet);
		buf_fini(&first);
		buf_fini(&second);
	}
	CHECK_INT(seen, (1u << CONTROL_TYPES) - 1);
}

TEST(a_publish_arrives_with_its_values)
{
	struct link_message m;
	struct buf b;

	buf_init(&b, PACKET_MAX);
	link_encode(&links[5], &b);
	CHECK_INT(link_decode(b.data, b.len, &m, NULL), 0);
	CHECK_STR(m.publish.credential, "etl");
	CHECK_STR(m.publish.token, "tok\"en");
	CHECK_INT(m.publish.generation.value, 17);
	CHECK_INT(m.publish.life_ms.value, 7200000);
	CHECK_INT(m.publish.issued_ms.value, 1);
	CHECK_INT(m.publish.deadline_ms.value, 2);
	CHECK_INT(m.publish.refresh_after_ms.value, 3);
	CHECK_INT(m.publish.issued_wall.value, 4);
	CHECK_INT(m.publish.expires_wall.value, 5);
	CHECK_INT(m.publish.refresh_after_wall.value, 6);
	CHECK_INT(m.publish.vouched_ms.value, 7);
	CHECK_INT(m.publish.expiry_source, EXPIRY_TOKEN);
	CHECK(m.publish.unchanged.value && !m.publish.reported.value);
	CHECK_INT(m.publish.scopes.n, 2);
	buf_fini(&b);
}

TEST(what_was_never_set_is_told_apart_from_zero)
{
	static const struct link_message want = { LINK_WANT, .want = { .credential = "etl", .min_left_ms = SET(0) } };
	struct link_message m;
	struct buf b;

	buf_init(&b, PACKET_MAX);
	link_encode(&want, &b);
	CHECK_INT(link_decode(b.data, b.len, &m, NULL), 0);
	CHECK(m.want.min_left_ms.set && !m.want.not_generation.set && !m.want.deadline_ms.set);
	buf_fini(&b);
}

TEST(packets_that_are_no_messages)
{
	static const char *const rows[] = {
		"", "{", "[]", "1", "{}", "{\"type\":1}", "{\"type\":\"\"}", "{\"type\":\"hello\"}", "{\"type\":\"Hello\"}", "{\"type\":\"Hello\",\"build\":1}", "{\"type\":\"Hello\",\"build\":null}",
		"{\"type\":\"Dead\",\"credential\":\"a\",\"generation\":1.0}", "{\"type\":\"Log\",\"level\":5,\"event\":\"x\"}", "{\"type\":\"Remove\",\"credential\":\"a\"} x",
		"{\"type\":\"Problem\",\"credential\":\"a\",\"error\":\"Other\"}", "{\"type\":\"Ping\"}",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct link_message m;
		char text[200];

		snprintf(text, sizeof(text), "%s", rows[i]);
		check_row(rows[i]);
		CHECK_INT(link_decode(text, strlen(text), &m, NULL), -ERR_PROTOCOL);
	}
	check_row(NULL);
	CHECK_INT(control_decode((char[]){ "{\"type\":\"Hello\",\"build\":\"x\"}" }, 28,
				 &(struct control_message){ 0 }, NULL),
		  -ERR_PROTOCOL);
}

TEST(an_error_never_quotes_the_packet)
{
	char text[] = "{\"type\":\"Publish\",\"credential\":\"etl\",\"token\":[\"s3cret\"]}";
	struct link_message m;
	struct err err;

	CHECK_INT(link_decode(text, strlen(text), &m, &err), -ERR_PROTOCOL);
	CHECK(!strstr(err.text, "s3cret"));
	CHECK(strstr(err.text, "Publish"));
	CHECK(strstr(err.text, "token"));
}

TEST(types_have_names)
{
	CHECK_STR(link_type_name(LINK_PUBLISH), "Publish");
	CHECK_STR(control_type_name(CONTROL_WRITE_STATUS), "WriteStatus");
	CHECK_STR(link_type_name(LINK_TYPES), "?");
	CHECK_STR(control_type_name(CONTROL_TYPES), "?");
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, calls and replies: the wire rules of the Varlink sockets, each split at every byte. */
#include "check.h"

#include <stdlib.h>

#include "proto/varlink.h"

/* Parses a copy of exactly the message's size. *keep is to be freed after use of the call. */
static int parse_call(const char *message, struct varlink_call *call, char **keep)
{
	*keep = malloc(strlen(message) + 1);
	if (!*keep)
		abort();
	memcpy(*keep, message, strlen(message));
	return varlink_parse_call(*keep, strlen(message), call, NULL);
}

static int parse_reply(const char *message, struct varlink_reply *reply, char **keep)
{
	*keep = malloc(strlen(message) + 1);
	if (!*keep)
		abort();
	memcpy(*keep, message, strlen(message));
	return varlink_parse_reply(*keep, strlen(message), reply, NULL);
}

/* --- frames --- */

static const char stream[] = "{\"method\":\"a.B\"}\0{\"method\":\"a.C\",\"more\":true}\0";

/* The bytes come in two pieces, for every place of the cut; both messages must come out, once. */
TEST(a_cut_at_any_byte_changes_nothing)
{
	for (size_t cut = 0; cut < sizeof(stream); cut++) {
		char *bytes = malloc(sizeof(stream) - 1);
		size_t scanned = 0, start = 0, got = 0;

		REQUIRE(bytes);
		for (size_t len = cut;; len = sizeof(stream) - 1) {
			long n;

			memcpy(bytes, stream, len);
			while ((n = varlink_frame(bytes + start, len - start, &scanned)) >= 0) {
				CHECK_STR(bytes + start, got ? "{\"method\":\"a.C\",\"more\":true}"
							     : "{\"method\":\"a.B\"}");
				CHECK_INT(scanned, 0);
				start += (size_t)n + 1;
				got++;
			}
			CHECK_INT(n, -1);
			CHECK_INT(scanned, len - start);
			if (len == sizeof(stream) - 1)
				break;
		}
		CHECK_INT(got, 2);
		free(bytes);
	}
}

/* What was looked at is not looked at again: the NUL before "scanned" must not be found. */
TEST(a_slow_sender_is_scanned_once)
{
	size_t scanned = 3;

	CHECK_INT(varlink_frame("a\0bcd", 5, &scanned), -1);
	CHECK_INT(scanned, 5);
}

TEST(a_message_has_at_most_64_kib_with_its_nul)
{
	char *bytes = malloc(VARLINK_MESSAGE_MAX + 10);
	size_t scanned = 0;

	REQUIRE(bytes);
	memset(bytes, 'x', VARLINK_MESSAGE_MAX + 10);
	bytes[VARLINK_MESSAGE_MAX - 1] = '\0';
	CHECK_INT(varlink_frame(bytes, VARLINK_MESSAGE_MAX, &scanned), VARLINK_MESSAGE_MAX - 1);
	bytes[VARLINK_MESSAGE_MAX - 1] = 'x';
	bytes[VARLINK_MESSAGE_MAX] = '\0';
	scanned = 0;
	CHECK_INT(varlink_frame(bytes, VARLINK_MESSAGE_MAX - 1, &scanned), -1);
	CHECK_INT(varlink_frame(bytes, VARLINK_MESSAGE_MAX, &scanned), -2);
	scanned = 0;
	CHECK_INT(varlink_frame(bytes, VARLINK_MESSAGE_MAX + 10, &scanned), -2);
	free(bytes);
}

TEST(an_empty_message_is_a_message)
{
	size_t scanned = 0;

	CHECK_INT(varlink_frame("", 1, &scanned), 0);
}

/* --- calls --- */

TEST(a_call_has_all_its_parts)
{
	struct varlink_call call;
	char *keep;

	CHECK_INT(
		parse_call(
			" {\"method\" : \"io.sftoken.Broker.GetToken\", \"parameters\":{\"credential\":\"etl\"},\"more\":true,\"oneway\":false,\"upgrade\":false}",
			&call, &keep),
		0);
	CHECK_STR(call.method, "io.sftoken.Broker.GetToken");
	CHECK_MEM(call.parameters.start, (size_t)(call.parameters.end - call.parameters.start),
		  "{\"credential\":\"etl\"}", 20);
	CHECK(call.more && !call.oneway);
	free(keep);
}

TEST(accepted_calls)
{
	static const char *const rows[] = {
		"{\"method\":\"a.B\"}", "{\"method\":\"a.B\",\"parameters\":null}", "{\"method\":\"a.B\",\"parameters\":{}}", "{\"method\":\"a.B\",\"parameters\":{ }}",
		"{\"parameters\":{},\"method\":\"a.B\",\"oneway\":true}", "{\"m\\u0065thod\":\"a\\u002eB\"}", "{\"method\":\"a.B\",\"io.example.ext\":[1.5,{}]}",
		"{\"method\":\"a.B\",\"io\\u002eexample\":1}", "{\"method\":\"a.B\",\"oneway\":false,\"more\":false}",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct varlink_call call;
		char *keep;

		check_row(rows[i]);
		CHECK_INT(parse_call(rows[i], &call, &keep), 0);
		CHECK_STR(call.method, "a.B");
		CHECK(!call.parameters.start);
		CHECK(!call.more);
		free(keep);
	}
}

/* interfaces.md 1 rule 3: all of these close the connection. */
TEST(calls_that_break_the_protocol)
{
	static const char *const rows[] = {
		"", "{", "x", "[]", "\"a.B\"", "1", "null", "{}", "{\"parameters\":{}}", "{\"method\":1}", "{\"method\":null}", "{\"method\":\"\"}", "{\"method\":\"a\"}", "{\"method\":\"a.\"}",
		"{\"method\":\".B\"}", "{\"method\":\"a..B\"}", "{\"method\":\"a.B C\"}", "{\"method\":\"a.1B\"}", "{\"method\":\"a/b.B\"}", "{\"method\":\"a.B\",\"method\":\"a.B\"}",
		"{\"method\":\"a.B\",\"m\\u0065thod\":\"a.B\"}", "{\"method\":\"a.B\",\"parameters\":[]}", "{\"method\":\"a.B\",\"parameters\":1}", "{\"method\":\"a.B\",\"parameters\":\"\"}",
		"{\"method\":\"a.B\",\"more\":1}", "{\"method\":\"a.B\",\"more\":null}", "{\"method\":\"a.B\",\"oneway\":\"true\"}", "{\"method\":\"a.B\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a.B\",\"upgrade\":true}", "{\"method\":\"a.B\",\"upgrade\":0}", "{\"method\":\"a.B\",\"unknown\":1}", "{\"method\":\"a.B\",\"\":1}", "{\"method\":\"a.B\"}x",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":\"\\u0000\"}}", "{\"method\":\"a.B\",\"parameters\":{\"a\":\"\xc0\xaf\"}}", "{\"method\":\"a.B\",\"parameters\":{\"a\":NaN}}",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":9223372036854775808}}", "{\"method\":\"a.B\",\"parameters\":{\"a\":1,\"a\":1}}",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}}", "{\"method\":\"a.B\xff\"}",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct varlink_call call;
		char *keep;

		check_row(rows[i]);
		CHECK_INT(parse_call(rows[i], &call, &keep), -ERR_PROTOCOL);
		free(keep);
	}
}

TEST(sixteen_levels_are_allowed)
{
	struct varlink_call call;
	char *keep;

	CHECK_INT(
		parse_call(
			"{\"method\":\"a.B\",\"parameters\":{\"a\":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}}",
			&call, &keep),
		0);
	free(keep);
}

TEST(a_method_is_split_at_its_last_dot)
{
	const char *name;
	size_t len;

	CHECK(varlink_split_method("org.varlink.service.GetInfo", &len, &name));
	CHECK_INT(len, 19);
	CHECK_STR(name, "GetInfo");
	CHECK(varlink_split_method("a-1.b.lower", &len, &name));
	CHECK_STR(name, "lower");
	CHECK(!varlink_split_method("GetInfo", &len, &name));
	CHECK(!varlink_split_method("", &len, &name));
	CHECK(!varlink_split_method("a.b.", &len, &name));
}

/* --- replies --- */

TEST(a_reply_is_success_or_error)
{
	struct varlink_reply reply;
	char *keep;

	CHECK_INT(parse_reply("{\"parameters\":{\"a\":1},\"continues\":true}", &reply, &keep), 0);
	CHECK(!reply.error && reply.continues);
	CHECK_MEM(reply.parameters.start, (size_t)(reply.parameters.end - reply.parameters.start),
		  "{\"a\":1}", 7);
	free(keep);
	CHECK_INT(parse_reply("{\"error\":\"a.b.C\",\"parameters\":null}", &reply, &keep), 0);
	CHECK_STR(reply.error, "a.b.C");
	CHECK(!reply.parameters.start);
	free(keep);
	CHECK_INT(parse_reply("{\"newer\":1}", &reply, &keep), 0);
	CHECK(!reply.error && !reply.continues && !reply.parameters.start);
	free(keep);
}

TEST(replies_that_break_the_protocol)
{
	static const char *const rows[] = {
		"", "[]", "{\"error\":1}", "{\"error\":\"x\"}", "{\"parameters\":[]}", "{\"continues\":1}", "{\"error\":\"a.B\",\"continues\":true}", "{\"parameters\":{\"a\":1,\"a\":2}}",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct varlink_reply reply;
		char *keep;

		check_row(rows[i]);
		CHECK_INT(parse_reply(rows[i], &reply, &keep), -ERR_PROTOCOL);
		free(keep);
	}
}

/* --- writing --- */

#define WRITTEN(call, text)                                       \
	do {                                                      \
		struct buf b;                                     \
                                                                  \
		buf_init(&b, 1000);                               \
		call;                                             \
		CHECK_MEM(b.data, b.len, text, sizeof(text));     \
		buf_fini(&b);                                     \
	} while (0)

TEST(calls_are_written)
{
	WRITTEN(varlink_add_call(&b, "a.B", NULL, 0, false, false), "{\"method\":\"a.B\"}");
	WRITTEN(varlink_add_call(&b, "a.B", "{\"x\":1}", 7, true, false),
		"{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"more\":true}");
	WRITTEN(varlink_add_call(&b, "a.B", "{}", 2, false, true),
		"{\"method\":\"a.B\",\"parameters\":{},\"oneway\":true}");
}

TEST(replies_and_errors_are_written)
{
	WRITTEN((varlink_begin_reply(&b), buf_add_text(&b, "{}"), varlink_end_reply(&b, false)),
		"{\"parameters\":{}}");
	WRITTEN((varlink_begin_reply(&b), buf_add_text(&b, "{}"), varlink_end_reply(&b, true)),
		"{\"parameters\":{},\"continues\":true}");
	WRITTEN((varlink_begin_error(&b, "a.B"), buf_add_text(&b, "{}"),
		 varlink_end_reply(&b, false)),
		"{\"error\":\"a.B\",\"parameters\":{}}");
	WRITTEN(varlink_add_method_not_found(&b, "a.B"),
		"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"a.B\"}}");
	WRITTEN(varlink_add_method_not_implemented(&b, "a.B"),
		"{\"error\":\"org.varlink.service.MethodNotImplemented\",\"parameters\":{\"method\":\"a.B\"}}");
	WRITTEN(varlink_add_interface_not_found(&b, "a.b.C", 3),
		"{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a.b\"}}");
	WRITTEN(varlink_add_invalid_parameter(&b, "q\"\n"),
		"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"q\\\"\\n\"}}");
	WRITTEN(varlink_add_permission_denied(&b),
		"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}");
	WRITTEN(varlink_add_expected_more(&b),
		"{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
}

TEST(two_messages_in_one_buffer_are_two_frames)
{
	struct buf b;
	size_t scanned = 0;

	buf_init(&b, 1000);
	varlink_add_call(&b, "a.B", NULL, 0, false, false);
	varlink_add_call(&b, "a.C", NULL, 0, false, false);
	CHECK_INT(varlink_frame(b.data, b.len, &scanned), 16);
	buf_drop(&b, 17);
	CHECK_STR(b.data, "{\"method\":\"a.C\"}");
	buf_fini(&b);
}

CHECK_MAIN()

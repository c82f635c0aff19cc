/* SPDX-License-Identifier: Apache-2.0 */
/* Every message of the two public interfaces: as it stands on the wire, and the same after being read back. */
#include "check.h"

#include <stdlib.h>

#include "proto/messages.h"
#include "proto/varlink.h"

/* Encodes message, compares, decodes the text and encodes that again: must be equal byte by byte. */
static void round_trip(const struct fields *f, const void *message, const char *want)
{
	struct buf first, second;
	const char *bad = NULL;
	void *again = calloc(1, f->size);

	check_row(want);
	buf_init(&first, 10000);
	buf_init(&second, 10000);
	fields_encode(f, message, &first);
	CHECK_STR(first.data, want);
	CHECK_INT(json_check(first.data, first.len, 16, NULL), 0);
	CHECK_INT(fields_decode(f, json_root(first.data, first.len), UNKNOWN_REFUSE, again, &bad,
				NULL),
		  0);
	CHECK_STR(bad, NULL);
	fields_encode(f, again, &second);
	CHECK_STR(second.data, want);
	buf_fini(&first);
	buf_fini(&second);
	free(again);
}

#define SET(v) { (v), true }

static const char *const two[] = { "api", "web" };

TEST(tokens)
{
	struct token_fields t = {
		.access_token = "00D!x", .token_type = "Bearer", .instance_url = "https://i", .credential = "etl", .generation = SET(17), .issued_at = SET(1), .expires_at = SET(7201),
		.expiry_source = EXPIRY_CONFIGURED, .validity = VALIDITY_ASSUMED, .refresh_after = SET(3600), .scopes = { .items = two, .n = 2 }, .identity_url = "https://id", .organization_id = "00D",
		.user_id = "005", .username = "u@e", .expires_in_s = SET(-5),
	};

	round_trip(
		&token_fields_table, &t,
		"{\"accessToken\":\"00D!x\",\"tokenType\":\"Bearer\",\"instanceUrl\":\"https://i\",\"credential\":\"etl\",\"generation\":17,\"issuedAt\":1,\"expiresAt\":7201,"
		"\"expirySource\":\"configured\",\"validity\":\"assumed\",\"refreshAfter\":3600,\"scopes\":[\"api\",\"web\"],\"identityUrl\":\"https://id\",\"organizationId\":\"00D\","
		"\"userId\":\"005\",\"username\":\"u@e\",\"expiresInSeconds\":-5}");
	t = (struct token_fields){ .access_token = "x", .token_type = "Bearer", .instance_url = "i", .credential = "c" };
	round_trip(
		&token_fields_table, &t,
		"{\"accessToken\":\"x\",\"tokenType\":\"Bearer\",\"instanceUrl\":\"i\",\"credential\":\"c\",\"generation\":0,\"issuedAt\":0,\"expiresAt\":0,"
		"\"expirySource\":\"response\",\"validity\":\"fresh\",\"refreshAfter\":null,\"scopes\":[],\"identityUrl\":null,\"organizationId\":null,"
		"\"userId\":null,\"username\":null,\"expiresInSeconds\":0}");
}

TEST(credentials)
{
	struct credential_info c = {
		.name = "etl", .aliases = { .items = two, .n = 1 }, .grant_type = GRANT_JWT_BEARER, .state = STATE_LOGIN_REQUIRED, .instance_url = "i", .username = "u", .generation = SET(3),
		.expires_at = SET(4), .expiry_source = EXPIRY_LEARNED, .next_refresh_at = SET(5), .upstream_attempts = SET(6), .last_error = "e",
	};

	round_trip(
		&credential_info_table, &c,
		"{\"name\":\"etl\",\"aliases\":[\"api\"],\"grantType\":\"jwt_bearer\",\"state\":\"login_required\",\"instanceUrl\":\"i\",\"username\":\"u\",\"generation\":3,"
		"\"expiresAt\":4,\"expirySource\":\"learned\",\"nextRefreshAt\":5,\"upstreamAttempts\":6,\"lastError\":\"e\"}");
	c = (struct credential_info){ .name = "etl", .expiry_source = -1 };
	round_trip(
		&credential_info_table, &c,
		"{\"name\":\"etl\",\"aliases\":[],\"grantType\":\"web_server\",\"state\":\"empty\",\"instanceUrl\":null,\"username\":null,\"generation\":0,"
		"\"expiresAt\":null,\"expirySource\":null,\"nextRefreshAt\":null,\"upstreamAttempts\":0,\"lastError\":null}");
}

TEST(broker_calls)
{
	struct get_token_call get = { "etl", SET(60), SET(17), SET(0), SET(true), "why" }, none = { 0 };
	struct credential_call credential = { "etl" }, no_credential = { 0 };
	struct report_rejected_call report = { "etl", SET(17), SET(401), "INVALID_SESSION_ID" };
	struct report_rejected_reply reported = { SET(true), SET(18) };
	struct list_credentials_call list = { "etl" };

	round_trip(
		&get_token_table, &get,
		"{\"credential\":\"etl\",\"minValidSeconds\":60,\"rejectedGeneration\":17,\"waitSeconds\":0,\"allowStale\":true,\"reason\":\"why\"}");
	round_trip(&get_token_table, &none, "{}");
	round_trip(&credential_call_table, &credential, "{\"credential\":\"etl\"}");
	round_trip(&credential_call_table, &no_credential, "{}");
	round_trip(
		&report_rejected_table, &report,
		"{\"credential\":\"etl\",\"generation\":17,\"httpStatus\":401,\"errorCode\":\"INVALID_SESSION_ID\"}");
	round_trip(&report_rejected_reply_table, &reported,
		   "{\"accepted\":true,\"generation\":18}");
	round_trip(&list_credentials_table, &list, "{\"after\":\"etl\"}");
}

TEST(manager_messages)
{
	static char listeners[] = "[{\"name\":\"broker\"}]", details[] = "{\"a\":1}";
	struct refresh_call refresh = { "etl", SET(5) };
	struct refresh_reply refreshed = { SET(9) };
	struct set_enabled_call enable = { "etl", SET(false) };
	struct reload_reply reload = { SET(1), SET(2), SET(3), { .items = two, .n = 1 }, { .items = two, .n = 2 }, { 0 }, { .items = two, .n = 1 } };
	struct listener_info listener = { "broker", "varlink", "/run/x", "broker", SET(4) };
	struct status_reply status = { "0.1.0", SET(1), SET(true), SET(2), SET(3), SET(4), 1, { .items = two, .n = 1 }, { listeners, listeners + sizeof(listeners) - 1 }, { 0 } };
	struct event_reply event = { SET(1), "token.minted", "etl", SET(1000), { 0 }, { details, details + sizeof(details) - 1 } };
	struct configuration_invalid_error invalid = { "f.conf", SET(7), "m" };
	struct store_unavailable_error unavailable = { "m" };
	struct set_log_level_call level = { SET(7) };

	round_trip(&credential_required_table, &(struct credential_call){ "etl" },
		   "{\"credential\":\"etl\"}");
	round_trip(&refresh_table, &refresh, "{\"credential\":\"etl\",\"waitSeconds\":5}");
	round_trip(&refresh_reply_table, &refreshed, "{\"generation\":9}");
	round_trip(&set_enabled_table, &enable, "{\"credential\":\"etl\",\"enabled\":false}");
	round_trip(
		&reload_reply_table, &reload,
		"{\"added\":1,\"changed\":2,\"removed\":3,\"addedNames\":[\"api\"],\"changedNames\":[\"api\",\"web\"],\"removedNames\":[],\"warnings\":[\"api\"]}");
	round_trip(
		&listener_info_table, &listener,
		"{\"name\":\"broker\",\"protocol\":\"varlink\",\"address\":\"/run/x\",\"role\":\"broker\",\"connections\":4}");
	round_trip(
		&status_reply_table, &status,
		"{\"version\":\"0.1.0\",\"startedAt\":1,\"ready\":true,\"parentPid\":2,\"mintPid\":3,\"frontPid\":4,\"store\":\"readonly\",\"configurationFiles\":[\"api\"],"
		"\"listeners\":[{\"name\":\"broker\"}],\"warnings\":[]}");
	round_trip(
		&event_reply_table, &event,
		"{\"time\":1,\"event\":\"token.minted\",\"credential\":\"etl\",\"peerUid\":1000,\"peerPid\":null,\"details\":{\"a\":1}}");
	round_trip(&configuration_invalid_table, &invalid,
		   "{\"file\":\"f.conf\",\"line\":7,\"message\":\"m\"}");
	round_trip(&store_unavailable_table, &unavailable, "{\"message\":\"m\"}");
	round_trip(&set_log_level_table, &level, "{\"level\":7}");
}

TEST(secrets_and_history)
{
	static char none[] = "[]";
	struct revoke_call revoke = { "etl", SET(true) };
	struct attempt_info sent = { SET(1), "replay", "unknown", SET(502), "m" }, unsent = { SET(1), "scheduled", "not_sent", { 0 }, NULL };
	struct history_reply history = { { none, none + sizeof(none) - 1 } };

	for (int kind = 0; secret_kind_names[kind]; kind++) {
		struct import_secret_call import = { "etl", kind, "v" };
		char want[100];

		snprintf(want, sizeof(want),
			 "{\"credential\":\"etl\",\"kind\":\"%s\",\"value\":\"v\"}",
			 secret_kind_names[kind]);
		round_trip(&import_secret_table, &import, want);
	}
	round_trip(&revoke_table, &revoke, "{\"credential\":\"etl\",\"forgetSecrets\":true}");
	round_trip(
		&attempt_info_table, &sent,
		"{\"time\":1,\"kind\":\"replay\",\"outcome\":\"unknown\",\"httpStatus\":502,\"message\":\"m\"}");
	round_trip(
		&attempt_info_table, &unsent,
		"{\"time\":1,\"kind\":\"scheduled\",\"outcome\":\"not_sent\",\"httpStatus\":null,\"message\":null}");
	round_trip(&history_reply_table, &history, "{\"attempts\":[]}");
}

/* A secret that a stranger's message holds is not in what is said about that message. */
TEST(a_bad_import_is_named_without_its_value)
{
	static const struct {
		const char *json, *bad;
	} rows[] = {
		{ "{\"credential\":\"etl\",\"kind\":\"refresh_token\",\"value\":7}", "value" },
		{ "{\"credential\":\"etl\",\"kind\":\"refresh_token\"}", "value" },
		{ "{\"credential\":\"etl\",\"value\":\"s3cr3t\"}", "kind" },
		{ "{\"credential\":\"etl\",\"kind\":\"password\",\"value\":\"s3cr3t\"}", "kind" },
		{ "{\"kind\":\"assertion\",\"value\":\"s3cr3t\"}", "credential" },
	};
	struct import_secret_call import;
	char text[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *bad = NULL;
		struct err err = { 0 };

		snprintf(text, sizeof(text), "%s", rows[i].json);
		check_row(rows[i].json);
		CHECK_INT(fields_decode(&import_secret_table, json_root(text, strlen(text)),
					UNKNOWN_REFUSE, &import, &bad, &err),
			  -ERR_INPUT);
		CHECK_STR(bad, rows[i].bad);
		CHECK(!strstr(err.text, "s3cr3t"));
	}
	check_row(NULL);
}

TEST(every_error_is_a_complete_reply)
{
	static const struct broker_error_fields all = {
		.credential = "etl", .grant_type = GRANT_DEVICE, .state = STATE_SUSPENDED, .message = "m", .oauth_error = "invalid_grant", .description = "d", .http_status = SET(400),
		.retry_after_s = SET(3), .wait_s = SET(30), .min_valid_s = SET(60), .max_valid_s = SET(50),
	};
	static const char *const want[BROKER_ERRORS] = {
		"NoSuchCredential\",\"parameters\":{\"credential\":\"etl\"}}",
		"LoginRequired\",\"parameters\":{\"credential\":\"etl\",\"grantType\":\"device\",\"message\":\"m\"}}",
		"NotServed\",\"parameters\":{\"credential\":\"etl\",\"state\":\"suspended\",\"message\":\"m\"}}",
		"Rejected\",\"parameters\":{\"credential\":\"etl\",\"oauthError\":\"invalid_grant\",\"description\":\"d\",\"httpStatus\":400}}",
		"Unavailable\",\"parameters\":{\"credential\":\"etl\",\"message\":\"m\",\"retryAfterSeconds\":3}}",
		"TimedOut\",\"parameters\":{\"credential\":\"etl\",\"waitSeconds\":30}}",
		"LifetimeTooShort\",\"parameters\":{\"credential\":\"etl\",\"minValidSeconds\":60,\"maxValidSeconds\":50}}",
		"RateLimited\",\"parameters\":{\"retryAfterSeconds\":3}}",
		"ShuttingDown\",\"parameters\":{}}",
	};

	for (int e = 0; e < BROKER_ERRORS; e++) {
		struct varlink_reply reply;
		char text[300];
		struct buf b;

		snprintf(text, sizeof(text), "{\"error\":\"io.sftoken.Broker.%s", want[e]);
		buf_init(&b, 1000);
		broker_add_error(&b, (enum broker_error)e, &all);
		CHECK_MEM(b.data, b.len, text, strlen(text) + 1);
		CHECK_INT(varlink_parse_reply(b.data, b.len - 1, &reply, NULL), 0);
		CHECK_STR(strrchr(reply.error, '.') + 1, broker_error_names[e]);
		buf_fini(&b);
	}
	CHECK(!broker_error_names[BROKER_ERRORS]);
}

/* interfaces.md: waitSeconds at most 300, reason at most 256 bytes, names at most 128. */
TEST(parameters_outside_their_range_are_named)
{
	static const struct {
		const char *json, *bad;
	} rows[] = {
		{ "{\"waitSeconds\":301}", "waitSeconds" }, { "{\"waitSeconds\":-1}", "waitSeconds" }, { "{\"minValidSeconds\":-1}", "minValidSeconds" }, { "{\"rejectedGeneration\":-1}", "rejectedGeneration" },
		{ "{\"allowStale\":1}", "allowStale" }, { "{\"credential\":7}", "credential" }, { "{\"token\":7}", "token" }, { "{\"minValidSeconds\":2147483648}", "minValidSeconds" },
	};
	struct get_token_call get;
	char text[600];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *bad = NULL;

		snprintf(text, sizeof(text), "%s", rows[i].json);
		check_row(rows[i].json);
		CHECK_INT(fields_decode(&get_token_table, json_root(text, strlen(text)),
					UNKNOWN_REFUSE, &get, &bad, NULL),
			  -ERR_INPUT);
		CHECK_STR(bad, rows[i].bad);
	}
	check_row(NULL);
	for (int extra = 0; extra < 2; extra++) {
		snprintf(text, sizeof(text), "{\"credential\":\"%0*d\"}",
			 CREDENTIAL_NAME_MAX + extra, 0);
		CHECK_INT(fields_decode(&get_token_table, json_root(text, strlen(text)),
					UNKNOWN_REFUSE, &get, NULL, NULL),
			  extra ? -ERR_INPUT : 0);
		snprintf(text, sizeof(text), "{\"reason\":\"%0*d\"}", REASON_MAX + extra, 0);
		CHECK_INT(fields_decode(&get_token_table, json_root(text, strlen(text)),
					UNKNOWN_REFUSE, &get, NULL, NULL),
			  extra ? -ERR_INPUT : 0);
	}
}

TEST(credential_names)
{
	static const char *const good[] = { "a", "Z", "0", "a.b_c@d-e", "prod", "9-" };
	static const char *const bad[] = { "", ".a", "-a", "_a", "@a", "a b", "a/b", "a\n", "\xc3\xa9", "a\xc3\xa9", "a:b" };
	char name[CREDENTIAL_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(credential_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row(bad[i]);
		CHECK(!credential_name_ok(bad[i]));
	}
	memset(name, 'a', sizeof(name));
	name[CREDENTIAL_NAME_MAX] = '\0';
	CHECK(credential_name_ok(name));
	name[CREDENTIAL_NAME_MAX] = 'a';
	name[CREDENTIAL_NAME_MAX + 1] = '\0';
	CHECK(!credential_name_ok(name));
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Manager.Metrics: what the front, the store and three credentials have counted becomes text. */
#include "tests/unit/manager_fixture.h"

#include "tests/unit/check.h"

/* The front's answer, whose "calls" is n. */
static const char *counted(const char *process, const char *calls)
{
	static char text[400];

	snprintf(
		text, sizeof(text),
		"{\"calls\":%s,\"calls_refused\":6,\"loads\":8,\"loads_refused\":9,\"limit.max_connections\":2,\"gets.token\":%s,\"get_us.50\":%s,\"get_us.inf\":0,"
		"\"get_us.sum\":90,\"started_ms\":%s,\"connections\":4,\"waiting\":5}",
		calls, calls, calls, process);
	return text;
}

static bool metrics_say(const char *line)
{
	const char *reply = manager_call("Metrics", "{}");

	if (reply && strstr(reply, line) && strstr(reply, "\"next\":null"))
		return true;
	printf("# no %s in %s\n", line, reply ? reply : "nothing");
	return false;
}

TEST(what_the_front_has_counted_never_goes_backwards)
{
	manager_begin();
	manager_fake.counters = counted("100", "7");
	CHECK(metrics_say("\\nsftokend_calls_total 7\\n"));
	CHECK(metrics_say("\\nsftokend_calls_waiting 5\\n"));
	/* refusals and loads are no limits */
	CHECK(metrics_say(
		"counter\\nsftokend_limit_reached_total{limit=\\\"max_connections\\\"} 2\\n# HELP"));
	CHECK(metrics_say("\\nsftokend_calls_refused_total 6\\n"));
	CHECK(metrics_say("\\nsftokend_front_up 1\\n"));
	manager_fake.counters = NULL; /* it is dead */
	CHECK(metrics_say("\\nsftokend_calls_total 7\\n"));
	CHECK(metrics_say("\\nsftokend_front_up 0\\n"));
	CHECK(!strstr(manager_replied(), "sftokend_calls_waiting 5"));
	manager_fake.counters = counted("200", "1"); /* and there is another one */
	CHECK(metrics_say("\\nsftokend_calls_total 8\\n"));
	CHECK(metrics_say("\\nsftokend_get_seconds_bucket{le=\\\"0.00005\\\"} 8\\n"));
	CHECK(metrics_say("\\nsftokend_get_seconds_count 8\\n"));
	manager_fake.counters = counted("200", "4");
	CHECK(metrics_say("\\nsftokend_calls_total 11\\n"));
	manager_end();
}

TEST(units_that_load_are_no_limit_and_no_administrators)
{
	static char names[2][16] = { "manager", "credential" };
	struct listener_settings listeners[] = {
		{ .name = names[0], .interface = LISTENER_MANAGER, .next = &listeners[1] },
		{ .name = names[1], .interface = LISTENER_CREDENTIAL },
	};
	struct listener_settings *loading = &listeners[1];
	struct settings *settings = (struct settings *)registry_settings(NULL);

	settings->listeners = listeners;
	manager_begin();
	manager_fake.counters = "{\"loads\":3,\"loads_refused\":2,\"started_ms\":1}";
	CHECK(metrics_say("\\nsftokend_loads_total{outcome=\\\"token\\\"} 3\\n"));
	CHECK(metrics_say("\\nsftokend_loads_total{outcome=\\\"refused\\\"} 2\\n"));
	CHECK(!strstr(manager_replied(), "limit=\\\"loads"));
	/* an administrator is connected, no unit loads; the second socket is not open */
	loading->on_demand = false;
	CHECK(metrics_say("listener=\\\"credential\\\"} 0"));
	CHECK(strstr(manager_replied(), "listener=\\\"manager\\\"} 1"));
	loading->on_demand = true;
	CHECK(metrics_say("listener=\\\"manager\\\"} 1"));
	CHECK(!strstr(manager_replied(), "listener=\\\"credential\\\""));
	settings->listeners = NULL;
	manager_end();
}

TEST(metrics_tell_of_credentials_and_the_store)
{
	manager_begin();
	manager_fake.store = STORE_SUSPECT;
	manager_keepers[1].expires = 1790000000;
	manager_keepers[1].tally.requests[HTTP_REVOCATION][TALLY_NO_ANSWER] = 6;
	manager_keepers[1].tally.served = 9;
	CHECK(metrics_say(
		"\\nsftokend_token_expiry_seconds{credential=\\\"refresh\\\"} 1790000000\\n#"));
	CHECK(metrics_say(
		"\\nsftokend_last_renewal_timestamp_seconds{credential=\\\"refresh\\\"} 1789992800\\n#"));
	CHECK(metrics_say(
		"\\nsftokend_upstream_requests_total{credential=\\\"refresh\\\",endpoint=\\\"revocation\\\",outcome=\\\"no_answer\\\"} 6\\n"));
	CHECK(metrics_say("\\nsftokend_tokens_served_total{credential=\\\"refresh\\\"} 9\\n"));
	CHECK(metrics_say("\\nsftokend_store_state{state=\\\"suspect\\\"} 1\\n"));
	CHECK(metrics_say("\\nsftokend_store_state{state=\\\"ok\\\"} 0\\n"));
	CHECK(metrics_say("\\nsftokend_store_failures_total 13\\n"));
	CHECK(metrics_say("\\nsftokend_log_lines_dropped_total{process=\\\"mint\\\"} 3\\n"));
	manager_end();
}

TEST(metrics_go_on_only_where_a_piece_has_ended)
{
	static const char *const good[] = { "sftokend_gets_total", "sftokend_credential_state:refresh" };
	static const char *const bad[] = { "", "x", "sftokend_gets_total:x", "sftokend_get", ":refresh" };
	char parameters[100];

	manager_begin();
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(parameters, sizeof(parameters), "{\"after\":\"%s\"}", good[i]);
		CHECK(strstr(manager_call("Metrics", parameters), "{\"parameters\":{\"text\":\""));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row(bad[i]);
		snprintf(parameters, sizeof(parameters), "{\"after\":\"%s\"}", bad[i]);
		CHECK(strstr(manager_call("Metrics", parameters), "InvalidParameter"));
	}
	check_row(NULL);
	manager_end();
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* What a keeper does when answers come in another order than the questions, and what it believes of the front. */
#include "tests/unit/keeper_fixture.h"

static char name[] = "etl", login_url[] = "https://acme.my.salesforce.com";

static struct keeper *keeper(int64_t session_ms)
{
	return keeper_like((struct credential){ .grant_type = GRANT_CLIENT_CREDENTIALS,
						.login_url = strdup(login_url),
						.session_timeout_ms = session_ms,
						.introspect = INTROSPECT_AUTO });
}

static void want(struct keeper *k, int64_t min_left_ms, int64_t not_generation)
{
	const struct link_want w = { .credential = name,
				     .min_left_ms = { min_left_ms, true },
				     .not_generation = { not_generation, true },
				     .deadline_ms = { loop_now_ms(loop) + 30000, true } };

	keeper_want(k, &w);
}

/* The request that was sent last is answered first. */
static void answer_newest(long status, const char *body)
{
	struct http_call **at = &fake_http_calls, *newest;

	while ((*at)->next)
		at = &(*at)->next;
	newest = *at;
	*at = NULL;
	newest->next = fake_http_calls;
	fake_http_calls = newest;
	fake_http_answer(HTTP_ANSWERED, status, body);
}

TEST(an_introspection_of_the_old_token_is_not_heard)
{
	struct keeper *k;

	start();
	k = keeper(7200000);
	want(k, 0, 0);
	answer_newest(200, TOKEN("00D1!a"));
	REQUIRE(fake_http_in_flight() == 1);
	CHECK(strstr(fake_http_calls->req.url, "introspect"));
	CHECK(keeper_refresh(k));
	answer_newest(200, TOKEN("00D1!b"));
	CHECK_INT(fake_http_cancelled, 1);
	REQUIRE(fake_http_in_flight() == 1);
	CHECK(strstr(secret_bytes(fake_http_calls->req.body), "token=00D1%21b"));
	keeper_free(k);
	stop();
}

TEST(a_wish_that_names_an_older_generation_starts_nothing)
{
	struct keeper *k;
	int64_t first;

	start();
	k = keeper(7200000);
	want(k, 0, 0);
	answer_newest(200, TOKEN("00D1!a"));
	fake_http_answer(HTTP_ANSWERED, 200, "{\"active\":false}");
	first = keeper_generation(k);
	want(k, 7300000, first - 1);
	CHECK_INT(fake_http_submitted, 2);
	want(k, 7300000, first);
	CHECK_INT(fake_http_submitted, 2); /* within the gap after the first demand */
	settings.limits.demand_gap_ms = 0;
	want(k, 7300000, first - 1);
	CHECK_INT(fake_http_submitted, 2);
	want(k, 7300000, first);
	CHECK_INT(fake_http_submitted, 3);
	keeper_free(k);
	stop();
}

TEST(who_waits_does_not_wait_longer_because_of_a_reload)
{
	struct keeper *old, *new;

	start();
	old = keeper(7200000);
	new = keeper(3600000);
	want(old, 0, 0);
	CHECK_INT(fake_http_in_flight(), 1);
	keeper_inherit(new, old);
	keeper_free(old);
	keeper_start(new); /* which would be within the hour of the spread */
	CHECK_INT(fake_http_cancelled, 1);
	CHECK_INT(fake_http_in_flight(), 1);
	answer_newest(200, TOKEN("00D1!a"));
	CHECK(keeper_usable(new));
	keeper_free(new);
	stop();
}

static struct link_have good_have(const struct keeper *k)
{
	static char token[] = "00D1!a", instance[] = "https://a.my.salesforce.com";
	int64_t now = loop_now_ms(loop);

	return (struct link_have){ .credential = name,
				   .origin = (char *)(uintptr_t)keeper_origin(k),
				   .generation = { 1800000000, true },
				   .token = token,
				   .instance_url = instance,
				   .life_ms = { 7200000, true },
				   .issued_ms = { now, true },
				   .deadline_ms = { now + 7200000, true },
				   .vouched_ms = { now, true },
				   .expiry_source = EXPIRY_CONFIGURED };
}

/* A front that has been taken over must not use up the generations, put lines into our headers, or make a token live for ever. */
TEST(what_cannot_be_true_is_not_taken_over)
{
	static char lines[] = "00D1!a\r\nX-Evil: 1", empty[] = "";
	struct keeper *k;
	struct link_have bad[8], good;
	struct err err;

	start();
	k = keeper(7200000);
	for (size_t i = 0; i < 8; i++)
		bad[i] = good_have(k);
	bad[0].generation.value = INT64_C(1) << 53;
	bad[1].generation.value = -5;
	bad[2].life_ms.value = INT64_MAX;
	bad[3].deadline_ms.value = INT64_MAX;
	bad[4].issued_ms.value += 60000;
	bad[5].vouched_ms.value = INT64_MAX;
	bad[6].token = lines;
	bad[7].token = empty;
	for (size_t i = 0; i < 8; i++)
		CHECK_INT(keeper_take_over(k, &bad[i], &err), -ERR_DENIED);
	CHECK_INT(keeper_generation(k), 0);
	CHECK(!keeper_token(k));
	good = good_have(k);
	CHECK_INT(keeper_take_over(k, &good, &err), 0);
	CHECK_INT(keeper_generation(k), 1800000000);
	keeper_free(k);
	stop();
}

/* The answer would be waited for as long as the one that the daemon waits for, or be lost. */
TEST(nothing_is_spent_by_who_still_connects_at_the_end)
{
	CLEANUP(secret_unrefp) struct secret *token = secret_new("R1", 2);
	struct http_request *req;
	struct keeper *k;
	struct err err;

	start();
	k = keeper(7200000);
	((struct credential *)(uintptr_t)keeper_credential(k))->grant_type = GRANT_REFRESH_TOKEN;
	fake_http_connecting = true;
	CHECK_INT(keeper_give_refresh(k, token, NULL, &err), 0);
	fake_http_connecting = false;
	REQUIRE(fake_http_in_flight() == 1);
	req = &fake_http_calls->req;
	context.stopping = true;
	CHECK(req->about_to_send(req->about_to_send_arg, &err) < 0);
	CHECK_INT(context.spending, 0);
	CHECK_INT(keeper_stored(k)->spend.state, SPEND_NONE);
	keeper_free(k);
	stop();
}

static char only_host[] = "acme.my.salesforce.com", *only_hosts[] = { only_host };

/* The host of an auth URL was allowed when it was given, and is not any more. */
TEST(a_refresh_token_is_revoked_only_where_it_may_go)
{
	CLEANUP(secret_unrefp) struct secret *token = secret_new("R1", 2);
	struct keeper *k;
	struct err err;

	start();
	k = keeper(7200000);
	((struct credential *)(uintptr_t)keeper_credential(k))->grant_type = GRANT_REFRESH_TOKEN;
	CHECK_INT(keeper_give_refresh(k, token, "https://a.my.salesforce.com", &err), 0);
	REQUIRE(fake_http_in_flight() == 1);
	fake_http_answer(HTTP_ANSWERED, 503, "");
	settings.network.allowed_hosts = (struct config_list){ only_hosts, 1 };
	CHECK(keeper_revoke(k, true, on_revoked, NULL, &err));
	CHECK_INT(fake_http_in_flight(), 0);
	CHECK_INT(loop_run(loop, &err), 0);
	CHECK_INT(revoked_status, -ERR_INPUT);
	CHECK(strstr(revoked_text, "AllowedHosts="));
	CHECK(keeper_stored(k)->refresh.token);
	keeper_free(k);
	stop();
}

/* AllowedHosts= was changed while the daemon did not run. */
TEST(a_token_for_a_host_that_is_not_allowed_any_more_is_not_restored)
{
	int64_t generation;
	struct keeper *k;

	start();
	k = keeper(7200000);
	want(k, 0, 0);
	answer_newest(200, TOKEN("00D1!a"));
	CHECK(keeper_token(k));
	generation = keeper_generation(k);
	keeper_free(k);
	k = keeper(7200000);
	keeper_restore(k);
	CHECK(keeper_token(k));
	CHECK_INT(keeper_generation(k), generation);
	keeper_free(k);
	settings.network.allowed_hosts = (struct config_list){ only_hosts, 1 };
	k = keeper(7200000);
	keeper_restore(k);
	CHECK(!keeper_token(k));
	CHECK_INT(keeper_withdrawn(k), generation);
	keeper_free(k);
	stop();
}

/* A front that has been taken over gives a token with a name that no record can hold: then nothing of any credential could be written any more. */
TEST(what_the_store_cannot_hold_is_not_taken_over)
{
	static char text[5000];
	struct link_have have;
	struct keeper *k;
	struct err err;

	start();
	memset(text, 'x', sizeof text - 1);
	k = keeper(7200000);
	have = good_have(k);
	have.username = text;
	CHECK_INT(keeper_take_over(k, &have, &err), -ERR_DENIED);
	have = good_have(k);
	have.identity_url = text;
	CHECK_INT(keeper_take_over(k, &have, &err), -ERR_DENIED);
	have = good_have(k);
	have.scopes = (struct text_list){ .items = (const char *const[]){ text }, .n = 1 };
	CHECK_INT(keeper_take_over(k, &have, &err), -ERR_DENIED);
	keeper_free(k);
	stop();
}

static struct keeper *refreshing(void)
{
	struct keeper *k = keeper(7200000);

	((struct credential *)(uintptr_t)keeper_credential(k))->grant_type = GRANT_REFRESH_TOKEN;
	return k;
}

static void check_refused(struct keeper *k)
{
	CHECK(keeper_usable(k));
	CHECK_INT(keeper_schedule(k)->state, STATE_LOGIN_REQUIRED);
	CHECK_INT(keeper_problem(k).error, BROKER_LOGIN_REQUIRED);
	CHECK(keeper_problem(k).permanent &&
	      strstr(keeper_problem(k).message, "Salesforce does not take the refresh token"));
}

/* A token that is served to its end must not look like health: the refresh token is dead. */
TEST(a_dead_refresh_token_is_told_after_a_restart_a_reload_and_when_enabled)
{
	CLEANUP(secret_unrefp) struct secret *token = secret_new("R1", 2);
	struct keeper *k, *next;
	struct err err;

	start();
	k = refreshing();
	CHECK_INT(keeper_give_refresh(k, token, login_url, &err), 0);
	REQUIRE(fake_http_in_flight() == 1);
	answer_newest(200, TOKEN("00D1!a"));
	CHECK_INT(keeper_schedule(k)->state, STATE_VALID);
	CHECK(keeper_refresh(k));
	answer_newest(
		400,
		"{\"error\":\"invalid_grant\",\"error_description\":\"expired access/refresh token\"}");
	CHECK(keeper_stored(k)->refresh.refused);
	CHECK(keeper_usable(k));
	CHECK_INT(keeper_schedule(k)->state, STATE_LOGIN_REQUIRED);
	keeper_free(k);
	k = refreshing();
	keeper_restore(k);
	check_refused(k);
	next = refreshing();
	keeper_inherit(next, k);
	keeper_free(k);
	check_refused(next);
	keeper_set_enabled(next, false);
	CHECK_INT(keeper_schedule(next)->state, STATE_DISABLED);
	keeper_set_enabled(next, true);
	check_refused(next);
	keeper_free(next);
	stop();
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* What a login puts into the store: all of it in one record, or nothing. */
#include <errno.h>

#include "daemon/mint/store_parts.h"
#include "store_fixture.h"

static struct store *s;
static struct stored *e;

static void begin(void)
{
	fixture_begin();
	s = fixture_open();
	e = s ? fixture_give(s, "etl", 1) : NULL;
}

/* The access token A<generation> and, unless 0, the refresh token R<number>. */
static int login(int number, int64_t generation)
{
	CLEANUP(secret_unrefp) struct secret *refresh = NULL;
	struct stored scratch = { .name = e->name };
	struct stored_token token;
	char text[16];
	int r;

	snprintf(text, sizeof text, "R%d", number);
	refresh = number ? fixture_secret(text) : NULL;
	fixture_token(&scratch, generation);
	token = scratch.token;
	r = store_take_login(s, e, refresh, "origin", &token, fixture_now_ms, &fixture_err);
	grant_unref(scratch.token.grant);
	free(scratch.token.origin);
	return r;
}

static void check_entry(int number, int64_t generation, enum spend_state spend)
{
	CHECK_INT(fixture_number(e), number);
	CHECK_INT(e->token.generation, generation);
	CHECK_INT(e->generation >= generation, true);
	CHECK_INT(e->spend.state, spend);
}

static void again(bool power)
{
	fixture_crash(s, power);
	s = fixture_open();
	e = s ? store_find(s, "etl") : NULL;
}

TEST(refresh_token_and_access_token_are_one_record)
{
	uint64_t records;

	begin();
	REQUIRE(e);
	records = store_counters(s).records;
	CHECK_INT(login(5, 77), 0);
	CHECK_INT(store_counters(s).records, records + 1);
	check_entry(5, 77, SPEND_NONE);
	again(true);
	REQUIRE(e);
	check_entry(5, 77, SPEND_NONE);
	CHECK(!e->refresh.base_url && !e->refresh.refused && !e->refresh.rotates);
	store_close(s);
}

/* At each place of its writing the disk has the old pair or the new one, never a mixture. */
TEST(a_crash_leaves_the_old_pair_or_the_new_one)
{
	size_t from, to;

	begin();
	REQUIRE(e);
	fixture_token(e, 50);
	CHECK_INT(store_write(s, e, STORE_SYNC, NULL), 0);
	from = disk_position();
	CHECK_INT(login(5, 77), 0);
	to = disk_position();
	CHECK(to > from);
	disk_freeze();
	store_close(s);
	for (size_t at = from; at <= to; at++) {
		for (uint64_t seed = 0; seed < 20; seed++) {
			int number;

			disk_crash(at, true, seed);
			s = fixture_open();
			e = s ? store_find(s, "etl") : NULL;
			REQUIRE(e);
			number = fixture_number(e);
			CHECK(number == 1 || number == 5);
			CHECK_INT(e->token.generation, number == 5 ? 77 : 50);
			CHECK(at < to || number == 5);
			store_close(s);
		}
	}
}

TEST(a_login_ends_what_was_unknown_or_refused)
{
	begin();
	CHECK_INT(store_intend(s, e, fixture_now_ms, fixture_real_ms, NULL), 0);
	CHECK_INT(store_unknown(s, e, NULL), 0);
	CHECK_INT(login(5, 77), 0);
	check_entry(5, 77, SPEND_NONE);
	CHECK_INT(store_intend(s, e, fixture_now_ms, fixture_real_ms, NULL), 0);
	CHECK_INT(store_answered(s, e, true, NULL), 0);
	CHECK(e->refresh.refused);
	CHECK_INT(login(6, 78), 0);
	CHECK(!e->refresh.refused);
	check_entry(6, 78, SPEND_NONE);
	store_close(s);
}

TEST(while_a_request_is_under_way_nothing_is_taken)
{
	begin();
	fixture_token(e, 50);
	CHECK_INT(store_intend(s, e, fixture_now_ms, fixture_real_ms, NULL), 0);
	CHECK_INT(login(5, 77), -ERR_RETRY);
	check_entry(1, 50, SPEND_INTENT);
	CHECK_INT(login(0, 77), -ERR_RETRY);
	check_entry(1, 50, SPEND_INTENT);
	CHECK_INT(store_unspent(s, e, NULL), 0);
	store_close(s);
}

TEST(what_cannot_be_written_changes_nothing)
{
	begin();
	fixture_token(e, 50);
	CHECK_INT(store_write(s, e, STORE_SYNC, NULL), 0);
	disk_fail(1, EIO, true, false);
	CHECK_INT(login(5, 77), -ERR_RETRY);
	check_entry(1, 50, SPEND_NONE);
	CHECK_INT(e->generation, 50);
	/* and it is the old pair that heals, not the new one */
	disk_fail(0, 0, false, false);
	fixture_now_ms += 60000;
	store_tick(s, fixture_now_ms);
	CHECK_INT(store_state(s), STORE_OK);
	again(false);
	REQUIRE(e);
	check_entry(1, 50, SPEND_NONE);
	store_close(s);
}

TEST(without_a_refresh_token_the_one_that_is_there_stays)
{
	begin();
	CHECK_INT(login(0, 77), 0);
	check_entry(1, 77, SPEND_NONE);
	again(false);
	REQUIRE(e);
	check_entry(1, 77, SPEND_NONE);
	store_close(s);
}

CHECK_MAIN()

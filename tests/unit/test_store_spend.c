/* SPDX-License-Identifier: Apache-2.0 */
/* The spend journal: what may follow what, and what is known after a crash. */
#include "daemon/mint/store_parts.h"
#include <errno.h>

#include "store_fixture.h"

static struct store *s;
static struct stored *e;

static void begin(void)
{
	fixture_begin();
	s = fixture_open();
	e = s ? fixture_give(s, "etl", 1) : NULL;
}

/* SIGKILL and a new process. */
static void again(void)
{
	fixture_crash(s, false);
	s = fixture_open();
	e = s ? store_find(s, "etl") : NULL;
}

static int intend(void)
{
	return store_intend(s, e, fixture_now_ms, fixture_real_ms, &fixture_err);
}

static int bring(const char *token)
{
	CLEANUP(secret_unrefp) struct secret *next = token ? fixture_secret(token) : NULL;

	return store_result(s, e, next, fixture_now_ms, &fixture_err);
}

static void check_spend(enum spend_state state, unsigned replays, int number)
{
	CHECK_INT(e->spend.state, state);
	CHECK_INT(e->spend.replays, replays);
	CHECK_INT(fixture_number(e), number);
}

TEST(a_result_replaces_the_token)
{
	begin();
	REQUIRE(e);
	fixture_now_ms += 5000;
	CHECK_INT(intend(), 0);
	check_spend(SPEND_INTENT, 0, 1);
	CHECK_INT(e->spend.at_ms, fixture_now_ms);
	CHECK_INT(bring("R2"), 0);
	check_spend(SPEND_NONE, 0, 2);
	CHECK(e->refresh.rotates);
	CHECK_INT(e->refresh.number, 2);
	CHECK_INT(e->refresh.used_ms, fixture_now_ms);
	again();
	REQUIRE(e);
	check_spend(SPEND_NONE, 0, 2);
	CHECK(e->refresh.rotates);
	CHECK_STR(e->refresh.origin, "origin");
	store_close(s);
}

TEST(a_result_without_a_token_keeps_the_old_one)
{
	begin();
	CHECK_INT(intend(), 0);
	CHECK_INT(bring(NULL), 0);
	check_spend(SPEND_NONE, 0, 1);
	CHECK(!e->refresh.rotates);
	CHECK_INT(intend(), 0);
	CHECK_INT(bring("R1"), 0);
	CHECK(!e->refresh.rotates);
	CHECK_INT(e->refresh.number, 1);
	store_close(s);
}

TEST(an_intent_that_a_crash_leaves_is_unknown)
{
	begin();
	CHECK_INT(intend(), 0);
	again();
	REQUIRE(e);
	check_spend(SPEND_UNKNOWN, 0, 1);
	CHECK_INT(e->spend.at_real_ms, fixture_real_ms);
	/* the one replay, counted before it leaves */
	CHECK_INT(store_may_spend(s, e, NULL), 0);
	CHECK_INT(intend(), 0);
	check_spend(SPEND_INTENT, 1, 1);
	again();
	REQUIRE(e);
	check_spend(SPEND_UNKNOWN, 1, 1);
	CHECK_INT(intend(), 0);
	CHECK_INT(bring("R2"), 0);
	check_spend(SPEND_NONE, 0, 2);
	store_close(s);
}

TEST(an_intent_is_durable_before_it_is_acknowledged)
{
	begin();
	CHECK_INT(intend(), 0);
	fixture_crash(s, true);
	s = fixture_open();
	e = store_find(s, "etl");
	REQUIRE(e);
	check_spend(SPEND_UNKNOWN, 0, 1);
	store_close(s);
}

TEST(what_was_not_sent_counts_for_nothing)
{
	begin();
	CHECK_INT(intend(), 0);
	CHECK_INT(store_unspent(s, e, NULL), 0);
	check_spend(SPEND_NONE, 0, 1);
	CHECK_INT(intend(), 0);
	CHECK_INT(store_unknown(s, e, NULL), 0);
	CHECK_INT(intend(), 0);
	CHECK_INT(store_unspent(s, e, NULL), 0);
	check_spend(SPEND_UNKNOWN, 0, 1);
	again();
	REQUIRE(e);
	check_spend(SPEND_UNKNOWN, 0, 1);
	store_close(s);
}

TEST(an_error_leaves_the_token_as_it_was)
{
	begin();
	CHECK_INT(intend(), 0);
	CHECK_INT(store_answered(s, e, false, NULL), 0);
	check_spend(SPEND_NONE, 0, 1);
	CHECK_INT(intend(), 0);
	CHECK_INT(store_unknown(s, e, NULL), 0);
	CHECK_INT(intend(), 0);
	CHECK_INT(store_answered(s, e, false, NULL), 0);
	check_spend(SPEND_UNKNOWN, 0, 1);
	CHECK_INT(intend(), 0);
	CHECK_INT(store_answered(s, e, true, NULL), 0);
	check_spend(SPEND_NONE, 0, 1);
	CHECK(e->refresh.refused);
	again();
	REQUIRE(e);
	CHECK_INT(store_may_spend(s, e, &fixture_err), -ERR_LOGIN);
	CHECK(strstr(fixture_err.text, "sftoken import"));
	CHECK_INT(intend(), -ERR_LOGIN);
	check_spend(SPEND_NONE, 0, 1);
	store_close(s);
}

TEST(nothing_settles_what_is_not_under_way)
{
	begin();
	for (int i = 0; i < 2; i++) {
		enum spend_state state = e->spend.state;

		CHECK_INT(store_unspent(s, e, NULL), -ERR_INTERNAL);
		CHECK_INT(store_answered(s, e, true, NULL), -ERR_INTERNAL);
		CHECK_INT(store_unknown(s, e, NULL), -ERR_INTERNAL);
		CHECK_INT(bring("R9"), -ERR_INTERNAL);
		check_spend(state, 0, 1);
		CHECK(!e->refresh.refused);
		intend();
		store_unknown(s, e, NULL);
	}
	store_close(s);
}

TEST(one_request_at_a_time)
{
	begin();
	CHECK_INT(intend(), 0);
	CHECK_INT(store_may_spend(s, e, NULL), -ERR_RETRY);
	CHECK_INT(intend(), -ERR_RETRY);
	CHECK(!fixture_give(s, "etl", 5));
	CHECK_INT(store_forget_refresh(s, e, NULL), -ERR_RETRY);
	check_spend(SPEND_INTENT, 0, 1);
	CHECK_INT(bring("R2"), 0);
	store_close(s);
}

TEST(import_settles_what_is_unknown)
{
	begin();
	CHECK_INT(intend(), 0);
	CHECK_INT(store_unknown(s, e, NULL), 0);
	CHECK(fixture_give(s, "etl", 5));
	check_spend(SPEND_NONE, 0, 5);
	CHECK_INT(e->refresh.number, 2);
	again();
	REQUIRE(e);
	check_spend(SPEND_NONE, 0, 5);
	store_close(s);
}

TEST(a_refused_token_is_replaced_by_import)
{
	begin();
	intend();
	store_answered(s, e, true, NULL);
	CHECK(fixture_give(s, "etl", 6));
	CHECK(!e->refresh.refused);
	CHECK_INT(intend(), 0);
	store_close(s);
}

TEST(what_is_forgotten_is_gone)
{
	begin();
	CHECK_INT(store_forget_refresh(s, e, NULL), 0);
	CHECK_INT(store_may_spend(s, e, NULL), -ERR_LOGIN);
	again();
	REQUIRE(e);
	CHECK_INT(fixture_number(e), -1);
	CHECK(fixture_give(s, "etl", 2));
	CHECK_INT(e->refresh.number, 2);
	store_close(s);
}

TEST(no_intent_while_nothing_can_be_written)
{
	begin();
	disk_fail_kind(DISK_WRITE, EIO);
	CHECK_INT(intend(), -ERR_RETRY);
	check_spend(SPEND_NONE, 0, 1);
	CHECK_INT(store_state(s), STORE_READONLY);
	CHECK(strstr(store_why(s), STATE));
	disk_fail_kind(DISK_WRITE, 0);
	/* one failed write is enough: the file is not trusted any more */
	CHECK_INT(intend(), -ERR_RETRY);
	CHECK_INT(store_due_ms(s), fixture_now_ms + STORE_HEAL_MS);
	CHECK(!store_tick(s, store_due_ms(s) - 1));
	CHECK(store_tick(s, store_due_ms(s)));
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(store_due_ms(s), 0);
	CHECK_INT(intend(), 0);
	store_close(s);
}

TEST(a_failed_sync_is_never_believed)
{
	begin();
	disk_fail_kind(DISK_SYNC_DATA, EIO);
	CHECK_INT(intend(), -ERR_RETRY);
	disk_fail_kind(DISK_SYNC_DATA, 0);
	check_spend(SPEND_NONE, 0, 1);
	CHECK_INT(intend(), -ERR_RETRY);
	CHECK(store_tick(s, store_due_ms(s)));
	CHECK_INT(intend(), 0);
	CHECK_INT(bring("R2"), 0);
	fixture_crash(s, true);
	s = fixture_open();
	e = store_find(s, "etl");
	REQUIRE(e);
	check_spend(SPEND_NONE, 0, 2);
	store_close(s);
}

/* A failed sync may have thrown away what others wrote before it: that is kept, too. */
TEST(what_waited_for_a_sync_that_failed_is_kept)
{
	struct stored *other;

	begin();
	other = store_get(s, "other");
	other->generation = 8;
	CHECK_INT(store_write(s, other, STORE_SOON, NULL), 0);
	CHECK(!store_entry(other)->parts[STORE_KIND_CREDENTIAL].kept);
	disk_fail_kind(DISK_SYNC_DATA, EIO);
	CHECK_INT(intend(), -ERR_RETRY);
	disk_fail_kind(DISK_SYNC_DATA, 0);
	CHECK(store_entry(other)->parts[STORE_KIND_CREDENTIAL].dirty);
	CHECK(store_entry(other)->parts[STORE_KIND_CREDENTIAL].kept);
	CHECK(store_tick(s, store_due_ms(s)));
	CHECK(!store_entry(other)->parts[STORE_KIND_CREDENTIAL].dirty);
	store_close(s);
}

TEST(a_result_that_cannot_be_written_is_kept)
{
	begin();
	CHECK_INT(intend(), 0);
	disk_fail_kind(DISK_SYNC_DATA, EIO);
	fixture_token(e, 2);
	CHECK_INT(bring("R2"), -ERR_RETRY);
	check_spend(SPEND_NONE, 0, 2);
	CHECK_INT(store_state(s), STORE_READONLY);
	CHECK_INT(store_may_spend(s, e, NULL), -ERR_RETRY);
	CHECK(disk_exists(RUN, "store.keep"));
	disk_fail_kind(DISK_SYNC_DATA, 0);
	/* the process dies before it heals: the sealed copy in RUNTIME has it */
	again();
	REQUIRE(e);
	check_spend(SPEND_NONE, 0, 2);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(e->generation, 2);
	CHECK(!disk_exists(RUN, "store.keep"));
	fixture_crash(s, true);
	s = fixture_open();
	e = store_find(s, "etl");
	REQUIRE(e);
	check_spend(SPEND_NONE, 0, 2);
	store_close(s);
}

TEST(a_full_disk_keeps_the_result_too)
{
	begin();
	CHECK_INT(intend(), 0);
	disk_set_room(0);
	disk_fail_kind(DISK_WRITE, ENOSPC);
	CHECK_INT(bring("R2"), -ERR_RETRY);
	disk_fail_kind(DISK_WRITE, 0);
	CHECK(!store_tick(s, store_due_ms(s)));
	CHECK_INT(store_state(s), STORE_READONLY);
	again();
	REQUIRE(e);
	/* still no room: kept on, not spent */
	check_spend(SPEND_NONE, 0, 2);
	CHECK_INT(store_state(s), STORE_READONLY);
	again();
	REQUIRE(e);
	check_spend(SPEND_NONE, 0, 2);
	disk_set_room(-1);
	CHECK(store_tick(s, store_due_ms(s)));
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(intend(), 0);
	store_close(s);
}

TEST(no_intent_when_another_file_bears_the_name)
{
	unsigned char copy[65536];
	unsigned char *bytes;
	size_t size;

	begin();
	bytes = disk_bytes(STATE, "store", &size);
	memcpy(copy, bytes, sizeof(copy));
	disk_put(STATE, "store", copy, sizeof(copy));
	CHECK_INT(intend(), -ERR_ADMIN);
	CHECK_INT(store_state(s), STORE_SUSPECT);
	CHECK(strstr(store_why(s), "sftoken adopt"));
	check_spend(SPEND_NONE, 0, 1);
	CHECK_MEM(disk_bytes(STATE, "store", &size), sizeof(copy), copy, sizeof(copy));
	CHECK(store_write(s, e, STORE_SYNC, NULL) < 0);
	CHECK_MEM(disk_bytes(STATE, "store", &size), sizeof(copy), copy, sizeof(copy));
	CHECK_INT(store_adopt(s, NULL), 0);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(intend(), 0);
	again();
	REQUIRE(e);
	CHECK_INT(store_state(s), STORE_OK);
	check_spend(SPEND_UNKNOWN, 0, 1);
	store_close(s);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* What goes in comes out: after closing, after SIGKILL, after another boot. */
#include "daemon/mint/store_parts.h"
#include "store_fixture.h"

static void fill_everything(struct store *s, struct stored *e)
{
	struct grant *g;

	fixture_token(e, 7);
	g = e->token.grant;
	g->identity_url = strdup("https://login.salesforce.com/id/00D/005");
	g->organization_id = strdup("00Dxx");
	g->user_id = strdup("005xx");
	g->username = strdup("etl@example.com");
	g->expires_in_ms = 7200000;
	g->jwt_exp_s = 1790007200;
	g->jwt_iat_s = 1790000000;
	g->issued_at_real_ms = fixture_real_ms;
	e->token.source = EXPIRY_INTROSPECTION;
	e->token.unchanged = true;
	e->generation = 9;
	e->disabled = true;
	e->learned_ms = 900000;
	e->learned_death_ms = 1100000;
	e->told = (struct stored_told){ 1, 2, 3, 1790000000, 7 };
	e->next_check_ms = fixture_now_ms + 60000;
	for (unsigned i = 0; i < STORED_REQUESTS; i++)
		e->requests[i] = fixture_now_ms - 100000 + (int64_t)i * 1000;
	e->n_requests = STORED_REQUESTS;
	e->refresh.rotates = true;
	CHECK_INT(store_write(s, e, STORE_SYNC, NULL), 0);
}

static void check_grant(const struct grant *g)
{
	REQUIRE(g);
	CHECK_STR(secret_bytes(g->access_token), "A7");
	CHECK_STR(g->instance_url, "https://example.my.salesforce.com");
	CHECK_STR(g->token_type, "Bearer");
	CHECK_STR(g->scope, "api refresh_token");
	CHECK_STR(g->identity_url, "https://login.salesforce.com/id/00D/005");
	CHECK_STR(g->organization_id, "00Dxx");
	CHECK_STR(g->user_id, "005xx");
	CHECK_STR(g->username, "etl@example.com");
	CHECK_INT(g->expires_in_ms, 7200000);
	CHECK_INT(g->jwt_exp_s, 1790007200);
	CHECK_INT(g->jwt_iat_s, 1790000000);
	CHECK_INT(g->issued_at_real_ms, INT64_C(1790000000000));
	CHECK_INT(g->sent_ms, 1000000);
}

static void check_everything(const struct stored *e)
{
	REQUIRE(e);
	check_grant(e->token.grant);
	CHECK_INT(e->token.generation, 7);
	CHECK_INT(e->token.issued_ms, 1000000);
	CHECK_INT(e->token.life_ms, 7200000);
	CHECK_INT(e->token.deadline_ms, 8200000);
	CHECK_INT(e->token.vouched_ms, 1000000);
	CHECK_INT(e->token.deadline_real_ms, 0);
	CHECK_INT(e->token.source, EXPIRY_INTROSPECTION);
	CHECK(e->token.unchanged);
	CHECK_INT(e->generation, 9);
	CHECK(e->disabled);
	CHECK_INT(e->learned_ms, 900000);
	CHECK_INT(e->learned_death_ms, 1100000);
	CHECK_INT(e->told.states, 1);
	CHECK_INT(e->told.generation, 2);
	CHECK_INT(e->told.token, 3);
	CHECK_INT(e->told.certificate_s, 1790000000);
	CHECK_INT(e->told.certificate_days, 7);
	CHECK_INT(e->next_check_ms, 1060000);
	CHECK_INT(e->n_requests, STORED_REQUESTS);
	CHECK_INT(e->requests[0], 900000);
	CHECK_INT(e->requests[63], 963000);
	CHECK_INT(fixture_number(e), 1);
	CHECK_STR(e->refresh.origin, "origin");
	CHECK_STR(e->refresh.base_url, "https://base");
	CHECK_INT(e->refresh.number, 1);
	CHECK_INT(e->refresh.used_ms, 1000000);
	CHECK(e->refresh.rotates);
	CHECK(!e->refresh.refused);
	CHECK_INT(e->spend.state, SPEND_NONE);
}

TEST(everything_comes_back)
{
	struct store *s;
	struct stored *e;

	fixture_begin();
	s = fixture_open();
	REQUIRE(s);
	e = fixture_give(s, "etl", 1);
	REQUIRE(e);
	fill_everything(s, e);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_STR(store_why(s), "");
	check_everything(store_find(s, "etl"));
	CHECK(!store_find(s, "other"));
	store_close(s);
	CHECK_INT(disk_open_files(), 0);
}

TEST(secrets_of_import_come_back_and_are_forgotten)
{
	CLEANUP(secret_unrefp)
	struct secret *key = fixture_secret("-----BEGIN\nline \"two\"\n\xc3\xa9\n");
	CLEANUP(secret_unrefp) struct secret *client = fixture_secret("s3cret");
	CLEANUP(secret_unrefp) struct secret *binary = secret_new("a\0b", 3);
	struct store *s;
	struct stored *e;
	struct err err;

	fixture_begin();
	s = fixture_open();
	REQUIRE(s);
	e = store_get(s, "etl");
	CHECK_INT(store_give_secret(s, e, STORED_PRIVATE_KEY, key, NULL), 0);
	CHECK_INT(store_give_secret(s, e, STORED_CLIENT_SECRET, client, NULL), 0);
	CHECK_INT(store_give_secret(s, e, STORED_ASSERTION, binary, &err), -ERR_INPUT);
	CHECK(!e->secrets[STORED_ASSERTION]);
	e->generation = 3;
	CHECK_INT(store_write(s, e, STORE_SYNC, NULL), 0);
	CHECK_INT(store_give_secret(s, e, STORED_CLIENT_SECRET, NULL, NULL), 0);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	e = store_find(s, "etl");
	REQUIRE(e);
	CHECK(secret_equal(e->secrets[STORED_PRIVATE_KEY], key));
	CHECK(!e->secrets[STORED_CLIENT_SECRET]);
	CHECK_INT(e->generation, 3);
	store_close(s);
}

TEST(what_is_too_long_is_refused_and_not_written)
{
	char *big = calloc(1, STORE_TOKEN_MAX + 2);
	CLEANUP(secret_unrefp) struct secret *token = NULL;
	struct store *s;
	struct stored *e;
	struct err err;

	REQUIRE(big);
	memset(big, '"', STORE_TOKEN_MAX + 1);
	fixture_begin();
	s = fixture_open();
	e = fixture_give(s, "etl", 1);
	token = fixture_secret(big);
	CHECK_INT(store_give_refresh(s, e, token, NULL, NULL, 0, &err), -ERR_INPUT);
	CHECK_INT(fixture_number(e), 1);
	CHECK_INT(store_state(s), STORE_OK);
	secret_unref(token);
	big[STORE_TOKEN_MAX] = '\0';
	token = fixture_secret(big);
	CHECK_INT(store_give_refresh(s, e, token, NULL, NULL, 0, &err), 0);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	CHECK(secret_equal(store_find(s, "etl")->refresh.token, token));
	store_close(s);
	free(big);
}

TEST(a_killed_process_loses_nothing_that_was_written_soon)
{
	struct store *s;
	struct stored *e;

	fixture_begin();
	s = fixture_open();
	e = store_get(s, "etl");
	fixture_token(e, 4);
	CHECK_INT(store_write(s, e, STORE_SOON, NULL), 0);
	CHECK_INT(store_due_ms(s), fixture_now_ms + STORE_SOON_MS);
	fixture_crash(s, false);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	REQUIRE(store_find(s, "etl"));
	CHECK_INT(store_find(s, "etl")->generation, 4);
	/* what the killed process had not synced is, before anything is built on it */
	CHECK_INT(store_counters(s).syncs, 1);
	store_close(s);
}

TEST(soon_is_synced_by_the_tick_and_many_at_once)
{
	struct store *s;
	uint64_t syncs;
	char name[16];

	fixture_begin();
	s = fixture_open();
	syncs = store_counters(s).syncs;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		CHECK_INT(store_write(s, store_get(s, name), STORE_SOON, NULL), 0);
	}
	CHECK(!store_tick(s, store_due_ms(s) - 1));
	CHECK_INT(store_counters(s).syncs, syncs);
	CHECK(!store_tick(s, store_due_ms(s)));
	CHECK_INT(store_counters(s).syncs, syncs + 1);
	CHECK_INT(store_due_ms(s), 0);
	disk_freeze();
	store_close(s);
	disk_crash(disk_frozen(), true, 3);
	s = fixture_open();
	REQUIRE(s);
	CHECK(store_find(s, "c0") && store_find(s, "c49"));
	store_close(s);
}

/* --- another boot --- */

static struct stored *after_reboot(struct store **s, int64_t away_ms)
{
	fixture_crash(*s, true);
	fixture_real_ms += away_ms;
	fixture_now_ms = 50000;
	*s = fixture_open();
	return *s ? store_find(*s, "etl") : NULL;
}

static struct store *with_token(void)
{
	struct store *s;
	struct stored *e;

	fixture_begin();
	s = fixture_open();
	e = fixture_give(s, "etl", 1);
	fixture_token(e, 1);
	e->requests[0] = fixture_now_ms - 5000;
	e->n_requests = 1;
	e->next_check_ms = fixture_now_ms + 60000;
	fixture_now_ms += 1000;
	fixture_real_ms += 1000;
	store_write(s, e, STORE_SYNC, NULL);
	return s;
}

TEST(times_of_another_boot_are_computed_from_the_wall_clock)
{
	struct store *s = with_token();
	struct stored *e = after_reboot(&s, 600000);

	REQUIRE(e);
	/* 601 s of 7200 s are over */
	CHECK_INT(e->token.deadline_ms, 50000 + 7200000 - 601000);
	CHECK_INT(e->token.deadline_real_ms, INT64_C(1790000000000) + 7200000);
	CHECK_INT(e->token.issued_ms, 50000 - 601000);
	CHECK_INT(e->token.vouched_ms, 50000 - 601000);
	CHECK_INT(e->refresh.used_ms, 50000 - 601000);
	CHECK_INT(e->requests[0], 50000 - 606000);
	CHECK_INT(e->next_check_ms, 0);
	store_close(s);
}

TEST(the_deadline_stays_over_two_boots)
{
	struct store *s = with_token();
	struct stored *e = after_reboot(&s, 600000);

	REQUIRE(e);
	CHECK_INT(store_write(s, e, STORE_SYNC, NULL), 0);
	e = after_reboot(&s, 600000);
	REQUIRE(e);
	CHECK_INT(e->token.deadline_ms, 50000 + 7200000 - 1201000);
	CHECK_INT(e->token.deadline_real_ms, INT64_C(1790000000000) + 7200000);
	CHECK_INT(e->refresh.used_ms, 50000 - 1201000);
	store_close(s);
}

TEST(a_clock_that_stands_before_the_writing_ends_the_token)
{
	struct store *s = with_token();
	struct stored *e = after_reboot(&s, -3600000);

	REQUIRE(e);
	CHECK_INT(e->token.deadline_ms, 50000);
	/* and does not bring it back when it is written by that clock and read again */
	CHECK_INT(store_write(s, e, STORE_SYNC, NULL), 0);
	e = after_reboot(&s, 1000);
	REQUIRE(e);
	CHECK_INT(e->token.deadline_ms, 50000);
	CHECK_INT(e->token.deadline_real_ms, INT64_C(1790000000000) + 7200000);
	CHECK(e->refresh.used_ms <= 50000);
	store_close(s);
}

TEST(a_token_whose_life_is_over_has_nothing_left)
{
	struct store *s = with_token();
	struct stored *e = after_reboot(&s, INT64_C(20) * 365 * 86400000);

	REQUIRE(e);
	CHECK_INT(e->token.deadline_ms, 50000);
	CHECK(e->refresh.used_ms < 0);
	CHECK_INT(fixture_number(e), 1);
	store_close(s);
}

/* --- room --- */

TEST(a_full_file_is_compacted_and_generations_stay)
{
	struct store *s;
	struct stored *e;

	fixture_begin();
	s = fixture_open();
	e = fixture_give(s, "etl", 1);
	store_write(s, store_get(s, "other"), STORE_SYNC, NULL);
	for (int i = 2; i < 1200; i++)
		REQUIRE(fixture_spend(s, e, i) == 0);
	CHECK(store_counters(s).compactions >= 2);
	CHECK_INT(store_state(s), STORE_OK);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(fixture_number(store_find(s, "etl")), 1199);
	CHECK_INT(store_find(s, "etl")->generation, 1198);
	CHECK(store_find(s, "other"));
	CHECK(!disk_exists(STATE, "store.new"));
	store_close(s);
}

static struct stored *numbered(struct store *s, int i)
{
	char name[16];

	snprintf(name, sizeof(name), "c%d", i);
	return store_get(s, name);
}

static size_t file_size(void)
{
	size_t size = 0;

	disk_bytes(STATE, "store", &size);
	return size;
}

/* Two records for each, as for a first token: before the request and after it. */
static void grow(struct store *s, int n)
{
	for (int i = 0; i < 2 * n; i++) {
		numbered(s, i / 2)->generation++;
		REQUIRE(store_write(s, numbered(s, i / 2), STORE_SOON, NULL) == 0);
	}
}

TEST(a_file_full_of_what_is_live_is_extended_and_not_written_anew)
{
	struct store *s;

	fixture_begin();
	s = fixture_open();
	grow(s, 4000);
	CHECK_INT(store_counters(s).compactions, 1); /* the first file */
	CHECK_INT(store_counters(s).extensions, 2);
	CHECK_INT(store_counters(s).records, 8000);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	for (int i = 0; i < 4000; i++)
		CHECK_INT(numbered(s, i)->generation, 2);
	/* now it fills with garbage: that is compacted, when it is three quarters */
	for (int i = 0; i < 10000 && store_counters(s).compactions == 0; i++)
		REQUIRE(store_write(s, numbered(s, i % 100), STORE_SOON, NULL) == 0);
	CHECK_INT(store_counters(s).compactions, 1);
	/* until then the file was filled once, and the compaction wrote what is live */
	CHECK_INT(store_counters(s).records, 8 * 1024 * 1024 / 512 - 2 - 8000 + 4000);
	CHECK_INT(store_counters(s).bytes, 1024 + 4000 * 512);
	CHECK_INT(file_size(), 8 * 1024 * 1024);
	store_close(s);
}

/* What an extension got before it failed would be missing for the new file that heals. */
TEST(an_extension_that_fails_takes_no_room)
{
	struct store *s;

	fixture_begin();
	s = fixture_open();
	disk_set_room(3 * 1024 * 1024);
	for (int i = 0; i < 4000 && store_state(s) == STORE_OK; i++)
		store_write(s, numbered(s, i), STORE_SOON, NULL);
	CHECK_INT(store_state(s), STORE_READONLY);
	CHECK_INT(file_size(), 1024 * 1024);
	CHECK(!disk_exists(STATE, "store.new"));
	disk_set_room(8 * 1024 * 1024);
	fixture_now_ms += STORE_HEAL_MS;
	CHECK(store_tick(s, fixture_now_ms));
	CHECK_INT(store_state(s), STORE_OK);
	store_close(s);
}

/* A file that was removed gets nothing more, as when it is compacted. */
TEST(a_file_without_its_name_is_not_extended)
{
	struct store *s;

	fixture_begin();
	s = fixture_open();
	grow(s, 1000);
	disk_remove(STATE, "store");
	for (int i = 1000; i < 1100 && store_state(s) == STORE_OK; i++)
		store_write(s, numbered(s, i), STORE_SOON, NULL);
	CHECK_INT(store_state(s), STORE_SUSPECT);
	CHECK_INT(store_counters(s).extensions, 0);
	CHECK(!disk_exists(STATE, "store"));
	store_close(s);
}

static void leave_room(int grown)
{
	struct stored *in_flight[8];
	struct store *s;
	char name[16];

	fixture_begin();
	s = fixture_open();
	grow(s, grown);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		in_flight[i] = fixture_give(s, name, 1);
		CHECK_INT(store_intend(s, in_flight[i], 1, 1, NULL), 0);
	}
	/* others fill what is left, on a disk that has no room for a new file */
	disk_set_room(0);
	for (int i = 0; i < 10000 && store_state(s) == STORE_OK; i++)
		store_write(s, store_get(s, "other"), STORE_SOON, NULL);
	CHECK_INT(store_state(s), STORE_READONLY);
	for (int i = 0; i < 8; i++) {
		CLEANUP(secret_unrefp) struct secret *big = secret_new_empty(STORE_TOKEN_MAX);

		memset(secret_edit(big), '\\', STORE_TOKEN_MAX);
		CHECK_INT(store_result(s, in_flight[i], big, 1, NULL), 0);
	}
	fixture_crash(s, true);
	s = fixture_open();
	REQUIRE(s);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		REQUIRE(store_find(s, name));
		CHECK_INT(secret_size(store_find(s, name)->refresh.token), STORE_TOKEN_MAX);
	}
	store_close(s);
}

TEST(an_intent_leaves_room_for_its_result)
{
	leave_room(0);
}

TEST(an_intent_leaves_room_for_its_result_in_a_file_that_has_grown)
{
	leave_room(1100);
}

TEST(an_entry_without_token_is_small)
{
	CHECK(sizeof(struct entry) + sizeof(void *) + 2 * sizeof(uint32_t) + 64 < 1024);
}

TEST(many_entries_are_found)
{
	struct store *s;
	char name[16];

	fixture_begin();
	s = fixture_open();
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		store_get(s, name)->generation = i;
		store_write(s, store_get(s, name), STORE_SOON, NULL);
	}
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		REQUIRE(store_find(s, name));
		CHECK_INT(store_find(s, name)->generation, i);
	}
	store_close(s);
}

CHECK_MAIN()

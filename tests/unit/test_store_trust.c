/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are believed: keys, formats, copies, backups, damage, and whose file it is. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/mint/store_parts.h"
#include "store_fixture.h"

static struct store *s;

/* A closed store with the token R<number>. */
static void make(int number)
{
	fixture_begin();
	s = fixture_open();
	if (!CHECK(s && fixture_give(s, "etl", 0)))
		abort();
	for (int i = 1; i <= number; i++)
		fixture_spend(s, store_find(s, "etl"), i);
	store_close(s);
}

static unsigned char *take_file(const char *name, size_t *size)
{
	const unsigned char *bytes = disk_bytes(STATE, name, size);
	unsigned char *copy = malloc(*size);

	if (!copy)
		abort();
	memcpy(copy, bytes, *size);
	return copy;
}

static void check_refused(enum err_code code, const char *words)
{
	size_t size, now;
	CLEANUP(cleanup_free) unsigned char *before = take_file("store", &size);

	s = fixture_open();
	if (!CHECK(!s))
		store_close(s);
	CHECK_INT(fixture_err.code, code);
	if (!CHECK(strstr(fixture_err.text, words)))
		printf("# %s\n", fixture_err.text);
	CHECK(strlen(fixture_err.text) < 300);
	const unsigned char *after = disk_bytes(STATE, "store", &now);
	CHECK(now == size && memcmp(before, after, size) == 0);
	CHECK_INT(disk_open_files(), 0);
}

/* SUSPECT with these words; everything known, nothing spent; and `sftoken adopt` makes it good for ever. */
static void check_suspect(const char *words, int number)
{
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_SUSPECT);
	if (!CHECK(strstr(store_why(s), words)))
		printf("# %s\n", store_why(s));
	CHECK(strstr(store_why(s),
		     "run `sftoken adopt`; else log in or import new ones first, then adopt"));
	CHECK(strlen(store_why(s)) < 300);
	CHECK_INT(fixture_number(store_find(s, "etl")), number);
	CHECK_INT(fixture_spend(s, store_find(s, "etl"), 99), -ERR_ADMIN);
	/* it is so after a reboot, too: the mark is gone then */
	fixture_crash(s, true);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_SUSPECT);
	CHECK_INT(store_adopt(s, &fixture_err), 0);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_STR(store_why(s), "");
	CHECK_INT(fixture_spend(s, store_find(s, "etl"), 50), 0);
	fixture_crash(s, false);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(fixture_number(store_find(s, "etl")), 50);
	store_close(s);
}

/* --- the key --- */

TEST(another_key_is_told_apart_from_damage)
{
	make(1);
	s = fixture_open_key("another key, just as long as it is");
	CHECK(!s);
	CHECK_INT(fixture_err.code, ERR_ADMIN);
	CHECK(strstr(fixture_err.text, "another key"));
	s = fixture_open_key("too short");
	CHECK(!s);
	CHECK(strstr(fixture_err.text, "16 bytes"));
}

TEST(the_key_of_auto_lies_beside_the_store)
{
	size_t size;

	fixture_begin();
	fixture_auto = true;
	s = fixture_open();
	REQUIRE(s);
	CHECK(strstr(store_key_note(s), "lies beside it in " STATE));
	CHECK(strstr(store_key_note(s), "for a new store only: see sftokend.conf(5)"));
	fixture_give(s, "etl", 1);
	store_close(s);
	REQUIRE(disk_bytes(STATE, "store.key", &size));
	CHECK_INT(size, 32);
	CHECK(!disk_exists(STATE, "store.key.new"));
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(fixture_number(store_find(s, "etl")), 1);
	store_close(s);
	fixture_auto = false;
	CHECK(!fixture_open_key("another key, just as long as it is"));
	CHECK(strstr(fixture_err.text, "another key, probably that of Key=auto"));
	fixture_auto = true;
	disk_set_mode(STATE, "store.key", S_IFREG | 0640);
	check_refused(ERR_ADMIN, "chmod 600");
	disk_put(STATE, "store.key", "half a key", 10);
	check_refused(ERR_ADMIN, "32 bytes");
	disk_remove(STATE, "store.key");
	check_refused(ERR_ADMIN, "store.key is gone");
}

TEST(no_note_for_a_key_that_was_given)
{
	fixture_begin();
	s = fixture_open();
	REQUIRE(s);
	CHECK_STR(store_key_note(s), "");
	CHECK(!disk_exists(STATE, "store.key"));
	store_close(s);
}

/* --- whose file it is --- */

TEST(a_file_that_others_can_reach_is_refused)
{
	static const struct {
		const char *name;
		mode_t mode;
		const char *words;
	} rows[] = {
		{ "mode 0644", S_IFREG | 0644, "chmod 600" },
		{ "mode 0620", S_IFREG | 0620, "chmod 600" },
		{ "symlink", S_IFLNK | 0777, "symbolic link" },
		{ "FIFO", S_IFIFO | 0600, "not a regular file" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].name);
		make(1);
		disk_set_mode(STATE, "store", rows[i].mode);
		check_refused(ERR_ADMIN, rows[i].words);
	}
	check_row(NULL);
	make(1);
	disk_set_links(STATE, "store", 2);
	check_refused(ERR_ADMIN, "hard links");
	make(1);
	disk_set_owner(STATE, "store", geteuid() + 1);
	check_refused(ERR_ADMIN, "chown");
	make(1);
	disk_set_dir_mode(STATE, 0777);
	check_refused(ERR_ADMIN, "chmod go-w");
}

TEST(a_store_that_another_process_has_is_left_alone)
{
	make(1);
	disk_set_locked(STATE, "store", true);
	check_refused(ERR_EXISTS, "another process");
	disk_set_locked(STATE, "store", false);
	s = fixture_open();
	REQUIRE(s);
	CHECK(!fixture_open());
	CHECK_INT(fixture_err.code, ERR_EXISTS);
	store_close(s);
}

TEST(the_lock_goes_with_the_new_file)
{
	make(1);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_compact(s, s->id, false, NULL), 0);
	CHECK(!fixture_open());
	CHECK_INT(fixture_err.code, ERR_EXISTS);
	store_close(s);
}

/* --- formats --- */

TEST(a_newer_format_is_refused_and_untouched)
{
	unsigned char *bytes;
	size_t size;

	make(1);
	bytes = disk_bytes(STATE, "store", &size);
	bytes[8] = bytes[STORE_BLOCK + 8] = 2;
	check_refused(ERR_ADMIN, "format version 2, this program knows 1");
}

TEST(a_file_that_is_no_store_is_refused)
{
	static const unsigned char zeros[4096];

	fixture_begin();
	disk_put(STATE, "store", zeros, sizeof(zeros));
	check_refused(ERR_ADMIN, "damaged at its beginning");
	disk_put(STATE, "store", zeros, 0);
	check_refused(ERR_ADMIN, "damaged at its beginning");
	make(1);
	disk_bytes(STATE, "store", NULL)[100] ^= 1;
	disk_bytes(STATE, "store", NULL)[STORE_BLOCK + 100] ^= 1;
	check_refused(ERR_ADMIN, "damaged at its beginning");
}

TEST(one_damaged_header_is_not_the_end)
{
	for (int copy = 0; copy < 2; copy++) {
		make(3);
		memset(disk_bytes(STATE, "store", NULL) + copy * STORE_BLOCK, 0xff, STORE_BLOCK);
		s = fixture_open();
		REQUIRE(s);
		CHECK_INT(fixture_number(store_find(s, "etl")), 3);
		store_close(s);
	}
}

/* tests/unit/fixtures/store-v1 was written by version 1 and stays as it is. */
TEST(a_store_of_version_1_is_read)
{
	const char *root = getenv("SOURCE_ROOT");
	unsigned char bytes[16384];
	char path[512];
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/unit/fixtures/store-v1", root ? root : ".");
	f = fopen(path, "rb");
	REQUIRE(f);
	size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	fixture_begin();
	disk_put(STATE, "store", bytes, size);
	disk_set_inode(STATE, "store", store_journal_u64(bytes + 112));
	disk_set_birth(STATE, "store", (int64_t)store_journal_u64(bytes + 120));
	s = fixture_open();
	REQUIRE(s);
	CHECK_STR(store_why(s), "");
	CHECK_INT(store_state(s), STORE_OK);
	REQUIRE(store_find(s, "etl") && store_find(s, "lost") && store_find(s, "jwt"));
	CHECK_INT(fixture_number(store_find(s, "etl")), 2);
	CHECK_STR(secret_bytes(store_find(s, "etl")->token.grant->access_token), "A1");
	CHECK_INT(store_find(s, "etl")->token.deadline_ms, 8200000);
	CHECK_INT(store_find(s, "lost")->spend.state, SPEND_UNKNOWN);
	CHECK_INT(store_find(s, "jwt")->generation, 12);
	CHECK(store_find(s, "jwt")->disabled);
	REQUIRE(store_find(s, "jwt")->secrets[STORED_PRIVATE_KEY]);
	CHECK_STR(secret_bytes(store_find(s, "jwt")->secrets[STORED_PRIVATE_KEY]),
		  "-----BEGIN\nkey\n");
	CHECK_INT(fixture_spend(s, store_find(s, "etl"), 3), 0);
	store_close(s);
}

/* --- copies, backups, damage --- */

TEST(a_copied_file_is_suspect)
{
	size_t size;

	make(2);
	CLEANUP(cleanup_free) unsigned char *bytes = take_file("store", &size);
	disk_put(STATE, "store", bytes, size);
	check_suspect("is a copy or was restored", 2);
}

TEST(a_file_in_another_inode_is_suspect)
{
	make(2);
	disk_set_inode(STATE, "store", 4242);
	check_suspect("is a copy or was restored", 2);
}

TEST(a_copy_with_the_same_inode_number_is_suspect)
{
	make(2);
	disk_set_birth(STATE, "store", 1);
	check_suspect("is a copy or was restored", 2);
}

TEST(the_store_of_another_machine_is_suspect)
{
	make(2);
	snprintf(disk_identity.machine_id, sizeof(disk_identity.machine_id), "machine-2");
	check_suspect("on another machine", 2);
}

TEST(containers_without_machine_id_are_one_machine)
{
	fixture_begin();
	disk_identity.machine_id[0] = '\0';
	s = fixture_open();
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	store_close(s);
}

/* An older content in the same inode: only the mark of this boot knows. */
TEST(a_restored_backup_is_suspect)
{
	size_t size;

	make(2);
	CLEANUP(cleanup_free) unsigned char *bytes = take_file("store", &size);
	s = fixture_open();
	CHECK_INT(fixture_spend(s, store_find(s, "etl"), 3), 0);
	store_close(s);
	memcpy(disk_bytes(STATE, "store", NULL), bytes, size);
	check_suspect("restored from a backup", 2);
}

TEST(a_mark_of_another_store_says_nothing)
{
	make(5);
	disk_remove(STATE, "store");
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	fixture_give(s, "etl", 1);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	store_close(s);
}

/* Where the nth record (from 0) begins. */
static size_t record_at(unsigned nth)
{
	size_t size, at = STORE_RECORDS_AT;
	const unsigned char *bytes = disk_bytes(STATE, "store", &size);

	while (nth-- > 0)
		at += (size_t)store_journal_room(store_journal_u32(bytes + at + 4));
	return at;
}

TEST(damage_in_the_middle_is_suspect_and_the_rest_is_read)
{
	static const size_t offsets[] = { 0, 5, 9, 30, 60, 200 };

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		make(3);
		disk_bytes(STATE, "store", NULL)[record_at(3) + offsets[i]] ^= 0x40;
		check_suspect("damaged", 3);
	}
	/* a whole record that became zeros */
	make(3);
	memset(disk_bytes(STATE, "store", NULL) + record_at(2), 0, record_at(3) - record_at(2));
	check_suspect("damaged", 3);
}

TEST(damage_of_what_a_new_file_began_with_is_seen)
{
	make(1);
	s = fixture_open();
	CHECK_INT(store_compact(s, s->id, false, NULL), 0);
	fixture_crash(s, true);
	disk_bytes(STATE, "store", NULL)[record_at(0) + 100] ^= 1;
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_SUSPECT);
	store_close(s);
}

TEST(a_torn_tail_is_cut)
{
	size_t at;

	make(3); /* the last record is the RESULT of R3, before it the INTENT */
	at = record_at(6);
	fixture_begin();
	make(3);
	disk_bytes(STATE, "store", NULL)[at + 80] ^= 1;
	disk_freeze();
	disk_remove(RUN, "store.mark");
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(fixture_number(store_find(s, "etl")), 2);
	CHECK_INT(store_find(s, "etl")->spend.state, SPEND_UNKNOWN);
	/* and what was torn is gone: nothing of it can stand behind what is written now */
	CHECK_INT(store_counters(s).compactions, 1);
	CHECK_INT(disk_bytes(STATE, "store", NULL)[at], 0);
	CHECK_INT(fixture_spend(s, store_find(s, "etl"), 7), 0);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(fixture_number(store_find(s, "etl")), 7);
	store_close(s);
}

TEST(records_cannot_be_moved_or_put_in_again)
{
	unsigned char *bytes;
	size_t a, b, n;

	/* the old INTENT and RESULT once more behind the end: a replayed write */
	make(3);
	a = record_at(1);
	b = record_at(3);
	n = b - a;
	bytes = disk_bytes(STATE, "store", NULL);
	memcpy(bytes + record_at(7), bytes + a, n);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(fixture_number(store_find(s, "etl")), 3);
	CHECK_INT(store_find(s, "etl")->spend.state, SPEND_NONE);
	store_close(s);
}

/* Two ways on from one place, as a restored backup makes them: a record of the one verifies by itself in the other, and has the next number. */
TEST(a_record_of_another_continuation_does_not_follow)
{
	unsigned char *bytes;
	size_t size, at;

	make(2);
	CLEANUP(cleanup_free) unsigned char *before = take_file("store", &size);
	s = fixture_open();
	CHECK_INT(fixture_spend(s, store_find(s, "etl"), 3), 0);
	store_close(s);
	CLEANUP(cleanup_free) unsigned char *one = take_file("store", &size);
	bytes = disk_bytes(STATE, "store", &size);
	memcpy(bytes, before, size);
	disk_remove(RUN, "store.mark");
	s = fixture_open();
	CHECK_INT(store_intend(s, store_find(s, "etl"), fixture_now_ms, fixture_real_ms, NULL), 0);
	store_close(s);
	/* the INTENT of the other way, then the RESULT of the first */
	at = record_at(6);
	bytes = disk_bytes(STATE, "store", &size);
	CHECK_INT(bytes[at], 0);
	CHECK(memcmp(one + at, store_record_magic, 4) == 0);
	memcpy(bytes + at, one + at, 4 * STORE_BLOCK);
	disk_remove(RUN, "store.mark");
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(fixture_number(store_find(s, "etl")), 2);
	CHECK_INT(store_find(s, "etl")->spend.state, SPEND_UNKNOWN);
	store_close(s);
}

TEST(a_leftover_of_a_compaction_is_removed)
{
	make(1);
	disk_put(STATE, "store.new", "half", 4);
	disk_put(STATE, "store.key.new", "half", 4);
	s = fixture_open();
	REQUIRE(s);
	CHECK(!disk_exists(STATE, "store.new"));
	CHECK(!disk_exists(STATE, "store.key.new"));
	store_close(s);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every single call to the disk fails in turn, in all that the store does. Whatever happens: nothing that was acknowledged is lost, what is not on disk is told (READONLY), the store heals by
 * itself when the disk does, and a RESULT that could not be written is still there after the process is killed.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/mint/store_parts.h"
#include "store_fixture.h"

struct fault {
	const char *name;
	int errnum;
	bool forever, done;
};

static const struct fault faults[] = {
	{ "EIO once", EIO, false, false },
	{ "ENOSPC once", ENOSPC, false, false },
	{ "EIO although it was done", EIO, false, true },
	{ "ENOSPC from here on", ENOSPC, true, false },
	{ "EIO from here on", EIO, true, false },
};

/* What a caller knows: the newest number that was acknowledged as durable, and that which memory has. */
struct known {
	int sure, memory;
	bool told; /* each refusal came with a state that is not OK */
};

static struct store *s;
static struct known known;

static void note_write(int r, int number)
{
	known.memory = fixture_number(store_find(s, "etl"));
	if (r == 0 && number > known.sure)
		known.sure = number;
	if (r < 0 && store_state(s) == STORE_OK)
		known.told = false;
}

static void spend(int number)
{
	struct stored *e = store_find(s, "etl");
	int before = store_counters(s).failures > 0 || store_state(s) != STORE_OK;
	int r;

	if (!e || fixture_number(e) < 0)
		return;
	r = fixture_spend(s, e, number);
	note_write(r, number);
	/* a RESULT that fails is known all the same; an INTENT that fails changes nothing */
	CHECK(r == 0 || before || store_state(s) != STORE_OK);
	CHECK(e->spend.state == SPEND_NONE);
}

/* Import, spend, a write that waits for the tick, a secret, a compaction, another spend. */
static void live(void)
{
	CLEANUP(secret_unrefp) struct secret *client = fixture_secret("s3cret");
	struct stored *e;
	int r;

	e = fixture_give(s, "etl", 1);
	note_write(e ? 0 : -1, 1);
	spend(2);
	e = store_get(s, "other");
	e->generation = 1;
	note_write(store_write(s, e, STORE_SOON, NULL), 0);
	fixture_now_ms += STORE_SOON_MS;
	store_tick(s, fixture_now_ms);
	e = store_get(s, "etl");
	r = store_give_secret(s, e, STORED_CLIENT_SECRET, client, NULL);
	CHECK((e->secrets[STORED_CLIENT_SECRET] != NULL) == (r == 0));
	note_write(r, 0);
	if (store_state(s) == STORE_OK)
		note_write(store_compact(s, s->id, false, NULL), 0);
	spend(3);
}

static void check_has(const char *when, int least, int exactly)
{
	int number;

	s = fixture_open();
	if (!CHECK(s)) {
		printf("# %s: %s\n", when, fixture_err.text);
		return;
	}
	number = fixture_number(store_find(s, "etl"));
	if (!CHECK(store_state(s) == STORE_OK) || !CHECK(number >= least) ||
	    !CHECK(exactly < 0 || number == exactly))
		printf("# %s: has %d, acknowledged %d, memory %d; %s\n", when, number, known.sure,
		       known.memory, store_why(s));
	store_close(s);
	s = NULL;
	CHECK_INT(disk_open_files(), 0);
}

static void mend(void)
{
	disk_fail(0, 0, false, false);
	for (int i = 0; i < 3 && store_state(s) == STORE_READONLY; i++) {
		fixture_now_ms = store_due_ms(s);
		store_tick(s, fixture_now_ms);
	}
	if (!CHECK_INT(store_state(s), STORE_OK))
		printf("# %s\n", store_why(s));
	CHECK_INT(store_due_ms(s), 0);
	CHECK_INT(fixture_number(store_find(s, "etl")), known.memory);
}

enum ending { HEALED, KILLED, POWER, CLOSED, ENDINGS };
enum age { NEW, OLD, GROWN };

static void end(enum ending ending, bool forever)
{
	if (ending == HEALED)
		mend();
	disk_freeze();
	disk_fail(0, 0, false, false);
	store_close(s);
	if (ending != CLOSED)
		disk_crash(disk_frozen(), ending == POWER || ending == HEALED, 7);
	switch (ending) {
	case HEALED:
		check_has("healed", known.sure, known.memory);
		break;
	case KILLED:
		/* with one failure, memory's state was put somewhere else */
		check_has("killed", known.sure, forever ? -1 : known.memory);
		break;
	default:
		check_has("power", known.sure, -1);
	}
}

/* So much room is reserved for RESULTs that the first writes extend the file. */
static void leave_no_room(void)
{
	CLEANUP(secret_unrefp) struct secret *big = secret_new_empty(40 * 1024);
	struct stored *e;
	char name[16];

	for (int i = 0; i < STORE_SIZE_MIN / STORE_RESULT_MAX; i++) {
		snprintf(name, sizeof(name), "under%d", i);
		e = fixture_give(s, name, 0);
		CHECK(e && store_intend(s, e, fixture_now_ms, fixture_real_ms, NULL) == 0);
	}
	memset(secret_edit(big), 'x', secret_size(big));
	CHECK_INT(store_give_secret(s, store_get(s, "under0"), STORED_ASSERTION, big, NULL), 0);
	CHECK_INT(store_counters(s).extensions, 0);
}

/* What exists before: false if it cannot be made. */
static bool prepare(enum age age)
{
	s = NULL;
	if (age == NEW)
		return true;
	s = fixture_open();
	if (!CHECK(s && fixture_give(s, "etl", 0)))
		return false;
	known.sure = known.memory = 0;
	if (age == GROWN) {
		leave_no_room();
		return true;
	}
	store_close(s);
	s = NULL;
	return true;
}

/* Returns whether the failure was reached. */
static bool run(const struct fault *fault, unsigned nth, enum ending ending, enum age age)
{
	fixture_begin();
	fixture_auto = true;
	known = (struct known){ .sure = -1, .memory = -1, .told = true };
	if (!prepare(age))
		return false;
	disk_fail(nth, fault->errnum, fault->forever, fault->done);
	if (!s)
		s = fixture_open();
	if (!s) {
		bool reached = disk_failures() > 0;

		CHECK(reached && fixture_err.code != ERR_OK && fixture_err.text[0]);
		disk_fail(0, 0, false, false);
		check_has("refused", known.sure, known.memory);
		return reached;
	}
	live();
	CHECK(known.told);
	bool reached = disk_failures() > 0;

	CHECK(reached || store_counters(s).extensions == (age == GROWN));

	end(ending, fault->forever);
	return reached;
}

static void run_all(enum age age)
{
	char row[96];
	unsigned runs = 0;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (int ending = 0; ending < ENDINGS; ending++) {
			bool reached = true;

			for (unsigned nth = 1; reached && !check_run.failures; nth++, runs++) {
				snprintf(row, sizeof(row), "%s, call %u, ending %d", faults[i].name,
					 nth, ending);
				check_row(row);
				reached = run(&faults[i], nth, (enum ending)ending, age);
			}
		}
	check_row(NULL);
	printf("# %u runs\n", runs);
	CHECK(runs > 500);
}

TEST(every_call_fails_at_the_first_start)
{
	run_all(NEW);
}

TEST(every_call_fails_with_a_store_that_exists)
{
	run_all(OLD);
}

TEST(every_call_fails_with_a_file_that_is_extended)
{
	run_all(GROWN);
}

/* --- adopting --- */

static void copy_store(void)
{
	size_t size;
	const unsigned char *bytes = disk_bytes(STATE, "store", &size);
	unsigned char *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, bytes, size);
	disk_put(STATE, "store", copy, size);
	free(copy);
}

static bool adopt(const struct fault *fault, unsigned nth)
{
	bool reached;
	int r;

	fixture_begin();
	s = fixture_open();
	if (!CHECK(s && fixture_give(s, "etl", 4)))
		return false;
	store_close(s);
	copy_store();
	s = fixture_open();
	if (!CHECK(s))
		return false;
	CHECK_INT(store_state(s), STORE_SUSPECT);
	disk_fail(nth, fault->errnum, fault->forever, fault->done);
	r = store_adopt(s, &fixture_err);
	reached = disk_failures() > 0;
	disk_fail(0, 0, false, false);
	CHECK_INT(store_state(s), r < 0 ? STORE_SUSPECT : STORE_OK);
	CHECK(r == 0 || (reached && fixture_err.text[0]));
	CHECK_INT(store_adopt(s, NULL), 0);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(fixture_number(store_find(s, "etl")), 4);
	fixture_crash(s, true);
	known = (struct known){ .sure = 4, .memory = 4 };
	check_has("adopted", 4, 4);
	return reached;
}

TEST(every_call_fails_while_it_is_adopted)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (unsigned nth = 1; adopt(&faults[i], nth) && !check_run.failures; nth++)
			;
}

/* --- disks that are what they are --- */

TEST(a_directory_that_cannot_be_written_is_no_mistake)
{
	static const struct {
		const char *name;
		enum disk_call kind;
		int errnum;
	} rows[] = {
		{ "EROFS", DISK_OPEN, 0 },
		{ "ENOSPC", DISK_ALLOCATE, ENOSPC },
		{ "EIO", DISK_SYNC, EIO },
		{ "EACCES", DISK_RENAME, EACCES },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].name);
		fixture_begin();
		fixture_auto = true;
		if (rows[i].errnum)
			disk_fail_kind(rows[i].kind, rows[i].errnum);
		else
			disk_set_read_only(STATE, true);
		s = fixture_open();
		REQUIRE(s);
		CHECK_INT(store_state(s), STORE_READONLY);
		CHECK(store_why(s)[0]);
		/* it works in memory, and spends nothing */
		CHECK(!fixture_give(s, "etl", 1));
		store_get(s, "jwt")->generation = 5;
		CHECK(store_write(s, store_get(s, "jwt"), STORE_SYNC, NULL) < 0);
		disk_fail_kind(rows[i].kind, 0);
		disk_set_read_only(STATE, false);
		fixture_now_ms = store_due_ms(s);
		CHECK(store_tick(s, fixture_now_ms));
		CHECK_INT(store_state(s), STORE_OK);
		fixture_crash(s, true);
		s = fixture_open();
		REQUIRE(s);
		REQUIRE(store_find(s, "jwt"));
		CHECK_INT(store_find(s, "jwt")->generation, 5);
		store_close(s);
	}
	check_row(NULL);
}

TEST(a_store_that_can_only_be_read_is_read)
{
	fixture_begin();
	s = fixture_open();
	fixture_give(s, "etl", 3);
	store_close(s);
	disk_set_read_only(STATE, true);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_READONLY);
	CHECK_INT(fixture_number(store_find(s, "etl")), 3);
	CHECK(fixture_spend(s, store_find(s, "etl"), 4) < 0);
	disk_set_read_only(STATE, false);
	fixture_now_ms = store_due_ms(s);
	CHECK(store_tick(s, fixture_now_ms));
	CHECK_INT(fixture_spend(s, store_find(s, "etl"), 4), 0);
	store_close(s);
}

TEST(a_store_that_cannot_be_read_is_not_touched)
{
	unsigned char before[8192];
	size_t size;

	fixture_begin();
	s = fixture_open();
	fixture_give(s, "etl", 3);
	store_close(s);
	memcpy(before, disk_bytes(STATE, "store", &size), sizeof(before));
	disk_fail_kind(DISK_READ, EIO);
	CHECK(!fixture_open());
	CHECK_INT(fixture_err.code, ERR_ADMIN);
	disk_fail_kind(DISK_READ, 0);
	disk_fail_kind(DISK_OPEN, EACCES);
	CHECK(!fixture_open());
	CHECK_INT(fixture_err.code, ERR_ADMIN);
	disk_fail_kind(DISK_OPEN, 0);
	CHECK_MEM(disk_bytes(STATE, "store", &size), sizeof(before), before, sizeof(before));
	check_has("later", 3, 3);
}

TEST(nothing_is_tried_more_often_than_every_five_seconds)
{
	unsigned calls;

	fixture_begin();
	s = fixture_open();
	fixture_give(s, "etl", 1);
	disk_set_room(0);
	disk_fail_kind(DISK_WRITE, ENOSPC);
	CHECK(store_write(s, store_find(s, "etl"), STORE_SYNC, NULL) < 0);
	disk_fail(0, 0, false, false);
	store_tick(s, store_due_ms(s) - 1);
	CHECK_INT(disk_calls(), 0);
	fixture_now_ms = store_due_ms(s);
	store_tick(s, fixture_now_ms);
	calls = disk_calls();
	CHECK(calls > 0);
	CHECK_INT(store_due_ms(s), fixture_now_ms + STORE_HEAL_MS);
	store_close(s);
}

CHECK_MAIN()

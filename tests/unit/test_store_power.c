/* SPDX-License-Identifier: Apache-2.0 */
/*
 * T17: power loss and SIGKILL anywhere in random histories. Each write carries a number of its own as generation, so that what is read afterwards shows exactly which writes have
 * survived: it must be all of them up to some point, and that point not before the last one that was acknowledged as synced.
 */
#include <stdlib.h>

#include "daemon/mint/store_parts.h"
#include "store_fixture.h"

enum { HISTORIES = 12, IMAGES = 170, KILLS = 50, STEPS = 160, CREDENTIALS = 6, WRITES_MAX = 2000, CHAINS = 5 };

struct write {
	int credential;
	size_t begun, acknowledged; /* places in the history; acknowledged 0: never as synced */
	bool intent;                /* the credential's spend state after it */
};

static struct write writes[WRITES_MAX + 1]; /* by generation */
static int64_t n_writes;
static struct store *s;
static uint64_t seed;
static int
	fat; /* how many credentials have big secrets: with all of them the file is extended, with few it is compacted */

static unsigned roll(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static const char *name_of(int credential)
{
	static const char *const names[CREDENTIALS] = { "a", "b", "c", "d", "e", "f" };

	return names[credential];
}

static struct stored *entry(int credential)
{
	return store_get(s, name_of(credential));
}

static void begin_write(int credential)
{
	if (n_writes == WRITES_MAX)
		abort();
	n_writes++;
	writes[n_writes] = (struct write){ .credential = credential, .begun = disk_position() };
	entry(credential)->generation = n_writes;
}

/* A synced write vouches for all before it. */
static void acknowledge(int r)
{
	CHECK_INT(r, 0);
	for (int64_t i = n_writes; i > 0 && !writes[i].acknowledged; i--)
		writes[i].acknowledged = disk_position();
}

static void spend(int credential)
{
	CLEANUP(secret_unrefp) struct secret *next = NULL;
	struct stored *e = entry(credential);
	char text[32];

	if (!e->refresh.token || e->spend.state == SPEND_INTENT)
		return;
	begin_write(credential);
	acknowledge(store_intend(s, e, fixture_now_ms, fixture_real_ms, NULL));
	writes[n_writes].intent = true;
	if (roll(4) == 0)
		return; /* its answer comes later, or never */
	begin_write(credential);
	snprintf(text, sizeof(text), "R%" PRId64, n_writes);
	next = fixture_secret(text);
	acknowledge(roll(3) ? store_result(s, e, next, fixture_now_ms, NULL)
			    : store_unknown(s, e, NULL));
}

static void settle(int credential)
{
	struct stored *e = entry(credential);

	if (e->spend.state != SPEND_INTENT)
		return;
	begin_write(credential);
	acknowledge(roll(2) ? store_answered(s, e, false, NULL) : store_unspent(s, e, NULL));
}

static void import(int credential)
{
	CLEANUP(secret_unrefp) struct secret *token = fixture_secret("Rimported");

	if (entry(credential)->spend.state == SPEND_INTENT)
		return;
	begin_write(credential);
	acknowledge(store_give_refresh(s, entry(credential), token, "o", NULL, 0, NULL));
}

/* Fills the file, so that histories have extensions and compactions in them. */
static void fill(int credential)
{
	CLEANUP(secret_unrefp) struct secret *big = secret_new_empty(60 * 1024);

	memset(secret_edit(big), 'x', secret_size(big));
	CHECK_INT(store_give_secret(s, entry(credential % fat), STORED_ASSERTION, big, NULL), 0);
	acknowledge(0);
}

static void step(void)
{
	int credential = (int)roll(CREDENTIALS);

	fixture_now_ms += roll(400);
	switch (roll(9)) {
	case 0:
	case 1:
		spend(credential);
		break;
	case 2:
		settle(credential);
		break;
	case 3:
		import(credential);
		break;
	case 4:
	case 8:
		fill(credential);
		break;
	case 5:
		store_tick(s, fixture_now_ms);
		break;
	case 6:
		begin_write(credential);
		acknowledge(store_write(s, entry(credential), STORE_SYNC, NULL));
		break;
	default:
		begin_write(credential);
		CHECK_INT(store_write(s, entry(credential), STORE_SOON, NULL), 0);
	}
}

static void live(uint64_t with)
{
	seed = with;
	fat = with % 2 ? 2 : CREDENTIALS;
	n_writes = 0;
	fixture_begin();
	s = fixture_open();
	store_close(s); /* the store exists: before, nothing was promised */
	disk_freeze();
	disk_crash(disk_frozen(), true, with);
	s = fixture_open();
	for (int i = 0; s && i < STEPS; i++)
		step();
}

static int64_t newest(void)
{
	int64_t top = 0;

	for (int i = 0; i < CREDENTIALS; i++) {
		struct stored *e = store_find(s, name_of(i));

		if (e && e->generation > top)
			top = e->generation;
	}
	return top;
}

/* What the store says of a credential is what it said after the write top. */
static void check_credential(int credential, int64_t top)
{
	const struct stored *e = store_find(s, name_of(credential));
	int64_t want = top;

	while (want > 0 && writes[want].credential != credential)
		want--;
	CHECK_INT(e ? e->generation : 0, want);
	if (e && want > 0 && writes[want].intent)
		CHECK_INT(e->spend.state, SPEND_UNKNOWN);
}

static void check_survivors(size_t position, bool power)
{
	int64_t top = newest(), acknowledged = 0;

	for (int64_t i = 1; i <= n_writes; i++)
		if (power ? writes[i].acknowledged && writes[i].acknowledged <= position
			  : i < n_writes && writes[i + 1].begun <= position)
			acknowledged = i;
	CHECK(top >= acknowledged);
	if (top > 0)
		CHECK(writes[top].begun <= position);
	for (int i = 0; i < CREDENTIALS; i++)
		check_credential(i, top);
}

/* And it works: one more spend, and that is there, too. */
static void check_goes_on(void)
{
	struct stored *e = fixture_give(s, "more", 1);

	REQUIRE(e);
	CHECK_INT(fixture_spend(s, e, 2), 0);
	store_close(s);
	s = fixture_open();
	REQUIRE(s);
	CHECK_INT(store_state(s), STORE_OK);
	CHECK_INT(fixture_number(store_find(s, "more")), 2);
}

static void check_image(size_t position, bool power, uint64_t with)
{
	disk_crash(position, power, with);
	s = fixture_open();
	if (!CHECK(s)) {
		printf("# position %zu seed %" PRIu64 ": %s\n", position, with, fixture_err.text);
		return;
	}
	if (!CHECK_INT(store_state(s), STORE_OK))
		printf("# position %zu seed %" PRIu64 ": %s\n", position, with, store_why(s));
	check_survivors(position, power);
	if (with % 8 == 0)
		check_goes_on();
	store_close(s);
}

static void run(bool power, uint64_t images)
{
	char row[64];
	uint64_t compactions = 0, extensions = 0;

	for (uint64_t h = 1; h <= HISTORIES && !check_run.failures; h++) {
		snprintf(row, sizeof(row), "history %" PRIu64, h);
		check_row(row);
		live(h * UINT64_C(0x9e3779b97f4a7c15));
		REQUIRE(s);
		compactions += store_counters(s).compactions;
		extensions += store_counters(s).extensions;
		disk_freeze();
		store_close(s);
		for (uint64_t i = 0; i < images && !check_run.failures; i++)
			check_image((size_t)(i + 1) * disk_frozen() / images, power, h * 1000 + i);
	}
	check_row(NULL);
	printf("# %" PRIu64 " images of %d histories with %" PRIu64 " compactions and %" PRIu64
	       " extensions\n",
	       HISTORIES * images, HISTORIES, compactions, extensions);
	CHECK(compactions >= HISTORIES);
	CHECK(extensions >= HISTORIES / 2);
}

TEST(power_loss_anywhere_loses_nothing_acknowledged)
{
	run(true, IMAGES);
}

TEST(sigkill_anywhere_loses_nothing_written)
{
	run(false, KILLS);
}

/* A power loss while the loss before is being mended. */
TEST(power_loss_again_and_again)
{
	for (uint64_t h = 1; h <= HISTORIES && !check_run.failures; h++) {
		int64_t least;

		live(h * UINT64_C(0xd1342543de82ef95));
		REQUIRE(s);
		disk_freeze();
		store_close(s);
		disk_crash(disk_frozen() - h % 7, true, h);
		s = fixture_open();
		REQUIRE(s);
		least = newest();
		for (uint64_t i = 1; i <= CHAINS; i++) {
			disk_freeze();
			store_close(s);
			disk_crash(disk_frozen() * i / CHAINS, true, h + i);
			s = fixture_open();
			REQUIRE(s);
			CHECK_INT(store_state(s), STORE_OK);
			CHECK_INT(newest(), least);
			for (int c = 0; c < CREDENTIALS; c++)
				check_credential(c, least);
		}
		store_close(s);
	}
}

/* The test of the test: what was not synced is lost now and then. */
TEST(the_disk_does_lose_what_was_not_synced)
{
	unsigned lost = 0;

	for (uint64_t i = 1; i <= 20; i++) {
		fixture_begin();
		s = fixture_open();
		fixture_give(s, "a", 1);
		fixture_give(s, "a", 2);
		store_get(s, "a")->generation = 5;
		store_write(s, store_get(s, "a"), STORE_SOON, NULL);
		disk_freeze();
		store_close(s);
		disk_crash(disk_frozen(), true, i);
		s = fixture_open();
		REQUIRE(s);
		REQUIRE(store_find(s, "a"));
		CHECK_INT(fixture_number(store_find(s, "a")), 2);
		lost += store_find(s, "a")->generation != 5;
		store_close(s);
	}
	CHECK(lost > 0 && lost < 20);
}

CHECK_MAIN()

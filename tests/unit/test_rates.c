/* SPDX-License-Identifier: Apache-2.0 */
/* Allowances of users, the heap of deadlines and what is told about who got what. */
#include "daemon/front/audit.h"
#include "daemon/front/deadlines.h"
#include "daemon/front/rates.h"

#include "tests/unit/check.h"

TEST(a_bucket_holds_one_second)
{
	struct rates r = { 0 };
	struct user *u = rates_user(&r, 500);
	int taken = 0;

	REQUIRE(u);
	for (int i = 0; i < 30; i++)
		taken += bucket_take(&u->calls, 10, 1000);
	CHECK_INT(taken, 10);
	CHECK(!bucket_take(&u->calls, 10, 1099));
	CHECK(bucket_take(&u->calls, 10, 1100));
	CHECK(!bucket_take(&u->calls, 10, 1100));
	for (int i = 0; i < 30; i++)
		taken += bucket_take(&u->calls, 10, 999999);
	CHECK_INT(taken, 20);
	rates_fini(&r);
}

TEST(a_slow_clock_does_not_starve)
{
	struct bucket b = { .level = 0, .at_ms = 1 };
	int taken = 0;

	/* asked every millisecond at 3 a second: nothing of the thousandths may get lost */
	for (int64_t now = 2; now <= 3001; now++)
		taken += bucket_take(&b, 3, now);
	CHECK_INT(taken, 9);
}

TEST(users_do_not_share)
{
	struct rates r = { 0 };
	struct user *a = rates_user(&r, 500), *b = rates_user(&r, 501);

	REQUIRE(a && b && a != b);
	CHECK(rates_user(&r, 500) == a);
	CHECK(bucket_take(&a->reports, 1, 1000));
	CHECK(!bucket_take(&a->reports, 1, 1000));
	CHECK(bucket_take(&b->reports, 1, 1000));
	rates_fini(&r);
}

TEST(reconnecting_gives_no_new_allowance)
{
	struct rates r = { 0 };
	struct user *u = rates_user(&r, 500);

	while (bucket_take(&u->calls, 10, 1000))
		;
	rates_sweep(&r, 10, 10, 1500);
	CHECK(!bucket_take(&rates_user(&r, 500)->calls, 10, 1000));
	rates_sweep(&r, 10, 10, 2501);
	CHECK_INT(r.users.n, 0);
	u = rates_user(&r, 500);
	u->connections = 1;
	rates_sweep(&r, 10, 10, 99999);
	CHECK_INT(r.users.n, 1);
	rates_fini(&r);
}

/* --- deadlines: the timer is not looked at, only who is due --- */

static void never(void *arg)
{
	(void)arg;
}

TEST(deadlines_come_in_order_of_time)
{
	CLEANUP(loop_freep) struct loop *l = loop_new(NULL);
	struct deadlines d;
	struct deadline x[200];
	int64_t last = 0;
	int n = 0;

	REQUIRE(l && deadlines_init(&d, l, never, NULL, NULL) == 0);
	for (int i = 0; i < 200; i++) {
		deadline_init(&x[i]);
		CHECK(deadlines_set(&d, &x[i], 1000 + i * 7919 % 200) == 0);
	}
	for (int i = 0; i < 200; i += 3)
		deadlines_clear(&d, &x[i]);
	for (int i = 0; i < 200; i += 5)
		CHECK(deadlines_set(&d, &x[i], 500 + i) == 0);
	CHECK(!deadlines_due(&d, 499));
	for (struct deadline *first; (first = deadlines_due(&d, 2000)); n++) {
		CHECK(first->due_ms >= last && first->at == SIZE_MAX);
		last = first->due_ms;
	}
	CHECK_INT(n, 200 - 67 + 14);
	deadlines_clear(&d, &x[0]); /* twice is not too often */
	deadlines_fini(&d);
}

/* --- audit --- */

static struct {
	unsigned sent;
	int64_t count;
	bool full;
	char reason[32];
	int64_t uid, gid, pid, generation;
} told;

static bool tell(const struct link_served *m, void *arg)
{
	(void)arg;
	if (told.full)
		return false;
	told.sent++;
	told.count += m->count.value;
	told.uid = m->uid.value;
	told.gid = m->gid.value;
	told.pid = m->pid.value;
	told.generation = m->generation.value;
	snprintf(told.reason, sizeof(told.reason), "%s", m->reason ? m->reason : "-");
	return true;
}

static void serve(struct audit *a, unsigned uid, int pid, const char *name, int64_t generation)
{
	const struct peer who = { .uid = uid, .gid = uid + 1, .pid = pid };

	audit_served(a, &who, name, map_hash_text(name), generation, "why");
}

TEST(the_first_is_told_at_once_the_others_by_the_minute)
{
	struct audit a = { .send = tell };

	memset(&told, 0, sizeof(told));
	serve(&a, 500, 10, "prod", 7);
	CHECK_INT(told.sent, 1);
	CHECK_INT(told.uid, 500);
	CHECK_INT(told.gid, 501);
	CHECK_INT(told.pid, 10);
	CHECK_INT(told.generation, 7);
	CHECK_STR(told.reason, "why");
	for (int i = 0; i < 1000; i++)
		serve(&a, 500, 10, "prod", 7);
	CHECK_INT(told.sent, 1);
	audit_minute(&a);
	CHECK_INT(told.sent, 2);
	CHECK_INT(told.count, 1001);
	audit_minute(&a);
	CHECK_INT(told.sent, 2);
	audit_fini(&a);
}

TEST(each_process_credential_and_generation_is_a_first)
{
	struct audit a = { .send = tell };

	memset(&told, 0, sizeof(told));
	serve(&a, 500, 10, "prod", 7);
	serve(&a, 501, 10, "prod", 7);
	serve(&a, 500, 11, "prod", 7);
	serve(&a, 500, 10, "test", 7);
	serve(&a, 500, 10, "prod", 8);
	CHECK_INT(told.sent, 5);
	audit_fini(&a);
}

TEST(nothing_is_lost_while_the_link_is_full)
{
	struct audit a = { .send = tell };

	memset(&told, 0, sizeof(told));
	told.full = true;
	serve(&a, 500, 10, "prod", 7);
	serve(&a, 500, 10, "prod", 7);
	serve(&a, 500, 10, "prod", 7);
	audit_minute(&a);
	CHECK_INT(told.sent, 0);
	told.full = false;
	audit_flush(&a);
	CHECK_INT(told.sent, 1); /* the first; the rest has time until the minute */
	audit_minute(&a);
	CHECK_INT(told.count, 3);
	CHECK_INT(a.lost, 0);
	audit_fini(&a);
}

TEST(the_table_is_bounded_and_forgets_the_idle)
{
	struct audit a = { .send = tell };

	memset(&told, 0, sizeof(told));
	for (int i = 0; i < AUDIT_RECORDS_MAX + 100; i++)
		serve(&a, 500, i, "prod", 7);
	CHECK_INT(a.records.n, AUDIT_RECORDS_MAX);
	CHECK_INT(told.sent, AUDIT_RECORDS_MAX + 100);
	told.full = true;
	serve(&a, 500, -5, "prod", 7);
	CHECK_INT(a.lost, 1);
	told.full = false;
	audit_minute(&a);
	audit_minute(&a);
	CHECK_INT(a.records.n, 0);
	audit_fini(&a);
}

CHECK_MAIN()

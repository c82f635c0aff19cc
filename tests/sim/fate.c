/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the machine, the network and Salesforce. Each kind of trouble comes by chance, and comes again. */
#include <string.h>

#include "tests/sim/world_parts.h"

enum { NOISE = 1500, CHECK_AFTER_MS = 60000, KINDS = 10 };

static struct {
	int64_t end, blocked, blocked_since, outage_since, outage_ended, disturbed[SIM_CREDENTIALS],
		clock_set;
	int64_t calm[KINDS]; /* so many times rarer */
	unsigned blocks;
	bool asleep;
} fate;

int64_t fate_blocked_ms(void)
{
	return fate.blocked + (fate.blocks ? sim_now() - fate.blocked_since : 0);
}

int64_t fate_outage_since(void)
{
	return sf_trouble() == SF_FINE ? 0 : fate.outage_since;
}

int64_t fate_outage_ended(void)
{
	return fate.outage_ended;
}

int64_t fate_disturbed_ms(size_t user)
{
	return fate.disturbed[user];
}

int64_t fate_clock_set_ms(void)
{
	return fate.clock_set;
}

void fate_disturb(size_t user)
{
	for (size_t i = 0; i < SIM_CREDENTIALS; i++)
		if (user == SIM_CREDENTIALS || i == user)
			fate.disturbed[i] = sim_now();
}

void fate_block(bool begins)
{
	if (begins && fate.blocks++ == 0)
		fate.blocked_since = sim_now();
	if (!begins && --fate.blocks == 0)
		fate.blocked += sim_now() - fate.blocked_since;
}

/* --- recovery: whoever has demand asks, and a minute later all must be well --- */

static void demand(void *second)
{
	for (size_t user = 0; user < world_count() && world_running(); user++) {
		if (!callers_busy(user))
			continue;
		if (second)
			watch_demanded(user);
		front_ask(user, 30 * SECONDS, -1, -1);
	}
}

static void quiet_ends(void *arg)
{
	watch_recovered(arg);
	sf_set_noise(NOISE);
}

static void recover(void)
{
	sf_set_noise(0);
	/* programs that wait for up to 30 s each time, and come again */
	sim_at(sim_now() + sim_between(500, 4000), demand, NULL);
	sim_at(sim_now() + sim_between(24000, 29000), demand, &fate);
	sim_at(sim_now() + CHECK_AFTER_MS, quiet_ends, (void *)(intptr_t)sim_now());
}

/* --- outages --- */

static void outage_ends(void *arg)
{
	(void)arg;
	sim_note("upstream: answers again");
	sf_set_trouble(SF_FINE);
	fate.outage_ended = sim_now();
	fate_block(false);
	if (world_running())
		recover();
}

/* From seconds to three days, each order of size as often. */
static int64_t outage_length(void)
{
	static const int64_t most[] = { 30 * SECONDS, 5 * MINUTES, HOURS, 8 * HOURS, 3 * DAYS };

	return sim_between(5 * SECONDS, most[sim_below(5)]);
}

static void outage(void *arg)
{
	static const char *const names[] = { "",        "no name", "no connect", "busy",
					     "gateway", "silent",  "slow" };
	enum sf_trouble kind = (enum sf_trouble)sim_between(SF_NO_NAME, SF_SLOW);
	int64_t length = outage_length();

	(void)arg;
	if (sf_trouble() != SF_FINE)
		return;
	sim_note("upstream: %s for %lld s", names[kind], (long long)length / 1000);
	sf_set_trouble(kind);
	fate.outage_since = sim_now();
	fate_block(true);
	sim_at(sim_now() + length, outage_ends, NULL);
}

static void skew(void *arg)
{
	(void)arg;
	sf_set_skew(sim_once_in(2) ? 0 : sim_between(-10, 10) * MINUTES);
	sim_note("salesforce: its clock is %+lld s wrong", (long long)sf_skew() / 1000);
	fate_disturb(SIM_CREDENTIALS);
}

static void sessions_end(void *arg)
{
	size_t user = sim_below(world_count());

	(void)arg;
	sim_note("salesforce: an administrator ends the sessions of %zu", user);
	sf_end_sessions(user);
	fate_disturb(user);
}

static void other_logins(void *arg)
{
	size_t user = sim_below(world_count());
	char token[80];

	(void)arg;
	if (sf_user(user)->kind != SF_REFRESH)
		return;
	for (int64_t n = sim_between(1, 5); n > 0; n--)
		sf_login(user, token, sizeof token);
	fate_disturb(user);
}

/* --- sleep and clocks --- */

static void wake(void *arg)
{
	(void)arg;
	if (!fate.asleep)
		return;
	fate.asleep = false;
	sim_note("machine: wakes");
	fate_block(false);
	fate_disturb(SIM_CREDENTIALS);
	if (world.power && sf_trouble() == SF_FINE)
		recover();
}

void fate_power_off(void)
{
	if (fate.asleep)
		fate_block(false);
	fate.asleep = false;
}

static void suspend(void *arg)
{
	int64_t length = sim_once_in(3) ? sim_about(2 * DAYS) : sim_about(HOURS);

	(void)arg;
	if (!world_running())
		return;
	sim_note("machine: sleeps %lld s", (long long)length / 1000);
	fate.asleep = true;
	fate_block(true);
	fate_disturb(SIM_CREDENTIALS);
	net_suspended();
	sim_suspend(sim_now() + length);
	sim_at(sim_now() + length, wake, NULL);
}

static void notice(void *arg)
{
	(void)arg;
	if (!sim_suspended())
		world_notice_clock();
}

static void set_wall(int64_t forward)
{
	bool told = !sim_once_in(4);

	sim_note("machine: the wall clock is set %+lld s", (long long)forward / 1000);
	fate.clock_set = sim_now();
	sim_set_wall(forward, told && !disk_dead() && !sim_suspended());
	if (!told)
		sim_at(sim_now() + sim_between(0, 15) * SECONDS, notice, NULL);
	fate_disturb(SIM_CREDENTIALS);
}

static void right_clock(void *arg)
{
	(void)arg;
	if (sim_wall_error_ms())
		set_wall(-sim_wall_error_ms());
}

static void wrong_clock(void *arg)
{
	static const int64_t most[] = { 30 * SECONDS, 12 * HOURS, 30 * 365 * DAYS };
	int64_t size = most[sim_below(3)];

	(void)arg;
	set_wall(sim_between(-size, size));
	sim_at(sim_now() + sim_about(12 * HOURS), right_clock, NULL);
}

/* --- processes, disks --- */

static void crash(void *arg)
{
	bool power = sim_once_in(4);

	(void)arg;
	if (!world.registry || disk_dead() || sim_suspended())
		return;
	sim_note("%s will be cut off", power ? "machine: power" : "mint:");
	if (sim_once_in(4))
		disk_kill_now(power);
	else
		disk_kill_at((unsigned)sim_between(1, sim_once_in(2) ? 8 : 60), power);
}

static void stop(void *arg)
{
	(void)arg;
	if (!sim_suspended())
		world_stop_mint();
}

static void disk_heals(void *arg)
{
	(void)arg;
	sim_note("disk: good again");
	disk_set_fault(DISK_GOOD);
	fate_block(false);
	fate_disturb(SIM_CREDENTIALS);
}

static void disk_fails(void *arg)
{
	static const char *const names[] = { "", "full", "full for every write", "broken",
					     "not synced" };
	enum disk_fault fault = (enum disk_fault)sim_between(DISK_FULL, DISK_UNSYNCED);

	(void)arg;
	if (disk_fault() != DISK_GOOD)
		return;
	sim_note("disk: %s", names[fault]);
	disk_set_fault(fault);
	fate_block(true);
	fate_disturb(SIM_CREDENTIALS);
	sim_at(sim_now() + sim_about(2 * HOURS), disk_heals, NULL);
}

/* --- an hour in which all goes wrong at once: errors, a mint that dies again and again, and everybody asks --- */

static int64_t bad_until;

static void ask_all(void *arg)
{
	if (sim_now() > bad_until)
		return;
	for (size_t user = 0; user < world_count() && world_running(); user++)
		front_ask(user, sim_between(0, 5) * SECONDS, -1, -1);
	sim_at(sim_now() + sim_between(3, 40) * SECONDS, ask_all, arg);
}

static void die_again(void *arg)
{
	if (sim_now() > bad_until)
		return;
	if (world.registry && !disk_dead() && !sim_suspended())
		disk_kill_at((unsigned)sim_between(1, 6), false);
	sim_at(sim_now() + sim_about(6 * MINUTES), die_again, arg);
}

static void bad_hour(void *arg)
{
	(void)arg;
	if (sf_trouble() != SF_FINE || !world_running())
		return;
	sim_note("a bad hour begins");
	bad_until = sim_now() + sim_between(60, 150) * MINUTES;
	sf_set_trouble(sim_once_in(3) ? SF_GATEWAY : SF_BUSY);
	fate.outage_since = sim_now();
	fate_block(true);
	fate_disturb(SIM_CREDENTIALS);
	sim_at(bad_until, outage_ends, NULL);
	ask_all(NULL);
	die_again(NULL);
}

/* --- the calendar --- */

static const struct trouble {
	void (*happen)(void *arg);
	int64_t every_days;
} troubles[KINDS] = {
	{ outage, 6 },      { skew, 40 },        { sessions_end, 4 }, { other_logins, 20 },
	{ suspend, 12 },    { wrong_clock, 15 }, { crash, 5 },        { stop, 25 },
	{ disk_fails, 15 }, { bad_hour, 45 },
};

static void come(void *arg)
{
	const struct trouble *t = arg;

	if (sim_now() > fate.end)
		return;
	t->happen(NULL);
	sim_at(sim_now() + sim_about(t->every_days * fate.calm[t - troubles] * DAYS), come, arg);
}

void fate_begin(int64_t days)
{
	memset(&fate, 0, sizeof fate);
	fate.end = days * DAYS;
	sf_set_noise(NOISE);
	bad_until = 0;
	/* some years are quiet in some ways: what is only seen after weeks without a restart is seen too */
	for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
		fate.calm[i] = sim_once_in(3) ? 12 : 1;
		sim_at(sim_about(troubles[i].every_days * fate.calm[i] * DAYS), come,
		       (void *)(uintptr_t)&troubles[i]);
	}
}

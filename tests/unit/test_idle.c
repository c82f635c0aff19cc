/* SPDX-License-Identifier: Apache-2.0 */
/* --until-idle in the front: who counts as a caller, and from when on the time runs. */
#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

enum { S = 1000, AFTER_MS = 30 * S };

static unsigned idle; /* how often the front said that nobody calls */

static void on_idle(void)
{
	idle++;
}

static void on_ready(struct front *f)
{
	(void)f;
}

static struct front *unsynced(void)
{
	static const struct front_events events = { .ready = on_ready, .idle = on_idle };
	struct front *f = fixture_unsynced(65536);

	f->events = &events;
	idle = 0;
	return f;
}

static struct front *with_token(void)
{
	struct front *f = unsynced();

	mint_rules("");
	mint_credential("prod", 500, "");
	mint_publish("prod", 7, "");
	mint_say("{'type':'Synced'}");
	CHECK_INT(front_until_idle(f, AFTER_MS, NULL), 0);
	return f;
}

static struct connection *user(void)
{
	return caller_connect(500, 500, NULL, 0);
}

TEST(without_the_option_nobody_is_ever_told)
{
	struct front *f = unsynced();

	mint_rules("");
	mint_say("{'type':'Synced'}");
	pass(24 * 3600 * S);
	CHECK_INT(idle, 0);
	fixture_end(f);
}

TEST(nobody_comes_and_that_is_said_once_when_the_time_is_over)
{
	struct front *f = with_token();

	pass(AFTER_MS - 1);
	CHECK_INT(idle, 0);
	pass(1);
	CHECK_INT(idle, 1);
	pass(24 * 3600 * S);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

TEST(the_time_begins_when_the_last_caller_has_gone)
{
	struct front *f = with_token();
	struct connection *a, *b;

	pass(AFTER_MS - 1);
	a = user();
	caller_get(a, "{'credential':'prod'}");
	pass(AFTER_MS - 2);
	b = user();
	caller_get(b, "{'credential':'prod'}");
	caller_hangs_up(a);
	pass(2 * AFTER_MS); /* less than IdleTimeout= */
	caller_hangs_up(b);
	pass(AFTER_MS - 1);
	CHECK_INT(idle, 0);
	pass(1);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

TEST(a_caller_between_begins_the_time_anew)
{
	struct front *f = with_token();

	for (int i = 0; i < 5; i++) {
		struct connection *c;

		pass(AFTER_MS - 1);
		c = user();
		caller_get(c, "{'credential':'prod'}");
		caller_hangs_up(c);
	}
	CHECK_INT(idle, 0);
	pass(AFTER_MS);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

TEST(a_watch_is_a_caller_however_long_it_lasts)
{
	struct front *f = with_token();
	struct connection *c = user();

	caller_call(c, "WatchToken", "{'credential':'prod'}", ",'more':true");
	pass(3600 * S);
	CHECK_INT(idle, 0);
	caller_hangs_up(c);
	pass(AFTER_MS);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

/* Liveness probes: every few seconds for ever. */
TEST(who_only_looks_who_serves_is_no_caller)
{
	struct front *f = with_token();
	struct connection *c = user();

	caller_call(c, "org.varlink.service.GetInfo", "{}", "");
	user(); /* says nothing at all */
	pass(AFTER_MS);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

/* The parent has not said Stop yet: who came in now would be told that it ends, who waits in the queue is served by the next daemon. */
TEST(when_it_has_said_so_nobody_is_let_in_any_more)
{
	struct front *f = with_token();
	struct connection *before = user();

	front_open(f);
	CHECK(listener_is_enabled());
	pass(AFTER_MS);
	CHECK_INT(idle, 1);
	CHECK(!listener_is_enabled());
	front_open(f);
	mint_say("{'type':'Synced'}");
	CHECK(!listener_is_enabled());
	/* who was there already is served as long as possible */
	caller_get(before, "{'credential':'prod'}");
	CHECK(strstr(caller_heard(before), "accessToken"));
	front_stop(f);
	CHECK(!listener_is_enabled());
	fixture_end(f);
}

TEST(who_has_just_come_may_say_what_for)
{
	struct front *f = with_token();
	struct connection *c;

	pass(AFTER_MS - 1);
	c = user();
	pass(500);
	CHECK_INT(idle, 0);
	caller_call(c, "WatchToken", "{'credential':'prod'}", ",'more':true");
	pass(AFTER_MS);
	CHECK_INT(idle, 0);
	caller_hangs_up(c);
	pass(AFTER_MS - 1);
	CHECK_INT(idle, 0);
	user(); /* but not for ever */
	pass(999);
	CHECK_INT(idle, 0);
	pass(1);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

/* A connection that says nothing is no caller, nor is a probe: the two together are none either. */
TEST(probes_do_not_make_a_silent_one_a_caller)
{
	struct front *f = with_token();

	user();
	for (int i = 0; i < 2 * AFTER_MS / 500 && !idle; i++) {
		struct connection *probe = user();

		caller_call(probe, "org.varlink.service.GetInfo", "{}", "");
		caller_hangs_up(probe);
		pass(500);
	}
	CHECK_INT(idle, 1);
	fixture_end(f);
}

TEST(who_has_said_another_word_or_is_gone_is_not_waited_for)
{
	struct front *f = with_token();

	pass(AFTER_MS - 1);
	caller_call(user(), "org.varlink.service.GetInfo", "{}", "");
	caller_hangs_up(user());
	pass(1);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

TEST(a_caller_who_is_refused_counts_and_one_who_looked_first_too)
{
	struct front *f = with_token();
	struct connection *c = caller_connect(501, 501, NULL, 0);

	caller_call(c, "org.varlink.service.GetInfo", "{}", "");
	caller_get(c, "{'credential':'prod'}");
	caller_get(c, "{'credential':'prod'}"); /* counted once */
	pass(2 * AFTER_MS);
	CHECK_INT(idle, 0);
	caller_hangs_up(c);
	pass(AFTER_MS);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

TEST(before_the_first_sync_nobody_could_come)
{
	struct front *f = unsynced();

	CHECK_INT(front_until_idle(f, AFTER_MS, NULL), 0);
	pass(10 * AFTER_MS);
	CHECK_INT(idle, 0);
	mint_rules("");
	mint_say("{'type':'Synced'}");
	pass(AFTER_MS - 1);
	CHECK_INT(idle, 0);
	pass(1);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

CHECK_MAIN()

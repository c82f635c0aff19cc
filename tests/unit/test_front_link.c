/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes between front and mint: take-over, the exchange of tables, a mint that is gone, a
 * link that is full.
 */
#include "base/log.h"
#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

enum { S = 1000 };

#define GOT_TOKEN(c, n) (strstr(caller_heard(c), "\"accessToken\":\"00D!t" #n "\"") != NULL)

static struct connection *user(unsigned uid)
{
	return caller_connect(uid, uid, NULL, 0);
}

/* All that a mint has to say that has two tokens; members of the second. */
static void mint_syncs(int64_t prod, const char *members)
{
	mint_rules("");
	mint_credential("prod", 500, "");
	mint_publish("prod", prod, "");
	mint_credential("test", 500, "");
	mint_publish("test", 3, members);
	mint_say("{'type':'Synced'}");
}

static struct front *with_two(void)
{
	struct front *f = fixture_unsynced(65536);

	mint_syncs(7, ",'username':'u','unchanged':true,'vouched_ms':5");
	fixture_forget();
	return f;
}

TEST(a_new_mint_is_told_what_the_front_holds)
{
	struct front *f = with_two();

	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	mint_dies();
	fixture_forget();
	mint_comes();
	CHECK_INT(mint_heard(LINK_HAVE), 1);
	CHECK_INT(mint_heard(LINK_HAVE_ALL), 1);
	CHECK_STR(
		mint_heard_last(LINK_HAVE),
		q("{'type':'Have','credential':'test','origin':'o','generation':3,'token':'00D!t3','instance_url':'https://i.example',"
		  "'life_ms':7200000,'issued_ms':1000000,'deadline_ms':8200000,'vouched_ms':5,'issued_wall':1000,"
		  "'expiry_source':'response','unchanged':true,'scopes':['api','web'],'username':'u'}"));
	fixture_end(f);
}

TEST(a_full_link_is_gone_on_with_where_it_stopped)
{
	struct front *f = with_two();

	mint_dies();
	fixture_forget();
	mint_full(1);
	mint_comes();
	CHECK_INT(mint_heard(LINK_HAVE), 1);
	CHECK_INT(mint_heard(LINK_HAVE_ALL), 0);
	mint_room();
	CHECK_INT(mint_heard(LINK_HAVE), 2);
	CHECK_INT(mint_heard(LINK_HAVE_ALL), 1);
	CHECK(strstr(mint_heard_last(LINK_HAVE), q("'credential':'test'")));
	mint_room();
	CHECK_INT(mint_heard(LINK_HAVE), 2);
	CHECK_INT(mint_heard(LINK_HAVE_ALL), 1);
	fixture_end(f);
}

TEST(the_old_table_serves_until_synced)
{
	struct front *f = with_two();
	struct connection *c = user(500);

	mint_dies();
	mint_comes();
	caller_get(c, "{'credential':'test'}");
	CHECK(GOT_TOKEN(c, 3));
	mint_rules("");
	mint_credential("prod", 500, "");
	mint_publish("prod", 9, "");
	caller_get(c, "{'credential':'prod'}");
	CHECK(GOT_TOKEN(c, 7));
	mint_say("{'type':'Synced'}");
	caller_get(c, "{'credential':'prod'}");
	CHECK(GOT_TOKEN(c, 9));
	caller_get(c, "{'credential':'test'}");
	CHECK(strstr(caller_heard(c), "NoSuchCredential"));
	fixture_end(f);
}

TEST(each_new_mint_is_told_all_of_it)
{
	struct front *f = with_two();

	for (unsigned i = 1; i <= 3; i++) {
		mint_dies();
		mint_comes();
		CHECK_INT(mint_heard(LINK_HAVE), 2 * i);
		CHECK_INT(mint_heard(LINK_HAVE_ALL), i);
	}
	fixture_end(f);
}

/*
 * The new table is told in the same words as the old one: what a connection remembers must not lead
 * into the old one.
 */
TEST(the_shortcut_finds_its_way_in_the_new_table)
{
	struct front *f = with_two();
	struct connection *c = user(500);

	caller_get(c, "{'credential':'prod'}");
	caller_get(c, "{'credential':'prod'}");
	for (int i = 0; i < 3; i++) {
		mint_dies();
		mint_comes();
		mint_syncs(9, "");
		caller_heard(c);
		caller_get(c, "{'credential':'prod'}");
		CHECK(GOT_TOKEN(c, 9));
	}
	fixture_end(f);
}

TEST(a_second_synced_changes_nothing)
{
	struct front *f = with_two();
	struct connection *c = user(500);

	mint_say("{'type':'Synced'}");
	caller_get(c, "{'credential':'prod'}");
	CHECK(GOT_TOKEN(c, 7));
	fixture_end(f);
}

TEST(who_waits_crosses_the_exchange)
{
	struct front *f = with_two();
	struct connection *get = user(500), *watch = user(500), *gone = user(500),
			  *watch_gone = user(500);
	static const char none[] = "{'error':'io.sftoken.Broker.NoSuchCredential',"
				   "'parameters':{'credential':'test'}}\n";

	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	mint_say("{'type':'Dead','credential':'test','generation':3}");
	caller_get(get, "{'credential':'prod'}");
	caller_call(watch, "WatchToken", "{'credential':'prod'}", ",'more':true");
	caller_get(gone, "{'credential':'test'}");
	caller_call(watch_gone, "WatchToken", "{'credential':'test'}", ",'more':true");
	mint_dies();
	mint_comes();
	fixture_forget();
	mint_rules("");
	mint_credential("prod", 500, ",'state':'empty'");
	CHECK_INT(fixture_replies(), 0);
	mint_say("{'type':'Synced'}");
	CHECK_STR(caller_heard(gone), q(none));
	CHECK_STR(caller_heard(watch_gone), q(none));
	CHECK_INT(mint_heard(LINK_WANT), 1);
	mint_publish("prod", 8, "");
	CHECK(GOT_TOKEN(get, 8) && GOT_TOKEN(watch, 8));
	fixture_end(f);
}

TEST(without_a_mint_misses_wait_and_tokens_are_served)
{
	struct front *f = with_two();
	struct connection *warm = user(500), *cold = user(500);

	mint_say("{'type':'Dead','credential':'test','generation':3}");
	mint_dies();
	fixture_forget();
	caller_get(warm, "{'credential':'prod'}");
	CHECK(GOT_TOKEN(warm, 7));
	caller_get(cold, "{'credential':'test','waitSeconds':60}");
	pass(59 * S);
	CHECK(caller_waits(cold));
	CHECK_INT(mint_heard(LINK_WANT), 0);
	mint_comes();
	/* a mint that has not said all it knows is not asked */
	CHECK_INT(mint_heard(LINK_WANT), 0);
	mint_rules("");
	mint_credential("test", 500, ",'state':'empty'");
	mint_say("{'type':'Synced'}");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	pass(1 * S);
	CHECK(strstr(caller_heard(cold), "TimedOut"));
	fixture_end(f);
}

TEST(a_claim_outlives_the_mint_that_it_was_made_to)
{
	struct front *f = with_two();
	struct connection *c = user(500), *w = user(500);

	caller_call(c, "ReportRejected", "{'credential':'prod','generation':7,'httpStatus':401}",
		    "");
	mint_dies();
	caller_get(w, "{'credential':'test','rejectedGeneration':3}");
	CHECK_INT(mint_heard(LINK_REPORT), 1);
	mint_comes();
	fixture_forget();
	mint_syncs(7, "");
	CHECK_INT(mint_heard(LINK_REPORT), 2);
	CHECK(caller_waits(w));
	fixture_end(f);
}

TEST(a_want_that_did_not_fit_is_sent_once_there_is_room)
{
	struct front *f = with_two();
	struct connection *c[10];

	mint_say("{'type':'Dead','credential':'test','generation':3}");
	mint_full(0);
	for (int i = 0; i < 10; i++) {
		c[i] = user(500);
		caller_get(c[i], "{'credential':'test','waitSeconds':100}");
	}
	CHECK_INT(mint_heard(LINK_WANT), 0);
	mint_room();
	CHECK_INT(mint_heard(LINK_WANT), 1);
	mint_room();
	CHECK_INT(mint_heard(LINK_WANT), 1);
	fixture_end(f);
}

TEST(the_first_get_is_told_later_when_the_link_is_full)
{
	struct front *f = with_two();
	struct connection *c = user(500);

	mint_full(0);
	caller_get(c, "{'credential':'prod'}");
	CHECK(GOT_TOKEN(c, 7));
	CHECK_INT(mint_heard(LINK_SERVED), 0);
	mint_room();
	CHECK_INT(mint_heard(LINK_SERVED), 1);
	CHECK_STR(
		mint_heard_last(LINK_SERVED),
		q("{'type':'Served','credential':'prod','generation':7,'uid':500,'gid':500,'pid':600,'count':1}"));
	for (int i = 0; i < 9; i++)
		caller_get(c, "{'credential':'prod'}");
	CHECK_INT(mint_heard(LINK_SERVED), 1);
	pass(60 * S);
	CHECK_INT(mint_heard(LINK_SERVED), 2);
	CHECK(strstr(mint_heard_last(LINK_SERVED), q("'count':9")));
	fixture_end(f);
}

TEST(counters_are_told_when_asked_for)
{
	struct front *f = with_two();
	struct connection *c = user(500);

	caller_get(c, "{'credential':'prod'}");
	mint_say("{'type':'Count'}");
	CHECK(strstr(mint_heard_last(LINK_COUNTERS), q("'counters':{'calls':1,'tokens':1,")));
	CHECK(strstr(mint_heard_last(LINK_COUNTERS), q("'listeners':{'broker':1}")));
	CHECK(strstr(mint_heard_last(LINK_COUNTERS), q("'warnings':[]")));
	mint_full(0);
	mint_say("{'type':'Count'}");
	CHECK_INT(mint_heard(LINK_COUNTERS), 1);
	mint_room();
	CHECK_INT(mint_heard(LINK_COUNTERS), 2);
	fixture_end(f);
}

static bool counted(const char *name, int n)
{
	char member[64];

	mint_say("{'type':'Count'}");
	snprintf(member, sizeof(member), "\"%s\":%d,", name, n);
	if (strstr(mint_heard_last(LINK_COUNTERS), member))
		return true;
	printf("# no %s in %s\n", member, mint_heard_last(LINK_COUNTERS));
	return false;
}

TEST(each_get_is_counted_once_with_its_answer_and_its_time)
{
	struct front *f = with_two();
	struct connection *c = user(500), *waits = user(500), *goes = user(500), *other = user(501);

	for (int i = 0; i < 3; i++)
		caller_get(c, "{'credential':'prod'}"); /* the last two the short way */
	CHECK(counted("gets.token", 3));
	CHECK(counted("get_us.25", 0) && counted("get_us.50", 3) && counted("get_us.sum", 90));
	caller_get(other, "{'credential':'prod'}");
	caller_get(c, "{'credential':'nobody'}");
	CHECK(counted("gets.no_such_credential", 2));
	caller_get(c, "{'credential':'prod','reason':'\\u0007'}");
	CHECK(counted("gets.invalid_parameter", 1));
	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	caller_get(waits, "{'credential':'prod','waitSeconds':2}");
	caller_get(goes, "{'credential':'prod','waitSeconds':100}");
	caller_hangs_up(goes);
	CHECK(counted("gets.abandoned", 1));
	pass(2 * S);
	CHECK(counted("gets.timed_out", 1));
	CHECK(counted("get_us.2500000", 1));
	CHECK(counted("gets.token", 3) && counted("gets.rate_limited", 0));
	mint_publish("prod", 8, "");
	mint_rules(",'limits':{'MaxCallsPerSecond':1}");
	for (int i = 0; i < 4; i++)
		caller_get(c, "{'credential':'prod','minValidSeconds':0}");
	CHECK(counted("gets.token", 4) && counted("gets.rate_limited", 3));
	CHECK(counted("limit.max_calls_per_second", 3) && counted("limit.max_connections", 0));
	fixture_end(f);
}

TEST(too_few_descriptors_are_said_once_and_in_status)
{
	struct front *f = fixture_unsynced(1024);

	log_set_sink(front_link_log, f->link);
	mint_rules("");
	mint_say("{'type':'Synced'}");
	CHECK_INT(mint_heard(LINK_LOG), 1);
	CHECK(strstr(mint_heard_last(LINK_LOG), "at most 960 connections"));
	mint_rules("");
	mint_say("{'type':'Count'}");
	CHECK_INT(mint_heard(LINK_LOG), 1);
	CHECK(strstr(mint_heard_last(LINK_COUNTERS),
		     "at most 960 connections are served, not MaxConnections=10240"));
	log_set_sink(NULL, NULL);
	fixture_end(f);
}

TEST(reached_limits_are_logged_once_a_minute)
{
	struct front *f = with_two();
	struct connection *c = user(500);

	log_set_sink(front_link_log, f->link);
	mint_rules(",'limits':{'MaxCallsPerSecond':2}");
	for (int i = 0; i < 7; i++)
		caller_get(c, "{'credential':'prod'}");
	CHECK_INT(mint_heard(LINK_LOG), 0);
	pass(60 * S);
	CHECK_INT(mint_heard(LINK_LOG), 1);
	CHECK(strstr(mint_heard_last(LINK_LOG),
		     q("'event':'front.limit','fields':{'limit':'max_calls_per_second','times':")));
	pass(60 * S);
	CHECK_INT(mint_heard(LINK_LOG), 1);
	log_set_sink(NULL, NULL);
	fixture_end(f);
}

TEST(a_log_line_that_does_not_fit_is_dropped_and_counted)
{
	struct front *f = with_two();

	log_set_sink(front_link_log, f->link);
	mint_full(0);
	log_event(LOG_LEVEL_INFO, "front.test", F_INT("n", 1));
	mint_room();
	CHECK_INT(mint_heard(LINK_LOG), 0);
	mint_say("{'type':'Count'}");
	CHECK(strstr(mint_heard_last(LINK_COUNTERS), q("'log_dropped':1")));
	log_set_sink(NULL, NULL);
	fixture_end(f);
}

TEST(news_of_an_unknown_credential_end_the_front)
{
	struct front *f = with_two();

	mint_publish("nobody", 1, "");
	CHECK(fixture_fatal() && strstr(fixture_fatal(), "nobody") &&
	      !strstr(fixture_fatal(), "00D"));
	fixture_end(f);
}

CHECK_MAIN()

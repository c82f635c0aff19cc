/* SPDX-License-Identifier: Apache-2.0 */
/* HoldToken: what its caller hears, what the mint hears, and what the others get meanwhile. */
#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

enum { S = 1000, LIFE_S = 7200, LIMIT_S = LIFE_S - 300 };

#define GOT_TOKEN(text, n) (strstr(text, "\"accessToken\":\"00D!t" #n "\"") != NULL)
#define REPLY(generation, ends, more) \
	"{'parameters':{'generation':" #generation ",'endsInSeconds':" #ends ",'ending':true}" more "}\n"
#define MORE ",'continues':true"

static struct connection *user(unsigned uid)
{
	return caller_connect(uid, uid, NULL, 0);
}

static void describe(const char *members)
{
	char all[512];

	snprintf(all, sizeof all, ",'renewal_ends_session':true%s", members);
	mint_credential("prod", 500, all);
}

static struct front *with_token(void)
{
	struct front *f = fixture_unsynced(65536);

	mint_rules("");
	describe("");
	mint_say("{'type':'Synced'}");
	mint_publish_life("prod", 7, LIFE_S * S, "");
	pass(10);
	fixture_forget();
	return f;
}

static struct connection *hold(const char *parameters)
{
	struct connection *c = user(500);

	caller_call(c, "HoldToken", parameters, ",'more':true");
	return c;
}

/* Another mint, which is told of the hold of 600 s ... */
static void mint_is_replaced(void)
{
	mint_dies();
	fixture_forget();
	mint_comes();
	CHECK(strstr(mint_heard_last(LINK_HAVE), q("'held_until_ms':1600010")));
}

/* ... and then says what it has. */
static void mint_syncs(void)
{
	mint_rules("");
	describe("");
	mint_publish("prod", 7, ",'deadline_ms':8200010");
	mint_say("{'type':'Synced'}");
}

TEST(it_gets_the_token_is_told_ahead_and_ends)
{
	struct front *f = with_token();
	struct connection *c = hold("{'credential':'prod','maxSeconds':600}");
	const char *first = caller_heard(c);

	CHECK(GOT_TOKEN(first, 7));
	CHECK(strstr(
		first,
		q(",'expiresInSeconds':7199},'generation':7,'endsInSeconds':600,'ending':false},"
		  "'continues':true}\n")));
	CHECK_INT(mint_heard(LINK_HOLD), 1);
	CHECK_STR(mint_heard_last(LINK_HOLD),
		  q("{'type':'Hold','credential':'prod','generation':7,'until_ms':1600010}"));
	pass(539 * S);
	CHECK_STR(caller_heard(c), "");
	pass(1 * S);
	CHECK_STR(caller_heard(c), q(REPLY(7, 60, MORE)));
	pass(60 * S);
	CHECK_STR(caller_heard(c), q(REPLY(7, 0, "")));
	CHECK_STR(mint_heard_last(LINK_HOLD),
		  q("{'type':'Hold','credential':'prod','generation':7,'until_ms':0}"));
	CHECK(!caller_waits(c));
	fixture_end(f);
}

TEST(the_mint_hears_of_the_longest_and_of_the_end_of_the_last)
{
	struct front *f = with_token();
	struct connection *a = hold("{'maxSeconds':100}"), *b = hold("{'maxSeconds':1000}"),
			  *c = hold("{'maxSeconds':500}");

	CHECK(GOT_TOKEN(caller_heard(c), 7));
	CHECK_INT(mint_heard(LINK_HOLD), 2);
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'until_ms':2000010")));
	caller_hangs_up(b);
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'until_ms':1500010")));
	caller_hangs_up(c);
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'until_ms':1100010")));
	caller_hangs_up(a);
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'until_ms':0")));
	CHECK_INT(mint_heard(LINK_HOLD), 5);
	fixture_end(f);
}

TEST(no_hold_is_longer_than_the_token_allows)
{
	struct front *f = with_token();
	struct connection *c = hold("{}"), *late;

	CHECK(strstr(caller_heard(c), q("'endsInSeconds':6899,'ending':false")));
	pass((LIMIT_S - 30) * S);
	CHECK_STR(caller_heard(c), q(REPLY(7, 60, MORE)));
	/* another one holds: it gets what there is */
	late = hold("{'maxSeconds':600}");
	CHECK(strstr(caller_heard(late), q("'endsInSeconds':29,'ending':false")));
	CHECK_INT(mint_heard(LINK_WANT), 0);
	fixture_end(f);
}

TEST(the_first_holder_of_an_old_token_gets_a_new_one)
{
	struct front *f = with_token();
	struct connection *c;

	pass(5000 * S);
	c = hold("{'maxSeconds':3000}");
	CHECK_STR(caller_heard(c), "");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	CHECK(strstr(mint_heard_last(LINK_WANT), q("'min_left_ms':3300000")));
	mint_publish_life("prod", 8, LIFE_S * S, "");
	CHECK(GOT_TOKEN(caller_heard(c), 8));
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'generation':8")));
	fixture_end(f);
}

TEST(it_takes_the_old_one_when_no_new_one_comes)
{
	struct front *f = with_token();
	struct connection *c;

	pass(5000 * S);
	c = hold("{'maxSeconds':3000}");
	CHECK_STR(caller_heard(c), "");
	pass(31 * S);
	CHECK(GOT_TOKEN(caller_heard(c), 7));
	fixture_end(f);
}

TEST(a_session_that_ends_all_the_same_ends_the_hold)
{
	struct front *f = with_token();
	struct connection *dead = hold("{}"), *renewed;

	caller_heard(dead);
	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	CHECK_STR(caller_heard(dead), q(REPLY(7, 0, "")));
	mint_publish_life("prod", 8, LIFE_S * S, "");
	renewed = hold("{}");
	CHECK(GOT_TOKEN(caller_heard(renewed), 8));
	mint_publish_life("prod", 9, LIFE_S * S, "");
	CHECK_STR(caller_heard(renewed), q(REPLY(8, 0, "")));
	CHECK_STR(mint_heard_last(LINK_HOLD),
		  q("{'type':'Hold','credential':'prod','generation':9,'until_ms':0}"));
	fixture_end(f);
}

TEST(where_a_renewal_ends_no_session_the_hold_is_of_the_token_alone)
{
	struct front *f = with_token();
	struct connection *c;

	mint_credential("prod", 500, "");
	pass(10);
	c = hold("{}");
	CHECK(strstr(caller_heard(c), q("'endsInSeconds':7199,'ending':false")));
	mint_publish_life("prod", 8, LIFE_S * S, "");
	CHECK_STR(caller_heard(c), "");
	CHECK_INT(mint_heard(LINK_HOLD), 0);
	fixture_end(f);
}

TEST(others_are_served_and_a_wish_for_more_life_is_told_how_long)
{
	struct front *f = with_token();
	struct connection *holder = hold("{'maxSeconds':3600}"), *plain = user(500),
			  *demanding = user(500);

	(void)holder;
	pass(3000 * S);
	caller_get(plain, "{}");
	CHECK(GOT_TOKEN(caller_heard(plain), 7));
	caller_get(demanding, "{'minValidSeconds':5000}");
	CHECK_STR(
		caller_heard(demanding),
		q("{'error':'io.sftoken.Broker.Unavailable','parameters':{'credential':'',"
		  "'message':'a caller holds the session of the current token, and a renewal would end it','retryAfterSeconds':600}}\n"));
	CHECK_INT(mint_heard(LINK_WANT), 0);
	fixture_end(f);
}

TEST(a_new_mint_hears_of_the_holds_with_the_tokens)
{
	struct front *f = with_token();
	struct connection *c = hold("{'maxSeconds':600}");

	caller_heard(c);
	mint_is_replaced();
	mint_syncs();
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'until_ms':1600010")));
	caller_hangs_up(c);
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'until_ms':0")));
	fixture_end(f);
}

/* The mint would put the renewal off for a caller who has gone. */
TEST(a_hold_that_ends_while_a_mint_begins_is_told_of)
{
	struct front *f = with_token();
	struct connection *c = hold("{'maxSeconds':600}");

	caller_heard(c);
	mint_is_replaced();
	caller_hangs_up(c);
	mint_syncs();
	CHECK_INT(mint_heard(LINK_HOLD), 1);
	CHECK(strstr(mint_heard_last(LINK_HOLD), q("'until_ms':0")));
	fixture_end(f);
}

TEST(who_loses_access_loses_the_hold_and_stopping_does_not_begin_a_renewal)
{
	struct front *f = with_token();
	struct connection *c = hold("{}"), *d;

	caller_heard(c);
	mint_credential("prod", 501, ",'uids':[501],'renewal_ends_session':true");
	pass(10);
	CHECK(strstr(caller_heard(c), "NoSuchCredential"));
	describe("");
	pass(10);
	d = hold("{}");
	caller_heard(d);
	fixture_forget();
	front_stop(f);
	CHECK(strstr(caller_heard(d), "ShuttingDown"));
	CHECK_INT(mint_heard(LINK_HOLD), 0);
	fixture_end(f);
}

TEST(a_caller_who_does_not_read_is_told_when_it_does)
{
	struct front *f = with_token();
	struct connection *c = hold("{'maxSeconds':600}");

	caller_heard(c);
	caller_stalls(c);
	pass(560 * S);
	caller_reads(c);
	(void)caller_heard(c);
	pass(40 * S);
	CHECK(strstr(caller_heard(c), q(REPLY(7, 0, ""))));
	fixture_end(f);
}

TEST(max_hold_zero_holds_nothing)
{
	struct front *f = with_token();
	struct connection *c;

	mint_rules(",'limits':{'MaxHold':0}");
	c = hold("{}");
	CHECK(GOT_TOKEN(caller_heard(c), 7));
	CHECK(!caller_waits(c));
	CHECK_INT(mint_heard(LINK_HOLD), 0);
	fixture_end(f);
}

CHECK_MAIN()

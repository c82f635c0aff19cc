/* SPDX-License-Identifier: Apache-2.0 */
/* The front's answers to callers, with a mint that says what the test wants. */
#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

enum { S = 1000, MANY = 1000 };

#define GOT_TOKEN(c, n) (strstr(caller_heard(c), "\"accessToken\":\"00D!t" #n "\"") != NULL)

static struct connection *user(unsigned uid)
{
	return caller_connect(uid, uid, NULL, 0);
}

/* A front that serves the credential prod to uid 500, without a token. */
static struct front *with_cold(void)
{
	struct front *f = fixture_unsynced(65536);

	mint_rules("");
	mint_credential("prod", 500, ",'state':'empty','aliases':['p','etl']");
	mint_say("{'type':'Synced'}");
	fixture_forget();
	return f;
}

static struct front *with_token(void)
{
	struct front *f = with_cold();

	mint_credential("prod", 500, ",'aliases':['p','etl']");
	mint_publish("prod", 7, "");
	pass(10);
	fixture_forget();
	return f;
}

TEST(nobody_is_accepted_before_the_first_synced)
{
	struct front *f = fixture_unsynced(65536);

	CHECK(!listener_is_enabled() && !fixture_ready());
	mint_rules("");
	CHECK(!listener_is_enabled());
	mint_say("{'type':'Synced'}");
	CHECK(listener_is_enabled() && fixture_ready());
	fixture_end(f);
}

TEST(a_thousand_callers_are_one_want_and_one_publish)
{
	struct front *f = with_cold();
	static struct connection *c[MANY];
	static char first[4096];
	int equal = 0;

	for (int i = 0; i < MANY; i++) {
		c[i] = user(500);
		caller_get(c[i], "{'credential':'prod'}");
	}
	CHECK_INT(mint_heard(LINK_WANT), 1);
	mint_credential("prod", 500, ",'state':'minting','attempt':true,'aliases':['p']");
	pass(3000);
	CHECK_INT(mint_heard(LINK_WANT), 1);
	CHECK_INT(fixture_replies(), 0);
	/* says what it did before it says what came of it */
	mint_credential("prod", 500, ",'aliases':['p']");
	mint_publish("prod", 7, "");
	pass(1);
	CHECK_INT(fixture_replies(), MANY);
	snprintf(first, sizeof(first), "%s", caller_heard(c[0]));
	for (int i = 1; i < MANY; i++)
		equal += strcmp(caller_heard(c[i]), first) == 0;
	CHECK_INT(equal, MANY - 1);
	CHECK(strstr(first, q("'accessToken':'00D!t7'")));
	CHECK_INT(mint_heard(LINK_WANT), 1);
	fixture_end(f);
}

TEST(after_an_answer_the_most_demanding_is_asked_for_once)
{
	struct front *f = with_cold();
	struct connection *plain = user(500), *patient = user(500), *demanding = user(500);

	caller_get(plain, "{}");
	caller_get(patient, "{'minValidSeconds':100,'waitSeconds':200}");
	caller_get(demanding, "{'minValidSeconds':5000,'waitSeconds':100}");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	mint_publish_life("prod", 7, 6000 * S, "");
	CHECK(GOT_TOKEN(plain, 7) && GOT_TOKEN(patient, 7) && GOT_TOKEN(demanding, 7));
	pass(2000 * S); /* 4000 s are left */
	fixture_forget();
	caller_get(plain, "{}");
	CHECK(GOT_TOKEN(plain, 7));
	caller_get(patient, "{'minValidSeconds':4500,'waitSeconds':200}");
	caller_get(demanding, "{'minValidSeconds':5500,'waitSeconds':100}");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	/* an answer that satisfies nobody yet: 2 h are left, so it satisfies all */
	mint_publish("prod", 7, ",'reported':false");
	CHECK(GOT_TOKEN(demanding, 7));
	fixture_end(f);
}

TEST(a_want_names_what_is_not_enough)
{
	struct front *f = with_token();
	struct connection *a = user(500), *b = user(500);

	mint_publish_life("prod", 8, 6000 * S, "");
	pass(2000 * S);
	caller_get(a, "{'minValidSeconds':4500,'waitSeconds':10}");
	CHECK(strstr(mint_heard_last(LINK_WANT), q("'not_generation':8")));
	CHECK(strstr(mint_heard_last(LINK_WANT), q("'min_left_ms':4500000")));
	caller_get(b, "{'minValidSeconds':5500,'waitSeconds':60}");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	pass(2 * S);
	mint_say("{'type':'Problem','credential':'prod'}"); /* an answer that changes nothing */
	CHECK_INT(mint_heard(LINK_WANT), 2);
	CHECK(strstr(mint_heard_last(LINK_WANT), q("'min_left_ms':5500000")));
	fixture_end(f);
}

TEST(the_news_of_one_change_are_judged_together)
{
	struct front *f = with_cold();
	struct connection *c = user(500);

	caller_get(c, "{'credential':'p'}");
	mint_credential("prod", 500, ",'state':'backoff','aliases':['p']");
	CHECK_STR(caller_heard(c), "");
	mint_say(
		"{'type':'Problem','credential':'prod','error':'Rejected','permanent':true,'oauth_error':'invalid_client',"
		"'description':'no','http_status':400}");
	CHECK_STR(
		caller_heard(c),
		q("{'error':'io.sftoken.Broker.Rejected','parameters':{'credential':'p','oauthError':'invalid_client',"
		  "'description':'no','httpStatus':400}}\n"));
	fixture_end(f);
}

TEST(the_deadline_ends_a_wait)
{
	struct front *f = with_cold();
	struct connection *c = user(500), *d = user(500), *zero = user(500);

	caller_get(c, "{'credential':'etl','waitSeconds':5}");
	caller_get(d, "{}");
	caller_get(zero, "{'waitSeconds':0}");
	CHECK_STR(
		caller_heard(zero),
		q("{'error':'io.sftoken.Broker.TimedOut','parameters':{'credential':'','waitSeconds':0}}\n"));
	pass(5 * S - 1);
	CHECK_STR(caller_heard(c), "");
	pass(1);
	CHECK_STR(
		caller_heard(c),
		q("{'error':'io.sftoken.Broker.TimedOut','parameters':{'credential':'etl','waitSeconds':5}}\n"));
	pass(25 * S - 1);
	CHECK_STR(caller_heard(d), "");
	pass(1);
	CHECK_STR(
		caller_heard(d),
		q("{'error':'io.sftoken.Broker.TimedOut','parameters':{'credential':'','waitSeconds':30}}\n"));
	fixture_end(f);
}

TEST(back_off_answers_at_once_but_for_a_first_demand)
{
	struct front *f = with_cold();
	struct connection *c = user(500), *d = user(500);

	mint_credential("prod", 500, ",'state':'backoff'");
	mint_say(
		"{'type':'Problem','credential':'prod','error':'Unavailable','message':'503','retry_at_ms':%lld}",
		(long long)fixture_now() + 120 * S);
	pass(10);
	caller_get(c, "{}");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	CHECK_STR(caller_heard(c), "");
	mint_say(
		"{'type':'Problem','credential':'prod','error':'Unavailable','message':'503','retry_at_ms':%lld}",
		(long long)fixture_now() + 100 * S);
	CHECK_STR(
		caller_heard(c),
		q("{'error':'io.sftoken.Broker.Unavailable','parameters':{'credential':'','message':'503',"
		  "'retryAfterSeconds':100}}\n"));
	caller_get(d, "{}");
	CHECK(strstr(caller_heard(d), q("'retryAfterSeconds':100")));
	CHECK_INT(mint_heard(LINK_WANT), 1);
	fixture_end(f);
}

/* --- claims --- */

TEST(a_thousand_claims_are_one_report)
{
	struct front *f = with_token();
	static struct connection *c[MANY];
	struct connection *other = user(500);
	int alive = 0;

	mint_credential("prod", 500, ",'uids':[500,4711]");
	for (int i = 0; i < MANY; i++) {
		c[i] = user(4711);
		caller_get(c[i], "{'credential':'prod','rejectedGeneration':7}");
	}
	CHECK_INT(mint_heard(LINK_REPORT), 1);
	CHECK(strstr(mint_heard_last(LINK_REPORT), q("'generation':7")));
	mint_publish("prod", 7, ",'reported':true");
	caller_get(other, "{'credential':'prod'}");
	CHECK(strstr(caller_heard(other), q("'validity':'reported'")));
	CHECK_INT(fixture_replies(), 1);
	mint_say(
		"{'type':'Verdict','credential':'prod','generation':7,'at_ms':%lld,'next_check_ms':%lld,'alive':true}",
		(long long)fixture_now(), (long long)fixture_now() + 60 * S);
	for (int i = 0; i < MANY; i++)
		alive +=
			strstr(caller_heard(c[i]),
			       q("'oauthError':'token_accepted_by_server','description':null,'httpStatus':200")) !=
			NULL;
	CHECK_INT(alive, MANY);
	CHECK_INT(mint_heard(LINK_REPORT), 1);
	CHECK_INT(mint_heard(LINK_WANT), 0);
	fixture_end(f);
}

TEST(a_confirmed_death_makes_everybody_wait_for_the_next)
{
	struct front *f = with_token();
	struct connection *reporter = user(500), *other = user(500);

	caller_get(reporter, "{'rejectedGeneration':7}");
	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	caller_get(other, "{'allowStale':true}");
	CHECK_INT(fixture_replies(), 0);
	CHECK_INT(mint_heard(LINK_WANT), 1);
	mint_publish("prod", 8, "");
	CHECK(GOT_TOKEN(reporter, 8) && GOT_TOKEN(other, 8));
	fixture_end(f);
}

TEST(a_check_that_could_not_tell_is_unavailable_for_the_reporter)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	caller_get(c, "{'rejectedGeneration':7}");
	mint_say(
		"{'type':'Verdict','credential':'prod','generation':7,'at_ms':%lld,'next_check_ms':%lld,'alive':false}",
		(long long)fixture_now(), (long long)fixture_now() + 60 * S);
	CHECK(strstr(caller_heard(c), q("io.sftoken.Broker.Unavailable")));
	fixture_end(f);
}

TEST(a_claim_after_the_verdict_is_a_new_one)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	for (unsigned i = 1; i <= 3; i++) {
		caller_get(c, "{'rejectedGeneration':7}");
		CHECK_INT(mint_heard(LINK_REPORT), i);
		mint_say(
			"{'type':'Verdict','credential':'prod','generation':7,'at_ms':%lld,'next_check_ms':%lld,'alive':true}",
			(long long)fixture_now(), (long long)fixture_now() + 60 * S);
		CHECK(strstr(caller_heard(c), "token_accepted_by_server"));
		pass(60 * S);
	}
	fixture_end(f);
}

TEST(a_mint_that_answers_without_trying_is_asked_once_a_second)
{
	struct front *f = with_cold();
	struct connection *c = user(500);

	caller_get(c, "{}");
	for (int i = 0; i < 100; i++) {
		pass(50);
		mint_say("{'type':'Problem','credential':'prod'}");
	}
	CHECK_INT(mint_heard(LINK_WANT), 1 + 5);
	pass(1000);
	CHECK_INT(mint_heard(LINK_WANT), 1 + 6);
	CHECK(caller_waits(c));
	fixture_end(f);
}

TEST(report_rejected_does_not_wait)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	caller_call(c, "ReportRejected", "{'generation':6}", "");
	CHECK_STR(caller_heard(c), q("{'parameters':{'accepted':false,'generation':7}}\n"));
	CHECK_INT(mint_heard(LINK_REPORT), 0);
	for (int i = 0; i < 5; i++)
		caller_call(
			c, "ReportRejected",
			"{'credential':'p','generation':7,'httpStatus':401,'errorCode':'INVALID_SESSION_ID'}",
			"");
	CHECK(strstr(caller_heard(c), q("{'parameters':{'accepted':true,'generation':7}}\n")));
	CHECK_INT(mint_heard(LINK_REPORT), 1);
	CHECK(strstr(
		mint_heard_last(LINK_REPORT),
		q("'credential':'prod','generation':7,'deadline_ms':0,'uid':500,'pid':600,'http_status':401,"
		  "'error_code':'INVALID_SESSION_ID'")));
	/* somebody waits now: the mint has to know */
	caller_get(c, "{'rejectedGeneration':7}");
	CHECK_INT(mint_heard(LINK_REPORT), 2);
	fixture_end(f);
}

TEST(reports_are_limited_per_user)
{
	struct front *f = with_token();
	struct connection *c = user(500), *service = user(4711);
	int limited = 0;

	mint_credential("prod", 500, ",'uids':[500,4711]");
	for (int i = 0; i < 25; i++) {
		caller_call(c, "ReportRejected", "{'generation':7}", "");
		limited +=
			strstr(caller_heard(c),
			       q("{'error':'io.sftoken.Broker.RateLimited','parameters':{'retryAfterSeconds':1}}")) !=
			NULL;
	}
	CHECK_INT(limited, 15);
	caller_get(c, "{'rejectedGeneration':7}");
	CHECK(strstr(caller_heard(c), "RateLimited"));
	for (int i = 0; i < 25; i++)
		caller_call(service, "ReportRejected", "{'generation':7}", "");
	CHECK(!strstr(caller_heard(service), "RateLimited"));
	CHECK_INT(mint_heard(LINK_REPORT), 1);
	fixture_end(f);
}

/* --- the shortcut --- */

TEST(equal_requests_take_the_shortcut)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	for (int i = 0; i < 3; i++)
		caller_get(c, "{'credential':'p'}");
	CHECK_INT(f->counters.value[COUNT_SHORTCUTS], 2);
	CHECK_INT(f->counters.value[COUNT_CALLS], 3);
	CHECK(GOT_TOKEN(c, 7));
	caller_get(c, "{'credential':'prod'}");
	CHECK_INT(f->counters.value[COUNT_SHORTCUTS], 2);
	caller_get(c, "{'credential':'prod','reason':'x'}");
	caller_get(c, "{'credential':'prod','reason':'x'}");
	CHECK_INT(f->counters.value[COUNT_SHORTCUTS], 2);
	fixture_end(f);
}

TEST(the_shortcut_obeys_all_rules)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	caller_get(c, "{'credential':'p'}");
	caller_get(c, "{'credential':'p'}");
	caller_heard(c);
	mint_publish("prod", 8, "");
	caller_get(c, "{'credential':'p'}");
	CHECK(GOT_TOKEN(c, 8));
	mint_credential("prod", 1, ",'aliases':['p']"); /* uid 500 is out */
	caller_get(c, "{'credential':'p'}");
	CHECK_STR(
		caller_heard(c),
		q("{'error':'io.sftoken.Broker.NoSuchCredential','parameters':{'credential':'p'}}\n"));
	mint_credential("prod", 500, ",'aliases':['p'],'state':'disabled'");
	caller_get(c, "{'credential':'p'}");
	CHECK(strstr(caller_heard(c), "NotServed"));
	mint_credential("prod", 500, "");
	caller_get(c, "{'credential':'p'}"); /* the alias is gone */
	CHECK(strstr(caller_heard(c), "NoSuchCredential"));
	mint_say("{'type':'Remove','credential':'prod'}");
	caller_get(c, "{'credential':'p'}");
	CHECK(strstr(caller_heard(c), "NoSuchCredential"));
	fixture_end(f);
}

TEST(the_shortcut_counts_against_the_rate)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	mint_rules(",'limits':{'MaxCallsPerSecond':5}");
	for (int i = 0; i < 5; i++)
		caller_get(c, "{}");
	CHECK(!strstr(caller_heard(c), "RateLimited"));
	caller_get(c, "{}");
	CHECK_STR(
		caller_heard(c),
		q("{'error':'io.sftoken.Broker.RateLimited','parameters':{'retryAfterSeconds':1}}\n"));
	pass(1000);
	caller_get(c, "{}");
	CHECK(GOT_TOKEN(c, 7));
	fixture_end(f);
}

TEST(connections_share_what_they_remember)
{
	struct front *f = with_token();
	struct connection *a = user(500), *b = user(500);

	caller_get(a, "{}");
	caller_get(b, "{}");
	CHECK_INT(f->remembered.n, 1);
	caller_hangs_up(a);
	caller_get(b, "{}");
	CHECK_INT(f->counters.value[COUNT_SHORTCUTS], 1);
	caller_hangs_up(b);
	CHECK_INT(f->remembered.n, 0);
	fixture_end(f);
}

TEST(what_the_shortcut_cannot_give_waits_like_any_call)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	caller_get(c, "{}");
	caller_heard(c);
	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	caller_get(c, "{}");
	CHECK(caller_waits(c));
	CHECK_INT(mint_heard(LINK_WANT), 1);
	mint_publish("prod", 8, "");
	CHECK(GOT_TOKEN(c, 8));
	fixture_end(f);
}

/* --- forms of calls --- */

TEST(a_oneway_call_neither_waits_nor_answers)
{
	struct front *f = with_cold();
	struct connection *c = user(500);

	caller_call(c, "GetToken", "{}", ",'oneway':true");
	CHECK(!caller_waits(c));
	CHECK_STR(caller_heard(c), "");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	caller_call(c, "GetToken", "{'credential':'nope'}", ",'oneway':true");
	CHECK(!caller_waits(c));
	CHECK_STR(caller_heard(c), "");
	fixture_end(f);
}

TEST(wrong_parameters_are_named)
{
	static const struct {
		const char *method, *parameters, *answer;
	} rows[] = {
		{ "GetToken", "{'reason':'\\u0007'}",
		  "InvalidParameter','parameters':{'parameter':'reason'}" },
		{ "GetToken", "{'reason':'caf\xc3\xa9'}",
		  "InvalidParameter','parameters':{'parameter':'reason'}" },
		{ "GetToken", "{'waitSeconds':301}",
		  "InvalidParameter','parameters':{'parameter':'waitSeconds'}" },
		{ "GetToken", "{'waitSeconds':-1}",
		  "InvalidParameter','parameters':{'parameter':'waitSeconds'}" },
		{ "GetToken", "{'shoeSize':43}",
		  "InvalidParameter','parameters':{'parameter':'shoeSize'}" },
		{ "GetToken", "{'credential':7}",
		  "InvalidParameter','parameters':{'parameter':'credential'}" },
		{ "ReportRejected", "{}",
		  "InvalidParameter','parameters':{'parameter':'generation'}" },
		{ "WatchToken", "{}", "org.varlink.service.ExpectedMore" },
		{ "Refresh", "{}", "MethodNotFound" },
		{ "io.sftoken.Manager.Refresh", "{}", "InterfaceNotFound" },
		{ "org.varlink.service.GetInfo", "{}",
		  "'interfaces':['org.varlink.service','io.sftoken.Broker']" },
	};
	struct front *f = with_token();
	struct connection *c = user(500);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].parameters);
		caller_call(c, rows[i].method, rows[i].parameters, "");
		CHECK(strstr(caller_heard(c), q(rows[i].answer)));
		CHECK(!caller_waits(c));
	}
	fixture_end(f);
}

/* --- the end --- */

TEST(stopping_answers_all_that_wait)
{
	struct front *f = with_cold();
	struct connection *get = user(500), *watch = user(500), *late = user(500);

	caller_get(get, "{}");
	caller_call(watch, "WatchToken", "{}", ",'more':true");
	front_stop(f);
	CHECK_STR(caller_heard(get),
		  q("{'error':'io.sftoken.Broker.ShuttingDown','parameters':{}}\n"));
	CHECK_STR(caller_heard(watch),
		  q("{'error':'io.sftoken.Broker.ShuttingDown','parameters':{}}\n"));
	caller_get(late, "{}");
	CHECK(strstr(caller_heard(late), "ShuttingDown"));
	CHECK(!listener_is_enabled());
	fixture_end(f);
}

TEST(who_hangs_up_is_forgotten)
{
	struct front *f = with_cold();
	struct connection *a = user(500), *b = user(500), *c = user(500);

	caller_get(a, "{}");
	caller_get(b, "{}");
	caller_call(c, "WatchToken", "{}", ",'more':true");
	caller_hangs_up(a);
	caller_hangs_up(c);
	CHECK_INT(f->deadlines.n, 1);
	mint_publish("prod", 7, "");
	CHECK(GOT_TOKEN(b, 7));
	CHECK_INT(f->connections, 1);
	pass(600 * S);
	fixture_end(f);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets what: access when an answer is written, watches, lists, limits on connections. */
#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

enum { S = 1000 };

#define GOT_TOKEN(c, n) (strstr(caller_heard(c), "\"accessToken\":\"00D!t" #n "\"") != NULL)

static struct connection *user(unsigned uid)
{
	return caller_connect(uid, uid, NULL, 0);
}

static void watch(struct connection *c, const char *parameters)
{
	caller_call(c, "WatchToken", parameters, ",'more':true");
}

static struct front *with_token(void)
{
	struct front *f = fixture_unsynced(65536);

	mint_rules("");
	mint_credential("prod", 500, ",'aliases':['p'],'gids':[90]");
	mint_publish("prod", 7, "");
	mint_say("{'type':'Synced'}");
	fixture_forget();
	return f;
}

TEST(not_yours_and_no_such_are_the_same_bytes)
{
	static const char *const calls[] = { "GetToken", "GetCredential", "ReportRejected",
					     "WatchToken" };
	struct front *f = with_token();
	struct connection *c = user(501);
	char yours[512];

	mint_credential("qqqq", 500, "");
	for (size_t i = 0; i < 4; i++) {
		const char *generation = i == 2 ? ",'generation':7" : "",
			   *more = i == 3 ? ",'more':true" : "";
		char parameters[128];

		check_row(calls[i]);
		snprintf(parameters, sizeof(parameters), "{'credential':'qqqq'%s}", generation);
		caller_call(c, calls[i], parameters, more);
		snprintf(yours, sizeof(yours), "%s", caller_heard(c));
		mint_say("{'type':'Remove','credential':'qqqq'}");
		caller_call(c, calls[i], parameters, more);
		CHECK_STR(caller_heard(c), yours);
		CHECK_STR(
			yours,
			q("{'error':'io.sftoken.Broker.NoSuchCredential','parameters':{'credential':'qqqq'}}\n"));
		mint_credential("qqqq", 500, "");
	}
	fixture_end(f);
}

TEST(groups_count_and_the_alias_is_repeated)
{
	static const unsigned groups[] = { 7, 90 };
	struct front *f = with_token();
	struct connection *member = caller_connect(501, 501, groups, 2),
			  *nobody = caller_connect(65534, 90, groups, 2);

	caller_get(member, "{'credential':'p'}");
	CHECK(GOT_TOKEN(member, 7));
	caller_get(nobody, "{'credential':'p'}");
	CHECK(strstr(caller_heard(nobody), q("NoSuchCredential','parameters':{'credential':'p'}")));
	fixture_end(f);
}

TEST(null_is_the_default_the_only_one_or_nothing)
{
	struct front *f = with_token();
	struct connection *c = user(500), *d = user(501);

	caller_get(c, "{'credential':null}");
	CHECK(GOT_TOKEN(c, 7));
	caller_get(d, "{}");
	CHECK_STR(
		caller_heard(d),
		q("{'error':'io.sftoken.Broker.NoSuchCredential','parameters':{'credential':''}}\n"));
	mint_credential("test", 500, "");
	mint_publish("test", 3, "");
	/* byte-equal to the first: the answer has changed all the same */
	caller_get(c, "{'credential':null}");
	CHECK(strstr(caller_heard(c), q("NoSuchCredential','parameters':{'credential':''}")));
	mint_rules(",'default_credential':'test'");
	caller_get(c, "{'credential':null}");
	CHECK(GOT_TOKEN(c, 3));
	fixture_end(f);
}

static unsigned looks;

struct entry *__real_table_default(const struct table *t, const struct peer *p,
				   const struct proof *who, const struct globs *globs,
				   bool *unknown);
struct entry *__wrap_table_default(const struct table *t, const struct peer *p,
				   const struct proof *who, const struct globs *globs,
				   bool *unknown);

/* Stands before the real one (meson.build): counts the looks at all credentials. */
struct entry *__wrap_table_default(const struct table *t, const struct peer *p,
				   const struct proof *who, const struct globs *globs,
				   bool *unknown)
{
	looks++;
	return __real_table_default(t, p, who, globs, unknown);
}

TEST(a_stranger_who_asks_for_null_again_costs_one_look)
{
	struct front *f = with_token();
	struct connection *c = user(501);

	looks = 0;
	for (int i = 0; i < 3; i++)
		caller_get(c, "{}");
	CHECK_INT(looks, 1);
	mint_credential("theirs", 501, ",'uids':[501]");
	mint_publish("theirs", 3, "");
	caller_get(c, "{}");
	CHECK(GOT_TOKEN(c, 3));
	caller_call(c, "GetCredential", "{}", "");
	CHECK_INT(looks, 2);
	fixture_end(f);
}

TEST(a_listener_narrows)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	mint_rules(
		",'listeners':[{'name':'other','globs':['x']},{'name':'broker','globs':['te?t','q*']}]");
	caller_get(c, "{'credential':'prod'}");
	CHECK(strstr(caller_heard(c), "NoSuchCredential"));
	mint_credential("test", 500, "");
	mint_publish("test", 3, "");
	caller_get(c, "{}"); /* the only one through this socket */
	CHECK(GOT_TOKEN(c, 3));
	mint_rules(",'listeners':[{'name':'broker','globs':[]}]");
	caller_get(c, "{'credential':'prod'}");
	CHECK(GOT_TOKEN(c, 7));
	fixture_end(f);
}

/* Its section was taken out, or says Enabled=no: its socket is open until the restart, and what narrowed it is gone. */
TEST(a_listener_that_a_reload_leaves_out_gives_nothing)
{
	struct front *f = with_token();
	struct connection *c = user(500), *later;

	mint_rules(",'listeners':[{'name':'broker','globs':['te*']}]");
	mint_rules(",'listeners':[{'name':'other','globs':[]}]");
	caller_get(c, "{'credential':'prod'}");
	CHECK(strstr(caller_heard(c), "NoSuchCredential"));
	later = user(500);
	caller_get(later, "{}");
	CHECK(strstr(caller_heard(later), "NoSuchCredential"));
	fixture_end(f);
}

TEST(access_is_judged_when_the_answer_is_written)
{
	struct front *f = with_token();
	struct connection *get = user(500), *member = caller_connect(501, 90, NULL, 0),
			  *looker = user(500);

	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	caller_get(get, "{'credential':'p'}");
	caller_get(member, "{}");
	watch(looker, "{'credential':'p'}");
	mint_credential("prod", 1, ",'aliases':['p'],'gids':[90]");
	pass(10);
	CHECK_STR(
		caller_heard(get),
		q("{'error':'io.sftoken.Broker.NoSuchCredential','parameters':{'credential':'p'}}\n"));
	CHECK_STR(
		caller_heard(looker),
		q("{'error':'io.sftoken.Broker.NoSuchCredential','parameters':{'credential':'p'}}\n"));
	CHECK(caller_waits(member));
	mint_publish("prod", 8, "");
	CHECK(GOT_TOKEN(member, 8));
	fixture_end(f);
}

/* --- watches --- */

TEST(a_watch_gets_the_current_one_and_each_new_one)
{
	struct front *f = with_token();
	struct connection *c = user(500);

	watch(c, "{}");
	CHECK(strstr(caller_heard(c), q("'generation':7")));
	mint_publish("prod", 7, ",'deadline_ms':9000000"); /* a corrected deadline is no news */
	CHECK_STR(caller_heard(c), "");
	mint_publish("prod", 8, "");
	CHECK(strstr(caller_heard(c), q("'expiresInSeconds':7200}},'continues':true}")));
	mint_publish("prod", 9, "");
	CHECK(strstr(caller_heard(c), q("'generation':9")));
	CHECK(caller_waits(c));
	fixture_end(f);
}

TEST(a_slow_watcher_gets_the_newest_alone)
{
	struct front *f = with_token();
	struct connection *c = user(500);
	const char *heard;

	caller_stalls(c);
	watch(c, "{}");
	mint_publish("prod", 8, "");
	mint_publish("prod", 9, "");
	mint_publish("prod", 10, "");
	caller_reads(c);
	heard = caller_heard(c);
	CHECK(strstr(heard, q("'generation':7,")) && strstr(heard, q("'generation':10,")));
	CHECK(!strstr(heard, q("'generation':8,")) && !strstr(heard, q("'generation':9,")));
	caller_reads(c);
	CHECK_STR(caller_heard(c), "");
	fixture_end(f);
}

TEST(trouble_never_ends_a_watch)
{
	struct front *f = with_token();
	struct connection *c = user(500), *cold = user(500);

	watch(c, "{}");
	caller_heard(c);
	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	watch(cold, "{}");
	mint_credential("prod", 500, ",'state':'login_required'");
	mint_say(
		"{'type':'Problem','credential':'prod','error':'Rejected','permanent':true,'oauth_error':'x','http_status':400}");
	pass(3600 * S);
	CHECK_STR(caller_heard(c), "");
	CHECK_STR(caller_heard(cold), "");
	mint_credential("prod", 500, "");
	mint_say("{'type':'Problem','credential':'prod'}");
	mint_publish("prod", 8, "");
	CHECK(GOT_TOKEN(c, 8) && GOT_TOKEN(cold, 8));
	mint_credential("prod", 500, ",'state':'disabled'");
	pass(10);
	CHECK_STR(
		caller_heard(c),
		q("{'error':'io.sftoken.Broker.NotServed','parameters':{'credential':'','state':'disabled',"
		  "'message':'the credential is disabled; an administrator can enable it'}}\n"));
	CHECK(!caller_waits(cold));
	fixture_end(f);
}

TEST(a_watch_asks_for_a_token_when_there_is_none)
{
	struct front *f = with_token();
	struct connection *c = user(500), *d = user(500);

	mint_say("{'type':'Dead','credential':'prod','generation':7}");
	watch(c, "{}");
	watch(d, "{}");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	CHECK(caller_waits(c) && caller_waits(d));
	fixture_end(f);
}

/* --- lists --- */

TEST(a_list_has_a_hundred_at_a_time)
{
	struct front *f = with_token();
	struct connection *c = user(500);
	char name[32];
	const char *heard;
	unsigned n = 0;

	mint_say("{'type':'Remove','credential':'prod'}");
	for (int i = 0; i < 101; i++) {
		snprintf(name, sizeof(name), "c%03d", i);
		mint_credential(name, 500, "");
		snprintf(name, sizeof(name), "d%03d", i);
		mint_credential(name, 1, ""); /* not this caller's */
	}
	caller_call(c, "ListCredentials", "{}", "");
	heard = caller_heard(c);
	for (const char *at = heard; (at = strstr(at, "\"name\"")); at++)
		n++;
	CHECK_INT(n, 100);
	CHECK(strstr(heard, q("'name':'c099'")) && strstr(heard, q("],'next':'c099'}")) &&
	      !strstr(heard, "\"d0"));
	caller_call(c, "ListCredentials", "{'after':'c099'}", "");
	heard = caller_heard(c);
	CHECK(strstr(heard, q("'credentials':[{'name':'c100'")) && strstr(heard, q("'next':null")));
	caller_call(c, "ListCredentials", "{'after':'c100'}", "");
	CHECK_STR(caller_heard(c), q("{'parameters':{'credentials':[],'next':null}}\n"));
	fixture_end(f);
}

/* Exactly a hundred, and none left for the next page. */
TEST(a_full_last_page_has_no_next)
{
	struct front *f = with_token();
	struct connection *c = user(500);
	char name[32];

	mint_say("{'type':'Remove','credential':'prod'}");
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "c%03d", i);
		mint_credential(name, 500, "");
	}
	mint_credential("d", 1, "");
	caller_call(c, "ListCredentials", "{}", "");
	CHECK(strstr(caller_heard(c), q("'next':null")));
	fixture_end(f);
}

TEST(a_list_stays_within_64_kib)
{
	struct front *f = with_token();
	struct connection *c = user(500);
	char name[128], members[2048], after[160] = "{}";
	unsigned n = 0, pages = 0;

	mint_say("{'type':'Remove','credential':'prod'}");
	memset(name, 'x', sizeof(name));
	name[120] = '\0';
	snprintf(members, sizeof(members),
		 ",'last_error':'%0200d','aliases':['a%s','b%s','c%s','d%s','e%s','f%s']", 0, name,
		 name, name, name, name, name);
	for (int i = 0; i < 100; i++) {
		char own[2200];

		snprintf(name, sizeof(name), "%03d", i);
		memset(name + 3, 'y', 110);
		name[113] = '\0';
		snprintf(own, sizeof(own), "%s", members);
		mint_credential(name, 500, own);
	}
	for (const char *heard = ""; !strstr(heard, q("'next':null")) && pages < 10; pages++) {
		const char *next;

		caller_call(c, "ListCredentials", after, "");
		heard = caller_heard(c);
		for (const char *at = heard; (at = strstr(at, "\"name\"")); at++)
			n++;
		CHECK(strlen(heard) <= 64 * 1024);
		next = strstr(heard, q("'next':'"));
		if (next)
			snprintf(after, sizeof(after), "{'after':'%.113s'}",
				 next + strlen("\"next\":\""));
	}
	CHECK_INT(n, 100);
	CHECK_INT(pages, 2);
	fixture_end(f);
}

TEST(a_credential_tells_all_but_its_token)
{
	struct front *f = with_token();
	struct connection *c = user(500);
	const char *heard;

	mint_credential("prod", 500,
			",'aliases':['p'],'state':'renewing','last_error':'slow','username':'me'");
	caller_call(c, "GetCredential", "{'credential':'p'}", "");
	heard = caller_heard(c);
	CHECK_STR(
		heard,
		q("{'parameters':{'credential':{'name':'prod','aliases':['p'],'grantType':'client_credentials','state':'renewing',"
		  "'instanceUrl':'https://i.example','username':'me','generation':7,'expiresAt':8200,'expirySource':'response',"
		  "'nextRefreshAt':null,'upstreamAttempts':3,'lastError':'slow'}}}\n"));
	fixture_end(f);
}

/* --- limits on connections --- */

TEST(connections_are_limited_with_a_reserve)
{
	struct front *f = with_token();
	int taken = 0;

	mint_rules(",'limits':{'MaxConnections':100,'MaxConnectionsPerUser':60}");
	for (int i = 0; i < 70; i++)
		taken += user(500) != NULL;
	CHECK_INT(taken, 60);
	for (int i = 0; i < 70; i++)
		taken += user(501) != NULL;
	CHECK_INT(taken, 68);
	for (int i = 0; i < 40; i++)
		taken += user(i % 2 ? 0 : 4711) != NULL;
	CHECK_INT(taken, 100);
	CHECK_INT(f->counters.value[LIMIT_CONNECTIONS], 62 + 8);
	CHECK_INT(f->counters.value[LIMIT_CONNECTIONS_USER], 10);
	fixture_end(f);
}

TEST(the_descriptor_limit_is_a_limit)
{
	struct front *f = fixture_front(164);
	int taken = 0;

	for (unsigned i = 0; i < 200; i++)
		taken += user(1000 + i) != NULL;
	CHECK_INT(taken, 68);
	for (unsigned i = 0; i < 200; i++)
		taken += user(0) != NULL;
	CHECK_INT(taken, 100);
	fixture_end(f);
}

TEST(the_privileged_are_not_rate_limited)
{
	struct front *f = with_token();
	struct connection *root = user(0), *service = user(4711), *c = user(500);

	mint_rules(",'limits':{'MaxCallsPerSecond':1}");
	for (int i = 0; i < 5; i++) {
		caller_call(root, "ListCredentials", "{}", "");
		caller_call(service, "ListCredentials", "{}", "");
		caller_call(c, "ListCredentials", "{}", "");
	}
	CHECK(!strstr(caller_heard(root), "RateLimited") &&
	      !strstr(caller_heard(service), "RateLimited"));
	CHECK(strstr(caller_heard(c), "RateLimited"));
	CHECK_INT(f->counters.value[LIMIT_CALLS], 4);
	fixture_end(f);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* AllowUnit= and AllowExecutable= in the front: what is asked when, and what an answer is worth. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/front/identity.h"
#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

/* Instead of the kernel (meson.build): whether it has pidfds of peers, and whether the process lives. */
static bool can_prove = true, lives = true;
static unsigned pidfds;

int __wrap_peer_pidfd(int sock);
bool __wrap_peer_lives(int pidfd);

int __wrap_peer_pidfd(int sock)
{
	(void)sock;
	pidfds++;
	return can_prove ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
}

bool __wrap_peer_lives(int pidfd)
{
	return pidfd >= 0 && lives;
}

#define GOT_TOKEN(c) (strstr(caller_heard(c), q("'accessToken':'00D!t")) != NULL)
#define NO_SUCH(name) q("{'error':'io.sftoken.Broker.NoSuchCredential','parameters':{'credential':'" name "'}}\n")
/* A call, and what it gets at once. */
#define CHECK_GETS(c, name) (caller_get((c), "{'credential':'" name "'}"), CHECK(GOT_TOKEN(c)))
#define CHECK_REFUSED(c, name) (caller_get((c), "{'credential':'" name "'}"), CHECK_STR(caller_heard(c), NO_SUCH(name)))
#define RULE ",'units':['etl*.service']"

static struct connection *user(unsigned uid)
{
	return caller_connect(uid, uid, NULL, 0);
}

/* "open" is for anybody that is user 500, "ruled" for those of them in a unit etl*.service. */
static struct front *begin(const char *rule)
{
	struct front *f = fixture_front(2000);

	can_prove = lives = true;
	pidfds = 0;
	mint_credential("open", 500, "");
	mint_credential("ruled", 500, rule);
	mint_publish("open", 3, "");
	mint_publish("ruled", 4, "");
	fixture_forget();
	return f;
}

static void answer(int64_t id, const char *members)
{
	mint_say("{'type':'Identity','id':%lld%s}", (long long)id, members);
}

TEST(nobody_is_asked_without_a_rule_that_may_let_it_in)
{
	struct front *f = begin("");
	struct connection *c = user(500), *stranger = user(501);

	CHECK_GETS(c, "ruled");
	mint_credential("ruled", 500, RULE);
	CHECK_REFUSED(stranger, "ruled");
	CHECK_INT(mint_heard(LINK_IDENTIFY), 0);
	CHECK_INT(pidfds, 0);
	fixture_end(f);
}

TEST(a_call_waits_until_it_is_known_who_makes_it)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500), *d = user(500);

	caller_get(c, "{'credential':'ruled'}");
	caller_get(d, "{'credential':'ruled'}");
	CHECK_INT(mint_heard(LINK_IDENTIFY), 2);
	CHECK(strstr(mint_heard_last(LINK_IDENTIFY), q("'id':2,'pid':600")));
	CHECK(caller_waits(c) && caller_waits(d));
	answer(2, ",'unit':'other.service'");
	CHECK_STR(caller_heard(d), NO_SUCH("ruled"));
	answer(1, ",'unit':'etl-a.service'");
	CHECK(GOT_TOKEN(c));
	/* once a connection */
	CHECK_GETS(c, "ruled");
	CHECK_REFUSED(d, "ruled");
	CHECK_GETS(d, "open");
	CHECK_INT(mint_heard(LINK_IDENTIFY), 2);
	CHECK_INT(f->counters.value[COUNT_CALLS], 5);
	fixture_end(f);
}

TEST(what_is_proven_ends_with_the_process)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500), *gone = user(500);

	caller_get(c, "{'credential':'ruled'}");
	answer(1, ",'unit':'etl.service'");
	CHECK(GOT_TOKEN(c));
	/* it has ended, and somebody else writes on its socket, maybe with its number */
	lives = false;
	CHECK_REFUSED(c, "ruled");
	/* /proc/PID was somebody else's */
	caller_get(gone, "{'credential':'ruled'}");
	answer(2, ",'unit':'etl.service'");
	CHECK_STR(caller_heard(gone), NO_SUCH("ruled"));
	lives = true;
	CHECK_REFUSED(gone, "ruled");
	fixture_end(f);
}

TEST(what_another_process_says_is_not_its_own)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500);

	caller_get(c, "{'credential':'ruled'}");
	answer(1, ",'unit':'etl.service'");
	CHECK(GOT_TOKEN(c));
	((struct peer *)connection_peer(c))->shared = true;
	CHECK_REFUSED(c, "ruled");
	CHECK_GETS(c, "open");
	fixture_end(f);
}

TEST(without_a_proof_a_rule_is_never_met)
{
	struct front *f = begin(RULE);
	struct connection *c;

	can_prove = false;
	c = user(500);
	CHECK_REFUSED(c, "ruled");
	CHECK_GETS(c, "open");
	/* outside of our pid namespace */
	can_prove = true;
	c = user(500);
	((struct peer *)connection_peer(c))->pid = 0;
	CHECK_REFUSED(c, "ruled");
	/* the mint cannot say */
	c = user(500);
	caller_get(c, "{'credential':'ruled'}");
	answer(3, "");
	CHECK_STR(caller_heard(c), NO_SUCH("ruled"));
	CHECK_INT(mint_heard(LINK_IDENTIFY), 1);
	fixture_end(f);
}

TEST(units_and_programs_are_both_to_be_met)
{
	static const struct {
		const char *rule, *is;
		bool allowed;
	} rows[] = {
		{ RULE, ",'unit':'etl.service'", true },
		{ RULE, ",'unit':'etl.service','executable':'/bin/x'", true },
		{ RULE, ",'unit':'xetl.service'", false },
		{ RULE, ",'unit':'user@1000.service/etl.service'", false },
		{ RULE, ",'executable':'/etl.service'", false },
		{ ",'units':['*']", ",'unit':'user@1000.service/etl.service'", false },
		{ ",'units':['user@*.service/etl.service']", ",'unit':'user@1000.service/etl.service'", true },
		{ ",'units':['a\\\\\\\\x2db.service']", ",'unit':'a\\\\\\\\x2db.service'", true },
		{ ",'executables':['/usr/bin/etl']", ",'executable':'/usr/bin/etl'", true },
		{ ",'executables':['/usr/bin/*']", ",'executable':'/usr/bin/etl'", true },
		{ ",'executables':['/usr/*']", ",'executable':'/usr/bin/etl'", false },
		{ ",'executables':['/usr/bin/etl']", ",'executable':'/usr/bin/etl2'", false },
		{ ",'executables':['/usr/bin/etl']", ",'unit':'etl.service'", false },
		{ RULE ",'executables':['/usr/bin/etl']", ",'unit':'etl.service','executable':'/usr/bin/etl'", true },
		{ RULE ",'executables':['/usr/bin/etl']", ",'unit':'etl.service','executable':'/usr/bin/x'", false },
		{ RULE ",'executables':['/usr/bin/etl']", ",'unit':'x.service','executable':'/usr/bin/etl'", false },
		{ RULE ",'executables':['/usr/bin/etl']", ",'unit':'etl.service'", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct front *f = begin(rows[i].rule);
		struct connection *c = user(500);

		check_row(rows[i].rule);
		caller_get(c, "{'credential':'ruled'}");
		answer(1, rows[i].is);
		CHECK_INT(GOT_TOKEN(c), rows[i].allowed);
		fixture_end(f);
	}
}

TEST(null_and_lists_know_it_too)
{
	struct front *f = begin(RULE);
	struct connection *in = user(500), *out = user(500);

	mint_say("{'type':'Remove','credential':'open'}");
	caller_get(in, "{}");
	answer(1, ",'unit':'etl.service'");
	CHECK(GOT_TOKEN(in));
	caller_call(in, "ListCredentials", "{}", "");
	CHECK(strstr(caller_heard(in), q("'name':'ruled'")));
	caller_call(out, "ListCredentials", "{}", "");
	CHECK(caller_waits(out));
	answer(2, ",'unit':'x.service'");
	CHECK_STR(caller_heard(out), q("{'parameters':{'credentials':[],'next':null}}\n"));
	caller_get(out, "{}");
	CHECK_STR(caller_heard(out), NO_SUCH(""));
	lives = false;
	caller_get(in, "{}");
	CHECK_STR(caller_heard(in), NO_SUCH(""));
	fixture_end(f);
}

/* A job that means the org of its rule must not write into another one because the mint was slow. */
TEST(null_is_no_other_credential_while_nobody_knows)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500);

	caller_get(c, "{}"); /* "open", or one of two */
	pass(2000);
	CHECK(strstr(caller_heard(c), "Unavailable"));
	mint_rules(",'default_credential':'ruled'");
	caller_get(c, "{}");
	CHECK(strstr(caller_heard(c), "Unavailable"));
	mint_rules(",'default_credential':'open'");
	caller_get(c, "{}");
	CHECK(strstr(caller_heard(c), q("'credential':'open'")));
	mint_rules(",'default_credential':'ruled'");
	answer(1, ",'unit':'etl.service'");
	caller_get(c, "{}");
	CHECK(strstr(caller_heard(c), q("'credential':'ruled'")));
	fixture_end(f);
}

TEST(a_program_that_a_reload_names_is_asked_for_again)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500);

	caller_get(c, "{'credential':'ruled'}");
	answer(1, ",'unit':'etl.service'"); /* no rule named its program: nobody looked */
	CHECK(GOT_TOKEN(c));
	mint_credential("ruled", 500, ",'executables':['/usr/bin/etl']");
	caller_get(c, "{'credential':'ruled'}");
	CHECK(caller_waits(c));
	answer(2, ",'executable':'/usr/bin/etl'");
	CHECK(GOT_TOKEN(c));
	mint_credential("ruled", 500, ",'executables':['/usr/bin/etl']");
	CHECK_GETS(c, "ruled");
	CHECK_INT(mint_heard(LINK_IDENTIFY), 2);
	fixture_end(f);
}

TEST(a_program_that_a_reload_names_is_asked_for_again_for_a_call_that_lasts)
{
	static const struct {
		const char *method, *parameters, *flags;
	} rows[] = {
		{ "WatchToken", "{'credential':'ruled'}", ",'more':true" },
		{ "HoldToken", "{'credential':'ruled'}", ",'more':true" },
		{ "GetToken", "{'credential':'ruled','minValidSeconds':7100,'waitSeconds':60}", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int good = 0; good < 2; good++) {
			struct front *f = begin(RULE);
			struct connection *c;

			check_row(rows[i].method);
			pass(200000); /* GetToken waits for a younger token */
			c = user(500);
			caller_call(c, rows[i].method, rows[i].parameters, rows[i].flags);
			answer(1,
			       ",'unit':'etl.service'"); /* no rule named its program: nobody looked */
			(void)caller_heard(c);
			CHECK(caller_waits(c));
			mint_credential("ruled", 500, ",'executables':['/usr/bin/etl']");
			pass(2);
			CHECK_STR(caller_heard(c), "");
			CHECK_INT(mint_heard(LINK_IDENTIFY), 2);
			answer(2, good ? ",'executable':'/usr/bin/etl'"
				       : ",'executable':'/usr/bin/x'");
			CHECK_STR(caller_heard(c), good ? "" : NO_SUCH("ruled"));
			CHECK_INT(caller_waits(c), good);
			fixture_end(f);
		}
	}
	check_row(NULL);
}

/* The way of a request that was answered before is the same. */
TEST(a_reload_that_makes_a_rule_changes_null_at_once)
{
	struct front *f = begin("");
	struct connection *c = user(500);

	mint_rules(",'default_credential':'ruled'");
	caller_get(c, "{}");
	caller_get(c, "{}");
	CHECK(GOT_TOKEN(c));
	mint_credential("ruled", 500, RULE);
	caller_get(c, "{}");
	CHECK_STR(caller_heard(c), "");
	CHECK(caller_waits(c));
	answer(1, ",'unit':'etl.service'");
	CHECK(strstr(caller_heard(c), q("'credential':'ruled'")));
	fixture_end(f);
}

TEST(a_program_that_a_reload_names_counts_for_null_too)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500);

	caller_get(c, "{}");
	answer(1, ",'unit':'job.service'");
	CHECK(strstr(caller_heard(c), q("'credential':'open'")));
	caller_get(c, "{}");
	CHECK(strstr(caller_heard(c), q("'credential':'open'")));
	/* it runs that, so that null is one of two from now on */
	mint_credential("ruled", 500, ",'executables':['/usr/bin/etl']");
	caller_get(c, "{}");
	CHECK_STR(caller_heard(c), "");
	answer(2, ",'executable':'/usr/bin/etl'");
	CHECK_STR(caller_heard(c), NO_SUCH(""));
	fixture_end(f);
}

TEST(a_mint_that_does_not_answer_holds_nobody_up)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500);

	caller_get(c, "{'credential':'open'}");
	pass(1999);
	CHECK(caller_waits(c));
	pass(1);
	CHECK(GOT_TOKEN(c));
	caller_get(c, "{'credential':'open'}"); /* at once from now on */
	CHECK(GOT_TOKEN(c));
	caller_get(c, "{'credential':'ruled'}");
	CHECK_STR(
		caller_heard(c),
		q("{'error':'io.sftoken.Broker.Unavailable','parameters':{'credential':'ruled',"
		  "'message':'it could not be found out in time which unit and program asks','retryAfterSeconds':1}}\n"));
	CHECK_REFUSED(c, "none");
	CHECK_INT(mint_heard(LINK_IDENTIFY), 1);
	CHECK_INT(f->counters.value[LIMIT_IDENTIFY_WAIT], 1);
	answer(1, ",'unit':'etl.service'");
	CHECK_GETS(c, "ruled");
	fixture_end(f);
}

TEST(a_new_mint_is_asked_again)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500);

	mint_full(0);
	caller_get(c, "{'credential':'ruled'}");
	CHECK_INT(mint_heard(LINK_IDENTIFY), 0);
	mint_room();
	CHECK_INT(mint_heard(LINK_IDENTIFY), 1);
	mint_dies();
	mint_comes();
	mint_rules("");
	mint_credential("ruled", 500, RULE);
	mint_say("{'type':'Synced'}");
	CHECK_INT(mint_heard(LINK_IDENTIFY), 2);
	CHECK(caller_waits(c));
	mint_publish("ruled", 5, "");
	answer(1, ",'unit':'etl.service'");
	CHECK(GOT_TOKEN(c));
	fixture_end(f);
}

TEST(a_reload_that_makes_a_rule_asks_for_those_that_wait)
{
	struct front *f = begin("");
	struct connection *in = user(500), *out = user(500), *watch_in = user(500),
			  *watch_out = user(500), *late = user(500);

	mint_say("{'type':'Dead','credential':'ruled','generation':4}");
	caller_get(in, "{'credential':'ruled'}");
	caller_get(out, "{'credential':'ruled'}");
	caller_get(late, "{'credential':'ruled','waitSeconds':5}");
	caller_call(watch_in, "WatchToken", "{'credential':'ruled'}", ",'more':true");
	caller_call(watch_out, "WatchToken", "{'credential':'ruled'}", ",'more':true");
	mint_credential("ruled", 500, RULE);
	pass(10);
	CHECK_INT(mint_heard(LINK_IDENTIFY), 5);
	CHECK(caller_waits(in) && caller_waits(out) && caller_waits(watch_in) &&
	      caller_waits(watch_out));
	/* ids are in the order in which they were judged: the waiters, then the watches */
	answer(1, ",'unit':'etl.service'");
	answer(2, ",'unit':'x.service'");
	answer(4, ",'unit':'etl.service'");
	answer(5, ",'unit':'x.service'");
	CHECK(caller_waits(in) && caller_waits(watch_in));
	CHECK_STR(caller_heard(out), NO_SUCH("ruled"));
	CHECK_STR(caller_heard(watch_out), NO_SUCH("ruled"));
	pass(5000);
	CHECK(strstr(caller_heard(late), "Unavailable"));
	mint_publish("ruled", 5, "");
	CHECK(GOT_TOKEN(in));
	CHECK(GOT_TOKEN(watch_in));
	fixture_end(f);
}

/* The request that is answered without being read must not outlive the proof either. */
TEST(no_shortcut_leads_around_a_rule)
{
	struct front *f = begin("");
	struct connection *c = user(500);

	caller_get(c, "{'credential':'ruled'}");
	caller_get(c, "{'credential':'ruled'}");
	CHECK_INT(f->counters.value[COUNT_SHORTCUTS], 1);
	caller_heard(c);
	mint_credential("ruled", 500, RULE);
	caller_get(c, "{'credential':'ruled'}");
	CHECK(caller_waits(c));
	answer(1, ",'unit':'etl.service'");
	CHECK(GOT_TOKEN(c));
	for (int i = 0; i < 3; i++) {
		CHECK_GETS(c, "ruled");
	}
	CHECK_INT(f->counters.value[COUNT_SHORTCUTS], 1);
	fixture_end(f);
}

TEST(who_goes_while_it_is_asked_for_is_forgotten)
{
	struct front *f = begin(RULE);
	struct connection *c = user(500), *d = user(500);

	caller_get(c, "{'credential':'ruled'}");
	caller_get(d, "{'credential':'ruled'}");
	caller_hangs_up(c);
	answer(1, ",'unit':'etl.service'");
	answer(7, ",'unit':'etl.service'");
	CHECK(caller_waits(d));
	front_stop(f);
	CHECK(strstr(caller_heard(d), "ShuttingDown"));
	fixture_end(f);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* The credential socket: who is believed, what is fresh enough, and what the bytes are. */
#include "daemon/front/load_text.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static struct front *the_front;

#define LOAD(id) load("1/unit/etl.service/" id, 0)

/* A connection to it from the abstract address "\0name" (NULL: from none), as uid; the caller closes it. */
static int caller_loads(const char *name, size_t size, unsigned uid)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct peer peer = { .uid = uid, .gid = uid, .pid = 42 };
	const socklen_t head = offsetof(struct sockaddr_un, sun_path);
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t at_size = sizeof(at);

	/* any abstract name; the one of the caller counts */
	if (bind(listening, (void *)&at, head) < 0 || listen(listening, 1) < 0 ||
	    getsockname(listening, (void *)&at, &at_size) < 0)
		abort();
	if (name) {
		struct sockaddr_un own = { .sun_family = AF_UNIX };

		memcpy(own.sun_path + 1, name, size);
		if (bind(client, (void *)&own, head + 1 + (socklen_t)size) < 0)
			abort();
	}
	if (connect(client, (void *)&at, at_size) < 0)
		abort();
	/* the fixture's one listener is the credential socket for as long */
	the_front->listeners[0].loads = true;
	the_front->listener_handlers.accepted(the_front->listeners[0].listener,
					      accept4(listening, NULL, NULL, SOCK_CLOEXEC), &peer,
					      the_front);
	the_front->listeners[0].loads = false;
	close(listening);
	return client;
}

/* What has come: "" for an end without a byte, NULL while it waits. */
static const char *load_heard(int client)
{
	static char text[65536];
	ssize_t n = recv(client, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return n < 0 ? NULL : text;
}

static int load(const char *name, unsigned uid)
{
	return caller_loads(name, strlen(name), uid);
}

/* The answer and no more: "-" while it waits. */
static const char *heard(int client)
{
	static char kept[65536];
	const char *text = load_heard(client);

	snprintf(kept, sizeof(kept), "%s", text ? text : "-");
	close(client);
	return kept;
}

static struct front *with_credential(const char *members)
{
	struct front *f = the_front = fixture_unsynced(2000);

	mint_rules(",'manager_uid':0");
	mint_credential("prod", 500, members);
	mint_say("{'type':'Synced'}");
	return f;
}

#define NAMED ",'load_units':['etl*.service'],'aliases':['p']"

TEST(the_named_unit_gets_the_field)
{
	struct front *f = with_credential(NAMED);

	mint_publish("prod", 7, "");
	CHECK_STR(heard(LOAD("prod.token")), "00D!t7");
	CHECK_STR(heard(LOAD("p.url")), "https://i.example");
	CHECK_STR(heard(LOAD("prod.env")),
		  "SF_ACCESS_TOKEN='00D!t7'\nSF_ORG_INSTANCE_URL='https://i.example'\n"
		  "SFTOKEN_EXPIRES_AT='8200'\nSFTOKEN_GENERATION='7'\n");
	CHECK_STR(
		heard(LOAD("prod.json")),
		q("{'accessToken':'00D!t7','tokenType':'Bearer','instanceUrl':'https://i.example','credential':'prod',"
		  "'generation':7,'issuedAt':1000,'expiresAt':8200,'expirySource':'response','validity':'fresh',"
		  "'refreshAfter':null,'scopes':['api','web'],'identityUrl':null,'organizationId':null,'userId':null,"
		  "'username':null,'expiresInSeconds':7200}"));
	CHECK_INT(f->counters.value[COUNT_LOADS], 4);
	CHECK_INT(mint_heard(LINK_WANT), 0);
	CHECK(strstr(mint_heard_last(LINK_SERVED), q("'reason':'loaded by etl.service'")));
	CHECK_INT(f->connections, 0);
	fixture_end(f);
}

TEST(nobody_else_gets_a_byte)
{
	static const struct {
		const char *name;
		unsigned uid;
	} rows[] = {
		{ "1/unit/other.service/prod.token", 0 },
		{ "1/unit/etl.service/prod.refresh", 0 },
		{ "1/unit/etl.service/none.token", 0 },
		{ "1/unit/etl.service/prod.token", 500 },
		{ "1/unit/etl.service/prod.token", 4711 },
		{ "1/unit/etl.service/prod.token", 65534 },
		{ "etl.service/prod.token", 0 },
	};
	struct front *f = with_credential(NAMED);

	mint_publish("prod", 7, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].name);
		CHECK_STR(heard(load(rows[i].name, rows[i].uid)), "");
	}
	CHECK_STR(heard(caller_loads(NULL, 0, 0)), "");
	CHECK_INT(f->counters.value[COUNT_LOADS], 0);
	CHECK_INT(f->counters.value[COUNT_LOADS_REFUSED], 8);
	CHECK_INT(f->connections, 0);
	fixture_end(f);
}

static unsigned idle;

static void on_idle(void)
{
	idle++;
}

/* It would be told that the daemon stops, and systemd would not start it. */
TEST(a_unit_that_waits_is_a_caller)
{
	static const struct front_events events = { .idle = on_idle };
	struct front *f = with_credential(NAMED);
	int client;

	f->events = &events;
	idle = 0;
	CHECK_INT(front_until_idle(f, 1000, NULL), 0);
	client = LOAD("prod.token");
	pass(2000);
	CHECK(!load_heard(client));
	CHECK_INT(idle, 0);
	mint_publish("prod", 7, "");
	CHECK_STR(load_heard(client), "00D!t7");
	close(client);
	pass(999);
	CHECK_INT(idle, 0);
	pass(1);
	CHECK_INT(idle, 1);
	fixture_end(f);
}

/* In user mode it is the user's own, and before the rules say so it is nobody. */
TEST(the_manager_is_who_the_mint_says)
{
	struct front *f = with_credential(NAMED);

	mint_publish("prod", 7, "");
	mint_rules(",'manager_uid':4711");
	CHECK_STR(heard(LOAD("prod.token")), "");
	CHECK_STR(heard(load("1/unit/etl.service/prod.token", 4711)), "00D!t7");
	mint_rules("");
	CHECK_STR(heard(LOAD("prod.token")), "");
	CHECK_STR(heard(load("1/unit/etl.service/prod.token", 4711)), "");
	fixture_end(f);
}

TEST(without_the_key_no_unit_is_named)
{
	struct front *f = with_credential(",'uids':[0]");

	mint_publish("prod", 7, "");
	CHECK_STR(heard(LOAD("prod.token")), "");
	mint_credential("prod", 500, ",'load_units':[]");
	CHECK_STR(heard(LOAD("prod.token")), "");
	fixture_end(f);
}

TEST(a_listener_narrows)
{
	struct front *f = with_credential(NAMED);

	mint_publish("prod", 7, "");
	mint_rules(",'manager_uid':0,'listeners':[{'name':'broker','globs':['x*']}]");
	CHECK_STR(heard(LOAD("prod.token")), "");
	mint_rules(",'manager_uid':0,'listeners':[{'name':'broker','globs':['pr*']}]");
	CHECK_STR(heard(LOAD("prod.token")), "00D!t7");
	fixture_end(f);
}

TEST(less_than_90_minutes_are_renewed_first)
{
	struct front *f = with_credential(NAMED);
	int c;

	mint_publish_life("prod", 7, 2 * HOUR, ",'deadline_ms':6400000"); /* 90 min */
	CHECK_STR(heard(LOAD("prod.token")), "00D!t7");
	pass(1000);
	c = LOAD("prod.token");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	CHECK(strstr(mint_heard_last(LINK_WANT),
		     q("'min_left_ms':5400000,'not_generation':7,'deadline_ms':1031000")));
	CHECK(!load_heard(c));
	mint_publish("prod", 8, "");
	CHECK_STR(heard(c), "00D!t8");
	fixture_end(f);
}

/* A life of an hour has no 90 minutes: three quarters of it do. */
TEST(a_short_life_is_no_reason_to_renew_each_time)
{
	struct front *f = with_credential(NAMED);
	int c;

	mint_publish_life("prod", 7, HOUR, "");
	pass(15 * MINUTE);
	CHECK_STR(heard(LOAD("prod.token")), "00D!t7");
	CHECK_INT(mint_heard(LINK_WANT), 0);
	pass(1);
	c = LOAD("prod.token");
	CHECK_INT(mint_heard(LINK_WANT), 1);
	mint_publish_life("prod", 8, HOUR, "");
	CHECK_STR(heard(c), "00D!t8");
	fixture_end(f);
}

TEST(what_is_valid_is_given_when_nothing_better_comes)
{
	struct front *f = with_credential(NAMED);
	int c;

	mint_publish_life("prod", 7, 2 * HOUR, ",'deadline_ms':1600000"); /* 10 min */
	pass(1);
	c = LOAD("prod.token");
	pass(29 * 1000);
	CHECK(!load_heard(c));
	pass(1000);
	CHECK_STR(heard(c), "00D!t7");
	/* waiting must not take the life away that is left */
	mint_publish_life("prod", 8, 2 * HOUR, ",'deadline_ms':1040001"); /* 10 s */
	pass(1);
	c = LOAD("prod.token");
	pass(4998);
	CHECK(!load_heard(c));
	pass(1);
	CHECK_STR(heard(c), "00D!t8");
	/* Salesforce is not there */
	mint_publish_life("prod", 9, 2 * HOUR, ",'deadline_ms':1700000");
	pass(1);
	mint_credential("prod", 500, NAMED ",'state':'backoff'");
	mint_say(
		"{'type':'Problem','credential':'prod','error':'Unavailable','permanent':false,'message':'no','retry_at_ms':1035000}");
	CHECK_STR(heard(LOAD("prod.token")), "00D!t9");
	mint_say("{'type':'Problem','credential':'prod'}");
	mint_credential("prod", 500, NAMED);
	/* the server gives the same one again and again */
	mint_publish("prod", 10, ",'unchanged':true,'deadline_ms':1600000");
	CHECK_STR(heard(LOAD("prod.token")), "00D!t10");
	/* it is known that there is none */
	mint_publish("prod", 11, ",'deadline_ms':1600000");
	pass(1);
	mint_credential("prod", 500, NAMED ",'state':'login_required'");
	CHECK_STR(heard(LOAD("prod.token")), "00D!t11");
	/* nobody is there to ask */
	mint_credential("prod", 500, NAMED);
	mint_dies();
	CHECK_STR(heard(LOAD("prod.token")), "00D!t11");
	fixture_end(f);
}

TEST(a_token_that_a_person_renews_is_given_as_it_is)
{
	struct front *f = with_credential(NAMED);

	mint_say(
		"{'type':'Credential','name':'prod','grant_type':'user_agent','upstream_attempts':3,'aliases':[],'gids':[],"
		"'uids':[],'state':'valid','attempt':false,'load_units':['etl*.service']}");
	mint_publish_life("prod", 7, 2 * HOUR, ",'deadline_ms':1600000");
	CHECK_STR(heard(LOAD("prod.token")), "00D!t7");
	CHECK_INT(mint_heard(LINK_WANT), 0);
	fixture_end(f);
}

TEST(without_a_valid_one_it_ends_without_a_byte)
{
	struct front *f = with_credential(NAMED);
	int c = LOAD("prod.token");

	CHECK_INT(mint_heard(LINK_WANT), 1);
	pass(29 * 1000);
	CHECK(!load_heard(c));
	pass(1000);
	CHECK_STR(heard(c), "");
	mint_credential("prod", 500, NAMED ",'state':'login_required'");
	CHECK_STR(heard(LOAD("prod.token")), "");
	mint_credential("prod", 500, NAMED);
	mint_publish_life("prod", 7, HOUR, "");
	pass(HOUR);
	c = LOAD("prod.token");
	mint_say(
		"{'type':'Problem','credential':'prod','error':'Rejected','permanent':true,'message':'no','oauth_error':'x','http_status':400}");
	CHECK_STR(heard(c), "");
	CHECK(strstr(mint_heard_last(LINK_LOG), "") != NULL);
	CHECK_INT(f->connections, 0);
	fixture_end(f);
}

TEST(access_is_judged_when_the_token_is_there)
{
	struct front *f = with_credential(NAMED);
	int taken = LOAD("prod.token"), gone, kept;

	mint_credential("prod", 500, ",'load_units':['other.service']");
	pass(10);
	CHECK_STR(heard(taken), "");
	mint_credential("prod", 500, NAMED);
	gone = LOAD("prod.token");
	mint_say("{'type':'Remove','credential':'prod'}");
	CHECK_STR(heard(gone), "");
	mint_credential("prod", 500, NAMED);
	kept = LOAD("prod.token");
	mint_dies();
	mint_comes();
	mint_rules(",'manager_uid':0");
	mint_credential("prod", 500, NAMED);
	mint_say("{'type':'Synced'}");
	CHECK(!load_heard(kept));
	mint_publish("prod", 9, "");
	CHECK_STR(heard(kept), "00D!t9");
	fixture_end(f);
}

TEST(a_stop_ends_those_that_wait)
{
	struct front *f = with_credential(NAMED);
	int c = LOAD("prod.token");

	front_stop(f);
	CHECK_STR(heard(c), "");
	CHECK_STR(heard(LOAD("prod.token")), "");
	CHECK_INT(f->connections, 0);
	fixture_end(f);
}

TEST(who_has_hung_up_is_no_trouble)
{
	struct front *f = with_credential(NAMED);

	close(LOAD("prod.token"));
	mint_publish("prod", 7, "");
	CHECK_INT(f->connections, 0);
	CHECK_INT(f->counters.value[COUNT_LOADS], 0);
	fixture_end(f);
}

/* Single quotes mean the same to systemd and to shells as long as there is none in them; else double ones do. */
TEST(variables_are_quoted_for_both_readers)
{
	struct front *f = with_credential(NAMED);

	mint_publish("prod", 7, ",'token':'a!$b`c\\\\d\\\"e'");
	CHECK(strstr(heard(LOAD("prod.env")), "SF_ACCESS_TOKEN='a!$b`c\\d\"e'\n"));
	mint_publish("prod", 8, ",'token':'a\\u0027b$c`d\\\\e'");
	CHECK(strstr(heard(LOAD("prod.env")), "SF_ACCESS_TOKEN=\"a'b\\$c\\`d\\\\e\"\n"));
	mint_publish("prod", 9, ",'token':'a\\nb'");
	CHECK_STR(heard(LOAD("prod.env")), "");
	CHECK_STR(heard(LOAD("prod.token")), "a\nb");
	fixture_end(f);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* call.refused: what the log says of a caller that hears no more than "no such credential". */
#include "daemon/front/refusals.h"

#include <fcntl.h>

#include "base/log.h"
#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

/* Instead of the kernel (meson.build). */
int __wrap_peer_pidfd(int sock);
bool __wrap_peer_lives(int pidfd);

static bool lives;

int __wrap_peer_pidfd(int sock)
{
	(void)sock;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool __wrap_peer_lives(int pidfd)
{
	return pidfd >= 0 && lives;
}

enum { MINUTE = 60000 };

static unsigned lines;
static char last[2048];

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	CLEANUP(buf_finip) struct buf line;

	(void)arg;
	if (strcmp(event, "call.refused") != 0)
		return;
	CHECK_INT(level, LOG_LEVEL_NOTICE);
	lines++;
	buf_init(&line, sizeof(last) - 1);
	log_format_line(&line, LOG_FORMAT_TEXT, "", 0, level, event, fields, n);
	snprintf(last, sizeof(last), "%.*s", (int)line.len, line.data);
}

static struct front *begin(void)
{
	struct front *f = fixture_front(2000);

	mint_credential("prod", 500, ",'aliases':['p']");
	mint_credential("other", 500, "");
	mint_publish("prod", 3, "");
	lives = true;
	lines = 0;
	last[0] = '\0';
	log_set_sink(sink, NULL);
	return f;
}

static void end(struct front *f)
{
	fixture_end(f);
	log_set_sink(NULL, NULL);
}

static struct connection *user(unsigned uid)
{
	return caller_connect(uid, uid + 1, NULL, 0);
}

/* Says so to the caller, and one line later. */
static void get_no_such(struct connection *c, const char *parameters)
{
	caller_get(c, parameters);
	CHECK(strstr(caller_heard(c), "NoSuchCredential"));
}

#define USER_501                                                                     \
	"call.refused credential=prod uid=501 gid=502 pid=601 listener=broker "      \
	"why=\"uid 501 and its groups are not in AllowUser= or AllowGroup=\" count="

TEST(who_is_not_named_is_told_once_a_minute)
{
	struct front *f = begin();
	struct connection *c = user(501);

	get_no_such(c, "{'credential':'p'}");
	CHECK_INT(lines, 0); /* not before the answer */
	pass(1);
	CHECK_STR(last, USER_501 "1");
	get_no_such(c, "{'credential':'p'}");
	get_no_such(user(501), "{'credential':'prod'}");
	pass(1);
	CHECK_INT(lines, 1);
	pass(2 * MINUTE);
	CHECK_INT(lines, 2);
	CHECK(strstr(last, "count=2"));
	CHECK_INT(f->counters.value[COUNT_CALLS_REFUSED], 3);
	pass(3 * MINUTE);
	CHECK_INT(f->refusals.records.n, 0);
	get_no_such(c, "{'credential':'p'}");
	pass(1);
	CHECK_INT(lines, 3);
	CHECK_STR(last, USER_501 "1");
	end(f);
}

TEST(not_twice_within_a_minute)
{
	struct front *f = begin();
	struct connection *c = user(501);

	pass(MINUTE - 10); /* the front's minute ends right after the first one */
	get_no_such(c, "{'credential':'prod'}");
	pass(1);
	get_no_such(c, "{'credential':'prod'}");
	pass(MINUTE - 100);
	CHECK_INT(lines, 1);
	pass(MINUTE + 200);
	CHECK_INT(lines, 2);
	end(f);
}

TEST(every_method_and_a_watch_that_ends)
{
	static const char *const calls[] = { "GetCredential", "ReportRejected", "WatchToken" };
	struct front *f = begin();
	struct connection *c = user(500);

	for (unsigned i = 0; i < 3; i++) {
		check_row(calls[i]);
		caller_call(user(700 + i), calls[i],
			    i == 1 ? "{'credential':'prod','generation':3}"
				   : "{'credential':'prod'}",
			    i == 2 ? ",'more':true" : "");
		pass(1);
		CHECK_INT(lines, i + 1);
	}
	caller_call(c, "WatchToken", "{'credential':'prod'}", ",'more':true");
	mint_credential("prod", 1, "");
	pass(10);
	CHECK_INT(lines, 4);
	CHECK(strstr(last, "uid=500"));
	end(f);
}

/* No log of probing, and nothing for those who are served or are allowed and wait. */
TEST(what_does_not_exist_is_not_told)
{
	struct front *f = begin();
	struct connection *c = user(501);

	get_no_such(c, "{'credential':'nothing'}");
	get_no_such(c, "{}"); /* two credentials, and none of them is a default */
	caller_get(user(500), "{'credential':'prod'}");
	caller_get(user(500), "{'credential':'other'}");
	mint_say("{'type':'Remove','credential':'other'}");
	pass(10);
	CHECK_INT(lines, 0);
	CHECK_INT(f->counters.value[COUNT_CALLS_REFUSED], 0);
	end(f);
}

TEST(null_means_the_default_or_the_only_one)
{
	struct front *f = begin();
	struct connection *c = user(501);

	mint_rules(",'default_credential':'other'");
	get_no_such(c, "{}");
	pass(1);
	CHECK_INT(lines, 1);
	CHECK(strstr(last, "credential=other uid=501"));
	mint_rules("");
	mint_say("{'type':'Remove','credential':'other'}");
	get_no_such(c, "{}");
	pass(1);
	CHECK_STR(last, USER_501 "1");
	end(f);
}

TEST(the_other_reasons)
{
	struct front *f = begin();
	struct connection *c = user(500);

	mint_rules(",'listeners':[{'name':'broker','globs':['x*']}]");
	get_no_such(c, "{'credential':'prod'}");
	pass(1);
	CHECK(strstr(last, "why=\"the listener broker does not give it\""));
	mint_rules(",'listeners':[{'name':'broker','globs':[]}]");
	mint_credential("prod", 500, ",'units':['etl.service'],'executables':['/usr/bin/etl']");
	caller_get(c, "{'credential':'prod'}");
	mint_say("{'type':'Identity','id':1,'unit':'cron.service','executable':'/usr/bin/x'}");
	pass(1);
	CHECK(strstr(last, "why=\"unit cron.service is not in AllowUnit=\""));
	mint_credential("prod", 500, ",'executables':['/usr/bin/etl']");
	get_no_such(c, "{'credential':'prod'}");
	pass(1);
	CHECK(strstr(last, "why=\"program /usr/bin/x is not in AllowExecutable=\""));
	lives = false;
	mint_credential("prod", 500, ",'units':['etl.service']");
	get_no_such(c, "{'credential':'prod'}");
	pass(1); /* not the same as another unit */
	CHECK(strstr(last, "why=\"its unit is not in AllowUnit=, or cannot be proved to be\""));
	get_no_such(user(65534), "{'credential':'prod'}");
	pass(1);
	CHECK(strstr(last, "uid 65534 stands for all that have no number here"));
	mint_credential("other", 500, "");
	get_no_such(user(0), "{'credential':'other'}");
	pass(1);
	CHECK(strstr(last, "uid 0 ") && strstr(last, "Root=no"));
	end(f);
}

/* A user who knows many names fills neither the log nor the memory, nor takes the place of others. */
TEST(the_table_is_bounded)
{
	struct front *f = begin();
	struct connection *c = user(501);
	char text[64];

	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "c%03d", i);
		mint_credential(text, 500, "");
		snprintf(text, sizeof(text), "{'credential':'c%03d'}", i);
		get_no_such(c, text);
	}
	pass(1);
	CHECK_INT(lines, REFUSALS_USER_MAX);
	CHECK_INT(f->counters.value[COUNT_CALLS_REFUSED], 100);
	CHECK_INT(f->counters.value[LIMIT_REFUSALS], 100 - REFUSALS_USER_MAX);
	for (unsigned i = 0; i < REFUSALS_MAX; i++)
		get_no_such(user(1000 + i), "{'credential':'prod'}");
	pass(1);
	CHECK_INT(lines, REFUSALS_MAX);
	CHECK_INT(f->refusals.records.n, REFUSALS_MAX);
	end(f);
}

CHECK_MAIN()

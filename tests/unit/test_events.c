/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of OnEvent=, with a service manager that answers what the test says. */
#include <stdlib.h>

#include "base/log.h"
#include "daemon/parent/events.h"
#include "daemon/parent/sd_unit.h"
#include "tests/unit/check.h"

/* --- the manager --- */

struct sd_unit {
	int unused;
};

static struct sd_unit question;
static bool open_now, reachable, answered,
	knows_units; /* of the last: it can be asked whether a unit is there */
static enum sd_answer answer;
static char asked[UNIT_NAME];
static unsigned questions, looks;

int sd_unit_possible(bool user_mode, struct err *err)
{
	(void)user_mode;
	return reachable ? 0 : err_set(err, ERR_ADMIN, "systemd does not run here");
}

int sd_unit_start(struct sd_unit **out, bool user_mode, const char *unit, int64_t now_ms,
		  struct err *err)
{
	(void)user_mode;
	(void)now_ms;
	questions++;
	snprintf(asked, sizeof asked, "%s", unit);
	if (!reachable)
		return err_set(err, ERR_RETRY, "systemd cannot be asked");
	CHECK(!open_now);
	open_now = true;
	answered = false;
	*out = &question;
	return 0;
}

int sd_unit_find(struct sd_unit **out, bool user_mode, const char *unit, int64_t now_ms,
		 struct err *err)
{
	(void)user_mode;
	(void)now_ms;
	if (!knows_units)
		return err_set(err, ERR_RETRY, "systemd cannot be asked");
	CHECK(!open_now);
	looks++;
	snprintf(asked, sizeof asked, "%s", unit);
	open_now = true;
	answered = false;
	*out = &question;
	return 0;
}

void sd_unit_wait(struct sd_unit *u, struct pollfd *out, int64_t *until_ms)
{
	(void)u;
	*out = (struct pollfd){ 7, POLLIN, 0 };
	*until_ms = 20000;
}

bool sd_unit_look(struct sd_unit *u, int64_t now_ms, enum sd_answer *out, struct err *said)
{
	(void)u;
	(void)now_ms;
	*out = answer;
	err_set(said, ERR_ADMIN, "its words");
	return answered;
}

void sd_unit_close(struct sd_unit *u)
{
	if (u)
		open_now = false;
}

static unsigned failed, lost, told, warned;

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	(void)level;
	(void)fields;
	(void)n;
	(void)arg;
	failed += strcmp(event, "event.failed") == 0;
	lost += strcmp(event, "event.lost") == 0;
	told += strcmp(event, "event.told") == 0;
	warned += strcmp(event, "parent.warning") == 0;
}

static struct events e;

static void begin(const char *unit)
{
	e = (struct events){ 0 };
	reachable = true;
	open_now = answered = knows_units = false;
	questions = looks = failed = lost = told = warned = 0;
	asked[0] = '\0';
	log_set_sink(sink, NULL);
	events_use(&e, unit);
}

/* Asks, and is answered, at now_ms. */
static void answer_with(enum sd_answer a, int64_t now_ms)
{
	events_step(&e, now_ms);
	CHECK(open_now);
	CHECK_INT(events_wait(&e).fd, 7);
	answer = a;
	answered = true;
	events_step(&e, now_ms);
}

/* --- names --- */

TEST(the_name_is_escaped_as_systemd_escape_does_it)
{
	static const struct {
		const char *template;
		int event;
		const char *credential, *name;
	} rows[] = {
		{ "sftoken-mail@.service", EVENT_LOGIN_REQUIRED, "crm",
		  "sftoken-mail@login_required:crm.service" },
		{ "a@", EVENT_ENDS_IN_7_DAYS, "crm-eu@x.y_z",
		  "a@ends_in_7_days:crm\\x2deu\\x40x.y_z.service" },
		{ "a@", EVENT_STORE_OK, "store", "a@store_ok:store.service" },
		/* no credential has such a name: nothing can get out of it all the same */
		{ "a@", EVENT_SUSPENDED, "../ \\%\n", "a@suspended:..-\\x20\\x5c\\x25\\x0a.service" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char name[UNIT_NAME];

		CHECK_INT(events_unit_name(rows[i].template, rows[i].event, rows[i].credential,
					   name, NULL),
			  0);
		CHECK_STR(name, rows[i].name);
	}
}

TEST(a_name_that_is_too_long_for_systemd_is_said)
{
	char long_name[CREDENTIAL_NAME_MAX + 1], name[UNIT_NAME];
	struct err err = { 0 };

	memset(long_name, '-', sizeof long_name - 1);
	long_name[CREDENTIAL_NAME_MAX] = '\0';
	CHECK_INT(events_unit_name("a@", EVENT_SUSPENDED, long_name, name, &err), -ERR_ADMIN);
	memset(long_name, 'a', sizeof long_name - 1);
	CHECK_INT(events_unit_name("a@", EVENT_SUSPENDED, long_name, name, &err), 0);
	begin("a@");
	memset(long_name, '-', sizeof long_name - 1);
	events_add(&e, EVENT_SUSPENDED, long_name);
	CHECK_INT(events_step(&e, 0), INT64_MAX);
	CHECK_INT(failed, 1);
	CHECK_INT(questions, 0);
	events_fini(&e);
}

/* --- the queue --- */

TEST(without_on_event_nothing_is_kept)
{
	begin(NULL);
	events_add(&e, EVENT_SUSPENDED, "crm");
	CHECK_INT(events_step(&e, 0), INT64_MAX);
	CHECK_INT(events_wait(&e).fd, -1);
	CHECK(!e.queue && questions == 0);
	events_fini(&e);
}

TEST(one_after_the_other_each_once)
{
	begin("m@.service");
	events_add(&e, EVENT_SUSPENDED, "a");
	events_add(&e, EVENT_LOGIN_REQUIRED, "a");
	events_add(&e, EVENT_SUSPENDED, "a"); /* waits already */
	CHECK_INT(events_step(&e, 0), 20000);
	CHECK_STR(asked, "m@suspended:a.service");
	CHECK_INT(events_step(&e, 5), 20000);
	CHECK_INT(questions, 1);
	answer_with(SD_STARTED, 10);
	CHECK_STR(asked, "m@login_required:a.service");
	answer_with(SD_STARTED, 20);
	CHECK_INT(events_step(&e, 30), INT64_MAX);
	CHECK_INT(questions, 2);
	CHECK_INT(told, 2);
	CHECK(!open_now && !e.warning[0]);
	events_fini(&e);
}

TEST(the_last_that_is_told_of_the_store_is_how_it_is)
{
	begin("m@");
	events_add(&e, EVENT_SUSPENDED, "a");
	events_step(&e, 0); /* systemd takes its time */
	events_add(&e, EVENT_STORE_READONLY, "store");
	events_add(&e, EVENT_STORE_OK, "store");
	events_add(&e, EVENT_STORE_READONLY, "store");
	answer_with(SD_STARTED, 10);
	answer_with(SD_STARTED, 20);
	CHECK_STR(asked, "m@store_readonly:store.service");
	CHECK_INT(events_step(&e, 30), INT64_MAX);
	CHECK_INT(questions, 2);
	events_fini(&e);
}

/* One that systemd refused is not told when it is no longer so. */
TEST(a_state_of_the_store_that_has_passed_is_not_tried_again)
{
	begin("m@");
	events_add(&e, EVENT_STORE_READONLY, "store");
	answer_with(SD_FORBIDDEN, 0);
	events_add(&e, EVENT_STORE_OK, "store");
	answer_with(SD_STARTED, 10);
	events_use(&e, "m@");
	CHECK_INT(events_step(&e, 20), INT64_MAX);
	CHECK_STR(asked, "m@store_ok:store.service");
	CHECK_INT(questions, 2);
	events_fini(&e);
}

TEST(a_manager_that_is_away_is_asked_three_times)
{
	begin("m@");
	events_add(&e, EVENT_SUSPENDED, "a");
	answer_with(SD_AWAY, 0);
	CHECK_INT(events_step(&e, 4999), 5000);
	CHECK_INT(questions, 1);
	reachable = false;
	CHECK_INT(events_step(&e, 5000), 10000);
	CHECK_INT(questions, 2);
	CHECK_INT(failed, 0);
	reachable = true;
	answer_with(SD_AWAY, 10000);
	CHECK_INT(questions, 3);
	CHECK_INT(failed, 1);
	CHECK_INT(events_step(&e, 100000), INT64_MAX);
	CHECK_INT(questions, 3);
	CHECK(strstr(e.warning, "OnEvent=m@: ") && strstr(e.warning, "its words") && e.news);
	events_fini(&e);
}

TEST(what_was_refused_is_one_line_and_is_tried_again_after_a_reload)
{
	static const struct {
		enum sd_answer answer;
		const char *advice;
	} rows[] = { { SD_FORBIDDEN, "install polkitd" },
		     { SD_NO_UNIT, "the template unit m@.service" },
		     { SD_FAILED, "its words" } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		begin("m@.service");
		events_add(&e, EVENT_SUSPENDED, "a");
		events_add(&e, EVENT_SUSPENDED, "b");
		answer_with(rows[i].answer, 0);
		CHECK_STR(asked, "m@suspended:b.service");
		answer_with(SD_STARTED, 10);
		CHECK_INT(failed, 1);
		CHECK(strstr(e.warning, rows[i].advice)); /* a is still not told */
		CHECK_INT(events_step(&e, 100000), INT64_MAX);
		events_use(&e, "n@");
		answer_with(SD_STARTED, 100000);
		CHECK_STR(asked, "n@suspended:a.service");
		CHECK_STR(e.warning, "");
		CHECK_INT(events_step(&e, 100000), INT64_MAX);
		CHECK_INT(failed, 1);
		events_fini(&e);
	}
}

TEST(what_was_refused_and_happens_again_is_tried_again)
{
	begin("m@");
	events_add(&e, EVENT_SUSPENDED, "a");
	answer_with(SD_FORBIDDEN, 0);
	events_add(&e, EVENT_SUSPENDED, "a");
	answer_with(SD_STARTED, 10);
	CHECK_INT(questions, 2);
	CHECK_INT(e.n, 0);
	events_fini(&e);
}

TEST(the_queue_is_bounded_and_old_failures_make_room)
{
	char name[16];

	begin("m@");
	events_add(&e, EVENT_SUSPENDED, "failed");
	answer_with(SD_FORBIDDEN, 0);
	for (int i = 0; i < EVENTS_QUEUE_MAX; i++) {
		snprintf(name, sizeof name, "c%d", i);
		events_add(&e, EVENT_SUSPENDED, name);
	}
	CHECK_INT(e.n, EVENTS_QUEUE_MAX);
	CHECK_INT(lost, 0);
	events_add(&e, EVENT_SUSPENDED, "one too many");
	CHECK_INT(lost, 1);
	answer_with(SD_STARTED, 1);
	CHECK_STR(asked, "m@suspended:c1.service");
	events_fini(&e);
	CHECK(!open_now);
}

TEST(the_store_is_told_when_it_changes_and_not_again_by_the_next_mint)
{
	static const struct {
		int event;
		bool told;
	} rows[] = {
		{ EVENT_STORE_OK, false },      { EVENT_STORE_READONLY, true },
		{ EVENT_STORE_READONLY, false }, { EVENT_STORE_SUSPECT, true },
		{ EVENT_STORE_OK, true },       { EVENT_STORE_OK, false },
	};

	begin("m@");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned before = questions;

		events_add(&e, rows[i].event, "store");
		events_step(&e, 0);
		CHECK_INT(questions - before, rows[i].told);
		if (open_now)
			answer_with(SD_STARTED, 0);
	}
	events_fini(&e);
}

TEST(nobody_to_ask_is_a_warning_and_no_unit_is_none)
{
	begin(NULL);
	reachable = false;
	events_use(&e, "m@");
	CHECK_STR(e.warning, "OnEvent=m@: nobody is told of events: systemd does not run here");
	CHECK(e.news);
	e.news = false;
	events_use(&e, "m@");
	CHECK(!e.news);
	events_add(&e, EVENT_SUSPENDED, "a");
	events_use(&e, "");
	CHECK(e.news);
	CHECK_STR(e.warning, "");
	CHECK_INT(events_step(&e, 0), INT64_MAX);
	CHECK_INT(e.n, 0);
	events_fini(&e);
}

/* --- the unit itself --- */

static void begin_looking(const char *unit)
{
	begin(unit);
	knows_units = true;
}

TEST(a_unit_that_is_not_there_is_one_warning_before_anything_happens)
{
	begin_looking("m@");
	answer_with(SD_NO_UNIT, 0);
	CHECK_STR(asked, "m@.service");
	CHECK(strstr(e.warning,
		     "OnEvent=m@: systemd says \"its words\": OnEvent= needs the template "
		     "unit m@.service"));
	CHECK(e.news);
	CHECK_INT(events_step(&e, 10), INT64_MAX);
	events_add(&e, EVENT_SUSPENDED, "a"); /* it has been made since */
	answer_with(SD_STARTED, 20);
	CHECK_STR(e.warning, "");
	CHECK_INT(events_step(&e, 30), INT64_MAX);
	events_use(&e, "m@"); /* and is gone again */
	answer_with(SD_NO_UNIT, 40);
	CHECK_INT(looks, 2);
	CHECK_INT(warned, 2);
	CHECK_INT(failed, 0);
	events_use(&e, "");
	CHECK_INT(events_step(&e, 50), INT64_MAX);
	CHECK_STR(e.warning, "");
	CHECK_INT(looks, 2);
	events_fini(&e);
}

TEST(what_systemd_cannot_say_of_the_unit_is_no_warning)
{
	static const enum sd_answer rows[] = { SD_FOUND, SD_FORBIDDEN, SD_AWAY, SD_FAILED };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		begin_looking("m@");
		answer_with(rows[i], 0);
		CHECK_INT(events_step(&e, 100000), INT64_MAX);
		CHECK_INT(looks, 1);
		CHECK_INT(warned, 0);
		CHECK_STR(e.warning, "");
		events_fini(&e);
	}
}

TEST(an_event_comes_before_the_look_and_waits_for_one_that_is_under_way)
{
	begin_looking("m@");
	events_add(&e, EVENT_SUSPENDED, "a");
	answer_with(SD_STARTED, 0);
	CHECK_INT(looks, 1); /* of the rest of the same step */
	events_add(&e, EVENT_SUSPENDED, "b");
	events_add(&e, EVENT_SUSPENDED, "b"); /* waits already: it is not what is asked */
	CHECK_INT(e.n, 1);
	answer_with(SD_FOUND, 10);
	CHECK_STR(asked, "m@suspended:b.service");
	answer_with(SD_NO_UNIT, 20);
	CHECK_INT(failed, 1);
	CHECK_INT(events_step(&e, 30), INT64_MAX);
	CHECK_INT(looks, 1);
	CHECK_INT(warned, 0);
	events_fini(&e);
}

TEST(an_answer_about_the_unit_of_before_is_no_news)
{
	begin_looking("m@");
	events_step(&e, 0);
	events_use(&e, "n@");
	answer_with(SD_NO_UNIT, 0);
	CHECK_INT(warned, 0);
	CHECK_STR(asked, "n@.service");
	answer_with(SD_FOUND, 0);
	CHECK_INT(looks, 2);
	CHECK_STR(e.warning, "");
	events_fini(&e);
}

CHECK_MAIN()

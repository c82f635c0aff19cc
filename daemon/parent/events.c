/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/parent/sd_unit.h"

/* A bus or a manager that is being restarted is back after a moment. */
enum { TRIES_MAX = 3, AGAIN_MS = 5000 };

/* --- the name --- */

/* As systemd-escape(1): a slash becomes a dash, what is not of these characters \xNN, and a dot where the whole begins with it. Ours begins with the event. */
static bool stays(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr(":_.", c));
}

static void escape(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (stays(*text))
			buf_add_char(out, *text);
		else if (*text == '/')
			buf_add_char(out, '-');
		else
			buf_addf(out, "\\x%02x", (unsigned)(unsigned char)*text);
	}
}

int events_unit_name(const char *template, int event, const char *credential, char name[UNIT_NAME],
		     struct err *err)
{
	size_t before = strcspn(template, "@");
	struct buf b;
	int r = 0;

	buf_init(&b, UNIT_NAME - 1);
	buf_add(&b, template, before);
	buf_add_char(&b, '@');
	escape(unit_event_names[event], &b);
	buf_add_char(&b, ':');
	escape(credential, &b);
	buf_add_text(&b, ".service");
	if (buf_failed(&b))
		r = err_set(err, ERR_ADMIN,
			    "the name of the unit is longer than %d bytes: give the credential or "
			    "the unit of OnEvent= a shorter name",
			    UNIT_NAME - 1);
	else
		(void)snprintf(name, UNIT_NAME, "%s", b.data);
	buf_fini(&b);
	return r;
}

/* --- what people hear when it fails --- */

static void warn(struct events *e, const char *text)
{
	if (strcmp(e->warning, text) == 0)
		return;
	(void)snprintf(e->warning, sizeof e->warning, "%s", text);
	e->news = true;
}

static void advise(enum sd_answer answer, const char *said, const char *template, struct err *out)
{
	int name = (int)strcspn(template, "@");

	switch (answer) {
	case SD_FORBIDDEN:
		err_set(out, ERR_ADMIN,
			"systemd says \"%.60s\": install polkitd; its rule that comes with sftokend "
			"lets the user sftokend start units named sftoken-NAME@.service, see "
			"SYSTEMD in sftokend(8)",
			said);
		break;
	case SD_NO_UNIT:
		err_set(out, ERR_ADMIN,
			"systemd says \"%.120s\": OnEvent= needs the template unit %.*s@.service, "
			"and \"systemctl daemon-reload\" after it was made",
			said, name, template);
		break;
	default:
		err_set(out, ERR_ADMIN, "systemd could not be asked: %.200s", said);
	}
}

static void failed(struct events *e, struct err *why)
{
	struct events_item *i = &e->queue[e->at];

	i->failed = true;
	log_event(LOG_LEVEL_ERR, "event.failed", F_STR("news", unit_event_names[i->event]),
		  F_STR("credential", i->credential), F_INT("tries", i->tries + 1),
		  F_STR("why", why->text));
	err_prefix(why, "OnEvent=%s", e->unit);
	warn(e, why->text);
}

/* --- the queue --- */

static void anew(struct events_item *i)
{
	if (i->failed)
		i->tries = 0;
	i->failed = false;
}

void events_use(struct events *e, const char *unit)
{
	struct err why = { 0 };

	(void)snprintf(e->unit, sizeof e->unit, "%s", unit ? unit : "");
	if (e->unit[0] && sd_unit_possible(e->user_mode, &why) < 0) {
		err_prefix(&why, "OnEvent=%s: nobody is told of events", e->unit);
		log_event(LOG_LEVEL_WARNING, "parent.warning", F_STR("message", why.text));
	}
	e->look_due = e->unit[0] && !why.code;
	warn(e, why.text);
	for (size_t n = 0; n < e->n; n++)
		anew(&e->queue[n]);
}

static bool is_of_store(int event)
{
	return event == EVENT_STORE_OK || event == EVENT_STORE_READONLY ||
	       event == EVENT_STORE_SUSPECT;
}

/* A mint that was started again tells the state of the store again: it cannot keep in it what was told of it. */
static bool store_known(struct events *e, int event)
{
	int before = e->store ? e->store : EVENT_STORE_OK;

	if (!is_of_store(event))
		return false;
	e->store = event;
	return event == before;
}

static void drop(struct events *e, size_t at)
{
	memmove(e->queue + at, e->queue + at + 1, (--e->n - at) * sizeof *e->queue);
	if (e->at > at)
		e->at--;
}

/* Room for one more: those that failed long ago make it. */
static bool make_room(struct events *e)
{
	if (!e->queue)
		e->queue = calloc(EVENTS_QUEUE_MAX, sizeof *e->queue);
	for (size_t n = 0; e->queue && e->n == EVENTS_QUEUE_MAX && n < e->n; n++)
		if (e->queue[n].failed)
			drop(e, n);
	return e->queue && e->n < EVENTS_QUEUE_MAX;
}

static bool is_asked(const struct events *e, size_t n)
{
	return e->asked && !e->looking && n == e->at;
}

/* The same, and not yet asked about. */
static struct events_item *find(struct events *e, int event, const char *credential)
{
	for (size_t n = 0; n < e->n; n++)
		if (e->queue[n].event == event && !strcmp(e->queue[n].credential, credential) &&
		    !is_asked(e, n))
			return &e->queue[n];
	return NULL;
}

/* What waits of the store was true before: told after the new one, or in its place, it would be the last that people hear. */
static void forget_store(struct events *e)
{
	for (size_t n = 0; n < e->n;) {
		if (is_of_store(e->queue[n].event) && !is_asked(e, n))
			drop(e, n);
		else
			n++;
	}
}

void events_add(struct events *e, int event, const char *credential)
{
	struct events_item *i;

	if (!e->unit[0] || store_known(e, event))
		return;
	if (is_of_store(event))
		forget_store(e);
	i = find(e, event, credential);
	if (i) {
		anew(i);
		return;
	}
	if (!make_room(e)) {
		log_event(LOG_LEVEL_ERR, "event.lost", F_STR("news", unit_event_names[event]),
			  F_STR("credential", credential),
			  F_STR("why", "too many events wait for systemd"));
		return;
	}
	i = &e->queue[e->n++];
	*i = (struct events_item){ .event = event };
	(void)snprintf(i->credential, sizeof i->credential, "%s", credential);
}

/* Once more a little later; at last it is a failure like others. false: that is what it is now. */
static bool again(struct events *e, int64_t now_ms)
{
	if (e->queue[e->at].tries + 1 >= TRIES_MAX)
		return false;
	e->queue[e->at].tries++;
	e->not_before_ms = now_ms + AGAIN_MS;
	return true;
}

static void begin(struct events *e, int64_t now_ms)
{
	const struct events_item *i = &e->queue[e->at];
	char name[UNIT_NAME];
	struct err err = { 0 };
	int r = events_unit_name(e->unit, i->event, i->credential, name, &err);

	if (r == 0)
		r = sd_unit_start(&e->asked, e->user_mode, name, now_ms, &err);
	if (r == 0 || (r == -ERR_RETRY && again(e, now_ms)))
		return;
	failed(e, &err);
}

/* --- the unit itself --- */

/* A name that is misspelt is told now, not when the first event is lost. What the manager cannot say now is found out then all the same. */
static void look(struct events *e, int64_t now_ms)
{
	char name[UNIT_NAME];
	size_t size = strcspn(e->unit, "@");

	e->look_due = false;
	(void)snprintf(name, sizeof name, "%.*s@.service", (int)size, e->unit);
	e->looking = sd_unit_find(&e->asked, e->user_mode, name, now_ms, NULL) == 0;
}

static void end_look(struct events *e, enum sd_answer answer, const struct err *said)
{
	struct err why = { 0 };

	e->looking = false;
	if (answer != SD_NO_UNIT || e->look_due || !e->unit[0])
		return; /* or it is another one by now */
	advise(answer, said->text, e->unit, &why);
	err_prefix(&why, "OnEvent=%s", e->unit);
	log_event(LOG_LEVEL_WARNING, "parent.warning", F_STR("message", why.text));
	warn(e, why.text);
}

/* --- asking and being answered --- */

static bool any_failed(const struct events *e)
{
	for (size_t n = 0; n < e->n; n++)
		if (e->queue[n].failed)
			return true;
	return false;
}

static void end(struct events *e, enum sd_answer answer, const struct err *said, int64_t now_ms)
{
	const struct events_item *i;
	struct err why = { 0 };

	sd_unit_close(e->asked);
	e->asked = NULL;
	if (e->looking) {
		end_look(e, answer, said);
		return;
	}
	if (answer == SD_AWAY && again(e, now_ms))
		return;
	i = &e->queue[e->at];
	if (answer == SD_STARTED) {
		log_event(LOG_LEVEL_NOTICE, "event.told", F_STR("news", unit_event_names[i->event]),
			  F_STR("credential", i->credential));
		drop(e, e->at);
		if (!any_failed(e))
			warn(e, "");
	} else {
		advise(answer, said->text, e->unit, &why);
		failed(e, &why);
	}
}

/* The oldest that is still to be told; false: none. */
static bool find_next(struct events *e)
{
	for (e->at = 0; e->at < e->n; e->at++)
		if (!e->queue[e->at].failed)
			return true;
	return false;
}

int64_t events_step(struct events *e, int64_t now_ms)
{
	enum sd_answer answer;
	int64_t until_ms;
	struct pollfd unused;
	struct err said = { 0 };

	if (e->asked && sd_unit_look(e->asked, now_ms, &answer, &said))
		end(e, answer, &said, now_ms);
	/* nobody is to be told any more */
	if (!e->unit[0] && !e->asked)
		e->n = 0;
	while (!e->asked && now_ms >= e->not_before_ms && find_next(e))
		begin(e, now_ms);
	/* where something has failed systemd has said what is wrong */
	if (!e->asked && e->look_due && !find_next(e) && !any_failed(e))
		look(e, now_ms);
	if (!e->asked)
		return find_next(e) ? e->not_before_ms : INT64_MAX;
	sd_unit_wait(e->asked, &unused, &until_ms);
	return until_ms;
}

struct pollfd events_wait(const struct events *e)
{
	struct pollfd fd = { -1, 0, 0 };
	int64_t unused;

	if (e->asked)
		sd_unit_wait(e->asked, &fd, &unused);
	return fd;
}

void events_fini(struct events *e)
{
	sd_unit_close(e->asked);
	free(e->queue);
	*e = (struct events){ .user_mode = e->user_mode };
}

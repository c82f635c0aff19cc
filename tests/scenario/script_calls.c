/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What callers and administrators do and see.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenario/script.h"

enum { ADMIN_UID = 0 };

/* --- looking at replies --- */

/* The text behind "key": in JSON that our own writer made; strings without their quotes. */
bool script_member(const char *json, const char *key, char *value, size_t size)
{
	char quoted[80];
	const char *at;
	size_t n;

	snprintf(quoted, sizeof quoted, "\"%s\":", key);
	at = strstr(json, quoted);
	if (!at)
		return false;
	at += strlen(quoted);
	n = *at == '"' ? strcspn(++at, "\"") : strcspn(at, ",}]");
	snprintf(value, size, "%.*s", (int)n, at);
	return true;
}

/* "~some_words": a part of the text; words are separated by blanks, so that a low line stands for one. */
static bool holds(const char *value, const char *part)
{
	for (; *value; value++) {
		size_t i = 0;

		while (part[i] && (part[i] == value[i] || (part[i] == '_' && value[i] == ' ')))
			i++;
		if (!part[i])
			return true;
	}
	return false;
}

static int64_t number_of(const char *json, const char *key)
{
	char value[64];

	return script_member(json, key, value, sizeof value) ? strtoll(value, NULL, 10) : -1;
}

static void check_members(struct script *s, const char *json, char **words, size_t n)
{
	char value[512];

	for (size_t i = 0; i < n; i++) {
		char key[64];
		const char *equals = strchr(words[i], '=');
		const char *want = equals ? equals + 1 : "";

		snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - words[i]) : 0, words[i]);
		if (!equals || !script_member(json, key, value, sizeof value))
			script_fail(s, "no %s in %s", words[i], json);
		else if (strcmp(value, want) != 0 &&
			 !(strspn(want, "-0123456789.") == strlen(want) &&
			   script_in_range(want, strtoll(value, NULL, 10))) &&
			 !(want[0] == '~' && holds(value, want + 1)))
			script_fail(s, "%s is %s, not %s", key, value, want);
	}
}

static const char *next_reply(struct script *s, struct script_caller *c)
{
	if (c->fake.taken == c->fake.n_replies) {
		script_fail(s, "%s has no answer", c->name);
		return NULL;
	}
	return c->fake.replies[c->fake.taken++];
}

static void see_token(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct script_token *t = script_token(s, n ? words[0] : "");
	const char *json = next_reply(s, c);
	char text[2048];

	if (!json)
		return;
	if (!script_member(json, "accessToken", text, sizeof text)) {
		script_fail(s, "%s got no token but %s", c->name, json);
		return;
	}
	if (!t->text || strcmp(text, t->text) != 0) {
		script_fail(s, "%s got the token %s, not %s", c->name, text, t->name);
		return;
	}
	if (t->generation && t->generation != number_of(json, "generation"))
		script_fail(s, "%s has two generations", t->name);
	t->generation = number_of(json, "generation");
	for (size_t i = 0; i < s->n_tokens; i++)
		if (&s->tokens[i] != t && s->tokens[i].generation == t->generation)
			script_fail(s, "%s and %s have one generation", t->name, s->tokens[i].name);
	check_members(s, json, words + 1, n - 1);
}

static void see_error(struct script *s, struct script_caller *c, char **words, size_t n)
{
	const char *json = next_reply(s, c), *last;
	char error[128];

	if (!json)
		return;
	if (!script_member(json, "error", error, sizeof error)) {
		script_fail(s, "%s got no error but %s", c->name, json);
		return;
	}
	last = strrchr(error, '.');
	if (!last || n == 0 || strcmp(last + 1, words[0]) != 0)
		script_fail(s, "%s got %s, not %s: %s", c->name, error, n ? words[0] : "", json);
	else
		check_members(s, json, words + 1, n - 1);
}

static void see_reply(struct script *s, struct script_caller *c, char **words, size_t n)
{
	const char *json = next_reply(s, c);

	if (!json)
		return;
	if (strncmp(json, "{\"error\"", 8) == 0)
		script_fail(s, "%s got %s", c->name, json);
	else
		check_members(s, json, words, n);
	script_saw_login(c, json);
}

static void see_nothing(struct script *s, struct script_caller *c, char **words, size_t n)
{
	(void)words;
	(void)n;
	if (c->fake.taken < c->fake.n_replies)
		script_fail(s, "%s got %s", c->name, c->fake.replies[c->fake.taken]);
	else if (!c->fake.connection)
		script_fail(s, "%s was cut off", c->name);
}

static void see_end(struct script *s, struct script_caller *c, char **words, size_t n)
{
	(void)words;
	(void)n;
	if (c->fake.connection)
		script_fail(s, "%s is still connected", c->name);
}

/* --- calling --- */

static bool connect_to(struct script *s, struct script_caller *c, const char *listener, uid_t uid)
{
	if (!c->fake.connection && !fake_connect(&c->fake, listener, uid)) {
		script_fail(s, "%s cannot connect", c->name);
		return false;
	}
	return true;
}

static void add_number(struct buf *b, const char *key, const char *value)
{
	if (value)
		buf_addf(b, ",\"%s\":%s", key, value);
}

/* A generation is named by its token: rejected=T1. */
static void add_generation(struct script *s, struct buf *b, const char *key, const char *token)
{
	if (token)
		buf_addf(b, ",\"%s\":%lld", key, (long long)script_token(s, token)->generation);
}

void script_send(struct script *s, struct script_caller *c, const char *method, struct buf *b,
		 bool more, uid_t uid)
{
	bool manager = strncmp(method, "io.sftoken.Manager", 18) == 0;

	buf_add_text(b, "}");
	if (connect_to(s, c, manager ? "manager" : "broker", uid))
		fake_call(&c->fake, method, b->data, more);
	buf_fini(b);
}

static void begin_parameters(struct buf *b, char **words, size_t n)
{
	buf_init(b, 4096);
	buf_addf(b, "{\"credential\":\"%s\"", n ? words[0] : "");
}

uid_t script_uid(char **words, size_t n, uid_t fallback)
{
	const char *uid = script_option(words, n, "uid");

	return uid ? (uid_t)strtoul(uid, NULL, 10) : fallback;
}

static void do_get(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	add_number(&b, "minValidSeconds", script_option(words, n, "min"));
	add_generation(s, &b, "rejectedGeneration", script_option(words, n, "rejected"));
	add_number(&b, "waitSeconds", script_option(words, n, "wait"));
	add_number(&b, "allowStale", script_option(words, n, "stale"));
	script_send(s, c, "io.sftoken.Broker.GetToken", &b, false,
		    script_uid(words, n, WORLD_CALLER_UID));
}

static void do_watch(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	script_send(s, c, "io.sftoken.Broker.WatchToken", &b, true,
		    script_uid(words, n, WORLD_CALLER_UID));
}

static void do_show(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	script_send(s, c, "io.sftoken.Broker.GetCredential", &b, false,
		    script_uid(words, n, WORLD_CALLER_UID));
}

static void do_report(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	add_generation(s, &b, "generation", n > 1 ? words[1] : "");
	script_send(s, c, "io.sftoken.Broker.ReportRejected", &b, false,
		    script_uid(words, n, WORLD_CALLER_UID));
}

static void do_refresh(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	add_number(&b, "waitSeconds", script_option(words, n, "wait"));
	script_send(s, c, "io.sftoken.Manager.Refresh", &b, false, ADMIN_UID);
}

static void do_enable(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	buf_add_text(&b, ",\"enabled\":true");
	script_send(s, c, "io.sftoken.Manager.SetEnabled", &b, false, ADMIN_UID);
}

static void do_disable(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	buf_add_text(&b, ",\"enabled\":false");
	script_send(s, c, "io.sftoken.Manager.SetEnabled", &b, false, ADMIN_UID);
}

static void do_import(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	buf_addf(&b, ",\"kind\":\"refresh_token\",\"value\":\"%s\"", n > 1 ? words[1] : "");
	script_send(s, c, "io.sftoken.Manager.ImportSecret", &b, false, ADMIN_UID);
}

static void do_revoke(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	buf_addf(&b, ",\"forgetSecrets\":%s", script_option(words, n, "forget") ? "true" : "false");
	script_send(s, c, "io.sftoken.Manager.Revoke", &b, false, ADMIN_UID);
}

static void do_history(struct script *s, struct script_caller *c, char **words, size_t n)
{
	struct buf b;

	begin_parameters(&b, words, n);
	script_send(s, c, "io.sftoken.Manager.History", &b, false, ADMIN_UID);
}

static void do_adopt(struct script *s, struct script_caller *c, char **words, size_t n)
{
	(void)words;
	(void)n;
	if (connect_to(s, c, "manager", ADMIN_UID))
		fake_call(&c->fake, "io.sftoken.Manager.Adopt", "{}", false);
}

static void do_reload(struct script *s, struct script_caller *c, char **words, size_t n)
{
	(void)words;
	(void)n;
	if (connect_to(s, c, "manager", ADMIN_UID))
		fake_call(&c->fake, "io.sftoken.Manager.Reload", "{}", false);
}

static void do_status(struct script *s, struct script_caller *c, char **words, size_t n)
{
	(void)words;
	(void)n;
	if (connect_to(s, c, "manager", ADMIN_UID))
		fake_call(&c->fake, "io.sftoken.Manager.Status", "{}", false);
}

static void do_hang_up(struct script *s, struct script_caller *c, char **words, size_t n)
{
	(void)s;
	(void)words;
	(void)n;
	fake_hang_up(&c->fake);
}

bool script_call(struct script *s, const char *name, char **words, size_t n)
{
	static const struct {
		const char *verb;
		void (*run)(struct script *s, struct script_caller *c, char **words, size_t n);
	} verbs[] = {
		{ "get", do_get },         { "watch", do_watch },     { "show", do_show },       { "report", do_report },
		{ "refresh", do_refresh }, { "enable", do_enable },   { "disable", do_disable }, { "reload", do_reload },
		{ "import", do_import },   { "revoke", do_revoke },   { "history", do_history }, { "adopt", do_adopt },
		{ "status", do_status },   { "leaves", do_hang_up },  { "token", see_token },    { "error", see_error },
		{ "sees", see_reply },     { "waits", see_nothing },  { "ends", see_end },
		{ "login", script_login }, { "complete", script_complete },
	};

	for (size_t i = 0; n > 0 && i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcmp(words[0], verbs[i].verb) != 0)
			continue;
		verbs[i].run(s, script_caller(s, name), words + 1, n - 1);
		return true;
	}
	return false;
}

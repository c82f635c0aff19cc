/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs scenario files; each "scenario ..." line begins one. What the lines mean is said in README.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/scenario/script.h"

enum { LINE_MAX_BYTES = 2048, SOON_MS = 20, WINDOW_MS = 100 };

static bool verbose;
static char logged[64 * 1024]; /* names of the events since the scenario began, each in a line */

void script_fail(struct script *s, const char *format, ...)
{
	va_list args;

	s->failures++;
	printf("# %s:%u: at %.3f s: ", s->file, s->line,
	       (double)(fake_now() - FAKE_START_MS) / 1000);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

struct script_caller *script_caller(struct script *s, const char *name)
{
	for (size_t i = 0; i < s->n_callers; i++)
		if (strcmp(s->callers[i].name, name) == 0)
			return &s->callers[i];
	if (s->n_callers == SCRIPT_CALLERS_MAX)
		abort();
	s->callers[s->n_callers].name = strdup(name);
	return &s->callers[s->n_callers++];
}

struct script_token *script_token(struct script *s, const char *name)
{
	for (size_t i = 0; i < s->n_tokens; i++)
		if (strcmp(s->tokens[i].name, name) == 0)
			return &s->tokens[i];
	if (s->n_tokens == SCRIPT_TOKENS_MAX)
		abort();
	s->tokens[s->n_tokens].name = strdup(name);
	return &s->tokens[s->n_tokens++];
}

const char *script_option(char **words, size_t n, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < n; i++)
		if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
			return words[i] + len + 1;
	return NULL;
}

bool script_in_range(const char *range, int64_t number)
{
	const char *dots = strstr(range, "..");
	int64_t low = strtoll(range, NULL, 10), high = dots ? strtoll(dots + 2, NULL, 10) : low;

	return number >= low && number <= high;
}

/* --- time --- */

/* "90", "1.5", "30m", "2h", and with + from the line before. */
static int64_t read_time(const char *text, char **end, int64_t before_ms)
{
	bool relative = *text == '+';
	double value = (double)strtoll(text + relative, end, 10), place = 0.1;

	/* by hand: strtod() would take the first dot of "49..51" */
	if ((*end)[0] == '.' && isdigit((unsigned char)(*end)[1]))
		for (++*end; isdigit((unsigned char)**end); ++*end, place /= 10)
			value += place * (**end - '0');

	if (**end == 'm' || **end == 'h')
		value *= *(*end)++ == 'm' ? 60 : 3600;
	return (int64_t)(value * 1000 + 0.5) + (relative ? before_ms : 0);
}

static bool is_time(const char *word)
{
	return isdigit((unsigned char)word[0]) ||
	       (word[0] == '+' && isdigit((unsigned char)word[1]));
}

static void stands_still(struct script *s)
{
	script_fail(s, "time stands still: a timer is set in the past again and again");
}

/* Lets time pass to from_ms. Requests that no line speaks of are mistakes. */
static void pass_to(struct script *s, int64_t from_ms)
{
	struct fake_request r;

	if (!fake_run(FAKE_START_MS + from_ms, fake_request_waits))
		stands_still(s);
	while (fake_now() < FAKE_START_MS + from_ms && fake_request_next(&r)) {
		script_fail(s, "unexpected request %s %s %s", r.post ? "POST" : "GET", r.url,
			    r.body);
		fake_request_take();
		if (!fake_run(FAKE_START_MS + from_ms, fake_request_waits))
			stands_still(s);
	}
}

/* Callers hear of something a few milliseconds after it has happened. */
static void settle(struct script *s)
{
	if (!fake_run(fake_now() + SOON_MS, NULL))
		stands_still(s);
}

/* --- verbs --- */

/* "http POST token [word that the form holds]" in the window of its line. */
static void expect_request(struct script *s, char **words, size_t n, int64_t until_ms)
{
	struct fake_request r;
	const char *last;

	if (!fake_run(FAKE_START_MS + until_ms, fake_request_waits))
		stands_still(s);
	if (!fake_request_next(&r)) {
		script_fail(s, "no request until %.3f s", (double)until_ms / 1000);
		return;
	}
	last = strrchr(r.url, '/');
	if (n < 2 || strcmp(words[0], r.post ? "POST" : "GET") != 0 ||
	    strcmp(last ? last + 1 : "", words[1]) != 0)
		script_fail(s, "the request is %s %s", r.post ? "POST" : "GET", r.url);
	for (size_t i = 2; i < n; i++)
		if (!strstr(r.body, words[i]) && !strstr(r.bearer, words[i]))
			script_fail(s, "the request holds no \"%s\"", words[i]);
	fake_request_take();
}

static void expect_state(struct script *s, char **words, size_t n)
{
	struct keeper *k = n >= 2 ? registry_find(s->world.registry, words[0]) : NULL;

	if (!k)
		script_fail(s, "there is no credential %s", n ? words[0] : "");
	else if (strcmp(state_names[keeper_schedule(k)->state], words[1]) != 0)
		script_fail(s, "%s is %s, not %s", words[0], state_names[keeper_schedule(k)->state],
			    words[1]);
}

static void expect_next(struct script *s, char **words, size_t n)
{
	struct keeper *k = n >= 2 ? registry_find(s->world.registry, words[0]) : NULL;
	int64_t next = k ? keeper_schedule(k)->next_attempt_ms : 0;
	bool ok = k && (strcmp(words[1], "never") == 0
				? next == 0
				: next && script_in_range(words[1], (next - FAKE_START_MS) / 1000));

	if (!ok)
		script_fail(s, "the next attempt is at %.3f s (0: never)",
			    next ? (double)(next - FAKE_START_MS) / 1000 : 0.0);
}

static unsigned times_logged(const char *event)
{
	size_t size = strlen(event);
	unsigned n = 0;

	for (const char *at = logged; at && *at; at = strchr(at, '\n'), at += at != NULL)
		n += strncmp(at, event, size) == 0 && at[size] == '\n';
	return n;
}

static void expect_count(struct script *s, const char *what, unsigned got, char **words, size_t n)
{
	if (n < 1 || !script_in_range(words[0], got))
		script_fail(s, "%u %s, not %s", got, what, n ? words[0] : "");
}

static void hang_up_all(struct script *s, bool manager)
{
	(void)manager;
	for (size_t i = 0; i < s->n_callers; i++)
		fake_hang_up(&s->callers[i].fake);
}

static void restart_front(struct script *s)
{
	hang_up_all(s, false);
	world_kill_front(&s->world);
	world_start_front(&s->world);
	if (s->world.registry) /* else it waits for the mint */
		world_link(&s->world);
}

static void restart_mint(struct script *s)
{
	world_kill_mint(&s->world);
	world_start_mint(&s->world);
	world_link(&s->world);
}

static void begin_mint(struct script *s)
{
	if (s->world.registry)
		world_kill_mint(&s->world);
	world_start_mint(&s->world);
	world_link(&s->world);
}

/* Parts of the daemon die and come back. */
static bool run_daemon(struct script *s, char **words, size_t n)
{
	const char *what = words[0], *how = n > 1 ? words[1] : "";

	if (strcmp(what, "front") == 0 && strcmp(how, "restarts") == 0)
		restart_front(s);
	else if (strcmp(what, "front") == 0 && strcmp(how, "stops") == 0)
		front_stop(s->world.front);
	else if (strcmp(what, "mint") == 0 && strcmp(how, "restarts") == 0)
		restart_mint(s);
	else if (strcmp(what, "mint") == 0 && strcmp(how, "dies") == 0)
		world_kill_mint(&s->world);
	else if (strcmp(what, "mint") == 0 && strcmp(how, "stops") == 0)
		world_stop_mint(&s->world);
	else if (strcmp(what, "mint") == 0 && strcmp(how, "begins") == 0)
		begin_mint(s);
	else if (strcmp(what, "link") == 0)
		fake_link_full(strcmp(how, "full") == 0);
	else
		return false;
	return true;
}

/* "told EVENT CREDENTIAL", "told nothing" */
static void expect_told(struct script *s, char **words, size_t n)
{
	const char *told = world_events_next(&s->world.events);
	char wanted[200] = "";

	if (n == 2)
		snprintf(wanted, sizeof wanted, "%s %s", words[0], words[1]);
	if (strcmp(told ? told : "", wanted) != 0)
		script_fail(s, "told: %s", told ? told : "nothing");
}

static bool run_checks(struct script *s, char **words, size_t n)
{
	const char *what = words[0];

	if (strcmp(what, "told") == 0)
		expect_told(s, words + 1, n - 1);
	else if (strcmp(what, "state") == 0)
		expect_state(s, words + 1, n - 1);
	else if (strcmp(what, "next") == 0)
		expect_next(s, words + 1, n - 1);
	else if (strcmp(what, "posts") == 0)
		expect_count(s, "requests to the token endpoint", fake_requests_to("token"),
			     words + 1, n - 1);
	else if (strcmp(what, "checks") == 0)
		expect_count(s, "requests to userinfo", fake_requests_to("userinfo"), words + 1,
			     n - 1);
	else if (strcmp(what, "introspections") == 0)
		expect_count(s, "introspections", fake_requests_to("introspect"), words + 1, n - 1);
	else if (strcmp(what, "revocations") == 0)
		expect_count(s, "revocations", fake_requests_to("revoke"), words + 1, n - 1);
	else if (strcmp(what, "logged") == 0 && n >= 2)
		expect_count(s, words[1], times_logged(words[1]), words + 2, n - 2);
	else if (strcmp(what, "cancelled") == 0)
		expect_count(s, "requests were cancelled", fake_requests_cancelled(), words + 1,
			     n - 1);
	else if (strcmp(what, "published") == 0)
		expect_count(s, "times a token was published", fake_link_count(LINK_PUBLISH),
			     words + 1, n - 1);
	else
		return false;
	return true;
}

static void run_crowd(struct script *s, char **words, size_t n)
{
	unsigned long size = n ? strtoul(words[0], NULL, 10) : 0;
	char name[32];

	for (unsigned long i = 0; i < size; i++) {
		snprintf(name, sizeof name, "crowd%lu", i);
		if (n < 2 || !script_call(s, name, words + 1, n - 1))
			script_fail(s, "a crowd cannot do that");
	}
}

/* Lines that change what the next reload, or the start, will find. */
static bool run_configuration(struct script *s, char **words, size_t n)
{
	if (strcmp(words[0], "credential") == 0 && n >= 2) {
		if (!world_define(&s->world, words + 1, n - 1))
			script_fail(s, "a credential has no such word");
	} else if (strcmp(words[0], "without") == 0 && n == 2 && world_find(&s->world, words[1])) {
		world_find(&s->world, words[1])->removed = true;
	} else if (strcmp(words[0], "on_event") == 0) {
		s->world.events.unit = n > 1 ? words[1] : NULL;
	} else if (strcmp(words[0], "limit") == 0 && n == 2 && strchr(words[1], '=')) {
		char *equals = strchr(words[1], '=');

		*equals = '\0';
		if (!world_limit(&s->world, words[1], equals + 1))
			script_fail(s, "there is no limit %s", words[1]);
	} else {
		return false;
	}
	return true;
}

static void run_verb(struct script *s, char **words, size_t n, int64_t until_ms)
{
	if (strcmp(words[0], "http") == 0)
		expect_request(s, words + 1, n - 1, until_ms);
	else if (strcmp(words[0], "reply") == 0)
		script_answer(s, words + 1, n - 1);
	else if (strcmp(words[0], "clock") == 0 && n == 2)
		fake_wall_step(strtoll(words[1], NULL, 10) * 1000);
	else if (strcmp(words[0], "crowd") == 0)
		run_crowd(s, words + 1, n - 1);
	else if (!run_daemon(s, words, n) && !run_checks(s, words, n) &&
		 !run_configuration(s, words, n) && !script_call(s, words[0], words + 1, n - 1))
		script_fail(s, "\"%s\" means nothing", words[0]);
	settle(s);
}

/* "TIME verb ..." or "FROM..UNTIL http ..." */
static void run_timed(struct script *s, char **words, size_t n)
{
	char *end;
	int64_t from = read_time(words[0], &end, s->at_ms), until = from + WINDOW_MS;

	if (end[0] == '.' && end[1] == '.')
		until = read_time(end + 2, &end, s->at_ms);
	if (*end || n < 2) {
		script_fail(s, "\"%s\" is no time, or nothing follows", words[0]);
		return;
	}
	if (!s->world.started) {
		world_start(&s->world);
		settle(s);
	}
	pass_to(s, from);
	run_verb(s, words + 1, n - 1, until);
	s->at_ms = strcmp(words[1], "http") == 0 ? fake_now() - FAKE_START_MS : from;
}

/* --- files --- */

/* Splits in place at blanks; "two words" stay together; # begins a comment. */
static size_t split(char *line, char **words)
{
	size_t n = 0;

	while (n < SCRIPT_WORDS_MAX) {
		line += strspn(line, " \t\r\n");
		if (!*line || *line == '#')
			break;
		if (*line == '"') {
			words[n++] = ++line;
			line += strcspn(line, "\"");
		} else {
			words[n++] = line;
			line += strcspn(line, " \t\r\n");
		}
		if (*line)
			*line++ = '\0';
	}
	return n;
}

static void script_begin(struct script *s, const char *file)
{
	memset(s, 0, sizeof *s);
	logged[0] = '\0';
	s->file = file;
	world_begin(&s->world);
}

static void script_end(struct script *s)
{
	struct fake_request r;
	size_t timers;

	while (fake_request_next(&r)) {
		script_fail(s, "unexpected request %s %s %s", r.post ? "POST" : "GET", r.url,
			    r.body);
		fake_request_take();
	}
	for (size_t i = 0; i < s->n_callers; i++) {
		struct script_caller *c = &s->callers[i];

		if (c->fake.taken < c->fake.n_replies)
			script_fail(s, "nobody looked at what %s got: %s", c->name,
				    c->fake.replies[c->fake.taken]);
		fake_caller_fini(&c->fake);
		free(c->name);
	}
	for (size_t i = 0; i < s->n_tokens; i++) {
		free(s->tokens[i].name);
		free(s->tokens[i].text);
	}
	for (const char *told = world_events_next(&s->world.events); told;
	     told = world_events_next(&s->world.events))
		script_fail(s, "nobody looked at what was told: %s", told);
	if (s->world.fatal)
		script_fail(s, "the front gave up");
	if (times_logged("SECRET"))
		script_fail(s, "the log has a secret");
	timers = world_end(&s->world);
	if (timers)
		script_fail(s, "%zu timers were left behind", timers);
	for (size_t i = 0; i < s->n_lines; i++)
		free(s->lines[i]);
}

struct totals {
	unsigned n, failed;
};

static void report(struct script *s, const char *title, struct totals *t)
{
	script_end(s);
	t->n++;
	t->failed += s->failures > 0;
	printf("%sok %u - %s\n", s->failures ? "not " : "", t->n, title);
	fflush(stdout);
}

static void run_line(struct script *s, const char *line)
{
	char *words[SCRIPT_WORDS_MAX], *copy = strdup(line);
	size_t n;

	if (s->n_lines == sizeof s->lines / sizeof s->lines[0])
		abort();
	s->lines[s->n_lines++] = copy;
	n = split(copy, words);
	if (n == 0)
		return;
	if (is_time(words[0]))
		run_timed(s, words, n);
	else if (!run_configuration(s, words, n))
		script_fail(s, "\"%s\" means nothing here", words[0]);
}

static bool run_file(const char *path, struct totals *t)
{
	static struct script script;
	char line[LINE_MAX_BYTES], title[256] = "";
	const char *name = strrchr(path, '/');
	unsigned number = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		printf("Bail out! cannot open %s\n", path);
		return false;
	}
	while (fgets(line, sizeof line, f)) {
		number++;
		if (strncmp(line, "scenario ", 9) == 0) {
			if (title[0])
				report(&script, title, t);
			snprintf(title, sizeof title, "%.*s: %.*s",
				 (int)strcspn(name ? name + 1 : path, "."), name ? name + 1 : path,
				 (int)strcspn(line + 9, "\n"), line + 9);
			script_begin(&script, path);
		} else if (title[0]) {
			script.line = number;
			run_line(&script, line);
		}
	}
	fclose(f);
	if (title[0])
		report(&script, title, t);
	return true;
}

static void note_event(const char *event)
{
	size_t used = strlen(logged);

	snprintf(logged + used, sizeof logged - used, "%s\n", event);
}

/* What a login knows must be in no line, whatever is logged: scenarios name their codes, states and refresh tokens so that they can be told. */
static void look_for_secrets(const struct log_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fields[i].text &&
		    (strstr(fields[i].text, "SECRET") || strstr(fields[i].text, "state=")))
			note_event("SECRET");
}

static void show_log(enum log_level level, const char *event, const struct log_field *fields,
		     size_t n, void *arg)
{
	struct buf line;

	(void)arg;
	note_event(event);
	look_for_secrets(fields, n);
	if (!verbose)
		return;
	buf_init(&line, 8192);
	log_format_line(&line, LOG_FORMAT_TEXT, "scenario", 0, level, event, fields, n);
	printf("# [%.3f] %s\n", (double)(fake_now() - FAKE_START_MS) / 1000, line.data);
	buf_fini(&line);
}

int main(int argc, char **argv)
{
	struct totals totals = { 0 };

	verbose = getenv("SCENARIO_LOG") != NULL;
	log_set_sink(show_log, NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	for (int i = 1; i < argc; i++)
		if (!run_file(argv[i], &totals))
			return 1;
	printf("1..%u\n", totals.n);
	return totals.n == 0 || totals.failed ? 1 : 0;
}

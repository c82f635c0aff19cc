/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked of curl: which address, and whether it may be asked twice. The options are those of curl 7.88 (curl --help all). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/curl.h"

/* How long "https://HOST:PORT" is; 0: url has no such beginning. */
static size_t origin_length(const char *url)
{
	const char *host = strstr(url, "://");

	if (!host)
		return 0;
	host += 3;
	return (size_t)(host - url) + strcspn(host, "/?#\\");
}

/* Everything up to the path must be the same to the letter, so that no reading of user:password@ or backslashes leads elsewhere. */
static bool is_of_origin(const char *url, const char *instance_url)
{
	size_t n = origin_length(instance_url);

	return n && strncasecmp(url, instance_url, n) == 0 &&
	       (url[n] == '\0' || url[n] == '/' || url[n] == '?');
}

char *curl_url(const char *instance_url, const char *path_or_url)
{
	size_t n = origin_length(instance_url);
	char *url;

	errno = 0;
	if (n == 0)
		return NULL;
	if (*path_or_url != '/')
		return is_of_origin(path_or_url, instance_url) ? strdup(path_or_url) : NULL;
	return asprintf(&url, "%.*s%s", (int)n, instance_url, path_or_url) < 0 ? NULL : url;
}

/* Of the options of one letter: those that take a value. */
static const char short_with_value[] = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

/* Options of more letters that take no value, as far as they stand before addresses in practice. */
static const char long_flags[][24] = {
	"--append",      "--compressed",   "--fail",         "--fail-early",
	"--fail-with-body", "--get",       "--globoff",      "--head",
	"--http1.0",     "--http1.1",      "--http2",        "--http2-prior-knowledge",
	"--include",     "--insecure",     "--ipv4",         "--ipv6",
	"--junk-session-cookies", "--location", "--netrc",    "--no-buffer",
	"--no-keepalive", "--no-progress-meter", "--parallel", "--path-as-is",
	"--progress-bar", "--progress-meter", "--remote-header-name", "--remote-name", "--remote-time",
	"--show-error",  "--silent",       "--styled-output", "--tr-encoding",
	"--verbose",
};

/* With these curl would use other addresses, or send the token on to them. */
static const char refused[][20] = { "--next", "--url", "--location-trusted", "--config" };

static const struct {
	char name[20];
	char letter;
} bodies[] = {
	{ "--data", 'd' },        { "--data-ascii", 0 },     { "--data-binary", 0 },
	{ "--data-raw", 0 },      { "--data-urlencode", 0 }, { "--json", 0 },
	{ "--form", 'F' },        { "--form-string", 0 },    { "--upload-file", 'T' },
};

enum { BODIES = sizeof bodies / sizeof bodies[0] };

/* One option with the value that belongs to it. */
struct found {
	char letter;       /* 0: a long one */
	const char *name;  /* the word of a long one */
	const char *value; /* NULL: none */
};

struct scan {
	struct curl_request request;
	bool body, get, head;
	const char *method;
};

static bool is_named(const struct found *f, const char *name, char letter)
{
	return f->letter ? f->letter == letter : strcmp(f->name, name) == 0;
}

static bool is_from_stdin(const char *value)
{
	return strcmp(value, "-") == 0 || strcmp(value, ".") == 0 || strstr(value, "@-") != NULL;
}

static void take_body(struct scan *s, const struct found *f)
{
	for (size_t i = 0; i < BODIES; i++) {
		if (!is_named(f, bodies[i].name, bodies[i].letter))
			continue;
		s->body = true;
		s->request.spent |= f->value && is_from_stdin(f->value);
	}
}

/* curl takes the beginning of a long name for the whole. */
static bool is_refused(const struct found *f)
{
	if (f->letter)
		return f->letter == 'K' || f->letter == ':';
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (strlen(f->name) > 4 && strncmp(refused[i], f->name, strlen(f->name)) == 0 &&
		    strcmp(f->name, "--location") != 0)
			return true;
	return strcmp(f->name, "--url") == 0;
}

static void take(struct scan *s, const struct found *f, const char *word)
{
	if (is_refused(f) && !s->request.bad)
		s->request.bad = word;
	take_body(s, f);
	s->get |= is_named(f, "--get", 'G');
	s->head |= is_named(f, "--head", 'I');
	s->request.dumps |= is_named(f, "--dump-header", 'D');
	s->request.progress |= f->letter ? f->letter == '#'
					 : strncmp(f->name, "--progress", 10) == 0;
	if (is_named(f, "--request", 'X'))
		s->method = f->value;
}

static bool is_long_flag(const char *word)
{
	if (strncmp(word, "--no-", 5) == 0)
		return true;
	for (size_t i = 0; i < sizeof long_flags / sizeof long_flags[0]; i++)
		if (strcmp(word, long_flags[i]) == 0)
			return true;
	return false;
}

/* "-sSXPOST", or "-sSX" "POST": letters up to one that takes a value. True: the next word is that value. */
static bool take_letters(struct scan *s, const char *word, const char *next)
{
	for (const char *at = word + 1; *at; at++) {
		struct found f = { .letter = *at };

		if (!strchr(short_with_value, *at)) {
			take(s, &f, word);
			continue;
		}
		f.value = at[1] ? at + 1 : next;
		take(s, &f, word);
		return !at[1];
	}
	return false;
}

static bool take_long(struct scan *s, const char *word, const char *next)
{
	struct found f = { .name = word, .value = is_long_flag(word) ? NULL : next };

	take(s, &f, word);
	return f.value != NULL;
}

static bool is_safe(const struct scan *s)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS" };

	for (size_t i = 0; s->method && i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(s->method, methods[i]) == 0)
			return true;
	return !s->method && (!s->body || s->get || s->head);
}

struct curl_request curl_request_of(char *const words[], const char *instance_url)
{
	struct scan s = { .body = false };

	for (size_t i = 0; words[i]; i++) {
		const char *word = words[i];
		bool skip = false;

		if (word[0] != '-' || !word[1]) {
			if (!is_of_origin(word, instance_url) && !s.request.bad)
				s.request
					.bad = word; /* it belongs to no option: one more address */
		} else if (word[1] == '-') {
			skip = take_long(&s, word, words[i + 1]);
		} else {
			skip = take_letters(&s, word, words[i + 1]);
		}
		if (skip && words[i + 1])
			i++;
	}
	s.request.safe = is_safe(&s);
	return s.request;
}

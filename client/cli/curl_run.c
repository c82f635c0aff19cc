/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of curl(1). It reads the token from a pipe (-K), writes the headers to another (-D), so that we know the status before the body comes, and the body to a third one, which is passed on. What it says of its failure ("curl: (22) ...") comes by a fourth one where another run may make up for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/curl.h"
#include "client/cli/process.h"

enum { CONFIG_MAX = 20000, WORD_SIZE = 32, READ_SIZE = 64 * 1024, LINE_MAX_BYTES = 512 };
enum { NOT_FOUND = 127, CANNOT_RUN = 126, FIXED_WORDS = 8, UNAUTHORIZED = 401 };
enum { CURL_WRITE_ERROR = 23 }; /* what curl itself says then, see EXIT CODES in curl(1) */

#define FAILURE "curl: (" /* and the number of what curl says in the end, if it fails */
enum { FAILURE_LEN = sizeof FAILURE - 1, ELSE = 1000 };

struct stream {
	struct curl_run *run;
	int headers, body, errors; /* -1: at its end */
	char line[LINE_MAX_BYTES];
	size_t n_line;
	size_t n_prefix; /* how much of FAILURE the present line of the errors has been; ELSE: another one */
	int failed; /* CURL_WRITE_ERROR: our output takes no more */
};

/* --- headers --- */

/* "HTTP/1.1 401 Unauthorized" begins an answer; the last one is the one whose body comes. */
static void take_line(struct stream *s)
{
	const char *space;

	s->line[s->n_line] = '\0';
	space = strncmp(s->line, "HTTP/", 5) == 0 ? strchr(s->line, ' ') : NULL;
	if (space)
		s->run->http_status = (int)strtoll(space, NULL, 10);
	s->n_line = 0;
}

static void take_headers(struct stream *s, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n')
			take_line(s);
		else if (s->n_line < sizeof s->line - 1)
			s->line[s->n_line++] = data[i];
	}
}

/* --- the body --- */

/* Who started us may have made it one that does not wait. */
static bool wait_for_room(int to)
{
	struct pollfd fd = { to, POLLOUT, 0 };

	return (errno == EAGAIN && poll(&fd, 1, -1) > 0) || errno == EINTR;
}

/* 0, or an errno value. */
static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t written = write(fd, data, n);

		if (written < 0 && wait_for_room(fd))
			continue;
		if (written < 0)
			return errno;
		data += written;
		n -= (size_t)written;
	}
	return 0;
}

int curl_write_out(const char *data, size_t n)
{
	int code = write_all(STDOUT_FILENO, data, n);

	if (code == 0)
		return 0;
	if (code == EPIPE)
		return CURL_WRITE_ERROR; /* as quiet as curl: nobody reads it any more */
	return complain(CURL_WRITE_ERROR, "cannot write to standard output: %s", strerror(code));
}

static void pass_on(struct stream *s, const char *data, size_t n)
{
	if (!s->failed)
		s->failed = curl_write_out(data, n);
}

static void take_body(struct stream *s, const char *data, size_t n)
{
	struct curl_run *run = s->run;
	size_t room = CURL_HELD_MAX - run->n_held;

	if (!run->hold || run->http_status != UNAUTHORIZED) {
		pass_on(s, data, n);
		return;
	}
	if (!run->held)
		run->held = malloc(CURL_HELD_MAX);
	if (!run->held)
		return;
	memcpy(run->held + run->n_held, data, n < room ? n : room);
	run->n_held += n < room ? n : room;
}

/* --- errors --- */

void curl_show_errors(struct curl_run *run, size_t n)
{
	/* who has closed it, wants none */
	if (run->n_errors > n)
		(void)write_all(STDERR_FILENO, run->errors + n, run->n_errors - n);
	run->n_errors = 0;
}

/* Once there is no room, all is shown in its order. */
static void keep_errors(struct curl_run *run, const char *data, size_t n)
{
	if (!run->errors && run->hold_errors)
		run->errors = malloc(CURL_HELD_MAX);
	if (!run->errors || n > CURL_HELD_MAX - run->n_errors)
		run->hold_errors = false;
	if (!run->hold_errors) {
		curl_show_errors(run, 0);
		(void)write_all(STDERR_FILENO, data, n);
		return;
	}
	memcpy(run->errors + run->n_errors, data, n);
	run->n_errors += n;
}

/* Shows the first n bytes of those of FAILURE that were read before, and then data. */
static void show_errors(size_t before, const char *data, size_t n)
{
	if (n < before || n == 0)
		return;
	(void)write_all(STDERR_FILENO, FAILURE, before);
	(void)write_all(STDERR_FILENO, data, n - before);
}

/* All is shown as it comes, up to a line that begins with FAILURE. */
static void take_errors(struct stream *s, const char *data, size_t n)
{
	size_t i = 0, before = s->n_prefix == ELSE ? 0 : s->n_prefix, begun;

	if (s->n_prefix == FAILURE_LEN) {
		keep_errors(s->run, data, n);
		return;
	}
	for (; i < n && s->n_prefix != FAILURE_LEN; i++) {
		if (data[i] == '\n' || data[i] == '\r')
			s->n_prefix = 0;
		else if (s->n_prefix != ELSE && data[i] == FAILURE[s->n_prefix])
			s->n_prefix++;
		else
			s->n_prefix = ELSE;
	}
	begun = s->n_prefix == ELSE ? 0 : s->n_prefix;
	show_errors(before, data, before + i - begun);
	if (s->n_prefix == FAILURE_LEN) {
		keep_errors(s->run, FAILURE, FAILURE_LEN);
		keep_errors(s->run, data + i, n - i);
	}
}

/* --- both --- */

static void read_into(struct stream *s, int *fd,
		      void (*take)(struct stream *, const char *, size_t))
{
	char data[READ_SIZE];
	ssize_t n = read(*fd, data, sizeof data);

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0)
		take(s, data, (size_t)n);
	if (n <= 0 || (s->failed && fd != &s->errors)) {
		close(*fd); /* curl is told by its next write */
		*fd = -1;
	}
}

/* curl writes the headers first: what there is of them is read before any of the body. */
static void read_streams(struct stream *s)
{
	while (s->headers >= 0 || s->body >= 0 || s->errors >= 0) {
		struct pollfd fds[] = { { s->headers, POLLIN, 0 },
					{ s->errors, POLLIN, 0 },
					{ s->body, POLLIN, 0 } };

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents || poll(fds, 1, 0) > 0)
			read_into(s, &s->headers, take_headers);
		else if (fds[1].revents)
			read_into(s, &s->errors, take_errors);
		else if (fds[2].revents)
			read_into(s, &s->body, take_body);
	}
	if (s->n_prefix < FAILURE_LEN)
		show_errors(s->n_prefix, "", s->n_prefix);
}

/* --- starting it --- */

/* The configuration that curl reads: fits a pipe, so that nobody has to wait. */
static int write_token(int fd, const char *token)
{
	char *text = NULL;
	int n = asprintf(&text, "header = \"Authorization: Bearer %s\"\n", token);
	bool written = n > 0 && n < CONFIG_MAX && write(fd, text, (size_t)n) == n;

	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return written ? 0 : complain(EXIT_STATUS_INTERNAL, "the token cannot be given to curl");
}

/*
 * How far it is, is for somebody at a terminal whose output goes to a file. curl itself would always show it, because it sees a pipe of ours, also in the logs of jobs and between the lines of the
 * next program. Errors are shown nevertheless.
 */
static bool shows_progress(void)
{
	struct stat st;

	return isatty(STDERR_FILENO) && fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

static char **make_words(const struct curl_run *run, char config[WORD_SIZE],
			 char headers[WORD_SIZE])
{
	size_t n = 0, rest = 0;
	char **words;

	while (run->words[rest])
		rest++;
	words = calloc(rest + FIXED_WORDS + 1, sizeof *words);
	if (!words)
		return NULL;
	words[n++] = (char *)(uintptr_t) "curl";
	words[n++] = (char *)(uintptr_t) "-K";
	words[n++] = config;
	words[n++] = (char *)(uintptr_t) "-D";
	words[n++] = headers;
	words[n++] = (char *)(uintptr_t) "--no-buffer";
	if (!run->progress && !shows_progress())
		words[n++] = (char *)(uintptr_t) "--no-progress-meter";
	words[n++] = (char *)(uintptr_t)run->url;
	memcpy(words + n, run->words, rest * sizeof *words);
	return words;
}

/* The ends of the pipes that are curl's. */
struct ends {
	int config, headers, body, errors; /* errors -1: it has our standard error */
};

static int spawn_curl(const struct curl_run *run, const struct ends *its, pid_t *pid)
{
	char config_word[WORD_SIZE], headers_word[WORD_SIZE];
	const struct process_fd fds[] = { { its->body, STDOUT_FILENO },
					  { its->config, its->config },
					  { its->headers, its->headers },
					  { its->errors, STDERR_FILENO } };
	char **words;
	int code;

	(void)snprintf(config_word, sizeof config_word, "/proc/self/fd/%d", its->config);
	(void)snprintf(headers_word, sizeof headers_word, "/proc/self/fd/%d", its->headers);
	words = make_words(run, config_word, headers_word);
	if (!words)
		return complain(EXIT_STATUS_INTERNAL, "out of memory");
	code = process_spawn(pid, words, fds, its->errors < 0 ? 3 : 4);
	free(words);
	if (code)
		return complain(code == ENOENT ? NOT_FOUND : CANNOT_RUN, "cannot run curl: %s%s",
				strerror(code), code == ENOENT ? ": apt install curl" : "");
	return 0;
}

static int take_end(int *end)
{
	int fd = *end;

	*end = -1;
	return fd;
}

/* A pair for each way to curl and back: [0] is read from, [1] written to. */
enum { CONFIG, HEADERS, BODY, ERRORS, PIPES };

static int run_with(struct curl_run *run, int pipes[PIPES][2])
{
	const struct ends its = { pipes[CONFIG][0], pipes[HEADERS][1], pipes[BODY][1],
				  pipes[ERRORS][1] };
	struct stream s = { .run = run };
	pid_t pid = -1;
	int r = write_token(pipes[CONFIG][1], run->token);

	close(take_end(&pipes[CONFIG][1]));
	if (r == 0)
		r = spawn_curl(run, &its, &pid);
	if (r)
		return r;
	close(take_end(&pipes[CONFIG][0]));
	for (int i = HEADERS; i < PIPES; i++)
		if (pipes[i][1] >= 0)
			close(take_end(&pipes[i][1]));
	s.headers = take_end(&pipes[HEADERS][0]);
	s.body = take_end(&pipes[BODY][0]);
	s.errors = take_end(&pipes[ERRORS][0]);
	read_streams(&s);
	run->status = process_wait(pid);
	if (run->status == 0) /* curl had given us all before that */
		run->status = s.failed;
	return 0;
}

int curl_run(struct curl_run *run)
{
	int pipes[PIPES][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct process_signals signals;
	int r = 0;

	run->status = run->http_status = 0;
	process_ignore(&signals);
	for (int i = 0; i < PIPES && r == 0; i++)
		if ((i != ERRORS || run->hold_errors) && pipe2(pipes[i], O_CLOEXEC) < 0)
			r = complain(EXIT_STATUS_INTERNAL, "there is no pipe for curl: %s",
				     strerror(errno));
	if (r == 0)
		r = run_with(run, pipes);
	for (int i = 0; i < PIPES; i++)
		for (int k = 0; k < 2; k++)
			if (pipes[i][k] >= 0)
				close(pipes[i][k]);
	process_restore(&signals);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of curl(1). It reads the token from a pipe (-K), writes the headers to another (-D), so that we know the status before the body comes, and the body to a third one, which is passed on.
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

struct stream {
	struct curl_run *run;
	int headers, body; /* -1: at its end */
	char line[LINE_MAX_BYTES];
	size_t n_line;
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
static bool wait_for_room(void)
{
	struct pollfd fd = { STDOUT_FILENO, POLLOUT, 0 };

	return (errno == EAGAIN && poll(&fd, 1, -1) > 0) || errno == EINTR;
}

int curl_write_out(const char *data, size_t n)
{
	while (n) {
		ssize_t written = write(STDOUT_FILENO, data, n);

		if (written < 0 && wait_for_room())
			continue;
		if (written < 0 && errno != EPIPE)
			return complain(CURL_WRITE_ERROR, "cannot write to standard output: %s",
					strerror(errno));
		if (written < 0)
			return CURL_WRITE_ERROR; /* as quiet as curl: nobody reads it any more */
		data += written;
		n -= (size_t)written;
	}
	return 0;
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
	if (n <= 0 || s->failed) {
		close(*fd); /* curl is told by its next write */
		*fd = -1;
	}
}

/* curl writes the headers first: what there is of them is read before any of the body. */
static void read_streams(struct stream *s)
{
	while (s->headers >= 0 || s->body >= 0) {
		struct pollfd fds[] = { { s->headers, POLLIN, 0 }, { s->body, POLLIN, 0 } };

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents || poll(fds, 1, 0) > 0)
			read_into(s, &s->headers, take_headers);
		else if (fds[1].revents)
			read_into(s, &s->body, take_body);
	}
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

static int spawn_curl(const struct curl_run *run, int config, int headers, int body, pid_t *pid)
{
	char config_word[WORD_SIZE], headers_word[WORD_SIZE];
	const struct process_fd fds[] = { { body, STDOUT_FILENO },
					  { config, config },
					  { headers, headers } };
	char **words;
	int code;

	(void)snprintf(config_word, sizeof config_word, "/proc/self/fd/%d", config);
	(void)snprintf(headers_word, sizeof headers_word, "/proc/self/fd/%d", headers);
	words = make_words(run, config_word, headers_word);
	if (!words)
		return complain(EXIT_STATUS_INTERNAL, "out of memory");
	code = process_spawn(pid, words, fds, sizeof fds / sizeof fds[0]);
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

static void close_pipe(int ends[2])
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

static int run_with(struct curl_run *run, int config[2], int headers[2], int body[2])
{
	struct stream s = { .run = run };
	pid_t pid = -1;
	int r = write_token(config[1], run->token);

	close(take_end(&config[1]));
	if (r == 0)
		r = spawn_curl(run, config[0], headers[1], body[1], &pid);
	if (r)
		return r;
	close(take_end(&config[0]));
	close(take_end(&headers[1]));
	close(take_end(&body[1]));
	s.headers = take_end(&headers[0]);
	s.body = take_end(&body[0]);
	read_streams(&s);
	run->status = process_wait(pid);
	if (run->status == 0) /* curl had given us all before that */
		run->status = s.failed;
	return 0;
}

int curl_run(struct curl_run *run)
{
	int config[2] = { -1, -1 }, headers[2] = { -1, -1 }, body[2] = { -1, -1 };
	struct process_signals signals;
	int r;

	run->status = run->http_status = 0;
	process_ignore(&signals);
	if (pipe2(config, O_CLOEXEC) < 0 || pipe2(headers, O_CLOEXEC) < 0 ||
	    pipe2(body, O_CLOEXEC) < 0)
		r = complain(EXIT_STATUS_INTERNAL, "there is no pipe for curl: %s",
			     strerror(errno));
	else
		r = run_with(run, config, headers, body);
	close_pipe(config);
	close_pipe(headers);
	close_pipe(body);
	process_restore(&signals);
	return r;
}

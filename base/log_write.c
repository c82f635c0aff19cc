/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_write.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_journal.h"

enum { LINE_MAX_BYTES = 16 * 1024, ENTRY_MAX_BYTES = 64 * 1024, WAITING_MAX_BYTES = 1 << 20 };
enum { AGAIN_FIRST_MS = 2, AGAIN_MOST_MS = 64 };

/* What standard error is decides how it can be written to without waiting. */
enum stream { STREAM_FILE, STREAM_PIPE, STREAM_SOCKET };

static struct {
	const char *program;
	enum log_format format;
	enum stream stream;
	bool prefix; /* <N>: it is read by the journal */
} self = { .program = "sftokend" };

struct waiting {
	struct waiting *next;
	size_t size, sent;
	bool journal;
	char bytes[];
};

static struct {
	struct waiting *first, **last;
	size_t bytes;
	int64_t dropped, lost; /* not yet told; ever */
	int again_ms;
} queue = { .last = &queue.first };

/* --- standard error --- */

/* systemd.exec(5): $JOURNAL_STREAM names the device and inode of the journal's stream, so that a redirected one is not mistaken for it. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, here) == 0;
}

static enum stream kind_of_stderr(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || S_ISREG(st.st_mode))
		return STREAM_FILE;
	return S_ISSOCK(st.st_mode) ? STREAM_SOCKET : STREAM_PIPE;
}

/*
 * write(2) that does not wait, and leaves the flags of the descriptor alone: others have it, too. A pipe that poll() calls writable has room for PIPE_BUF bytes (pipe(7)). The
 * socket is written to with the call that the front's sandbox knows.
 */
static ssize_t write_some(const char *bytes, size_t size)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	struct pollfd writable = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (self.stream == STREAM_SOCKET)
		return sendmsg(STDERR_FILENO, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (self.stream == STREAM_PIPE) {
		if (poll(&writable, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		if (size > PIPE_BUF)
			size = PIPE_BUF;
	}
	return write(STDERR_FILENO, bytes, size);
}

/* How much of it is done with: less than size if the rest has to wait. What nobody reads is done with, too. */
static size_t write_stream(const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write_some(bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return done;
		if (n <= 0) {
			queue.lost++;
			return size;
		}
		done += (size_t)n;
	}
	return size;
}

/* --- one line --- */

static void add_line(struct buf *line, enum log_format format, enum log_level level,
		     const char *event, const struct log_field *fields, size_t n)
{
	if (format == LOG_FORMAT_JOURNAL) {
		log_journal_entry(line, self.program, level, event, fields, n);
		return;
	}
	if (self.prefix)
		buf_addf(line, "<%d>", log_level_syslog(level));
	log_format_line(line, format, self.program, clock_real_ms(), level, event, fields, n);
	buf_add_char(line, '\n');
}

/* An empty line has failed for want of memory. */
static void make_line(struct buf *line, enum log_format format, enum log_level level,
		      const char *event, const struct log_field *fields, size_t n)
{
	static const struct log_field too_long = { .name = "dropped_fields", .text = "line too long" };

	buf_init(line, format == LOG_FORMAT_JOURNAL ? ENTRY_MAX_BYTES : LINE_MAX_BYTES);
	add_line(line, format, level, event, fields, n);
	if (!buf_failed(line))
		return;
	buf_clear(line);
	add_line(line, format, level, event, &too_long, 1);
	if (buf_failed(line))
		buf_clear(line);
}

/* Nobody is there to take an entry: better a line without fields than none, with the level in the words of the stream. */
static size_t write_entry_as_text(const char *entry, size_t size)
{
	static const char begin[] = "MESSAGE=", level[] = "PRIORITY=";
	const char *text = entry + sizeof(begin) - 1;
	const char *end = memchr(text, '\n', size - (sizeof(begin) - 1));
	CLEANUP(buf_finip) struct buf line;

	buf_init(&line, ENTRY_MAX_BYTES);
	if (!end)
		return size;
	end++;
	if (self.prefix && (size_t)(entry + size - end) > sizeof(level) &&
	    memcmp(end, level, sizeof(level) - 1) == 0)
		buf_addf(&line, "<%c>", end[sizeof(level) - 1]);
	buf_add(&line, text, (size_t)(end - text));
	/* from the middle of it nothing could be made of the rest: it counts as written */
	if (buf_failed(&line))
		write_stream(text, (size_t)(end - text));
	else
		write_stream(line.data, line.len);
	return size;
}

static size_t deliver(bool journal, const char *bytes, size_t size)
{
	if (!journal)
		return write_stream(bytes, size);
	switch (log_journal_send(bytes, size)) {
	case LOG_JOURNAL_SENT:
		return size;
	case LOG_JOURNAL_FULL:
		return 0;
	default:
		return write_entry_as_text(bytes, size);
	}
}

/* --- what waits --- */

/* False: no room, it is dropped. What has been begun is finished. */
static bool wait_in_line(bool journal, const char *bytes, size_t size, size_t sent)
{
	struct waiting *w;

	if (sent == 0 && queue.bytes + size > WAITING_MAX_BYTES)
		return false;
	w = malloc(sizeof(*w) + size - sent);
	if (!w)
		return false;
	*w = (struct waiting){ .size = size - sent, .journal = journal };
	memcpy(w->bytes, bytes + sent, size - sent);
	*queue.last = w;
	queue.last = &w->next;
	queue.bytes += w->size;
	return true;
}

static void flush_waiting(void)
{
	if (!queue.first || !queue.again_ms)
		queue.again_ms = AGAIN_FIRST_MS;
	else if (queue.again_ms < AGAIN_MOST_MS)
		queue.again_ms *= 2;
	while (queue.first) {
		struct waiting *w = queue.first;

		w->sent += deliver(w->journal, w->bytes + w->sent, w->size - w->sent);
		if (w->sent < w->size)
			return;
		queue.again_ms = AGAIN_FIRST_MS;
		queue.bytes -= w->size;
		queue.first = w->next;
		if (!queue.first)
			queue.last = &queue.first;
		free(w);
	}
}

static bool put(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	bool journal = self.format == LOG_FORMAT_JOURNAL;
	CLEANUP(buf_finip) struct buf line;
	size_t sent = 0;

	make_line(&line, self.format, level, event, fields, n);
	if (!line.len)
		return false;
	if (!queue.first)
		sent = deliver(journal, line.data, line.len);
	return sent == line.len || wait_in_line(journal, line.data, line.len, sent);
}

int log_flush(void)
{
	const struct log_field count = F_INT("count", queue.dropped);

	flush_waiting();
	/* where the lines are missing, and not before there is room for more than this one: each gap is told once */
	if (queue.dropped && queue.bytes <= WAITING_MAX_BYTES / 2 &&
	    put(LOG_LEVEL_WARNING, "log.dropped", &count, 1))
		queue.dropped = 0;
	return queue.first || queue.dropped ? queue.again_ms : 0;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	log_flush();
	if (queue.dropped || !put(level, event, fields, n)) {
		queue.dropped++;
		queue.lost++;
	}
}

/* In how many milliseconds to look again; 0: everything has been read, or written where nobody reads. */
static int drain_step_ms(void)
{
	int step_ms = log_flush();

	return step_ms == 0 && log_journal_unread() ? AGAIN_FIRST_MS : step_ms;
}

void log_drain(int most_ms)
{
	int step_ms;

	for (int waited_ms = 0; (step_ms = drain_step_ms()) && waited_ms < most_ms;
	     waited_ms += step_ms)
		(void)nanosleep(&(struct timespec){ .tv_nsec = step_ms * 1000000L }, NULL);
}

/* --- opening --- */

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	(void)arg;
	log_write(level, event, fields, n);
}

enum log_format log_default_format(void)
{
	return stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
}

void log_set_format(enum log_format format)
{
	self.format = format;
}

int64_t log_lost(void)
{
	return queue.lost;
}

enum log_format log_get_format(void)
{
	return self.format;
}

void log_open(const char *program, enum log_format format)
{
	self.program = program;
	self.format = format;
	self.stream = kind_of_stderr();
	self.prefix = stderr_is_journal();
	/* gmtime_r() reads a file at its first call, which the front's sandbox would not survive */
	tzset();
	log_set_sink(sink, NULL);
}

void log_last_words(const char *program, const char *event, int status, const char *text)
{
	const struct log_field fields[] = { F_STR("message", text), F_INT("status", status) };

	if (self.format == LOG_FORMAT_TEXT)
		fprintf(stderr, "%s: %s\n", program, text);
	else
		log_write(LOG_LEVEL_ERR, event, fields, sizeof(fields) / sizeof(fields[0]));
}

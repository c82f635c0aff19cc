/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go, with a journald of our own that reads when it is told to: what is in an entry, and that nobody ever waits.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_ids.h"
#include "base/log_journal.h"
#include "base/log_write.h"

enum { ENTRY_ROOM = 128 * 1024, MANY = 1500, VALUE = 1000 };

static char directory[] = "/tmp/sftoken-log-XXXXXX", path[64];
static char entry[ENTRY_ROOM + 1];
static int saved = -1;

/* --- a journald --- */

static int journald(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (!path[0]) {
		if (!mkdtemp(directory))
			abort();
		snprintf(path, sizeof(path), "%s/socket", directory);
	}
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, &a, sizeof(a)) < 0)
		abort();
	return fd;
}

static void gone(int fd)
{
	close(fd);
	unlink(path);
	rmdir(directory);
	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
	path[0] = '\0';
	log_journal_use(NULL, 0);
	log_set_sink(NULL, NULL);
}

/* The size of the next entry, -1: there is none. *file: the descriptor that came instead of bytes, or -1. */
static ssize_t next(int fd, int *file)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room;
	struct iovec piece = { entry, ENTRY_ROOM };
	struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*file = -1;
	if (n < 0)
		return -1;
	if (m.msg_controllen && CMSG_FIRSTHDR(&m))
		memcpy(file, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(*file));
	entry[n] = '\0';
	return n;
}

/* --- what is in an entry --- */

TEST(an_entry_has_a_field_for_each_field)
{
	const struct log_field fields[] = { F_STR("credential", "crm"), F_INT("took_ms", -5), F_STR("odd-name.x", "a\nb=\xff\"c\""), F_STR("none", (const char *)NULL) };
	const char want[] =
		"MESSAGE=token.minted credential=crm took_ms=-5 odd-name.x=\"a\\x0ab=\\xff\\\"c\\\"\" none=-\n"
		"PRIORITY=5\nSYSLOG_IDENTIFIER=prog\nMESSAGE_ID=%s\nSFTOKEN_EVENT=token.minted\n"
		"SFTOKEN_CREDENTIAL=crm\nSFTOKEN_TOOK_MS=-5\nSFTOKEN_ODD_NAME_X\n";
	char whole[1000];
	size_t size = (size_t)snprintf(whole, sizeof(whole), want, log_message_id("token.minted"));
	struct buf b;

	/* systemd.io/JOURNAL_NATIVE_PROTOCOL: a value with a newline has its size in front, 64 bits, little endian */
	memcpy(whole + size, "\x08\0\0\0\0\0\0\0a\nb=\xff\"c\"\nSFTOKEN_NONE=-\n", 8 + 8 + 1 + 15);
	size += 8 + 8 + 1 + 15;
	buf_init(&b, ENTRY_ROOM);
	log_journal_entry(&b, "prog", LOG_LEVEL_NOTICE, "token.minted", fields, 4);
	CHECK_INT(b.len, size);
	CHECK(b.len == size && memcmp(b.data, whole, size) == 0);
	buf_fini(&b);
}

TEST(an_event_without_an_id_is_an_entry_without_one)
{
	struct buf b;

	buf_init(&b, ENTRY_ROOM);
	log_journal_entry(&b, "prog", LOG_LEVEL_ERR, "made.up", NULL, 0);
	buf_add_char(&b, '\0');
	CHECK_STR(b.data,
		  "MESSAGE=made.up\nPRIORITY=3\nSYSLOG_IDENTIFIER=prog\nSFTOKEN_EVENT=made.up\n");
	buf_fini(&b);
}

TEST(a_name_is_cut_where_journald_would_drop_the_field)
{
	const struct log_field field = { .name = "a123456789b123456789c123456789d123456789e123456789f123456789g123456789", .number = 1 };
	struct buf b;

	buf_init(&b, ENTRY_ROOM);
	log_journal_entry(&b, "prog", LOG_LEVEL_ERR, "made.up", &field, 1);
	buf_add_char(&b, '\0');
	CHECK(strstr(b.data,
		     "\nSFTOKEN_A123456789B123456789C123456789D123456789E123456789F12345=1\n"));
	buf_fini(&b);
}

TEST(every_event_of_the_table_is_found)
{
	size_t n;
	const struct log_id *ids = log_ids(&n);

	CHECK(n > 50);
	for (size_t i = 0; i < n; i++) {
		check_row(ids[i].event);
		CHECK(log_message_id(ids[i].event) == ids[i].id);
		CHECK_INT(strlen(ids[i].id), 32);
		CHECK_INT(strspn(ids[i].id, "0123456789abcdef"), 32);
	}
	CHECK(!log_message_id("a.a"));
	CHECK(!log_message_id("zzz.z"));
	CHECK(!log_message_id("token"));
	CHECK(!log_message_id(""));
}

/* --- the way there --- */

static int64_t number_of(const char *name)
{
	const char *at = strstr(entry, name);

	return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

TEST(a_journald_that_does_not_read_stops_nobody_and_is_told_what_is_missing)
{
	int64_t before = clock_now_ms(), lost = log_lost(), read = 0, dropped = 0, last = -1;
	static char value[VALUE + 1];
	int fd = journald(), file;

	memset(value, 'v', VALUE);
	log_journal_use(path, 0);
	log_open("prog", LOG_FORMAT_JOURNAL);
	for (int i = 0; i < MANY; i++)
		log_event(LOG_LEVEL_INFO, "token.minted", F_INT("n", i), F_STR("value", &value[0]));
	/* sd_journal_send() would be here for ever */
	CHECK(clock_now_ms() - before < 10000);
	CHECK(log_flush());
	for (bool more = true; more;) {
		while (next(fd, &file) >= 0) {
			CHECK_INT(dropped, 0);
			if (strstr(entry, "SFTOKEN_EVENT=log.dropped\n")) {
				CHECK(strstr(entry, "PRIORITY=4\n"));
				dropped = number_of("SFTOKEN_COUNT=");
				continue;
			}
			CHECK_INT(number_of("SFTOKEN_N="), ++last);
			read++;
		}
		/* no event is needed for that: who says nothing more is heard to the end, too */
		more = log_flush() != 0 || dropped == 0;
	}
	CHECK(read > 400 && read < MANY);
	CHECK_INT(read + dropped, MANY);
	CHECK_INT(log_lost() - lost, dropped);
	log_event(LOG_LEVEL_INFO, "token.minted", F_INT("n", MANY));
	CHECK(!log_flush());
	CHECK(next(fd, &file) > 0);
	CHECK_INT(number_of("SFTOKEN_N="), MANY);
	CHECK_INT(next(fd, &file), -1);
	gone(fd);
}

TEST(a_journald_that_was_restarted_gets_the_next_entry)
{
	int fd = journald(), file;

	log_journal_use(path, 0);
	log_open("prog", LOG_FORMAT_JOURNAL);
	log_event(LOG_LEVEL_INFO, "token.minted", F_INT("n", 1));
	CHECK(next(fd, &file) > 0);
	close(fd);
	fd = journald();
	log_event(LOG_LEVEL_INFO, "token.minted", F_INT("n", 2));
	CHECK(next(fd, &file) > 0);
	CHECK_INT(number_of("SFTOKEN_N="), 2);
	gone(fd);
}

/* Whoever ends before it is read is nobody's for journald. */
TEST(an_end_waits_until_the_last_words_have_been_read)
{
	int fd = journald(), file;
	int64_t before;

	log_journal_use(path, 0);
	CHECK(!log_journal_unread());
	log_open("prog", LOG_FORMAT_JOURNAL);
	log_last_words("prog", "mint.failed", 78, "why");
	CHECK(log_journal_unread());
	before = clock_now_ms();
	log_drain(30);
	CHECK(clock_now_ms() - before >= 30);
	CHECK(next(fd, &file) > 0);
	CHECK(!log_journal_unread());
	before = clock_now_ms();
	log_drain(60000);
	CHECK(clock_now_ms() - before < 30000);
	gone(fd);
}

TEST(what_is_too_large_for_a_datagram_goes_as_a_sealed_file)
{
	static char value[12001];
	int fd = journald(), file;
	struct stat st;

	memset(value, 'v', sizeof(value) - 1);
	log_journal_use(path, 4096);
	log_open("prog", LOG_FORMAT_JOURNAL);
	log_event(LOG_LEVEL_INFO, "token.minted", F_STR("value", &value[0]));
	CHECK_INT(next(fd, &file), 0);
	REQUIRE(file >= 0);
	CHECK_INT(fcntl(file, F_GET_SEALS),
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	CHECK_INT(fstat(file, &st), 0);
	CHECK(st.st_size > 24000);
	CHECK_INT(pread(file, entry, 20, 0), 20);
	CHECK(memcmp(entry, "MESSAGE=token.minted", 20) == 0);
	close(file);
	gone(fd);
}

TEST(an_entry_without_end_leaves_its_fields_out)
{
	static char value[70001];
	int fd = journald(), file;

	memset(value, 'v', sizeof(value) - 1);
	log_journal_use(path, 0);
	log_open("prog", LOG_FORMAT_JOURNAL);
	log_event(LOG_LEVEL_INFO, "token.minted", F_STR("value", &value[0]));
	CHECK(next(fd, &file) > 0);
	CHECK(strstr(entry, "MESSAGE=token.minted dropped_fields=\"line too long\"\n"));
	gone(fd);
}

/* --- standard error --- */

/* Standard error is the end of a pipe (or of a pair of sockets) whose other end is returned. */
static int take_stderr(bool sockets)
{
	int ends[2];

	if ((sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
		     : pipe2(ends, O_CLOEXEC)) < 0)
		abort();
	saved = dup(STDERR_FILENO);
	if (saved < 0 || dup2(ends[1], STDERR_FILENO) < 0 ||
	    fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		abort();
	close(ends[1]);
	return ends[0];
}

static void give_back(int fd)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	log_set_sink(NULL, NULL);
}

static const char *read_text(int fd)
{
	ssize_t n = read(fd, entry, ENTRY_ROOM);

	entry[n > 0 ? n : 0] = '\0';
	return entry;
}

TEST(without_a_journald_the_lines_are_on_standard_error)
{
	int err = take_stderr(false);

	log_journal_use("/nonexistent/socket", 0);
	log_open("prog", LOG_FORMAT_JOURNAL);
	log_event(LOG_LEVEL_INFO, "token.minted", F_STR("two", "lines\nof text"));
	CHECK_STR(read_text(err), "token.minted two=\"lines\\x0aof text\"\n");
	log_journal_use(NULL, 0);
	give_back(err);
}

/* JOURNAL_STREAM=: journald is away, but not the stream that standard error is, where <N> is the level (sd-daemon(3)). */
TEST(what_goes_to_the_stream_of_the_journal_instead_keeps_its_level)
{
	int err = take_stderr(true);
	struct stat st;
	char stream[64];

	if (fstat(STDERR_FILENO, &st) < 0)
		abort();
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_journal_use("/nonexistent/socket", 0);
	log_open("prog", LOG_FORMAT_JOURNAL);
	log_event(LOG_LEVEL_ERR, "mint.failed", F_STR("why", "a\nb"));
	log_event(LOG_LEVEL_INFO, "token.minted", F_INT("n", 1));
	CHECK_STR(read_text(err), "<3>mint.failed why=\"a\\x0ab\"\n<6>token.minted n=1\n");
	unsetenv("JOURNAL_STREAM");
	log_open("prog", LOG_FORMAT_JOURNAL);
	log_event(LOG_LEVEL_ERR, "mint.failed", F_INT("n", 1));
	CHECK_STR(read_text(err), "mint.failed n=1\n");
	log_journal_use(NULL, 0);
	give_back(err);
}

/* Whole lines in order, and then how many are missing. */
static void check_unread(bool sockets, size_t value_size, int many)
{
	int err = take_stderr(sockets);
	char *value = calloc(1, value_size + 1), *text, *line;
	size_t size = 0, room = 16 << 20, lines = 0;
	int64_t dropped;

	text = malloc(room);
	if (!value || !text)
		abort();
	memset(value, 'v', value_size);
	log_open("prog", LOG_FORMAT_JSON);
	for (int i = 0; i < many; i++)
		log_event(LOG_LEVEL_INFO, "a.b", F_INT("n", i), F_STR("value", &value[0]));
	CHECK(log_flush());
	for (bool more = true; more;) {
		ssize_t n;

		more = log_flush() != 0;
		while ((n = read(err, text + size, room - 1 - size)) > 0)
			size += (size_t)n;
	}
	log_event(LOG_LEVEL_INFO, "a.b", F_STR("the", "last"));
	while (read(err, text + size, 1) == 1)
		size++;
	text[size] = '\0';
	for (line = text; strstr(line, "\"event\":\"a.b\",\"n\":"); line = strchr(line, '\n') + 1) {
		CHECK_INT(strtoll(strstr(line, "\"n\":") + 4, NULL, 10), lines);
		CHECK_INT(strcspn(line, "\n"), strcspn(strstr(line, "{\"time\""), "\n"));
		lines++;
	}
	REQUIRE(strstr(line, "\"level\":\"warning\",\"event\":\"log.dropped\",\"count\":"));
	dropped = strtoll(strstr(line, "\"count\":") + 8, NULL, 10);
	CHECK_INT((int64_t)lines + dropped, many);
	CHECK(dropped > 0 && lines > 20);
	CHECK(strstr(line, "\"the\":\"last\"}\n"));
	free(text);
	free(value);
	give_back(err);
}

TEST(a_pipe_that_nobody_reads_stops_nobody)
{
	check_unread(false, VALUE, 2000);
	check_unread(false, 9000, 200); /* more than PIPE_BUF: a line in pieces */
}

TEST(a_stream_that_nobody_reads_stops_nobody)
{
	check_unread(true, VALUE, 2000);
	check_unread(true, 9000, 200);
}

TEST(a_reader_that_has_gone_is_no_reason_to_keep_lines)
{
	int err = take_stderr(true);

	log_open("prog", LOG_FORMAT_TEXT);
	shutdown(err, SHUT_RD);
	log_event(LOG_LEVEL_INFO, "a.b", F_INT("n", 1));
	CHECK(!log_flush());
	give_back(err);
}

TEST(last_words_are_for_whoever_reads)
{
	int err = take_stderr(false);

	log_open("prog", LOG_FORMAT_JSON);
	log_last_words("prog", "mint.failed", 70, "no\nroom");
	CHECK(strstr(
		read_text(err),
		",\"program\":\"prog\",\"level\":\"err\",\"event\":\"mint.failed\",\"message\":\"no\\u000aroom\",\"status\":70}\n"));
	log_open("prog", LOG_FORMAT_TEXT);
	log_last_words("prog", "mint.failed", 70, "no room");
	CHECK_STR(read_text(err), "prog: no room\n");
	give_back(err);
}

CHECK_MAIN()

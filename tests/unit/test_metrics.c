/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the exposition format, sums over restarts, and pieces that join to one valid text whatever changes between them. */
#include <stdlib.h>

#include "daemon/mint/metrics.h"
#include "proto/json.h"
#include "proto/varlink.h"

#include "tests/unit/check.h"

/* --- lines --- */

TEST(values_of_labels_are_escaped)
{
	struct buf b;
	struct metrics_text t = { .out = &b };

	buf_init(&b, 1000);
	metrics_head(&t, "f_total", "counter", "One \\ two\nthree \"four\".");
	metrics_add(&t, "f_total", "",
		    (const struct metrics_label[3]){
			    { "a", "\\ \" \n \xc3\xa4" }, { "b", NULL }, { "c", "" } },
		    -7);
	metrics_add_micros(&t, "f_total", "_sum", NULL, 25);
	CHECK_STR(b.data, "# HELP f_total One \\\\ two\\nthree \"four\".\n"
			  "# TYPE f_total counter\n"
			  "f_total{a=\"\\\\ \\\" \\n \xc3\xa4\",c=\"\"} -7\n"
			  "f_total_sum 0.000025\n");
	buf_fini(&b);
}

TEST(the_size_is_that_of_a_json_string)
{
	struct buf b, as_json;
	struct metrics_text t = { .out = &b };

	buf_init(&b, 1000);
	buf_init(&as_json, 1000);
	metrics_head(&t, "f", "gauge", "x");
	metrics_add(&t, "f", "",
		    (const struct metrics_label[3]){ { "a", "\\ \" \n \x01 \xc3\xa4" } }, 1);
	json_add_text(&as_json, b.data);
	CHECK_INT(t.size + 2, as_json.len);
	buf_fini(&b);
	buf_fini(&as_json);
}

TEST(micros_are_written_without_more_digits_than_they_have)
{
	static const struct {
		int64_t micros;
		const char *text;
	} rows[] = { { 0, "0" }, { 25, "0.000025" }, { 100, "0.0001" }, { 250000, "0.25" }, { 1000000, "1" }, { 2500000, "2.5" }, { 30000000, "30" } };
	char text[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		metrics_print_micros(text, rows[i].micros);
		CHECK_STR(text, rows[i].text);
	}
}

/* --- sums --- */

TEST(sums_outlive_the_process_that_counted)
{
	struct totals *t = totals_new();
	const char *name;
	int64_t sum;
	char other[24];

	totals_begin(t, 1);
	totals_set(t, "a", 5);
	totals_begin(t, 1);
	totals_set(t, "a", 6);
	CHECK_INT(totals_get(t, "a"), 6);
	totals_begin(t, 2);
	CHECK_INT(totals_get(t, "a"), 6);
	totals_set(t, "a", 1);
	totals_set(t, "b", 1);
	CHECK_INT(totals_get(t, "a"), 7);
	CHECK_INT(totals_get(t, "c"), 0);
	REQUIRE(totals_at(t, 1, &name, &sum));
	CHECK_STR(name, "b");
	CHECK(!totals_at(t, 2, &name, &sum));
	for (int i = 0; i < 2 * TOTALS_MAX; i++) {
		snprintf(other, sizeof(other), "n%d", i);
		totals_set(t, other, i);
	}
	CHECK(totals_at(t, TOTALS_MAX - 1, &name, &sum) && !totals_at(t, TOTALS_MAX, &name, &sum));
	totals_free(t);
}

TEST(sums_end_at_the_end_of_the_numbers_and_never_fall)
{
	struct totals *t = totals_new();
	const char *name;
	int64_t sum;

	totals_begin(t, 1);
	totals_set(t, "up", INT64_MAX);
	totals_set(t, "down", INT64_MIN);
	for (int process = 2; process < 5; process++) {
		totals_begin(t, process);
		totals_set(t, "up", process == 3 ? 1 : INT64_MAX);
		totals_set(t, "down", INT64_MIN);
		CHECK_INT(totals_get(t, "up"), INT64_MAX);
		CHECK_INT(totals_get(t, "down"), 0);
		CHECK_INT(totals_add(process, -1), process);
		CHECK(totals_at(t, 0, &name, &sum) && sum == INT64_MAX);
	}
	totals_free(t);
}

/* --- pieces --- */

enum { MANY = 2000 };

static char names[MANY][32];
static bool here[MANY];
static size_t index_of[MANY];
static struct tally tally;
static struct metrics_daemon the_daemon;

static void at(size_t i, struct metrics_credential *out, void *arg)
{
	(void)arg;
	*out = (struct metrics_credential){ .name = names[index_of[i]],
					    .state = STATE_VALID,
					    .expires_s = 1790000000,
					    .renewed_s = 1789990000,
					    .tally = &tally };
}

static struct metrics_source source(void)
{
	struct metrics_source s = { .daemon = &the_daemon, .at = at };

	for (size_t i = 0; i < MANY; i++)
		if (here[i])
			index_of[s.n++] = i;
	return s;
}

static void begin(size_t n)
{
	the_daemon = (struct metrics_daemon){ .version = "1", .counted = totals_new() };
	tally = (struct tally){ .refs = 1 };
	memset(here, 0, sizeof(here));
	for (size_t i = 0; i < MANY; i++)
		snprintf(names[i], sizeof(names[i]), "credential%06zu", i);
	for (size_t i = 0; i < n; i++)
		here[i] = true;
}

static void end(void)
{
	totals_free((struct totals *)the_daemon.counted);
}

/* Joins all pieces; between() is called after each. Returns how many there were. */
static int join(struct buf *all, void (*between)(int piece))
{
	struct buf text, next, cursor, as_json;
	int n = 0;

	buf_init(&cursor, METRICS_CURSOR_MAX);
	do {
		struct metrics_source s = source();

		buf_init(&text, 2 * METRICS_PIECE_MAX);
		buf_init(&next, METRICS_CURSOR_MAX);
		buf_init(&as_json, VARLINK_MESSAGE_MAX - METRICS_CURSOR_MAX - 100);
		CHECK_INT(metrics_piece(&s, cursor.data, &text, &next), 0);
		json_add_text(&as_json, text.data);
		CHECK(!buf_failed(&as_json)); /* it fits into a reply */
		buf_add(all, text.data, text.len);
		buf_fini(&text);
		buf_fini(&as_json);
		buf_fini(&cursor);
		cursor = next;
		n++;
		if (between)
			between(n);
	} while (cursor.len && n < 1000);
	buf_fini(&cursor);
	CHECK(!buf_failed(all));
	return n;
}

/* The family of a line: its name up to a label or a value; of a comment the word behind HELP or TYPE. */
static size_t family_of(const char *line, char family[100])
{
	const char *from = *line == '#' ? line + 7 : line;
	size_t n = strcspn(from, "{ ");

	snprintf(family, 100, "%.*s", (int)n, from);
	for (size_t i = 0; *line != '#' && i < 3; i++) {
		static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
		size_t len = strlen(family), size = strlen(suffixes[i]);

		if (len > size && strcmp(family + len - size, suffixes[i]) == 0 &&
		    strstr(family, "get_seconds"))
			family[len - size] = '\0';
	}
	return strlen(family);
}

/* Each family has HELP and TYPE once, before all of its samples, which stand together. Returns the number of samples. */
static int check_exposition(char *text)
{
	static char seen[64][100];
	char family[100], *line, *rest = text;
	int n = 0, samples = 0;

	while ((line = strsep(&rest, "\n")) && *line) {
		family_of(line, family);
		if (strncmp(line, "# HELP ", 7) == 0) {
			for (int i = 0; i < n; i++)
				CHECK(strcmp(seen[i], family) != 0);
			snprintf(seen[n++], sizeof(seen[0]), "%s", family);
			continue;
		}
		CHECK_STR(n ? seen[n - 1] : "", family);
		samples += *line != '#';
	}
	CHECK(!rest || !*rest);
	return samples;
}

static int samples_of(size_t credentials)
{
	struct buf all;
	int samples;

	begin(credentials);
	buf_init(&all, 64 << 20);
	join(&all, NULL);
	samples = check_exposition(all.data);
	buf_fini(&all);
	end();
	return samples;
}

TEST(pieces_of_all_sizes_join_to_one_exposition)
{
	/* state, expiry, last renewal, renewals, requests, served */
	int none = samples_of(0), each = 8 + 1 + 1 + 1 + 1 + 1;

	for (size_t n = 1; n < 120; n += 7)
		CHECK_INT(samples_of(n), none + (int)n * each);
	CHECK_INT(samples_of(MANY), none + MANY * each);
}

TEST(buckets_of_any_size_add_up_to_no_more_than_a_number_can_hold)
{
	struct totals *t;
	struct buf all;

	begin(0);
	t = (struct totals *)the_daemon.counted;
	totals_begin(t, 1);
	totals_set(t, "get_us.10", INT64_MAX);
	totals_set(t, "get_us.inf", INT64_MAX);
	totals_set(t, "get_us.sum",
		   -1); /* a number that is none ("0.-00001") would cost the whole text */
	buf_init(&all, 1 << 20);
	join(&all, NULL);
	buf_add_char(&all, '\0');
	CHECK(strstr(all.data, "get_seconds_count 9223372036854775807\n"));
	CHECK(strstr(all.data, "get_seconds_sum 0\n"));
	buf_fini(&all);
	end();
}

TEST(a_piece_may_end_anywhere)
{
	static char version[METRICS_PIECE_MAX];
	int samples = samples_of(9), pieces = 0;
	struct buf all;

	/* the first family pushes the end of the piece over all that follows it */
	for (size_t size = 30000; size < sizeof(version) - 1000; size += 127) {
		begin(9);
		memset(version, 'v', size);
		version[size] = '\0';
		the_daemon.version = version;
		buf_init(&all, 1 << 20);
		pieces += join(&all, NULL);
		CHECK_INT(check_exposition(all.data), samples);
		buf_fini(&all);
		end();
	}
	CHECK(pieces > 300);
}

/* The last credential of the piece before is gone, and there are new ones before and behind it. */
static void change(int piece)
{
	for (size_t i = 0; i < MANY; i++)
		here[i] = (i + (size_t)piece) % 3 != 0;
}

/* No line of a credential twice. */
static void check_unique(const char *text)
{
	const char *line = text, *before = "";
	size_t size = 0;

	while (*line) {
		size_t n = strcspn(line, "\n"), name = strcspn(line, " \n");

		CHECK(name != size || memcmp(line, before, name) != 0 || *line == '#');
		before = line;
		size = name;
		line += n + 1;
	}
}

TEST(what_changes_between_pieces_leaves_the_text_valid)
{
	struct buf all;

	begin(MANY);
	buf_init(&all, 64 << 20);
	CHECK(join(&all, change) > 10);
	check_unique(all.data);
	CHECK(check_exposition(all.data) > MANY);
	buf_fini(&all);
	end();
}

TEST(a_family_ends_with_its_last_credential_when_all_others_are_gone)
{
	struct metrics_source s;
	struct buf text, next;

	begin(0);
	s = source();
	buf_init(&text, 2 * METRICS_PIECE_MAX);
	buf_init(&next, METRICS_CURSOR_MAX);
	CHECK_INT(metrics_piece(&s, "sftokend_renewals_total:zzz", &text, &next), 0);
	CHECK(strncmp(text.data, "# HELP sftokend_upstream_requests_total ", 40) == 0);
	CHECK_INT(next.len, 0);
	buf_fini(&text);
	buf_fini(&next);
	end();
}

/* --- what is counted --- */

TEST(answers_are_counted_by_what_they_mean)
{
	static const struct {
		enum http_outcome outcome;
		long status;
		int answer;
	} rows[] = {
		{ HTTP_ANSWERED, 200, TALLY_OK },           { HTTP_ANSWERED, 204, TALLY_OK },
		{ HTTP_ANSWERED, 302, TALLY_REFUSED },      { HTTP_ANSWERED, 400, TALLY_REFUSED },
		{ HTTP_ANSWERED, 429, TALLY_RATE_LIMITED }, { HTTP_ANSWERED, 503, TALLY_SERVER_ERROR },
		{ HTTP_UNSENT, 0, TALLY_NOT_SENT },         { HTTP_UNKNOWN, 0, TALLY_NO_ANSWER },
		{ HTTP_TOO_BIG, 200, TALLY_NO_ANSWER },     { HTTP_REFUSED, 0, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_response res = { .outcome = rows[i].outcome, .status = rows[i].status };
		struct tally t = { .refs = 1 };

		tally_answered(&t, HTTP_USERINFO, &res);
		for (int a = 0; a < TALLY_ANSWERS; a++)
			CHECK_INT(t.requests[HTTP_USERINFO][a], a == rows[i].answer);
		tally_answered(NULL, HTTP_USERINFO, &res);
	}
}

CHECK_MAIN()

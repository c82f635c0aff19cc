/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test program is a list of TEST(name) { ... } and one CHECK_MAIN(). It prints TAP: one line a test, and for a test that failed the
 * file, line and values of every check that did.
 *
 *	TEST(an_empty_buffer_has_no_bytes)
 *	{
 *		CHECK_INT(buf_size(&b), 0);
 *	}
 *	CHECK_MAIN()
 *
 * A failed check ends its test function only through REQUIRE(); the others go on, so that one run shows all that is wrong.
 * Arguments name the tests to run (all, without any). Under valgrind-like tools and sanitizers all tests share one process.
 */
#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*run)(void);
	struct check_test *next;
};

struct check_run {
	struct check_test *first, **last;
	unsigned failures;   /* checks that failed in the running test */
	const char *skipped; /* why the running test skipped itself */
	const char *row; /* what check_row() said last: which line of a table the checks speak of */
};

static struct check_run check_run;

static inline void check_add(struct check_test *t)
{
	if (!check_run.last)
		check_run.last = &check_run.first;
	*check_run.last = t;
	check_run.last = &t->next;
}

/* Defines a test and puts it on the list, in the order of the file. */
#define TEST(test_name)                                                                              \
	static void test_name(void);                                                                 \
	__attribute__((constructor)) static void check_add_##test_name(void)                         \
	{                                                                                            \
		static struct check_test test = { .name = #test_name, .run = test_name };            \
                                                                                                     \
		check_add(&test);                                                                    \
	}                                                                                            \
	static void test_name(void)

/* For tests over a table: names the row that failing checks belong to; NULL for none. The text must outlive the checks. */
static inline void check_row(const char *row)
{
	check_run.row = row;
}

static inline void check_failed(const char *file, int line)
{
	check_run.failures++;
	printf("# %s:%d: ", file, line);
	if (check_run.row)
		printf("[%s] ", check_run.row);
}

static inline bool check_true(bool ok, const char *text, const char *file, int line)
{
	if (!ok) {
		check_failed(file, line);
		printf("not true: %s\n", text);
	}
	return ok;
}

static inline bool check_int(int64_t got, int64_t want, const char *text, const char *file,
			     int line)
{
	if (got != want) {
		check_failed(file, line);
		printf("%s is %" PRId64 ", not %" PRId64 "\n", text, got, want);
	}
	return got == want;
}

/* Prints bytes so that TAP stays one line and nothing is hidden. */
static inline void check_print(const char *bytes, size_t size)
{
	putchar('"');
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static inline bool check_mem(const void *got, size_t got_size, const void *want, size_t want_size,
			     const char *text, const char *file, int line)
{
	if (got_size == want_size && (got_size == 0 || memcmp(got, want, got_size) == 0))
		return true;
	check_failed(file, line);
	printf("%s is ", text);
	check_print(got, got_size);
	printf(", not ");
	check_print(want, want_size);
	putchar('\n');
	return false;
}

/* NULL equals NULL alone. */
static inline bool check_str(const char *got, const char *want, const char *text, const char *file,
			     int line)
{
	if (got && want)
		return check_mem(got, strlen(got), want, strlen(want), text, file, line);
	if (!got && !want)
		return true;
	check_failed(file, line);
	printf("%s is %s, not %s\n", text, got ? got : "NULL", want ? want : "NULL");
	return false;
}

/* Each is true when the check held, so that an if may hang on it. */
#define CHECK(condition) check_true(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(got, want) check_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_str((got), (want), #got, __FILE__, __LINE__)
#define CHECK_MEM(got, got_size, want, want_size) \
	check_mem((got), (got_size), (want), (want_size), #got, __FILE__, __LINE__)

/* Ends the test function (a void one) when the condition does not hold: what follows would make no sense, or crash. */
#define REQUIRE(condition)                                                   \
	do {                                                                 \
		if (!check_true(!!(condition), #condition, __FILE__, __LINE__)) \
			return;                                              \
	} while (0)

/* Ends the test function as skipped. tests/skips names what may be skipped; anything else counts as failed. */
#define SKIP(reason)                          \
	do {                                  \
		check_run.skipped = (reason); \
		return;                       \
	} while (0)

static inline bool check_wanted(const struct check_test *t, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], t->name) == 0)
			return true;
	return argc <= 1;
}

/* Runs one test and prints its line; returns whether it passed. */
static inline bool check_one(const struct check_test *t, unsigned number)
{
	check_run.failures = 0;
	check_run.skipped = NULL;
	check_run.row = NULL;
	t->run();
	printf("%sok %u - %s", check_run.failures ? "not " : "", number, t->name);
	if (check_run.skipped && !check_run.failures)
		printf(" # SKIP %s", check_run.skipped);
	putchar('\n');
	fflush(stdout);
	return check_run.failures == 0;
}

static inline int check_main(int argc, char **argv)
{
	unsigned n = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* a crash loses nothing */
	for (const struct check_test *t = check_run.first; t; t = t->next)
		if (check_wanted(t, argc, argv))
			failed += !check_one(t, ++n);
	printf("1..%u\n", n);
	return n == 0 || failed ? 1 : 0;
}

#define CHECK_MAIN()                            \
	int main(int argc, char **argv)         \
	{                                       \
		return check_main(argc, argv);  \
	}

#endif

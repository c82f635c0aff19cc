/* SPDX-License-Identifier: Apache-2.0 */
/* The interposed free() and realloc(): run only where they are linked in (not under the sanitizers). */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* The optimizer knows what malloc() and free() mean and would drop what nobody reads. */
static void *volatile keep;

/*
 * How many bytes stand in a run of at least four. The allocator keeps links and a random key in a free block, which may well
 * hold one such byte, but not four in a row.
 */
__attribute__((noinline)) static size_t left_over(const char *at, size_t size)
{
	const volatile char *p = at;
	size_t n = 0, run = 0;

	for (size_t i = 0; i < size; i++) {
		run = p[i] == 'S' ? run + 1 : 0;
		n += run < 4 ? 0 : run == 4 ? 4 : 1;
	}
	return n;
}

/* All of the block is filled, also what is more than was asked for: a fortified memset() would take that for a mistake. */
static char *filled(size_t size)
{
	volatile char *p;

	keep = malloc(size);
	p = keep;
	if (!p)
		abort();
	for (size_t i = 0; i < malloc_usable_size(keep); i++)
		p[i] = 'S';
	return keep;
}

/* Sizes whose memory stays mapped after free(). */
static const size_t sizes[] = { 1, 24, 25, 40, 100, 1000, 1032, 5000, 60000 };

TEST(free_erases_all_that_malloc_gave)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *fence;
		char *p = filled(sizes[i]);
		size_t usable = malloc_usable_size(p);

		fence = malloc(10); /* so that the heap does not shrink */
		CHECK_INT(left_over(p, usable), usable);
		free(p);
		CHECK_INT(left_over(keep, usable), 0);
		free(fence);
	}
}

TEST(growing_leaves_nothing_where_it_was)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *p = filled(sizes[i]), *bigger;
		size_t usable = malloc_usable_size(p);
		void *fence = malloc(10);

		bigger = realloc(p, usable * 3);
		REQUIRE(bigger);
		CHECK_INT(left_over(bigger, usable), usable);
		if (bigger != keep)
			CHECK_INT(left_over(keep, usable), 0);
		free(bigger);
		free(fence);
	}
}

TEST(shrinking_keeps_the_front_and_erases_the_rest)
{
	for (size_t i = 2; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *p = filled(sizes[i]), *smaller;
		size_t usable = malloc_usable_size(p);

		smaller = realloc(p, 10);
		REQUIRE(smaller);
		CHECK_INT(left_over(smaller, 10), 10);
		CHECK_INT(left_over((char *)keep + 10, usable - 10), 0);
		free(smaller);
	}
}

TEST(the_corner_cases_are_those_of_libc)
{
	volatile size_t half = SIZE_MAX / 2;
	void *p = realloc(NULL, 10), *volatile none = NULL;

	CHECK(p);
	CHECK(!realloc(p, 0));
	free(none);
	errno = 0;
	CHECK(!reallocarray(NULL, half, 3));
	CHECK_INT(errno, ENOMEM);
	p = reallocarray(NULL, 3, 5);
	CHECK(p && malloc_usable_size(p) >= 15);
	errno = 7;
	free(p);
	CHECK_INT(errno, 7);
}

TEST(a_realloc_that_fails_leaves_the_old_block)
{
	volatile size_t half = SIZE_MAX / 2;
	char *p = filled(100);

	CHECK(!realloc(p, half));
	CHECK_INT(left_over(keep, 100), 100);
	free(keep);
}

CHECK_MAIN()

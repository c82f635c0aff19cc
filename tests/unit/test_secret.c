/* SPDX-License-Identifier: Apache-2.0 */
/* The module is included, so that what it hands back (a slot, a mapping) can be looked at after the last reference is gone. */
#include <stddef.h>
#include <sys/mman.h>

static int watch_munmap(void *p, size_t size);

#define munmap watch_munmap
#include "../../base/secret.c"
#undef munmap

#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

static size_t unmapped, dirty;

/* Poisoned memory is read on purpose. */
__attribute__((no_sanitize("address"))) static size_t count(const char *bytes, size_t size, char c)
{
	const volatile char *p = bytes;
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += p[i] == c;
	return n;
}

static int watch_munmap(void *p, size_t size)
{
	unmapped++;
	dirty += count(p, size, 'S');
	return munmap(p, size);
}

static struct secret *filled(size_t size)
{
	struct secret *s = secret_new_empty(size);

	if (!s)
		abort();
	memset(secret_edit(s), 'S', size);
	return s;
}

TEST(the_bytes_are_kept_and_end_with_nul)
{
	struct secret *s = secret_new("a\0b", 3);

	REQUIRE(s);
	CHECK_INT(secret_size(s), 3);
	CHECK_MEM(secret_bytes(s), 4, "a\0b", 4);
	CHECK(!secret_unref(s));
	CHECK(!secret_unref(NULL));
}

TEST(every_byte_is_erased_for_every_small_size)
{
	for (size_t size = 0; size <= 64; size++) {
		struct secret *hold = filled(1), *s = filled(size);
		const char *slot = secret_bytes(s);

		CHECK_INT(count(slot, size + 1, 'S'), size);
		secret_unref(s);
		CHECK_INT(count(slot, size + 1, '\0'), size + 1);
		secret_unref(hold);
	}
}

TEST(every_byte_is_erased_for_large_sizes)
{
	static const size_t sizes[] = { 65, 200, 2047, 2048, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 100001, 1000000 };

	unmapped = dirty = 0;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct secret *s = filled(sizes[i]);
		const char *slot = secret_bytes(s);

		CHECK_INT(count(slot, sizes[i] + 1, 'S'), sizes[i]);
		secret_unref(s);
		if (sizes[i] + 1 <= SLOT_MAX)
			CHECK_INT(count(slot, sizes[i] + 1, '\0'), sizes[i] + 1);
	}
	CHECK_INT(unmapped, 6); /* those with a chunk of their own */
	CHECK_INT(dirty, 0);
}

TEST(the_last_reference_erases_and_no_other)
{
	struct secret *s = filled(40), *other = secret_ref(s);
	const char *slot = secret_bytes(s);

	CHECK(!secret_unref(s));
	CHECK_INT(count(slot, 40, 'S'), 40);
	CHECK(!secret_unref(other));
	CHECK_INT(count(slot, 40, 'S'), 0);
}

TEST(contents_are_compared)
{
	struct secret *a = secret_new("abc", 3), *b = secret_new("abc", 3),
		      *c = secret_new("abd", 3), *d = secret_new("ab", 2);

	CHECK(secret_equal(a, b));
	CHECK(!secret_equal(a, c));
	CHECK(!secret_equal(a, d));
	CHECK(!secret_equal(a, NULL));
	CHECK(!secret_equal(NULL, a));
	CHECK(secret_equal(NULL, NULL));
	secret_unref(a);
	secret_unref(b);
	secret_unref(c);
	secret_unref(d);
}

static struct secret *all[10000];

static bool mark(unsigned i)
{
	all[i] = secret_new_empty(150 + i % 100);
	if (!all[i])
		return false;
	memset(secret_edit(all[i]), (char)i, secret_size(all[i]));
	return true;
}

/* 10,000 secrets, some freed and made again among the others, freed in another order: no two may share a byte, and the chunks go back. */
TEST(ten_thousand_secrets_keep_out_of_each_others_way)
{
	for (unsigned i = 0; i < 10000; i++)
		REQUIRE(mark(i));
	for (unsigned i = 0; i < 10000; i += 3) {
		secret_unref(all[i]);
		if (i % 2)
			REQUIRE(mark(i - 3));
	}
	for (unsigned i = 3; i < 10000; i += 6)
		REQUIRE(mark(i));
	for (unsigned i = 0; i < 10000; i++) {
		unsigned at = i * 7 % 10000;

		CHECK_INT(count(secret_bytes(all[at]), secret_size(all[at]), (char)at),
			  secret_size(all[at]));
		secret_unref(all[at]);
	}
	CHECK(classes[class_of(256)] && !classes[class_of(256)]->next);
}

/* Runs check() in a child that may lock only so many bytes and is not root; true if the child said so. */
static bool in_child(rlim_t may_lock, bool (*check)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit limit = { may_lock, may_lock };

		memset(classes, 0,
		       sizeof(classes)); /* the mappings of the parent are not inherited */
		weakest = SECRET_ARENA_NONE;
		if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || (getuid() == 0 && setuid(65534) < 0))
			_exit(2);
		_exit(check() ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static bool many_are_locked(void)
{
	for (int i = 0; i < 10000; i++)
		if (!secret_new_empty(200))
			return false;
	return secret_arena_kind() == SECRET_ARENA_MEMFD ||
	       secret_arena_kind() == SECRET_ARENA_LOCKED;
}

static bool one_is_plain(void)
{
	struct secret *s = secret_new("x", 1);

#ifdef SANITIZED
	enum secret_arena
		want = SECRET_ARENA_LOCKED; /* the sanitizer's mlock() does nothing and succeeds */
#else
	enum secret_arena want = SECRET_ARENA_PLAIN;
#endif

	return s && secret_arena_kind() == want && strcmp(secret_bytes(s), "x") == 0;
}

TEST(ten_thousand_tokens_fit_in_what_an_ordinary_user_may_lock)
{
	CHECK(in_child(8 << 20, many_are_locked));
}

TEST(without_locked_memory_secrets_work_and_say_so)
{
	CHECK(in_child(0, one_is_plain));
}

static bool reads_like(const char *p, char c)
{
	return *(const volatile char *)p == c;
}

/* memfd_secret is left out of a child altogether (it would crash), a private mapping is wiped: either way no byte arrives. */
TEST(a_child_does_not_inherit_the_bytes)
{
	struct secret *s = filled(10);
	int status;
	pid_t pid;

	if (secret_arena_kind() == SECRET_ARENA_PLAIN)
		SKIP("memory cannot be locked here");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		close(2); /* the sanitizer's report of the crash */
		_exit(reads_like(secret_bytes(s), 'S') ? 7 : 0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 7);
	secret_unref(s);
}

TEST(an_impossible_size_is_refused)
{
	CHECK(!secret_new_empty(SIZE_MAX));
	CHECK(!secret_new_empty(SIZE_MAX - 1));
}

CHECK_MAIN()

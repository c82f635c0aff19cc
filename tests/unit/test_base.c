/* SPDX-License-Identifier: Apache-2.0 */
/* The small ones: clocks, hardening, characters, ownership. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/harden.h"
#include "base/utf8.h"

static int64_t direct(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

TEST(each_clock_lies_between_two_looks_at_it)
{
	static const struct {
		const char *name;
		int64_t (*ours)(void);
		clockid_t clock;
	} rows[] = { { "boot", clock_now_ms, CLOCK_BOOTTIME }, { "real", clock_real_ms, CLOCK_REALTIME }, { "mono", clock_mono_ms, CLOCK_MONOTONIC } };

	for (size_t i = 0; i < 3; i++) {
		int64_t before = direct(rows[i].clock), now = rows[i].ours(),
			after = direct(rows[i].clock);

		check_row(rows[i].name);
		CHECK(before <= now && now <= after);
	}
}

/* In a child, because it cannot be undone. Bit n of the exit status: what is wrong. */
static int harden_child(void)
{
	struct rlimit core = { 1, 1 };
	struct sigaction pipe_action;
	struct err err;
	int wrong = 0;

	if (harden_process(&err) < 0)
		return 1;
	getrlimit(RLIMIT_CORE, &core);
	sigaction(SIGPIPE, NULL, &pipe_action);
	wrong |= (core.rlim_cur || core.rlim_max) << 1;
	wrong |= (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) << 2;
	wrong |= (umask(0) != 077) << 3;
	wrong |= (pipe_action.sa_handler != SIG_IGN) << 4;
#ifndef SANITIZED
	wrong |= (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) << 5;
#endif
	return wrong;
}

TEST(a_hardened_process_gives_nothing_away)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(harden_child());
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

/* Every sequence of up to four bytes against the arithmetic of RFC 3629: too many to list, so a coarse grid of bytes that matter. */
static size_t by_arithmetic(const unsigned char *u, size_t left)
{
	static const struct {
		unsigned mask, lead;
		uint32_t least;
	} forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

	for (size_t n = 1; n <= 4 && n <= left; n++) {
		uint32_t c = u[0] & (~forms[n - 1].mask & 0xff);

		if ((u[0] & forms[n - 1].mask) != forms[n - 1].lead)
			continue;
		for (size_t i = 1; i < n; i++) {
			if ((u[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (u[i] & 0x3f);
		}
		return c >= forms[n - 1].least && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n
											      : 0;
	}
	return 0;
}

TEST(characters_are_those_of_rfc_3629)
{
	static const unsigned char edges[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff };

	for (unsigned first = 0; first < 256; first++) {
		for (unsigned rest = 0; rest < 16 * 16 * 16; rest++) {
			unsigned char u[4] = { (unsigned char)first, edges[rest & 15], edges[rest >> 4 & 15], edges[rest >> 8] };

			for (size_t left = 0; left <= 4; left++)
				if (utf8_char_size((char *)u, left) != by_arithmetic(u, left))
					CHECK_INT(first << 16 | rest, -1);
		}
	}
}

TEST(taking_leaves_nothing_behind)
{
	char *p = malloc(1), *moved;
	int fd = open("/dev/null", O_RDONLY), taken;

	moved = TAKE(p);
	CHECK(moved && !p);
	free(moved);
	taken = take_fd(&fd);
	CHECK(taken >= 0 && fd == -1);
	cleanup_close(&taken);
	CHECK_INT(taken, -1);
}

static int scoped(void)
{
	CLEANUP(cleanup_close) int fd = open("/dev/null", O_RDONLY);
	CLEANUP(cleanup_free) char *p = malloc(10);

	return p ? fd : -1;
}

TEST(the_end_of_a_scope_cleans_up)
{
	int fd = scoped();

	REQUIRE(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
}

CHECK_MAIN()

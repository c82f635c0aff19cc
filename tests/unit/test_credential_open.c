/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a secret without openat2(): no link on the way, none at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/mint/credential_parts.h"
#include "tests/unit/check.h"
#include "tests/unit/config_fixture.h"

static int opens(const struct fixture *f, const char *path, int flags)
{
	int fd = credential_open_stepwise(AT_FDCWD, fixture_path(f, path), flags), why = errno;

	if (fd < 0)
		return -why;
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	return 0;
}

TEST(no_link_is_followed)
{
	struct fixture f;

	fixture_init(&f);
	fixture_write_bytes(&f, "keys/a.key", "a", 1, 0600);
	CHECK_INT(symlink("a.key", fixture_path(&f, "keys/link")), 0);
	CHECK_INT(symlink("keys", fixture_path(&f, "keys.link")), 0);
	CHECK_INT(opens(&f, "keys/a.key", O_RDONLY), 0);
	CHECK_INT(opens(&f, "keys//a.key", O_RDONLY), 0);
	CHECK_INT(opens(&f, "keys/../keys/a.key", O_RDONLY), 0);
	CHECK_INT(opens(&f, "keys", O_PATH | O_DIRECTORY), 0);
	CHECK_INT(opens(&f, "keys/link", O_RDONLY), -ELOOP);
	CHECK_INT(opens(&f, "keys.link/a.key", O_RDONLY), -ELOOP);
	CHECK_INT(opens(&f, "keys.link", O_PATH | O_DIRECTORY), -ELOOP);
	CHECK_INT(opens(&f, "keys/a.key/b", O_RDONLY), -ENOTDIR);
	CHECK_INT(opens(&f, "keys/a.key", O_PATH | O_DIRECTORY), -ENOTDIR);
	CHECK_INT(opens(&f, "keys/none", O_RDONLY), -ENOENT);
	CHECK_INT(opens(&f, "none/a.key", O_RDONLY), -ENOENT);
	fixture_fini(&f);
}

TEST(a_name_is_looked_for_below_the_directory)
{
	char longest[300];
	struct fixture f;
	int dir, fd;

	fixture_init(&f);
	fixture_write_bytes(&f, "keys/a.key", "a", 1, 0600);
	dir = open(fixture_path(&f, "keys"), O_PATH | O_CLOEXEC);
	fd = credential_open_stepwise(dir, "a.key", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK(fcntl(dir, F_GETFD) >= 0); /* it is still the caller's */
	CHECK(credential_open_stepwise(dir, "b.key", O_RDONLY) < 0 && errno == ENOENT);
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	CHECK(credential_open_stepwise(dir, longest, O_RDONLY) < 0 && errno == ENAMETOOLONG);
	close(dir);
	fixture_fini(&f);
}

CHECK_MAIN()

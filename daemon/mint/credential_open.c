/* SPDX-License-Identifier: Apache-2.0 */
/* What openat2(RESOLVE_NO_SYMLINKS) does, where it is not to be had: one name after the other. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/mint/credential_parts.h"

/* A directory; takes at (or AT_FDCWD). O_PATH: it need not be readable, and a link is opened itself. */
static int step(int take_at, const char *name)
{
	int fd = openat(take_at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), why = errno;
	struct stat st;

	if (take_at != AT_FDCWD)
		close(take_at);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return fd;
	if (fd >= 0) {
		why = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
		close(fd);
	}
	errno = why;
	return -1;
}

/* Where the first name is looked for: a copy of dir, or where path begins. */
static int start(int dir, const char *path)
{
	if (path[0] == '/')
		return step(AT_FDCWD, "/");
	return dir == AT_FDCWD ? step(AT_FDCWD, ".") : fcntl(dir, F_DUPFD_CLOEXEC, 0);
}

int credential_open_stepwise(int dir, const char *path, int flags)
{
	int at = start(dir, path);
	char name[NAME_MAX + 1];

	for (path += strspn(path, "/"); at >= 0 && *path; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");
		int fd, why;

		if (n > NAME_MAX) {
			close(at);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
		if (path[strspn(path, "/")] || (flags & O_PATH)) {
			at = step(at, name);
			continue;
		}
		fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC);
		why = errno;
		close(at);
		errno = why;
		return fd;
	}
	return at;
}

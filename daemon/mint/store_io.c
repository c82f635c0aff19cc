/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/store_io.h"

#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ZEROS = 64 * 1024 };

int store_io_open_dir(const char *path)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd;
}

int store_io_open(int dir, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd;

	/* EAGAIN: something was renamed on the way; a second look is enough */
	for (int tries = 0; tries < 8; tries++) {
		fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	/* a container runtime that does not know openat2(2); a name without a slash is as safe this way */
	if (fd < 0 && errno == ENOSYS && !strchr(name, '/'))
		fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
	return (int)fd;
}

int store_io_close(int fd)
{
	return close(fd);
}

int store_io_stat(int fd, struct stat *st)
{
	return fstat(fd, st);
}

int64_t store_io_birth(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) < 0 || !(st.stx_mask & STATX_BTIME))
		return 0;
	return (int64_t)st.stx_btime.tv_sec * 1000000000 + (int64_t)st.stx_btime.tv_nsec;
}

int store_io_stat_name(int dir, const char *name, struct stat *st)
{
	return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW);
}

ssize_t store_io_read(int fd, void *bytes, size_t size, off_t at)
{
	ssize_t n;

	do
		n = pread(fd, bytes, size, at);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t store_io_write(int fd, const void *bytes, size_t size, off_t at)
{
	ssize_t n;

	do
		n = pwrite(fd, bytes, size, at);
	while (n < 0 && errno == EINTR);
	return n;
}

/* For file systems without fallocate(2): real zeros behind what is there. */
static int fill(int fd, off_t size)
{
	static const char zeros[ZEROS];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	for (off_t at = st.st_size; at < size;) {
		size_t n = size - at < ZEROS ? (size_t)(size - at) : ZEROS;
		ssize_t wrote = store_io_write(fd, zeros, n, at);

		if (wrote <= 0)
			return -1;
		at += wrote;
	}
	return 0;
}

int store_io_allocate(int fd, off_t size)
{
	int r;

	do
		r = fallocate(fd, 0, 0, size);
	while (r < 0 && errno == EINTR);
	return r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) ? fill(fd, size) : r;
}

int store_io_truncate(int fd, off_t size)
{
	int r;

	do
		r = ftruncate(fd, size);
	while (r < 0 && errno == EINTR);
	return r;
}

int store_io_sync_data(int fd)
{
	int r;

	do
		r = fdatasync(fd);
	while (r < 0 && errno == EINTR);
	return r;
}

int store_io_sync(int fd)
{
	int r;

	do
		r = fsync(fd);
	while (r < 0 && errno == EINTR);
	return r;
}

int store_io_rename(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to);
}

int store_io_unlink(int dir, const char *name)
{
	return unlinkat(dir, name, 0);
}

int store_io_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int r = fcntl(fd, F_OFD_SETLK, &lock);

	if (r < 0 && errno == EBADF) {
		lock.l_type = F_RDLCK;
		r = fcntl(fd, F_OFD_SETLK, &lock);
	}
	return r;
}

void *store_io_map(int fd, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

void store_io_unmap(void *p, size_t size)
{
	munmap(p, size);
}

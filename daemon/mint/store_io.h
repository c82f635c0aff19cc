/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every system call of the store, one function each and nothing else in them, so that tests can put a disk in their place that logs, fails, fills up or loses power.
 * All return what the system call returns, with errno; EINTR is repeated here.
 */
#ifndef MINT_STORE_IO_H
#define MINT_STORE_IO_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A directory by path, to be looked into and synced; no symlink as last component. */
int store_io_open_dir(const char *path);
/* name below dir, with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), O_CLOEXEC. */
int store_io_open(int dir, const char *name, int flags, mode_t mode);
int store_io_close(int fd);
int store_io_stat(int fd, struct stat *st);
/* When this file was made, in nanoseconds since 1970; 0 where the file system does not say. An inode number may be given again, this not. */
int64_t store_io_birth(int fd);
/* The file that bears this name now (no symlink is followed). */
int store_io_stat_name(int dir, const char *name, struct stat *st);
ssize_t store_io_read(int fd, void *bytes, size_t size, off_t at);
ssize_t store_io_write(int fd, const void *bytes, size_t size, off_t at);
/* Room for size bytes from the beginning, zero-filled, so that later writes inside need no new blocks. */
int store_io_allocate(int fd, off_t size);
/* Gives back what lies behind size. */
int store_io_truncate(int fd, off_t size);
int store_io_sync_data(int fd);
int store_io_sync(int fd); /* fsync(2), of a file or of a directory */
int store_io_rename(int dir, const char *from, const char *to);
int store_io_unlink(int dir, const char *name);
/* An OFD lock on the whole file, without waiting; a shared one when fd is open for reading only. */
int store_io_lock(int fd);
/* The whole of a small file, shared and writable; MAP_FAILED. */
void *store_io_map(int fd, size_t size);
void store_io_unmap(void *p, size_t size);

/* --- who and when we are (store_identity.c; tests replace it too) --- */

struct store_identity {
	char boot_id[40];    /* /proc/sys/kernel/random/boot_id, "" where there is none */
	char machine_id[40]; /* /etc/machine-id, "" where there is none (containers) */
};
void store_identity(struct store_identity *out);

#endif

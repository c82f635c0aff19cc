/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk for tests, in the place of store_io.c and store_identity.c: files and directories in memory, which log every change, fail where they are told to, fill up, and lose power.
 * Paths are those of disk_add_dir(); names have no slash.
 *
 *	disk_reset();
 *	disk_add_dir("/state", false);
 *	disk_add_dir("/run", true);
 *	...
 *	disk_freeze();                          what was logged since the last reset or crash becomes history
 *	disk_crash(position, true, seed);       the disk after a power loss at that place of the history; any number of times
 */
#ifndef TESTS_UNIT_DISK_H
#define TESTS_UNIT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/mint/store_io.h"

enum disk_call {
	DISK_OPEN_DIR, DISK_OPEN, DISK_STAT, DISK_STAT_NAME, DISK_READ, DISK_WRITE, DISK_ALLOCATE, DISK_TRUNCATE, DISK_SYNC_DATA, DISK_SYNC,
	DISK_RENAME, DISK_UNLINK, DISK_LOCK, DISK_MAP, DISK_CALLS
};

/* What store_identity() says; tests change it (another machine; a crash with power loss makes another boot by itself). */
extern struct store_identity disk_identity;

/* An empty machine: no directory, no failure, unlimited room, all descriptors closed. */
void disk_reset(void);
/* forgetful: a tmpfs, empty after a power loss. */
void disk_add_dir(const char *path, bool forgetful);

/* --- failures --- */

/* From now on, the nth call (1: the next) fails with errnum, and with forever every one after it; 0: none. An allocation that fails has half of its room, if that is there. done: a write, rename or sync takes place all the same and then says that it failed. */
void disk_fail(unsigned nth, int errnum, bool forever, bool done);
/* Every call of this kind fails; errnum 0: no more. */
void disk_fail_kind(enum disk_call kind, int errnum);
/* Calls since disk_reset() or disk_fail(), and how many of them were made to fail. */
unsigned disk_calls(void);
unsigned disk_failures(void);
/* Bytes that all files may have in all; -1: any number. */
void disk_set_room(int64_t bytes);
/* As mounted read-only. */
void disk_set_read_only(const char *path, bool read_only);

/* --- files, as a person at the machine would change them: on disk at once --- */

bool disk_exists(const char *path, const char *name);
/* The bytes of a file, to be looked at and damaged; NULL: there is none. They move when the file grows. */
unsigned char *disk_bytes(const char *path, const char *name, size_t *size);
/* A new file (a new inode) with these bytes, in the place of any other. */
void disk_put(const char *path, const char *name, const void *bytes, size_t size);
/* mode with the type: S_IFREG | 0644, S_IFLNK, S_IFIFO. */
void disk_set_mode(const char *path, const char *name, mode_t mode);
void disk_set_links(const char *path, const char *name, unsigned links);
void disk_set_owner(const char *path, const char *name, uid_t uid);
/* Another number; another birth (with the same number: what cp(1) makes after rm(1)). */
void disk_set_inode(const char *path, const char *name, uint64_t inode);
void disk_set_birth(const char *path, const char *name, int64_t birth_ns);
void disk_remove(const char *path, const char *name);
/* Another process holds the lock. */
void disk_set_locked(const char *path, const char *name, bool locked);
/* A directory's own mode. */
void disk_set_dir_mode(const char *path, mode_t mode);
unsigned disk_open_files(void);

/* --- crashes --- */

/* Changes so far: a place in the history. */
size_t disk_position(void);
void disk_freeze(void);
/* Changes of the history: its last place. */
size_t disk_frozen(void);
/*
 * The disk after the first position changes of the history. power: what was not synced is there, or not, or torn at 512 bytes, each write for itself by seed; renames and the like that were not synced
 * are undone from some point on; tmpfs is empty and the boot another. Without power (SIGKILL): all is there. Descriptors are closed either way.
 */
void disk_crash(size_t position, bool power, uint64_t seed);

#endif

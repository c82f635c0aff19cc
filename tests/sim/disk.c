/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/mint/store_io.h on a disk in memory that can fill up, break, and lose its power in the middle of an operation (tests/unit/disk.c keeps the whole history of a disk; that of a year has no room). What was written and not synced is remembered write by write, so that a power loss can take any of
 * it: each write may be lost, there, or torn at 512 bytes, in any order. Names change in the order in which they were changed, as a journaling file system has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/sim/disk_parts.h"

struct disk disk;

void *disk_must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* --- files --- */

void disk_forget_writes(struct file *f)
{
	f->n_writes = 0;
}

void disk_free_file(struct file *f)
{
	for (size_t i = 0; i < f->writes_room; i++)
		free(f->writes[i].bytes);
	free(f->writes);
	free(f->data);
	free(f->durable);
	free(f->at_death);
	memset(f, 0, sizeof *f);
}

void disk_grow(char **data, size_t *room, size_t size)
{
	if (size <= *room)
		return;
	*data = disk_must(realloc(*data, size));
	memset(*data + *room, 0, size - *room);
	*room = size;
}

int disk_new_file(void)
{
	for (int i = 0; i < FILES; i++) {
		struct file *f = &disk.files[i];

		if (f->used)
			continue;
		*f = (struct file){ .used = true, .ino = ++disk.next_ino };
		return i;
	}
	abort();
}

static bool named(int file)
{
	for (size_t d = 0; d < DIRS; d++) {
		const struct dir *dir = &disk.dirs[d];

		for (size_t i = 0; i < dir->n; i++)
			if (dir->names[i].file == file)
				return true;
		for (size_t s = 0; s < dir->n_stages; s++)
			for (size_t i = 0; i < dir->stages[s].n; i++)
				if (dir->stages[s].names[i].file == file)
					return true;
	}
	return false;
}

void disk_sweep(void)
{
	for (int i = 0; i < FILES; i++)
		if (disk.files[i].used && !disk.files[i].handles && !disk.files[i].mapped &&
		    !named(i))
			disk_free_file(&disk.files[i]);
}

static struct write *add_write(struct file *f, size_t at, size_t size)
{
	struct write *w;

	if (f->n_writes == f->writes_room) {
		size_t room = f->writes_room ? 2 * f->writes_room : 8;

		f->writes = disk_must(reallocarray(f->writes, room, sizeof *f->writes));
		memset(f->writes + f->writes_room, 0, (room - f->writes_room) * sizeof *f->writes);
		f->writes_room = room;
	}
	w = &f->writes[f->n_writes++];
	if (w->room < size) {
		w->bytes = disk_must(realloc(w->bytes, size));
		w->room = size;
	}
	w->at = at;
	w->size = size;
	return w;
}

void disk_harden(struct file *f, const struct write *w, size_t from, size_t size)
{
	disk_grow(&f->durable, &f->durable_room, w->at + w->size);
	memcpy(f->durable + w->at + from, w->bytes + from, size);
	if (w->at + from + size > f->durable_size)
		f->durable_size = w->at + from + size;
}

void disk_sync_file(struct file *f)
{
	for (size_t i = 0; i < f->n_writes; i++)
		disk_harden(f, &f->writes[i], 0, f->writes[i].size);
	disk_forget_writes(f);
	disk_grow(&f->durable, &f->durable_room, f->size);
	f->durable_size = f->size;
}

static struct file *file_of(int fd)
{
	int at = fd - FIRST_FD;

	if (at < 0 || at >= HANDLES || disk.handles[at] < 0 || disk.handles[at] == FREE_HANDLE)
		return NULL;
	return &disk.files[disk.handles[at]];
}

static struct dir *dir_of(int fd)
{
	int at = fd - FIRST_FD;

	if (at < 0 || at >= HANDLES || disk.handles[at] >= 0)
		return NULL;
	return &disk.dirs[-1 - disk.handles[at]];
}

static bool on_state(const struct file *f)
{
	const struct dir *dir = &disk.dirs[STATE];

	for (size_t i = 0; i < dir->n; i++)
		if (&disk.files[dir->names[i].file] == f)
			return true;
	return false;
}

static int new_handle(int what)
{
	for (int i = 0; i < HANDLES; i++) {
		if (disk.handles[i] != FREE_HANDLE)
			continue;
		disk.handles[i] = what;
		if (what >= 0)
			disk.files[what].handles++;
		return FIRST_FD + i;
	}
	abort();
}

/* --- names --- */

struct name *disk_find(struct dir *dir, const char *text)
{
	for (size_t i = 0; i < dir->n; i++)
		if (strcmp(dir->names[i].text, text) == 0)
			return &dir->names[i];
	return NULL;
}

/* Before each change: so that a power loss may fall between any two. */
static void stage(struct dir *dir)
{
	struct dir_before *before;

	if (dir->n_stages == PENDING) { /* the oldest change has reached the disk by itself */
		memmove(dir->stages, dir->stages + 1, (PENDING - 1) * sizeof dir->stages[0]);
		dir->n_stages--;
	}
	before = &dir->stages[dir->n_stages++];
	memcpy(before->names, dir->names, sizeof before->names);
	before->n = dir->n;
}

void disk_add_name(struct dir *dir, const char *text, int file)
{
	struct name *n;

	if (dir->n == NAMES || strlen(text) >= sizeof n->text)
		abort();
	n = &dir->names[dir->n++];
	memset(n, 0, sizeof *n);
	memcpy(n->text, text, strlen(text));
	n->file = file;
}

static void remove_name(struct dir *dir, struct name *n)
{
	*n = dir->names[--dir->n];
}

/* --- store_io.h --- */

static int gone(void)
{
	errno = EIO;
	return -1;
}

int store_io_open_dir(const char *path)
{
	if (disk_operation() == DIES_BEFORE)
		return gone();
	return new_handle(strcmp(path, DISK_STATE) == 0 ? -1 - STATE : -1 - RUNTIME);
}

static bool no_room(const struct dir *dir)
{
	return dir == &disk.dirs[STATE] && disk.fault == DISK_LOG;
}

static bool broken(const struct dir *dir)
{
	return dir == &disk.dirs[STATE] && disk.fault == DISK_BROKEN;
}

static int create(struct dir *dir, const char *name)
{
	if (no_room(dir) || broken(dir)) {
		errno = broken(dir) ? EIO : ENOSPC;
		return -1;
	}
	stage(dir);
	disk_add_name(dir, name, disk_new_file());
	return 0;
}

int store_io_open(int dir_fd, const char *name, int flags, mode_t mode)
{
	enum death death = disk_operation();
	struct dir *dir = dir_of(dir_fd);
	struct name *n;
	int fd;

	(void)mode;
	if (death == DIES_BEFORE || !dir)
		return gone();
	n = disk_find(dir, name);
	if ((n && (flags & O_EXCL)) || (!n && !(flags & O_CREAT))) {
		disk_finish(death);
		errno = n ? EEXIST : ENOENT;
		return -1;
	}
	if (!n && create(dir, name) < 0) {
		disk_finish(death);
		return -1;
	}
	fd = new_handle(disk_find(dir, name)->file);
	disk_finish(death);
	return fd;
}

int store_io_close(int fd)
{
	struct file *f = file_of(fd);

	if (f) {
		f->handles--;
		if (f->locked == fd + 1)
			f->locked = 0;
	}
	disk.handles[fd - FIRST_FD] = FREE_HANDLE;
	disk_sweep();
	return 0;
}

static void describe(const struct file *f, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_mode = f ? S_IFREG | 0600 : S_IFDIR | 0700;
	st->st_uid = geteuid();
	st->st_nlink = 1;
	st->st_ino = f ? f->ino : 1;
	st->st_size = f ? (off_t)f->size : 0;
}

int store_io_stat(int fd, struct stat *st)
{
	if (disk.dead)
		return gone();
	describe(file_of(fd), st);
	return 0;
}

int64_t store_io_birth(int fd)
{
	const struct file *f = file_of(fd);

	return f ? (int64_t)f->ino * 1000 : 0;
}

int store_io_stat_name(int dir, const char *name, struct stat *st)
{
	struct name *n;

	if (disk_operation() == DIES_BEFORE || !dir_of(dir))
		return gone();
	n = disk_find(dir_of(dir), name);
	if (!n) {
		errno = ENOENT;
		return -1;
	}
	describe(&disk.files[n->file], st);
	return 0;
}

ssize_t store_io_read(int fd, void *bytes, size_t size, off_t at)
{
	const struct file *f = file_of(fd);

	if (disk.dead || !f)
		return gone();
	if ((size_t)at >= f->size)
		return 0;
	if (size > f->size - (size_t)at)
		size = f->size - (size_t)at;
	memcpy(bytes, f->data + at, size);
	return (ssize_t)size;
}

/* An error of the disk, if it has one for this. */
static int write_error(const struct file *f, size_t end)
{
	if (!on_state(f))
		return 0;
	if (disk.fault == DISK_BROKEN)
		return EIO;
	if (disk.fault == DISK_LOG || (disk.fault == DISK_FULL && end > f->size))
		return ENOSPC;
	return 0;
}

ssize_t store_io_write(int fd, const void *bytes, size_t size, off_t at)
{
	enum death death = disk_operation();
	struct file *f = file_of(fd);
	int error;

	if (death == DIES_BEFORE || !f)
		return gone();
	error = write_error(f, (size_t)at + size);
	if (error) {
		disk_finish(death);
		errno = error;
		return -1;
	}
	/* whoever is killed in the middle of it has written a part */
	if (death == DIES_AFTER && size > SECTOR && sim_once_in(2))
		size = SECTOR * (size_t)sim_between(1, (int64_t)(size / SECTOR));
	disk_grow(&f->data, &f->room, (size_t)at + size);
	memcpy(f->data + at, bytes, size);
	if ((size_t)at + size > f->size)
		f->size = (size_t)at + size;
	memcpy(add_write(f, (size_t)at, size)->bytes, bytes, size);
	disk_finish(death);
	return (ssize_t)size;
}

int store_io_allocate(int fd, off_t size)
{
	enum death death = disk_operation();
	struct file *f = file_of(fd);

	if (death == DIES_BEFORE || !f)
		return gone();
	if (on_state(f) && disk.fault != DISK_GOOD && (size_t)size > f->size) {
		disk_finish(death);
		errno = disk.fault == DISK_BROKEN ? EIO : ENOSPC;
		return -1;
	}
	disk_grow(&f->data, &f->room, (size_t)size);
	if ((size_t)size > f->size)
		f->size = (size_t)size;
	disk_finish(death);
	return 0;
}

int store_io_truncate(int fd, off_t size)
{
	enum death death = disk_operation();
	struct file *f = file_of(fd);

	if (death == DIES_BEFORE || !f)
		return gone();
	if ((size_t)size < f->size) {
		memset(f->data + size, 0, f->size - (size_t)size);
		f->size = (size_t)size;
	}
	disk_finish(death);
	return 0;
}

int store_io_sync_data(int fd)
{
	enum death death = disk_operation();
	struct file *f = file_of(fd);

	if (death == DIES_BEFORE || !f)
		return gone();
	if (on_state(f) && (disk.fault == DISK_BROKEN || disk.fault == DISK_UNSYNCED)) {
		disk_forget_writes(f); /* and the next sync would say yes */
		disk_finish(death);
		errno = EIO;
		return -1;
	}
	disk_sync_file(f);
	disk_finish(death);
	return 0;
}

int store_io_sync(int fd)
{
	enum death death;
	struct dir *dir = dir_of(fd);

	if (!dir)
		return store_io_sync_data(fd);
	death = disk_operation();
	if (death == DIES_BEFORE)
		return gone();
	if (broken(dir) || (dir == &disk.dirs[STATE] && disk.fault == DISK_UNSYNCED)) {
		disk_finish(death);
		return gone();
	}
	dir->n_stages = 0;
	disk_sweep();
	disk_finish(death);
	return 0;
}

int store_io_rename(int dir_fd, const char *from, const char *to)
{
	enum death death = disk_operation();
	struct dir *dir = dir_of(dir_fd);
	struct name *n, *target;
	int file;

	if (death == DIES_BEFORE || !dir || broken(dir))
		return gone();
	n = disk_find(dir, from);
	if (!n) {
		errno = ENOENT;
		return -1;
	}
	stage(dir);
	file = n->file;
	remove_name(dir, n);
	target = disk_find(dir, to);
	if (target)
		target->file = file;
	else
		disk_add_name(dir, to, file);
	disk_sweep();
	disk_finish(death);
	return 0;
}

int store_io_unlink(int dir_fd, const char *name)
{
	enum death death = disk_operation();
	struct dir *dir = dir_of(dir_fd);
	struct name *n;

	if (death == DIES_BEFORE || !dir || broken(dir))
		return gone();
	n = disk_find(dir, name);
	if (n) {
		stage(dir);
		remove_name(dir, n);
		disk_sweep();
	}
	disk_finish(death);
	errno = ENOENT;
	return n ? 0 : -1;
}

int store_io_lock(int fd)
{
	struct file *f = file_of(fd);

	if (!f || (f->locked && f->locked != fd + 1)) {
		errno = EAGAIN;
		return -1;
	}
	f->locked = fd + 1;
	return 0;
}

void *store_io_map(int fd, size_t size)
{
	struct file *f = file_of(fd);

	if (disk_operation() == DIES_BEFORE || !f || f->size < size)
		return MAP_FAILED;
	f->mapped = true;
	return f->data;
}

void store_io_unmap(void *p, size_t size)
{
	(void)size;
	for (size_t i = 0; i < FILES; i++)
		if (disk.files[i].used && disk.files[i].data == p)
			disk.files[i].mapped = false;
}

void store_identity(struct store_identity *out)
{
	memset(out, 0, sizeof *out);
	memcpy(out->machine_id, "b5e2f0f1a04a4a7b9b3d6c1f00000001", 32);
	memcpy(out->boot_id, "00000000-0000-4000-8000-000000000000", 36);
	for (unsigned i = 0, n = disk.boot; i < 8; i++, n >>= 4)
		out->boot_id[7 - i] = "0123456789abcdef"[n & 15];
}

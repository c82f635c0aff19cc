/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls, and what a person does to the files. */
#include "disk_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FD_FIRST = 1000, BLOCK = 512 };

/* --- failures --- */

/* Whether this call is to fail; errno is set then. */
static bool fails(enum disk_call kind)
{
	bool hit;

	disk_rebase();
	disk.calls++;
	hit = disk.fail_at &&
	      (disk.calls == disk.fail_at || (disk.fail_forever && disk.calls > disk.fail_at));
	if (!hit && !disk.kind_errno[kind])
		return false;
	disk.failures++;
	errno = hit ? disk.fail_errno : disk.kind_errno[kind];
	return true;
}

void disk_fail(unsigned nth, int errnum, bool forever, bool done)
{
	disk.fail_at = nth;
	disk.fail_errno = errnum;
	disk.fail_forever = forever;
	disk.fail_done = done;
	disk.calls = disk.failures = 0;
}

void disk_fail_kind(enum disk_call kind, int errnum)
{
	disk.kind_errno[kind] = errnum;
}

unsigned disk_calls(void)
{
	return disk.calls;
}

unsigned disk_failures(void)
{
	return disk.failures;
}

void disk_set_room(int64_t bytes)
{
	disk.room = bytes;
}

static int64_t used(void)
{
	int64_t sum = 0;

	for (int d = 0; d < disk.now.n_dirs; d++)
		for (int i = 0; i < NAMES_MAX; i++)
			if (disk.now.dirs[d].names[i].file && !disk.now.dirs[d].forgetful)
				sum += (int64_t)disk.now.files[disk.now.dirs[d].names[i].file].size;
	return sum;
}

static bool is_forgetful(int file)
{
	for (int d = 0; d < disk.now.n_dirs; d++)
		for (int i = 0; i < NAMES_MAX; i++)
			if (disk.now.dirs[d].names[i].file == file)
				return disk.now.dirs[d].forgetful;
	return false;
}

/* Whether a file may have this size. */
static bool has_room(int file, size_t size)
{
	struct file *f = &disk.now.files[file];

	return size <= f->size || disk.room < 0 || is_forgetful(file) ||
	       used() + (int64_t)(size - f->size) <= disk.room;
}

/* --- descriptors --- */

static int fd_new(int file, int dir, bool writable)
{
	for (int i = 0; i < FDS_MAX; i++)
		if (!disk.fds[i].used) {
			disk.fds[i].used = true;
			disk.fds[i].file = file;
			disk.fds[i].dir = dir;
			disk.fds[i].writable = writable;
			return FD_FIRST + i;
		}
	errno = EMFILE;
	return -1;
}

static int file_at(int fd)
{
	disk_must(fd >= FD_FIRST && fd < FD_FIRST + FDS_MAX && disk.fds[fd - FD_FIRST].used,
		  "a descriptor that is not open");
	return disk.fds[fd - FD_FIRST].file;
}

static int dir_at(int fd)
{
	file_at(fd);
	disk_must(disk.fds[fd - FD_FIRST].dir, "not a directory");
	return disk.fds[fd - FD_FIRST].dir - 1;
}

unsigned disk_open_files(void)
{
	unsigned n = 0;

	for (int i = 0; i < FDS_MAX; i++)
		n += disk.fds[i].used;
	return n;
}

/* --- the system calls --- */

int store_io_open_dir(const char *path)
{
	if (fails(DISK_OPEN_DIR))
		return -1;
	for (int i = 0; i < disk.now.n_dirs; i++)
		if (strcmp(disk.now.dirs[i].path, path) == 0)
			return fd_new(0, i + 1, false);
	errno = ENOENT;
	return -1;
}

static int create(int d, const char *name, mode_t mode)
{
	struct dir *dir = &disk.now.dirs[d];
	int file;

	if (dir->read_only) {
		errno = EROFS;
		return -1;
	}
	file = disk_file_new(&disk.now, S_IFREG | mode);
	disk_set_name(dir, name, file);
	disk_log_change((struct change){
		.kind = CREATE,
		.file = file,
		.dir = d,
		.inode = disk.now.files[file].inode,
		.birth_ns = disk.now.files[file].birth_ns,
	});
	snprintf(disk.log.items[disk.log.n - 1].to, sizeof(dir->names[0].text), "%s", name);
	return fd_new(file, 0, true);
}

static int may_open(const struct dir *dir, const struct file *f, bool write)
{
	if (S_ISLNK(f->mode))
		return ELOOP;
	if (write && dir->read_only)
		return EROFS;
	return f->mode & (write ? 0200 : 0400) ? 0 : EACCES;
}

int store_io_open(int dir_fd, const char *name, int flags, mode_t mode)
{
	int d = dir_at(dir_fd);
	struct dir *dir = &disk.now.dirs[d];
	struct name *n = disk_name_of(dir, name);
	bool write = (flags & O_ACCMODE) != O_RDONLY;

	if (fails(DISK_OPEN))
		return -1;
	if (!n && (flags & O_CREAT))
		return create(d, name, mode);
	errno = !n               ? ENOENT
		: flags & O_EXCL ? EEXIST
				 : may_open(dir, &disk.now.files[n->file], write);
	return errno ? -1 : fd_new(n->file, 0, write);
}

int store_io_close(int fd)
{
	struct file *f = &disk.now.files[file_at(fd)];

	if (f->lock_fd == fd)
		f->lock_fd = 0;
	disk.fds[fd - FD_FIRST].used = false;
	return 0;
}

static void fill_stat(const struct file *f, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = f->mode;
	st->st_uid = f->uid;
	st->st_nlink = f->links;
	st->st_ino = (ino_t)f->inode;
	st->st_size = (off_t)f->size;
}

int store_io_stat(int fd, struct stat *st)
{
	int file = file_at(fd);

	if (fails(DISK_STAT))
		return -1;
	fill_stat(&disk.now.files[file], st);
	if (disk.fds[fd - FD_FIRST].dir) {
		st->st_mode = S_IFDIR | disk.now.dirs[dir_at(fd)].mode;
		st->st_uid = geteuid();
	}
	return 0;
}

int64_t store_io_birth(int fd)
{
	return disk.now.files[file_at(fd)].birth_ns;
}

int store_io_stat_name(int dir_fd, const char *name, struct stat *st)
{
	struct name *n = disk_name_of(&disk.now.dirs[dir_at(dir_fd)], name);

	if (fails(DISK_STAT_NAME))
		return -1;
	if (!n) {
		errno = ENOENT;
		return -1;
	}
	fill_stat(&disk.now.files[n->file], st);
	return 0;
}

ssize_t store_io_read(int fd, void *bytes, size_t size, off_t at)
{
	const struct file *f = &disk.now.files[file_at(fd)];

	if (fails(DISK_READ))
		return -1;
	if ((size_t)at >= f->size)
		return 0;
	if (size > f->size - (size_t)at)
		size = f->size - (size_t)at;
	memcpy(bytes, f->bytes + at, size);
	return (ssize_t)size;
}

ssize_t store_io_write(int fd, const void *bytes, size_t size, off_t at)
{
	int file = file_at(fd);
	bool failed = fails(DISK_WRITE);
	int why = errno;

	disk_must(disk.fds[fd - FD_FIRST].writable, "a write to what is open for reading");
	/* a write that fails may have reached the disk in part */
	if (failed && !disk.fail_done)
		size = size / 2 / BLOCK * BLOCK;
	if (!has_room(file, (size_t)at + size)) {
		errno = ENOSPC;
		return -1;
	}
	if (size > 0) {
		disk_reach(&disk.now.files[file], (size_t)at + size);
		memcpy(disk.now.files[file].bytes + at, bytes, size);
		disk_log_maps();
		disk_log_write(file, at, bytes, size);
	}
	errno = why;
	return failed ? -1 : (ssize_t)size;
}

static void allocate(int file, size_t size)
{
	disk_reach(&disk.now.files[file], size);
	disk_log_change((struct change){ .kind = ALLOCATE, .file = file, .size = size });
}

/* What an allocation that fails has got until then: half, or all that is left. */
static void allocate_some(int file, size_t size)
{
	size_t now = disk.now.files[file].size;
	size_t some = size > now ? (size - now) / 2 / BLOCK * BLOCK : 0;

	while (some > 0 && !has_room(file, now + some))
		some = some / 2 / BLOCK * BLOCK;
	if (some > 0)
		allocate(file, now + some);
}

int store_io_allocate(int fd, off_t size)
{
	int file = file_at(fd);
	bool failed = fails(DISK_ALLOCATE);
	int why = failed ? errno : ENOSPC;

	if (failed || !has_room(file, (size_t)size)) {
		allocate_some(file, (size_t)size);
		errno = why;
		return -1;
	}
	allocate(file, (size_t)size);
	return 0;
}

int store_io_truncate(int fd, off_t size)
{
	int file = file_at(fd);

	if (fails(DISK_TRUNCATE))
		return -1;
	disk_cut(&disk.now.files[file], (size_t)size);
	disk_log_change((struct change){ .kind = TRUNCATE, .file = file, .size = (size_t)size });
	return 0;
}

static int sync_file(int file, enum disk_call kind)
{
	bool failed = fails(kind);

	/* a failed sync throws the dirty pages away; the next one says yes without them */
	disk_log_change((struct change){ .kind = failed && !disk.fail_done ? LOST : SYNC_FILE,
					 .file = file });
	return failed ? -1 : 0;
}

int store_io_sync_data(int fd)
{
	return sync_file(file_at(fd), DISK_SYNC_DATA);
}

int store_io_sync(int fd)
{
	bool failed;

	if (!disk.fds[fd - FD_FIRST].dir)
		return sync_file(file_at(fd), DISK_SYNC);
	failed = fails(DISK_SYNC);
	if (!failed || disk.fail_done)
		disk_log_change((struct change){ .kind = SYNC_DIR, .dir = dir_at(fd) });
	return failed ? -1 : 0;
}

int store_io_rename(int dir_fd, const char *from, const char *to)
{
	struct change c = { .kind = RENAME, .dir = dir_at(dir_fd) };
	bool failed = fails(DISK_RENAME);
	int why = errno;

	if (failed && !disk.fail_done)
		return -1;
	if (disk.now.dirs[c.dir].read_only || !disk_name_of(&disk.now.dirs[c.dir], from)) {
		errno = disk.now.dirs[c.dir].read_only ? EROFS : ENOENT;
		return -1;
	}
	disk_tree_rename(&disk.now, c.dir, from, to);
	snprintf(c.from, sizeof(c.from), "%s", from);
	snprintf(c.to, sizeof(c.to), "%s", to);
	disk_log_change(c);
	errno = why;
	return failed ? -1 : 0;
}

int store_io_unlink(int dir_fd, const char *name)
{
	struct change c = { .kind = UNLINK, .dir = dir_at(dir_fd) };
	struct name *n = disk_name_of(&disk.now.dirs[c.dir], name);

	if (fails(DISK_UNLINK))
		return -1;
	if (!n || disk.now.dirs[c.dir].read_only) {
		errno = n ? EROFS : ENOENT;
		return -1;
	}
	n->file = 0;
	snprintf(c.from, sizeof(c.from), "%s", name);
	disk_log_change(c);
	return 0;
}

int store_io_lock(int fd)
{
	struct file *f = &disk.now.files[file_at(fd)];

	if (fails(DISK_LOCK))
		return -1;
	if (f->locked || (f->lock_fd && f->lock_fd != fd)) {
		errno = EAGAIN;
		return -1;
	}
	f->lock_fd = fd;
	return 0;
}

void *store_io_map(int fd, size_t size)
{
	struct file *f = &disk.now.files[file_at(fd)];

	if (fails(DISK_MAP))
		return MAP_FAILED;
	disk_must(f->size >= size, "a mapping beyond the end");
	free(f->shadow);
	f->shadow = disk_room_for(1, f->size);
	memcpy(f->shadow, f->bytes, f->size);
	f->mapped = true;
	return f->bytes;
}

void store_io_unmap(void *p, size_t size)
{
	(void)size;
	disk_log_maps();
	for (int i = 0; i < disk.now.n_files; i++)
		if (disk.now.files[i].bytes == p)
			disk.now.files[i].mapped = false;
}

void store_identity(struct store_identity *out)
{
	*out = disk_identity;
}

/* --- people --- */

static struct file *find(const char *path, const char *name)
{
	disk.touched = true;
	struct dir *d = disk_dir_of(&disk.now, path);
	struct name *n = d ? disk_name_of(d, name) : NULL;

	return n ? &disk.now.files[n->file] : NULL;
}

static struct file *found(const char *path, const char *name)
{
	struct file *f = find(path, name);

	disk_must(f, name);
	return f;
}

bool disk_exists(const char *path, const char *name)
{
	return find(path, name) != NULL;
}

unsigned char *disk_bytes(const char *path, const char *name, size_t *size)
{
	struct file *f = find(path, name);

	if (f && size)
		*size = f->size;
	return f ? f->bytes : NULL;
}

void disk_put(const char *path, const char *name, const void *bytes, size_t size)
{
	int file = disk_file_new(&disk.now, S_IFREG | 0600);

	disk.touched = true;
	disk_reach(&disk.now.files[file], size);
	memcpy(disk.now.files[file].bytes, bytes, size);
	disk_set_name(disk_dir_of(&disk.now, path), name, file);
}

void disk_set_mode(const char *path, const char *name, mode_t mode)
{
	found(path, name)->mode = mode;
}

void disk_set_links(const char *path, const char *name, unsigned links)
{
	found(path, name)->links = links;
}

void disk_set_owner(const char *path, const char *name, uid_t uid)
{
	found(path, name)->uid = uid;
}

void disk_set_inode(const char *path, const char *name, uint64_t inode)
{
	found(path, name)->inode = (int)inode;
}

void disk_set_birth(const char *path, const char *name, int64_t birth_ns)
{
	found(path, name)->birth_ns = birth_ns;
}

void disk_set_locked(const char *path, const char *name, bool locked)
{
	found(path, name)->locked = locked;
}

void disk_remove(const char *path, const char *name)
{
	found(path, name);
	disk_name_of(disk_dir_of(&disk.now, path), name)->file = 0;
}

void disk_set_read_only(const char *path, bool read_only)
{
	disk_dir_of(&disk.now, path)->read_only = read_only;
}

void disk_set_dir_mode(const char *path, mode_t mode)
{
	disk_dir_of(&disk.now, path)->mode = mode;
}

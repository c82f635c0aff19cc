/* SPDX-License-Identifier: Apache-2.0 */
/* The trees of files, the log of changes, and what a crash makes of them. */
#include "disk_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512, FIRST_INODE = 100 };

struct disk disk;
struct store_identity disk_identity;

void disk_must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "disk: %s\n", what);
		abort();
	}
}

void *disk_room_for(size_t n, size_t size)
{
	void *p = calloc(n, size);

	disk_must(p, "out of memory");
	return p;
}

/* --- trees --- */

void disk_tree_free(struct tree *t)
{
	for (int i = 0; i < t->n_files; i++) {
		free(t->files[i].bytes);
		free(t->files[i].shadow);
	}
	free(t->files);
	memset(t, 0, sizeof(*t));
}

/* Only what has a name: the rest is gone when it is looked at again. */
void disk_tree_copy(struct tree *to, const struct tree *from)
{
	*to = *from;
	to->files = disk_room_for(FILES_MAX, sizeof(*to->files));
	for (int d = 0; d < from->n_dirs; d++)
		for (int i = 0; i < NAMES_MAX; i++) {
			int f = from->dirs[d].names[i].file;
			struct file *copy = &to->files[f];

			if (!f)
				continue;
			*copy = from->files[f];
			copy->bytes = disk_room_for(1, copy->cap ? copy->cap : 1);
			memcpy(copy->bytes, from->files[f].bytes, copy->size);
			copy->shadow = NULL;
			copy->mapped = false;
			copy->lock_fd = 0;
		}
}

struct dir *disk_dir_of(struct tree *t, const char *path)
{
	for (int i = 0; i < t->n_dirs; i++)
		if (strcmp(t->dirs[i].path, path) == 0)
			return &t->dirs[i];
	return NULL;
}

struct name *disk_name_of(struct dir *d, const char *text)
{
	for (int i = 0; i < NAMES_MAX; i++)
		if (d->names[i].file && strcmp(d->names[i].text, text) == 0)
			return &d->names[i];
	return NULL;
}

void disk_set_name(struct dir *d, const char *text, int file)
{
	struct name *n = disk_name_of(d, text);

	for (int i = 0; !n && i < NAMES_MAX; i++)
		if (!d->names[i].file)
			n = &d->names[i];
	disk_must(n && strlen(text) < sizeof(n->text), "too many names");
	snprintf(n->text, sizeof(n->text), "%s", text);
	n->file = file;
}

void disk_reach(struct file *f, size_t size)
{
	if (size > f->cap) {
		size_t cap = size + size / 2;
		unsigned char *more = disk_room_for(1, cap);

		disk_must(!f->mapped, "a mapped file grows");
		if (f->size)
			memcpy(more, f->bytes, f->size);
		free(f->bytes);
		f->bytes = more;
		f->cap = cap;
	}
	if (size > f->size)
		f->size = size;
}

void disk_cut(struct file *f, size_t size)
{
	if (size >= f->size)
		return;
	memset(f->bytes + size, 0, f->size - size);
	f->size = size;
}

int disk_file_new(struct tree *t, mode_t mode)
{
	struct file *f;

	disk_must(t->n_files < FILES_MAX, "too many files");
	f = &t->files[t->n_files];
	*f = (struct file){ .mode = mode, .uid = geteuid(), .links = 1, .inode = disk.next_inode++,
			    .birth_ns = ++disk.births };
	disk_reach(f, 0);
	f->bytes = f->bytes ? f->bytes : disk_room_for(1, 1);
	return t->n_files++;
}

/* --- the log --- */

static void add_change(const struct change *c)
{
	if (disk.log.n == disk.log.cap) {
		disk.log.cap = disk.log.cap ? 2 * disk.log.cap : 256;
		disk.log.items = reallocarray(disk.log.items, disk.log.cap, sizeof(*c));
		disk_must(disk.log.items, "out of memory");
	}
	disk.log.items[disk.log.n++] = *c;
}

void disk_log_write(int file, off_t at, const void *bytes, size_t size)
{
	struct change c = { .kind = WRITE, .file = file, .at = at, .size = size };

	c.bytes = disk_room_for(1, size ? size : 1);
	memcpy(c.bytes, bytes, size);
	add_change(&c);
}

/* What was written through a mapping since the last change. */
void disk_log_maps(void)
{
	for (int i = 1; i < disk.now.n_files; i++) {
		struct file *f = &disk.now.files[i];

		if (!f->mapped || memcmp(f->bytes, f->shadow, f->size) == 0)
			continue;
		disk_log_write(i, 0, f->bytes, f->size);
		memcpy(f->shadow, f->bytes, f->size);
	}
}

void disk_log_change(struct change c)
{
	disk_log_maps();
	add_change(&c);
}

void disk_log_free(struct log *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].bytes);
	free(l->items);
	memset(l, 0, sizeof(*l));
}

void disk_tree_rename(struct tree *t, int d, const char *from, const char *to)
{
	struct name *n = disk_name_of(&t->dirs[d], from);
	int file = n ? n->file : 0;

	if (!n)
		return;
	n->file = 0;
	disk_set_name(&t->dirs[d], to, file);
}

/* What a person has done is on disk, with all that was before. */
void disk_rebase(void)
{
	if (!disk.touched)
		return;
	disk.touched = false;
	disk_tree_free(&disk.base);
	disk_tree_copy(&disk.base, &disk.now);
	disk_log_free(&disk.log);
}

/* --- the machine --- */

static void new_boot(void)
{
	snprintf(disk_identity.boot_id, sizeof(disk_identity.boot_id), "boot-%u", ++disk.boots);
}

void disk_reset(void)
{
	disk_tree_free(&disk.now);
	disk_tree_free(&disk.base);
	disk_tree_free(&disk.then);
	disk_log_free(&disk.log);
	disk_log_free(&disk.history);
	memset(&disk, 0, sizeof(disk));
	disk.room = -1;
	disk.next_inode = FIRST_INODE;
	disk.now.files = disk_room_for(FILES_MAX, sizeof(struct file));
	disk.now.n_files = 1;
	disk_identity = (struct store_identity){ .machine_id = "machine-1" };
	new_boot();
	disk_tree_copy(&disk.base, &disk.now);
}

void disk_add_dir(const char *path, bool forgetful)
{
	disk_must(disk.now.n_dirs < DIRS_MAX, "too many directories");
	struct dir *d = &disk.now.dirs[disk.now.n_dirs++];

	snprintf(d->path, sizeof(d->path), "%s", path);
	d->forgetful = forgetful;
	d->mode = 0700;
	disk_tree_free(&disk.base);
	disk_tree_copy(&disk.base, &disk.now);
}

/* --- crashes --- */

size_t disk_position(void)
{
	disk_log_maps();
	return disk.log.n;
}

void disk_freeze(void)
{
	disk_rebase();
	disk_log_maps();
	disk_log_free(&disk.history);
	disk_tree_free(&disk.then);
	disk.history = disk.log;
	memset(&disk.log, 0, sizeof(disk.log));
	disk_tree_copy(&disk.then, &disk.base);
}

size_t disk_frozen(void)
{
	return disk.history.n;
}

static uint64_t roll(uint64_t *seed)
{
	uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* A file that the history makes. */
static void create_in(struct tree *t, const struct change *c)
{
	struct file *f = &t->files[c->file];

	if (c->file >= t->n_files)
		t->n_files = c->file + 1;
	*f = (struct file){ .mode = S_IFREG | 0600, .uid = geteuid(), .links = 1 };
	f->bytes = disk_room_for(1, 1);
	f->inode = c->inode;
	f->birth_ns = c->birth_ns;
}

/* What is on disk of a write that was not synced: all, nothing, or some of its blocks. */
static void write_some(struct file *f, const struct change *c, uint64_t *seed)
{
	unsigned how = (unsigned)(roll(seed) % 3);

	if (how == 0)
		return;
	for (size_t at = 0; at < c->size; at += BLOCK) {
		size_t n = c->size - at < BLOCK ? c->size - at : BLOCK;

		if (how == 2 && roll(seed) % 2)
			continue;
		disk_reach(f, (size_t)c->at + at + n);
		memcpy(f->bytes + c->at + at, c->bytes + at, n);
	}
}

static void apply_data(struct tree *t, const struct change *c, bool sure, uint64_t *seed)
{
	struct file *f = &t->files[c->file];

	if (c->kind == ALLOCATE && (sure || roll(seed) % 2))
		disk_reach(f, c->size);
	if (c->kind == TRUNCATE && (sure || roll(seed) % 2))
		disk_cut(f, c->size);
	if (c->kind != WRITE)
		return;
	if (!sure) {
		write_some(f, c, seed);
		return;
	}
	disk_reach(f, (size_t)c->at + c->size);
	memcpy(f->bytes + c->at, c->bytes, c->size);
}

static void apply_name(struct tree *t, const struct change *c)
{
	struct name *n = disk_name_of(&t->dirs[c->dir], c->from);

	if (c->kind == CREATE)
		disk_set_name(&t->dirs[c->dir], c->to, c->file);
	else if (c->kind == RENAME)
		disk_tree_rename(t, c->dir, c->from, c->to);
	else if (n)
		n->file = 0;
}

/* Which changes are certain: those before a sync of their file or directory. */
static void judge(size_t position, bool *sure)
{
	bool file_synced[FILES_MAX] = { false }, dir_synced[DIRS_MAX] = { false };

	for (size_t i = position; i-- > 0;) {
		const struct change *c = &disk.history.items[i];

		if (c->kind == SYNC_FILE || c->kind == LOST)
			file_synced[c->file] = c->kind == SYNC_FILE;
		else if (c->kind == SYNC_DIR)
			dir_synced[c->dir] = true;
		else
			sure[i] = c->kind >= CREATE ? dir_synced[c->dir] : file_synced[c->file];
	}
}

static void replay(struct tree *t, size_t position, const bool *sure, uint64_t seed)
{
	bool undone[DIRS_MAX] = { false }; /* from some change on, the others of this directory are lost, too */

	for (size_t i = 0; i < position; i++) {
		const struct change *c = &disk.history.items[i];

		if (c->kind < SYNC_FILE)
			apply_data(t, c, sure[i], &seed);
		if (c->kind < CREATE)
			continue;
		if (c->kind == CREATE)
			create_in(t, c);
		if (!sure[i] && roll(&seed) % 3 == 0)
			undone[c->dir] = true;
		if (!undone[c->dir])
			apply_name(t, c);
	}
}

void disk_crash(size_t position, bool power, uint64_t seed)
{
	bool *sure = disk_room_for(position + 1, sizeof(*sure));
	struct tree t;

	disk_must(position <= disk.history.n, "a place that the history does not have");
	disk_tree_copy(&t, &disk.then);
	if (power)
		judge(position, sure);
	else
		memset(sure, true, position + 1);
	replay(&t, position, sure, seed);
	free(sure);
	for (int d = 0; power && d < t.n_dirs; d++)
		if (t.dirs[d].forgetful)
			memset(t.dirs[d].names, 0, sizeof(t.dirs[d].names));
	if (power)
		new_boot();
	disk_tree_free(&disk.now);
	disk_tree_free(&disk.base);
	disk_log_free(&disk.log);
	disk.now = t;
	disk_tree_copy(&disk.base, &disk.now);
	memset(disk.fds, 0, sizeof(disk.fds));
}

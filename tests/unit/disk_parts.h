/* SPDX-License-Identifier: Apache-2.0 */
/* The disk from inside. */
#ifndef TESTS_UNIT_DISK_PARTS_H
#define TESTS_UNIT_DISK_PARTS_H

#include "disk.h"

enum { DIRS_MAX = 4, NAMES_MAX = 16, FILES_MAX = 1024, FDS_MAX = 64 };

/* One inode. Index 0 is none; a removed one stays until the next crash, as descriptors may hold it. */
struct file {
	unsigned char *bytes;
	size_t size, cap;
	mode_t mode;
	uid_t uid;
	unsigned links;
	int64_t birth_ns;
	bool locked; /* by another process */
	int lock_fd; /* of ours, 0: none */
	bool mapped;
	unsigned char *shadow; /* of a mapped one: what the log knows */
	int inode;
};

struct name {
	char text[32];
	int file; /* 0: free */
};

struct dir {
	char path[64];
	bool forgetful, read_only;
	mode_t mode;
	struct name names[NAMES_MAX];
};

struct tree {
	struct dir dirs[DIRS_MAX];
	int n_dirs;
	struct file *files; /* FILES_MAX of them */
	int n_files;
};

enum change_kind { WRITE, ALLOCATE, TRUNCATE, SYNC_FILE, LOST, SYNC_DIR, CREATE, RENAME, UNLINK };

struct change {
	enum change_kind kind;
	int file, dir;
	off_t at;
	size_t size;
	unsigned char *bytes;
	char from[32], to[32];
	int inode; /* of a CREATE */
	int64_t birth_ns;
};

struct log {
	struct change *items;
	size_t n, cap;
};

struct disk {
	struct tree now, base, then; /* then: where the history begins */
	struct log log, history;
	struct {
		int file, dir; /* dir: index + 1 */
		bool used, writable;
	} fds[FDS_MAX];
	unsigned calls, failures, fail_at;
	int fail_errno, kind_errno[DISK_CALLS];
	bool fail_forever, fail_done;
	bool touched; /* a person has changed something since the last call */
	int64_t room;
	unsigned boots;
	int next_inode;
	int64_t births;
};
extern struct disk disk;

void disk_must(bool ok, const char *what);
void *disk_room_for(size_t n, size_t size);
void disk_tree_free(struct tree *t);
void disk_tree_copy(struct tree *to, const struct tree *from);
void disk_tree_rename(struct tree *t, int d, const char *from, const char *to);
struct dir *disk_dir_of(struct tree *t, const char *path);
struct name *disk_name_of(struct dir *d, const char *text);
void disk_set_name(struct dir *d, const char *text, int file);
void disk_reach(struct file *f, size_t size);
void disk_cut(struct file *f, size_t size);
int disk_file_new(struct tree *t, mode_t mode);
void disk_log_write(int file, off_t at, const void *bytes, size_t size);
void disk_log_maps(void);
void disk_log_change(struct change c);
void disk_log_free(struct log *l);
void disk_rebase(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Between disk.c and disk_power.c. */
#ifndef SIM_DISK_PARTS_H
#define SIM_DISK_PARTS_H

#include "daemon/mint/store_io.h"
#include "tests/sim/sim.h"

enum { FILES = 16, NAMES = 16, HANDLES = 16, FIRST_FD = 1000, SECTOR = 512, DIRS = 2, PENDING = 8 };
enum { STATE = 0, RUNTIME = 1 };

struct write {
	size_t at, size, room;
	char *bytes;
};

struct file {
	bool used, mapped;
	unsigned handles;
	int locked; /* by this handle + 1 */
	ino_t ino;
	char *data, *durable; /* as programs see it; as the platters have it */
	size_t size, durable_size, room, durable_room;
	struct write *writes;
	size_t n_writes, writes_room;
	char *at_death; /* of a mapped one */
};

struct name {
	char text[24];
	int file;
};

/* A directory as it was on disk, and the changes since, in order. */
struct dir {
	struct name names[NAMES];
	size_t n;
	struct dir_before {
		struct name names[NAMES];
		size_t n;
	} stages[PENDING]; /* [0] is on disk, the last is the state before the newest change */
	size_t n_stages;
};

struct disk {
	struct file files[FILES];
	struct dir dirs[DIRS];
	int handles[HANDLES]; /* file, or -1 - dir for a directory; 0x7fff: free */
	ino_t next_ino;
	enum disk_fault fault;
	unsigned kill_at;
	bool kill_power, dead, dead_by_power;
	uint64_t operations;
	unsigned boot;
	char *backup;
	size_t backup_size;
};
extern struct disk disk;

enum { FREE_HANDLE = 0x7fff };

/* disk_power.c */
enum death { ALIVE, DIES_BEFORE, DIES_AFTER };
/* Counts an operation. DIES_BEFORE: it is not done; DIES_AFTER: it is, and disk_finish() ends the process. */
enum death disk_operation(void);
void disk_finish(enum death death);

/* disk.c */
void *disk_must(void *p);
void disk_free_file(struct file *f);
void disk_grow(char **data, size_t *room, size_t size);
void disk_sync_file(struct file *f);
void disk_harden(struct file *f, const struct write *w, size_t from, size_t size);
void disk_forget_writes(struct file *f);
void disk_sweep(void);
int disk_new_file(void);
struct name *disk_find(struct dir *dir, const char *text);
void disk_add_name(struct dir *dir, const char *text, int file);

#endif

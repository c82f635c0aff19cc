/* SPDX-License-Identifier: Apache-2.0 */
/* How a process and a machine end, and what they leave on the disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk_parts.h"

/* What the process does from here on is not done. Mapped files keep what they had: the kernel has it. */
static void die(void)
{
	disk.dead = true;
	disk.dead_by_power = disk.kill_power;
	disk.kill_at = 0;
	for (size_t i = 0; i < FILES; i++) {
		struct file *f = &disk.files[i];

		if (!f->used || !f->mapped)
			continue;
		f->at_death = disk_must(malloc(f->size + 1));
		memcpy(f->at_death, f->data, f->size);
	}
}

enum death disk_operation(void)
{
	disk.operations++;
	if (disk.dead)
		return DIES_BEFORE;
	if (!disk.kill_at || --disk.kill_at)
		return ALIVE;
	if (sim_once_in(2))
		return DIES_AFTER;
	die();
	return DIES_BEFORE;
}

void disk_finish(enum death death)
{
	int error = errno;

	if (death == DIES_AFTER)
		die();
	errno = error;
}

void disk_kill_at(unsigned n, bool power)
{
	disk.kill_at = n;
	disk.kill_power = power;
}

void disk_kill_now(bool power)
{
	if (disk.dead)
		return;
	disk.kill_power = power;
	die();
}

bool disk_dead(void)
{
	return disk.dead;
}

bool disk_dead_by_power(void)
{
	return disk.dead_by_power;
}

uint64_t disk_operations(void)
{
	return disk.operations;
}

void disk_set_fault(enum disk_fault fault)
{
	disk.fault = fault;
}

enum disk_fault disk_fault(void)
{
	return disk.fault;
}

/* --- after it --- */

static void lose_handles(void)
{
	for (size_t i = 0; i < HANDLES; i++)
		disk.handles[i] = FREE_HANDLE;
	for (size_t i = 0; i < FILES; i++) {
		struct file *f = &disk.files[i];

		f->handles = 0;
		f->locked = 0;
		f->mapped = false;
		if (!f->at_death)
			continue;
		memcpy(f->data, f->at_death, f->size);
		free(f->at_death);
		f->at_death = NULL;
	}
}

/* A write that was not synced: lost, there, or some of its sectors. */
static void chance_write(struct file *f, const struct write *w)
{
	uint64_t how = sim_below(3);

	for (size_t at = 0; at < w->size; at += SECTOR) {
		size_t size = w->size - at < SECTOR ? w->size - at : SECTOR;

		if (how == 1 || (how == 2 && sim_once_in(2)))
			disk_harden(f, w, at, size);
	}
}

static void lose_unsynced(struct file *f)
{
	if (sim_once_in(2)) { /* its new length has reached the disk */
		disk_grow(&f->durable, &f->durable_room, f->size);
		f->durable_size = f->durable_size > f->size ? f->durable_size : f->size;
	}
	for (size_t i = 0; i < f->n_writes; i++)
		chance_write(f, &f->writes[i]);
	disk_forget_writes(f);
	disk_grow(&f->data, &f->room, f->durable_size);
	if (f->durable_size)
		memcpy(f->data, f->durable, f->durable_size);
	f->size = f->durable_size;
	memset(f->data + f->size, 0, f->room - f->size);
}

/* Some of the changes of names have reached the disk: the first so many. */
static void lose_names(struct dir *dir)
{
	size_t kept = sim_below(dir->n_stages + 1);

	if (kept < dir->n_stages) {
		memcpy(dir->names, dir->stages[kept].names, sizeof dir->names);
		dir->n = dir->stages[kept].n;
	}
	dir->n_stages = 0;
}

static void lose_power(void)
{
	lose_names(&disk.dirs[STATE]);
	disk.dirs[RUNTIME].n = disk.dirs[RUNTIME].n_stages = 0;
	disk_sweep();
	for (size_t i = 0; i < FILES; i++)
		if (disk.files[i].used && disk.files[i].data)
			lose_unsynced(&disk.files[i]);
	disk.boot++;
}

void disk_restart(void)
{
	bool power = disk.dead_by_power;

	lose_handles();
	disk.dead = disk.dead_by_power = disk.kill_power = false;
	disk.kill_at = 0;
	disk_sweep();
	if (power)
		lose_power();
}

void disk_reset(void)
{
	for (size_t i = 0; i < FILES; i++)
		disk_free_file(&disk.files[i]);
	free(disk.backup);
	memset(&disk, 0, sizeof disk);
	lose_handles();
}

/* --- looking, copying --- */

static struct file *store_file(void)
{
	struct name *n = disk_find(&disk.dirs[STATE], "store");

	return n ? &disk.files[n->file] : NULL;
}

size_t disk_unsynced(void)
{
	const struct file *f = store_file();
	size_t n = 0;

	for (size_t i = 0; f && i < f->n_writes; i++)
		n += f->writes[i].size;
	return n;
}

void disk_backup(void)
{
	const struct file *f = store_file();

	if (!f)
		return;
	disk.backup = disk_must(realloc(disk.backup, f->size + 1));
	memcpy(disk.backup, f->data, f->size);
	disk.backup_size = f->size;
}

bool disk_restore_backup(void)
{
	struct name *n = disk_find(&disk.dirs[STATE], "store");
	struct file *f;

	if (!disk.backup)
		return false;
	if (!n) {
		disk_add_name(&disk.dirs[STATE], "store", disk_new_file());
		n = disk_find(&disk.dirs[STATE], "store");
	} else {
		n->file = disk_new_file();
	}
	disk_sweep();
	f = &disk.files[n->file];
	disk_grow(&f->data, &f->room, disk.backup_size);
	memcpy(f->data, disk.backup, disk.backup_size);
	f->size = disk.backup_size;
	disk_grow(&f->durable, &f->durable_room, f->size);
	memcpy(f->durable, f->data, f->size);
	f->durable_size = f->size;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new file with the newest record of each entry, in the place of the old: when that is full of records that were superseded, to heal after a failed write, to adopt. Until the rename the old
 * one is untouched; after it the new one is whole, for it was synced before. A file that is full of what is live becomes longer instead.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/store_parts.h"

static int suspect_name(struct store *s, const char *what, struct err *err)
{
	s->replaced = true;
	store_suspect(
		s,
		"%.120s/%s %s while the daemon ran: if this is right, `sftoken adopt` writes what the "
		"daemon knows in its place; no refresh token is spent before",
		s->state_dir, STORE_NAME, what);
	return store_refuse(s, err);
}

int store_check_name(struct store *s, struct err *err)
{
	struct stat st;

	s->named_inode = 0;
	if (store_io_stat_name(s->dir, STORE_NAME, &st) < 0) {
		if (errno == ENOENT && (s->file.fd < 0 || (s->unsure && !s->other_inode)))
			return 0;
		if (errno == ENOENT)
			return suspect_name(s, "was removed", err);
		return err_errno(err, ERR_RETRY, errno, "look at %.150s/%s", s->state_dir,
				 STORE_NAME);
	}
	s->named_inode = (uint64_t)st.st_ino;
	if (s->file.fd >= 0 && s->named_inode == s->file.header.inode)
		return 0;
	if (s->unsure && s->named_inode == s->other_inode)
		return 0;
	return suspect_name(s, "was replaced", err);
}

/* Where entries with room for growth, and the RESULTs of what is under way, will fit. */
static off_t size_for(const struct store *s, uint64_t *n)
{
	off_t results = (off_t)(s->intents + 1) * store_journal_room(STORE_RESULT_MAX);
	off_t live = STORE_RECORDS_AT, size;

	*n = 0;
	for (size_t i = 0; i < s->n_entries; i++)
		for (int kind = 0; kind < 2; kind++) {
			const struct part *p = &s->entries[i]->parts[kind];

			*n += p->live;
			live += p->live ? (off_t)p->room : 0;
		}
	size = 4 * live > live + 2 * results ? 4 * live : live + 2 * results;
	size += STORE_SIZE_MIN - 1;
	return size - size % STORE_SIZE_MIN;
}

bool store_extend(struct store *s)
{
	uint64_t n;
	off_t size = size_for(s, &n);

	/* a new file would not be longer: what fills this one is garbage */
	if (size <= s->file.size)
		return false;
	if (store_check_name(s, NULL) < 0)
		return false;
	if (store_io_allocate(s->file.fd, size) < 0) {
		/* ext4 keeps what it has found until then: the disk would be full, and a new file impossible */
		(void)store_io_truncate(s->file.fd, s->file.size);
		return false;
	}
	s->file.size = size;
	s->counters.extensions++;
	return true;
}

static int write_entries(struct store *s, struct store_journal *j, struct err *err)
{
	for (size_t i = 0; i < s->n_entries; i++)
		for (int kind = 0; kind < 2; kind++) {
			struct entry *x = s->entries[i];
			int r = x->parts[kind].live
					? store_append(s, j, x, (enum store_kind)kind, err)
					: 0;

			if (r < 0)
				return r;
		}
	return 0;
}

/* Makes store.new whole and durable, but for its name. */
static int make_file(struct store *s, struct store_journal *j, const unsigned char *id,
		     struct err *err)
{
	struct store_header header = {
		.kind = STORE_FILE_MAIN,
		.identity = s->identity,
		.first = s->number + 1,
		.made_real_ms = clock_real_ms(),
	};
	uint64_t n;
	off_t size = size_for(s, &n);
	int r;

	header.synced = s->number + n;
	memcpy(header.id, id, sizeof(header.id));
	if (store_io_unlink(s->dir, STORE_NEW_NAME) < 0 && errno != ENOENT)
		return err_errno(err, ERR_RETRY, errno, "remove %s", STORE_NEW_NAME);
	r = store_journal_create(j, s->seal, s->dir, STORE_NEW_NAME, &header, size, err);
	if (r == 0)
		r = write_entries(s, j, err);
	if (r == 0 && store_io_sync(j->fd) < 0)
		r = err_errno(err, ERR_RETRY, errno, "sync");
	return r;
}

/* The new file is ours from now on. */
static void move_in(struct store *s, struct store_journal *j)
{
	s->unsure = true;
	s->other_inode = s->named_inode;
	store_journal_close(&s->file);
	s->file = *j;
	j->fd = -1;
	memcpy(s->id, s->file.header.id, sizeof(s->id));
}

/* And it is on disk, name and all. */
static void settle(struct store *s)
{
	s->synced = s->number;
	s->suspect = s->noted = s->replaced = s->sick = s->full = false;
	s->unsure = false;
	s->sync_due_ms = s->heal_due_ms = 0;
	s->counters.compactions++;
	for (size_t i = 0; i < s->n_entries; i++)
		for (int kind = 0; kind < 2; kind++) {
			struct part *p = &s->entries[i]->parts[kind];

			p->dirty = p->kept = false;
			p->number = p->live ? s->number : 0;
		}
	store_mark_set(s);
	store_keep_drop(s);
}

/* Gives the new file its name. moved: it may bear it, whatever the error. */
static int give_name(struct store *s, const struct store_journal *j, bool *moved, struct err *err)
{
	struct stat st;

	if (store_io_rename(s->dir, STORE_NEW_NAME, STORE_NAME) < 0) {
		err_errno(err, ERR_RETRY, errno, "rename %s", STORE_NEW_NAME);
		*moved = store_io_stat_name(s->dir, STORE_NEW_NAME, &st) < 0 ||
			 (uint64_t)st.st_ino != j->header.inode;
		return -ERR_RETRY;
	}
	*moved = true;
	if (store_io_sync(s->dir) < 0)
		return err_errno(err, ERR_RETRY, errno, "sync the directory");
	return 0;
}

static int prepare(struct store *s, bool adopting, struct err *err)
{
	int r = s->dir < 0 ? err_set(err, ERR_RETRY, "the directory cannot be opened") : 0;

	if (r == 0 && !adopting)
		r = store_check_name(s, err);
	if (r == 0 && s->key_lost)
		r = store_key_save(s, err);
	return r;
}

static int build(struct store *s, const unsigned char *id, bool adopting, bool *moved,
		 struct err *err)
{
	struct store_journal j = { .fd = -1 };
	int r = prepare(s, adopting, err);

	if (r < 0)
		return r;
	r = make_file(s, &j, id, err);
	if (r == 0)
		r = give_name(s, &j, moved, err);
	if (*moved)
		move_in(s, &j);
	store_journal_close(&j);
	if (r < 0)
		store_io_unlink(s->dir, STORE_NEW_NAME);
	else
		settle(s);
	return r;
}

int store_compact(struct store *s, const unsigned char *id, bool adopting, struct err *err)
{
	struct err why = { 0 };
	bool moved = false;
	int r = build(s, id, adopting, &moved, &why);

	if (r == 0)
		return 0;
	/* a file whose name is not certain is as little worth as one that cannot be written */
	if (moved || s->file.fd < 0)
		store_fail(s, &why);
	else
		store_fill(s, &why);
	return err_set(err, why.code, "%s", why.text);
}

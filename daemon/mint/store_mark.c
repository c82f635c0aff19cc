/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUNTIME/store.mark: how far the store has been written in this boot. A file in STATE that has less was put there by somebody: a backup. Without the mark (no room, another boot) nothing is
 * known, and nothing depends on it but this test.
 */
#include <string.h>
#include <sys/mman.h>

#include "daemon/mint/store_parts.h"

static const char mark_magic[8] = { 's', 'f', 't', 'm', 'a', 'r', 'k', '1' };

static int open_mark(struct store *s)
{
	struct stat st;
	int fd = -1;

	if (store_open_trusted(s->run, s->runtime_dir, STORE_MARK_NAME, &fd, &st, NULL, NULL) < 0)
		return -1;
	if (fd < 0)
		fd = store_io_open(s->run, STORE_MARK_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
				   0600);
	return fd;
}

void store_mark_open(struct store *s)
{
	int fd = s->run < 0 ? -1 : open_mark(s);
	void *p = MAP_FAILED;

	if (fd < 0)
		return;
	if (store_io_allocate(fd, sizeof(*s->mark)) == 0)
		p = store_io_map(fd, sizeof(*s->mark));
	store_io_close(fd);
	if (p != MAP_FAILED)
		s->mark = p;
}

void store_mark_close(struct store *s)
{
	if (s->mark)
		store_io_unmap(s->mark, sizeof(*s->mark));
	s->mark = NULL;
}

/* Of this store and this boot: where RUNTIME is no tmpfs, a power loss may have taken what the mark speaks of. */
static bool is_ours(const struct store *s)
{
	const struct store_mark *m = s->mark;

	return m && memcmp(m->magic, mark_magic, sizeof(mark_magic)) == 0 &&
	       memcmp(m->id, s->id, sizeof(m->id)) == 0 &&
	       memcmp(m->boot_id, s->identity.boot_id, sizeof(m->boot_id)) == 0;
}

uint64_t store_mark_written(const struct store *s)
{
	return is_ours(s) ? s->mark->written : 0;
}

void store_mark_set(struct store *s)
{
	struct store_mark *m = s->mark;

	/* what made it suspect must be found again by the next process */
	if (!m || s->suspect)
		return;
	if (!is_ours(s)) {
		memset(m, 0, sizeof(*m));
		memcpy(m->id, s->id, sizeof(m->id));
		memcpy(m->boot_id, s->identity.boot_id, sizeof(m->boot_id));
		memcpy(m->magic, mark_magic, sizeof(mark_magic));
	}
	m->written = s->number;
	m->synced = s->synced;
}

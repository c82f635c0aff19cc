/* SPDX-License-Identifier: Apache-2.0 */
/* RUNTIME/store.keep: what could not be written to STATE, sealed, until it can. It outlives the process, not the machine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/store_parts.h"

/* Anew, or after the one before has failed: what that one had is put into this one again. */
static int make_keep(struct store *s)
{
	struct store_header header = {
		.kind = STORE_FILE_KEEP,
		.identity = s->identity,
		.first = s->number + 1,
		.made_real_ms = clock_real_ms(),
	};

	memcpy(header.id, s->id, sizeof(header.id));
	for (size_t i = 0; i < s->n_entries; i++)
		for (int kind = 0; kind < 2; kind++)
			s->entries[i]->parts[kind].kept = false;
	if (store_io_unlink(s->run, STORE_KEEP_NEW_NAME) < 0 && errno != ENOENT)
		return -1;
	if (store_journal_create(&s->keep, s->seal, s->run, STORE_KEEP_NEW_NAME, &header, 0, NULL) <
	    0)
		return -1;
	return 0;
}

static int keep_entry(struct store *s, struct entry *x)
{
	for (int kind = 0; kind < 2; kind++) {
		struct part *p = &x->parts[kind];

		if (!p->dirty || p->kept)
			continue;
		if (store_append(s, &s->keep, x, (enum store_kind)kind, NULL) < 0)
			return -1;
		p->kept = true;
	}
	return 0;
}

static int keep_entries(struct store *s)
{
	for (size_t i = 0; i < s->n_entries; i++)
		if (keep_entry(s, s->entries[i]) < 0)
			return -1;
	return 0;
}

void store_keep(struct store *s)
{
	bool fresh = s->keep.fd < 0;

	/* a key that only this process knows would make it worthless */
	if (s->run < 0 || s->key_lost || store_state(s) == STORE_OK)
		return;
	if (fresh && make_keep(s) < 0)
		return;
	if (keep_entries(s) < 0 ||
	    (fresh && store_io_rename(s->run, STORE_KEEP_NEW_NAME, STORE_KEEP_NAME) < 0)) {
		/* the one that bears the name, if any, is still good for what it has */
		store_journal_close(&s->keep);
		return;
	}
	store_mark_set(s);
}

void store_keep_drop(struct store *s)
{
	store_journal_close(&s->keep);
	if (s->run >= 0)
		store_io_unlink(s->run, STORE_KEEP_NAME);
}

/* The store that it belongs to: ours; or, where there is none yet, it tells which. */
static bool belongs(struct store *s, const struct store_journal *j, bool fresh)
{
	if (fresh)
		memcpy(s->id, j->header.id, sizeof(s->id));
	return memcmp(s->id, j->header.id, sizeof(s->id)) == 0;
}

int store_keep_read(struct store *s, bool fresh, bool *found, struct err *err)
{
	struct store_journal j = { .fd = -1 };
	struct store_scan scan = { 0 };
	char path[256];
	struct stat st;
	int r = 0;

	*found = false;
	if (s->run < 0 ||
	    store_open_trusted(s->run, s->runtime_dir, STORE_KEEP_NAME, &j.fd, &st, NULL, NULL) <
		    0 ||
	    j.fd < 0)
		return 0;
	j.size = st.st_size;
	snprintf(path, sizeof(path), "%.200s/%s", s->runtime_dir, STORE_KEEP_NAME);
	/* one of another store, or of another key, says nothing about this one */
	if (store_journal_read_header(&j, s->seal, STORE_FILE_KEEP, path, NULL) == 0 &&
	    belongs(s, &j, fresh)) {
		*found = true;
		r = store_read_entries(s, &j, path, &scan, err);
		if (scan.top > s->number)
			s->number = scan.top;
	}
	store_journal_close(&j);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a journal. A record that does not verify ends it: that is what power loss leaves behind, and nobody was told that it is on disk. But the blocks behind are looked at, too: if
 * one of them holds a record that verifies by itself and says that the missing one was on disk already, then this is no torn tail but damage, and what verifies is taken.
 */
#include <errno.h>
#include <string.h>

#include "daemon/mint/store_journal.h"
#include "daemon/mint/store_record.h"

/* Read at a time; a record that is longer (secrets) makes the window grow once. */
enum { WINDOW = 256 * 1024, WINDOW_MAX = STORE_PAYLOAD_MAX + 2 * STORE_BLOCK };

/* --- the header --- */

enum copy { COPY_GOOD, COPY_DAMAGED, COPY_NEWER };

static enum copy judge_copy(const unsigned char *block, uint32_t *version)
{
	unsigned char sum[STORE_SEAL_SUM];

	if (memcmp(block, store_journal_magic, sizeof(store_journal_magic)) != 0)
		return COPY_DAMAGED;
	*version = store_journal_u32(block + 8);
	if (*version > STORE_VERSION)
		return COPY_NEWER;
	if (store_seal_sum(block, STORE_HEADER_FIXED, sum, NULL) < 0 ||
	    !store_seal_equal(sum, block + STORE_HEADER_FIXED, sizeof(sum)))
		return COPY_DAMAGED;
	return COPY_GOOD;
}

/* Which of the two copies counts; NULL with err. */
static const unsigned char *choose_copy(const unsigned char *blocks, const char *path,
					struct err *err)
{
	uint32_t version = 0, newer = 0;

	for (int i = 0; i < 2; i++) {
		enum copy copy = judge_copy(blocks + (ptrdiff_t)i * STORE_BLOCK, &version);

		if (copy == COPY_GOOD)
			return blocks + (ptrdiff_t)i * STORE_BLOCK;
		if (copy == COPY_NEWER)
			newer = version;
	}
	if (newer)
		err_set(err, ERR_ADMIN,
			"%.150s has format version %u, this program knows %d: install the version that wrote it",
			path, newer, STORE_VERSION);
	else
		err_set(err, ERR_ADMIN,
			"%.150s is damaged at its beginning: restore it from a backup, or move it away and "
			"import the refresh tokens again",
			path);
	return NULL;
}

static int take_header(struct store_journal *j, struct store_seal *seal, enum store_file kind,
		       const unsigned char *block, const char *path, struct err *err)
{
	const unsigned char *mac = block + STORE_HEADER_FIXED + STORE_SEAL_SUM;
	unsigned char want[STORE_SEAL_SUM];
	int r = store_seal_mac(seal, block, STORE_HEADER_FIXED + STORE_SEAL_SUM, want, err);

	if (r < 0)
		return r;
	if (!store_seal_equal(want, mac, sizeof(want)))
		return err_set(
			err, ERR_ADMIN,
			"%.150s was sealed with another key: give [Store] Key= the key that it was "
			"made with",
			path);
	memcpy(j->fixed, block, STORE_HEADER_FIXED);
	memcpy(j->last_tag, mac, STORE_SEAL_TAG);
	store_journal_parse_header(j->fixed, &j->header);
	j->end = STORE_RECORDS_AT;
	j->number = j->header.first - 1;
	return j->header.kind == kind
		       ? 0
		       : err_set(err, ERR_ADMIN, "%.150s is a file of another kind", path);
}

int store_journal_read_header(struct store_journal *j, struct store_seal *seal,
			      enum store_file kind, const char *path, struct err *err)
{
	unsigned char blocks[STORE_RECORDS_AT] = { 0 };
	const unsigned char *block;

	/* a file that is too short has zeros where its header should be: damaged */
	if (store_io_read(j->fd, blocks, sizeof(blocks), 0) < 0)
		return err_errno(err, ERR_ADMIN, errno, "%.150s cannot be read", path);
	block = choose_copy(blocks, path, err);
	return block ? take_header(j, seal, kind, block, path, err) : -ERR_ADMIN;
}

/* --- the records --- */

struct head {
	off_t at, next;
	uint64_t number, synced;
	const unsigned char *prev;
	unsigned char tag[STORE_SEAL_TAG];
};

struct walk {
	struct store_journal *j;
	struct store_seal *seal;
	struct store_scan *scan;
	unsigned char *window;
	off_t window_at;
	size_t window_cap, window_size;
	int failed; /* errno of a read */
	struct buf plain;
	struct head *later; /* what verifies behind the first hole */
	size_t n_later, cap_later;
	bool searched;
	off_t dirty; /* end of the last block that is not zero */
};

static int grow(struct walk *w)
{
	unsigned char *window = malloc(WINDOW_MAX);

	if (!window) {
		w->failed = ENOMEM;
		return -1;
	}
	free(w->window);
	w->window = window;
	w->window_cap = WINDOW_MAX;
	w->window_size = 0;
	return 0;
}

/* size bytes (no more than a record may have) at this place; NULL: the file ends before, or it cannot be read (failed). */
static const unsigned char *look(struct walk *w, off_t at, size_t size)
{
	if (at + (off_t)size > w->j->size || (size > w->window_cap && grow(w) < 0))
		return NULL;
	if (at < w->window_at || at + (off_t)size > w->window_at + (off_t)w->window_size) {
		ssize_t n = store_io_read(w->j->fd, w->window, w->window_cap, at);

		w->window_at = at;
		w->window_size = n < 0 ? 0 : (size_t)n;
		if (n < 0)
			w->failed = errno;
		if (n < (ssize_t)size)
			return NULL;
	}
	return w->window + (at - w->window_at);
}

/* Whether a record stands here that verifies by itself; its payload is in plain then. */
static bool verify(struct walk *w, off_t at, struct head *h)
{
	const unsigned char *p = look(w, at, STORE_BLOCK);
	size_t length;

	if (!p || memcmp(p, store_record_magic, sizeof(store_record_magic)) != 0)
		return false;
	length = store_journal_u32(p + 4);
	if (length == 0 || length > STORE_PAYLOAD_MAX)
		return false;
	p = look(w, at, (size_t)store_journal_room(length));
	if (!p)
		return false;
	*h = (struct head){
		.at = at,
		.next = at + store_journal_room(length),
		.number = store_journal_u64(p + 8),
		.synced = store_journal_u64(p + 16),
		.prev = p + 40,
	};
	memcpy(h->tag, p + STORE_RECORD_AAD, STORE_SEAL_TAG);
	buf_clear(&w->plain);
	if (buf_reserve(&w->plain, length) < 0) {
		w->failed = ENOMEM;
		return false;
	}
	w->plain.len = length;
	return store_seal_open(
		w->seal,
		&(struct store_seal_place){
			.id = w->j->header.id,
			.salt = p + 24,
			.number = h->number,
			.aad = { { w->j->fixed, STORE_HEADER_FIXED }, { p, STORE_RECORD_AAD } },
		},
		p + STORE_RECORD_HEAD, length, w->plain.data, h->tag);
}

/* A record that was verified: handed on, and the end moves behind it. */
static int take(struct walk *w, const struct head *h, struct err *err)
{
	struct store_journal *j = w->j;
	int r = w->scan->record(w->scan->arg, h->number, w->plain.data, w->plain.len, err);

	if (r == -ERR_PROTOCOL)
		w->scan->damaged = true;
	else if (r < 0)
		return r;
	j->end = h->next;
	j->number = h->number;
	memcpy(j->last_tag, h->tag, sizeof(j->last_tag));
	if (h->synced > w->scan->synced)
		w->scan->synced = h->synced;
	return 0;
}

static int remember(struct walk *w, const struct head *h)
{
	if (w->n_later == w->cap_later) {
		size_t cap = w->cap_later ? 2 * w->cap_later : 64;
		struct head *more = reallocarray(w->later, cap, sizeof(*more));

		if (!more)
			return -1;
		w->later = more;
		w->cap_later = cap;
	}
	w->later[w->n_later++] = *h;
	return 0;
}

static bool is_zero(const unsigned char *block)
{
	return block[0] == 0 && memcmp(block, block + 1, STORE_BLOCK - 1) == 0;
}

/* Looks at every block behind the hole, once. */
static void search(struct walk *w)
{
	off_t at = w->j->end;
	struct head h;

	w->searched = true;
	while (at + STORE_BLOCK <= w->j->size && !w->failed) {
		const unsigned char *block = look(w, at, STORE_BLOCK);

		if (block && !is_zero(block)) {
			w->dirty = at + STORE_BLOCK;
			if (verify(w, at, &h) && remember(w, &h) < 0)
				w->failed = ENOMEM;
		}
		at += STORE_BLOCK;
	}
}

/* After a hole: the next record that is to be taken, if anything vouches for what is missing here. */
static bool find_later(struct walk *w, struct head *next)
{
	uint64_t missing = w->j->number + 1, vouched = w->j->header.synced;
	const struct head *first = NULL;

	for (size_t i = 0; i < w->n_later; i++) {
		const struct head *h = &w->later[i];

		if (h->at < w->j->end || h->number <= missing)
			continue;
		if (h->synced > vouched)
			vouched = h->synced;
		if (!first)
			first = h;
	}
	if (vouched < missing)
		return false;
	w->scan->damaged = true;
	if (vouched > w->scan->top)
		w->scan->top = vouched;
	return first && verify(w, first->at, next);
}

static bool follows(const struct walk *w, const struct head *h)
{
	return h->number > w->j->number &&
	       store_seal_equal(h->prev, w->j->last_tag, STORE_SEAL_TAG);
}

static int walk(struct walk *w, struct err *err)
{
	struct head h;
	int r = 0;

	while (r == 0 && !w->failed) {
		if (verify(w, w->j->end, &h) && follows(w, &h)) {
			r = take(w, &h, err);
			continue;
		}
		if (!w->searched)
			search(w);
		if (w->failed || !find_later(w, &h))
			break;
		r = take(w, &h, err);
	}
	return r;
}

int store_journal_read(struct store_journal *j, struct store_seal *seal, struct store_scan *scan,
		       const char *path, struct err *err)
{
	struct walk w = { .j = j, .seal = seal, .scan = scan, .window_cap = WINDOW };
	int r;

	w.window = malloc(WINDOW);
	if (!w.window)
		return err_oom(err);
	buf_init(&w.plain, STORE_PAYLOAD_MAX + 1);
	scan->synced = j->header.synced;
	r = walk(&w, err);
	buf_fini(&w.plain);
	free(w.window);
	free(w.later);
	if (w.failed == ENOMEM)
		return err_oom(err);
	if (w.failed)
		return err_errno(err, ERR_ADMIN, w.failed, "%.150s cannot be read", path);
	if (j->number > scan->top)
		scan->top = j->number;
	scan->garbage = w.dirty > j->end;
	return r;
}

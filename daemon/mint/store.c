/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/store_parts.h"

struct store_clock store_clock_now(const struct store *s)
{
	return (struct store_clock){ s->identity.boot_id, clock_now_ms(), clock_real_ms() };
}

/* --- the state --- */

enum store_state store_state(const struct store *s)
{
	if (s->suspect)
		return STORE_SUSPECT;
	return s->sick || s->full ? STORE_READONLY : STORE_OK;
}

const char *store_why(const struct store *s)
{
	if (s->suspect)
		return s->why_suspect;
	return s->sick || s->full ? s->why_readonly : "";
}

void store_suspect(struct store *s, const char *format, ...)
{
	va_list args;

	if (s->suspect)
		return;
	s->suspect = true;
	va_start(args, format);
	vsnprintf(s->why_suspect, sizeof(s->why_suspect), format, args);
	va_end(args);
}

static void say_readonly(struct store *s, const struct err *why)
{
	snprintf(
		s->why_readonly, sizeof(s->why_readonly),
		"the store cannot be written (%.100s): no refresh token is spent until it can be; look at "
		"the disk and the free space of %.80s",
		why->text, s->state_dir);
	s->heal_due_ms = clock_now_ms() + STORE_HEAL_MS;
	s->counters.failures++;
}

void store_fill(struct store *s, const struct err *why)
{
	s->full = true;
	say_readonly(s, why);
}

/*
 * After a failed write or sync nobody knows which blocks are on disk, and a second sync may say yes without having written them (PostgreSQL's fsyncgate): what was not synced before
 * counts as not written.
 */
void store_fail(struct store *s, const struct err *why)
{
	s->sick = true;
	s->sync_due_ms = 0;
	for (size_t i = 0; i < s->n_entries; i++)
		for (int kind = 0; kind < 2; kind++) {
			struct part *p = &s->entries[i]->parts[kind];

			if (p->live && !p->dirty && p->number > s->synced) {
				p->dirty = true;
				p->kept = false;
			}
		}
	say_readonly(s, why);
}

int store_refuse(const struct store *s, struct err *err)
{
	return err_set(err, s->suspect ? ERR_ADMIN : ERR_RETRY, "%s", store_why(s));
}

/* --- writing --- */

int store_sync(struct store *s, struct err *err)
{
	struct err why = { 0 };

	s->sync_due_ms = 0;
	if (s->sick || s->replaced || s->synced >= s->file.number)
		return s->sick ? store_refuse(s, err) : 0;
	s->counters.syncs++;
	if (store_io_sync_data(s->file.fd) < 0) {
		err_errno(&why, ERR_RETRY, errno, "sync");
		store_fail(s, &why);
		return store_refuse(s, err);
	}
	s->synced = s->file.number;
	store_mark_set(s);
	return 0;
}

static int encode(const struct store *s, const struct entry *x, enum store_kind kind,
		  struct buf *payload, struct err *err)
{
	struct store_clock clock = store_clock_now(s);

	buf_init(payload, STORE_PAYLOAD_MAX);
	return store_record_encode(&x->stored, kind, &clock, payload, err);
}

static int append(struct store *s, struct store_journal *j, struct part *p,
		  const struct buf *payload, struct err *err)
{
	/* the number is given even if this fails: it may be on disk all the same, and what comes after must be newer */
	int r = store_journal_append(j, s->seal, ++s->number, s->synced, payload, err);

	if (r < 0)
		return r;
	s->counters.records++;
	p->live = true;
	p->room = (uint32_t)store_journal_room(payload->len);
	return 0;
}

int store_append(struct store *s, struct store_journal *j, struct entry *x, enum store_kind kind,
		 struct err *err)
{
	CLEANUP(buf_finip) struct buf payload;
	int r = encode(s, x, kind, &payload, err);

	return r < 0 ? r : append(s, j, &x->parts[kind], &payload, err);
}

/* Room for this record beside the RESULT of every request that is under way. */
static bool has_room(const struct store *s, off_t room, bool result)
{
	off_t reserved = result ? 0 : (off_t)s->intents * store_journal_room(STORE_RESULT_MAX);

	return s->file.end + room + reserved <= s->file.size;
}

/* Appends to the file, which has room, and syncs. */
static int write_down(struct store *s, struct part *p, const struct buf *payload,
		      enum store_durability how, struct err *err)
{
	struct err why = { 0 };
	int r = append(s, &s->file, p, payload, &why);

	if (r < 0) {
		if (r == -ERR_INTERNAL) /* memory or OpenSSL: the file is as it was */
			store_fill(s, &why);
		else
			store_fail(s, &why);
		return store_refuse(s, err);
	}
	p->dirty = false;
	p->number = s->number;
	store_mark_set(s);
	if (how == STORE_SYNC)
		return store_sync(s, err);
	if (!s->sync_due_ms)
		s->sync_due_ms = clock_now_ms() + STORE_SOON_MS;
	return 0;
}

int store_put(struct store *s, struct entry *x, enum store_kind kind, enum store_durability how,
	      bool result, struct err *err)
{
	CLEANUP(buf_finip) struct buf payload;
	struct part *p = &x->parts[kind];
	struct err why = { 0 };
	int r = encode(s, x, kind, &payload, &why);

	/* what no record can hold is refused and changes nothing; without memory it must not be forgotten that this is still to be written */
	if (r == -ERR_INPUT) {
		if (err)
			*err = why;
		return r;
	}
	p->live = p->dirty = true;
	p->kept = false;
	if (r < 0) {
		store_fill(s, &why);
		return store_refuse(s, err);
	}
	p->room = (uint32_t)store_journal_room(payload.len);
	if (s->sick || s->replaced || (s->full && !result))
		return store_refuse(s, err);
	if (has_room(s, (off_t)p->room, result))
		return write_down(s, p, &payload, how, err);
	if (s->suspect || s->full)
		return store_refuse(s, err);
	/* what x says is in the new file, or nowhere */
	if (!store_extend(s) || !has_room(s, (off_t)p->room, result))
		return store_compact(s, s->id, false, err);
	return write_down(s, p, &payload, how, err);
}

int store_write(struct store *s, struct stored *e, enum store_durability how, struct err *err)
{
	int r = store_put(s, store_entry(e), STORE_KIND_CREDENTIAL, how, false, err);

	if (r < 0)
		store_keep(s);
	return r;
}

/* --- what waits --- */

int64_t store_due_ms(const struct store *s)
{
	int64_t heal = (s->sick || s->full) && !s->suspect ? s->heal_due_ms : 0;

	if (heal && s->sync_due_ms)
		return heal < s->sync_due_ms ? heal : s->sync_due_ms;
	return heal ? heal : s->sync_due_ms;
}

bool store_tick(struct store *s, int64_t now_ms)
{
	enum store_state before = store_state(s);

	if (s->sync_due_ms && now_ms >= s->sync_due_ms && store_sync(s, NULL) < 0)
		store_keep(s);
	if ((s->sick || s->full) && !s->suspect && now_ms >= s->heal_due_ms &&
	    store_compact(s, s->id, false, NULL) < 0)
		store_keep(s);
	return store_state(s) != before;
}

int store_adopt(struct store *s, struct err *err)
{
	unsigned char id[STORE_SEAL_ID];
	int r;

	if (!s->suspect)
		return 0;
	/* another id: what the marks and copies of this boot say of the old one counts no more */
	r = store_seal_random(id, sizeof(id), err);
	if (r == 0)
		r = store_compact(s, id, true, err);
	if (r < 0)
		store_keep(s);
	return r;
}

struct store_counters store_counters(const struct store *s)
{
	struct store_counters counters = s->counters;

	counters.bytes = s->file.fd < 0 ? 0 : (uint64_t)s->file.end;
	return counters;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->file.fd >= 0 && store_sync(s, NULL) < 0)
		store_keep(s);
	store_journal_close(&s->file);
	store_journal_close(&s->keep);
	store_mark_close(s);
	if (s->dir >= 0)
		store_io_close(s->dir);
	if (s->run >= 0)
		store_io_close(s->run);
	store_entries_free(s);
	store_seal_free(s->seal);
	secret_unref(s->key);
	free(s->state_dir);
	free(s->runtime_dir);
	free(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/mint/store_parts.h"

enum { OPEN_FLAGS = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY };

/* --- whom to trust --- */

static int check_file(const struct stat *st, const char *dir, const char *name, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_ADMIN, "%.150s/%s is not a regular file: move it away", dir,
			       name);
	if (st->st_uid != geteuid())
		return err_set(
			err, ERR_ADMIN,
			"%.120s/%s belongs to uid %u, not to the service user: chown %u it, or move "
			"it away",
			dir, name, (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_mode & 077)
		return err_set(err, ERR_ADMIN,
			       "group or others have access to %.150s/%s (mode %04o): chmod 600 it",
			       dir, name, (unsigned)(st->st_mode & 07777));
	if (st->st_nlink != 1)
		return err_set(err, ERR_ADMIN,
			       "%.150s/%s has %lu names (hard links): remove the others", dir, name,
			       (unsigned long)st->st_nlink);
	return 0;
}

static int cannot_open(int errnum, const char *dir, const char *name, struct err *err)
{
	if (errnum == ELOOP)
		return err_set(err, ERR_ADMIN,
			       "%.150s/%s is a symbolic link: put the file itself there", dir,
			       name);
	if (errnum == EISDIR)
		return err_set(err, ERR_ADMIN, "%.150s/%s is not a regular file: move it away", dir,
			       name);
	return err_errno(err, ERR_ADMIN, errnum, "%.150s/%s cannot be opened", dir, name);
}

static bool only_to_be_read(int errnum)
{
	return errnum == EROFS || errnum == EACCES || errnum == EPERM;
}

int store_open_trusted(int dir, const char *dir_path, const char *name, int *fd, struct stat *st,
		       bool *read_only, struct err *err)
{
	int r;

	*fd = store_io_open(dir, name, O_RDWR | OPEN_FLAGS, 0);
	if (*fd < 0 && read_only && only_to_be_read(errno)) {
		*fd = store_io_open(dir, name, O_RDONLY | OPEN_FLAGS, 0);
		*read_only = *fd >= 0;
	}
	if (*fd < 0)
		return errno == ENOENT ? 0 : cannot_open(errno, dir_path, name, err);
	if (store_io_stat(*fd, st) < 0)
		r = err_errno(err, ERR_ADMIN, errno, "%.150s/%s cannot be examined", dir_path,
			      name);
	else
		r = check_file(st, dir_path, name, err);
	if (r < 0)
		store_io_close(take_fd(fd));
	return r;
}

static int open_dir(const char *path, int *fd, struct err *err)
{
	struct stat st;

	*fd = store_io_open_dir(path);
	if (*fd < 0)
		return err_errno(err, ERR_ADMIN, errno, "the directory %.150s cannot be opened",
				 path);
	if (store_io_stat(*fd, &st) < 0)
		return err_errno(err, ERR_ADMIN, errno, "the directory %.150s cannot be examined",
				 path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022))
		return err_set(
			err, ERR_ADMIN,
			"others may write the directory %.150s (uid %u, mode %04o): it must belong to "
			"the service user alone: chmod go-w it",
			path, (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
	return 0;
}

/* --- what is found --- */

struct reading {
	struct store *s;
	bool keep;
	off_t room;
};

static int take_entry(struct reading *reading, const struct store_record *record, uint64_t number,
		      off_t room, struct err *err)
{
	struct entry *x = store_entry_get(reading->s, record->name);
	struct part *p;
	int r;

	if (!x)
		return err_oom(err);
	p = &x->parts[record->kind];
	if (number <= p->number)
		return 0;
	r = store_record_apply(record, &reading->s->opened, &x->stored, err);
	if (r == 0)
		*p = (struct part){
			.live = true,
			.dirty = reading->keep,
			.room = (uint32_t)room,
			.number = number,
		};
	return r;
}

static int take_record(void *arg, uint64_t number, char *text, size_t size, struct err *err)
{
	struct reading *reading = arg;
	struct store_record record;
	struct err why = { 0 };

	if (store_record_decode(text, size, &record, &why) < 0)
		return err_set(err, why.code == ERR_INTERNAL ? ERR_INTERNAL : ERR_PROTOCOL, "%s",
			       why.text);
	if (record.kind != STORE_KIND_SUSPECT)
		return take_entry(reading, &record, number, store_journal_room(size), err);
	store_suspect(reading->s, "%s", record.why ? record.why : "");
	reading->s->noted = true;
	return 0;
}

int store_read_entries(struct store *s, struct store_journal *j, const char *path,
		       struct store_scan *scan, struct err *err)
{
	struct reading reading = { .s = s, .keep = j->header.kind == STORE_FILE_KEEP };

	int r;

	scan->record = take_record;
	scan->arg = &reading;
	r = store_journal_read(j, s->seal, scan, path, err);
	scan->arg = NULL;
	return r;
}

/* Opens and locks the file, if there is one: s->file.fd. */
static int open_file(struct store *s, struct stat *st, struct err *err)
{
	struct stat now;
	int r = store_open_trusted(s->dir, s->state_dir, STORE_NAME, &s->file.fd, st,
				   &s->file.read_only, err);

	if (r < 0 || s->file.fd < 0)
		return r;
	s->file.size = st->st_size;
	if (store_io_lock(s->file.fd) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return err_errno(err, ERR_ADMIN, errno, "%.150s/%s cannot be locked",
					 s->state_dir, STORE_NAME);
		return err_set(err, ERR_EXISTS, "another process uses %.150s/%s", s->state_dir,
			       STORE_NAME);
	}
	/* while we waited for nothing, its owner may have put a new file in its place */
	if (store_io_stat_name(s->dir, STORE_NAME, &now) < 0 || now.st_ino != st->st_ino)
		return err_set(err, ERR_EXISTS, "%.150s/%s is being replaced by another process",
			       s->state_dir, STORE_NAME);
	return 0;
}

/* A copy, a restored backup, damage: what speaks against the file that was read. */
static void judge(struct store *s, const struct stat *st, bool damaged)
{
	const struct store_header *h = &s->file.header;
	int64_t birth_ns = store_io_birth(s->file.fd);
	const char *what = NULL;

	if (strcmp(h->identity.machine_id, s->identity.machine_id) != 0)
		what = "was made on another machine";
	else if (h->inode != (uint64_t)st->st_ino ||
		 (h->birth_ns && birth_ns && h->birth_ns != birth_ns))
		what = "is a copy or was restored from a backup";
	else if (store_mark_written(s) > s->number)
		what = "is older than what this machine has written: it was restored from a backup";
	if (what)
		store_suspect(
			s,
			"%.100s/%s %s: its refresh tokens are not spent; if no other machine uses them and "
			"none was renewed after this copy was made, run `sftoken adopt`; else log in or "
			"import new ones first, then adopt",
			s->state_dir, STORE_NAME, what);
	else if (damaged)
		store_suspect(
			s,
			"%.100s/%s is damaged, some of it is lost: its refresh tokens are not spent; if none "
			"was renewed after what is left was written, run `sftoken adopt`; else log in or import "
			"new ones first, then adopt",
			s->state_dir, STORE_NAME);
}

/* The file says itself that it is suspect: the mark ends with this boot. */
static void note(struct store *s)
{
	CLEANUP(buf_finip) struct buf payload;
	struct store_clock clock = store_clock_now(s);
	struct err why = { 0 };

	buf_init(&payload, STORE_PAYLOAD_MAX);
	if (store_record_encode_why(s->why_suspect, &clock, &payload, &why) < 0 ||
	    s->file.end + store_journal_room(payload.len) > s->file.size)
		return;
	if (store_journal_append(&s->file, s->seal, ++s->number, s->synced, &payload, &why) < 0) {
		store_fail(s, &why);
		return;
	}
	s->noted = store_sync(s, NULL) == 0;
}

/* Who sets Key= after a first start without it is told so. */
static void hint_at_auto(const struct store *s, const char *path, struct err *err)
{
	int fd;

	if (!err || s->key_auto || !strstr(err->text, "another key"))
		return;
	fd = store_io_open(s->dir, STORE_KEY_NAME, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return;
	store_io_close(fd);
	err_set(err, ERR_ADMIN,
		"%.100s was sealed with another key, probably that of Key=auto, as store.key lies "
		"beside it: remove [Store] Key= to open it, or begin anew: sftokend(8), STORE",
		path);
}

static int read_file(struct store *s, const struct stat *st, bool *garbage, struct err *err)
{
	struct store_scan scan = { 0 };
	char path[256];
	bool kept;
	int r;

	snprintf(path, sizeof(path), "%.200s/%s", s->state_dir, STORE_NAME);
	r = store_journal_read_header(&s->file, s->seal, STORE_FILE_MAIN, path, err);
	if (r == -ERR_ADMIN)
		hint_at_auto(s, path, err);
	if (r < 0)
		return r;
	memcpy(s->id, s->file.header.id, sizeof(s->id));
	r = store_read_entries(s, &s->file, path, &scan, err);
	if (r < 0)
		return r;
	s->number = scan.top;
	s->synced = scan.synced;
	*garbage = scan.garbage;
	r = store_keep_read(s, false, &kept, err);
	if (r < 0)
		return r;
	store_mark_open(s);
	judge(s, st, scan.damaged);
	/* what store.keep had is for a new file; so is what follows a torn tail */
	if (kept)
		*garbage = true;
	return 0;
}

static void start_anew(struct store *s)
{
	store_mark_open(s);
	if (store_compact(s, s->id, false, NULL) < 0)
		store_keep(s);
}

/* What was read becomes what is written to. */
static void go_on(struct store *s, bool garbage)
{
	struct err why = { 0 };

	if (s->file.read_only) {
		err_set(&why, ERR_RETRY, "it can only be read");
		store_fail(s, &why);
		return;
	}
	store_io_unlink(s->dir, STORE_NEW_NAME);
	store_io_unlink(s->dir, STORE_KEY_NEW_NAME);
	if (garbage && (s->suspect || store_compact(s, s->id, false, &why) < 0)) {
		/* nothing may be appended to it: what stands there would look like a part of it */
		if (s->suspect)
			err_set(&why, ERR_RETRY, "its end is not clean");
		store_fail(s, &why);
		store_keep(s);
		return;
	}
	if (s->suspect && !s->noted)
		note(s);
	else if (store_sync(s, NULL) < 0)
		store_keep(s);
	store_mark_set(s);
}

static struct store *new_store(const struct store_options *options)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dir = s->run = s->file.fd = s->keep.fd = -1;
	store_identity(&s->identity);
	s->opened = (struct store_clock){ s->identity.boot_id, options->now_ms,
					  options->now_real_ms };
	s->state_dir = strdup(options->state_dir);
	s->runtime_dir = options->runtime_dir ? strdup(options->runtime_dir) : NULL;
	if (s->state_dir && (s->runtime_dir || !options->runtime_dir))
		return s;
	store_close(s);
	return NULL;
}

DEFINE_CLEANUP(struct store *, store_close)

static int open_all(struct store *s, const struct store_options *options, struct err *err)
{
	bool garbage = false, kept = false;
	struct stat st = { 0 };
	int r = open_dir(s->state_dir, &s->dir, err);

	if (r == 0 && s->runtime_dir)
		r = open_dir(s->runtime_dir, &s->run, err);
	if (r == 0)
		r = open_file(s, &st, err);
	if (r == 0)
		r = store_key_open(s, options->key, s->file.fd >= 0, err);
	if (r < 0)
		return r;
	if (s->file.fd >= 0) {
		r = read_file(s, &st, &garbage, err);
		if (r == 0)
			go_on(s, garbage);
		return r;
	}
	r = store_seal_random(s->id, sizeof(s->id), err);
	if (r == 0)
		r = store_keep_read(s, true, &kept, err);
	if (r == 0)
		start_anew(s);
	return r;
}

int store_open(struct store **out, const struct store_options *options, struct err *err)
{
	CLEANUP(store_closep) struct store *s = new_store(options);
	int r = s ? open_all(s, options, err) : err_oom(err);

	if (r == 0)
		*out = TAKE(s);
	else if (s)
		s->synced = UINT64_MAX; /* what could not be opened is not touched either */
	return r;
}

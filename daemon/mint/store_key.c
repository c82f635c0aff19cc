/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/mint/store_parts.h"

static int read_key(struct store *s, int fd, const struct stat *st, struct err *err)
{
	ssize_t n;

	s->key = secret_new_empty(STORE_SEAL_KEY_SIZE);
	if (!s->key)
		return err_oom(err);
	n = store_io_read(fd, secret_edit(s->key), STORE_SEAL_KEY_SIZE, 0);
	if (n < 0)
		return err_errno(err, ERR_ADMIN, errno, "%.150s/%s cannot be read", s->state_dir,
				 STORE_KEY_NAME);
	if (n != STORE_SEAL_KEY_SIZE || st->st_size != STORE_SEAL_KEY_SIZE)
		return err_set(err, ERR_ADMIN,
			       "%.150s/%s must have %d bytes, not %lld: restore it from a backup",
			       s->state_dir, STORE_KEY_NAME, STORE_SEAL_KEY_SIZE,
			       (long long)st->st_size);
	return 0;
}

static int make_key(struct store *s, bool exists, struct err *err)
{
	if (exists)
		return err_set(
			err, ERR_ADMIN,
			"%.120s/%s is sealed, and its key %s is gone: restore the key from a "
			"backup, or move the store away and import the refresh tokens again",
			s->state_dir, STORE_NAME, STORE_KEY_NAME);
	s->key = secret_new_empty(STORE_SEAL_KEY_SIZE);
	if (!s->key)
		return err_oom(err);
	s->key_lost = true;
	return store_seal_random(secret_edit(s->key), STORE_SEAL_KEY_SIZE, err);
}

static int auto_key(struct store *s, bool exists, struct err *err)
{
	struct stat st;
	int fd = -1, r;

	s->key_auto = true;
	r = store_open_trusted(s->dir, s->state_dir, STORE_KEY_NAME, &fd, &st, NULL, err);
	if (r < 0)
		return r;
	if (fd < 0)
		return make_key(s, exists, err);
	r = read_key(s, fd, &st, err);
	store_io_close(fd);
	return r;
}

int store_key_open(struct store *s, const struct secret *given, bool exists, struct err *err)
{
	int r = 0;

	if (given) {
		s->key = secret_new(secret_bytes(given), secret_size(given));
		if (!s->key)
			return err_oom(err);
	} else {
		r = auto_key(s, exists, err);
	}
	if (r < 0)
		return r;
	s->seal = store_seal_new(s->key, err);
	return s->seal ? 0 : -(err ? (int)err->code : ERR_INTERNAL);
}

/* The bytes, under a name that nobody takes for the key yet. */
static int write_key(struct store *s, int fd)
{
	size_t done = 0;

	while (done < STORE_SEAL_KEY_SIZE) {
		ssize_t n = store_io_write(fd, secret_bytes(s->key) + done,
					   STORE_SEAL_KEY_SIZE - done, (off_t)done);

		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return store_io_sync(fd);
}

int store_key_save(struct store *s, struct err *err)
{
	int fd, r;

	if (store_io_unlink(s->dir, STORE_KEY_NEW_NAME) < 0 && errno != ENOENT)
		return err_errno(err, ERR_RETRY, errno, "remove %s", STORE_KEY_NEW_NAME);
	fd = store_io_open(s->dir, STORE_KEY_NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
			   0600);
	if (fd < 0)
		return err_errno(err, ERR_RETRY, errno, "create %s", STORE_KEY_NEW_NAME);
	r = write_key(s, fd);
	if (r < 0)
		err_errno(err, ERR_RETRY, errno, "write %s", STORE_KEY_NEW_NAME);
	store_io_close(fd);
	if (r < 0)
		return -ERR_RETRY;
	if (store_io_rename(s->dir, STORE_KEY_NEW_NAME, STORE_KEY_NAME) < 0 ||
	    store_io_sync(s->dir) < 0)
		return err_errno(err, ERR_RETRY, errno, "rename %s", STORE_KEY_NEW_NAME);
	s->key_lost = false;
	return 0;
}

const char *store_key_note(struct store *s)
{
	if (s->key_auto)
		snprintf(
			s->key_note, sizeof s->key_note,
			"the key of the store lies beside it in %.100s: whoever copies both can "
			"read it; [Store] Key= keeps it elsewhere, for a new store only: see sftokend.conf(5)",
			s->state_dir);
	return s->key_note;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets are where the references say: opened so that nobody else can have put them there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/mint/credential_parts.h"

enum { SECRET_SIZE_MAX = 64 * 1024 };

static int open_resolved(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve };
	long fd;

	/* EAGAIN: something on the way was renamed meanwhile; a second look is enough unless
	 * somebody plays with it */
	for (int tries = 0; tries < 8; tries++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	/* a filter of system calls that cannot look into its arguments: systemd's RestrictSUIDSGID=, and old container runtimes */
	if (fd < 0 && errno == ENOSYS)
		return credential_open_stepwise(dir, path, flags);
	return (int)fd;
}

static int cannot_open(const char *path, int errnum, uid_t service_uid, struct err *err)
{
	switch (errnum) {
	case ELOOP:
		return err_set(err, ERR_ADMIN,
			       "%s: there is a symbolic link on the way — name the file itself",
			       path);
	case ENOENT:
	case ENOTDIR:
		return err_set(err, ERR_ADMIN,
			       "%s does not exist — put the secret there or mend the path", path);
	case EACCES:
		/* a person checks what another user will read */
		if (geteuid() != 0 && geteuid() != service_uid)
			return err_set(err, ERR_ADMIN,
				       "%s is not for you (uid %u) — check as root (sudo) or as "
				       "the service user (uid %u)",
				       path, (unsigned)geteuid(), (unsigned)service_uid);
		return err_set(err, ERR_ADMIN,
			       "%s: permission denied — the service user must own it and reach its "
			       "directory",
			       path);
	case EXDEV:
		return err_set(err, ERR_ADMIN,
			       "%s leads out of its directory — let its link stay inside", path);
	default:
		return err_errno(err, ERR_ADMIN, errnum, "%s cannot be opened", path);
	}
}

/* The directory that holds the file decides what the file is: nobody else may write it. */
static int check_parent(int dir, const char *path, uid_t service_uid, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_errno(err, ERR_ADMIN, errno, "the directory of %s cannot be examined",
				 path);
	if (st.st_uid != 0 && st.st_uid != service_uid)
		return err_set(err, ERR_ADMIN,
			       "the directory of %s belongs to uid %u — chown it to root or uid %u",
			       path, (unsigned)st.st_uid, (unsigned)service_uid);
	if (st.st_mode & 022)
		return err_set(err, ERR_ADMIN,
			       "others may write the directory of %s (mode %04o) — chmod go-w the "
			       "directory",
			       path, (unsigned)(st.st_mode & 07777));
	return 0;
}

static int check_regular(const struct stat *st, const char *path, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_ADMIN,
			       "%s is not a regular file — put the secret into a file", path);
	if (st->st_size == 0)
		return err_set(err, ERR_ADMIN, "%s is empty — write the secret into it", path);
	if (st->st_size > SECRET_SIZE_MAX)
		return err_set(err, ERR_ADMIN, "%s is larger than 64 KiB — this is no secret",
			       path);
	return 0;
}

static int check_file(const struct stat *st, const char *path, uid_t service_uid, struct err *err)
{
	if (check_regular(st, path, err) < 0)
		return -ERR_ADMIN;
	if (st->st_uid != service_uid)
		return err_set(err, ERR_ADMIN,
			       "%s belongs to uid %u, not to the service user — chown %u %s%s",
			       path, (unsigned)st->st_uid, (unsigned)service_uid, path,
			       st->st_uid == 0 ? ", or use credential:" : "");
	if (st->st_mode & 077)
		return err_set(err, ERR_ADMIN,
			       "group or others have access to %s (mode %04o) — chmod 600 %s", path,
			       (unsigned)(st->st_mode & 07777), path);
	if (st->st_nlink != 1)
		return err_set(
			err, ERR_ADMIN,
			"%s has %lu names (hard links) — copy it: cp %s %s.new && mv %s.new %s",
			path, (unsigned long)st->st_nlink, path, path, path, path);
	return 0;
}

/* Reads size bytes, or fewer when the file ends before; *more: it goes on behind them, seen by the same call, so that a file costs one. -1 with errno. */
static ssize_t read_all(int fd, char *bytes, size_t size, bool *more)
{
	size_t got = 0;
	char next;

	*more = false;
	while (got < size) {
		struct iovec pieces[] = { { bytes + got, size - got }, { &next, 1 } };
		ssize_t n = readv(fd, pieces, 2);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*more = got > size;
	return (ssize_t)got;
}

/* The contents, straight into the arena; size comes from fstat() and the file must agree with it.
 */
static struct secret *read_secret(int fd, size_t size, bool trim, const char *path, struct err *err)
{
	CLEANUP(secret_unrefp) struct secret *s = secret_new_empty(size);
	bool more;

	if (!s) {
		err_oom(err);
		return NULL;
	}
	ssize_t got = read_all(fd, secret_edit(s), size, &more);

	if (got < 0) {
		err_errno(err, ERR_ADMIN, errno, "%s cannot be read", path);
		return NULL;
	}
	if ((size_t)got != size || more) {
		err_set(err, ERR_ADMIN,
			"%s changed while it was read — write secrets to a new file and rename it",
			path);
		return NULL;
	}
	const char *bytes = secret_bytes(s);

	if (!trim || bytes[size - 1] != '\n')
		return TAKE(s);
	if (--size > 0 && bytes[size - 1] == '\r')
		size--;
	if (size == 0) {
		err_set(err, ERR_ADMIN, "%s holds nothing but a newline — write the secret into it",
			path);
		return NULL;
	}
	struct secret *trimmed = secret_new(bytes, size);

	if (!trimmed)
		err_oom(err);
	return trimmed;
}

void credential_secrets_fini(struct credential_secrets *kept)
{
	free(kept->folder);
	cleanup_close(&kept->folder_fd);
	free(kept->reference);
	secret_unref(kept->secret);
	secret_unref(kept->good_key);
	secret_unref(kept->good_passphrase);
	*kept = CREDENTIAL_SECRETS_NONE;
}

/* Opens the directory of path, if it is not that of the secret before, and leaves the last component in *name. -1 with err; kept owns the descriptor. */
static int open_parent(struct credential_secrets *kept, const char *path, const char **name,
		       uid_t service_uid, struct err *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(cleanup_free) char *dir = NULL;

	if (path[0] != '/') {
		err_set(err, ERR_ADMIN, "the path after file: is not absolute — begin it with /");
		return -1;
	}
	*name = slash + 1;
	if (!**name || !strcmp(*name, ".") || !strcmp(*name, "..")) {
		err_set(err, ERR_ADMIN, "the path after file: names a directory — name the file");
		return -1;
	}
	dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!dir) {
		err_oom(err);
		return -1;
	}
	if (kept->folder && !strcmp(kept->folder, dir))
		return kept->folder_fd;
	int fd = open_resolved(AT_FDCWD, dir, O_PATH | O_DIRECTORY,
			       RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (fd < 0) {
		cannot_open(path, errno, service_uid, err);
		return -1;
	}
	cleanup_close(&kept->folder_fd);
	free(kept->folder);
	kept->folder = TAKE(dir);
	kept->folder_fd = fd;
	return fd;
}

static bool is_name(const char *text)
{
	return *text && !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

bool credential_names_file(const char *reference)
{
	const char *place = getenv("CREDENTIALS_DIRECTORY");

	if (!strncmp(reference, "file:/", 6))
		return is_name(strrchr(reference, '/') + 1);
	return !strncmp(reference, "credential:", 11) && is_name(reference + 11) && place &&
	       place[0] == '/';
}

bool credential_comes_later(const char *reference, bool outside)
{
	const char *place = getenv("CREDENTIALS_DIRECTORY");

	return outside && (!place || !*place) && !strncmp(reference, "credential:", 11) &&
	       is_name(reference + 11);
}

static struct secret *from_file(struct credential_secrets *kept, const char *path,
				uid_t service_uid, bool trim, struct err *err)
{
	const char *name;
	struct stat st;
	int dir = open_parent(kept, path, &name, service_uid, err);

	/* a directory that is kept is judged again for each of its files */
	if (dir < 0 || check_parent(dir, path, service_uid, err) < 0)
		return NULL;
	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	CLEANUP(cleanup_close)
	int fd = open_resolved(dir, name, O_RDONLY | O_NOCTTY | O_NONBLOCK,
			       RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);

	if (fd < 0 && errno == EACCES &&
	    geteuid() == service_uid) { /* its directory can be reached */
		err_set(err, ERR_ADMIN,
			"%s: permission denied — the service user (uid %u) must own it: chown %u %s",
			path, (unsigned)service_uid, (unsigned)service_uid, path);
		return NULL;
	}
	if (fd < 0) {
		cannot_open(path, errno, service_uid, err);
		return NULL;
	}
	if (fstat(fd, &st) < 0) {
		err_errno(err, ERR_ADMIN, errno, "%s cannot be examined", path);
		return NULL;
	}
	if (check_file(&st, path, service_uid, err) < 0)
		return NULL;
	return read_secret(fd, (size_t)st.st_size, trim, path, err);
}

static struct secret *from_credential(const char *id, bool trim, struct err *err)
{
	const char *place = getenv("CREDENTIALS_DIRECTORY");
	struct stat st;

	if (!*id || strchr(id, '/')) {
		err_set(err, ERR_ADMIN,
			"credential: takes the ID of a system credential, without a slash — mend "
			"it");
		return NULL;
	}
	if (!place || place[0] != '/') {
		err_set(err, ERR_ADMIN,
			"credential:%.100s needs $CREDENTIALS_DIRECTORY, which is not set — start "
			"the daemon with LoadCredential=%.100s:PATH "
			"in its unit, or set it to the mount of the secret",
			id, id);
		return NULL;
	}
	CLEANUP(cleanup_close) int dir = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0) {
		err_errno(err, ERR_ADMIN, errno,
			  "$CREDENTIALS_DIRECTORY cannot be opened — mount it");
		return NULL;
	}
	CLEANUP(cleanup_close)
	int fd = open_resolved(dir, id, O_RDONLY | O_NOCTTY | O_NONBLOCK,
			       RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

	if (fd < 0) {
		cannot_open(id, errno, geteuid(), err);
		err_prefix(err, "in $CREDENTIALS_DIRECTORY");
		return NULL;
	}
	if (fstat(fd, &st) < 0) {
		err_errno(err, ERR_ADMIN, errno, "credential %s cannot be examined", id);
		return NULL;
	}
	if (check_regular(&st, id, err) < 0) {
		err_prefix(err, "in $CREDENTIALS_DIRECTORY");
		return NULL;
	}
	return read_secret(fd, (size_t)st.st_size, trim, id, err);
}

static struct secret *read_reference(struct credential_secrets *kept, const char *reference,
				     uid_t service_uid, bool trim, struct err *err)
{
	if (!strncmp(reference, "file:", 5))
		return from_file(kept, reference + 5, service_uid, trim, err);
	if (!strncmp(reference, "credential:", 11))
		return from_credential(reference + 11, trim, err);
	if (!strncmp(reference, "stored:", 7))
		err_set(err, ERR_ADMIN, "stored: does not fit here — use file: or credential:");
	else if (!strncmp(reference, "pkcs11:", 7) || !strncmp(reference, "handle:", 7))
		err_set(err, ERR_ADMIN,
			"%.7s names a private key and does not fit here — use file: or credential:",
			reference);
	else /* it may be the secret itself: it is not repeated */
		err_set(err, ERR_ADMIN,
			"this is not a reference — secrets are never in this file: write file:PATH, "
			"credential:ID or stored:");
	return NULL;
}

struct secret *credential_secret_kept(struct credential_secrets *kept, const char *reference,
				      uid_t service_uid, bool trim, struct err *err)
{
	CLEANUP(cleanup_free) char *copy = NULL;
	struct secret *s;

	if (kept->secret && kept->trim == trim && !strcmp(kept->reference, reference))
		return secret_ref(kept->secret);
	s = read_reference(kept, reference, service_uid, trim, err);
	copy = s ? strdup(reference) : NULL;
	if (!copy)
		return s; /* without memory nothing is kept */
	free(kept->reference);
	secret_unref(kept->secret);
	kept->reference = TAKE(copy);
	kept->secret = secret_ref(s);
	kept->trim = trim;
	return s;
}

struct secret *credential_secret(const char *reference, uid_t service_uid, bool trim,
				 struct err *err)
{
	CLEANUP(credential_secrets_fini) struct credential_secrets none = CREDENTIAL_SECRETS_NONE;

	return credential_secret_kept(&none, reference, service_uid, trim, err);
}

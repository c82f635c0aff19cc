/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the configuration: a main file and its drop-ins, symlinks welcome, writable by root
 * and the service user alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "daemon/common/config_parts.h"
#include "daemon/common/look.h"

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool same_mount(const struct statx *a, const struct statx *b)
{
	if (a->stx_mask & b->stx_mask & STATX_MNT_ID)
		return a->stx_mnt_id == b->stx_mnt_id;
	return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

/* Whether a mount begins at that directory, and the file of inside is in it. A link is where it stands: what it leads to does not count. */
static bool begins_mount(const char *directory, const struct statx *inside)
{
	CLEANUP(cleanup_free) char *parent = NULL;
	struct statx here, above;

	if (asprintf(&parent, "%s/..", directory) < 0) {
		parent = NULL;
		return false;
	}
	return statx(AT_FDCWD, directory, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &here) == 0 &&
	       statx(AT_FDCWD, parent, 0, STATX_MNT_ID, &above) == 0 && same_mount(&here, inside) &&
	       !same_mount(&here, &above);
}

/*
 * Whether it is in a read-only mount that begins at top, the directory of the configuration, or below it: a ConfigMap, or a volume of a container. A read-only mount that begins above says nothing:
 * ProtectSystem=strict makes all of /etc look like that to us, and everybody else can write there.
 */
static bool mounted_for_us(int fd, const char *path, const char *top)
{
	CLEANUP(cleanup_free) char *place = strdup(path);
	struct statvfs fs;
	struct statx inside;
	char *slash;

	if (!place || fstatvfs(fd, &fs) < 0 || !(fs.f_flag & ST_RDONLY) ||
	    statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &inside) < 0)
		return false;
	while (!begins_mount(place, &inside)) {
		slash = strrchr(place, '/');
		if (!slash || (size_t)(slash - place) < strlen(top))
			return false;
		*slash = '\0';
	}
	return true;
}

/* What kubelets and people mount: directories of root with 0777; files of any owner, which not everybody may write. */
static bool mounted_ok(int fd, const struct stat *st, const char *path, const char *top, bool ours)
{
	if ((st->st_mode & 02) && (!S_ISDIR(st->st_mode) || !ours))
		return false;
	return mounted_for_us(fd, path, top);
}

/* Whether nobody but root and the service user can have written it; else a note says how to mend that. */
static bool owner_ok(int fd, const struct stat *st, const char *path, const char *top, uid_t owner,
		     struct config_notes *notes)
{
	bool ours = st->st_uid == 0 || st->st_uid == owner;

	if (owner == CONFIG_ANY_OWNER || (ours && !(st->st_mode & 022)))
		return true;
	if (mounted_ok(fd, st, path, top, ours))
		return true;
	if (st->st_mode & 022)
		config_note(notes, path, 0, "others may write it (mode %04o) — chmod go-w %s",
			    (unsigned)(st->st_mode & 07777), path);
	else
		config_note(
			notes, path, 0,
			"it belongs to uid %u, neither root nor the service user — chown root %s",
			(unsigned)st->st_uid, path);
	return false;
}

/* Bytes of an open regular file of that size; a file that grows while it is read is bounded all the same. */
static int read_all(int fd, size_t size, struct buf *out, const char *path,
		    struct config_notes *notes, struct err *err)
{
	for (;;) {
		char chunk[8192];
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			config_note(notes, path, 0, "cannot be read: %s", strerror(errno));
			return 0;
		}
		if (n == 0)
			return 1;
		if (out->len + (size_t)n > CONFIG_FILE_MAX) {
			config_note(notes, path, 0,
				    "it is larger than 1 MiB — this is no configuration file");
			return 0;
		}
		buf_add(out, chunk, (size_t)n);
		if (buf_failed(out))
			return err_oom(err);
		if (out->len == size) /* one system call less for each of many files */
			return 1;
	}
}

int config_read_file(const char *path, const char *top, uid_t owner, struct config_notes *notes,
		     struct buf *out, uint64_t *look, bool *missing, struct err *err)
{
	struct stat st;
	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*missing = fd < 0 && errno == ENOENT;
	if (*missing)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		config_note(notes, path, 0, "cannot be opened: %s%s", strerror(errno),
			    errno == EACCES ? " — the service user must be able to read it" : "");
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		config_note(notes, path, 0, "it is not a regular file — remove it");
		return 0;
	}
	if (!owner_ok(fd, &st, path, top, owner, notes))
		return 0;
	*look = look_of(&st); /* before the first byte is read */
	return read_all(fd, (size_t)st.st_size, out, path, notes, err);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool wanted(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return name[0] != '.' && n > m && !strcmp(name + n - m, suffix);
}

int config_list_dir(const char *dir, const char *top, const char *suffix, uid_t owner,
		    struct config_notes *notes, struct config_list *names, struct err *err)
{
	CLEANUP(closedirp) DIR *d = opendir(dir);
	const struct dirent *entry;
	struct stat st;

	if (!d && errno == ENOENT)
		return 0;
	if (!d || fstat(dirfd(d), &st) < 0) {
		config_note(notes, dir, 0, "cannot be opened: %s", strerror(errno));
		return 0;
	}
	if (!owner_ok(dirfd(d), &st, dir, top, owner, notes))
		return 0;
	while ((entry = readdir(d)))
		if (wanted(entry->d_name, suffix) && config_list_add(names, entry->d_name) < 0)
			return err_oom(err);
	if (names->n)
		qsort(names->items, names->n, sizeof(*names->items), compare);
	return 0;
}

void config_files_fini(struct config_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->items[i].path);
	free(files->items);
	*files = (struct config_files){ 0 };
}

static int remember(struct config_files *files, const char *path, uint64_t look)
{
	struct config_file *items = reallocarray(files->items, files->n + 1, sizeof(*items));

	if (!items)
		return -1;
	files->items = items;
	items[files->n] = (struct config_file){ .path = strdup(path), .look = look };
	if (!items[files->n].path)
		return -1;
	files->n++;
	return 0;
}

int config_files_copy(struct config_files *to, const struct config_files *from)
{
	*to = (struct config_files){ 0 };
	for (size_t i = 0; i < from->n; i++)
		if (remember(to, from->items[i].path, from->items[i].look) < 0)
			return -1;
	return 0;
}

/* A drop-in that was not there. NULL: none, or no memory. */
static char *find_added(const struct config_files *files)
{
	CLEANUP(config_notes_fini) struct config_notes unheard = { 0 };
	CLEANUP(config_list_fini) struct config_list names = { 0 };
	CLEANUP(cleanup_free) char *dir = NULL;
	char *path = NULL;
	size_t i = 0;

	if (asprintf(&dir, "%s.d", files->items[0].path) < 0) {
		dir = NULL;
		return NULL;
	}
	if (config_list_dir(dir, dir, ".conf", CONFIG_ANY_OWNER, &unheard, &names, NULL) < 0)
		return NULL;
	/* both are ordered, and nothing is gone */
	while (i < names.n && i + 1 < files->n &&
	       !strcmp(names.items[i], strrchr(files->items[i + 1].path, '/') + 1))
		i++;
	if (i == names.n || asprintf(&path, "%s/%s", dir, names.items[i]) < 0)
		return NULL;
	return path;
}

const char *const config_change_words[] = { "is as it was read", "was changed since it was read",
					    "was added since the configuration was read",
					    "was removed since it was read" };

enum config_change config_compare(const struct config_files *files, unsigned flags, char **path)
{
	enum config_change change = CONFIG_SAME;

	*path = NULL;
	for (size_t i = 0; i < files->n && change == CONFIG_SAME; i++) {
		const struct config_file *f = &files->items[i];
		uint64_t now = look_at(f->path);

		if (now == f->look)
			continue;
		change = !now ? CONFIG_REMOVED : !f->look ? CONFIG_ADDED : CONFIG_CHANGED;
		*path = strdup(f->path);
	}
	if (files->n && change == CONFIG_SAME && !(flags & CONFIG_ALONE)) {
		*path = find_added(files);
		change = CONFIG_ADDED;
	}
	return *path ? change : CONFIG_SAME;
}

/* What all files of one configuration have in common. */
struct reading {
	const struct config_section *sections;
	size_t n_sections;
	void *target;
	const char *top;
	uid_t owner;
	struct config_notes *notes;
	struct config_origin *origin;
	struct config_files *files;
};

static int read_one(struct reading *r, const char *path, bool required, struct err *err)
{
	CLEANUP(buf_finip) struct buf text;
	uint64_t look = 0;
	bool missing;

	buf_init(&text, CONFIG_FILE_MAX + 1);
	int got = config_read_file(path, r->top, r->owner, r->notes, &text, &look, &missing, err);

	if (missing && required)
		config_note(r->notes, path, 0, "it does not exist — create it");
	if (got < 0 || (got == 0 && (!missing || required)))
		return got;
	if (remember(r->files, path, look) < 0)
		return err_oom(err);
	return config_parse(path, text.data ? text.data : "", text.len, r->sections, r->n_sections,
			    r->target, r->notes, r->origin, err);
}

static int read_drop_ins(struct reading *r, const char *main_path, struct err *err)
{
	CLEANUP(config_list_fini) struct config_list names = { 0 };
	CLEANUP(cleanup_free) char *dir = NULL;

	if (asprintf(&dir, "%s.d", main_path) < 0) {
		dir = NULL;
		return err_oom(err);
	}
	if (config_list_dir(dir, r->top, ".conf", r->owner, r->notes, &names, err) < 0)
		return -ERR_INTERNAL;
	for (size_t i = 0; i < names.n; i++) {
		CLEANUP(cleanup_free) char *path = NULL;

		if (asprintf(&path, "%s/%s", dir, names.items[i]) < 0) {
			path = NULL;
			return err_oom(err);
		}
		if (read_one(r, path, true, err) < 0)
			return -ERR_INTERNAL;
	}
	return 0;
}

int config_read(const char *dir, const char *name, unsigned flags,
		const struct config_section *sections, size_t n_sections, void *target, uid_t owner,
		struct config_notes *notes, struct config_origin **origin,
		struct config_files *files, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	*files = (struct config_files){ 0 };
	*origin = config_origin_new();
	if (!*origin)
		return err_oom(err);
	for (size_t i = 0; i < n_sections; i++)
		if (!sections[i].named &&
		    config_defaults(&sections[i], (char *)target + sections[i].offset, err) < 0)
			return -ERR_INTERNAL;
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return err_oom(err);
	}
	struct reading r = { sections, n_sections, target, dir,
			     owner,    notes,	   *origin, files };

	if (read_one(&r, path, flags & CONFIG_REQUIRED, err) < 0 ||
	    (!(flags & CONFIG_ALONE) && read_drop_ins(&r, path, err) < 0))
		return -ERR_INTERNAL;
	return notes->out_of_memory ? err_oom(err) : 0;
}

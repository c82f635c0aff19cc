/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon has its configuration, and how a file comes there whole. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/reply.h"
#include "client/cli/setup.h"

#define SERVICE_USER "sftokend"

enum { OPEN_MODE = 0644, SECRET_MODE = 0600, FOLDER_MODE = 0755, PRIVATE_FOLDER_MODE = 0700 };

void place_free(struct place *p)
{
	free(p->directory);
	*p = (struct place){ 0 };
}

static int complain_memory(void)
{
	return complain(EXIT_STATUS_INTERNAL, "out of memory");
}

/* --- the directory --- */

/* The directory of a file that the daemon has read: that of sftokend.conf or of credentials/. NULL: neither. */
static char *directory_of(const char *file)
{
	static const char *const ends[] = { "/sftokend.conf", "/credentials/" };

	for (size_t i = 0; file && *file == '/' && i < sizeof ends / sizeof ends[0]; i++) {
		const char *at = strstr(file, ends[i]);

		if (at)
			return strndup(file, (size_t)(at - file));
	}
	return NULL;
}

static char *from_status(struct json_object *status)
{
	size_t n;
	struct json_object *files = items_of(status, "configurationFiles", &n);
	char *directory = NULL;

	for (size_t i = 0; !directory && i < n; i++)
		directory = directory_of(
			json.object_get_string(json.object_array_get_idx(files, i)));
	return directory;
}

static char *usual_directory(bool system)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *directory = NULL;
	int n;

	if (system)
		return strdup("/etc/sftokend");
	if (config && *config == '/')
		n = asprintf(&directory, "%s/sftokend", config);
	else
		n = asprintf(&directory, "%s/.config/sftokend", home && *home == '/' ? home : "");
	return n < 0 ? NULL : directory;
}

/* --- the daemon --- */

/* Who serves at a socket owns the directory that it lies in. */
static void take_owner(struct place *p, const char *socket)
{
	const char *slash = strrchr(socket, '/');
	char *directory = slash ? strndup(socket, (size_t)(slash - socket)) : NULL;
	struct stat st;

	if (directory && stat(directory, &st) == 0) {
		p->uid = st.st_uid;
		p->gid = st.st_gid;
		p->owned = geteuid() == 0;
	}
	free(directory);
}

/* The system's daemon is the one in /run; another one that was named belongs to whoever runs it. */
static bool is_system(const struct cli *cli, const char *socket)
{
	if (cli->user || cli->system)
		return cli->system;
	return socket ? strncmp(socket, "/run/sftokend/", 14) == 0 : geteuid() == 0;
}

/* Asks the daemon where its files are; it may just have been started. 0 also when there is none; an exit status after a complaint: it does not want us. */
static int ask_daemon(const struct cli *cli, struct place *p)
{
	struct cli quiet = *cli;
	struct sftoken_err err = { 0 };
	struct json_object *status;
	struct sftoken *h;
	int r = 0;

	quiet.quiet = true;
	p->system = is_system(cli, NULL);
	if (open_manager(&quiet, &h))
		return 0;
	status = ask_quietly(h, "io.sftoken.Manager.Status", NULL, &err);
	if (status) {
		p->answers = true;
		p->system = is_system(cli, sftoken_path(h));
		p->directory = from_status(status);
		take_owner(p, sftoken_path(h));
		p->user = !p->system && p->uid == geteuid();
	} else if (cli->credential &&
		   (err.code == SFTOKEN_E_REFUSED ||
		    strcmp(err.name, "org.varlink.service.PermissionDenied") == 0)) {
		r = complain(
			EXIT_STATUS_REFUSED,
			"only administrators of the daemon at %s make credentials: sudo sftoken setup %s",
			sftoken_path(h), cli->credential);
	}
	json.object_put(status);
	sftoken_close(h);
	return r;
}

/* Files of secrets must belong to the user whom the system's daemon will run as. */
static int find_service_user(struct place *p)
{
	struct passwd *user;

	if (p->answers || !p->system || geteuid() != 0)
		return 0;
	user = getpwnam(SERVICE_USER);
	if (!user)
		return complain(
			EXIT_STATUS_CONFIG,
			"there is no user %s, whom the daemon runs as: systemd-sysusers, or useradd --system %s",
			SERVICE_USER, SERVICE_USER);
	p->uid = user->pw_uid;
	p->gid = user->pw_gid;
	p->owned = true;
	return 0;
}

int place_find(const struct cli *cli, struct place *p)
{
	int r = 0;

	*p = (struct place){ .system = is_system(cli, NULL) };
	if (!cli->setup.print || !cli->setup.config)
		r = ask_daemon(cli, p);
	if (r == EXIT_STATUS_REFUSED && cli->setup.print)
		r = 0;
	if (r == 0 && cli->setup.config) {
		free(p->directory);
		p->directory = strdup(cli->setup.config);
	} else if (r == 0 && !p->directory) {
		p->directory = usual_directory(p->system);
	}
	if (r == 0 && !p->directory)
		r = complain_memory();
	if (r == 0 && !cli->setup.print)
		r = find_service_user(p);
	return r;
}

int place_look(const struct cli *cli, struct place *p)
{
	int r;

	*p = (struct place){ 0 };
	r = ask_daemon(cli, p);
	if (!p->answers) {
		p->user = cli->user;
		p->system = !cli->user;
	}
	if (r == 0 && !p->directory)
		p->directory = usual_directory(p->system);
	return r == 0 && !p->directory ? complain_memory() : r;
}

char *place_path(const struct place *p, const char *folder, const char *name, const char *suffix)
{
	char *path;

	if (asprintf(&path, "%s/%s/%s%s", p->directory, folder, name, suffix) >= 0)
		return path;
	complain_memory();
	return NULL;
}

static int complain_path(const char *path, const char *what)
{
	int code = errno;
	bool denied = code == EACCES || code == EPERM || code == EROFS;

	return complain(denied ? EXIT_STATUS_REFUSED : EXIT_STATUS_INTERNAL, "%s %s: %s%s", path,
			what, strerror(code),
			denied && geteuid() != 0 ? ": begin again with sudo, or see --print" : "");
}

/* As mkdir -p; what is there stays as it is. */
static int make_folders(char *path, mode_t last)
{
	for (char *at = strchr(path + 1, '/');; at = strchr(at + 1, '/')) {
		int r;

		if (at)
			*at = '\0';
		r = mkdir(path, at ? FOLDER_MODE : last);
		if (r < 0 && errno != EEXIST && errno != EROFS && !(at && errno == EACCES))
			return complain_path(path, "cannot be made");
		if (!at)
			return 0;
		*at = '/';
	}
}

int place_make(struct place *p, const char *folder)
{
	bool ours = !p->system && !(p->owned && p->uid != geteuid());
	bool secret = ours && strcmp(folder, "credentials") != 0;
	char *path = place_path(p, folder, "", ""), *whole;
	mode_t before = umask(022);
	int r = EXIT_STATUS_INTERNAL;

	if (path) {
		path[strlen(path) - 1] = '\0';
		r = make_folders(path, secret ? PRIVATE_FOLDER_MODE : FOLDER_MODE);
	}
	(void)umask(before);
	whole = r == 0 ? realpath(p->directory, NULL) : NULL;
	if (whole) { /* no link stands on the way to a secret */
		free(p->directory);
		p->directory = whole;
	}
	free(path);
	return r;
}

int place_check(const struct place *p)
{
	char *path = place_path(p, "credentials", "", ""), *slash;
	int r = 0;

	if (!path)
		return EXIT_STATUS_INTERNAL;
	/* the nearest one that is there: the rest will be made */
	while (access(path, F_OK) < 0 && errno == ENOENT && (slash = strrchr(path, '/')) &&
	       slash > path)
		*slash = '\0';
	if (access(path, W_OK) < 0)
		r = complain_path(path, "cannot be written");
	free(path);
	return r;
}

/* --- one file --- */

static char *beside(const char *path, const char *mark)
{
	const char *slash = strrchr(path, '/');
	char *name;

	if (asprintf(&name, "%.*s/.%s.%s%d", (int)(slash - path), path, slash + 1, mark,
		     (int)getpid()) < 0)
		return NULL;
	return name;
}

static void forget(struct new_file *f)
{
	free(f->path);
	free(f->temporary);
	free(f->before);
	*f = (struct new_file){ 0 };
}

int new_file_own(struct new_file *f, const struct place *p, unsigned flags)
{
	int fd = open(f->temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r = 0;

	if (fd < 0 || fchmod(fd, flags & FILE_SECRET ? SECRET_MODE : OPEN_MODE) < 0 ||
	    ((flags & FILE_SECRET) && p->owned && fchown(fd, p->uid, p->gid) < 0) || fsync(fd) < 0)
		r = complain_path(f->temporary, "cannot be made");
	if (fd >= 0)
		close(fd);
	return r;
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

int new_file_write(struct new_file *f, const struct place *p, char *path, const char *text,
		   size_t size, unsigned flags)
{
	int fd, r = 0;

	*f = (struct new_file){ .path = path, .temporary = beside(path, "new") };
	if (!f->temporary) {
		forget(f);
		return complain_memory();
	}
	fd = open(f->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, SECRET_MODE);
	if (fd < 0 || write_all(fd, text, size) < 0)
		r = complain_path(f->temporary, "cannot be written");
	if (fd >= 0)
		close(fd);
	if (r == 0)
		r = new_file_own(f, p, flags);
	if (r)
		new_file_undo(f);
	return r;
}

static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = strndup(path, (size_t)(slash - path));
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(folder);
}

int new_file_place(struct new_file *f, unsigned flags)
{
	if (flags & FILE_REPLACES) {
		f->before = beside(f->path, "before");
		if (f->before && (unlink(f->before) == 0 || errno == ENOENT) &&
		    link(f->path, f->before) < 0) {
			free(f->before); /* there is none */
			f->before = NULL;
		}
		if (rename(f->temporary, f->path) < 0)
			return complain_path(f->path, "cannot be written");
	} else if (renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path, RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return complain(EXIT_STATUS_USAGE,
					"%s is there already: --force replaces it", f->path);
		return complain_path(f->path, "cannot be written");
	}
	f->in_place = true;
	sync_folder(f->path);
	return 0;
}

void new_file_undo(struct new_file *f)
{
	if (f->before && f->in_place)
		(void)rename(f->before, f->path);
	else if (f->in_place)
		(void)unlink(f->path);
	else if (f->temporary)
		(void)unlink(f->temporary);
	if (f->before)
		(void)unlink(f->before);
	forget(f);
}

void new_file_keep(struct new_file *f)
{
	if (f->before)
		(void)unlink(f->before);
	forget(f);
}

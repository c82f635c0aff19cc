/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/places.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum { LOCK_WAIT_MS = 6000, LOCK_PAUSE_MS = 20 };

static int cannot(const char *what, const char *path, struct err *err)
{
	if (errno != EROFS)
		return err_errno(err, ERR_ADMIN, errno, "cannot %s %s", what, path);
	return err_set(
		err, ERR_ADMIN,
		"cannot %s %s: the file system is read-only; mount a volume there (in a container an emptyDir or a "
		"tmpfs will do), or name another directory with --state or --runtime",
		what, path);
}

/* What stands above the last name, as far as it is missing. */
static int make_above(const char *path, struct err *err)
{
	CLEANUP(cleanup_free) char *above = strdup(path);

	if (!above)
		return err_oom(err);
	for (char *slash = strchr(above + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		mode_t mask = umask(022); /* the service user must get through */
		int made;

		*slash = '\0';
		made = mkdir(above, 0755);
		umask(mask);
		if (made < 0 && errno != EEXIST)
			return cannot("make the directory", above, err);
		*slash = '/';
	}
	return 0;
}

/* A directory that was there before is somebody's decision: it is judged, never changed. */
static int check_directory(int fd, const char *path, const struct identity *id, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot look at %s", path);
	if (st.st_uid == id->uid && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	if (st.st_uid == id->uid)
		return err_set(
			err, ERR_ADMIN,
			"%s can be written by others, who could replace what is in it: chmod go-w %s",
			path, path);
	return err_set(
		err, ERR_ADMIN,
		"%s belongs to uid %u, not to the daemon's uid %u: name a directory of its own with "
		"--runtime or --state",
		path, (unsigned)st.st_uid, (unsigned)id->uid);
}

int place_make(const char *path, mode_t mode, const struct identity *id, struct err *err)
{
	CLEANUP(cleanup_close) int fd = -1;
	bool made;
	int r = make_above(path, err);

	if (r < 0)
		return r;
	made = mkdir(path, 0700) == 0;
	if (!made && errno != EEXIST)
		return cannot("make the directory", path, err);
	/* What was made a moment ago is no symlink, or somebody plays with it. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (made ? O_NOFOLLOW : 0));
	if (fd < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot open the directory %s", path);
	if (!made)
		return check_directory(fd, path, id, err);
	if (geteuid() == 0 && fchown(fd, id->uid, id->gid) < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot give %s to uid %u", path,
				 (unsigned)id->uid);
	if (fchmod(fd, mode) < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot set the mode of %s", path);
	return 0;
}

static pid_t read_pid(int fd)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static int write_pid(int fd, const char *path, struct err *err)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return err_errno(err, ERR_ADMIN, errno, "cannot write %s", path);
	return 0;
}

/* A process that has ended but was not waited for yet is dead, too. */
static bool is_zombie(pid_t pid)
{
	char path[40], text[512] = "";
	const char *behind;
	CLEANUP(cleanup_close) int fd = -1;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		return false;
	behind = strrchr(text, ')'); /* of the name, which may hold anything */
	return behind && strncmp(behind, ") Z", 3) == 0;
}

static bool is_dead(pid_t pid)
{
	if (pid <= 0)
		return false;
	/* The number is ours by now, as it is for every start of a container: it cannot be the holder's. */
	if (pid == getpid())
		return true;
	return (kill(pid, 0) < 0 && errno == ESRCH) || is_zombie(pid);
}

/* A daemon that was killed may leave a mint behind that is about to end; a daemon that lives is not waited for. */
static int wait_for_lock(int fd, const char *path, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int64_t until_ms = clock_mono_ms() + LOCK_WAIT_MS;

	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		int why = errno;
		pid_t pid = read_pid(fd);

		if (why != EAGAIN && why != EACCES && why != EINTR)
			return err_errno(err, ERR_ADMIN, why, "cannot lock %s", path);
		if (!is_dead(pid) || clock_mono_ms() >= until_ms)
			return err_set(err, ERR_EXISTS,
				       "another sftokend is running: pid %d holds %s", (int)pid,
				       path);
		(void)poll(NULL, 0, LOCK_PAUSE_MS);
	}
	return 0;
}

/* As root we are about to empty it and give it away, in a directory of the service user: it must not be another name of something else. */
static int check_lock_file(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot look at %s", path);
	if (S_ISREG(st.st_mode) && st.st_nlink == 1)
		return 0;
	return err_set(
		err, ERR_ADMIN,
		"%s is no lock of ours: it is not a regular file, or has a second name; remove it",
		path);
}

int place_lock(const char *dir, const struct identity *id, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_close) int fd = -1;
	int r;

	if (asprintf(&path, "%s/lock", dir) < 0) {
		path = NULL;
		return err_oom(err);
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cannot("open", path, err);
	r = check_lock_file(fd, path, err);
	if (r == 0)
		r = wait_for_lock(fd, path, err);
	if (r < 0)
		return r;
	if (geteuid() == 0 && fchown(fd, id->uid, id->gid) < 0)
		return err_errno(err, ERR_ADMIN, errno, "cannot give %s to uid %u", path,
				 (unsigned)id->uid);
	r = write_pid(fd, path, err);
	return r < 0 ? r : take_fd(&fd);
}

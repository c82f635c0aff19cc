/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/common/control.h"
#include "daemon/common/packet.h"

enum { PING_MS = 2000, STEADY_MS = 10000, FIRST_FREE_FD = 10, CANNOT_START = 127, PLACES = 3 };

/* The installed layout, then that of the build folder, then side by side. */
static char *place_path(size_t i, const char *name)
{
	const char *folder = strrchr(name, '-') + 1; /* sftokend-mint is built in mint/ */
	char *path = NULL;
	int n;

	switch (i) {
	case 0:
		n = asprintf(&path, "../libexec/sftokend/%s", name);
		break;
	case 1:
		n = asprintf(&path, "../%s/%s", folder, name);
		break;
	default:
		n = asprintf(&path, "%s", name);
		break;
	}
	return n < 0 ? NULL : path;
}

static int own_directory(struct err *err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	char *slash;
	int fd;

	if (n <= 0)
		return err_errno(err, ERR_ADMIN, errno,
				 "cannot find out where this program is (is /proc mounted?)");
	path[n] = '\0';
	slash = strrchr(path, '/');
	slash[1] = '\0';
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_errno(err, ERR_ADMIN, errno, "cannot open %s", path);
}

int child_open(struct child *c, const char *name, struct err *err)
{
	CLEANUP(cleanup_close) int dir = own_directory(err);

	if (dir < 0)
		return dir;
	c->name = name;
	c->control = -1;
	for (size_t i = 0; i < PLACES; i++) {
		CLEANUP(cleanup_free) char *path = place_path(i, name);
		CLEANUP(cleanup_close) int fd = path ? openat(dir, path, O_PATH | O_CLOEXEC) : -1;

		if (fd < 0 || faccessat(dir, path, X_OK, 0) < 0)
			continue;
		c->program = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		return c->program >= 0
			       ? 0
			       : err_errno(err, ERR_INTERNAL, errno, "cannot keep %s open", name);
	}
	return err_set(
		err, ERR_ADMIN,
		"%s is not where this program expects it (../libexec/sftokend): is sftokend installed whole?",
		name);
}

/* Between fork and exec: nothing but system calls. */
static void become(const struct child *c, int control, pid_t parent, char *const *environment)
{
	sigset_t none;

	sigemptyset(&none);
	/* The Ctrl-C of a terminal, or whatever else signals our process group, is for us alone: we stop the children in order, an answer to a refresh token is waited for. A session of its
	 * own, not a group alone: in the background of our terminal a child could not write its log there with `stty tostop`. It cannot fail: who was just forked leads no group. */
	(void)setsid();
	if (c->dies_with_us && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(CANNOT_START);
	/* Both are above what they become (keep_high()): dup2() onto itself would leave FD_CLOEXEC on. */
	if (dup2(control, CONTROL_FD) < 0 || (c->lock >= 0 && dup2(c->lock, STATE_LOCK_FD) < 0))
		_exit(CANNOT_START);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execveat(c->program, "", c->arguments, environment, AT_EMPTY_PATH);
	_exit(CANNOT_START);
}

/* A copy that is out of the way of CONTROL_FD and STATE_LOCK_FD, or -1. */
static int keep_high(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
}

int child_lock(struct child *c, int lock, struct err *err)
{
	c->lock = keep_high(lock);
	return c->lock >= 0 ? 0
			    : err_errno(err, ERR_INTERNAL, errno,
					"cannot keep the lock of the state directory");
}

int child_start(struct child *c, char *const *environment, struct err *err)
{
	CLEANUP(cleanup_close) int ours = -1;
	CLEANUP(cleanup_close) int theirs = -1;
	CLEANUP(cleanup_close) int high = -1;
	pid_t parent = getpid();
	int ends[2], r = packet_pair(ends, err);

	if (r < 0)
		return r;
	ours = ends[0];
	theirs = ends[1];
	high = keep_high(theirs);
	if (high < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot start %s", c->name);
	c->pid = fork();
	if (c->pid < 0) {
		c->pid = 0;
		return err_errno(err, ERR_INTERNAL, errno, "cannot start %s", c->name);
	}
	if (c->pid == 0)
		become(c, high, parent, environment);
	c->control = take_fd(&ours);
	c->started_ms = clock_mono_ms();
	c->pinged_ms = c->pong_ms = 0;
	c->ready = c->hung = false;
	log_event(LOG_LEVEL_INFO, "child.started", F_STR("name", c->name), F_INT("pid", c->pid));
	return 0;
}

void child_kill(struct child *c)
{
	if (c->pid > 0)
		(void)kill(c->pid, SIGKILL);
}

void child_send(struct child *c, const struct control_message *m, int fd)
{
	CLEANUP(buf_finip) struct buf packet;
	struct err err = { 0 };

	buf_init(&packet, PACKET_MAX);
	if (c->control < 0)
		return;
	control_encode(m, &packet);
	if (buf_failed(&packet)) {
		log_event(LOG_LEVEL_ERR, "child.message", F_STR("name", c->name),
			  F_STR("why", "the message is too long"));
		return;
	}
	if (packet_send(c->control, packet.data, packet.len, fd, &err) == 1)
		return;
	log_event(LOG_LEVEL_WARNING, "child.deaf", F_STR("name", c->name),
		  F_STR("message", control_type_name(m->type)));
	child_kill(c);
}

void child_send_type(struct child *c, enum control_type type)
{
	struct control_message m = { .type = type };

	child_send(c, &m, -1);
}

static void log_death(const struct child *c, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_event(LOG_LEVEL_ERR, "child.died", F_STR("name", c->name), F_INT("pid", c->pid),
			  F_STR("why",
				"refused system call (SIGSYS): it tried what the sandbox forbids"));
	else if (WIFSIGNALED(status))
		log_event(LOG_LEVEL_WARNING, "child.died", F_STR("name", c->name),
			  F_INT("pid", c->pid), F_INT("signal", WTERMSIG(status)),
			  F_STR("why", c->hung ? "killed: it did not answer"
					       : strsignal(WTERMSIG(status))));
	else
		log_event(LOG_LEVEL_WARNING, "child.died", F_STR("name", c->name),
			  F_INT("pid", c->pid), F_INT("status", WEXITSTATUS(status)));
}

void child_died(struct child *c, int status, const struct limits *limits)
{
	int64_t now_ms = clock_mono_ms(), pause_ms = 0;

	log_death(c, status);
	if (c->control >= 0)
		close(c->control);
	c->control = -1;
	c->pid = 0;
	c->ready = false;
	if (now_ms - c->started_ms >= STEADY_MS)
		c->deaths = 0;
	if (c->deaths > 0) {
		unsigned doubled = c->deaths - 1 < 16 ? c->deaths - 1 : 16;

		pause_ms = limits->restart_first_ms << doubled;
		if (pause_ms > limits->restart_max_ms)
			pause_ms = limits->restart_max_ms;
	}
	c->deaths++;
	c->restart_at_ms = now_ms + pause_ms;
}

int64_t child_watch(struct child *c, int64_t now_ms)
{
	int64_t ping_ms = c->ping_ms ? c->ping_ms : PING_MS;

	if (c->pid == 0)
		return INT64_MAX;
	/* Silence counts from a Ping without a Pong: when we were stopped ourselves there was nothing to answer. */
	if (c->pong_ms && !c->hung && c->pinged_ms > c->pong_ms &&
	    now_ms - c->pinged_ms >= c->watchdog_ms) {
		log_event(LOG_LEVEL_WARNING, "child.hung", F_STR("name", c->name),
			  F_INT("pid", c->pid), F_INT("silent_ms", now_ms - c->pinged_ms));
		c->hung = true;
		child_kill(c);
	}
	if (c->pinged_ms <= c->pong_ms && now_ms - c->pinged_ms >= ping_ms) {
		c->pinged_ms = now_ms;
		child_send_type(c, CONTROL_PING);
	}
	return c->pinged_ms + ping_ms > now_ms ? c->pinged_ms + ping_ms : now_ms + ping_ms;
}

void child_hung_up(struct child *c, int64_t now_ms)
{
	cleanup_close(&c->control);
	c->pinged_ms = now_ms;
	c->pong_ms = now_ms - 1;
}

void child_pong(struct child *c)
{
	c->pong_ms = clock_mono_ms();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/terminal.h"

#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool terminal_is_ours(int fd)
{
	pid_t foreground = tcgetpgrp(fd);

	return isatty(fd) && (foreground < 0 || foreground == getpgrp());
}

bool terminal_hide(struct terminal *t, int fd, enum terminal_mode mode)
{
	struct termios quiet;

	*t = (struct terminal){ .fd = fd };
	if (tcgetattr(fd, &t->before) < 0)
		return false;
	quiet = t->before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (mode == TERMINAL_BYTES) {
		quiet.c_lflag &= ~(tcflag_t)ICANON;
		quiet.c_cc[VMIN] = 1;
		quiet.c_cc[VTIME] = 0;
	}
	t->hidden = tcsetattr(fd, TCSAFLUSH, &quiet) == 0;
	return t->hidden;
}

void terminal_show(struct terminal *t)
{
	if (t->hidden)
		(void)tcsetattr(t->fd, TCSAFLUSH, &t->before);
	t->hidden = false;
}

int hold_signals(sigset_t *before)
{
	static const int held[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof held / sizeof held[0]; i++)
		(void)sigaddset(&set, held[i]);
	(void)sigprocmask(SIG_BLOCK, &set, before);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void release_signals(int signals, const sigset_t *before)
{
	if (signals >= 0)
		close(signals);
	(void)sigprocmask(SIG_SETMASK, before, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal at which a secret is typed or pasted: it shows nothing, and is as before whatever ends us. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <termios.h>

struct terminal {
	int fd;
	bool hidden;
	struct termios before;
};

/* How much of a line the kernel keeps together: TERMINAL_LINES up to 4095 bytes with its editing, TERMINAL_BYTES each byte as it comes, any number. */
enum terminal_mode { TERMINAL_LINES, TERMINAL_BYTES };

/*
 * Shows no more of what is typed at fd, and drops what was typed before. False, and nothing is changed: fd is no terminal. Signals must be held, so that none of them ends us in between;
 * in the background the kernel stops us here, as it does with whoever reads there.
 */
bool terminal_hide(struct terminal *t, int fd, enum terminal_mode mode);
/* As before; what was typed and not read is dropped, so that the shell does not find half a secret. Does nothing if it is not hidden. */
void terminal_show(struct terminal *t);
/* Whether fd is a terminal that we may read now: we are in its foreground, or it controls nobody. */
bool terminal_is_ours(int fd);

/* Lets the signals that end or stop us wait; returns a descriptor (of signalfd) that is readable when one does, -1: none. */
int hold_signals(sigset_t *before);
/* Closes it, and lets what came meanwhile come. */
void release_signals(int signals, const sigset_t *before);

#endif

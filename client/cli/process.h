/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs, run to their end. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

#include "client/cli/erased.h"

/* A descriptor of ours, and what it is in the program. */
struct process_fd {
	int ours, its;
};

/* Starts words[0] of $PATH with default signals; standard descriptors that fds does not name are ours. 0, or an errno. */
int process_spawn(pid_t *pid, char *const words[], const struct process_fd *fds, size_t n);
/* Waits for its end: its exit status, or 128 and the number of the signal. */
int process_wait(pid_t pid);

/* What Ctrl-C and a reader that goes do to us. */
struct process_signals {
	struct sigaction interrupt, quit, pipe;
};

/* While a program runs in our place at the terminal, it is the one that Ctrl-C is for; we end after it. */
void process_ignore(struct process_signals *before);
void process_restore(const struct process_signals *before);

/*
 * Runs a program to its end with nothing on its standard input, and reads its standard output and its standard error into out (at most out->room bytes, the rest is dropped) and errors. Its exit
 * status, or -errno if it cannot be run.
 */
int process_read(char *const words[], struct bytes *out, struct bytes *errors);

#endif

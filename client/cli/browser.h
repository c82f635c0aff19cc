/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a browser at the person's screen, where there is one. */
#ifndef CLI_BROWSER_H
#define CLI_BROWSER_H

#include <signal.h>
#include <stdbool.h>

/* Whether we act for somebody else (sudo, doas, pkexec): a browser would run as the wrong user. */
bool browser_forbidden(void);

/*
 * Starts $BROWSER (programs with a colon between, each with its words; %s stands for the address), else xdg-open where there is a screen, and does not wait for it. mask: of signals, for the
 * browser. False: none was started. That one was started does not say that it shows anything.
 */
bool browser_open(const char *url, const sigset_t *mask);

#endif

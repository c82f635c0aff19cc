/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `sftoken login`: what is shown, what is pasted, and the loop in login.c. */
#ifndef CLI_LOGIN_H
#define CLI_LOGIN_H

#include "client/cli/erased.h"
#include "client/cli/redirect.h"
#include "client/cli/reply.h"
#include "client/cli/terminal.h"

/* --- login_paste.c: an address that is pasted at the terminal on standard input --- */

struct paste {
	struct terminal terminal;
	struct bytes line;
	bool wanted; /* false after paste_end(), or when the terminal has gone */
	bool ready;  /* line is an address, with a NUL behind it, and waits for paste_clear() */
};

/* False: standard input is no terminal, and nothing can be pasted. Signals must be held. */
bool paste_begin(struct paste *p);
/* The terminal as before; what was typed is erased. */
void paste_end(struct paste *p);
/* What to poll for input, -1: nothing is read now (an address waits, or we run in the background). */
int paste_fd(struct paste *p);
/* Takes what was typed. True: p->ready, or the line was nothing that a browser ends at, and it is gone. */
bool paste_read(struct paste *p);
/* Erases the line; the next one is read. */
void paste_clear(struct paste *p);
/* The terminal as the shell wants it, until paste_fd() is asked again. */
void paste_pause(struct paste *p);

/* --- login_refused.c: why a login cannot begin --- */

/* What complain_err() does, for an error of Login at the Manager socket path; json-c must be loaded. */
int complain_login(const struct cli *cli, const struct sftoken_err *err, const char *path);
/* Nobody can listen on the port, and nobody can paste. */
int complain_port(const struct cli *cli, unsigned port);

/* --- login_show.c: what the person sees --- */

/* What can be done with the address of a web login. */
struct ways {
	const struct redirect *redirect; /* NULL: nobody listens */
	bool browser;                    /* one was started */
	bool paste;
};

void show_web(const struct cli *cli, const char *url, const struct ways *ways);
void show_device(const struct cli *cli, struct json_object *reply);
/* A line that is written over by the next one; only on a terminal. */
void show_waiting(const struct cli *cli, bool device, int64_t expires_at_s);
/* Removes that line before something else is said. */
void show_nothing(void);
/* A note on standard error, without control characters; nothing with -q. */
void show_note(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* text with '?' for control characters: what others wrote does not move a terminal's cursor. NULL: out of memory. Caller frees. */
char *harmless(const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A broker for the tests of libsftoken: a thread that serves a socket in a directory of its own and does as it is told. */
#ifndef TESTS_FAKE_BROKER_H
#define TESTS_FAKE_BROKER_H

#include <stdbool.h>
#include <sys/types.h>

enum behaviour {
	ANSWER,       /* each call with the next text of replies, the last one for ever */
	DROP_FIRST,   /* close the first `drops` connections after their first call, then answer */
	SILENT,       /* never answer */
	BYTE_BY_BYTE, /* answer in single bytes */
	NO_END,       /* 128 KiB without a NUL */
};

struct fake_broker {
	enum behaviour behaviour;
	int drops;
	const char *const *replies; /* NULL-terminated */
	/* what it saw */
	int connections, calls;
	uid_t last_uid;
	char last_call[4096];
	/* its own */
	char dir[64], path[96];
	int listener, stop[2];
	void *state;
};

/* Fills dir and path and starts to serve; false when that failed. */
bool fake_broker_start(struct fake_broker *b);
void fake_broker_stop(struct fake_broker *b);

#endif

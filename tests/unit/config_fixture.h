/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration directory for one test, and what --check says about it.
 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/secret.h"

struct fixture {
	char dir[64];   /* 0700, fresh */
	int status;     /* of the last fixture_check() */
	char *problems; /* what it wrote to standard error; the directory and its slash are cut out
			 */
	char *merged;   /* what it wrote to standard output, likewise */
	int (*check_key)(const struct secret *key, const struct secret *passphrase,
			 struct err *err);
	uid_t uid; /* the service user; fixture_init() takes our own */
};

/* Aborts the program when there is no directory to be had. */
void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);

/* Writes a file below the directory, whose folders are made (0755); mode as given, whatever the
 * umask. */
void fixture_write(const struct fixture *f, const char *path, const char *text);
void fixture_write_bytes(const struct fixture *f, const char *path, const void *bytes, size_t size,
			 mode_t mode);

/* DIR/path in a static buffer of four turns. */
const char *fixture_path(const struct fixture *f, const char *path);

/* A secret.txt and key.pem (0600), and credentials/good.conf with nothing wrong in it. */
void fixture_good(const struct fixture *f);

/* configuration_check() on the directory; fills status, problems and merged. Returns problems. */
const char *fixture_check(struct fixture *f);

/* text with every "@DIR@" replaced by the directory, in a static buffer. */
const char *fixture_expand(const struct fixture *f, const char *text);

#endif

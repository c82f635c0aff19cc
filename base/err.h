/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error vocabulary: not what broke, but who has to act.
 *
 * Functions that can fail return 0 or -code and fill the caller's struct err (always the last argument, may be NULL).
 * Texts are for people: what happened and what to do. No text ever holds a secret.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

enum err_code {
	ERR_OK = 0,
	ERR_RETRY = 1,    /* nobody: it may pass by itself (network, 5xx, rate limit); retry_after_ms says when to try */
	ERR_LOGIN = 2,    /* a person has to log in again */
	ERR_ADMIN = 3,    /* an administrator has to change something, here or in Salesforce */
	ERR_DENIED = 4,   /* the caller may not do this */
	ERR_INPUT = 5,    /* the caller sent something wrong */
	ERR_PROTOCOL = 6, /* the other end broke the protocol */
	ERR_INTERNAL = 7, /* we: out of memory, a failed system call, a bug */
	ERR_EXISTS = 8,   /* somebody else holds it (a lock, a second daemon) */
};

enum { ERR_TEXT_MAX = 300 };

struct err {
	enum err_code code;
	int64_t retry_after_ms; /* ERR_RETRY: 0 if not known */
	char text[ERR_TEXT_MAX + 1];
};

/*
 * Fills err (which may be NULL) and returns -code, so that a function can `return err_set(err, ...)`.
 * A text that is too long is cut at a character boundary; control bytes become '?'. err->retry_after_ms becomes 0.
 */
int err_set(struct err *err, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of an errno value appended. */
int err_errno(struct err *err, enum err_code code, int errnum, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "prefix: " in front of the text that err holds; returns -err->code. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory, said in the same words everywhere. */
int err_oom(struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The store over the fake disk and a fake clock. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "check.h"
#include "daemon/mint/store.h"
#include "disk.h"

#define STATE "/state"
#define RUN "/run"

/* What base/clock.h says; tests set it. */
extern int64_t fixture_now_ms, fixture_real_ms;

/* An empty disk with both directories, and a plain morning. */
void fixture_begin(void);
/* Opens with [Store] Key= (or, after fixture_auto, without). NULL and fixture_err when it is refused. */
struct store *fixture_open(void);
/* Opens with another key. */
struct store *fixture_open_key(const char *key);
extern bool fixture_auto;
extern struct err fixture_err;
/* Everything of now is on the disk of the next start; power: as after a power loss, else as after SIGKILL. */
void fixture_crash(struct store *s, bool power);

/* An entry whose refresh token is "R<number>" and whose access token is "A<generation>". */
struct stored *fixture_give(struct store *s, const char *name, int number);
/* Puts a token into an entry, as the keeper does: generation, issued now, 2 h. */
void fixture_token(struct stored *e, int64_t generation);
/* A whole spend that brings "R<number>": 0 or what failed. */
int fixture_spend(struct store *s, struct stored *e, int number);
/* The number n of a refresh token "R<n>"; -1: there is none. */
int fixture_number(const struct stored *e);
struct secret *fixture_secret(const char *text);

#endif

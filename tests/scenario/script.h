/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenario files: README in this folder. One struct script runs one scenario.
 */
#ifndef SCENARIO_SCRIPT_H
#define SCENARIO_SCRIPT_H

#include "tests/scenario/world.h"

enum { SCRIPT_CALLERS_MAX = 1200, SCRIPT_TOKENS_MAX = 64, SCRIPT_WORDS_MAX = 24 };

struct script_caller {
	char *name;
	struct fake_caller fake;
	char *asked; /* credential of the last call */
	/* of the last login that it has seen */
	char login_id[64], login_state[128], redirect_uri[256];
};

struct script_token {
	char *name, *text;
	int64_t generation; /* 0: not seen yet */
};

struct script {
	struct world world;
	struct script_caller callers[SCRIPT_CALLERS_MAX];
	size_t n_callers;
	struct script_token tokens[SCRIPT_TOKENS_MAX];
	size_t n_tokens;
	const char *file;
	unsigned line;
	int64_t at_ms; /* of the line before, from the start */
	unsigned failures;
	char *lines[512]; /* words live in these */
	size_t n_lines;
};

/* Says what does not hold in the line that is running. */
void script_fail(struct script *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct script_caller *script_caller(struct script *s, const char *name);
struct script_token *script_token(struct script *s, const char *name);
/* "k=v" among words[0..n): v, or NULL. */
const char *script_option(char **words, size_t n, const char *key);
/* Whether number lies in "N" or "LO..HI". */
bool script_in_range(const char *range, int64_t number);

/* script_answer.c: "reply ..." */
void script_answer(struct script *s, char **words, size_t n);
/* script_calls.c: "NAME verb ..."; true if the verb is one of a caller. */
bool script_call(struct script *s, const char *name, char **words, size_t n);
bool script_member(const char *json, const char *key, char *value, size_t size);
void script_send(struct script *s, struct script_caller *c, const char *method, struct buf *b,
		 bool more, uid_t uid);
uid_t script_uid(char **words, size_t n, uid_t fallback);
/* script_login.c */
void script_login(struct script *s, struct script_caller *c, char **words, size_t n);
void script_complete(struct script *s, struct script_caller *c, char **words, size_t n);
/* A reply that shows a login: its ID and state are remembered. */
void script_saw_login(struct script_caller *c, const char *json);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the same measure as for the keys of the configuration (daemon/common/config_note.c). */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stdbool.h>

struct nearest {
	const char *word;
	const char *found; /* the nearest so far, NULL: none is near */
	unsigned fewest;
	const char *begun;  /* the last one that begins with word */
	unsigned n_begun;   /* how many do */
	const char *nearly; /* the same for those that do but for one mistake */
	unsigned n_nearly;
};

enum { NEAREST_SIZE = 32 };

/* Begins to look for what word, which must stay, may have meant. */
void nearest_begin(struct nearest *n, const char *word);
/* Compares with one more candidate; true: it is the nearest so far, and n->found points to it. */
bool nearest_try(struct nearest *n, const char *candidate);
/* Of all that were tried: the only one that begins with word, else the nearest, else the only one that begins with word but for one mistake; NULL: none. */
const char *nearest_guess(const struct nearest *n);
/* The same of words, which have blanks between and less than NEAREST_SIZE bytes each, copied to out. False: none. */
bool nearest_among(const char *word, const char *words, char out[NEAREST_SIZE]);
/* Whether word is one of them. */
bool is_one_of(const char *word, const char *words);

#endif

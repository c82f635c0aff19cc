/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the same measure as for the keys of the configuration (daemon/common/config_note.c). */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stdbool.h>

struct nearest {
	const char *word;
	const char *found; /* the nearest so far, NULL: none is near */
	unsigned fewest;
};

/* Begins to look for what word, which must stay, may have meant. */
void nearest_begin(struct nearest *n, const char *word);
/* Compares with one more candidate; true: it is the nearest so far, and n->found points to it. */
bool nearest_try(struct nearest *n, const char *candidate);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/nearest.h"

#include <string.h>

enum { WORD_MAX = 128, MISTAKES_MAX = 2, LETTERS_EACH = 3, ROWS = 3 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* One letter of a, the i-th, against all of b: d[0] is filled from the row before, d[1], and the one before that, d[2]. */
static void compare_letter(unsigned *const d[ROWS], const char *a, size_t i, const char *b)
{
	d[0][0] = (unsigned)i;
	for (size_t j = 1; j <= strlen(b); j++) {
		d[0][j] = least(d[1][j - 1] + (a[i - 1] != b[j - 1]),
				least(d[1][j], d[0][j - 1]) + 1);
		if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
			d[0][j] = least(d[0][j], d[2][j - 2] + 1);
	}
}

/* Letters to add, remove or change, or neighbours to swap; words of at most WORD_MAX bytes. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[ROWS][WORD_MAX + 1] = { { 0 } };
	unsigned *d[ROWS] = { rows[0], rows[1], rows[2] };

	for (size_t j = 0; j <= strlen(b); j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= strlen(a); i++) {
		unsigned *oldest = d[2];

		d[2] = d[1];
		d[1] = d[0];
		d[0] = oldest;
		compare_letter(d, a, i, b);
	}
	return d[0][strlen(b)];
}

void nearest_begin(struct nearest *n, const char *word)
{
	*n = (struct nearest){ .word = word, .fewest = MISTAKES_MAX + 1 };
}

bool nearest_try(struct nearest *n, const char *candidate)
{
	unsigned mistakes;

	if (strlen(n->word) > WORD_MAX || strlen(candidate) > WORD_MAX)
		return false;
	mistakes = distance(n->word, candidate);
	/* two mistakes in a short word make another word */
	if (mistakes >= n->fewest || mistakes > strlen(candidate) / LETTERS_EACH)
		return false;
	n->fewest = mistakes;
	n->found = candidate;
	return true;
}

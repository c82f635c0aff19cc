/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the same measure as for the keys of the configuration (daemon/common/config_note.c). */
#include <string.h>

#include "client/cli/cli.h"

enum { WORD_MAX = 15, MISTAKES_MAX = 2, LETTERS_EACH = 3 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to add, remove or change, or neighbours to swap; words of at most WORD_MAX bytes. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1] = { { 0 } };
	size_t n = strlen(a), m = strlen(b);

	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
					least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

const char *nearest_command(const char *word)
{
	const char *nearest = NULL;
	unsigned fewest = MISTAKES_MAX + 1;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n_commands; i++) {
		unsigned mistakes = distance(word, commands[i].name);

		/* two mistakes in a short word make another word */
		if (mistakes < fewest && mistakes <= strlen(commands[i].name) / LETTERS_EACH) {
			fewest = mistakes;
			nearest = commands[i].name;
		}
	}
	return nearest;
}

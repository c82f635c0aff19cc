/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/nearest.h"

#include <string.h>

enum { WORD_MAX = 128, MISTAKES_MAX = 2, LETTERS_EACH = 3, ROWS = 3, WORDS_MAX = 16 };

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

/* The begin of the candidate that is as long as the word. */
static void try_begin(struct nearest *n, const char *candidate)
{
	char begin[WORD_MAX + 1];
	size_t len = strlen(n->word);
	unsigned mistakes;

	if (len == 0 || len >= strlen(candidate))
		return;
	memcpy(begin, candidate, len);
	begin[len] = '\0';
	mistakes = distance(n->word, begin);
	if (mistakes == 0) {
		n->begun = candidate;
		n->n_begun++;
	} else if (mistakes == 1 && len >= LETTERS_EACH) {
		n->nearly = candidate;
		n->n_nearly++;
	}
}

bool nearest_try(struct nearest *n, const char *candidate)
{
	unsigned mistakes;

	if (strlen(n->word) > WORD_MAX || strlen(candidate) > WORD_MAX)
		return false;
	try_begin(n, candidate);
	mistakes = distance(n->word, candidate);
	/* two mistakes in a short word make another word */
	if (mistakes >= n->fewest || mistakes > strlen(candidate) / LETTERS_EACH)
		return false;
	n->fewest = mistakes;
	n->found = candidate;
	return true;
}

const char *nearest_guess(const struct nearest *n)
{
	if (n->n_begun == 1)
		return n->begun;
	if (n->found || n->n_begun)
		return n->found;
	return n->n_nearly == 1 ? n->nearly : NULL;
}

/* Copies the first of words; what follows it, NULL: there was none. */
static const char *next_word(const char *words, char out[NEAREST_SIZE])
{
	const char *blank = strchr(words, ' ');
	size_t len = blank ? (size_t)(blank - words) : strlen(words);

	if (len == 0 || len >= NEAREST_SIZE)
		return NULL;
	memcpy(out, words, len);
	out[len] = '\0';
	return words + len + (blank ? 1 : 0);
}

bool nearest_among(const char *word, const char *words, char out[NEAREST_SIZE])
{
	char each[WORDS_MAX][NEAREST_SIZE];
	struct nearest near;
	const char *guess;

	nearest_begin(&near, word);
	for (size_t i = 0; i < WORDS_MAX && (words = next_word(words, each[i])); i++)
		(void)nearest_try(&near, each[i]);
	guess = nearest_guess(&near);
	if (guess)
		memcpy(out, guess, strlen(guess) + 1);
	return guess;
}

bool is_one_of(const char *word, const char *words)
{
	char each[NEAREST_SIZE];

	while ((words = next_word(words, each)))
		if (strcmp(word, each) == 0)
			return true;
	return false;
}

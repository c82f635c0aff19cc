/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reader of the configuration has to say: mistakes, where values came from, and the words
 * for both.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/grow.h"
#include "daemon/common/config.h"

/* A file of noise must not become a million lines. */
enum { NOTES_MAX = 1000 };

static int append(struct config_notes *notes, const char *file, unsigned line, const char *text)
{
	CLEANUP(cleanup_free) char *file_copy = strdup(file);
	CLEANUP(cleanup_free) char *text_copy = strdup(text);
	struct config_note *items = grow_by_one(notes->items, notes->n, sizeof(*items));

	if (items)
		notes->items = items;
	if (!items || !file_copy || !text_copy)
		return -1;
	items[notes->n++] = (struct config_note){ TAKE(file_copy), line, TAKE(text_copy) };
	return 0;
}

void config_note(struct config_notes *notes, const char *file, unsigned line, const char *format,
		 ...)
{
	struct err e = { 0 };
	char text[2 * ERR_TEXT_MAX];
	va_list args;

	if (notes->n > NOTES_MAX)
		return;
	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length < 0)
		return;
	/* control bytes become '?' and the end is cut at a character */
	err_set(&e, ERR_ADMIN, "%s", text);
	if (notes->n == NOTES_MAX)
		err_set(&e, ERR_ADMIN, "there are more mistakes — mend these first");
	if (append(notes, file, line, e.text) < 0)
		notes->out_of_memory = true;
}

void config_notes_fini(struct config_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++) {
		free(notes->items[i].file);
		free(notes->items[i].text);
	}
	free(notes->items);
	*notes = (struct config_notes){ 0 };
}

static bool note_after(const struct config_note *a, const struct config_note *b)
{
	int order = strcmp(a->file, b->file);

	return order ? order > 0 : a->line > b->line;
}

void config_notes_sort(struct config_notes *notes)
{
	/* insertion: few notes, nearly sorted, and notes of one line must keep their order */
	for (size_t i = 1; i < notes->n; i++) {
		struct config_note note = notes->items[i];
		size_t at = i;

		for (; at > 0 && note_after(&notes->items[at - 1], &note); at--)
			notes->items[at] = notes->items[at - 1];
		notes->items[at] = note;
	}
}

void config_notes_print(struct buf *out, const struct config_notes *notes, const char *prefix)
{
	for (size_t i = 0; i < notes->n; i++) {
		const struct config_note *note = &notes->items[i];

		buf_add_text(out, note->file);
		if (note->line)
			buf_addf(out, ":%u", note->line);
		buf_addf(out, ": %s%s\n", prefix, note->text);
	}
}

/* Damerau-Levenshtein (neighbours swapped count one), case ignored; words of at most 63 bytes. */
static unsigned distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	unsigned rows[3][65];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_size; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= a_size; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_size; j++) {
			bool same = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0;
			unsigned best = above[j - 1] + !same;

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && strncasecmp(&a[i - 1], &b[j - 2], 1) == 0 &&
			    strncasecmp(&a[i - 2], &b[j - 1], 1) == 0 && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		unsigned *spare = before;

		before = above;
		above = row;
		row = spare;
	}
	return above[b_size];
}

const char *config_nearest(const char *word, const char *const *known, size_t n)
{
	const char *nearest = NULL;
	unsigned least = 3;
	size_t size = strlen(word);

	if (size == 0 || size > 63)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t known_size = strlen(known[i]);

		/* two mistakes in a short word make another word */
		if (known_size > 63 || known_size < 3 || size < 3)
			continue;
		unsigned d = distance(word, size, known[i], known_size);

		if (d < least && d <= known_size / 3) {
			least = d;
			nearest = known[i];
		}
	}
	return nearest;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns for people, tab-separated ones for pipes. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_COLUMNS = 8 };

struct cell {
	char *text;
	const char *colour; /* an SGR number like "32", or NULL */
};

struct table {
	const char *const *titles;
	size_t columns, rows, room;
	struct cell *cells;
	bool failed; /* out of memory */
};

void table_init(struct table *t, const char *const *titles, size_t columns);
/* Appends a cell (text is copied; NULL: "-") to the current row; rows fill from left to right. */
void table_add(struct table *t, const char *text, const char *colour);
/* On a terminal: aligned, with titles and colours ($NO_COLOR is honoured); else values with tabs between, without titles. */
void table_print(const struct table *t);
/* The same; in a pipe each line begins with first and a tab, so that lines of several kinds can be told apart. */
void table_print_after(const struct table *t, const char *first);
void table_fini(struct table *t);

/* Prints text and a newline; on a terminal broken into lines of its width, all but the first after indent spaces. */
void print_wrapped(const char *text, size_t indent);

/* Whether standard output is a terminal. */
bool on_terminal(void);
/* Whether it is one, and wants colours. */
bool colours_wanted(void);
/* The colour of a state of a credential or of the store, or NULL. */
const char *state_colour(const char *state);
/* "in 43 min", "12 s ago", or the number itself when not on a terminal. at_s 0: "-". Caller frees. */
char *when(int64_t at_s);

#endif

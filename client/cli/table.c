/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

void table_init(struct table *t, const char *const *titles, size_t columns)
{
	assert(columns > 0 && columns <= TABLE_COLUMNS);
	*t = (struct table){ .titles = titles, .columns = columns };
}

void table_add(struct table *t, const char *text, const char *colour)
{
	if (t->rows == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct cell *cells = reallocarray(t->cells, room, sizeof *cells);

		if (!cells) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->room = room;
	}
	t->cells[t->rows] = (struct cell){ strdup(text && *text ? text : "-"), colour };
	if (!t->cells[t->rows].text)
		t->failed = true;
	t->rows++;
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->rows; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){ 0 };
}

bool on_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

bool colours_wanted(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return on_terminal() && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS])
{
	for (size_t c = 0; c < t->columns; c++)
		widths[c] = strlen(t->titles[c]);
	assert(t->columns > 0);
	for (size_t i = 0; i < t->rows; i++) {
		size_t len = strlen(t->cells[i].text);

		if (len > widths[i % t->columns])
			widths[i % t->columns] = len;
	}
}

enum { LINE_WIDTH = 80, TEXT_WIDTH_LEAST = 30 };

static size_t line_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return LINE_WIDTH;
}

/* How many bytes of text go on one line: up to the last space that fits, or a whole word. */
static size_t line_length(const char *text, size_t width)
{
	size_t len = 0;

	if (strlen(text) <= width)
		return strlen(text);
	for (size_t i = 0; (i <= width || len == 0) && text[i]; i++)
		if (text[i] == ' ')
			len = i;
	return len ? len : strlen(text);
}

void print_wrapped(const char *text, size_t indent)
{
	size_t width = line_width(), len;

	width = width > indent + TEXT_WIDTH_LEAST ? width - indent : TEXT_WIDTH_LEAST;
	for (;;) {
		len = on_terminal() ? line_length(text, width) : strlen(text);
		printf("%.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
		if (!*text)
			return;
		printf("%*s", (int)indent, "");
	}
}

static void print_cell(const char *text, const char *colour, size_t width)
{
	if (colour)
		printf("\033[%sm%s\033[0m", colour, text);
	else
		fputs(text, stdout);
	printf("%*s", (int)(width - strlen(text)) + 2, "");
}

/* The last cell may be a sentence. */
static void print_last(const char *text, const char *colour, size_t indent)
{
	if (colour)
		printf("\033[%sm%s\033[0m\n", colour, text);
	else
		print_wrapped(text, indent);
}

static void print_aligned(const struct table *t)
{
	size_t widths[TABLE_COLUMNS] = { 0 }, indent = 0, last = t->columns - 1;
	bool colours = colours_wanted();

	assert(t->columns > 0);
	measure(t, widths);
	for (size_t c = 0; c < last; c++) {
		print_cell(t->titles[c], colours ? "1" : NULL, widths[c]);
		indent += widths[c] + 2;
	}
	print_last(t->titles[last], colours ? "1" : NULL, indent);
	for (size_t i = 0; i < t->rows; i++) {
		const struct cell *cell = &t->cells[i];

		if (i % t->columns == last)
			print_last(cell->text, colours ? cell->colour : NULL, indent);
		else
			print_cell(cell->text, colours ? cell->colour : NULL,
				   widths[i % t->columns]);
	}
}

void table_print_after(const struct table *t, const char *first)
{
	if (on_terminal()) {
		print_aligned(t);
		return;
	}
	assert(t->columns > 0);
	for (size_t i = 0; i < t->rows; i++) {
		if (*first && i % t->columns == 0)
			printf("%s\t", first);
		printf("%s%c", t->cells[i].text, i % t->columns + 1 == t->columns ? '\n' : '\t');
	}
}

void table_print(const struct table *t)
{
	table_print_after(t, "");
}

const char *state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = {
		{ "valid", "32" },     { "renewing", "32" }, { "minting", "33" },
		{ "empty", "33" },     { "backoff", "33" },  { "login_required", "31" },
		{ "suspended", "31" }, { "disabled", "2" },
		{ "ok", "32" },        { "readonly", "33" }, { "suspect", "31" },
	};

	for (size_t i = 0; state && i < sizeof colours / sizeof colours[0]; i++)
		if (strcmp(colours[i].state, state) == 0)
			return colours[i].colour;
	return NULL;
}

static const char *span(int64_t seconds, char buffer[48])
{
	if (seconds < 120)
		(void)snprintf(buffer, 48, "%" PRId64 " s", seconds);
	else if (seconds < 120 * 60)
		(void)snprintf(buffer, 48, "%" PRId64 " min", seconds / 60);
	else if (seconds < 48 * 3600)
		(void)snprintf(buffer, 48, "%" PRId64 " h", seconds / 3600);
	else
		(void)snprintf(buffer, 48, "%" PRId64 " days", seconds / 86400);
	return buffer;
}

char *when(int64_t at_s)
{
	char buffer[48], *text = NULL;
	int64_t left_s = at_s - (int64_t)time(NULL);
	int n;

	if (!at_s)
		return strdup("-");
	if (!on_terminal())
		n = asprintf(&text, "%" PRId64, at_s);
	else if (left_s == 0)
		n = asprintf(&text, "now");
	else if (left_s > 0)
		n = asprintf(&text, "in %s", span(left_s, buffer));
	else
		n = asprintf(&text, "%s ago", span(-left_s, buffer));
	return n < 0 ? NULL : text;
}

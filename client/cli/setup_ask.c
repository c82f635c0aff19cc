/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/setup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line without its end and the spaces around it; NULL: the input has ended. Caller frees. */
static char *read_line(void)
{
	char *line = NULL, *text;
	size_t size = 0, n;

	if (getline(&line, &size, stdin) < 0) {
		free(line);
		fputc('\n', stderr);
		return NULL;
	}
	n = strspn(line, " \t");
	text = strdup(line + n);
	free(line);
	n = text ? strlen(text) : 0;
	while (n && strchr(" \t\r\n", text[n - 1]))
		text[--n] = '\0';
	return text;
}

bool ask_yes(const char *question, bool usual)
{
	for (;;) {
		char *line, first;

		fprintf(stderr, "%s [%s]: ", question, usual ? "Y/n" : "y/N");
		line = read_line();
		if (!line)
			return false;
		first = *line;
		free(line);
		if (first == 'y' || first == 'Y' || (!first && usual))
			return true;
		if (first == 'n' || first == 'N' || !first)
			return false;
	}
}

bool ask_enter(const char *question)
{
	char *line;

	fprintf(stderr, "%s ", question);
	line = read_line();
	free(line);
	return line != NULL;
}

static int take_given(const struct question *q, char **out)
{
	char why[REASON_SIZE] = "";

	if (q->look(q->given, q->context, out, why))
		return 0;
	return complain(EXIT_STATUS_USAGE, "%s %s: %s", q->option, q->given, why);
}

int question_ask(const struct cli *cli, const struct question *q, char **out)
{
	*out = NULL;
	if (q->given)
		return take_given(q, out);
	if (!isatty(STDIN_FILENO))
		return complain(
			EXIT_STATUS_USAGE,
			"%s is needed, since nobody can be asked: standard input is no terminal",
			q->option);
	for (;;) {
		char why[REASON_SIZE] = "";
		char *line;

		if (q->usual)
			fprintf(stderr, "%s [%s]: ", q->words, q->usual);
		else
			fprintf(stderr, "%s: ", q->words);
		line = read_line();
		if (!line)
			return complain(EXIT_STATUS_USAGE,
					"the answers have ended: \"%s\" was not made",
					cli->credential);
		if (q->look(*line || !q->usual ? line : q->usual, q->context, out, why)) {
			free(line);
			return 0;
		}
		fprintf(stderr, "  %s\n", why);
		free(line);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/misplaced.h"

static bool has_only(const char *word, const char *letters)
{
	while (*word && strchr(letters, *word))
		word++;
	return !*word;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PLAIN LOWER UPPER "0123456789/._-:@%+,="

static bool is_path(const char *word)
{
	return *word == '/' || strstr(word, "://");
}

/* "--request", "-X", and flags of curl in one word. A value may hang on others: "-uNAME:PASSWORD". */
static bool is_bare_option(const char *word)
{
	if (word[0] != '-' || !word[1])
		return false;
	return !word[2] || (word[1] == '-' ? has_only(word, LOWER "0123456789.-")
					   : has_only(word + 1, "sSfgikLGINv#"));
}

/* How much of an option has no value in it. */
static int name_length(const char *word)
{
	const char *equals = strchr(word, '=');

	if (word[1] == '-')
		return (int)(equals ? (size_t)(equals - word) : strlen(word));
	return is_bare_option(word) ? (int)strlen(word) : 2;
}

static bool is_method(const char *before, const char *word)
{
	return (strcmp(before, "-X") == 0 || strcmp(before, "--request") == 0) && *word &&
	       has_only(word, UPPER);
}

/* The only word behind the i-th that can be the path; 0: there is none, or several. */
static int find_path(char **argv, int i)
{
	int found = 0;

	for (int k = i + 1; argv[k]; k++) {
		if (!is_path(argv[k]))
			continue;
		if (found)
			return 0;
		found = k;
	}
	return found;
}

/* As a shell reads it. */
static void print_word(const char *word)
{
	const char *quote = has_only(word, PLAIN) ? "" : "'";

	print_to(stderr, " %s%s%s", quote, word, quote);
}

/* The words from the i-th on, up to path; what may be secret among them is "...". */
static void print_options(char **argv, int i, int path)
{
	bool left_out = false;

	for (; i < path; i++) {
		if (is_bare_option(argv[i]) || is_method(argv[i - 1], argv[i]))
			print_word(argv[i]);
		else if (!left_out)
			print_to(stderr, " ...");
		left_out = !is_bare_option(argv[i]) && !is_method(argv[i - 1], argv[i]);
	}
	if (argv[path] && argv[path + 1] && !left_out)
		print_to(stderr, " ...");
}

/* Whether the command line can be put right. Without a credential before it a word can be that, or a value. */
static bool can_correct(const struct cli *cli, char **argv, int i, int path)
{
	if (!path || (!cli->credential && path > i + 1))
		return false;
	for (int k = 1; k <= path; k++)
		if (strchr(argv[k], '\''))
			return false;
	return true;
}

int complain_misplaced(const struct cli *cli, char **argv, int i, const char *guess)
{
	int path = find_path(argv, i);

	print_to(stderr, "sftoken: unknown option %.*s: ", name_length(argv[i]), argv[i]);
	if (guess)
		print_to(stderr, "did you mean %s? ", guess);
	print_to(stderr, "%s's options go behind the path: sftoken", guess ? "Curl" : "curl");
	if (can_correct(cli, argv, i, path)) {
		for (int k = 1; k < i; k++)
			print_word(argv[k]);
		print_word(argv[path]);
		print_options(argv, i, path);
	} else {
		print_to(stderr, " curl CRED /PATH %.*s ...", name_length(argv[i]), argv[i]);
	}
	print_to(stderr, "\n");
	return EXIT_STATUS_USAGE;
}

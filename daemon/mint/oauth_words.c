/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the server, made fit for people and logs. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "daemon/mint/oauth_parts.h"

enum { SECRET_WORD_MIN = 40 }; /* a run of token characters of this length is taken for a token */

static bool token_char(char c)
{
	return isascii((unsigned char)c) && (isalnum((unsigned char)c) || strchr("+/=_.!~%-", c)) &&
	       c;
}

/* The longest piece between slashes, so that the path of a URL is not taken for a token. */
static size_t longest_piece(const char *word, size_t size)
{
	size_t longest = 0, run = 0;

	for (size_t i = 0; i < size; i++) {
		run = word[i] == '/' ? 0 : run + 1;
		longest = run > longest ? run : longest;
	}
	return longest;
}

static bool looks_secret(const char *word, size_t size)
{
	const char *org = memmem(word, size, "00D", 3);
	size_t left = org ? size - (size_t)(org - word) : 0;

	if (org && (memchr(org, '!', left) || memmem(org, left, "%21", 3)))
		return true;
	if (memmem(word, size, "eyJ", 3))
		return true;
	if (size > 2 && word[0] == '/' && word[1] == '/')
		return longest_piece(word, size) >= SECRET_WORD_MIN;
	return size >= SECRET_WORD_MIN;
}

void oauth_clean(char *to, size_t room, const char *from)
{
	size_t n = 0;

	while (*from && n + 1 < room) {
		size_t word = 0;

		while (token_char(from[word]))
			word++;
		if (!word) {
			to[n++] = *from >= ' ' && *from <= '~' ? *from : '?';
			from++;
			continue;
		}
		if (looks_secret(from, word)) {
			n += (size_t)snprintf(to + n, room - n, "[cut]");
			n = n < room ? n : room - 1;
		} else {
			size_t fit = word < room - 1 - n ? word : room - 1 - n;

			memcpy(to + n, from, fit);
			n += fit;
		}
		from += word;
	}
	to[n] = '\0';
}

void oauth_clean_error(char *to, size_t room, const char *from)
{
	size_t size = strlen(from);

	to[0] = '\0';
	if (size >= room || looks_secret(from, size))
		return;
	for (size_t i = 0; i < size; i++) {
		if (!isalnum((unsigned char)from[i]) && !strchr("_-.", from[i]))
			return;
	}
	memcpy(to, from, size + 1);
}

bool oauth_printable(const char *text, size_t max, char lowest)
{
	size_t size = strnlen(text, max + 1);

	for (size_t i = 0; i < size; i++) {
		if (text[i] < lowest || text[i] > '~')
			return false;
	}
	return size <= max;
}

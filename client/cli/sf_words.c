/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/sf.h"

#include <string.h>

#define MEMBER "\"sfdxAuthUrl\""
#define SCHEME "force://"

/* Behind white space, from at on. */
static size_t skip_space(const struct bytes *b, size_t at)
{
	while (at < b->len && strchr(" \t\r\n", b->data[at]) && b->data[at])
		at++;
	return at;
}

/* The bytes of the string that begins at at with a quotation mark; NULL: there is none, or it has escapes. */
static const char *string_at(const struct bytes *b, size_t at, size_t *n)
{
	size_t end = at + 1;

	if (at >= b->len || b->data[at] != '"')
		return NULL;
	while (end < b->len && b->data[end] != '"') {
		if (b->data[end] == '\\' || (unsigned char)b->data[end] <= ' ')
			return NULL;
		end++;
	}
	*n = end - at - 1;
	return end < b->len ? b->data + at + 1 : NULL;
}

static const char *find_member(const struct bytes *b)
{
	for (size_t at = 0; at + sizeof MEMBER - 1 <= b->len; at++)
		if (memcmp(b->data + at, MEMBER, sizeof MEMBER - 1) == 0)
			return b->data + at;
	return NULL;
}

/* The last one, since a refresh token may have one as well. */
static const char *find_at(const char *from, const char *end)
{
	while (end > from && end[-1] != '@')
		end--;
	return end > from ? end - 1 : NULL;
}

const char *sf_auth_url(const struct bytes *printed, size_t *n)
{
	const char *member, *url;
	size_t at;

	if (!printed->data)
		return NULL;
	member = find_member(printed);
	if (!member)
		return NULL;
	at = skip_space(printed, (size_t)(member - printed->data) + sizeof MEMBER - 1);
	if (at >= printed->len || printed->data[at] != ':')
		return NULL;
	url = string_at(printed, skip_space(printed, at + 1), n);
	if (!url || *n < sizeof SCHEME || memcmp(url, SCHEME, sizeof SCHEME - 1) != 0)
		return NULL;
	return url;
}

bool sf_login_of(const struct bytes *url, struct sf_login *out)
{
	const char *end, *id, *first, *second, *at;

	if (url->len < sizeof SCHEME || memcmp(url->data, SCHEME, sizeof SCHEME - 1) != 0)
		return false;
	id = url->data + sizeof SCHEME - 1;
	end = url->data + url->len;
	first = memchr(id, ':', (size_t)(end - id));
	second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
	at = second ? find_at(second, end) : NULL;
	if (!at || first == id || at + 1 == end)
		return false;
	*out = (struct sf_login){ .client_id = id,
				  .n_client_id = (size_t)(first - id),
				  .host = at + 1,
				  .n_host = (size_t)(end - at - 1),
				  .has_secret = second > first + 1 };
	return true;
}

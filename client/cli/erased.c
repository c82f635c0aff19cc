/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/erased.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

int bytes_make(struct bytes *b, size_t room)
{
	*b = (struct bytes){ malloc(room), 0, room };
	return b->data ? 0 : complain(EXIT_STATUS_INTERNAL, "out of memory");
}

void bytes_erase(struct bytes *b)
{
	if (b->data)
		explicit_bzero(b->data, b->room);
	free(b->data);
	*b = (struct bytes){ 0 };
}

void bytes_add(struct bytes *b, const char *text, size_t size)
{
	memcpy(b->data + b->len, text, size);
	b->len += size;
}

void bytes_add_quoted(struct bytes *b, const char *text, size_t size)
{
	char escaped[8];

	bytes_add(b, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		unsigned char ch = (unsigned char)text[i];

		if (ch < ' ') {
			(void)snprintf(escaped, sizeof escaped, "\\u%04x", ch);
			bytes_add(b, escaped, 6);
		} else {
			if (ch == '"' || ch == '\\')
				bytes_add(b, "\\", 1);
			bytes_add(b, text + i, 1);
		}
	}
	bytes_add(b, "\"", 1);
}

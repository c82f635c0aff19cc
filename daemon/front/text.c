/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/text.h"

#include <stdlib.h>
#include <string.h>

int text_replace(char **text, const char *with)
{
	char *copy = NULL;

	if (with) {
		copy = strdup(with);
		if (!copy)
			return -1;
	}
	free(*text);
	*text = copy;
	return 0;
}

size_t text_count(struct json_value array)
{
	struct json_value key, value;
	struct json_iter i;
	size_t n = 0;

	if (!array.start)
		return 0;
	i = json_iterate(array);
	while (json_next(&i, &key, &value))
		n++;
	return n;
}

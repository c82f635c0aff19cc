/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of what decoded messages hold. */
#ifndef FRONT_TEXT_H
#define FRONT_TEXT_H

#include <stddef.h>

#include "proto/json.h"

/*
 * Frees *text and makes it a copy of with, or NULL for NULL. 0, or -1 when memory is out (*text is
 * as before then).
 */
int text_replace(char **text, const char *with);

/* How many elements a checked array has; start NULL: none. */
size_t text_count(struct json_value array);

#endif

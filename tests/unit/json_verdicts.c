/* SPDX-License-Identifier: Apache-2.0 */
/* Reads texts, each after its size in four bytes of this machine's order, and writes '1' for each that json_check() accepts, else '0'. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json.h"

int main(void)
{
	uint32_t size;

	while (fread(&size, sizeof(size), 1, stdin) == 1) {
		char *text = malloc(
			size ? size : 1); /* exactly its size: the sanitizer sees a step outside */

		if (!text || fread(text, 1, size, stdin) != size)
			return 1;
		putchar(json_check(text, size, JSON_DEPTH_MAX, NULL) == 0 ? '1' : '0');
		free(text);
	}
	return 0;
}

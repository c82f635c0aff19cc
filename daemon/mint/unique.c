/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/unique.h"

#include <errno.h>
#include <sys/random.h>

enum { DRAWN = 16 }; /* at a time: 256 bytes, which getrandom(2) gives whole */

int unique_fill(char text[UNIQUE_SIZE + 1], struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	static unsigned char drawn[DRAWN][UNIQUE_SIZE / 2];
	static size_t left;
	const unsigned char *bytes;

	if (!left) {
		if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
			return err_errno(err, ERR_INTERNAL, errno,
					 "the kernel gives no random bytes");
		left = DRAWN;
	}
	bytes = drawn[--left];
	for (size_t i = 0; i < UNIQUE_SIZE / 2; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[UNIQUE_SIZE] = '\0';
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/unique.h"

#include <errno.h>
#include <sys/random.h>

int unique_fill(char text[UNIQUE_SIZE + 1], struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char drawn[UNIQUE_SIZE / 2];

	/* each from the kernel: what was drawn ahead would be in both copies of a cloned machine */
	if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
		return err_errno(err, ERR_INTERNAL, errno, "the kernel gives no random bytes");
	for (size_t i = 0; i < sizeof drawn; i++) {
		text[2 * i] = digits[drawn[i] >> 4];
		text[2 * i + 1] = digits[drawn[i] & 15];
	}
	text[UNIQUE_SIZE] = '\0';
	return 0;
}

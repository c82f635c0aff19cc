/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/unique.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

int unique_fill(char text[UNIQUE_SIZE + 1], struct err *err)
{
	unsigned char drawn[UNIQUE_SIZE / 2];

	if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
		return err_errno(err, ERR_INTERNAL, errno, "the kernel gives no random bytes");
	for (size_t i = 0; i < sizeof drawn; i++)
		snprintf(text + 2 * i, 3, "%02x", drawn[i]);
	return 0;
}

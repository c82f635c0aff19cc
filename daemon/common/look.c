/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/look.h"

#include <stddef.h>

/* Each bit of the number changes about half of the bits (the finalizer of MurmurHash3). */
static uint64_t mix(uint64_t n)
{
	n = (n ^ (n >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	n = (n ^ (n >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return n ^ (n >> 33);
}

uint64_t look_of(const struct stat *st)
{
	const uint64_t parts[] = { (uint64_t)st->st_dev, (uint64_t)st->st_ino,
				   (uint64_t)st->st_size, (uint64_t)st->st_ctim.tv_sec,
				   (uint64_t)st->st_ctim.tv_nsec };
	uint64_t look = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		look = mix(look + parts[i] + i + 1);
	return look ? look : 1;
}

uint64_t look_at(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : look_of(&st);
}

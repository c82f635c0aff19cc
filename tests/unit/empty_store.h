/* SPDX-License-Identifier: Apache-2.0 */
/* A store in which nothing is yet, on a disk in memory. It is a header, as checks count in the file alone in which they stand (check.h). */
#ifndef TESTS_UNIT_EMPTY_STORE_H
#define TESTS_UNIT_EMPTY_STORE_H

#include "daemon/mint/store.h"
#include "tests/unit/check.h"
#include "tests/unit/disk.h"

static inline struct store *empty_store(void)
{
	const struct store_options options = { .state_dir = "/state",
					       .runtime_dir = "/run",
					       .now_ms = 1000,
					       .now_real_ms = INT64_C(1800000000000) };
	struct store *s = NULL;

	disk_reset();
	disk_add_dir("/state", false);
	disk_add_dir("/run", true);
	CHECK_INT(store_open(&s, &options, NULL), 0);
	return s;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "daemon/mint/store_io.h"

/* The first line of a small file, "" when there is none. Whatever is longer than any id of this kind is none. */
static void read_line(const char *path, char *line, size_t size)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : store_io_read(fd, line, size - 1, 0);

	line[n < 0 ? 0 : n] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

void store_identity(struct store_identity *out)
{
	memset(out, 0, sizeof(*out));
	read_line("/proc/sys/kernel/random/boot_id", out->boot_id, sizeof(out->boot_id));
	read_line("/etc/machine-id", out->machine_id, sizeof(out->machine_id));
}

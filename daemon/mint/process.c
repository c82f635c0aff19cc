/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

bool process_unit(pid_t pid, struct cgroup_unit *out)
{
	char path[40], text[CGROUP_TEXT_MAX];
	CLEANUP(cleanup_close) int fd = -1;
	ssize_t n;

	*out = (struct cgroup_unit){ 0 };
	if (pid <= 0)
		return false;
	(void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof text) : -1;
	return n > 0 && cgroup_unit(text, (size_t)n, out);
}

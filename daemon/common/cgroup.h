/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd unit of a process by its control group: the text of /proc/PID/cgroup (cgroups(7)), read as systemd reads it (cg_path_get_unit(), systemd.io/CGROUP_DELEGATION). Pure: whether that text
 * belongs to the process that is meant is the caller's business.
 */
#ifndef COMMON_CGROUP_H
#define COMMON_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

enum { CGROUP_UNIT_MAX = 256, CGROUP_TEXT_MAX = 4096 }; /* a unit's name has at most 255 bytes */

struct cgroup_unit {
	char unit
		[CGROUP_UNIT_MAX]; /* of the system: the outermost; what lies below is delegated, so that its owner could write any name there */
	char user_unit
		[CGROUP_UNIT_MAX]; /* below user@UID.service: of that user's manager, "" if there is none. It is as true as that user is. */
};

/*
 * Fills *out. False, and both are empty: the process is in no unit that we could name (no systemd, the root group, a group outside of our cgroup namespace, a line that is malformed).
 * text need not end with a zero byte.
 */
bool cgroup_unit(const char *text, size_t len, struct cgroup_unit *out);

#endif

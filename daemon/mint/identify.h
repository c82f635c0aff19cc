/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which unit of systemd a process is, and which program it runs, from /proc/PID: for the front, which may open nothing. Only who holds a pidfd of the process knows whether the pid still was its.
 */
#ifndef MINT_IDENTIFY_H
#define MINT_IDENTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { IDENTIFY_UNIT_MAX = 2 * 256, IDENTIFY_PATH_MAX = 4096 };

/* "" where it cannot be said. */
struct identified {
	/*
	 * The unit of the system's manager ("etl.service"), or of a user's ("user@1000.service/etl.service"). For a daemon in user mode the units of its own user's manager, by their own names, and no others.
	 */
	char unit[IDENTIFY_UNIT_MAX];
	/* The path of the program's file, if that is the same file for us and for the process: not one of another mount namespace, nor one that was replaced or removed since. */
	char executable[IDENTIFY_PATH_MAX];
};

/* The unit alone; false: in none, or it cannot be said. */
bool identify_unit_of(pid_t pid, int64_t own_uid, char unit[IDENTIFY_UNIT_MAX]);

/* Whether some rule names this path. */
typedef bool identify_named(const char *path, void *arg);

/*
 * own_uid: of a daemon in user mode, else -1. A program that named() does not know is not looked at: the path of what runs is the caller's own choice, and behind one that leads to an automount or to
 * a file system of a user's, everybody would wait.
 */
void identify(pid_t pid, int64_t own_uid, identify_named *named, void *arg, struct identified *out);

/*
 * The pure part: the text of /proc/PID/cgroup (cgroups(7)) into unit. unified: systemd uses the hierarchy of version 2, else its own named one. False: in no unit, or outside of our cgroup namespace.
 */
bool identify_unit(const char *cgroups, bool unified, int64_t own_uid,
		   char unit[IDENTIFY_UNIT_MAX]);

/* Whether programs of other users can be read: CAP_SYS_PTRACE (proc(5), /proc/PID/exe). */
bool identify_sees_others(void);

#endif

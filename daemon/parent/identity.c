/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "daemon/common/peer.h"

#define DEFAULT_USER "sftokend"

static int check_overflow(const struct identity *id, struct err *err)
{
	if (id->uid != PEER_OVERFLOW_UID)
		return 0;
	return err_set(
		err, ERR_ADMIN,
		"uid %d is what the kernel shows for every user that it cannot name: run the daemon as a user of its own",
		PEER_OVERFLOW_UID);
}

bool identity_number(const char *text, uint32_t *id)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value >= UINT32_MAX)
		return false;
	*id = (uint32_t)value;
	return true;
}

int identity_resolve(const struct settings *settings, bool user_mode, struct identity *id,
		     struct err *err)
{
	const char *name = settings->daemon.user ? settings->daemon.user : DEFAULT_USER;
	const struct passwd *pw;

	*id = (struct identity){ .uid = geteuid(), .gid = getegid() };
	if (user_mode || geteuid() != 0)
		return check_overflow(id, err);
	if (identity_number(name, &id->uid)) {
		pw = getpwuid(id->uid);
		id->gid = pw ? pw->pw_gid : (gid_t)id->uid;
		id->name = strdup(pw ? pw->pw_name : name);
		return id->name ? check_overflow(id, err) : err_oom(err);
	}
	pw = getpwnam(name);
	if (!pw)
		return err_set(
			err, ERR_ADMIN,
			"the user %s does not exist; make it: useradd --system --home-dir /var/lib/sftokend --shell "
			"/usr/sbin/nologin %s (or name another one in [Daemon] User=)",
			name, name);
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	id->name = strdup(name);
	return id->name ? check_overflow(id, err) : err_oom(err);
}

int identity_become(const struct identity *id, struct err *err)
{
	if (!id->name || id->uid == 0)
		return 0;
	if (initgroups(id->name, id->gid) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
	    setresuid(id->uid, id->uid, id->uid) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot become the user %s", id->name);
	if (setuid(0) == 0)
		return err_set(err, ERR_INTERNAL, "the user %s could become root again", id->name);
	return 0;
}

void identity_fini(struct identity *id)
{
	free(id->name);
	id->name = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.sftoken.Manager and io.systemd.service for administrators: uid 0, the service user, members of AdminGroup=. Judged by uid on every call.
 */
#ifndef MINT_MANAGER_API_H
#define MINT_MANAGER_API_H

#include "base/log.h"
#include "daemon/common/control.h"
#include "daemon/mint/registry.h"

struct manager;
struct publish;

/* What a reload brought; texts owned by the callee of reload() and valid until its next call. */
struct manager_reload {
	struct registry_reload diff;
	struct config_notes warnings;
	/* of a failure: the first mistake */
	char *file, *message;
	unsigned line;
};
void manager_reload_fini(struct manager_reload *r);

struct manager_handlers {
	/* Reads the configuration again; 0, or -ERR_ADMIN with the first mistake in *out, or another -code with err. */
	int (*reload)(struct manager_reload *out, struct err *err, void *arg);
	/* What the last load had to warn of; valid until the next one. */
	const struct config_notes *(*warnings)(void *arg);
	bool (*ready)(void *arg);
	void *arg;
};

/* The registry holds its first set already. */
struct manager *manager_new(struct loop *l, struct registry *registry, struct publish *publish,
			    uid_t service_uid, const struct manager_handlers *handlers,
			    struct err *err);
void manager_free(struct manager *m); /* takes NULL; closes listeners and connections */

/* A listening socket from the parent; takes over fd. */
int manager_listen(struct manager *m, int fd, const char *name, const char *path, struct err *err);

/* Facts of the parent for Status (copied). */
void manager_about(struct manager *m, const struct control_about *about);

/* From publish: the front's counters have come (NULL: it did not answer): waiting Status calls are answered. */
void manager_counters(struct manager *m, const struct link_counters *c);

/* From the registry. */
void manager_settled(struct manager *m, struct keeper *k);
void manager_removed(struct manager *m, struct keeper *k);
void manager_replaced(struct manager *m, struct keeper *old, struct keeper *new);
void manager_logins_changed(struct manager *m, struct keeper *k);
void manager_reloaded(struct manager *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mint as a whole: what main.c builds, and what control.c's messages do with it.
 */
#ifndef MINT_MINT_H
#define MINT_MINT_H

#include "daemon/common/control.h"
#include "daemon/mint/load.h"
#include "daemon/mint/manager_api.h"
#include "daemon/mint/options.h"
#include "daemon/mint/publish.h"

struct mint {
	const struct options *options;
	struct places places;
	uid_t service_uid;
	struct loop *loop;
	struct http *http;
	struct attempts *attempts;
	struct registry *registry;
	struct publish *publish;
	struct manager *manager;
	struct control *control;
	struct config_notes warnings; /* of the last load */
	struct timer *front_wait;     /* the front does not come: begin without it */
	struct timer *required_wait;
	struct timer *tell_ready;
	bool ready;
	bool failed;     /* stopped because it cannot go on */
	char status[80]; /* as told to the parent */
};

/* Builds all from a configuration without mistakes; warnings move into m. */
int mint_build(struct mint *m, struct load *first, struct err *err);
void mint_fini(struct mint *m);

/* The one reload, for SIGHUP and the Manager. See manager_handlers.reload. */
int mint_reload(struct manager_reload *out, struct err *err, void *mint);

/* Control messages. */
void mint_control(const struct control_message *message, int fd, void *mint);

#endif

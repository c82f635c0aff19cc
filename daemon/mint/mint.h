/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mint as a whole: what main.c builds, and what control.c's messages do with it.
 */
#ifndef MINT_MINT_H
#define MINT_MINT_H

#include "daemon/common/control.h"
#include "daemon/mint/load.h"
#include "daemon/mint/manager_api.h"
#include "daemon/mint/notices.h"
#include "daemon/mint/options.h"
#include "daemon/mint/publish.h"
#include "daemon/mint/store.h"

struct mint {
	const struct options *options;
	struct places places;
	uid_t service_uid;
	struct loop *loop;
	struct http *http;
	struct attempts *attempts;
	struct store *store;
	struct registry *registry;
	struct publish *publish;
	struct manager *manager;
	struct notices *notices;
	struct control *control;
	struct config_notes warnings; /* of the last load */
	struct settings *
		started; /* those of the start, by which user, key and sockets are until the next one */
	struct timer *front_wait; /* the front does not come: begin without it */
	struct timer *required_wait;
	struct timer *tell_ready;
	struct timer *tick;       /* of 15 s: notices what no event tells */
	struct timer *store_tick; /* what the store wants to be called for */
	struct timer *stop_wait;  /* stopping, but an answer is not yet in the store */
	int64_t wall_offset_ms;   /* wall clock minus BOOTTIME at the last look */
	bool begun;               /* the front has said what it holds, or does not come */
	bool ready;
	enum store_state store_told; /* as it stands in the log */
	bool failed;                 /* stopped because it cannot go on */
	char status[80];             /* as told to the parent */
};

/* Opens the store (before the credentials can be read: "stored:"). key NULL: auto. */
int mint_open_store(struct mint *m, const struct secret *key, struct err *err);
struct credential_stored mint_stored(struct mint *m);

/* Level and format as the command line has them, else as s, else the defaults. */
void mint_use_log(const struct mint *m, const struct settings *s);

/* Builds all from a configuration without mistakes; warnings move into m. */
int mint_build(struct mint *m, struct load *first, struct err *err);
void mint_fini(struct mint *m);

/* Stops, as soon as every answer to a spent refresh token is in the store; at most StopTimeout=. */
void mint_stop(struct mint *m);

/* The one reload, for SIGHUP and the Manager. See manager_handlers.reload. */
int mint_reload(struct manager_reload *out, struct err *err, void *mint);

/* Tells the parent that there may be another OnEvent=, and looks at what is to be told. */
void mint_use_events(struct mint *m);

/* Asks the parent for the listener for LoadCredential=, if some credential has LoadCredentialUnit=. */
void mint_demand_loads(struct mint *m);

/* Control messages. */
void mint_control(const struct control_message *message, int fd, void *mint);

#endif

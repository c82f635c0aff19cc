/* SPDX-License-Identifier: Apache-2.0 */
/* Between world.c (the machine), credentials.c (what is configured), fate.c (what happens to it) and operator.c (who mends it). */
#ifndef SIM_WORLD_PARTS_H
#define SIM_WORLD_PARTS_H

#include "daemon/mint/registry.h"
#include "daemon/mint/store.h"
#include "tests/sim/sim.h"

struct world_credential {
	char name[16]; /* c00 .. */
	bool removed, renew_when_idle, disabled;
	int64_t session_ms, idle_stop_ms;
	int64_t applied_ms; /* session_ms as the mint has read it last */
};

struct world {
	struct world_credential credentials[SIM_CREDENTIALS];
	size_t n;
	bool power, starting, stopping, lost_power;
	int64_t last_power_loss;
	struct loop *loop;
	struct http *http;
	struct attempts *attempts;
	struct registry *registry; /* NULL: no mint runs */
	struct store *store;
	struct timer *store_tick, *front_says;
};
extern struct world world;

void world_define(size_t user); /* credentials.c */
void world_start_mint(int64_t after_ms);
void world_stop_mint(void);
void world_reload(void);
/* The wall clock was set, and nobody had told. */
void world_notice_clock(void);

/* fate.c: nothing can be sent, or nothing runs; until it is called with false as often. */
void fate_block(bool begins);
void fate_power_off(void);

#endif

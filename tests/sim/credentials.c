/* SPDX-License-Identifier: Apache-2.0 */
/* What is configured: every grant, every way in which Salesforce gives tokens, short and long sessions. */
#include <stdio.h>

#include "tests/sim/world_parts.h"

/* One row for each tenth credential. */
static const struct row {
	struct sf_user user;
	bool idle_stop, lazy;
} rows[] = {
	{ { .kind = SF_CLIENT, .says_expiry = true }, false, false },
	{ { .kind = SF_CLIENT, .reuse = SF_SAME, .introspects = true }, false, false },
	{ { .kind = SF_CLIENT, .reuse = SF_SAME_EXTENDED, .introspects = true, .sliding = true },
	  false,
	  false },
	{ { .kind = SF_JWT, .jwt_format = true }, false, false },
	{ { .kind = SF_JWT, .reuse = SF_SAME }, false, false },
	{ { .kind = SF_REFRESH, .rotates = true, .sliding = true }, true, false },
	{ { .kind = SF_REFRESH, .rotates = true, .introspects = true }, true, false },
	{ { .kind = SF_REFRESH }, true, false },
	{ { .kind = SF_REFRESH, .rotates = true, .says_expiry = true }, true, false },
	{ { .kind = SF_CLIENT }, false, true },
};

static const int64_t lives[] = { 120, 240, 480, 720, 720 };

void world_define(size_t user)
{
	const struct row *row = &rows[user % (sizeof rows / sizeof rows[0])];
	struct world_credential *c = &world.credentials[user];
	struct sf_user u = row->user;

	u.session_ms = lives[sim_below(sizeof lives / sizeof lives[0])] * MINUTES;
	if (row->lazy) /* a short life that is renewed for ever takes most of the simulation's time */
		u.session_ms = sim_between(15, 60) * MINUTES;
	snprintf(c->name, sizeof c->name, "c%02zu", user);
	sf_add(user, &u);
	c->session_ms = u.session_ms;
	/* some believe in more than they get, and learn */
	if (!u.says_expiry && !u.introspects && u.reuse == SF_NEW && sim_once_in(4))
		c->session_ms = u.session_ms * 3 / 2;
	c->idle_stop_ms = row->idle_stop ? 7 * DAYS : 0;
	c->renew_when_idle = !row->lazy;
}

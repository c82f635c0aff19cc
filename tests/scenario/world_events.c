/* SPDX-License-Identifier: Apache-2.0 */
/* OnEvent=: what the mint tells the parent, kept for the lines that ask. As in the parent, the store is well until it is said to be otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenario/world.h"

static void on_tell(int event, const char *credential, void *arg)
{
	struct world_events *e = arg;

	if (event == EVENT_STORE_OK && e->store == event)
		return;
	if (event == EVENT_STORE_OK || event == EVENT_STORE_READONLY ||
	    event == EVENT_STORE_SUSPECT)
		e->store = event;
	if (e->n < WORLD_EVENTS_MAX)
		(void)snprintf(e->told[e->n++], sizeof e->told[0], "%s %s", unit_event_names[event],
			       credential);
}

void world_events_begin(struct world_events *e, struct loop *loop, struct registry *registry)
{
	if (!e->store)
		e->store = EVENT_STORE_OK;
	e->notices = notices_new(loop, registry, on_tell, e);
	if (!e->notices)
		abort();
}

const char *world_events_next(struct world_events *e)
{
	return e->taken < e->n ? e->told[e->taken++] : NULL;
}

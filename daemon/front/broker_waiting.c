/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "daemon/front/broker.h"

struct waiting *broker_wait(struct caller *c, struct entry *e, const char *sent)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w) {
		c->front->counters.value[LIMIT_MEMORY]++;
		broker_rate_limited(c);
		return NULL;
	}
	list_init(&w->link);
	deadline_init(&w->deadline);
	w->caller = c;
	w->entry = e;
	w->sent = sent;
	c->waiting = w;
	return w;
}

void broker_wait_end(struct waiting *w)
{
	struct front *f = w->caller->front;
	struct entry *held = w->hold ? w->entry : NULL;

	list_remove(&w->link);
	deadlines_clear(&f->deadlines, &w->deadline);
	w->caller->waiting = NULL;
	free(w);
	if (held)
		broker_holds_changed(f, held);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last attempts of a credential, for people who ask what went on (Manager.History). In memory alone: the journal of the service has the rest.
 */
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/keeper_parts.h"

static void entry_free(struct keeper_entry *e)
{
	if (e)
		free(e->message);
	free(e);
}

/* Without memory the line is left out: nothing depends on it. */
void keeper_note(struct keeper *k, const char *kind, const char *outcome, long http_status,
		 const char *message)
{
	struct keeper_entry *e = calloc(1, sizeof *e);

	if (!e)
		return;
	*e = (struct keeper_entry){
		.time_s = clock_real_ms() / 1000,
		.kind = kind,
		.outcome = outcome,
		.http_status = http_status,
		.message = message && message[0] ? strdup(message) : NULL,
	};
	entry_free(k->notes[KEEPER_NOTES - 1]);
	memmove(&k->notes[1], &k->notes[0], (KEEPER_NOTES - 1) * sizeof k->notes[0]);
	k->notes[0] = e;
}

void keeper_note_attempt(struct keeper *k, const struct problem *p, bool same)
{
	enum tally_renewal how = tally_renewal_of(p, same);

	tally_renewed(k->tally, how, clock_real_ms() / 1000);
	keeper_note(k, k->kind, tally_renewal_names[how], p ? p->http_status : 200,
		    p ? p->message : NULL);
}

void keeper_login_failed(struct keeper *k, const struct problem *p)
{
	keeper_note(k, "login", tally_renewal_names[tally_renewal_of(p, false)], p->http_status,
		    p->message);
}

size_t keeper_history(const struct keeper *k, struct keeper_note notes[KEEPER_NOTES])
{
	size_t n = 0;

	for (; n < KEEPER_NOTES && k->notes[n]; n++) {
		const struct keeper_entry *e = k->notes[n];

		notes[n] = (struct keeper_note){
			.time_s = e->time_s,
			.kind = e->kind,
			.outcome = e->outcome,
			.http_status = e->http_status,
			.message = e->message,
		};
	}
	return n;
}

void keeper_history_move(struct keeper *to, struct keeper *from)
{
	keeper_history_fini(to);
	memcpy(to->notes, from->notes, sizeof to->notes);
	memset(from->notes, 0, sizeof from->notes);
}

void keeper_history_fini(struct keeper *k)
{
	for (size_t i = 0; i < KEEPER_NOTES; i++)
		entry_free(k->notes[i]);
	memset(k->notes, 0, sizeof k->notes);
}

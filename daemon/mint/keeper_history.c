/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last attempts of a credential, for people who ask what went on (Manager.History). In memory alone: the journal of the service has the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/mint/keeper_parts.h"

enum { ROOM_FIRST = 4 };

/* Room for one entry more: what is there doubles, or the oldest goes. false: no memory. */
static bool make_room(struct keeper *k)
{
	struct keeper_entry *bigger;
	size_t room = k->room_notes ? 2 * k->room_notes : ROOM_FIRST;

	if (k->n_notes < k->room_notes)
		return true;
	if (k->n_notes == KEEPER_NOTES) {
		free(k->notes[0].message);
		memmove(&k->notes[0], &k->notes[1], (KEEPER_NOTES - 1) * sizeof k->notes[0]);
		k->n_notes--;
		return true;
	}
	if (room > KEEPER_NOTES)
		room = KEEPER_NOTES;
	bigger = reallocarray(k->notes, room, sizeof *bigger);
	if (!bigger)
		return false;
	k->notes = bigger;
	k->room_notes = (unsigned char)room;
	return true;
}

/* Without memory the line is left out: nothing depends on it. */
void keeper_note(struct keeper *k, const char *kind, const char *outcome, long http_status,
		 const char *message)
{
	if (!make_room(k))
		return;
	k->notes[k->n_notes++] = (struct keeper_entry){
		.time_s = clock_real_ms() / 1000,
		.http_status = (int16_t)http_status,
		.kind = kind,
		.outcome = outcome,
		.message = message && message[0] ? strdup(message) : NULL,
	};
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
	for (size_t i = 0; i < k->n_notes; i++) {
		const struct keeper_entry *e = &k->notes[k->n_notes - 1 - i];

		notes[i] = (struct keeper_note){
			.time_s = e->time_s,
			.kind = e->kind,
			.outcome = e->outcome,
			.http_status = e->http_status,
			.message = e->message,
		};
	}
	return k->n_notes;
}

void keeper_history_move(struct keeper *to, struct keeper *from)
{
	keeper_history_fini(to);
	to->n_notes = from->n_notes;
	to->room_notes = from->room_notes;
	to->notes = TAKE(from->notes);
	from->n_notes = from->room_notes = 0;
}

void keeper_history_fini(struct keeper *k)
{
	for (size_t i = 0; i < k->n_notes; i++)
		free(k->notes[i].message);
	free(k->notes);
	k->notes = NULL;
	k->n_notes = k->room_notes = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential socket: a unit's LoadCredential=CREDENTIAL.FIELD:/run/sftokend/credential.sock. The service manager connects from
 * an address that names the unit and the id (load_address.h), says nothing, and reads to the end. It is believed by its uid
 * (rules.manager_uid); what the unit may have is said by LoadCredentialUnit=. Everybody else gets no byte, and the manager then
 * does not start the unit.
 */
#ifndef FRONT_LOAD_H
#define FRONT_LOAD_H

#include "daemon/front/front.h"

/* A new connection: takes over sock; what is needed of *peer is copied. Counted in the front and in u until it ends. */
void load_accepted(struct front *f, size_t listener, struct user *u, int take_sock,
		   const struct peer *peer);

/* Judges all that wait for e anew (raises e's Want). */
void load_changed(struct entry *e);
/* e is gone: all are closed. */
void load_gone(struct entry *e);
/* Those of from go on waiting at to. */
void load_move(struct entry *to, struct entry *from);
/* deadlines_init()'s fire for front->loads_due. */
void load_deadline(void *front);
/* Nobody is served any more: all are closed. */
void load_stop(struct front *f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people should know of before it breaks ([Daemon] OnEvent=): a credential that needs a login or is suspended, a certificate or token that ends soon, the state of the store. Each once a
 * change: what was told of a credential stands in its record in the store, so that neither the next try nor a restart tells it again. Of the store the parent knows what was told.
 *
 * Nothing is kept, and no timer runs, while OnEvent= is not set: what is wrong when it is set is told then.
 */
#ifndef MINT_NOTICES_H
#define MINT_NOTICES_H

#include "daemon/mint/registry.h"

struct notices;

/* tell: something is to be told (event: enum unit_event; credential: a name, or "store"). Never from within the functions below, but by timer. */
struct notices *notices_new(struct loop *l, struct registry *r,
			    void (*tell)(int event, const char *credential, void *arg), void *arg);
void notices_free(struct notices *n); /* takes NULL */

/* From now on: before, states pass by that mean nothing. */
void notices_begin(struct notices *n);

/* Something may have changed: a keeper, the store, the wall clock, the configuration. Cheap, may be called often: one look follows, at most one a second. Takes NULL. */
void notices_changed(struct notices *n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit gets: the raw bytes of one field of a token. */
#ifndef FRONT_LOAD_TEXT_H
#define FRONT_LOAD_TEXT_H

#include "base/buf.h"
#include "daemon/front/load_address.h"
#include "daemon/front/tokens.h"

/*
 * Appends it: "token" and "url" alone, without newline; "json" the Token object of the Broker interface;
 * "env" lines for EnvironmentFile= and for shells, with the names of "sftoken env". 0; -ERR_INPUT: it cannot be written so
 * (a control character in "env"); -ERR_INTERNAL.
 */
int load_text_add(struct buf *out, const struct entry *e, enum load_field field, int validity,
		  int64_t now_ms, struct err *err);

#endif

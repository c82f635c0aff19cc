/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers that are never given twice (jti of RFC 7519, ID of a SAML assertion). A file of its own, so that a simulation may count instead of drawing.
 */
#ifndef MINT_UNIQUE_H
#define MINT_UNIQUE_H

#include "base/err.h"

enum { UNIQUE_SIZE = 32 };

/* 128 random bits as lower case hex digits, with a NUL. 0 or -ERR_INTERNAL. */
int unique_fill(char text[UNIQUE_SIZE + 1], struct err *err);

#endif

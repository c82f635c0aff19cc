/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of oauth share. Nobody else includes this. */
#ifndef MINT_OAUTH_PARTS_H
#define MINT_OAUTH_PARTS_H

#include "daemon/mint/oauth.h"

enum { OAUTH_TOKEN_MAX = 16 * 1024 };

/* An error code is a short word; anything else is none. So no server can name a row that begins with '#'. */
void oauth_clean_error(char *to, size_t room, const char *from);

/* Whether text (NUL-terminated) is 0..max bytes, all in lowest..'~'. */
bool oauth_printable(const char *text, size_t max, char lowest);

#endif

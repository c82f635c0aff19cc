/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session holds (Broker.HoldToken): how long a caller may keep the server from being asked for the next token, where a renewal ends the session of the present one. Front and mint must agree.
 */
#ifndef COMMON_HOLD_H
#define COMMON_HOLD_H

#include "daemon/common/settings.h"

/* What is left of a short life when the renewal comes whatever is held: so many parts of it. */
enum { HOLD_SHORT_PARTS = 10 };

/*
 * The hard deadline of all holds of a token (BOOTTIME ms): RenewMargin= before its end, so that there is time to renew it, and a tenth of the life before it where RenewMarginLife= says that
 * the life is too short for that.
 */
static inline int64_t hold_limit_ms(const struct limits *l, int64_t deadline_ms, int64_t life_ms)
{
	return deadline_ms - (life_ms >= l->renew_margin_life_ms ? l->renew_margin_ms
								 : life_ms / HOLD_SHORT_PARTS);
}

#endif

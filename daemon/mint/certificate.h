/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate=: what was uploaded to the server for PrivateKey=. The daemon signs with the key alone; the certificate is public, and is here so that somebody watches its end.
 */
#ifndef MINT_CERTIFICATE_H
#define MINT_CERTIFICATE_H

#include "daemon/mint/credential.h"

/*
 * Reads it as it is now. *ends_s: when it ends (seconds since 1970), 0: not known. 0, or with what is wrong and what to do: -ERR_ADMIN (it cannot be read, is of another key than PrivateKey=, or is
 * over), -ERR_INTERNAL. A certificate that is wrong stops nothing: the key may be right all the same. now_s: seconds since 1970.
 */
int certificate_read(const struct credential *c, uid_t service_uid, int64_t now_s, int64_t *ends_s,
		     struct err *err);

/* "2026-11-28": the day of that second, in UTC. */
const char *certificate_day(int64_t real_s, char text[32]);

#endif

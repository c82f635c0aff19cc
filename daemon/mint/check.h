/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftokend --check: everything that is configured is read and judged, nothing is started.
 */
#ifndef MINT_CHECK_H
#define MINT_CHECK_H

#include <stdio.h>

#include "daemon/mint/credential.h"

/*
 * Prints all mistakes and warnings as "file:line: message" to problems, sorted by file and line,
 * and, unless quiet, the merged configuration with the origin of each value to out (secrets only as
 * references). places are resolved. check_key as in credential_set_read(). Returns the exit status:
 * 0, 70 (out of memory) or 78.
 */
int configuration_check(const struct places *places, uid_t service_uid,
			int (*check_key)(const struct secret *key, const struct secret *passphrase,
					 struct err *err),
			bool quiet, FILE *out, FILE *problems);

#endif

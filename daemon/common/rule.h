/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of units and of programs (AllowUnit=, AllowExecutable=, LoadCredentialUnit=). The front decides by them, and the mint looks at nothing that none of them names. */
#ifndef COMMON_RULE_H
#define COMMON_RULE_H

#include <fnmatch.h>
#include <stdbool.h>

/*
 * Names of units have backslashes, which are no more than that; * and ? stand for no slash, so that no pattern for units of the system names one of a user
 * ("user@1000.service/etl.service").
 */
static inline bool rule_names(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, FNM_NOESCAPE | FNM_PATHNAME) == 0;
}

#endif

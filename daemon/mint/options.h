/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of sftokend-mint; the parent passes its own on.
 */
#ifndef MINT_OPTIONS_H
#define MINT_OPTIONS_H

#include "daemon/common/settings.h"

struct options {
	struct places places; /* as given; to be resolved */
	int log_level;        /* enum log_level, -1: not given */
	int log_format;       /* enum log_format, -1: not given */
	bool check, quiet, version;
};

/* 0 or -ERR_INPUT with what is wrong. The texts in places are copies: places_fini(). */
int options_read(struct options *o, int argc, char **argv, struct err *err);

#endif

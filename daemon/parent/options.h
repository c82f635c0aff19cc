/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of sftokend (interfaces.md 3), one table. */
#ifndef PARENT_OPTIONS_H
#define PARENT_OPTIONS_H

#include <stdio.h>

#include "daemon/common/settings.h"

struct options {
	struct places places; /* as given; not resolved */
	bool check, version, help;
	int log_level, log_format; /* -1: not given */
	int64_t until_idle_s;      /* 0: not given */
};

/* 0, or -ERR_INPUT with what is wrong. Texts in places are copies, freed by places_fini(). */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
void options_help(FILE *out);

#endif

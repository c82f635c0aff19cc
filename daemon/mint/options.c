/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const struct option table[] = {
	{ "config", required_argument, NULL, 'c' },     { "state", required_argument, NULL, 's' },
	{ "runtime", required_argument, NULL, 'r' },    { "user", no_argument, NULL, 'u' },
	{ "log-level", required_argument, NULL, 'l' },  { "log-format", required_argument, NULL, 'f' },
	{ "check", no_argument, NULL, 'k' },            { "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, 'V' },          { NULL, 0, NULL, 0 },
};

static int read_format(struct options *o, const char *name, struct err *err)
{
	o->log_format = log_format_parse(name);
	if (o->log_format < 0)
		return err_set(err, ERR_INPUT,
			       "--log-format must be text, json or journal, not \"%s\"", name);
	return 0;
}

static int read_level(struct options *o, const char *name, struct err *err)
{
	o->log_level = log_level_parse(name);
	if (o->log_level < 0)
		return err_set(
			err, ERR_INPUT,
			"--log-level must be debug, info, notice, warning or err, not \"%s\"",
			name);
	return 0;
}

static int keep_text(char **to, struct err *err)
{
	free(*to);
	*to = strdup(optarg);
	return *to ? 0 : err_oom(err);
}

static int read_one(struct options *o, int option, struct err *err)
{
	switch (option) {
	case 'c':
		return keep_text(&o->places.config_option, err);
	case 's':
		return keep_text(&o->places.state_option, err);
	case 'r':
		return keep_text(&o->places.runtime_option, err);
	case 'u':
		o->places.user_mode = true;
		return 0;
	case 'l':
		return read_level(o, optarg, err);
	case 'f':
		return read_format(o, optarg, err);
	case 'k':
		o->check = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case 'V':
		o->version = true;
		return 0;
	default:
		return err_set(err, ERR_INPUT, "unknown option, or its argument is missing");
	}
}

int options_read(struct options *o, int argc, char **argv, struct err *err)
{
	int option;

	memset(o, 0, sizeof *o);
	o->log_level = o->log_format = -1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1)
		if (read_one(o, option, err) < 0)
			return -(int)err->code;
	if (optind < argc)
		return err_set(err, ERR_INPUT, "unexpected argument \"%s\"", argv[optind]);
	return 0;
}

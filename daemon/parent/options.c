/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/options.h"

#include <string.h>

#include "base/log.h"

enum kind { FLAG, TEXT, LEVEL, FORMAT, SECONDS };

/* A century: far from where milliseconds overflow. */
enum { SECONDS_MAX = INT32_MAX };

struct option {
	const char *name, *value, *meaning;
	enum kind kind;
	size_t offset;
};

#define OF(member) offsetof(struct options, member)

/* clang-format off */
static const struct option options[] = {
	{ "--user",       NULL,     "run as you, with the directories of your account", FLAG, OF(places.user_mode) },
	{ "--config",     "DIR",    "configuration (default: /etc/sftokend, --user: $XDG_CONFIG_HOME/sftokend)", TEXT, OF(places.config_option) },
	{ "--state",      "DIR",    "state (default: /var/lib/sftokend, --user: $XDG_STATE_HOME/sftokend)", TEXT, OF(places.state_option) },
	{ "--runtime",    "DIR",    "sockets (default: /run/sftokend, --user: $XDG_RUNTIME_DIR/sftokend)", TEXT, OF(places.runtime_option) },
	{ "--check",      NULL,     "print the merged configuration and all its mistakes; start nothing", FLAG, OF(check) },
	{ "--until-idle", "S",      "end after S seconds without a caller", SECONDS, OF(until_idle_s) },
	{ "--log-level",  "LEVEL",  "debug info notice warning err", LEVEL, OF(log_level) },
	{ "--log-format", "FORMAT", "text json journal", FORMAT, OF(log_format) },
	{ "--version",    NULL,     "print the version", FLAG, OF(version) },
	{ "--help",       NULL,     "print this", FLAG, OF(help) },
};
/* clang-format on */

void options_help(FILE *out)
{
	fputs("sftokend: gives live Salesforce access tokens to those who may have them\n\n", out);
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		fprintf(out, "  %-12s %-6s  %s\n", options[i].name,
			options[i].value ? options[i].value : "", options[i].meaning);
	fputs("\nSignals: HUP reads the configuration again, USR1 writes the status to the log, TERM and INT stop. See sftokend(8).\n",
	      out);
}

static int set_text(char **at, const char *value, struct err *err)
{
	free(*at);
	*at = strdup(value);
	return *at ? 0 : err_oom(err);
}

static int set_format(int *at, const char *value, struct err *err)
{
	*at = log_format_parse(value);
	if (*at < 0)
		return err_set(err, ERR_INPUT, "--log-format is text, json or journal, not \"%s\"",
			       value);
	return 0;
}

static int set_seconds(int64_t *at, const struct option *option, const char *value, struct err *err)
{
	char *end;

	*at = strtoll(value, &end, 10);
	if (*value >= '0' && *value <= '9' && !*end && *at >= 1 && *at <= SECONDS_MAX)
		return 0;
	return err_set(err, ERR_INPUT, "%s takes whole seconds, 1 or more, not \"%s\"",
		       option->name, value);
}

static int set_value(struct options *o, const struct option *option, const char *value,
		     struct err *err)
{
	void *at = (char *)o + option->offset;

	switch (option->kind) {
	case FLAG:
		*(bool *)at = true;
		return 0;
	case TEXT:
		return set_text(at, value, err);
	case LEVEL:
		*(int *)at = log_level_parse(value);
		if (*(int *)at < 0)
			return err_set(err, ERR_INPUT, "--log-level is one of %s, not \"%s\"",
				       option->meaning, value);
		return 0;
	case FORMAT:
		return set_format(at, value, err);
	default:
		return set_seconds(at, option, value, err);
	}
}

static const struct option *find(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, word, len) == 0)
			return &options[i];
	return NULL;
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
	*o = (struct options){ .log_level = -1, .log_format = -1 };
	for (int i = 1; i < argc; i++) {
		size_t len = strcspn(argv[i], "=");
		const struct option *option = find(argv[i], len);
		const char *value = argv[i][len] ? argv[i] + len + 1 : NULL;
		int r;

		if (!option)
			return err_set(err, ERR_INPUT,
				       "unknown argument \"%s\": see sftokend --help", argv[i]);
		if (!option->value && value)
			return err_set(err, ERR_INPUT, "%s takes no value", option->name);
		if (option->value && !value)
			value = argv[++i];
		if (option->value && (!value || !*value))
			return err_set(err, ERR_INPUT, "%s needs a value: %s", option->name,
				       option->value);
		r = set_value(o, option, value ? value : "", err);
		if (r < 0)
			return r;
	}
	return 0;
}

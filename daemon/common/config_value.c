/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value: from text into its field, by type. The texts of mistakes begin with the key and end
 * with what to do.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/grow.h"
#include "daemon/common/config.h"

/* How much of a wrong value is repeated. */
enum { SHOWN = 60 };

#define LATER "is not available in this version"

static const struct {
	const char *name;
	int64_t ms;
} units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "min", 60000 }, { "m", 60000 },
	{ "s", 1000 },     { "sec", 1000 },  { "ms", 1 },
};

/* Decimal digits alone, at most 12 of them; -1 if there are none or too many. *rest: what follows.
 */
static int64_t number(const char *text, const char **rest)
{
	int64_t value = 0;
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 12)
		return -1;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + (text[i] - '0');
	*rest = text + n;
	return value;
}

int64_t config_duration(const char *text)
{
	const char *unit;
	int64_t value = number(text, &unit);

	if (value < 0)
		return -1;
	unit += strspn(unit, " \t");
	if (!*unit)
		return value * 1000;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		int64_t ms;

		if (strcmp(unit, units[i].name))
			continue;
		return __builtin_mul_overflow(value, units[i].ms, &ms) ? -1 : ms;
	}
	return -1;
}

void config_add_duration(struct buf *out, int64_t ms)
{
	if (ms == 0) {
		buf_add_text(out, "0s");
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ms % units[i].ms)
			continue;
		buf_add_int(out, ms / units[i].ms);
		buf_add_text(out, units[i].name);
		return;
	}
}

int config_list_add(struct config_list *list, const char *word)
{
	CLEANUP(cleanup_free) char *copy = strdup(word);
	char **items = grow_by_one(list->items, list->n, sizeof(*items));

	if (items)
		list->items = items;
	if (!items || !copy)
		return -1;
	items[list->n++] = TAKE(copy);
	return 0;
}

void config_list_fini(struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_list){ 0 };
}

/* The usual cause of a value that is wrong at its end. */
static const char *comment_hint(const char *text)
{
	return strstr(text, " #") || strstr(text, "\t#") || strstr(text, " ;")
		       ? " (comments stand on lines of their own)"
		       : "";
}

static int set_text(const struct config_key *key, char **at, const char *text, struct err *err)
{
	if (key->max && strlen(text) > (size_t)key->max)
		return err_set(err, ERR_ADMIN, "%s= has more than %d bytes — write a shorter one",
			       key->name, (int)key->max);
	char *copy = *text ? strdup(text) : NULL;

	if (*text && !copy)
		return err_oom(err);
	free(*at);
	*at = copy;
	return 0;
}

static int add_words(struct config_list *list, const char *text, struct err *err)
{
	char word[CONFIG_LINE_MAX + 1];

	while (*(text += strspn(text, " \t"))) {
		size_t size = strcspn(text, " \t");

		if (size >= sizeof(word))
			return err_set(err, ERR_ADMIN,
				       "a word has more than %d bytes — write a shorter one",
				       CONFIG_LINE_MAX);
		memcpy(word, text, size);
		word[size] = '\0';
		if (config_list_add(list, word) < 0)
			return err_oom(err);
		text += size;
	}
	return 0;
}

static int set_bool(const struct config_key *key, bool *at, const char *text, struct err *err)
{
	static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no",
										       "false",
										       "off", "0" };

	for (size_t i = 0; i < 4; i++)
		if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
			*at = !strcasecmp(text, yes[i]);
			return 0;
		}
	return err_set(err, ERR_ADMIN, "%s=%.*s is neither yes nor no — write yes or no%s",
		       key->name, SHOWN, text, comment_hint(text));
}

/* The text of a number in the words of the key's type. */
static void add_bound(struct buf *out, const struct config_key *key, int64_t value)
{
	if (key->type == CONFIG_DURATION)
		config_add_duration(out, value);
	else
		buf_add_int(out, value);
	if (key->type == CONFIG_PERCENT)
		buf_add_char(out, '%');
}

static int out_of_range(const struct config_key *key, const char *text, struct err *err)
{
	CLEANUP(buf_finip) struct buf range;

	buf_init(&range, 200);
	add_bound(&range, key, key->min);
	buf_add_text(&range, " to ");
	add_bound(&range, key, key->max);
	if (buf_failed(&range))
		return err_oom(err);
	return err_set(err, ERR_ADMIN, "%s=%.*s is out of range — write a value from %s", key->name,
		       SHOWN, text, range.data);
}

static int64_t parse_number(const struct config_key *key, const char *text)
{
	const char *rest = text;
	int64_t value;

	if (key->type == CONFIG_DURATION)
		return config_duration(text);
	value = number(text, &rest);
	if (value >= 0 && key->type == CONFIG_PERCENT && *rest == '%')
		rest++;
	return *rest ? -1 : value;
}

static int set_number(const struct config_key *key, int64_t *at, const char *text, struct err *err)
{
	int64_t value = parse_number(key, text);
	const char *what = "a number — write digits alone";

	if (key->type == CONFIG_DURATION)
		what = "a duration — write for example 500ms, 30s, 5min, 2h or 7d";
	else if (key->type == CONFIG_PERCENT)
		what = "a percentage — write for example 50%";
	if (value < 0)
		return err_set(err, ERR_ADMIN, "%s=%.*s is not %s%s", key->name, SHOWN, text, what,
			       comment_hint(text));
	if (value < key->min || value > key->max)
		return out_of_range(key, text, err);
	*at = value;
	return 0;
}

static int set_mode(const struct config_key *key, int64_t *at, const char *text, struct err *err)
{
	size_t n = strspn(text, "01234567");
	int64_t value = 0;

	for (size_t i = 0; i < n && i < 5; i++)
		value = value * 8 + (text[i] - '0');
	if (n == 0 || n > 4 || text[n] || value > 0777)
		return err_set(
			err, ERR_ADMIN,
			"%s=%.*s is not a file mode — write three octal digits, for example 0660%s",
			key->name, SHOWN, text, comment_hint(text));
	*at = value;
	return 0;
}

static bool listed(const char *const *names, const char *text)
{
	for (; names && *names; names++)
		if (!strcmp(*names, text))
			return true;
	return false;
}

/* "write one of a, b or c", or what was probably meant. */
static int unknown_name(const struct config_key *key, const char *text, struct err *err)
{
	CLEANUP(buf_finip) struct buf known;
	const char *names[32];
	size_t n = 0;

	buf_init(&known, 200);
	for (const char *const *name = key->names; *name && n < 32; name++) {
		if (listed(key->later_names, *name))
			continue;
		buf_addf(&known, "%s%s", n ? ", " : "", *name);
		names[n++] = *name;
	}
	if (buf_failed(&known))
		return err_oom(err);
	const char *near = config_nearest(text, names, n);

	if (near)
		return err_set(err, ERR_ADMIN, "%s=%.*s is unknown — did you mean %s?", key->name,
			       SHOWN, text, near);
	return err_set(err, ERR_ADMIN, "%s=%.*s is unknown — write one of: %s%s", key->name, SHOWN,
		       text, known.data, comment_hint(text));
}

static int set_enum(const struct config_key *key, int *at, const char *text, struct err *err)
{
	if (listed(key->later_names, text))
		return err_set(err, ERR_ADMIN, "%s=%s " LATER " — choose another one", key->name,
			       text);
	for (int i = 0; key->names[i]; i++)
		if (!strcmp(key->names[i], text)) {
			*at = i;
			return 0;
		}
	return unknown_name(key, text, err);
}

/* A value of another type than a list or a text. text is not empty. */
static int set_scalar(const struct config_key *key, void *at, const char *text, struct err *err)
{
	switch (key->type) {
	case CONFIG_BOOL:
		return set_bool(key, at, text, err);
	case CONFIG_ENUM:
		return set_enum(key, at, text, err);
	case CONFIG_MODE:
		return set_mode(key, at, text, err);
	case CONFIG_LATER:
		if (listed(key->names, text))
			return 0;
		return err_set(err, ERR_ADMIN, "%s= " LATER " — remove the line", key->name);
	default:
		return set_number(key, at, text, err);
	}
}

/* As if it had never been assigned. */
static int reset(const struct config_key *key, void *at, struct err *err)
{
	const char *fallback = key->fallback;

	if (key->type == CONFIG_LATER)
		return 0;
	if (key->type == CONFIG_TEXT)
		return set_text(key, at, fallback ? fallback : "", err);
	if (key->type == CONFIG_LIST) {
		config_list_fini(at);
		return fallback ? add_words(at, fallback, err) : 0;
	}
	if (fallback)
		return set_scalar(key, at, fallback, err);
	if (key->type == CONFIG_BOOL)
		*(bool *)at = false;
	else if (key->type == CONFIG_ENUM)
		*(int *)at = -1;
	else
		*(int64_t *)at = key->type == CONFIG_MODE ? -1 : 0;
	return 0;
}

int config_set(const struct config_key *key, void *strukt, const char *text, struct err *err)
{
	void *at = (char *)strukt + key->offset;

	if (!*text)
		return reset(key, at, err);
	if (key->type == CONFIG_TEXT)
		return set_text(key, at, text, err);
	if (key->type == CONFIG_LIST)
		return add_words(at, text, err);
	return set_scalar(key, at, text, err);
}

int config_defaults(const struct config_section *section, void *strukt, struct err *err)
{
	for (size_t i = 0; i < section->n_keys; i++) {
		int r = config_set(&section->keys[i], strukt, "", err);

		if (r < 0)
			return err_set(err, ERR_INTERNAL, "default of %s: out of memory",
				       section->keys[i].name);
	}
	return 0;
}

static int copy_key(const struct config_key *key, void *to, const void *from)
{
	const struct config_list *list = from;
	char *const *text = from;

	switch (key->type) {
	case CONFIG_TEXT:
		*(char **)to = *text ? strdup(*text) : NULL;
		return *text && !*(char **)to ? -1 : 0;
	case CONFIG_LIST:
		for (size_t i = 0; i < list->n; i++)
			if (config_list_add(to, list->items[i]) < 0)
				return -1;
		return 0;
	case CONFIG_BOOL:
		*(bool *)to = *(const bool *)from;
		return 0;
	case CONFIG_ENUM:
		*(int *)to = *(const int *)from;
		return 0;
	case CONFIG_LATER:
		return 0;
	default:
		*(int64_t *)to = *(const int64_t *)from;
		return 0;
	}
}

int config_section_copy(const struct config_section *section, void *to, const void *from,
			struct err *err)
{
	for (size_t i = 0; i < section->n_keys; i++) {
		const struct config_key *key = &section->keys[i];

		if (copy_key(key, (char *)to + key->offset, (const char *)from + key->offset) < 0)
			return err_oom(err);
	}
	return 0;
}

void config_section_fini(const struct config_section *section, void *strukt)
{
	for (size_t i = 0; i < section->n_keys; i++) {
		const struct config_key *key = &section->keys[i];
		void *at = (char *)strukt + key->offset;

		if (key->type == CONFIG_TEXT)
			cleanup_free(at);
		else if (key->type == CONFIG_LIST)
			config_list_fini(at);
	}
}

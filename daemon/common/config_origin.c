/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each value came from, and the merged configuration with it.
 */
#include <string.h>

#include "base/grow.h"
#include "daemon/common/config_parts.h"

/* Thousands of credentials have some ten entries each: the two words of one are one piece of memory, and the names of files, of which there are few, are shared. */
struct origin_entry {
	char *section; /* "section\0key" */
	const char *key, *file;
	unsigned line;
};

struct config_origin {
	struct origin_entry *items;
	size_t n;
	char **files;
	size_t n_files;
};

struct config_origin *config_origin_new(void)
{
	return calloc(1, sizeof(struct config_origin));
}

struct config_origin *config_origin_free(struct config_origin *o)
{
	if (!o)
		return NULL;
	for (size_t i = 0; i < o->n; i++)
		free(o->items[i].section);
	for (size_t i = 0; i < o->n_files; i++)
		free(o->files[i]);
	free(o->items);
	free(o->files);
	free(o);
	return NULL;
}

static struct origin_entry *find(const struct config_origin *o, const char *section,
				 const char *key)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->items[i].key, key) && !strcmp(o->items[i].section, section))
			return &o->items[i];
	return NULL;
}

/* The one copy of this name; the newest first, because a file is read whole. NULL: out of memory. */
static const char *shared_file(struct config_origin *o, const char *file)
{
	CLEANUP(cleanup_free) char *copy = NULL;
	char **files;

	for (size_t i = o->n_files; i-- > 0;)
		if (!strcmp(o->files[i], file))
			return o->files[i];
	copy = strdup(file);
	files = copy ? grow_by_one(o->files, o->n_files, sizeof(*files)) : NULL;
	if (!files)
		return NULL;
	o->files = files;
	files[o->n_files] = TAKE(copy);
	return files[o->n_files++];
}

static int append(struct config_origin *o, const char *section, const char *key, const char *file,
		  unsigned line)
{
	const size_t section_size = strlen(section) + 1, key_size = strlen(key) + 1;
	struct origin_entry *items = grow_by_one(o->items, o->n, sizeof(*items));
	const char *shared = shared_file(o, file);
	char *words;

	if (items)
		o->items = items;
	words = items && shared ? malloc(section_size + key_size) : NULL;
	if (!words)
		return -1;
	memcpy(words, section, section_size);
	memcpy(words + section_size, key, key_size);
	items[o->n++] = (struct origin_entry){ words, words + section_size, shared, line };
	return 0;
}

struct config_origin *config_origin_copy(const struct config_origin *o)
{
	CLEANUP(config_origin_freep) struct config_origin *copy = config_origin_new();

	for (size_t i = 0; copy && o && i < o->n; i++)
		if (append(copy, o->items[i].section, o->items[i].key, o->items[i].file,
			   o->items[i].line) < 0)
			return NULL;
	return TAKE(copy);
}

int config_origin_set(struct config_origin *o, const char *section, const char *key,
		      const char *file, unsigned line)
{
	struct origin_entry *e = find(o, section, key);

	if (!file) {
		if (e) {
			free(e->section);
			*e = o->items[--o->n];
		}
		return 0;
	}
	if (!e)
		return append(o, section, key, file, line);
	const char *shared = shared_file(o, file);

	if (!shared)
		return -1;
	e->file = shared;
	e->line = line;
	return 0;
}

void config_origin_of(const struct config_origin *o, const char *section, const char *key,
		      const char **file, unsigned *line)
{
	const struct origin_entry *e = o ? find(o, section, key) : NULL;

	*file = e ? e->file : NULL;
	*line = e ? e->line : 0;
}

static const void *field(const struct config_key *key, const void *strukt)
{
	return (const char *)strukt + key->offset;
}

static void add_list(struct buf *out, const struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		buf_addf(out, "%s%s", i ? " " : "", list->items[i]);
}

static void add_number(struct buf *out, const struct config_key *key, int64_t value)
{
	/* without a default there is an "unset" value that cannot be written: print nothing */
	if (!key->fallback && (key->type == CONFIG_MODE ? value < 0 : value == 0))
		return;
	if (key->type == CONFIG_DURATION)
		config_add_duration(out, value);
	else if (key->type == CONFIG_MODE)
		buf_addf(out, "%04o", (unsigned)value);
	else
		buf_add_int(out, value);
	if (key->type == CONFIG_PERCENT)
		buf_add_char(out, '%');
}

static void add_value(struct buf *out, const struct config_key *key, const void *strukt)
{
	const void *at = field(key, strukt);

	switch (key->type) {
	case CONFIG_TEXT:
		buf_add_text(out, *(char *const *)at ? *(char *const *)at : "");
		break;
	case CONFIG_LIST:
		add_list(out, at);
		break;
	case CONFIG_BOOL:
		buf_add_text(out, *(const bool *)at ? "yes" : "no");
		break;
	case CONFIG_ENUM:
		buf_add_text(out, *(const int *)at < 0 ? "" : key->names[*(const int *)at]);
		break;
	case CONFIG_INT:
	case CONFIG_DURATION:
	case CONFIG_PERCENT:
	case CONFIG_MODE:
		add_number(out, key, *(const int64_t *)at);
		break;
	case CONFIG_LATER:
		break;
	}
}

void config_print_section(struct buf *out, const struct config_section *section, const char *title,
			  const void *strukt, const struct config_origin *origin)
{
	buf_addf(out, "[%s]\n", title);
	for (size_t i = 0; i < section->n_keys; i++) {
		const struct config_key *key = &section->keys[i];
		const char *file;
		unsigned line;

		if (key->type == CONFIG_LATER)
			continue;
		config_origin_of(origin, title, key->name, &file, &line);
		buf_addf(out, "%s=", key->name);
		add_value(out, key, strukt);
		if (file)
			buf_addf(out, "    # %s:%u\n", file, line);
		else
			buf_add_text(out, "    # default\n");
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "daemon/mint/store_parts.h"

static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a; names come from the configuration */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

/* The place of this name in the table, or the free one where it belongs. */
static size_t place_of(const struct store *s, const char *name)
{
	size_t i = hash(name) & (s->n_table - 1);

	while (s->table[i] && strcmp(s->entries[s->table[i] - 1]->stored.name, name) != 0)
		i = (i + 1) & (s->n_table - 1);
	return i;
}

/* Room for one more, the table never more than half full. */
static int grow(struct store *s)
{
	size_t n = s->n_table ? 2 * s->n_table : 64;
	struct entry **entries;
	uint32_t *table;

	if (s->n_entries == s->cap_entries) {
		entries = reallocarray(s->entries, n / 2, sizeof(struct entry *));
		if (!entries)
			return -1;
		s->entries = entries;
		s->cap_entries = n / 2;
	}
	if (2 * (s->n_entries + 1) <= s->n_table)
		return 0;
	table = calloc(n, sizeof(*table));
	if (!table)
		return -1;
	free(s->table);
	s->table = table;
	s->n_table = n;
	for (size_t i = 0; i < s->n_entries; i++)
		table[place_of(s, s->entries[i]->stored.name)] = (uint32_t)i + 1;
	return 0;
}

struct entry *store_entry_find(const struct store *s, const char *name)
{
	uint32_t index = s->n_table ? s->table[place_of(s, name)] : 0;

	return index ? s->entries[index - 1] : NULL;
}

struct entry *store_entry_get(struct store *s, const char *name)
{
	struct entry *x = store_entry_find(s, name);

	if (x)
		return x;
	x = calloc(1, sizeof(*x));
	if (!x || grow(s) < 0 || !(x->stored.name = strdup(name))) {
		free(x);
		return NULL;
	}
	s->table[place_of(s, name)] = (uint32_t)s->n_entries + 1;
	s->entries[s->n_entries++] = x;
	return x;
}

void store_entries_free(struct store *s)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		store_record_fini(&s->entries[i]->stored);
		free(s->entries[i]);
	}
	free(s->entries);
	free(s->table);
}

struct stored *store_find(struct store *s, const char *name)
{
	struct entry *x = store_entry_find(s, name);

	return x ? &x->stored : NULL;
}

struct stored *store_get(struct store *s, const char *name)
{
	struct entry *x = store_entry_get(s, name);

	return x ? &x->stored : NULL;
}

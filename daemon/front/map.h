/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of embedded nodes. Keys stay with their owners: map_first() and map_next() walk the
 * nodes of one hash, newest first, and the caller compares. Hashes are seeded once per process, so
 * that nobody outside can choose names that collide.
 */
#ifndef FRONT_MAP_H
#define FRONT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node **slots; /* NULL while empty */
	size_t n, size;          /* size is a power of two */
};

#define MAP_OWNER(type, member, node) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* Draws the seed; before the sandbox is entered. */
void map_seed(void);
uint64_t map_hash(const void *bytes, size_t size);
uint64_t map_hash_text(const char *text);
/* Mixes one more number into a hash. */
uint64_t map_mix(uint64_t hash, uint64_t number);

/*
 * Adds node; only the very first one can fail (-1, out of memory): later growth that fails leaves
 * longer chains.
 */
int map_add(struct map *m, struct map_node *node, uint64_t hash);
/* node must be in m. */
void map_remove(struct map *m, struct map_node *node);

static inline struct map_node *map_match(struct map_node *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

static inline struct map_node *map_first(const struct map *m, uint64_t hash)
{
	return m->slots ? map_match(m->slots[hash & (m->size - 1)], hash) : NULL;
}

static inline struct map_node *map_next(const struct map_node *n)
{
	return map_match(n->next, n->hash);
}

/* All nodes, in no order: visit() may remove and free the node that it is given. */
void map_each(struct map *m, void (*visit)(struct map_node *node, void *arg), void *arg);
/* Frees the slots, not the nodes. */
void map_fini(struct map *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FIRST_SIZE = 64 };

__extension__ typedef unsigned __int128 wide;

static uint64_t seed = 0x9e3779b97f4a7c15;

void map_seed(void)
{
	uint64_t drawn;

	/* Without entropy the constant stays: slower under attack, never wrong. */
	if (getrandom(&drawn, sizeof(drawn), GRND_NONBLOCK) == (ssize_t)sizeof(drawn))
		seed = drawn;
}

uint64_t map_mix(uint64_t hash, uint64_t number)
{
	wide product = (wide)(hash ^ number) * 0xd6e8feb86659fd93;

	return (uint64_t)product ^ (uint64_t)(product >> 64) ^ seed;
}

uint64_t map_hash(const void *bytes, size_t size)
{
	const char *at = bytes;
	uint64_t hash = map_mix(seed, size), word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = map_mix(hash, word);
	}
	word = 0;
	memcpy(&word, at, size);
	return map_mix(hash, word);
}

uint64_t map_hash_text(const char *text)
{
	return map_hash(text, strlen(text));
}

static void insert(struct map *m, struct map_node *node)
{
	struct map_node **slot = &m->slots[node->hash & (m->size - 1)];

	node->next = *slot;
	*slot = node;
}

static void grow(struct map *m)
{
	struct map bigger = { .size = m->size * 2, .n = m->n };

	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return;
	for (size_t i = 0; i < m->size; i++) {
		/* Oldest first, so that the newest is in front again. */
		struct map_node *reversed = NULL, *next;

		for (struct map_node *n = m->slots[i]; n; n = next) {
			next = n->next;
			n->next = reversed;
			reversed = n;
		}
		for (struct map_node *n = reversed; n; n = next) {
			next = n->next;
			insert(&bigger, n);
		}
	}
	free(m->slots);
	*m = bigger;
}

int map_add(struct map *m, struct map_node *node, uint64_t hash)
{
	if (!m->slots) {
		m->slots = calloc(FIRST_SIZE, sizeof(*m->slots));
		if (!m->slots)
			return -1;
		m->size = FIRST_SIZE;
	}
	if (m->n >= m->size)
		grow(m);
	node->hash = hash;
	insert(m, node);
	m->n++;
	return 0;
}

void map_remove(struct map *m, struct map_node *node)
{
	struct map_node **at = &m->slots[node->hash & (m->size - 1)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->next = NULL;
	m->n--;
}

void map_each(struct map *m, void (*visit)(struct map_node *node, void *arg), void *arg)
{
	for (size_t i = 0; m->slots && i < m->size; i++) {
		struct map_node *next;

		for (struct map_node *n = m->slots[i]; n; n = next) {
			next = n->next;
			visit(n, arg);
		}
	}
}

void map_fini(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

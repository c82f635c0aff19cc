/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena is a set of chunks of locked memory. A chunk holds slots of one size, or one big secret; everything that describes
 * it (which slots are taken, who refers to them) is ordinary memory, so that a stray write past a header cannot turn into
 * a leak and the locked pages, which are few (RLIMIT_MEMLOCK is 8 MiB for ordinary users), hold nothing but secrets.
 */
#include "base/secret.h"

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, size) ASAN_POISON_MEMORY_REGION(p, size)
#define UNPOISON(p, size) ASAN_UNPOISON_MEMORY_REGION(p, size)
#else
#define POISON(p, size) ((void)0)
#define UNPOISON(p, size) ((void)0)
#endif

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* the same on all architectures; Linux 5.14 */
#endif

enum {
	CHUNK_SIZE = 64 * 1024,
	SLOT_MIN = 32,
	SLOT_MAX = CHUNK_SIZE / 4, /* bigger ones get a chunk each */
	SLOT_CLASSES = 10,         /* 32, 64, ... 16384 */
	SLOTS_MAX = CHUNK_SIZE / SLOT_MIN,
};

struct chunk {
	struct chunk *next; /* of the same slot size */
	char *bytes;
	size_t size, slot_size;
	unsigned n_slots, n_taken;
	uint64_t taken[SLOTS_MAX / 64];
};

struct secret {
	unsigned refs;
	struct chunk *chunk;
	char *bytes;
	size_t size;
};

static struct chunk *classes[SLOT_CLASSES];
static enum secret_arena weakest = SECRET_ARENA_NONE;

static void *map_memfd(size_t size)
{
	CLEANUP(cleanup_close) int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	void *bytes;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return NULL;
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return NULL;
	/* The mapping is shared; a child must not see it. */
	madvise(bytes, size, MADV_DONTFORK);
	return bytes;
}

/* Locked if it may be, else at least out of core dumps and children. */
static void *map_private(size_t size, enum secret_arena *kind)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return NULL;
	madvise(bytes, size, MADV_DONTDUMP);
	madvise(bytes, size, MADV_WIPEONFORK);
	*kind = mlock(bytes, size) == 0 ? SECRET_ARENA_LOCKED : SECRET_ARENA_PLAIN;
	return bytes;
}

static void *map_pages(size_t size)
{
	enum secret_arena kind = SECRET_ARENA_MEMFD;
	void *bytes = map_memfd(size);

	if (!bytes)
		bytes = map_private(size, &kind);
	if (bytes && kind > weakest)
		weakest = kind;
	return bytes;
}

static struct chunk *chunk_new(size_t size, size_t slot_size)
{
	struct chunk *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->bytes = map_pages(size);
	if (!c->bytes) {
		free(c);
		return NULL;
	}
	c->size = size;
	c->slot_size = slot_size;
	c->n_slots = (unsigned)(size / slot_size);
	POISON(c->bytes, size);
	return c;
}

static void chunk_free(struct chunk *c)
{
	UNPOISON(c->bytes, c->size);
	munmap(c->bytes, c->size);
	free(c);
}

/* A free slot of a chunk that has one. */
static char *slot_take(struct chunk *c)
{
	unsigned word = 0, bit;

	while (c->taken[word] == UINT64_MAX)
		word++;
	bit = (unsigned)__builtin_ctzll(~c->taken[word]);
	c->taken[word] |= UINT64_C(1) << bit;
	c->n_taken++;
	return c->bytes + (word * 64 + bit) * c->slot_size;
}

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while ((size_t)SLOT_MIN << class < size)
		class += 1;
	return class;
}

/* Room for size bytes, zero-filled; *chunk says where it is. */
static char *arena_take(size_t size, struct chunk **chunk)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole;
	unsigned class;
	struct chunk *c;

	if (size > SLOT_MAX) {
		if (__builtin_add_overflow(size, page - 1, &whole))
			return NULL;
		whole -= whole % page;
		*chunk = chunk_new(whole, whole);
		return *chunk ? slot_take(*chunk) : NULL;
	}
	class = class_of(size);
	for (c = classes[class]; c && c->n_taken == c->n_slots; c = c->next)
		;
	if (!c) {
		c = chunk_new(CHUNK_SIZE, (size_t)SLOT_MIN << class);
		if (!c)
			return NULL;
		c->next = classes[class];
		classes[class] = c;
	}
	*chunk = c;
	return slot_take(c);
}

/* Locked memory is scarce: an empty chunk goes back, but for the last of its class, so that one secret in turn costs no system calls. */
static void arena_give(struct chunk *c, char *bytes)
{
	size_t slot = (size_t)(bytes - c->bytes) / c->slot_size;
	struct chunk **at;

	c->taken[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	c->n_taken--;
	POISON(bytes, c->slot_size);
	if (c->n_taken > 0)
		return;
	if (c->slot_size > SLOT_MAX) {
		chunk_free(c);
		return;
	}
	at = &classes[class_of(c->slot_size)];
	if (*at == c && !c->next)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	chunk_free(c);
}

struct secret *secret_new_empty(size_t size)
{
	struct secret *s;

	if (size == SIZE_MAX)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->bytes = arena_take(size + 1, &s->chunk);
	if (!s->bytes) {
		free(s);
		return NULL;
	}
	UNPOISON(s->bytes, size + 1);
	s->refs = 1;
	s->size = size;
	return s;
}

struct secret *secret_new(const void *bytes, size_t size)
{
	struct secret *s = secret_new_empty(size);

	if (s && size > 0)
		memcpy(s->bytes, bytes, size);
	return s;
}

char *secret_edit(struct secret *s)
{
	assert(s->refs == 1);
	return s->bytes;
}

struct secret *secret_ref(struct secret *s)
{
	assert(s->refs > 0 && s->refs < UINT32_MAX);
	s->refs++;
	return s;
}

struct secret *secret_unref(struct secret *s)
{
	if (!s)
		return NULL;
	assert(s->refs > 0);
	if (--s->refs > 0)
		return NULL;
	explicit_bzero(s->bytes, s->size + 1);
	arena_give(s->chunk, s->bytes);
	free(s);
	return NULL;
}

const char *secret_bytes(const struct secret *s)
{
	return s->bytes;
}

size_t secret_size(const struct secret *s)
{
	return s->size;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	unsigned char differ = 0;
	size_t i;

	if (!a || !b)
		return a == b;
	if (a->size != b->size)
		return false;
	for (i = 0; i < a->size; i++)
		differ |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
	return differ == 0;
}

enum secret_arena secret_arena_kind(void)
{
	return weakest;
}

const char *secret_arena_name(void)
{
	static const char *const names[] = { [SECRET_ARENA_NONE] = "none",
					     [SECRET_ARENA_MEMFD] = "memfd_secret",
					     [SECRET_ARENA_LOCKED] = "locked",
					     [SECRET_ARENA_PLAIN] = "plain" };

	return names[weakest];
}

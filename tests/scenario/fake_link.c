/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenario/fake.h"

enum { PAIRS_MAX = 64, FIRST_FD = 1000 };

struct packet {
	struct packet *next;
	char *bytes;
	size_t size;
};

struct link_end {
	int fd;
	const struct link_handlers *handlers;
	bool wants_room;
};

/* One direction's inbox belongs to the end that reads it. */
static struct {
	struct link_end *end;
	struct packet *inbox, **last;
	bool opened, gone, told;
} ends[2 * PAIRS_MAX];

static int n_ends;
static bool is_full;
static unsigned counts[LINK_TYPES];

static int index_of(int fd)
{
	return fd - FIRST_FD;
}

void fake_link_pair(int *mint_end, int *front_end)
{
	if (n_ends + 2 > 2 * PAIRS_MAX)
		abort();
	for (int i = n_ends; i < n_ends + 2; i++)
		ends[i].last = &ends[i].inbox;
	*mint_end = FIRST_FD + n_ends;
	*front_end = FIRST_FD + n_ends + 1;
	n_ends += 2;
}

static void drop_inbox(int i)
{
	while (ends[i].inbox) {
		struct packet *p = ends[i].inbox;

		ends[i].inbox = p->next;
		free(p->bytes);
		free(p);
	}
	ends[i].last = &ends[i].inbox;
}

void fake_link_reset(void)
{
	for (int i = 0; i < n_ends; i++)
		drop_inbox(i);
	memset(ends, 0, sizeof ends);
	memset(counts, 0, sizeof counts);
	n_ends = 0;
	is_full = false;
}

void fake_link_full(bool full)
{
	is_full = full;
}

unsigned fake_link_count(enum link_type type)
{
	return counts[type];
}

struct link_end *link_open(struct loop *l, int fd, const char *build,
			   const struct link_handlers *handlers, struct err *err)
{
	struct link_end *e = calloc(1, sizeof *e);

	(void)l;
	(void)build;
	if (!e) {
		err_oom(err);
		return NULL;
	}
	e->fd = fd;
	e->handlers = handlers;
	ends[index_of(fd)].end = e;
	ends[index_of(fd)].opened = true;
	return e;
}

void link_close(struct link_end *e)
{
	if (!e)
		return;
	ends[index_of(e->fd)].end = NULL;
	ends[index_of(e->fd)].gone = true;
	drop_inbox(index_of(e->fd));
	free(e);
}

bool link_other_build(const struct link_end *e)
{
	(void)e;
	return false;
}

/* Encoded and decoded as on a socket, so that what does not survive that is noticed. */
int link_send(struct link_end *e, const struct link_message *m)
{
	int peer = index_of(e->fd) ^ 1;
	struct packet *p;
	struct buf b;

	if (ends[peer].gone)
		return -ERR_PROTOCOL;
	if (is_full) {
		e->wants_room = true;
		return 0;
	}
	buf_init(&b, PACKET_MAX);
	link_encode(m, &b);
	p = calloc(1, sizeof *p);
	if (buf_failed(&b) || !p)
		abort();
	p->size = b.len;
	p->bytes = malloc(b.len + 1);
	memcpy(p->bytes, b.data, b.len);
	p->bytes[b.len] = '\0';
	buf_fini(&b);
	*ends[peer].last = p;
	ends[peer].last = &p->next;
	return 1;
}

static void give(int i)
{
	struct packet *p = ends[i].inbox;
	struct link_message m;
	struct err err;

	ends[i].inbox = p->next;
	if (!ends[i].inbox)
		ends[i].last = &ends[i].inbox;
	if (link_decode(p->bytes, p->size, &m, &err) < 0) {
		fprintf(stderr, "the link carries what cannot be read: %s\n", err.text);
		abort();
	}
	counts[m.type]++;
	ends[i].end->handlers->message(&m, ends[i].end->handlers->arg);
	free(p->bytes);
	free(p);
}

bool fake_link_deliver(void)
{
	for (int i = 0; i < n_ends; i++) {
		struct link_end *e = ends[i].end;

		if (!e)
			continue;
		if (ends[i].inbox) {
			give(i);
			return true;
		}
		if (e->wants_room && !is_full) {
			e->wants_room = false;
			e->handlers->writable(e->handlers->arg);
			return true;
		}
		if (ends[i ^ 1].gone && !ends[i].told) {
			ends[i].told = true;
			e->handlers->closed(e->handlers->arg);
			return true;
		}
	}
	return false;
}

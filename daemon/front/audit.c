/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/audit.h"

#include <stdlib.h>
#include <string.h>

struct record {
	struct map_node node;
	uint32_t uid, gid;
	int32_t pid;
	int64_t generation;
	int64_t count; /* since the last time that it was told */
	bool first;    /* the first get could not be told yet */
	bool idle;     /* nothing since the last minute */
	char name[];
};

static struct record *find(const struct audit *a, uint64_t hash, const struct peer *who,
			   int64_t generation, const char *name)
{
	for (struct map_node *n = map_first(&a->records, hash); n; n = map_next(n)) {
		struct record *r = MAP_OWNER(struct record, node, n);

		if (r->uid == who->uid && r->gid == who->gid && r->pid == who->pid &&
		    r->generation == generation && strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

static struct record *add(struct audit *a, uint64_t hash, const struct peer *who,
			  int64_t generation, const char *name)
{
	size_t size = strlen(name) + 1;
	struct record *r;

	if (a->records.n >= AUDIT_RECORDS_MAX)
		return NULL;
	r = calloc(1, sizeof(*r) + size);
	if (!r)
		return NULL;
	r->uid = who->uid;
	r->gid = who->gid;
	r->pid = who->pid;
	r->generation = generation;
	memcpy(r->name, name, size);
	if (map_add(&a->records, &r->node, hash) < 0) {
		free(r);
		return NULL;
	}
	return r;
}

static bool tell(struct audit *a, const char *name, int64_t generation, const struct peer *who,
		 int64_t count, const char *reason)
{
	struct link_served m = {
		.credential = name,
		.generation = { .value = generation, .set = true },
		.uid = { .value = who->uid, .set = true },
		.gid = { .value = who->gid, .set = true },
		.pid = { .value = who->pid, .set = true },
		.count = { .value = count, .set = true },
		.reason = reason,
	};

	return a->send(&m, a->arg);
}

void audit_served(struct audit *a, const struct peer *who, const char *name, uint64_t name_hash,
		  int64_t generation, const char *reason)
{
	uint64_t hash = map_mix(map_mix(name_hash, (uint64_t)who->uid << 32 | (uint32_t)who->pid),
				(uint64_t)generation);
	struct record *r = find(a, hash, who, generation, name);

	if (r) {
		r->count++;
		r->idle = false;
		return;
	}
	r = add(a, hash, who, generation, name);
	if (tell(a, name, generation, who, 1, reason))
		return;
	if (r)
		r->first = true;
	else
		a->lost++;
}

struct round {
	struct audit *audit;
	bool counts, full;
};

static void tell_record(struct map_node *node, void *arg)
{
	struct round *round = arg;
	struct record *r = MAP_OWNER(struct record, node, node);
	const struct peer who = { .uid = r->uid, .gid = r->gid, .pid = r->pid };

	if (r->first && !round->full) {
		round->full = !tell(round->audit, r->name, r->generation, &who, 1, NULL);
		r->first = round->full;
	}
	if (!round->counts)
		return;
	if (r->count > 0 && !round->full) {
		round->full = !tell(round->audit, r->name, r->generation, &who, r->count, NULL);
		if (!round->full)
			r->count = 0;
	}
	if (r->count > 0 || r->first)
		return;
	if (!r->idle) {
		r->idle = true;
		return;
	}
	map_remove(&round->audit->records, node);
	free(r);
}

void audit_minute(struct audit *a)
{
	struct round round = { .audit = a, .counts = true };

	map_each(&a->records, tell_record, &round);
}

void audit_flush(struct audit *a)
{
	struct round round = { .audit = a };

	if (a->records.n > 0)
		map_each(&a->records, tell_record, &round);
}

static void free_record(struct map_node *node, void *arg)
{
	(void)arg;
	free(MAP_OWNER(struct record, node, node));
}

void audit_fini(struct audit *a)
{
	map_each(&a->records, free_record, NULL);
	map_fini(&a->records);
}

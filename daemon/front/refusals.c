/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/refusals.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { MINUTE_MS = 60000, DETAIL_MAX = 400 };

/* All of one kind; gid and pid are the last one's, and the listener the first one's. */
struct record {
	struct map_node node;
	uint32_t uid, gid;
	int32_t pid;
	enum policy_why why;
	int64_t count; /* since the last time that it was told */
	int64_t told_ms;
	bool told;
	char *detail; /* the unit, the program or the listener that it is about; NULL: none, or it cannot be proved */
	char *listener;
	char name[];
};

static void free_record(struct record *r)
{
	free(r->detail);
	free(r->listener);
	free(r);
}

static const char *detail_of(const struct refusal *call)
{
	if (call->why == WHY_LISTENER)
		return call->listener;
	if (!call->proof)
		return NULL;
	if (call->why == WHY_UNIT)
		return call->proof->unit;
	return call->why == WHY_EXECUTABLE ? call->proof->executable : NULL;
}

static bool same_detail(const char *kept, const char *detail)
{
	return kept && detail ? strncmp(kept, detail, DETAIL_MAX) == 0 : kept == detail;
}

static struct record *find(const struct refusals *r, uint64_t hash, const struct refusal *call,
			   const char *detail)
{
	for (struct map_node *n = map_first(&r->records, hash); n; n = map_next(n)) {
		struct record *found = MAP_OWNER(struct record, node, n);

		if (found->uid == call->peer->uid && found->why == call->why &&
		    strcmp(found->name, call->name) == 0 && same_detail(found->detail, detail))
			return found;
	}
	return NULL;
}

struct tally {
	uint32_t uid;
	size_t n;
};

static void count_user(struct map_node *node, void *arg)
{
	struct tally *t = arg;

	t->n += MAP_OWNER(struct record, node, node)->uid == t->uid;
}

/* One user must not take the place of all others. */
static bool has_room(struct refusals *r, uint32_t uid)
{
	struct tally own = { .uid = uid };

	if (r->records.n >= REFUSALS_MAX)
		return false;
	map_each(&r->records, count_user, &own);
	return own.n < REFUSALS_USER_MAX;
}

static struct record *add(struct refusals *r, uint64_t hash, const struct refusal *call,
			  const char *detail)
{
	size_t size = strlen(call->name) + 1;
	struct record *fresh;

	if (!has_room(r, call->peer->uid))
		return NULL;
	fresh = calloc(1, sizeof(*fresh) + size);
	if (!fresh)
		return NULL;
	fresh->uid = call->peer->uid;
	fresh->why = call->why;
	fresh->listener = strdup(call->listener);
	fresh->detail = detail ? strndup(detail, DETAIL_MAX) : NULL;
	memcpy(fresh->name, call->name, size);
	if (!fresh->listener || (detail && !fresh->detail) ||
	    map_add(&r->records, &fresh->node, hash) < 0) {
		free_record(fresh);
		return NULL;
	}
	r->fresh = true;
	return fresh;
}

bool refusals_note(struct refusals *r, const struct refusal *call)
{
	const char *detail = detail_of(call);
	uint64_t hash = map_mix(call->name_hash,
				(uint64_t)call->peer->uid << 32 | (uint32_t)call->why);
	struct record *record;

	assert(call->listener); /* each has a name */
	if (detail)
		hash = map_mix(hash, map_hash_text(detail));
	record = find(r, hash, call, detail);
	if (!record)
		record = add(r, hash, call, detail);
	if (!record)
		return false;
	record->count++;
	record->gid = call->peer->gid;
	record->pid = call->peer->pid;
	return true;
}

/* --- telling --- */

enum { WHY_SIZE = DETAIL_MAX + 100 };

/* what and where: a unit or a program, and its key. */
static void say_detail(const struct record *r, const char *what, const char *key,
		       char why[WHY_SIZE])
{
	if (r->detail)
		(void)snprintf(why, WHY_SIZE, "%s %s is not in %s", what, r->detail, key);
	else
		(void)snprintf(why, WHY_SIZE, "its %s is not in %s, or cannot be proved to be",
			       what, key);
}

static const char *say_why(const struct record *r, char why[WHY_SIZE])
{
	switch (r->why) {
	case WHY_OVERFLOW:
		(void)snprintf(
			why, WHY_SIZE,
			"uid %u stands for all that have no number here, and is never allowed",
			r->uid);
		break;
	case WHY_LISTENER:
		(void)snprintf(why, WHY_SIZE, "the listener %s does not give it", r->listener);
		break;
	case WHY_UNIT:
		say_detail(r, "unit", "AllowUnit=", why);
		break;
	case WHY_EXECUTABLE:
		say_detail(r, "program", "AllowExecutable=", why);
		break;
	default:
		(void)snprintf(why, WHY_SIZE,
			       "uid %u and its groups are not in AllowUser= or AllowGroup=%s",
			       r->uid, r->uid == 0 ? ", and there is Root=no" : "");
	}
	return why;
}

static void tell(struct record *r, int64_t now_ms)
{
	char room[WHY_SIZE];
	const char *why = say_why(r, room);

	log_event(LOG_LEVEL_NOTICE, "call.refused", F_STR("credential", r->name),
		  F_INT("uid", r->uid), F_INT("gid", r->gid), F_INT("pid", r->pid),
		  F_STR("listener", r->listener), F_STR("why", why), F_INT("count", r->count));
	r->count = 0;
	r->told = true;
	r->told_ms = now_ms;
}

static void tell_if_fresh(struct map_node *node, void *arg)
{
	struct record *r = MAP_OWNER(struct record, node, node);

	if (!r->told)
		tell(r, *(const int64_t *)arg);
}

void refusals_tell_fresh(struct refusals *r, int64_t now_ms)
{
	if (!r->fresh)
		return;
	r->fresh = false;
	map_each(&r->records, tell_if_fresh, &now_ms);
}

struct round {
	struct refusals *refusals;
	int64_t now_ms;
	bool all;
};

static void pass_minute(struct map_node *node, void *arg)
{
	const struct round *round = arg;
	struct record *r = MAP_OWNER(struct record, node, node);

	if (!round->all && r->told && round->now_ms - r->told_ms < MINUTE_MS)
		return;
	if (r->count > 0) {
		tell(r, round->now_ms);
		return;
	}
	map_remove(&round->refusals->records, node);
	free_record(r);
}

void refusals_minute(struct refusals *r, int64_t now_ms, bool all)
{
	struct round round = { .refusals = r, .now_ms = now_ms, .all = all };

	map_each(&r->records, pass_minute, &round);
}

static void drop(struct map_node *node, void *arg)
{
	(void)arg;
	free_record(MAP_OWNER(struct record, node, node));
}

void refusals_fini(struct refusals *r)
{
	map_each(&r->records, drop, NULL);
	map_fini(&r->records);
}

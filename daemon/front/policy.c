/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/policy.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/rule.h"
#include "daemon/front/text.h"

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int copy_ids(const struct int_list *list, uint32_t **ids, size_t *n, struct err *err)
{
	struct json_iter i;
	struct json_value key, value;

	*ids = NULL;
	*n = 0;
	if (!list->raw.start)
		return 0;
	*ids = calloc(text_count(list->raw) + 1, sizeof(**ids));
	if (!*ids)
		return err_oom(err);
	i = json_iterate(list->raw);
	while (json_next(&i, &key, &value)) {
		int64_t id = json_int(value);

		if (id >= 0 && id < UINT32_MAX)
			(*ids)[(*n)++] = (uint32_t)id;
	}
	qsort(*ids, *n, sizeof(**ids), compare_ids);
	return 0;
}

int access_init(struct access *a, const struct int_list *uids, const struct int_list *gids,
		struct err *err)
{
	*a = (struct access){ 0 };
	if (copy_ids(uids, &a->uids, &a->n_uids, err) < 0 ||
	    copy_ids(gids, &a->gids, &a->n_gids, err) < 0) {
		access_fini(a);
		return -ERR_INTERNAL;
	}
	return 0;
}

void access_fini(struct access *a)
{
	free(a->uids);
	free(a->gids);
	globs_fini(&a->loads);
	globs_fini(&a->units);
	globs_fini(&a->executables);
	*a = (struct access){ 0 };
}

int globs_init(struct globs *g, struct json_value array)
{
	struct json_value key, value;
	struct json_iter i;

	*g = (struct globs){ 0 };
	if (!array.start)
		return 0;
	g->glob = calloc(text_count(array) + 1, sizeof(*g->glob));
	if (!g->glob)
		return -1;
	i = json_iterate(array);
	while (json_next(&i, &key, &value)) {
		if (json_type(value) != JSON_STRING)
			continue;
		if (text_replace(&g->glob[g->n], json_text(value, NULL)) < 0)
			return -1;
		g->n++;
	}
	return 0;
}

bool globs_match(const struct globs *g, const char *name)
{
	if (g->n == 0)
		return true;
	for (size_t i = 0; i < g->n; i++) {
		if (fnmatch(g->glob[i], name, 0) == 0)
			return true;
	}
	return false;
}

bool globs_equal(const struct globs *a, const struct globs *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->glob[i], b->glob[i]) != 0)
			return false;
	}
	return true;
}

void globs_fini(struct globs *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->glob[i]);
	free(g->glob);
	*g = (struct globs){ 0 };
}

static bool among(uint32_t id, const uint32_t *ids, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ids[middle] == id)
			return true;
		if (ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool names(const struct globs *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++) {
		if (rule_names(g->glob[i], name))
			return true;
	}
	return false;
}

bool policy_names_unit(const struct globs *units, const char *unit)
{
	return names(units, unit);
}

static enum policy_why proven(const struct access *a, const struct proof *who)
{
	if (a->units.n > 0 && (!who->unit || !names(&a->units, who->unit)))
		return WHY_UNIT;
	if (a->executables.n > 0 && (!who->executable || !names(&a->executables, who->executable)))
		return WHY_EXECUTABLE;
	return WHY_NOT;
}

/*
 * The groups of a process in uid 65534's place are as little its own as the uid, so that nothing is
 * looked at but the refusal.
 */
enum policy_why policy_look(const struct access *a, const struct peer *p, const struct proof *who,
			    const struct globs *globs, const char *name)
{
	bool allowed;

	if (p->uid == PEER_OVERFLOW_UID)
		return WHY_OVERFLOW;
	allowed = among(p->uid, a->uids, a->n_uids);
	/* Few groups are named, and the caller chooses how many it is in: its own are not walked through. */
	for (size_t i = 0; !allowed && i < a->n_gids; i++)
		allowed = peer_in_group(p, a->gids[i]);
	if (!allowed)
		return WHY_USER;
	if (globs && !globs_match(globs, name))
		return WHY_LISTENER;
	if (!access_has_rules(a))
		return WHY_NOT;
	return who ? proven(a, who) : WHY_UNKNOWN;
}

enum policy policy_judge(const struct access *a, const struct peer *p, const struct proof *who,
			 const struct globs *globs, const char *name)
{
	enum policy_why why = policy_look(a, p, who, globs, name);

	if (why == WHY_UNKNOWN)
		return POLICY_UNKNOWN;
	return why == WHY_NOT ? POLICY_YES : POLICY_NO;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/front/text.h"
#include "daemon/front/tokens.h"

void table_init(struct table *t)
{
	*t = (struct table){ .version = 1 };
}

/* --- names --- */

struct entry *table_find(const struct table *t, const char *name)
{
	struct map_node *n = map_first(&t->names, map_hash_text(name));

	for (; n; n = map_next(n)) {
		struct entry_name *found = MAP_OWNER(struct entry_name, node, n);

		if (strcmp(found->text, name) == 0)
			return found->entry;
	}
	return NULL;
}

/* An alias of another credential does not count: messages of the link use names alone. */
static struct entry *find_by_name(const struct table *t, const char *name)
{
	struct map_node *n = map_first(&t->names, map_hash_text(name));

	for (; n; n = map_next(n)) {
		struct entry_name *found = MAP_OWNER(struct entry_name, node, n);

		if (found == &found->entry->names[0] && strcmp(found->text, name) == 0)
			return found->entry;
	}
	return NULL;
}

size_t table_after(const struct table *t, const char *after)
{
	size_t low = 0, high = t->n;

	while (after && low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(entry_name(t->sorted[middle]), after) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *table_default(const struct table *t, const struct peer *p, const struct proof *who,
			    const struct globs *globs, bool *unknown)
{
	struct entry *only = NULL;
	enum policy judged;

	*unknown = false;
	if (t->default_credential) {
		only = table_find(t, t->default_credential);
		judged = only ? policy_judge(&only->access, p, who, globs, entry_name(only))
			      : POLICY_NO;
		*unknown = judged == POLICY_UNKNOWN;
		if (judged != POLICY_NO)
			return *unknown ? NULL : only;
		only = NULL;
	}
	for (size_t i = 0; i < t->n; i++) {
		struct entry *e = t->sorted[i];

		judged = policy_judge(&e->access, p, who, globs, entry_name(e));
		*unknown |= judged == POLICY_UNKNOWN;
		if (judged != POLICY_YES)
			continue;
		if (only) {
			*unknown = false;
			return NULL;
		}
		only = e;
	}
	return *unknown ? NULL : only;
}

int table_set_default(struct table *t, const char *name)
{
	if (text_replace(&t->default_credential, name) < 0)
		return -1;
	t->version++;
	return 0;
}

static void unlink_names(struct table *t, struct entry *e)
{
	for (size_t i = 0; i < e->n_names; i++)
		map_remove(&t->names, &e->names[i].node);
}

static int link_names(struct table *t, struct entry *e)
{
	for (size_t i = 0; i < e->n_names; i++) {
		e->names[i].entry = e;
		if (map_add(&t->names, &e->names[i].node, map_hash_text(e->names[i].text)) < 0)
			return -1; /* only the first node of a table can fail */
	}
	return 0;
}

/* --- credentials --- */

static int insert_sorted(struct table *t, struct entry *e)
{
	size_t at = table_after(t, entry_name(e));

	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 16;
		struct entry **bigger = reallocarray(t->sorted, cap, sizeof(*bigger));

		if (!bigger)
			return -1;
		t->sorted = bigger;
		t->cap = cap;
	}
	memmove(t->sorted + at + 1, t->sorted + at, (t->n - at) * sizeof(*t->sorted));
	t->sorted[at] = e;
	t->n++;
	return 0;
}

static void remove_sorted(struct table *t, struct entry *e)
{
	size_t at = table_after(t, entry_name(e)) - 1;

	memmove(t->sorted + at, t->sorted + at + 1, (t->n - at - 1) * sizeof(*t->sorted));
	t->n--;
}

static struct entry *add_entry(struct table *t, const char *name)
{
	struct entry *e = entry_new(name);

	if (!e)
		return NULL;
	if (link_names(t, e) < 0) {
		entry_free(e);
		return NULL;
	}
	if (insert_sorted(t, e) < 0) {
		unlink_names(t, e);
		entry_free(e);
		return NULL;
	}
	return e;
}

/* The names keep their order in the table: [0] is the same text as before. */
static int replace_names(struct table *t, struct entry *e, struct link_credential *m)
{
	int rc;

	unlink_names(t, e);
	rc = entry_rename(e, m->name, m->aliases.raw);
	return link_names(t, e) < 0 ? -1 : rc;
}

int table_credential(struct table *t, struct link_credential *m, struct entry **found,
		     struct err *err)
{
	struct entry *e = find_by_name(t, m->name);
	struct access access;

	if (access_init(&access, &m->uids, &m->gids, err) < 0)
		return -ERR_INTERNAL;
	if (!e)
		e = add_entry(t, m->name);
	if (!e || globs_init(&access.loads, m->load_units.raw) < 0 ||
	    globs_init(&access.units, m->units.raw) < 0 ||
	    globs_init(&access.executables, m->executables.raw) < 0 || replace_names(t, e, m) < 0 ||
	    text_replace(&e->username, m->username) < 0 ||
	    text_replace(&e->last_error, m->last_error) < 0) {
		access_fini(&access);
		return err_oom(err);
	}
	t->programs += !globs_equal(&access.executables, &e->access.executables);
	t->n_ruled += access_has_rules(&access);
	t->n_ruled -= access_has_rules(&e->access);
	access_fini(&e->access);
	e->access = access;
	e->grant_type = m->grant_type;
	e->renewal_ends_session = m->renewal_ends_session.value;
	e->upstream_attempts = m->upstream_attempts.value;
	e->judge.state = m->state;
	e->judge.attempt = m->attempt.value;
	e->judge.next_attempt_ms = m->next_attempt_ms.value;
	t->version++;
	*found = e;
	return 0;
}

static struct entry *known(const struct table *t, const char *name, struct err *err)
{
	struct entry *e = find_by_name(t, name);

	if (!e)
		err_set(err, ERR_PROTOCOL, "the link names the credential %s before describing it",
			name);
	return e;
}

int table_publish(struct table *t, struct link_publish *m, struct entry **found, struct err *err)
{
	CLEANUP(token_unrefp) struct token *fresh = NULL;
	struct entry *e = known(t, m->credential, err);

	if (!e)
		return -ERR_PROTOCOL;
	*found = e;
	if (m->generation.value <= e->dead)
		return 0; /* confirmed dead: nobody gets it any more */
	fresh = token_new(m, err);
	if (!fresh)
		return -ERR_INTERNAL;
	/* Most publications of one generation correct a number: the secret itself is kept once. */
	if (e->token && secret_equal(e->token->access, fresh->access)) {
		secret_unref(fresh->access);
		fresh->access = secret_ref(e->token->access);
	}
	token_unref(e->token);
	e->token = TAKE(fresh);
	e->generation = e->token->judge.generation;
	return 0;
}

int table_dead(struct table *t, const struct link_dead *m, struct entry **found, struct err *err)
{
	struct entry *e = known(t, m->credential, err);

	if (!e)
		return -ERR_PROTOCOL;
	if (m->generation.value > e->dead)
		e->dead = m->generation.value;
	if (e->token && e->token->judge.generation <= e->dead)
		e->token = token_unref(e->token);
	*found = e;
	return 0;
}

int table_verdict(struct table *t, const struct link_verdict *m, struct entry **found,
		  struct err *err)
{
	struct entry *e = known(t, m->credential, err);

	if (!e)
		return -ERR_PROTOCOL;
	e->judge.verdict_generation = m->generation.value;
	e->judge.verdict_ms = m->at_ms.value;
	e->judge.next_check_ms = m->next_check_ms.value;
	e->judge.verdict_alive = m->alive.value;
	*found = e;
	return 0;
}

int table_problem(struct table *t, const struct link_problem *m, struct entry **found,
		  struct err *err)
{
	struct entry *e = known(t, m->credential, err);

	if (!e)
		return -ERR_PROTOCOL;
	if (text_replace(&e->problem.message, m->message) < 0 ||
	    text_replace(&e->problem.oauth_error, m->oauth_error) < 0 ||
	    text_replace(&e->problem.description, m->description) < 0)
		return err_oom(err);
	e->problem.http_status = m->http_status.value;
	e->judge.problem = m->error;
	e->judge.permanent = m->permanent.value;
	e->judge.retry_at_ms = m->retry_at_ms.value;
	*found = e;
	return 0;
}

struct entry *table_remove(struct table *t, const char *name)
{
	struct entry *e = find_by_name(t, name);

	if (!e)
		return NULL;
	unlink_names(t, e);
	remove_sorted(t, e);
	t->n_ruled -= access_has_rules(&e->access);
	t->version++;
	return e;
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		entry_free(t->sorted[i]);
	free(t->sorted);
	free(t->default_credential);
	map_fini(&t->names);
	*t = (struct table){ 0 };
}

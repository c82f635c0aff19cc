/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
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

struct entry *table_default(const struct table *t, const struct peer *p, const struct globs *globs)
{
	struct entry *only = NULL;

	if (t->default_credential) {
		only = table_find(t, t->default_credential);
		if (only && policy_allows(&only->access, p, globs, entry_name(only)))
			return only;
		only = NULL;
	}
	for (size_t i = 0; i < t->n; i++) {
		struct entry *e = t->sorted[i];

		if (!policy_allows(&e->access, p, globs, entry_name(e)))
			continue;
		if (only)
			return NULL;
		only = e;
	}
	return only;
}

static void free_names(struct entry_name *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i].text);
	free(names);
}

static struct entry_name *copy_names(const char *name, struct json_value aliases, size_t *n)
{
	struct entry_name *names = calloc(1 + ALIASES_MAX, sizeof(*names)), *fitting;
	struct json_value key, value;
	struct json_iter i;

	if (!names)
		return NULL;
	*n = 1;
	names[0].text = strdup(name);
	if (aliases.start) {
		i = json_iterate(aliases);
		while (*n <= ALIASES_MAX && json_next(&i, &key, &value)) {
			if (json_type(value) == JSON_STRING)
				names[(*n)++].text = strdup(json_text(value, NULL));
		}
	}
	for (size_t k = 0; k < *n; k++) {
		if (!names[k].text) {
			free_names(names, *n);
			return NULL;
		}
	}
	/* Most credentials have no alias; do not keep room for eight. */
	fitting = realloc(names, *n * sizeof(*names));
	return fitting ? fitting : names;
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

void entry_free(struct entry *e)
{
	list_remove(&e->unsent);
	list_remove(&e->unsettled);
	free_names(e->names, e->n_names);
	access_fini(&e->access);
	token_unref(e->token);
	free(e->username);
	free(e->last_error);
	free(e->report_code);
	free(e->problem.message);
	free(e->problem.oauth_error);
	free(e->problem.description);
	free(e);
}

static struct entry *entry_new(const char *name)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	list_init(&e->unsent);
	list_init(&e->unsettled);
	list_init(&e->waiters);
	list_init(&e->watches);
	e->judge.problem = -1;
	e->names = copy_names(name, (struct json_value){ 0 }, &e->n_names);
	if (!e->names) {
		entry_free(e);
		return NULL;
	}
	return e;
}

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

static int replace_text(char **text, const char *with)
{
	char *copy = NULL;

	if (with) {
		copy = strdup(with);
		if (!copy)
			return -1;
	}
	free(*text);
	*text = copy;
	return 0;
}

/* The names keep their order in the table: [0] is the same text as before. */
static int replace_names(struct table *t, struct entry *e, struct link_credential *m)
{
	size_t n;
	struct entry_name *names = copy_names(m->name, m->aliases.raw, &n);

	if (!names)
		return -1;
	unlink_names(t, e);
	free_names(e->names, e->n_names);
	e->names = names;
	e->n_names = n;
	return link_names(t, e);
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
	if (!e || replace_names(t, e, m) < 0 || replace_text(&e->username, m->username) < 0 ||
	    replace_text(&e->last_error, m->last_error) < 0) {
		access_fini(&access);
		return err_oom(err);
	}
	access_fini(&e->access);
	e->access = access;
	e->grant_type = m->grant_type;
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
	if (replace_text(&e->problem.message, m->message) < 0 ||
	    replace_text(&e->problem.oauth_error, m->oauth_error) < 0 ||
	    replace_text(&e->problem.description, m->description) < 0)
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

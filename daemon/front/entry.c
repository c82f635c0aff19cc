/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "daemon/front/text.h"
#include "daemon/front/tokens.h"

static void put_name(struct entry_name *n, char **at, const char *text)
{
	size_t size = strlen(text) + 1;

	n->text = memcpy(*at, text, size);
	*at += size;
}

/* Names and their texts are one block, like the texts of a token. */
static struct entry_name *copy_names(const char *name, struct json_value aliases, size_t *n)
{
	size_t most = 1 + text_count(aliases),
	       raw = aliases.start ? (size_t)(aliases.end - aliases.start) : 0;
	struct entry_name *names;
	struct json_value key, value;
	struct json_iter i;
	char *at;

	if (most > 1 + ALIASES_MAX)
		most = 1 + ALIASES_MAX;
	names = calloc(1, most * sizeof(*names) + strlen(name) + 1 + raw + 1);
	if (!names)
		return NULL;
	at = (char *)(names + most);
	put_name(&names[0], &at, name);
	*n = 1;
	if (!aliases.start)
		return names;
	i = json_iterate(aliases);
	while (*n < most && json_next(&i, &key, &value)) {
		if (json_type(value) == JSON_STRING)
			put_name(&names[(*n)++], &at, json_text(value, NULL));
	}
	return names;
}

int entry_rename(struct entry *e, const char *name, struct json_value aliases)
{
	size_t n = 0;
	struct entry_name *names = copy_names(name, aliases, &n);

	if (!names)
		return -1;
	free(e->names);
	e->names = names;
	e->n_names = n;
	return 0;
}

void entry_free(struct entry *e)
{
	list_remove(&e->unsent);
	list_remove(&e->unsettled);
	free(e->names);
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

struct entry *entry_new(const char *name)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	list_init(&e->unsent);
	list_init(&e->unsettled);
	list_init(&e->waiters);
	list_init(&e->watches);
	list_init(&e->holds);
	list_init(&e->loads);
	e->judge.problem = -1;
	if (entry_rename(e, name, (struct json_value){ 0 }) < 0) {
		entry_free(e);
		return NULL;
	}
	return e;
}

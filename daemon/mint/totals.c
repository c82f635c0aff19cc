/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/totals.h"

#include <stdlib.h>
#include <string.h>

struct total {
	char name[TOTALS_NAME_MAX];
	int64_t before, last; /* of the processes that are gone; of the one that lives */
};

struct totals {
	int64_t process;
	size_t n;
	struct total items[TOTALS_MAX];
};

struct totals *totals_new(void)
{
	return calloc(1, sizeof(struct totals));
}

void totals_free(struct totals *t)
{
	free(t);
}

int64_t totals_add(int64_t sum, int64_t more)
{
	if (more > 0 && __builtin_add_overflow(sum, more, &sum))
		return INT64_MAX;
	return sum;
}

static int64_t sum_of(const struct total *item)
{
	return totals_add(item->before, item->last);
}

void totals_begin(struct totals *t, int64_t process)
{
	if (t->process == process)
		return;
	t->process = process;
	for (size_t i = 0; i < t->n; i++) {
		t->items[i].before = sum_of(&t->items[i]);
		t->items[i].last = 0;
	}
}

static struct total *find(struct totals *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->items[i].name, name) == 0)
			return &t->items[i];
	return NULL;
}

void totals_set(struct totals *t, const char *name, int64_t value)
{
	struct total *item = find(t, name);

	if (!item) {
		if (t->n == TOTALS_MAX || strlen(name) >= TOTALS_NAME_MAX)
			return;
		item = &t->items[t->n++];
		memcpy(item->name, name, strlen(name) + 1);
	}
	item->last = totals_add(0, value);
}

int64_t totals_get(const struct totals *t, const char *name)
{
	const struct total *item = find((struct totals *)t, name);

	return item ? sum_of(item) : 0;
}

bool totals_at(const struct totals *t, size_t i, const char **name, int64_t *sum)
{
	if (i >= t->n)
		return false;
	*name = t->items[i].name;
	*sum = sum_of(&t->items[i]);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A credential as a value: made, counted, compared, printed.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/mint/credential_parts.h"

struct credential *credential_new(const char *name)
{
	CLEANUP(credential_unrefp) struct credential *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	c->name = strdup(name);
	return c->name ? TAKE(c) : NULL;
}

struct credential *credential_ref(struct credential *c)
{
	c->refs++;
	return c;
}

struct credential *credential_unref(struct credential *c)
{
	if (!c || --c->refs > 0)
		return NULL;
	for (size_t i = 0; i < credential_n_sections; i++)
		config_section_fini(&credential_sections[i], c);
	free(c->name);
	free(c->missing);
	secret_unref(c->client_secret);
	secret_unref(c->private_key);
	secret_unref(c->passphrase);
	secret_unref(c->assertion);
	secret_unref(c->subject_token);
	free(c->uids);
	free(c->gids);
	free(c->login_uids);
	free(c->login_gids);
	config_origin_free(c->origin);
	config_files_fini(&c->files);
	free(c);
	return NULL;
}

void credential_note_at(const struct credential *c, const char *section, const char *key,
			const char **file, unsigned *line)
{
	config_origin_of(c->origin, section, key, file, line);
	if (!*file)
		*file = c->files.n ? c->files.items[0].path : c->name;
}

bool credential_assigned(const struct credential *c, const char *section, const char *key)
{
	const char *file;
	unsigned line;

	config_origin_of(c->origin, section, key, &file, &line);
	return file != NULL;
}

char *credential_origin(const struct credential *c)
{
	char *text = NULL;

	/* a client id may hold anything but control bytes and blanks: the newline keeps the parts
	 * apart */
	if (asprintf(&text, "%s\n%s\n%s\n%s",
		     c->grant_type < 0 ? "" : grant_type_names[c->grant_type],
		     c->login_url ? c->login_url : "", c->client_id ? c->client_id : "",
		     c->username ? c->username : "") < 0)
		return NULL;
	return text;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool list_equal(const struct config_list *a, const struct config_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool numbers_equal(const int64_t *a, size_t a_n, const int64_t *b, size_t b_n)
{
	return a_n == b_n && (a_n == 0 || !memcmp(a, b, a_n * sizeof(*a)));
}

static bool key_equal(const struct config_key *key, const struct credential *a,
		      const struct credential *b)
{
	const void *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;

	switch (key->type) {
	case CONFIG_TEXT:
		return text_equal(*(char *const *)x, *(char *const *)y);
	case CONFIG_LIST:
		return list_equal(x, y);
	case CONFIG_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case CONFIG_ENUM:
		return *(const int *)x == *(const int *)y;
	case CONFIG_LATER:
		return true;
	default:
		return *(const int64_t *)x == *(const int64_t *)y;
	}
}

static bool section_equal(const struct config_section *section, const struct credential *a,
			  const struct credential *b)
{
	for (size_t i = 0; i < section->n_keys; i++)
		if (!key_equal(&section->keys[i], a, b))
			return false;
	return true;
}

bool credential_equal_logins(const struct credential *a, const struct credential *b)
{
	return numbers_equal(a->login_uids, a->n_login_uids, b->login_uids, b->n_login_uids) &&
	       numbers_equal(a->login_gids, a->n_login_gids, b->login_gids, b->n_login_gids);
}

static bool access_equal(const struct credential *a, const struct credential *b)
{
	return section_equal(&credential_sections[CREDENTIAL_ACCESS], a, b) &&
	       numbers_equal(a->uids, a->n_uids, b->uids, b->n_uids) &&
	       numbers_equal(a->gids, a->n_gids, b->gids, b->n_gids) &&
	       credential_equal_logins(a, b);
}

bool credential_equal_but_access(const struct credential *a, const struct credential *b)
{
	return section_equal(&credential_sections[CREDENTIAL_ITSELF], a, b) &&
	       !strcmp(a->name, b->name) && text_equal(a->missing, b->missing) &&
	       secret_equal(a->client_secret, b->client_secret) &&
	       secret_equal(a->private_key, b->private_key) &&
	       secret_equal(a->passphrase, b->passphrase) &&
	       secret_equal(a->assertion, b->assertion) &&
	       secret_equal(a->subject_token, b->subject_token);
}

bool credential_equal(const struct credential *a, const struct credential *b)
{
	return credential_equal_but_access(a, b) && access_equal(a, b);
}

struct credential_set *credential_set_ref(struct credential_set *s)
{
	s->refs++;
	return s;
}

struct credential_set *credential_set_unref(struct credential_set *s)
{
	if (!s || --s->refs > 0)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		credential_unref(s->items[i]);
	free(s->items);
	free(s);
	return NULL;
}

const struct credential *credential_set_find(const struct credential_set *s, const char *name)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, s->items[middle]->name);

		if (order == 0)
			return s->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	for (size_t i = 0; i < s->n; i++)
		for (size_t j = 0; j < s->items[i]->aliases.n; j++)
			if (!strcmp(s->items[i]->aliases.items[j], name))
				return s->items[i];
	return NULL;
}

void credential_set_print(struct buf *out, const struct credential_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct credential *c = s->items[i];

		buf_addf(out, "# credential %s\n", c->name);
		for (size_t j = 0; j < credential_n_sections; j++) {
			config_print_section(out, &credential_sections[j],
					     credential_sections[j].name, c, c->origin);
			buf_add_char(out, '\n');
		}
	}
}

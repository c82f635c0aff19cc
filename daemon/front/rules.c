/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/rules.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/config.h"
#include "daemon/front/text.h"

void rules_init(struct rules *r)
{
	*r = (struct rules){ .service_uid = -1, .manager_uid = -1 };
	limits_default(&r->limits);
}

void rules_fini(struct rules *r)
{
	for (size_t i = 0; i < r->n_listeners; i++) {
		free(r->listeners[i].name);
		globs_fini(&r->listeners[i].globs);
	}
	free(r->listeners);
	free(r->default_credential);
	*r = (struct rules){ .service_uid = -1, .manager_uid = -1 };
}

static const struct config_section *limits_section(void)
{
	for (size_t i = 0; i < settings_n_sections; i++) {
		if (strcmp(settings_sections[i].name, "Limits") == 0)
			return &settings_sections[i];
	}
	return NULL;
}

/* The table of [Limits] says where each number lives, so that a new limit needs no line here. */
static void read_limits(struct limits *limits, struct json_value object)
{
	const struct config_section *section = limits_section();
	struct settings all = { .limits = *limits };
	struct json_iter i = json_iterate(object);
	struct json_value key, value;

	while (section && json_next(&i, &key, &value)) {
		for (size_t k = 0; k < section->n_keys; k++) {
			const struct config_key *known = &section->keys[k];

			if (json_type(value) == JSON_INT && json_is(key, known->name))
				*(int64_t *)(void *)((char *)&all +
						     known->offset) = json_int(value);
		}
	}
	*limits = all.limits;
}

static int read_listener(struct listener_globs *l, struct json_value object)
{
	struct json_iter i = json_iterate(object);
	struct json_value key, value;

	while (json_next(&i, &key, &value)) {
		if (json_is(key, "name") && json_type(value) == JSON_STRING && !l->name) {
			if (text_replace(&l->name, json_text(value, NULL)) < 0)
				return -1;
		} else if (json_is(key, "globs") && json_type(value) == JSON_ARRAY &&
			   !l->globs.glob) {
			if (globs_init(&l->globs, value) < 0)
				return -1;
		}
	}
	return 0;
}

static int read_listeners(struct rules *r, struct json_value array, struct err *err)
{
	struct json_iter i = json_iterate(array);
	struct json_value key, value;

	r->listeners = calloc(text_count(array) + 1, sizeof(*r->listeners));
	if (!r->listeners)
		return err_oom(err);
	while (json_next(&i, &key, &value)) {
		if (json_type(value) != JSON_OBJECT)
			return err_set(err, ERR_PROTOCOL,
				       "the link's rules describe a listener that is no object");
		r->n_listeners++;
		if (read_listener(&r->listeners[r->n_listeners - 1], value) < 0)
			return err_oom(err);
	}
	return 0;
}

int rules_read(struct rules *r, struct link_rules *m, struct err *err)
{
	rules_init(r);
	if (m->service_uid.set)
		r->service_uid = m->service_uid.value;
	if (m->manager_uid.set)
		r->manager_uid = m->manager_uid.value;
	if (m->limits.start && json_type(m->limits) == JSON_OBJECT)
		read_limits(&r->limits, m->limits);
	if (m->default_credential && m->default_credential[0]) {
		if (text_replace(&r->default_credential, m->default_credential) < 0)
			return err_oom(err);
	}
	if (m->listeners.start && json_type(m->listeners) == JSON_ARRAY)
		return read_listeners(r, m->listeners, err);
	return 0;
}

const struct globs *rules_globs(const struct rules *r, const char *listener)
{
	/* the empty name, which no credential has */
	static char empty[] = "";
	static char *none[] = { empty };
	static const struct globs nothing = { .glob = none, .n = 1 };

	for (size_t i = 0; i < r->n_listeners; i++) {
		if (r->listeners[i].name && strcmp(r->listeners[i].name, listener) == 0)
			return r->listeners[i].globs.n > 0 ? &r->listeners[i].globs : NULL;
	}
	return &nothing;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftokend.conf(5) and sftokend.credential(5) against the tables of keys: each key that this
 * version can do has its entry "*Key=*" with the default and the range of the table, below the
 * heading of its section, and there is no other.
 */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "daemon/mint/credential.h"

/* The whole manual page; the caller frees. NULL: it cannot be read. */
static char *page(const char *name)
{
	const char *root = getenv("SOURCE_ROOT");
	char path[512];
	char *text = calloc(1, 1 << 18);

	snprintf(path, sizeof(path), "%s/man/%s.scd", root ? root : ".", name);
	FILE *f = fopen(path, "r");

	if (!text || !f || fread(text, 1, (1 << 18) - 1, f) == 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

/* The words that the entry of a key must have. */
static void expect(const struct config_key *key, struct buf *out)
{
	if (key->fallback)
		buf_addf(out, "Default: %s.", key->fallback);
	if (key->type != CONFIG_INT && key->type != CONFIG_DURATION && key->type != CONFIG_PERCENT)
		return;
	const char *unit = key->type == CONFIG_PERCENT ? "%" : "";

	buf_addf(out, "%sFrom ", key->fallback ? " " : "");
	if (key->type == CONFIG_DURATION) {
		config_add_duration(out, key->min);
		buf_add_text(out, " to ");
		config_add_duration(out, key->max);
	} else {
		buf_addf(out, "%" PRId64 "%s to %" PRId64 "%s", key->min, unit, key->max, unit);
	}
	buf_add_char(out, '.');
}

/* The entry of a key inside a chapter; *next: where it ends. NULL: there is none. */
static const char *find_entry(const char *chapter, const char *end, const char *key,
			      const char **next)
{
	char head[80];

	snprintf(head, sizeof(head), "\n*%s=*", key);
	const char *at = strstr(chapter, head);

	if (!at || at >= end)
		return NULL;
	const char *stop = strstr(at + 1, "\n\n");

	*next = stop && stop < end ? stop : end;
	return at;
}

static void check_key(const char *chapter, const char *end, const struct config_key *key)
{
	const char *next = NULL, *entry = find_entry(chapter, end, key->name, &next);
	struct buf want;

	check_row(key->name);
	if (key->type == CONFIG_LATER) {
		CHECK(!entry);
		return;
	}
	if (!CHECK(entry))
		return;
	buf_init(&want, 200);
	expect(key, &want);
	if (want.data) {
		const char *at = strstr(entry, want.data);

		if (!CHECK(at && at < next))
			printf("# wanted: %s\n", want.data);
	}
	buf_fini(&want);
}

/* How many entries begin with "*Word=*" at the start of a line. */
static size_t count_entries(const char *chapter, const char *end)
{
	size_t n = 0;

	for (const char *at = chapter; (at = strstr(at, "\n*")) && at < end; at++) {
		const char *equals = strstr(at, "=*");

		n += equals && equals < at + 60 && !memchr(at + 1, '\n', (size_t)(equals - at - 1));
	}
	return n;
}

static void check_section(const char *text, const struct config_section *section)
{
	char heading[80];
	size_t wanted = 0;

	for (size_t i = 0; i < section->n_keys; i++)
		wanted += section->keys[i].type != CONFIG_LATER;
	snprintf(heading, sizeof(heading), "\n# [%s%s] SECTION\n", section->name,
		 section->named ? "NAME" : "");
	check_row(heading);
	const char *chapter = strstr(text, heading);

	if (!wanted) {
		CHECK(!chapter);
		return;
	}
	if (!CHECK(chapter))
		return;
	const char *end = strstr(chapter + 3, "\n# ");

	if (!end)
		end = chapter + strlen(chapter);
	for (size_t i = 0; i < section->n_keys; i++)
		check_key(chapter, end, &section->keys[i]);
	check_row(section->name);
	CHECK_INT(count_entries(chapter, end), wanted);
}

static void check_page(const char *name, const struct config_section *sections, size_t n)
{
	char *text = page(name);

	REQUIRE(text);
	for (size_t i = 0; i < n; i++)
		check_section(text, &sections[i]);
	check_row(NULL);
	free(text);
}

TEST(the_manual_of_the_settings_agrees_with_their_tables)
{
	check_page("sftokend.conf.5", settings_sections, settings_n_sections);
}

TEST(the_manual_of_credentials_agrees_with_their_tables)
{
	check_page("sftokend.credential.5", credential_sections, credential_n_sections);
}

CHECK_MAIN()

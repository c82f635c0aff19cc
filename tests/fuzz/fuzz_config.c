/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file of any bytes: every mistake has a file and a text, no text has control
 * bytes, and what was accepted is within its range. The first byte chooses the tables.
 */
#include "fuzz.h"

#include "daemon/common/settings.h"
#include "daemon/mint/credential.h"

static void check_notes(const struct config_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++) {
		MUST(notes->items[i].file && !strcmp(notes->items[i].file, "f"));
		MUST(notes->items[i].line > 0);
		MUST(notes->items[i].text && notes->items[i].text[0]);
		for (const char *c = notes->items[i].text; *c; c++)
			MUST((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

static void check_ranges(const struct config_section *section, const void *strukt)
{
	for (size_t i = 0; i < section->n_keys; i++) {
		const struct config_key *key = &section->keys[i];
		const void *at = (const char *)strukt + key->offset;
		const int64_t *value = at;

		if (key->type != CONFIG_INT && key->type != CONFIG_DURATION &&
		    key->type != CONFIG_PERCENT)
			continue;
		MUST((*value >= key->min && *value <= key->max) || (!key->fallback && *value == 0));
	}
}

static void print(const struct config_section *sections, size_t n, const void *target,
		  const struct config_origin *origin)
{
	struct buf out;

	buf_init(&out, 8 << 20);
	for (size_t i = 0; i < n; i++)
		if (!sections[i].named)
			config_print_section(&out, &sections[i], sections[i].name, target, origin);
	MUST(!buf_failed(&out));
	buf_fini(&out);
}

static void parse(const char *bytes, size_t size, const struct config_section *sections, size_t n,
		  void *target)
{
	struct config_origin *origin = config_origin_new();
	struct config_notes notes = { 0 };
	struct err err = { 0 };

	MUST(origin);
	for (size_t i = 0; i < n; i++)
		MUST(sections[i].named || config_defaults(&sections[i], target, &err) == 0);
	MUST(config_parse("f", bytes, size, sections, n, target, &notes, origin, &err) == 0);
	check_notes(&notes);
	for (size_t i = 0; i < n; i++)
		if (!sections[i].named)
			check_ranges(&sections[i], target);
	print(sections, n, target, origin);
	config_notes_fini(&notes);
	config_origin_free(origin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > CONFIG_FILE_MAX)
		return 0;
	char *bytes = fuzz_copy(data + 1, size - 1);

	if (data[0] == 'c') {
		struct credential *c = calloc(1, sizeof(*c));

		MUST(c);
		c->refs = 1;
		parse(bytes, size - 1, credential_sections, credential_n_sections, c);
		credential_unref(c);
	} else {
		struct settings *s = calloc(1, sizeof(*s));

		MUST(s);
		s->refs = 1;
		parse(bytes, size - 1, settings_sections, settings_n_sections, s);
		settings_unref(s);
	}
	free(bytes);
	return 0;
}

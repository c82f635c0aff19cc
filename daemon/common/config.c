/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's INI, line by line: comments, continuations, sections, assignments. Mistakes never stop
 * the reading.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "daemon/common/config_parts.h"

/* A title longer than this is no section of ours; a key longer than this is no key (and might be a
 * piece of a pasted secret). */
enum { TITLE_MAX = 100, KEY_MAX = 40, KNOWN_MAX = 64 };

static const char blanks[] = " \t\r";

struct parser {
	const char *file;
	unsigned line; /* where the logical line began */
	unsigned physical;
	const struct config_section *sections;
	size_t n_sections;
	void *target;
	struct config_notes *notes;
	struct config_origin *origin;
	const struct config_section *section; /* NULL: before the first, or an unknown one */
	bool before_first;
	char title[TITLE_MAX + 1];
	void *strukt;
};

static bool is_named(const struct config_section *s)
{
	return s->named != NULL;
}

/* The words of an unknown key or section are repeated only if they look like one: a pasted secret
 * does not get into a log. */
static bool may_repeat(const char *word, size_t max)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ");

	return n > 0 && !word[n] && n <= max;
}

/* [A-Za-z0-9][A-Za-z0-9._@-]{0,63} */
static bool section_name_ok(const char *name)
{
	size_t n = strspn(name,
			  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-");

	return n > 0 && n <= 64 && !name[n] && isalnum((unsigned char)name[0]);
}

static void unknown_section(struct parser *p, const char *title)
{
	const char *known[KNOWN_MAX] = { NULL };
	char word[KEY_MAX + 1];
	size_t n = 0;

	if (!may_repeat(title, KEY_MAX)) {
		config_note(p->notes, p->file, p->line, "this section is unknown — remove it");
		return;
	}
	for (; n < p->n_sections && n < KNOWN_MAX; n++)
		known[n] = p->sections[n].name;
	for (size_t i = 0; i < n; i++)
		if (is_named(&p->sections[i]) && !strncmp(known[i], title, strlen(title))) {
			config_note(p->notes, p->file, p->line,
				    "[%s] needs a name — write [%sNAME]", title, known[i]);
			return;
		}
	/* of a named section only the word before the name is compared */
	snprintf(word, sizeof(word), "%.*s",
		 (int)(strcspn(title, " ") + (strchr(title, ' ') ? 1 : 0)), title);
	const char *near = config_nearest(word, known, n);

	if (near)
		config_note(p->notes, p->file, p->line,
			    "the section [%s] is unknown — did you mean [%s%s]?", title, near,
			    near[strlen(near) - 1] == ' ' ? "NAME" : "");
	else
		config_note(p->notes, p->file, p->line, "the section [%s] is unknown — remove it",
			    title);
}

/* Opens a section whose title matches. */
static int enter(struct parser *p, const struct config_section *s, const char *name,
		 struct err *err)
{
	if (!is_named(s)) {
		p->strukt = (char *)p->target + s->offset;
		p->section = s;
		return 0;
	}
	if (!section_name_ok(name)) {
		config_note(p->notes, p->file, p->line,
			    "the name of [%s...] is not allowed — letters, digits and . _ @ - (at "
			    "most 64, a letter or digit first)",
			    s->name);
		return 0;
	}
	p->strukt = s->named(p->target, name);
	if (!p->strukt)
		return err_oom(err);
	p->section = s;
	return 0;
}

static int take_section(struct parser *p, char *text, struct err *err)
{
	size_t size = strlen(text);

	p->before_first = false;
	p->section = NULL;
	if (text[size - 1] != ']' || size < 3) {
		config_note(p->notes, p->file, p->line, "a section ends with ] — write [NAME]");
		return 0;
	}
	text[size - 1] = '\0';
	text++;
	if (size - 2 > TITLE_MAX) {
		config_note(p->notes, p->file, p->line, "this section is unknown — remove it");
		return 0;
	}
	snprintf(p->title, sizeof(p->title), "%s", text);
	for (size_t i = 0; i < p->n_sections; i++) {
		const struct config_section *s = &p->sections[i];
		size_t prefix = strlen(s->name);

		if (is_named(s) ? !strncmp(text, s->name, prefix) && text[prefix]
				: !strcmp(text, s->name))
			return enter(p, s, text + prefix, err);
	}
	unknown_section(p, text);
	return 0;
}

static const struct config_key *find_key(const struct config_section *s, const char *name)
{
	for (size_t i = 0; i < s->n_keys; i++)
		if (!strcmp(s->keys[i].name, name))
			return &s->keys[i];
	return NULL;
}

/* "Listener " -> "Listener NAME" */
static void note_elsewhere(struct parser *p, const char *key, const struct config_section *s)
{
	config_note(p->notes, p->file, p->line, "%s= does not belong into [%s] — move it to [%s%s]",
		    key, p->title, s->name, is_named(s) ? "NAME" : "");
}

static void unknown_key(struct parser *p, const char *key)
{
	const char *known[KNOWN_MAX] = { NULL };
	size_t n = 0;

	if (!may_repeat(key, KEY_MAX)) {
		config_note(p->notes, p->file, p->line, "this is no key of [%s] — remove the line",
			    p->title);
		return;
	}
	for (size_t i = 0; i < p->n_sections; i++)
		if (find_key(&p->sections[i], key)) {
			note_elsewhere(p, key, &p->sections[i]);
			return;
		}
	for (; n < p->section->n_keys && n < KNOWN_MAX; n++)
		known[n] = p->section->keys[n].name;
	const char *near = config_nearest(key, known, n);

	if (near)
		config_note(p->notes, p->file, p->line,
			    "%s= is unknown in [%s] — did you mean %s=?", key, p->title, near);
	else
		config_note(p->notes, p->file, p->line, "%s= is unknown in [%s] — remove the line",
			    key, p->title);
}

static int assign(struct parser *p, const char *name, const char *value, struct err *err)
{
	const struct config_key *key = find_key(p->section, name);
	struct err mistake = { 0 };

	if (!key) {
		unknown_key(p, name);
		return 0;
	}
	/* also a wrong value has been assigned: "is missing" would be a second mistake for one */
	if (config_origin_set(p->origin, p->title, name, *value ? p->file : NULL, p->line) < 0)
		return err_oom(err);
	int r = config_set(key, p->strukt, value, &mistake);

	if (r == -ERR_INTERNAL)
		return err_oom(err);
	if (r < 0)
		config_note(p->notes, p->file, p->line, "%s", mistake.text);
	return 0;
}

static char *strip(char *text)
{
	text += strspn(text, blanks);
	for (size_t n = strlen(text); n > 0 && strchr(blanks, text[n - 1]); n--)
		text[n - 1] = '\0';
	return text;
}

static int take_assignment(struct parser *p, char *text, struct err *err)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text) {
		config_note(p->notes, p->file, p->line,
			    "this is neither a section nor an assignment — write Key=value, or # "
			    "before a comment");
		return 0;
	}
	*equals = '\0';
	if (p->before_first) {
		config_note(
			p->notes, p->file, p->line,
			"an assignment before the first section — put a line like [%s] before it",
			p->n_sections ? p->sections[0].name : "Section");
		p->before_first = false; /* said once */
		return 0;
	}
	if (!p->section)
		return 0; /* the unknown section has been said */
	return assign(p, strip(text), strip(equals + 1), err);
}

/* One logical line, NUL-terminated and writable. */
static int take_line(struct parser *p, char *text, struct err *err)
{
	text = strip(text);
	if (!*text)
		return 0;
	return *text == '[' ? take_section(p, text, err) : take_assignment(p, text, err);
}

/* What no line may hold; NULL: it is fine. */
static const char *bad_bytes(const char *bytes, size_t size)
{
	if (size > CONFIG_LINE_MAX)
		return "this line has more than 4096 bytes — split it with \\ at the end";
	if (size && bytes[size - 1] == '\r')
		size--;
	for (size_t i = 0; i < size;) {
		unsigned char c = (unsigned char)bytes[i];
		size_t n = utf8_char_size(bytes + i, size - i);

		if (c == 0)
			return "this line holds a NUL byte — remove it";
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "this line holds a control character — remove it";
		if (n == 0)
			return "this line is not valid UTF-8 — save the file as UTF-8";
		i += n;
	}
	return NULL;
}

static bool is_comment(const char *bytes, size_t size)
{
	size_t i = 0;

	while (i < size && (bytes[i] == ' ' || bytes[i] == '\t'))
		i++;
	return i < size && (bytes[i] == '#' || bytes[i] == ';');
}

/* An odd number of backslashes at the end: the next line belongs to this one. */
static bool continues(const char *bytes, size_t size)
{
	size_t n = 0;

	while (n < size && bytes[size - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

static int flush(struct parser *p, struct buf *joined, struct err *err)
{
	int r = 0;

	if (buf_failed(joined))
		config_note(p->notes, p->file, p->line,
			    "this line and its continuations have more than %d bytes — split the "
			    "list over several "
			    "assignments",
			    CONFIG_JOINED_MAX);
	else if (joined->len)
		r = take_line(p, joined->data, err);
	buf_clear(joined);
	p->line = 0;
	return r;
}

/* One physical line, without its newline. Comments are left out before continuations are seen, as
 * systemd does. */
static int take_physical(struct parser *p, struct buf *joined, const char *bytes, size_t size,
			 struct err *err)
{
	const char *bad = bad_bytes(bytes, size);

	p->physical++;
	if (bad) {
		config_note(p->notes, p->file, p->physical, "%s", bad);
		buf_clear(joined);
		p->line = 0;
		return 0;
	}
	if (size && bytes[size - 1] == '\r')
		size--;
	if (is_comment(bytes, size))
		return 0;
	if (!p->line)
		p->line = p->physical;
	bool more = continues(bytes, size);

	buf_add(joined, bytes, more ? size - 1 : size);
	if (!more)
		return flush(p, joined, err);
	buf_add_char(joined, ' ');
	return 0;
}

int config_parse(const char *file, const char *bytes, size_t size,
		 const struct config_section *sections, size_t n_sections, void *target,
		 struct config_notes *notes, struct config_origin *origin, struct err *err)
{
	struct parser p = { .file = file,
			    .sections = sections,
			    .n_sections = n_sections,
			    .target = target,
			    .notes = notes,
			    .origin = origin,
			    .before_first = true };
	CLEANUP(buf_finip) struct buf joined;
	const char *end = bytes + size;

	buf_init(&joined, CONFIG_JOINED_MAX);
	if (size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3)) {
		config_note(
			notes, file, 1,
			"the file begins with a byte order mark — save it as UTF-8 without one");
		bytes += 3;
	}
	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		size_t length = newline ? (size_t)(newline - bytes) : (size_t)(end - bytes);

		if (take_physical(&p, &joined, bytes, length, err) < 0)
			return -ERR_INTERNAL;
		bytes += length + (newline ? 1 : 0);
	}
	return flush(&p, &joined, err);
}

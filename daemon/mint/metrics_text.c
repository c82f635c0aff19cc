/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the text exposition format: https://prometheus.io/docs/instrumenting/exposition_formats/. A value of a label may be any UTF-8, with backslash, quote and line feed escaped; HELP
 * escapes the first and the last of these.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/mint/metrics.h"

/* Of one byte in a JSON string (proto/json_write.c). */
static size_t json_size(unsigned char c)
{
	if (c == '"' || c == '\\' || c == '\n')
		return 2;
	return c < ' ' ? 6 : 1;
}

static void put_bytes(struct metrics_text *t, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		t->size += json_size((unsigned char)text[i]);
	buf_add(t->out, text, size);
}

static void put(struct metrics_text *t, const char *text)
{
	put_bytes(t, text, strlen(text));
}

static void put_escaped(struct metrics_text *t, const char *text, bool label)
{
	for (;;) {
		size_t plain = strcspn(text, label ? "\\\n\"" : "\\\n");

		put_bytes(t, text, plain);
		text += plain;
		if (!*text)
			return;
		put(t, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
		text++;
	}
}

void metrics_head(struct metrics_text *t, const char *family, const char *type, const char *help)
{
	put(t, "# HELP ");
	put(t, family);
	put(t, " ");
	put_escaped(t, help, false);
	put(t, "\n# TYPE ");
	put(t, family);
	put(t, " ");
	put(t, type);
	put(t, "\n");
}

static void add(struct metrics_text *t, const char *family, const char *suffix,
		const struct metrics_label labels[METRICS_LABELS_MAX], const char *value)
{
	const char *between = "{";

	put(t, family);
	put(t, suffix);
	for (size_t i = 0; labels && i < METRICS_LABELS_MAX; i++) {
		if (!labels[i].value)
			continue;
		put(t, between);
		put(t, labels[i].name);
		put(t, "=\"");
		put_escaped(t, labels[i].value, true);
		put(t, "\"");
		between = ",";
	}
	put(t, *between == ',' ? "} " : " ");
	put(t, value);
	put(t, "\n");
}

void metrics_add(struct metrics_text *t, const char *family, const char *suffix,
		 const struct metrics_label labels[METRICS_LABELS_MAX], int64_t value)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRId64, value);
	add(t, family, suffix, labels, text);
}

void metrics_print_micros(char to[32], int64_t micros)
{
	size_t len;

	snprintf(to, 32, "%" PRId64 ".%06" PRId64, micros / 1000000, micros % 1000000);
	len = strlen(to);
	while (to[len - 1] == '0')
		len--;
	if (to[len - 1] == '.')
		len--;
	to[len] = '\0';
}

void metrics_add_micros(struct metrics_text *t, const char *family, const char *suffix,
			const struct metrics_label labels[METRICS_LABELS_MAX], int64_t micros)
{
	char text[32];

	metrics_print_micros(text, micros);
	add(t, family, suffix, labels, text);
}

void metrics_back(struct metrics_text *t, const struct metrics_text *then, size_t len)
{
	t->size = then->size;
	if (t->out->len <= len)
		return;
	t->out->len = len;
	t->out->data[len] = '\0';
}

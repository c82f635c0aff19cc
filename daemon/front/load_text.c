/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/load_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * Quoted so that systemd (load-fragment of EnvironmentFile=) and shells read the same. Within single quotes nothing is special to either, but a
 * single quote cannot be in them in both; within double quotes a backslash keeps these four in both.
 */
static void add_quoted(struct buf *out, const char *value)
{
	bool single = !strchr(value, '\'');

	buf_add_char(out, single ? '\'' : '"');
	for (; *value; value++) {
		if (!single && strchr("\"\\`$", *value))
			buf_add_char(out, '\\');
		buf_add_char(out, *value);
	}
	buf_add_char(out, single ? '\'' : '"');
}

static bool has_control(const char *value)
{
	for (; *value; value++) {
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return true;
	}
	return false;
}

static void add_variable(struct buf *out, const char *name, const char *value)
{
	buf_add_text(out, name);
	buf_add_char(out, '=');
	add_quoted(out, value);
	buf_add_char(out, '\n');
}

static void add_number(struct buf *out, const char *name, int64_t value)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%" PRId64, value);
	add_variable(out, name, digits);
}

static int add_env(struct buf *out, const struct token *t, struct err *err)
{
	if (has_control(secret_bytes(t->access)) || has_control(t->instance_url))
		return err_set(err, ERR_INPUT,
			       "the token has a control character, which no variable can have");
	add_variable(out, "SF_ACCESS_TOKEN", secret_bytes(t->access));
	add_variable(out, "SF_ORG_INSTANCE_URL", t->instance_url);
	add_number(out, "SFTOKEN_EXPIRES_AT", t->expires_wall);
	add_number(out, "SFTOKEN_GENERATION", t->judge.generation);
	return 0;
}

int load_text_add(struct buf *out, const struct entry *e, enum load_field field, int validity,
		  int64_t now_ms, struct err *err)
{
	const struct token *t = e->token;
	int r = 0;

	if (field == LOAD_TOKEN)
		buf_add_text(out, secret_bytes(t->access));
	else if (field == LOAD_URL)
		buf_add_text(out, t->instance_url);
	else if (field == LOAD_JSON)
		token_add_object(out, t, entry_name(e), validity, now_ms);
	else
		r = add_env(out, t, err);
	return r == 0 && buf_failed(out) ? err_oom(err) : r;
}

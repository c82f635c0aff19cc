/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/load_address.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define HEX DIGITS "abcdef"

/* Of names of units (systemd.unit(5)) and of credentials (interfaces.md 1, rule 9). */
#define UNIT_CHARS LETTERS DIGITS ":-_.\\@"
#define CREDENTIAL_CHARS LETTERS DIGITS "._@-"

enum { HEX_MOST = 16 };

static const char *const field_names[LOAD_FIELDS] = {
	[LOAD_TOKEN] = "token",
	[LOAD_URL] = "url",
	[LOAD_JSON] = "json",
	[LOAD_ENV] = "env",
};

const char *load_field_name(enum load_field field)
{
	return field_names[field];
}

/* The name as a text. The kernel's size ends it; whoever binds it may put anything there, NULs too. */
static bool copy_name(const struct sockaddr_un *from, size_t size, char *name, size_t room)
{
	size_t head = offsetof(struct sockaddr_un, sun_path) + 1, n;

	if (size <= head || from->sun_family != AF_UNIX || from->sun_path[0] != '\0')
		return false;
	n = size - head;
	if (n >= room || memchr(from->sun_path + 1, '\0', n))
		return false;
	memcpy(name, from->sun_path + 1, n);
	name[n] = '\0';
	return true;
}

/* Behind the random number and the word; NULL if they are not there. */
static const char *behind_head(const char *name)
{
	static const char word[] = "/unit/";
	size_t n = strspn(name, HEX);

	if (n == 0 || n > HEX_MOST || strncmp(name + n, word, sizeof word - 1) != 0)
		return NULL;
	return name + n + sizeof word - 1;
}

/* "NAME.TYPE", as long as it has characters of units alone. */
static bool is_unit(const char *text, size_t size)
{
	const char *dot = memrchr(text, '.', size);

	return dot && dot > text && dot + 1 < text + size && strspn(text, UNIT_CHARS) >= size;
}

static bool find_field(const char *name, enum load_field *field)
{
	for (int i = 0; i < LOAD_FIELDS; i++) {
		if (strcmp(field_names[i], name) != 0)
			continue;
		*field = (enum load_field)i;
		return true;
	}
	return false;
}

/* "CREDENTIAL.FIELD": names of credentials have dots, too. */
static int parse_id(const char *id, struct load_address *a, struct err *err)
{
	const char *dot = strrchr(id, '.');
	size_t n = dot ? (size_t)(dot - id) : 0;

	if (n == 0 || strspn(id, CREDENTIAL_CHARS) < n || strchr("._@-", id[0]))
		return err_set(err, ERR_INPUT, "the id of the credential is not CREDENTIAL.FIELD");
	memcpy(a->credential, id, n);
	a->credential[n] = '\0';
	if (!find_field(dot + 1, &a->field))
		return err_set(
			err, ERR_INPUT,
			"the id of the credential does not end in .token, .url, .json or .env");
	return 0;
}

int load_address_parse(const struct sockaddr_un *from, size_t size, struct load_address *a,
		       struct err *err)
{
	char name[sizeof from->sun_path];
	const char *unit, *slash;

	*a = (struct load_address){ .field = LOAD_FIELDS };
	unit = copy_name(from, size, name, sizeof name) ? behind_head(name) : NULL;
	if (!unit)
		return err_set(err, ERR_INPUT,
			       "it does not come from the address of a service manager");
	slash = strchr(unit, '/');
	if (!slash || !is_unit(unit, (size_t)(slash - unit)))
		return err_set(err, ERR_INPUT, "its address names no unit");
	memcpy(a->unit, unit, (size_t)(slash - unit));
	a->unit[slash - unit] = '\0';
	return parse_id(slash + 1, a, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a caller comes from: addresses of service managers and paths of cgroups, cut where the first byte says. */
#include "fuzz.h"

#include "daemon/front/load_address.h"
#include "daemon/mint/identify.h"

/* What is let in is exactly what was sent, put together again. */
static void check_address(const char *data, size_t size)
{
	struct sockaddr_un from = { .sun_family = AF_UNIX };
	size_t head = offsetof(struct sockaddr_un, sun_path);
	struct load_address a;
	char sent[sizeof from.sun_path + 1] = "", again[300];
	size_t digits;

	if (size > sizeof from.sun_path)
		size = sizeof from.sun_path;
	if (size > 0)
		memcpy(from.sun_path, data, size);
	/* a name that fills sun_path has no end there */
	memcpy(sent, from.sun_path, size);
	if (load_address_parse(&from, head + size, &a, NULL) < 0)
		return;
	digits = strspn(sent + 1, "0123456789abcdef");
	MUST(digits > 0 && digits <= 16 && !strchr(a.unit, '/') && !strchr(a.credential, '/'));
	(void)snprintf(again, sizeof again, "%.*s/unit/%s/%s.%s", (int)digits, sent + 1, a.unit,
		       a.credential, load_field_name(a.field));
	MUST(strlen(again) == size - 1 && memcmp(again, sent + 1, size - 1) == 0);
}

static void check_cgroups(const char *data, size_t size, bool unified)
{
	char *text = malloc(size + 1), unit[IDENTIFY_UNIT_MAX], own[IDENTIFY_UNIT_MAX];
	const char *slash;

	MUST(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (identify_unit(text, unified, -1, unit)) {
		MUST(strstr(text, "/") && unit[0] && unit[0] != '/' && !strchr(unit, '\n'));
		slash = strchr(unit, '/');
		MUST(!slash || (strncmp(unit, "user@", 5) == 0 && !strchr(slash + 1, '/')));
	}
	if (identify_unit(text, unified, 1000, own))
		MUST(strncmp(unit, "user@1000.service/", 18) == 0 && strcmp(unit + 18, own) == 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] == 'a')
		check_address((const char *)data + 1, size - 1);
	else
		check_cgroups((const char *)data + 1, size - 1, data[0] == 'u');
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a service manager: strangers' bytes. */
#include "daemon/front/load_address.h"

#include <stdlib.h>

#include "tests/unit/check.h"

enum { HEAD = offsetof(struct sockaddr_un, sun_path) };

/* size of name without its NUL; family 0: AF_UNIX. */
static int parse(const char *name, size_t size, struct load_address *a, struct err *err)
{
	struct sockaddr_un from = { .sun_family = AF_UNIX };

	/* what the kernel has not written is not ours to read */
	memset(from.sun_path, 'x', sizeof(from.sun_path));
	from.sun_path[0] = '\0';
	memcpy(from.sun_path + 1, name, size);
	return load_address_parse(&from, HEAD + 1 + size, a, err);
}

static const struct good {
	const char *name, *unit, *credential;
	enum load_field field;
} good[] = {
	/* systemd 252 and 257 write the number without zeros before it */
	{ "9ac5de4d0a4ce4ac/unit/etl.service/prod.token", "etl.service", "prod", LOAD_TOKEN },
	{ "0/unit/etl.service/prod.url", "etl.service", "prod", LOAD_URL },
	{ "f1/unit/etl@a-b.service/a.b.c.json", "etl@a-b.service", "a.b.c", LOAD_JSON },
	{ "f1/unit/a:b_c.socket/P9@x-y_z.env", "a:b_c.socket", "P9@x-y_z", LOAD_ENV },
	{ "f1/unit/job-a\\x2db.service/token.token", "job-a\\x2db.service", "token", LOAD_TOKEN },
	{ "f1/unit/dev-sda1.swap/1.url", "dev-sda1.swap", "1", LOAD_URL },
	{ "f1/unit/x..service/p.token", "x..service", "p", LOAD_TOKEN },
};

TEST(good_names)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct load_address a;

		check_row(good[i].name);
		CHECK_INT(parse(good[i].name, strlen(good[i].name), &a, NULL), 0);
		CHECK_STR(a.unit, good[i].unit);
		CHECK_STR(a.credential, good[i].credential);
		CHECK_INT(a.field, good[i].field);
	}
}

#define ADDRESS "it does not come from the address of a service manager"
#define UNIT "its address names no unit"
#define ID "the id of the credential is not CREDENTIAL.FIELD"
#define FIELD "the id of the credential does not end in .token, .url, .json or .env"

static const struct bad {
	const char *name, *why;
} bad[] = {
	{ "", ADDRESS },
	{ "/unit/etl.service/p.token", ADDRESS },
	{ "0123456789abcdef0/unit/etl.service/p.token", ADDRESS },
	{ "0X/unit/etl.service/p.token", ADDRESS },
	{ "AB/unit/etl.service/p.token", ADDRESS },
	{ " 1/unit/etl.service/p.token", ADDRESS },
	{ "1 /unit/etl.service/p.token", ADDRESS },
	{ "1/nspawn/etl.service/p.token", ADDRESS },
	{ "1/UNIT/etl.service/p.token", ADDRESS },
	{ "1//unit/etl.service/p.token", ADDRESS },
	{ "1/unit", ADDRESS },
	{ "@1/unit/etl.service/p.token", ADDRESS },
	{ "1/unit/", UNIT },
	{ "1/unit/etl.service", UNIT },
	{ "1/unit//p.token", UNIT },
	{ "1/unit/etl/p.token", UNIT },
	{ "1/unit/.service/p.token", UNIT },
	{ "1/unit/etl./p.token", UNIT },
	{ "1/unit/../p.token", UNIT },
	{ "1/unit/a b.service/p.token", UNIT },
	{ "1/unit/a*.service/p.token", UNIT },
	{ "1/unit/a\n.service/p.token", UNIT },
	{ "1/unit/\xc3\xa4.service/p.token", UNIT },
	{ "1/unit/etl.service/", ID },
	{ "1/unit/etl.service/token", ID },
	{ "1/unit/etl.service/.token", ID },
	{ "1/unit/etl.service/..token", ID },
	{ "1/unit/etl.service/-p.token", ID },
	{ "1/unit/etl.service/p/token", ID },
	{ "1/unit/etl.service/a/p.token", ID },
	{ "1/unit/etl.service//p.token", ID },
	{ "1/unit/etl.service/p q.token", ID },
	{ "1/unit/etl.service/p*.token", ID },
	{ "1/unit/etl.service/p.", FIELD },
	{ "1/unit/etl.service/p.token.", FIELD },
	{ "1/unit/etl.service/p.tokens", FIELD },
	{ "1/unit/etl.service/p.TOKEN", FIELD },
	{ "1/unit/etl.service/p.token ", FIELD },
	{ "1/unit/etl.service/p.token\n", FIELD },
	{ "1/unit/etl.service/p.token/", FIELD },
	{ "1/unit/etl.service/p.refresh", FIELD },
};

TEST(bad_names)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct load_address a;
		struct err err = { 0 };

		check_row(bad[i].name);
		CHECK_INT(parse(bad[i].name, strlen(bad[i].name), &a, &err), -ERR_INPUT);
		CHECK_STR(err.text, bad[i].why);
	}
}

/* The kernel's size ends the name, and a NUL is a byte of it like any other. */
TEST(every_shorter_name_is_another_one)
{
	static const char name[] = "1/unit/etl.service/p.token";
	struct load_address a;

	for (size_t size = 0; size < sizeof(name) - 1; size++)
		CHECK_INT(parse(name, size, &a, NULL), -ERR_INPUT);
	CHECK_INT(parse(name, sizeof(name) - 1, &a, NULL), 0);
	CHECK_INT(parse(name, sizeof(name), &a, NULL), -ERR_INPUT);
	for (size_t at = 0; at < sizeof(name) - 1; at++) {
		char broken[sizeof(name)];

		memcpy(broken, name, sizeof(name));
		broken[at] = '\0';
		CHECK_INT(parse(broken, sizeof(name) - 1, &a, NULL), -ERR_INPUT);
	}
}

TEST(other_kinds_of_addresses)
{
	struct sockaddr_un from = { .sun_family = AF_UNIX, .sun_path = "/1/unit/etl.service/p.token" };
	struct load_address a;

	CHECK_INT(load_address_parse(&from, sizeof(from), &a, NULL), -ERR_INPUT);
	CHECK_INT(load_address_parse(&from, 0, &a, NULL), -ERR_INPUT);
	CHECK_INT(load_address_parse(&from, HEAD, &a, NULL), -ERR_INPUT); /* unnamed */
	from.sun_path[0] = '\0';
	CHECK_INT(load_address_parse(&from, HEAD + 1, &a, NULL), -ERR_INPUT);
	from.sun_family = AF_INET;
	CHECK_INT(load_address_parse(&from, HEAD + 28, &a, NULL), -ERR_INPUT);
}

TEST(the_longest_name)
{
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1];
	struct load_address a;

	memset(name, 'p', sizeof(name));
	memcpy(name, "1/unit/e.service/", 17);
	memcpy(name + sizeof(name) - 6, ".token", 6);
	CHECK_INT(parse(name, sizeof(name), &a, NULL), 0);
	CHECK_INT(strlen(a.credential), sizeof(name) - 17 - 6);
}

CHECK_MAIN()

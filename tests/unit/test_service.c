/* SPDX-License-Identifier: Apache-2.0 */
/* Which call runs which method, and which answers without one. */
#include "check.h"

#include <stdlib.h>

#include "proto/service.h"

struct greet_call {
	const char *name;
	struct opt_int times;
};

static const struct field greet_fields[] = {
	{ "name", FIELD_TEXT, 0, AT(struct greet_call, name), 0, 10, NULL },
	{ "times", FIELD_INT, FIELD_OPTIONAL, AT(struct greet_call, times), 1, 9, NULL },
};
static const struct fields greet_table = FIELDS(greet_fields, struct greet_call);

static char ran[100];

static void greet(void *caller, const struct varlink_call *call, const void *params)
{
	const struct greet_call *p = params;

	snprintf(ran, sizeof(ran), "greet %s %s %d %s", (const char *)caller, p->name,
		 (int)p->times.value, call->more ? "more" : "once");
}

static void bare(void *caller, const struct varlink_call *call, const void *params)
{
	(void)call;
	snprintf(ran, sizeof(ran), "bare %s %s", (const char *)caller, params ? "params" : "none");
}

static const struct varlink_method methods[] = {
	{ "Greet", &greet_table, 0, greet },
	{ "Bare", NULL, 0, bare },
	{ "Watch", &greet_table, METHOD_MORE, greet },
	{ "Future", NULL, METHOD_NOT_BUILT, NULL },
};
static const struct varlink_interface test_interface = { "io.example.Test", "interface io.example.Test\n# \"x\"\n", methods, 4 };
static const struct varlink_interface *const interfaces[] = { &test_interface };
static const struct service service = { "v", "p", "1", "https://u", interfaces, 1 };

/* What is answered without a method, or "ran ...", or "close". */
static const char *dispatch(const char *message)
{
	static char answer[20000];
	struct varlink_call call;
	char copy[500];
	struct buf out;

	snprintf(copy, sizeof(copy), "%s", message);
	CHECK_INT(varlink_parse_call(copy, strlen(copy), &call, NULL), 0);
	buf_init(&out, sizeof(answer) - 1);
	ran[0] = '\0';
	if (service_dispatch(&service, &call, (void *)(uintptr_t) "peer", &out)) {
		CHECK_INT(out.len, 0);
		snprintf(answer, sizeof(answer), "ran %s", ran);
	} else if (out.len == 0) {
		snprintf(answer, sizeof(answer), "close");
	} else {
		CHECK_STR(ran, "");
		CHECK_INT(out.data[out.len - 1], 0);
		snprintf(answer, sizeof(answer), "%s", out.data);
	}
	buf_fini(&out);
	return answer;
}

#define T "{\"method\":\"io.example.Test."
#define S "{\"method\":\"org.varlink.service."
#define E(name) "{\"error\":\"org.varlink.service." name "\",\"parameters\":{"

TEST(every_call_has_its_answer)
{
	static const char *const rows[][2] = {
		{ T "Greet\",\"parameters\":{\"name\":\"x\",\"times\":3}}", "ran greet peer x 3 once" },
		{ T "Greet\",\"parameters\":{\"name\":\"x\",\"times\":null},\"more\":true}", "ran greet peer x 0 more" },
		{ T "Greet\",\"parameters\":{\"name\":\"x\"},\"oneway\":true}", "ran greet peer x 0 once" },
		{ T "Bare\"}", "ran bare peer none" },
		{ T "Bare\",\"parameters\":{}}", "ran bare peer none" },
		{ T "Bare\",\"parameters\":null}", "ran bare peer none" },
		{ T "Watch\",\"parameters\":{\"name\":\"x\"},\"more\":true}", "ran greet peer x 0 more" },
		{ T "Watch\",\"parameters\":{\"name\":\"x\"}}", E("ExpectedMore") "}}" },
		{ T "Future\"}", E("MethodNotImplemented") "\"method\":\"io.example.Test.Future\"}}" },
		{ T "Future\",\"parameters\":{\"any\":1}}", E("MethodNotImplemented") "\"method\":\"io.example.Test.Future\"}}" },
		{ T "Nothing\"}", E("MethodNotFound") "\"method\":\"io.example.Test.Nothing\"}}" },
		{ T "greet\"}", E("MethodNotFound") "\"method\":\"io.example.Test.greet\"}}" },
		{ "{\"method\":\"io.example.Tes.Greet\"}", E("InterfaceNotFound") "\"interface\":\"io.example.Tes\"}}" },
		{ "{\"method\":\"io.example.Test2.Greet\"}", E("InterfaceNotFound") "\"interface\":\"io.example.Test2\"}}" },
		{ "{\"method\":\"x.Greet\"}", E("InterfaceNotFound") "\"interface\":\"x\"}}" },
		{ T "Greet\"}", E("InvalidParameter") "\"parameter\":\"name\"}}" },
		{ T "Greet\",\"parameters\":{\"name\":1}}", E("InvalidParameter") "\"parameter\":\"name\"}}" },
		{ T "Greet\",\"parameters\":{\"name\":\"12345678901\"}}", E("InvalidParameter") "\"parameter\":\"name\"}}" },
		{ T "Greet\",\"parameters\":{\"name\":\"x\",\"times\":10}}", E("InvalidParameter") "\"parameter\":\"times\"}}" },
		{ T "Greet\",\"parameters\":{\"name\":\"x\",\"other\":1}}", E("InvalidParameter") "\"parameter\":\"other\"}}" },
		{ T "Greet\",\"parameters\":{\"name\":\"x\",\"times\":1.0}}", "close" },
		{ T "Greet\",\"parameters\":{\"name\":\"x\",\"times\":1e0}}", "close" },
		{ T "Bare\",\"parameters\":{\"x\\n\":1}}", E("InvalidParameter") "\"parameter\":\"x\\n\"}}" },
		{ S "GetInfo\"}", "{\"parameters\":{\"vendor\":\"v\",\"product\":\"p\",\"version\":\"1\",\"url\":\"https://u\",\"interfaces\":[\"org.varlink.service\",\"io.example.Test\"]}}" },
		{ S "GetInfo\",\"parameters\":{\"x\":1}}", E("InvalidParameter") "\"parameter\":\"x\"}}" },
		{ S "GetInterfaceDescription\",\"parameters\":{\"interface\":\"io.example.Test\"}}", "{\"parameters\":{\"description\":\"interface io.example.Test\\n# \\\"x\\\"\\n\"}}" },
		{ S "GetInterfaceDescription\",\"parameters\":{\"interface\":\"io.none\"}}", E("InterfaceNotFound") "\"interface\":\"io.none\"}}" },
		{ S "GetInterfaceDescription\"}", E("InvalidParameter") "\"parameter\":\"interface\"}}" },
		{ S "Other\"}", E("MethodNotFound") "\"method\":\"org.varlink.service.Other\"}}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i][0]);
		CHECK_STR(dispatch(rows[i][0]), rows[i][1]);
	}
}

TEST(the_service_describes_itself)
{
	const char *answer = dispatch(
		S
		"GetInterfaceDescription\",\"parameters\":{\"interface\":\"org.varlink.service\"}}");

	CHECK(strstr(answer, "interface org.varlink.service\\n"));
	CHECK(strstr(answer, "error ExpectedMore()"));
}

/* The bytes of the .varlink files, whole, and small enough for one reply. $SOURCE_ROOT: where they are, default here. */
TEST(descriptions_are_the_files)
{
	static const struct {
		const char *file, *text;
	} rows[] = {
		{ "proto/io.sftoken.Broker.varlink", broker_description }, { "proto/io.sftoken.Manager.varlink", manager_description },
		{ "proto/org.varlink.service.varlink", service_description }, { "proto/io.systemd.service.varlink", systemd_description },
	};
	const char *root = getenv("SOURCE_ROOT");

	for (size_t i = 0; i < 4; i++) {
		static char text[VARLINK_MESSAGE_MAX];
		char path[1000];
		size_t n;
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", root ? root : ".", rows[i].file);
		f = fopen(path, "r");
		REQUIRE(f);
		n = fread(text, 1, sizeof(text), f);
		fclose(f);
		CHECK_MEM(rows[i].text, strlen(rows[i].text), text, n);
		CHECK(n < 32 * 1024);
	}
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Replies that are kept ready, and the table of credentials. */
#include "daemon/front/tokens.h"

#include "tests/unit/check.h"
#include "tests/unit/front_fixture.h"

enum { LIFE = 7200 * 1000 };

static struct link_publish publish(int64_t generation, const char *text)
{
	static char scopes[] = "[\"api\",\"a\\\"b\"]";
	static char copy[sizeof(scopes)];

	memcpy(copy, scopes, sizeof(scopes));
	return (struct link_publish){
		.credential = "prod",
		.origin = "o",
		.generation = { generation, true },
		.token = text,
		.instance_url = "https://i.example",
		.life_ms = { LIFE, true },
		.issued_ms = { START_MS, true },
		.deadline_ms = { START_MS + LIFE, true },
		.issued_wall = { 100, true },
		.expires_wall = { 7300, true },
		.refresh_after_wall = { 3700, true },
		.scopes = { .raw = json_root(copy, sizeof(copy) - 1), .n = 2 },
		.username = "u\xc3\xa9@x",
	};
}

static struct link_credential credential(const char *name, char *aliases, char *uids)
{
	return (struct link_credential){
		.name = name,
		.aliases = { .raw = json_root(aliases, strlen(aliases)) },
		.uids = { .raw = json_root(uids, strlen(uids)) },
	};
}

static struct entry *add(struct table *t, const char *name, const char *aliases)
{
	char a[256], uids[] = "[500]";
	struct link_credential m;
	struct entry *e = NULL;

	snprintf(a, sizeof(a), "%s", q(aliases));
	m = credential(name, a, uids);
	CHECK(table_credential(t, &m, &e, NULL) == 0);
	return e;
}

/* The whole reply as the connection sends it. */
static size_t reply(struct token *t, int64_t now, bool more, char *out, size_t room)
{
	size_t size;
	const char *whole = token_reply(t, "prod", judge_validity(&t->judge, now), now, more,
					&size);

	if (!CHECK(whole && size <= room))
		return 0;
	memcpy(out, whole, size);
	return size;
}

TEST(a_reply_is_the_whole_token)
{
	struct link_publish p = publish(1790000000, "00D!AQ");
	struct token *t = token_new(&p, NULL);
	char out[2048];

	reply(t, START_MS, false, out, sizeof(out));
	CHECK_STR(
		out,
		q("{'parameters':{'token':{'accessToken':'00D!AQ','tokenType':'Bearer','instanceUrl':'https://i.example',"
		  "'credential':'prod','generation':1790000000,'issuedAt':100,'expiresAt':7300,'expirySource':'response',"
		  "'validity':'fresh','refreshAfter':3700,'scopes':['api','a\\'b'],'identityUrl':null,'organizationId':null,"
		  "'userId':null,'username':'u\xc3\xa9@x','expiresInSeconds':7200}}}"));
	token_unref(t);
}

TEST(a_reply_that_continues_says_so)
{
	struct link_publish p = publish(7, "t");
	struct token *t = token_new(&p, NULL);
	char out[2048];
	size_t size = reply(t, START_MS, true, out, sizeof(out));

	CHECK(size > 0 && out[size - 1] == '\0');
	CHECK(strstr(out, q("'expiresInSeconds':7200}},'continues':true}")));
	token_unref(t);
}

static size_t before_the_number(const char *text)
{
	const char *at = strstr(text, "\"expiresInSeconds\":");

	return at ? (size_t)(at - text) + strlen("\"expiresInSeconds\":") : 0;
}

TEST(replies_of_one_generation_differ_in_the_number_alone)
{
	struct link_publish p = publish(7, "t");
	struct token *t = token_new(&p, NULL);
	char a[2048], b[2048];
	size_t n;

	reply(t, START_MS, false, a, sizeof(a));
	reply(t, START_MS + LIFE - 1, false, b, sizeof(b));
	n = before_the_number(a);
	CHECK(n > 0);
	CHECK_MEM(b, n, a, n);
	CHECK_STR(a + n, "7200}}}");
	CHECK_STR(b + n, "0}}}");
	token_unref(t);
}

TEST(an_end_that_is_there_is_used_again_for_the_same_reply_alone)
{
	static const char other[] = "7},\"held\":true}}";
	struct link_publish p = publish(7, "t");
	struct token *t = token_new(&p, NULL);
	char first[2048], out[2048];
	const char *whole;
	size_t size;

	reply(t, START_MS, false, first, sizeof(first));
	reply(t, START_MS, true, out, sizeof(out));
	CHECK(strstr(out, "\"continues\":true"));
	reply(t, START_MS, false, out, sizeof(out));
	CHECK_STR(out, first);
	whole = token_reply_with(t, "prod", judge_validity(&t->judge, START_MS), other,
				 sizeof(other), &size);
	if (CHECK(whole && size == strlen(whole) + 1))
		CHECK_STR(whole + before_the_number(whole), other);
	reply(t, START_MS, false, out, sizeof(out));
	CHECK_STR(out, first);
	reply(t, START_MS + 1001, false, out, sizeof(out));
	CHECK_STR(out + before_the_number(out), "7198}}}");
	/* the same second, another validity: another reply begins */
	whole = token_reply(t, "other", VALIDITY_ASSUMED, START_MS + 1001, false, &size);
	CHECK(whole && strstr(whole, "\"validity\":\"assumed\"") && strstr(whole, ":7198}}}"));
	token_unref(t);
}

TEST(the_number_is_rounded_down_on_both_sides_of_the_end)
{
	static const struct {
		int64_t left_ms;
		const char *tail;
	} rows[] = {
		{ 1999, "1}}}" },
		{ 1000, "1}}}" },
		{ 999, "0}}}" },
		{ 0, "0}}}" },
		{ -1, "-1}}}" },
		{ -1000, "-1}}}" },
		{ -1001, "-2}}}" },
		{ -3600000, "-3600}}}" },
		{ INT64_C(86400000000), "86400000}}}" },
	};
	struct link_publish p = publish(7, "t");
	struct token *t = token_new(&p, NULL);
	char out[2048];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t size = reply(t, START_MS + LIFE - rows[i].left_ms, false, out, sizeof(out));
		const char *tail = strstr(out, "\"expiresInSeconds\":");

		check_row(rows[i].tail);
		CHECK_INT(size, strlen(out) + 1);
		CHECK_STR(tail ? tail + strlen("\"expiresInSeconds\":") : NULL, rows[i].tail);
	}
	token_unref(t);
}

TEST(validity_is_told_when_it_changes)
{
	struct link_publish p = publish(7, "t");
	struct token *t = token_new(&p, NULL);
	char out[2048];

	reply(t, START_MS + LIFE - 1, false, out, sizeof(out));
	CHECK(strstr(out, q("'validity':'fresh'")));
	reply(t, START_MS + LIFE, false, out, sizeof(out));
	CHECK(strstr(out, q("'validity':'assumed'")));
	token_unref(t);
	p = publish(7, "t");
	p.reported = (struct opt_bool){ true, true };
	t = token_new(&p, NULL);
	reply(t, START_MS, false, out, sizeof(out));
	CHECK(strstr(out, q("'validity':'reported'")));
	token_unref(t);
}

TEST(names_and_aliases_lead_to_the_credential)
{
	struct table t;
	struct entry *a, *b;

	table_init(&t);
	a = add(&t, "alpha", "['one','two']");
	b = add(&t, "beta", "[]");
	CHECK(table_find(&t, "alpha") == a && table_find(&t, "one") == a &&
	      table_find(&t, "two") == a);
	CHECK(table_find(&t, "beta") == b);
	CHECK(!table_find(&t, "Alpha") && !table_find(&t, "") && !table_find(&t, "alph"));
	table_fini(&t);
}

TEST(an_alias_moves_in_either_order)
{
	struct table t;
	struct entry *a, *b;

	table_init(&t);
	a = add(&t, "alpha", "['x']");
	b = add(&t, "beta", "[]");
	add(&t, "beta", "['x']"); /* the new owner is told first */
	CHECK(table_find(&t, "x") == b);
	add(&t, "alpha", "[]");
	CHECK(table_find(&t, "x") == b);
	add(&t, "beta", "[]");
	CHECK(!table_find(&t, "x"));
	add(&t, "alpha", "['x']");
	CHECK(table_find(&t, "x") == a);
	table_fini(&t);
}

TEST(messages_go_by_name_not_by_alias)
{
	struct link_publish p = publish(7, "t");
	struct table t;
	struct entry *a, *b, *e;

	table_init(&t);
	a = add(&t, "alpha", "['prod']");
	b = add(&t, "prod", "[]");
	add(&t, "alpha", "['prod']");
	REQUIRE(table_publish(&t, &p, &e, NULL) == 0);
	CHECK(e == b && b->token && !a->token);
	table_fini(&t);
}

TEST(the_list_is_in_order_of_names)
{
	static const char *const names[] = { "m", "b", "z", "a", "b.c", "b-c", "B" },
				 *const sorted[] = { "B", "a", "b", "b-c", "b.c", "m", "z" };
	struct table t;

	table_init(&t);
	for (size_t i = 0; i < 7; i++)
		add(&t, names[i], "[]");
	REQUIRE(t.n == 7);
	for (size_t i = 0; i < 7; i++)
		CHECK_STR(entry_name(t.sorted[i]), sorted[i]);
	CHECK_INT(table_after(&t, NULL), 0);
	CHECK_INT(table_after(&t, "b"), 3);
	CHECK_INT(table_after(&t, "c"), 5);
	CHECK_INT(table_after(&t, "zz"), 7);
	entry_free(table_remove(&t, "b"));
	CHECK(t.n == 6 && !table_find(&t, "b") && table_after(&t, "b") == 2);
	table_fini(&t);
}

TEST(a_dead_generation_never_comes_back)
{
	struct link_publish p = publish(7, "t");
	struct link_dead dead = { .credential = "prod", .generation = { 7, true } };
	struct table t;
	struct entry *e;

	table_init(&t);
	add(&t, "prod", "[]");
	REQUIRE(table_publish(&t, &p, &e, NULL) == 0 && e->token);
	REQUIRE(table_dead(&t, &dead, &e, NULL) == 0);
	CHECK(!e->token && e->generation == 7);
	p = publish(7, "t");
	REQUIRE(table_publish(&t, &p, &e, NULL) == 0);
	CHECK(!e->token);
	p = publish(8, "t8");
	REQUIRE(table_publish(&t, &p, &e, NULL) == 0);
	CHECK(e->token && e->generation == 8);
	/* a late word about the old one does not touch the new one */
	REQUIRE(table_dead(&t, &dead, &e, NULL) == 0);
	CHECK(e->token && e->token->judge.generation == 8);
	table_fini(&t);
}

TEST(what_is_not_described_is_an_error)
{
	struct link_publish p = publish(7, "t");
	struct err err = { 0 };
	struct table t;
	struct entry *e = NULL;

	table_init(&t);
	CHECK_INT(table_publish(&t, &p, &e, &err), -ERR_PROTOCOL);
	CHECK(!strstr(err.text, "t7") && strstr(err.text, "prod"));
	table_fini(&t);
}

TEST(null_means_the_default_or_the_only_one)
{
	const struct peer peer = { .uid = 500 }, other = { .uid = 501 };
	char star_b[] = "b*", *only_b[] = { star_b };
	const struct globs globs = { only_b, 1 };
	struct table t;
	struct entry *a, *b;
	bool unknown;

	table_init(&t);
	CHECK(!table_default(&t, &peer, NULL, NULL, &unknown));
	a = add(&t, "a", "['first']");
	CHECK(table_default(&t, &peer, NULL, NULL, &unknown) == a);
	CHECK(!table_default(&t, &other, NULL, NULL, &unknown));
	b = add(&t, "b", "[]");
	CHECK(!table_default(&t, &peer, NULL, NULL, &unknown));
	CHECK(table_default(&t, &peer, NULL, &globs, &unknown) == b);
	t.default_credential = strdup("first");
	CHECK(table_default(&t, &peer, NULL, NULL, &unknown) == a);
	/* a default that this caller may not use is as good as none */
	CHECK(table_default(&t, &peer, NULL, &globs, &unknown) == b);
	CHECK(!table_default(&t, &other, NULL, NULL, &unknown));
	table_fini(&t);
}

TEST(ten_thousand_names_are_found_again)
{
	char name[32];
	struct table t;
	int missing = 0;

	table_init(&t);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "credential-%d", i * 7919 % 10000);
		add(&t, name, "[]");
	}
	CHECK_INT(t.n, 10000);
	for (int i = 0; i < 10000; i++) {
		struct entry *e;

		snprintf(name, sizeof(name), "credential-%d", i);
		e = table_find(&t, name);
		missing += !e || strcmp(entry_name(e), name) != 0 ||
			   (i > 0 &&
			    strcmp(entry_name(t.sorted[i - 1]), entry_name(t.sorted[i])) >= 0);
	}
	CHECK_INT(missing, 0);
	table_fini(&t);
}

CHECK_MAIN()

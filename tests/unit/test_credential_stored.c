/* SPDX-License-Identifier: Apache-2.0 */
/* "stored:": what is given, not given yet or no good; the copy with another value; and when a grant that
 * spends a refresh token stops by itself. */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "daemon/mint/credential.h"
#include "tests/unit/config_fixture.h"

#define HEAD(grant) \
	"[Credential]\nGrantType=" grant "\nLoginUrl=https://a.my.salesforce.com\nClientId=id\n"
#define CLIENT HEAD("client_credentials") "ClientSecret=stored:\n"
#define JWT HEAD("jwt_bearer") "Username=u\nPrivateKey=stored:\n"
#define REFRESH HEAD("refresh_token")

enum { DAY_MS = 24 * 3600 * 1000 };

/* What is stored for the credential a. */
struct shelf {
	struct secret *secrets[STORED_SECRETS];
};

static struct secret *find(const char *name, enum stored_secret kind, void *arg)
{
	struct shelf *shelf = arg;

	return strcmp(name, "a") ? NULL : shelf->secrets[kind];
}

static int refuse_bad(const struct secret *pem, const struct secret *passphrase, struct err *err)
{
	(void)passphrase;
	if (!strstr(secret_bytes(pem), "bad"))
		return 0;
	return err_set(err, ERR_ADMIN, "no usable RSA key");
}

static struct fixture f;
static struct shelf shelf;
static struct config_notes notes, warnings;
static struct err err;

static void begin(void)
{
	fixture_init(&f);
	err = (struct err){ 0 };
}

static void put(enum stored_secret kind, const char *value)
{
	secret_unref(shelf.secrets[kind]);
	shelf.secrets[kind] = value ? secret_new(value, strlen(value)) : NULL;
}

static void end(void)
{
	for (int i = 0; i < STORED_SECRETS; i++)
		put((enum stored_secret)i, NULL);
	config_notes_fini(&notes);
	config_notes_fini(&warnings);
	fixture_fini(&f);
}

/* The only credential; NULL when there are mistakes. The caller unrefs. */
static struct credential *read_one(const char *text)
{
	const struct credential_stored stored = { find, &shelf };
	struct places places = { .config_option = strdup(f.dir),
				 .state_option = strdup("/s"),
				 .runtime_option = strdup("/r") };
	struct credential *c = NULL;

	config_notes_fini(&notes);
	config_notes_fini(&warnings);
	fixture_write(&f, "credentials/a.conf", text);
	places_resolve(&places, &err);
	struct settings *s = settings_read(&places, f.uid, &notes, &err);
	struct credential_set *set = credential_set_read(&places, s, f.uid, refuse_bad, &stored,
							 &notes, &warnings, &err);

	if (CHECK(set && set->n == 1) && !notes.n)
		c = credential_ref(set->items[0]);
	credential_set_unref(set);
	settings_unref(s);
	places_fini(&places);
	return c;
}

static void expect_value(const struct secret *s, const char *value)
{
	if (CHECK(s))
		CHECK_MEM(secret_bytes(s), secret_size(s), value, strlen(value));
}

TEST(what_is_stored_is_the_value)
{
	begin();
	put(STORED_CLIENT_SECRET, "s3cret");
	put(STORED_PRIVATE_KEY, "pem");
	struct credential *c = read_one(JWT "ClientSecret=stored:\n");

	REQUIRE(c);
	expect_value(c->client_secret, "s3cret");
	expect_value(c->private_key, "pem");
	CHECK_STR(credential_missing(c), NULL);
	CHECK_INT(warnings.n, 0);
	credential_unref(c);
	end();
}

TEST(what_is_not_given_yet_is_no_mistake)
{
	static const struct {
		const char *text, *missing;
	} rows[] = {
		{ CLIENT, "ClientSecret=stored: is not given yet — sftoken import a --kind "
			  "client_secret < FILE" },
		{ REFRESH "ClientSecret=stored:\n",
		  "ClientSecret=stored: is not given yet — sftoken import a --kind client_secret "
		  "< FILE" },
		{ JWT "ClientSecret=stored:\n",
		  "PrivateKey=stored: is not given yet — sftoken import a --kind private_key "
		  "< FILE" },
		{ REFRESH, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		check_row(rows[i].text);
		struct credential *c = read_one(rows[i].text);

		REQUIRE(c);
		CHECK(!c->client_secret && !c->private_key);
		CHECK_STR(credential_missing(c), rows[i].missing);
		CHECK_INT(warnings.n, 0);
		credential_unref(c);
		end();
	}
}

/* One that has been damaged, or was given for another version, must not stop the others. */
TEST(what_cannot_be_used_is_a_warning_and_missing)
{
	begin();
	put(STORED_PRIVATE_KEY, "bad");
	struct credential *c = read_one(JWT);

	REQUIRE(c);
	CHECK(!c->private_key);
	CHECK_STR(credential_missing(c), "PrivateKey=stored: cannot be used: no usable RSA key — "
					 "sftoken import a --kind private_key < FILE");
	REQUIRE(warnings.n == 1);
	CHECK_INT(warnings.items[0].line, 6);
	CHECK_STR(warnings.items[0].file, fixture_path(&f, "credentials/a.conf"));
	CHECK_STR(warnings.items[0].text,
		  "PrivateKey=stored: cannot be used: no usable RSA key — give another: sftoken "
		  "import a --kind private_key < FILE");
	credential_unref(c);
	put(STORED_CLIENT_SECRET, "hun ter2");
	c = read_one(CLIENT);
	REQUIRE(c && warnings.n == 1);
	CHECK(!c->client_secret && credential_missing(c));
	CHECK(!strstr(warnings.items[0].text, "ter2") && !strstr(credential_missing(c), "ter2"));
	credential_unref(c);
	end();
}

TEST(a_given_value_makes_another_credential)
{
	begin();
	struct credential *none = read_one(CLIENT);

	put(STORED_CLIENT_SECRET, "one");
	struct credential *one = read_one(CLIENT), *same = read_one("\n" CLIENT);

	put(STORED_CLIENT_SECRET, "two");
	struct credential *two = read_one(CLIENT);

	REQUIRE(none && one && same && two);
	CHECK(credential_equal(none, none) && credential_equal(one, same));
	CHECK(!credential_equal(none, one) && !credential_equal(one, none));
	CHECK(!credential_equal(one, two));
	/* neither has a value, but the status must not tell the old reason */
	put(STORED_CLIENT_SECRET, "not one word");
	struct credential *bad = read_one(CLIENT);

	CHECK(bad && !bad->client_secret && !credential_equal(none, bad));
	credential_unref(bad);
	credential_unref(none);
	credential_unref(one);
	credential_unref(same);
	credential_unref(two);
	end();
}

TEST(a_copy_has_the_new_value_and_all_the_rest)
{
	const char *file;
	unsigned line;

	begin();
	struct credential *c = read_one(
		JWT
		"ClientSecret=stored:\nAudience=https://x.example\nSessionTimeout=30s\nAlias=x y\n"
		"IdleStop=1h\nRequired=yes\n[Access]\nAllowUser=1234\nAllowGroup=77 78\n");

	REQUIRE(c);
	struct secret *key = secret_new("pem", 3), *secret = secret_new("s3cret", 6);
	struct credential *one = credential_with_secret(c, STORED_PRIVATE_KEY, key, refuse_bad,
							&err);

	REQUIRE(one && one != c);
	CHECK(!c->private_key && !c->client_secret); /* c is immutable */
	CHECK_STR(credential_missing(one), "ClientSecret=stored: is not given yet — sftoken import "
					   "a --kind client_secret < FILE");
	struct credential *both = credential_with_secret(one, STORED_CLIENT_SECRET, secret,
							 refuse_bad, &err);

	REQUIRE(both);
	CHECK_STR(credential_missing(both), NULL);
	put(STORED_PRIVATE_KEY, "pem");
	put(STORED_CLIENT_SECRET, "s3cret");
	struct credential *reload = read_one(
		JWT
		"ClientSecret=stored:\nAudience=https://x.example\nSessionTimeout=30s\nAlias=x y\n"
		"IdleStop=1h\nRequired=yes\n[Access]\nAllowUser=1234\nAllowGroup=77 78\n");
	REQUIRE(reload);
	/* the next reload must find nothing to do */
	CHECK(credential_equal(both, reload));
	CHECK_INT(both->n_gids, 2);
	config_origin_of(both->origin, "Credential", "Audience", &file, &line);
	CHECK_STR(file, fixture_path(&f, "credentials/a.conf"));
	CHECK_INT(line, 8);
	config_origin_of(both->origin, "Access", "AllowGroup", &file, &line);
	CHECK_INT(line, 15);
	CHECK_STR(both->files.items[0].path, fixture_path(&f, "credentials/a.conf"));
	struct credential *without = credential_with_secret(both, STORED_PRIVATE_KEY, NULL,
							    refuse_bad, &err);

	REQUIRE(without);
	CHECK(!without->private_key && without->client_secret);
	CHECK(strstr(credential_missing(without), "PrivateKey=stored: is not given yet") != NULL);
	credential_unref(c);
	credential_unref(one);
	credential_unref(reload);
	expect_value(both->private_key, "pem");
	credential_unref(both);
	credential_unref(without);
	secret_unref(key);
	secret_unref(secret);
	end();
}

TEST(what_does_not_fit_is_refused_and_changes_nothing)
{
	begin();
	put(STORED_PRIVATE_KEY, "pem");
	struct credential *c = read_one(JWT);
	struct secret *bad = secret_new("bad", 3), *blank = secret_new("hun ter2", 8),
		      *empty = secret_new("", 0);

	REQUIRE(c);
	CHECK(!credential_with_secret(c, STORED_CLIENT_SECRET, bad, refuse_bad, &err));
	CHECK_INT(err.code, ERR_INPUT);
	CHECK_STR(err.text, "\"a\" keeps no such secret in the store: its file has no line "
			    "ClientSecret=stored: — add it and reload");
	CHECK(!credential_with_secret(c, STORED_ASSERTION, bad, refuse_bad, &err));
	CHECK_INT(err.code, ERR_INPUT);
	CHECK(!credential_with_secret(c, STORED_PRIVATE_KEY, bad, refuse_bad, &err));
	CHECK_INT(err.code, ERR_ADMIN);
	CHECK_STR(err.text, "no usable RSA key");
	CHECK(!credential_with_secret(c, STORED_PRIVATE_KEY, empty, refuse_bad, &err));
	CHECK_INT(err.code, ERR_ADMIN);
	expect_value(c->private_key, "pem");
	credential_unref(c);
	c = read_one(CLIENT);
	REQUIRE(c);
	CHECK(!credential_with_secret(c, STORED_CLIENT_SECRET, blank, refuse_bad, &err));
	CHECK_INT(err.code, ERR_ADMIN);
	CHECK(!strstr(err.text, "ter2"));
	credential_unref(c);
	secret_unref(bad);
	secret_unref(blank);
	secret_unref(empty);
	end();
}

TEST(the_reference_is_printed_and_nothing_is_asked_of_a_check)
{
	begin();
	fixture_write(&f, "credentials/a.conf", JWT "ClientSecret=stored:\n");
	f.check_key = refuse_bad;
	CHECK_STR(fixture_check(&f), "");
	CHECK_INT(f.status, 0);
	CHECK(strstr(f.merged, "ClientSecret=stored:    # credentials/a.conf:7\n") != NULL);
	CHECK(strstr(f.merged, "PrivateKey=stored:    # credentials/a.conf:6\n") != NULL);
	CHECK(strstr(f.merged, "Key=auto    # default\n") != NULL);
	CHECK(strstr(f.merged, "KeepAlive=14d    # default\n") != NULL);
	fixture_write(&f, "credentials/a.conf", REFRESH "IdleStop=2d\n");
	CHECK_STR(fixture_check(&f), "");
	CHECK(strstr(f.merged, "GrantType=refresh_token    # credentials/a.conf:2\n") != NULL);
	CHECK(strstr(f.merged, "IdleStop=2d    # credentials/a.conf:5\n") != NULL);
	end();
}

TEST(a_refresh_grant_stops_when_nobody_comes)
{
	static const struct {
		const char *text;
		bool renew;
		int64_t stop_ms;
	} rows[] = {
		{ REFRESH, true, INT64_C(7) * DAY_MS },
		{ REFRESH "IdleStop=\n", true, INT64_C(7) * DAY_MS },
		{ REFRESH "IdleStop=3d\n", true, INT64_C(3) * DAY_MS },
		{ REFRESH "IdleStop=0\n", true, 0 },
		{ REFRESH "RenewWhenIdle=yes\n", true, 0 },
		{ REFRESH "RenewWhenIdle=yes\nIdleStop=1h\n", true, 3600000 },
		{ REFRESH "RenewWhenIdle=no\n", false, INT64_C(7) * DAY_MS },
		{ CLIENT, true, 0 },
		{ CLIENT "IdleStop=90min\n", true, 5400000 },
		{ JWT "RenewWhenIdle=no\n", false, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		check_row(rows[i].text);
		struct credential *c = read_one(rows[i].text);

		REQUIRE(c);
		CHECK_INT(c->renew_when_idle, rows[i].renew);
		CHECK_INT(c->idle_stop_ms, rows[i].stop_ms);
		credential_unref(c);
		end();
	}
}

CHECK_MAIN()

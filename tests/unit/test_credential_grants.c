/* SPDX-License-Identifier: Apache-2.0 */
/* Every key with every grant: what fits, what does not, what is needed, and what becomes of what is not written. */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "daemon/mint/credential.h"
#include "tests/unit/config_fixture.h"

#define SERVER "LoginUrl=https://a.my.salesforce.com\n"
#define HEAD(grant) "[Credential]\nGrantType=" grant "\nClientId=id\n"
#define BASE(grant) HEAD(grant) SERVER

/* What each grant needs and no more. */
static const char *const bases[] = {
	[GRANT_WEB_SERVER] = BASE("web_server"),
	[GRANT_USER_AGENT] = BASE("user_agent") "AllowUserAgent=yes\n",
	[GRANT_JWT_BEARER] = BASE("jwt_bearer") "Username=u\nPrivateKey=file:@DIR@/key.pem\n",
	[GRANT_CLIENT_CREDENTIALS] = BASE("client_credentials") "ClientSecret=stored:\n",
	[GRANT_DEVICE] = BASE("device"),
	[GRANT_REFRESH_TOKEN] = BASE("refresh_token"),
	[GRANT_SAML_BEARER] = BASE("saml_bearer") "Username=u\nPrivateKey=file:@DIR@/key.pem\n",
	[GRANT_TOKEN_EXCHANGE] = BASE("token_exchange") "SubjectToken=file:@DIR@/secret.txt\n",
};
enum { GRANTS = sizeof(bases) / sizeof(bases[0]) };

#define WEB bases[GRANT_WEB_SERVER]
#define KEY "PrivateKey=file:@DIR@/key.pem\n"

static struct fixture f;
static struct config_notes notes, warnings;

static void begin(void)
{
	fixture_init(&f);
	fixture_write_bytes(&f, "secret.txt", "s3cret\n", 7, 0600);
	fixture_write_bytes(&f, "pin.txt", "5678\n", 5, 0600);
	fixture_write_bytes(&f, "key.pem", "pem\n", 4, 0600);
}

static void end(void)
{
	config_notes_fini(&notes);
	config_notes_fini(&warnings);
	fixture_fini(&f);
}

static const char *check_text(const char *base, const char *more)
{
	char text[2000];

	snprintf(text, sizeof(text), "%s%s", base, more);
	fixture_write(&f, "credentials/a.conf", text);
	return fixture_check(&f);
}

/* The only credential; NULL when there are mistakes. The caller unrefs. */
static struct credential *read_one(const char *base, const char *more)
{
	struct places places = { .config_option = strdup(f.dir),
				 .state_option = strdup("/s"),
				 .runtime_option = strdup("/r") };
	struct credential *c = NULL;
	struct err err = { 0 };
	char text[2000];

	config_notes_fini(&notes);
	config_notes_fini(&warnings);
	snprintf(text, sizeof(text), "%s%s", base, more);
	fixture_write(&f, "credentials/a.conf", text);
	places_resolve(&places, &err);
	struct settings *s = settings_read(&places, f.uid, &notes, &err);
	struct credential_set *set = credential_set_read(&places, s, f.uid, NULL, NULL, &notes,
							 &warnings, &err);

	if (CHECK(set && set->n == 1) && CHECK_INT(notes.n, 0))
		c = credential_ref(set->items[0]);
	for (size_t i = 0; i < notes.n; i++)
		printf("# %s\n", notes.items[i].text);
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

#define W (1u << GRANT_WEB_SERVER)
#define U (1u << GRANT_USER_AGENT)
#define J (1u << GRANT_JWT_BEARER)
#define C (1u << GRANT_CLIENT_CREDENTIALS)
#define D (1u << GRANT_DEVICE)
#define R (1u << GRANT_REFRESH_TOKEN)
#define S (1u << GRANT_SAML_BEARER)
#define X (1u << GRANT_TOKEN_EXCHANGE)
#define ALL 0xffu

/* A line, and with which grants there is nothing wrong with it. */
static const struct {
	const char *line;
	unsigned fits;
} lines[] = {
	{ "Username=u@example.com\n", W | U | J | D | R | S },
	{ "ClientSecret=stored:\n", ALL },
	{ "ClientSecret=stored:\nClientAuth=client_secret_post\n", ALL },
	{ "ClientSecret=stored:\nClientAuth=client_secret_basic\n", ALL },
	{ "ClientSecret=stored:\nClientAuth=none\n", 0 },
	{ "ClientSecret=stored:\nClientAuth=private_key_jwt\n" KEY, 0 },
	{ "ClientSecret=\nClientAuth=private_key_jwt\n" KEY, ALL },
	{ "ClientSecret=\nClientAuth=client_secret_post\n", 0 },
	{ "ClientSecret=\nClientAuth=client_secret_basic\n", 0 },
	{ "ClientSecret=\nClientAuth=none\n", ALL & ~C },
	{ "ClientSecret=\n", ALL & ~C },
	{ "ClientSecret=\nIntrospect=yes\n", 0 },
	{ "ClientSecret=\nIntrospect=yes\nClientAuth=private_key_jwt\n" KEY, ALL },
	{ "ClientSecret=stored:\nIntrospect=yes\n", ALL },
	{ KEY, J | S },
	{ "PrivateKey=\n", ALL & ~(J | S) },
	{ "Passphrase=file:@DIR@/pin.txt\n", J | S },
	{ KEY "Passphrase=file:@DIR@/pin.txt\n", J | S },
	{ "Audience=https://login.salesforce.com\n", J | S },
	{ "Recipient=https://login.salesforce.com/services/oauth2/token\n", S },
	{ "PrivateKey=\nAssertion=file:@DIR@/secret.txt\n", S },
	{ "PrivateKey=\nUsername=\nAssertion=stored:\n", S },
	{ "Assertion=stored:\n" KEY, 0 },
	{ "Assertion=stored:\nClientAuth=private_key_jwt\n" KEY, S },
	{ "PrivateKey=\nAssertion=stored:\nAudience=https://login.salesforce.com\n", 0 },
	{ "PrivateKey=\nAssertion=stored:\nRecipient=https://login.salesforce.com\n", 0 },
	{ "SubjectToken=file:@DIR@/secret.txt\n", X },
	{ "SubjectToken=\n", ALL & ~X },
	{ "SubjectTokenType=jwt\n", X },
	{ "SubjectTokenType=urn:ietf:params:oauth:token-type:JWT\n", X },
	{ "TokenHandler=My_Handler\n", X },
	{ "Scopes=api refresh_token\n", W | U | D | R | X },
	{ "LoginUrl=\nIssuer=https://idp.example\n", ALL },
	{ "LoginUrl=\nIssuer=https://idp.example\nScopes=openid\n", W | U | D | R | X | C },
	{ "LoginUrl=\nIssuer=https://idp.example\nTokenHandler=x\n", 0 },
	{ "LoginUrl=\nIssuer=https://idp.example\nInstanceUrl=https://idp.example\n", ALL },
	{ "LoginUrl=\nIssuer=https://idp.example\nInstanceUrl=https://a.my.salesforce.com\n", ALL },
	{ "InstanceUrl=https://a.my.salesforce.com\n", 0 },
	{ "Issuer=https://idp.example\n", 0 },
	{ "RedirectUri=https://app.example/cb\n", W | U | D | R },
	{ "Dialect=salesforce\n", W | D | R },
	{ "Dialect=rfc8628\n", 0 },
	{ "LoginUrl=\nIssuer=https://idp.example\nDialect=rfc8628\n", W | D | R },
	{ "LoginUrl=\nIssuer=https://idp.example\nDialect=salesforce\n", W | D | R },
	{ "AllowUserAgent=yes\n", U },
	{ "AllowUserAgent=no\n", ALL & ~U },
	{ "[Access]\nAllowLogin=1234 @77\n", W | U | D | R },
	{ "[Access]\nAllowUser=1234\n", ALL },
};

TEST(every_key_fits_the_grants_that_use_it_and_no_other)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (unsigned grant = 0; grant < GRANTS; grant++) {
			char row[300];
			bool fits = lines[i].fits >> grant & 1;

			snprintf(row, sizeof(row), "%s + %s", grant_type_names[grant],
				 lines[i].line);
			check_row(row);
			begin();
			check_text(bases[grant], lines[i].line);
			if (!CHECK_INT(f.status, fits ? 0 : 78))
				printf("# %s\n", f.problems);
			end();
		}
}

TEST(redirect_uris_that_are_fine)
{
	static const char *const rows[] = {
		"http://localhost:1717/OauthRedirect",
		"http://localhost:0/cb",
		"http://127.0.0.1:0",
		"http://[::1]:0/cb",
		"http://127.0.0.1/",
		"https://app.example:8443/cb",
		"com.example.app:/cb",
		"sfdc://success",
		"https://login.salesforce.com/services/oauth2/success",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[200];

		begin();
		check_row(rows[i]);
		snprintf(line, sizeof(line), "RedirectUri=%s\n", rows[i]);
		struct credential *c = read_one(WEB, line);

		REQUIRE(c);
		CHECK_STR(c->redirect_uri, rows[i]);
		credential_unref(c);
		end();
	}
}

TEST(what_is_not_written_has_a_default)
{
	begin();
	struct credential *c = read_one(WEB, "");

	REQUIRE(c);
	CHECK_STR(c->redirect_uri, "http://localhost:1717/OauthRedirect");
	CHECK_STR(c->scopes, NULL);
	CHECK_STR(c->issuer, NULL);
	CHECK_STR(c->instance_url, NULL);
	CHECK_STR(c->subject_token_type, NULL);
	CHECK_INT(c->client_auth, CLIENT_AUTH_NONE);
	CHECK_INT(c->dialect, DIALECT_SALESFORCE);
	CHECK_INT(c->n_login_uids + c->n_login_gids, 0);
	CHECK(!c->allow_user_agent);
	credential_unref(c);
	c = read_one(bases[GRANT_TOKEN_EXCHANGE], "");
	REQUIRE(c);
	CHECK_STR(c->redirect_uri, NULL);
	CHECK_STR(c->subject_token_type, "urn:ietf:params:oauth:token-type:access_token");
	expect_value(c->subject_token, "s3cret");
	credential_unref(c);
	c = read_one(bases[GRANT_CLIENT_CREDENTIALS], "");
	REQUIRE(c);
	CHECK_INT(c->client_auth, CLIENT_SECRET_POST);
	credential_unref(c);
	c = read_one(HEAD("device"), "Issuer=HTTPS://IDP.example:443/tenant/\n");
	REQUIRE(c);
	CHECK_STR(c->issuer, "HTTPS://IDP.example:443/tenant/");
	CHECK_STR(c->login_url, "https://idp.example/tenant");
	CHECK_STR(c->instance_url, "https://idp.example");
	CHECK_INT(c->dialect, DIALECT_RFC8628);
	char *origin = credential_origin(c);

	CHECK_STR(origin, "device\nhttps://idp.example/tenant\nid\n");
	free(origin);
	credential_unref(c);
	end();
}

TEST(values_are_read_as_they_are_written)
{
	begin();
	struct credential *c = read_one(
		bases[GRANT_SAML_BEARER],
		"Passphrase=file:@DIR@/pin.txt\nAudience=https://x.example\n"
		"Recipient=https://y.example\n");

	REQUIRE(c);
	expect_value(c->private_key, "pem\n");
	expect_value(c->passphrase, "5678");
	CHECK_STR(c->recipient, "https://y.example");
	credential_unref(c);
	c = read_one(bases[GRANT_SAML_BEARER], "PrivateKey=\nAssertion=file:@DIR@/secret.txt\n");
	REQUIRE(c);
	expect_value(c->assertion, "s3cret");
	credential_unref(c);
	c = read_one(WEB, "Scopes=  api\trefresh_token   web \nClientAuth=private_key_jwt\n" KEY
			  "[Access]\nAllowLogin=30 @8 20 @7 20\n");
	REQUIRE(c);
	CHECK_STR(c->scopes, "api refresh_token web");
	CHECK_INT(c->client_auth, PRIVATE_KEY_JWT);
	CHECK_INT(c->n_login_uids, 2);
	CHECK(c->login_uids[0] == 20 && c->login_uids[1] == 30);
	CHECK_INT(c->n_login_gids, 2);
	CHECK(c->login_gids[0] == 7 && c->login_gids[1] == 8);
	credential_unref(c);
	end();
}

TEST(a_uri_is_the_key_and_its_pin_is_not_printed)
{
	static const char
		line[] = "PrivateKey=pkcs11:token=t;object=k?pin-value=hunter2&module-path=/x\n";

	begin();
	struct credential *c = read_one(bases[GRANT_JWT_BEARER], "PrivateKey=handle:0x81000001\n");

	REQUIRE(c);
	expect_value(c->private_key, "handle:0x81000001");
	CHECK_INT(warnings.n, 0);
	credential_unref(c);
	c = read_one(bases[GRANT_JWT_BEARER], line);
	REQUIRE(c && warnings.n == 1);
	expect_value(c->private_key, "pkcs11:token=t;object=k?pin-value=hunter2&module-path=/x");
	CHECK(strstr(warnings.items[0].text, "Passphrase=file:PATH") != NULL);
	CHECK(!strstr(c->private_key_ref, "hunter2"));
	credential_unref(c);
	CHECK(!strstr(check_text(bases[GRANT_JWT_BEARER], line), "hunter2"));
	CHECK(strstr(f.merged, "PrivateKey=pkcs11:token=t;object=k?pin-value=...&module-path=/x"));
	CHECK(!strstr(f.merged, "hunter2"));
	check_text(WEB, line);
	CHECK(!strstr(f.merged, "hunter2"));
	end();
}

TEST(what_changes_makes_a_credential_another)
{
	static const char *const changes[] = {
		"Scopes=api refresh_token\n",
		"RedirectUri=https://app.example/cb\n",
		"ClientAuth=private_key_jwt\n" KEY,
		"LoginUrl=\nIssuer=https://a.my.salesforce.com\n",
		"[Access]\nAllowLogin=5\n",
		"[Access]\nAllowLogin=@5\n",
	};

	begin();
	struct credential *first = read_one(WEB, ""), *second = read_one("\n", WEB);

	REQUIRE(first && second);
	CHECK(credential_equal(first, second));
	credential_unref(second);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		check_row(changes[i]);
		second = read_one(WEB, changes[i]);
		CHECK(second && !credential_equal(first, second));
		credential_unref(second);
	}
	credential_unref(first);
	end();
}

TEST(a_changed_secret_makes_a_credential_another)
{
	static const struct {
		int grant;
		const char *more;
	} rows[] = {
		{ GRANT_JWT_BEARER, "Passphrase=file:@DIR@/secret.txt\n" },
		{ GRANT_SAML_BEARER, "PrivateKey=\nAssertion=file:@DIR@/secret.txt\n" },
		{ GRANT_TOKEN_EXCHANGE, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		struct credential *a = read_one(bases[rows[i].grant], rows[i].more);

		fixture_write_bytes(&f, "secret.txt", "changed\n", 8, 0600);
		struct credential *b = read_one(bases[rows[i].grant], rows[i].more);

		REQUIRE(a && b);
		check_row(grant_type_names[rows[i].grant]);
		CHECK(credential_equal(a, a) && !credential_equal(a, b));
		credential_unref(a);
		credential_unref(b);
		end();
	}
}

TEST(a_copy_with_another_assertion_has_all_the_rest)
{
	struct err err = { 0 };

	begin();
	struct credential *c = read_one(bases[GRANT_SAML_BEARER],
					"PrivateKey=\nAssertion=stored:\nScopes=\n");
	struct secret *value = secret_new("<a/>", 4), *empty = secret_new("", 0);

	REQUIRE(c);
	CHECK_STR(credential_missing(c),
		  "Assertion=stored: is not given yet — sftoken import a --kind assertion < FILE");
	CHECK(!credential_with_secret(c, STORED_ASSERTION, empty, NULL, &err));
	struct credential *with = credential_with_secret(c, STORED_ASSERTION, value, NULL, &err);

	REQUIRE(with);
	expect_value(with->assertion, "<a/>");
	CHECK_STR(credential_missing(with), NULL);
	CHECK(!credential_equal(c, with));
	credential_unref(c);
	credential_unref(with);
	c = read_one(bases[GRANT_DEVICE],
		     "ClientSecret=stored:\nScopes=api refresh_token\n[Access]\nAllowLogin=1 @2\n");
	REQUIRE(c);
	with = credential_with_secret(c, STORED_CLIENT_SECRET, value, NULL, &err);
	struct credential *back = with ? credential_with_secret(with, STORED_CLIENT_SECRET, NULL,
								NULL, &err)
				       : NULL;

	REQUIRE(with && back);
	CHECK(credential_equal(c, back) && back->n_login_uids == 1 && back->n_login_gids == 1);
	credential_unref(c);
	credential_unref(with);
	credential_unref(back);
	secret_unref(value);
	secret_unref(empty);
	end();
}

TEST(logins_stop_renewing_when_nobody_comes)
{
	static const int64_t week_ms = INT64_C(7) * 24 * 3600 * 1000;

	for (unsigned grant = 0; grant < GRANTS; grant++) {
		bool stops = (W | D | R) >> grant & 1;

		begin();
		check_row(grant_type_names[grant]);
		struct credential *c = read_one(bases[grant], "");

		REQUIRE(c);
		CHECK_INT(c->idle_stop_ms, stops ? week_ms : 0);
		credential_unref(c);
		end();
	}
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Credential files: every key, what does not fit, what a later version will know, and the set as a
 * whole. */
#include "tests/unit/check.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/mint/credential.h"
#include "tests/unit/config_fixture.h"

#define CLIENT \
	"[Credential]\nGrantType=client_credentials\nLoginUrl=https://" \
	"a.my.salesforce.com\nClientId=id\n" \
	"ClientSecret=file:@DIR@/secret.txt\n"
#define JWT \
	"[Credential]\nGrantType=jwt_bearer\nLoginUrl=https://a.my.salesforce.com\nClientId=id\n" \
	"Username=u@example.com\nPrivateKey=file:@DIR@/key.pem\n"
#define REFRESH \
	"[Credential]\nGrantType=refresh_token\nLoginUrl=https://" \
	"a.my.salesforce.com\nClientId=id\n"

static int refuse_key(const struct secret *pem, const struct secret *passphrase, struct err *err)
{
	(void)passphrase;
	(void)pem;
	return err_set(err, ERR_ADMIN, "no usable RSA key — make one with openssl genrsa");
}

static int judged;

static int count_key(const struct secret *pem, const struct secret *passphrase, struct err *err)
{
	(void)passphrase;
	(void)pem;
	(void)err;
	judged++;
	return 0;
}

static void begin(struct fixture *f)
{
	fixture_init(f);
	fixture_write_bytes(f, "secret.txt", "s3cret\n", 7, 0600);
	fixture_write_bytes(f, "key.pem", "pem\n", 4, 0600);
}

/* The set as it stands; mistakes fail the test. The caller unrefs. */
static struct credential_set *read_set(struct fixture *f)
{
	struct places places = { .config_option = strdup(f->dir),
				 .state_option = strdup("/s"),
				 .runtime_option = strdup("/r") };
	struct config_notes notes = { 0 }, warnings = { 0 };
	struct err err = { 0 };

	places_resolve(&places, &err);
	struct settings *s = settings_read(&places, f->uid, &notes, &err);
	struct credential_set *set = credential_set_read(&places, s, f->uid, NULL, NULL, &notes,
							 &warnings, &err);

	CHECK_INT(notes.n, 0);
	config_notes_fini(&notes);
	config_notes_fini(&warnings);
	settings_unref(s);
	places_fini(&places);
	return set;
}

static struct credential_set *read_one(struct fixture *f, const char *text)
{
	fixture_write(f, "credentials/a.conf", text);
	return read_set(f);
}

TEST(every_key_of_a_jwt_credential_is_read)
{
	struct fixture f;

	begin(&f);
	struct credential_set *set = read_one(
		&f, "[Credential]\nGrantType=jwt_bearer\nLoginUrl=HTTPS://"
		    "A.my.site.com:443/site/\nClientId=3MVG9.x_y\nUsername=u@example.com\n"
		    "PrivateKey=file:@DIR@/key.pem\nClientSecret=file:@DIR@/"
		    "secret.txt\nAudience=https://login.salesforce.com\n"
		    "SessionTimeout=30s\nRenewAt=66%\nIntrospect=yes\nRenewWhenIdle="
		    "no\nAlias=x y\nRequired=yes\n"
		    "[Access]\nAllowUser=1234 root\nAllowGroup=77\nRoot=no\n");

	REQUIRE(set && set->n == 1);
	const struct credential *c = set->items[0];

	CHECK_STR(c->name, "a");
	CHECK_INT(c->grant_type, GRANT_JWT_BEARER);
	CHECK_STR(c->login_url, "https://a.my.site.com/site");
	CHECK_STR(c->client_id, "3MVG9.x_y");
	CHECK_STR(c->username, "u@example.com");
	CHECK_MEM(secret_bytes(c->private_key), secret_size(c->private_key), "pem\n", 4);
	CHECK_MEM(secret_bytes(c->client_secret), secret_size(c->client_secret), "s3cret", 6);
	CHECK_STR(c->audience, "https://login.salesforce.com");
	CHECK_INT(c->session_timeout_ms, 30000);
	CHECK_INT(c->renew_at_percent, 66);
	CHECK_INT(c->introspect, INTROSPECT_YES);
	CHECK(!c->renew_when_idle && c->required && !c->root);
	CHECK(credential_set_find(set, "y") == c && credential_set_find(set, "a") == c &&
	      !credential_set_find(set, "z"));
	CHECK(c->n_uids >= 2 && c->uids[0] == 0 && c->uids[1] > 0);
	CHECK_INT(c->n_gids, 1);
	CHECK_INT(c->gids[0], 77);
	credential_set_unref(set);
	fixture_fini(&f);
}

TEST(defaults_are_those_of_the_contract)
{
	struct fixture f;

	begin(&f);
	struct credential_set *set = read_one(
		&f, CLIENT "AllowUserAgent=no\nScopes=\nIdleStop=\n[Access]\nAllowUnit=\n");

	REQUIRE(set && set->n == 1);
	const struct credential *c = set->items[0];

	CHECK_INT(c->grant_type, GRANT_CLIENT_CREDENTIALS);
	CHECK_INT(c->session_timeout_ms, 7200000);
	CHECK_INT(c->renew_at_percent, 0);
	CHECK_INT(c->introspect, INTROSPECT_AUTO);
	CHECK(c->renew_when_idle && !c->required && c->root);
	CHECK_INT(c->uids[0], 0);
	CHECK_INT(c->uids[c->n_uids - 1], f.uid);
	CHECK_INT(c->n_gids, 0);
	CHECK_STR(c->audience, NULL);
	CHECK_STR(c->username, NULL);
	credential_set_unref(set);
	fixture_fini(&f);
}

TEST(nobody_but_the_service_user_without_root)
{
	struct fixture f;

	begin(&f);
	f.uid = 4321;
	if (geteuid() == 0) {
		CHECK_INT(chown(fixture_path(&f, "secret.txt"), 4321, 4321), 0);
	} else {
		f.uid = geteuid();
	}
	struct credential_set *set = read_one(&f, CLIENT "[Access]\nRoot=no\n");

	REQUIRE(set && set->n == 1);
	CHECK_INT(set->items[0]->n_uids, 1);
	CHECK_INT(set->items[0]->uids[0], f.uid);
	credential_set_unref(set);
	fixture_fini(&f);
}

static const struct {
	const char *text, *said;
} mistakes[] = {
	{ "[Credential]\nLoginUrl=https://a.my.salesforce.com\nClientId=id\n",
	  "credentials/a.conf: GrantType= is missing — write how tokens are got, for example "
	  "GrantType=jwt_bearer, see sftokend.credential(5)\n" },
	{ "[Credential]\nGrantType=client_credentials\nClientId=id\nClientSecret=file:@DIR@/"
	  "secret.txt\n",
	  "credentials/a.conf: LoginUrl= is missing — write the org's URL, for example "
	  "https://example.my.salesforce.com\n" },
	{ "[Credential]\nGrantType=client_credentials\nLoginUrl=https://"
	  "a.my.salesforce.com\nClientSecret=file:@DIR@/secret.txt\n",
	  "credentials/a.conf: ClientId= is missing — write the consumer key of the connected "
	  "app\n" },
	{ "[Credential]\nGrantType=client_credentials\nLoginUrl=https://"
	  "a.my.salesforce.com\nClientId=id\n",
	  "credentials/a.conf: ClientSecret= is missing — write where the consumer secret is, "
	  "file:PATH, credential:ID or stored:\n" },
	{ "[Credential]\nGrantType=jwt_bearer\nLoginUrl=https://a.my.salesforce.com\nClientId=id\n",
	  "credentials/a.conf: PrivateKey= is missing — write where the RSA key is, file:PATH, "
	  "credential:ID, stored:, pkcs11:… or handle:…\n"
	  "credentials/a.conf: Username= is missing — write the user for whom tokens are asked\n" },
	{ "[Credential]\nGrantType=jwt\nLoginUrl=https://a.my.salesforce.com\nClientId=id\n",
	  "credentials/a.conf:2: GrantType=jwt is unknown — write one of: web_server, "
	  "user_agent, jwt_bearer, client_credentials, device, refresh_token, saml_bearer, "
	  "token_exchange\n" },
	{ CLIENT "ClientId=a b\n", "credentials/a.conf:6: ClientId= holds a blank or a byte that "
				   "is not ASCII — copy the consumer key alone\n" },
	{ CLIENT "LoginUrl=http://a.my.salesforce.com\n",
	  "credentials/a.conf:6: LoginUrl= is http:, which is for 127.0.0.1 and [::1] only — write "
	  "https:\n" },
	{ CLIENT "LoginUrl=http://127.0.0.1.evil.com\n",
	  "credentials/a.conf:6: LoginUrl= is http:, which is for 127.0.0.1 and [::1] only — write "
	  "https:\n" },
	{ CLIENT "LoginUrl=https://me:pw@a.my.salesforce.com\n",
	  "credentials/a.conf:6: LoginUrl=: the URL holds a user or a password — remove everything "
	  "up to the @\n" },
	{ CLIENT "LoginUrl=https://a.my.salesforce.com/?x\n",
	  "credentials/a.conf:6: LoginUrl=: the URL has a query or a fragment — remove everything "
	  "from the ? or # on\n" },
	{ CLIENT "LoginUrl=https://login.salesforce.com\n",
	  "credentials/a.conf:6: LoginUrl=https://login.salesforce.com does not serve "
	  "client_credentials: Salesforce does so on the org's My "
	  "Domain alone — write https://MYDOMAIN.my.salesforce.com\n" },
	{ CLIENT "LoginUrl=https://test.salesforce.com\n",
	  "credentials/a.conf:6: LoginUrl=https://test.salesforce.com does not serve "
	  "client_credentials: Salesforce does so on the org's My "
	  "Domain alone — write https://MYDOMAIN.my.salesforce.com\n" },
	{ CLIENT "Username=u\n", "credentials/a.conf:6: Username= does not fit "
				 "GrantType=client_credentials — remove the line\n" },
	{ CLIENT "PrivateKey=file:/x\n", "credentials/a.conf:6: PrivateKey= does not fit "
					 "GrantType=client_credentials — remove the line, or write "
					 "ClientAuth=private_key_jwt\n" },
	{ REFRESH "PrivateKey=file:/x\n",
	  "credentials/a.conf:5: PrivateKey= does not fit GrantType=refresh_token — remove the "
	  "line, or write ClientAuth=private_key_jwt\n" },
	{ REFRESH "PrivateKey=stored:\n",
	  "credentials/a.conf:5: PrivateKey= does not fit GrantType=refresh_token — remove the "
	  "line, or write ClientAuth=private_key_jwt\n" },
	{ REFRESH "Audience=https://x.example\n",
	  "credentials/a.conf:5: Audience= does not fit GrantType=refresh_token — remove the "
	  "line\n" },
	{ REFRESH "Username=a b\n",
	  "credentials/a.conf:5: Username= holds a blank — write the user name alone\n" },
	{ REFRESH "Introspect=yes\n", "credentials/a.conf:5: Introspect=yes needs ClientSecret= — "
				      "add it, or write Introspect=no\n" },
	{ "[Credential]\nGrantType=refresh_token\n",
	  "credentials/a.conf: LoginUrl= is missing — write the org's URL, for example "
	  "https://example.my.salesforce.com\n"
	  "credentials/a.conf: ClientId= is missing — write the consumer key of the connected "
	  "app\n" },
	{ CLIENT "IdleStop=366d\n",
	  "credentials/a.conf:6: IdleStop=366d is out of range — write a value from 0s to 365d\n" },
	{ CLIENT "IdleStop=week\n",
	  "credentials/a.conf:6: IdleStop=week is not a duration — write for example 500ms, 30s, "
	  "5min, 2h or 7d\n" },
	{ CLIENT "ClientSecret=stored:hunter2\n",
	  "credentials/a.conf:6: ClientSecret=stored: takes nothing after the colon — write "
	  "ClientSecret=stored:\n" },
	{ JWT "PrivateKey=stored:hunter2\n",
	  "credentials/a.conf:7: PrivateKey=stored: takes nothing after the colon — write "
	  "PrivateKey=stored:\n" },
	{ CLIENT "Audience=https://x.example\n",
	  "credentials/a.conf:6: Audience= does not fit GrantType=client_credentials — remove the "
	  "line\n" },
	{ JWT "Username=a b\n",
	  "credentials/a.conf:7: Username= holds a blank — write the user name alone\n" },
	{ JWT "Audience=login.salesforce.com\n",
	  "credentials/a.conf:7: Audience= is not a URL — write for example "
	  "https://login.salesforce.com, or remove the line\n" },
	{ JWT "Introspect=yes\n", "credentials/a.conf:7: Introspect=yes needs ClientSecret= — add "
				  "it, or write Introspect=no\n" },
	{ CLIENT "RenewAt=9%\n",
	  "credentials/a.conf:6: RenewAt=9% is out of range — write a value from 10% to 90%\n" },
	{ CLIENT "RenewAt=91\n",
	  "credentials/a.conf:6: RenewAt=91 is out of range — write a value from 10% to 90%\n" },
	{ CLIENT "SessionTimeout=999ms\n", "credentials/a.conf:6: SessionTimeout=999ms is out of "
					   "range — write a value from 1s to 1d\n" },
	{ CLIENT "SessionTimeout=25h\n", "credentials/a.conf:6: SessionTimeout=25h is out of range "
					 "— write a value from 1s to 1d\n" },
	{ CLIENT "Alias=-x\n", "credentials/a.conf:6: Alias=-x is not a name — letters, digits and "
			       ". _ @ - (at most 128, a letter or digit first)\n" },
	{ CLIENT "Alias=1 2 3 4 5 6 7 8 9\n",
	  "credentials/a.conf:6: Alias= has 9 names — at most 8 are allowed\n" },
	{ CLIENT "Alias=x x\n", "credentials/a.conf:6: Alias=x is there twice, or is the "
				"credential's own name — remove it\n" },
	{ CLIENT "ClientSecret=hunter2\n",
	  "credentials/a.conf:6: ClientSecret=: this is not a reference — secrets are never in "
	  "this file: write file:PATH, credential:ID or stored:\n" },
	{ CLIENT "[Access]\nAllowUser=no-such-user-here\n",
	  "credentials/a.conf:7: AllowUser=no-such-user-here: there is no such user — create it or "
	  "mend the name\n" },
	{ CLIENT "[Access]\nAllowGroup=no-such-group-here\n",
	  "credentials/a.conf:7: AllowGroup=no-such-group-here: there is no such group — create it "
	  "or mend the name\n" },
	{ CLIENT "[Access]\nAllowUser=65534\n",
	  "credentials/a.conf:7: AllowUser=65534: 65534 stands for everybody whom the kernel "
	  "cannot name, so it never matches — choose another\n" },
	{ CLIENT "[Access]\nAllowGroup=65534\n",
	  "credentials/a.conf:7: AllowGroup=65534: 65534 stands for everybody whom the kernel "
	  "cannot name, so it never matches — choose another\n" },
	{ CLIENT "[Access]\nAllowUser=4294967295\n",
	  "credentials/a.conf:7: AllowUser=4294967295: there is no such number — write 0 to "
	  "4294967294\n" },
	{ CLIENT "AllowUser=root\n", "credentials/a.conf:6: AllowUser= does not belong into "
				     "[Credential] — move it to [Access]\n" },
};

TEST(every_mistake_says_what_to_do)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct fixture f;

		begin(&f);
		fixture_write(&f, "credentials/a.conf", mistakes[i].text);
		check_row(mistakes[i].said);
		CHECK_STR(fixture_check(&f), mistakes[i].said);
		CHECK_INT(f.status, 78);
		CHECK(!strstr(f.merged, "hunter2") && !strstr(f.merged, "me:pw"));
		fixture_fini(&f);
	}
}

TEST(the_caller_judges_the_key)
{
	struct fixture f;

	begin(&f);
	f.check_key = refuse_key;
	fixture_write(&f, "credentials/a.conf", JWT);
	CHECK_STR(fixture_check(&f), "credentials/a.conf:6: PrivateKey=: no usable RSA key — make "
				     "one with openssl genrsa\n");
	fixture_fini(&f);
}

TEST(a_key_that_many_share_is_judged_once_a_load)
{
	struct fixture f;

	begin(&f);
	f.check_key = count_key;
	fixture_write_bytes(&f, "other.pem", "pem2\n", 5, 0600);
	fixture_write(&f, "credentials/a.conf", JWT);
	fixture_write(&f, "credentials/b.conf", JWT);
	fixture_write(&f, "credentials/c.conf", JWT);
	judged = 0;
	CHECK_STR(fixture_check(&f), "");
	CHECK_INT(judged, 1);
	/* another file is another key, and the next load judges all anew */
	fixture_write(&f, "credentials/d.conf",
		      "[Credential]\nGrantType=jwt_bearer\nLoginUrl=https://a.my.salesforce.com\n"
		      "ClientId=id\nUsername=u@example.com\nPrivateKey=file:@DIR@/other.pem\n");
	judged = 0;
	CHECK_STR(fixture_check(&f), "");
	CHECK_INT(judged, 2);
	/* the same with a passphrase is another question */
	fixture_write(&f, "credentials/c.conf", JWT "Passphrase=file:@DIR@/secret.txt\n");
	judged = 0;
	CHECK_STR(fixture_check(&f), "");
	CHECK_INT(judged, 3);
	fixture_fini(&f);
}

TEST(ten_mistakes_are_ten_lines)
{
	struct fixture f;

	begin(&f);
	fixture_write_bytes(&f, "open.txt", "x\n", 2, 0644);
	fixture_write(&f, "sftokend.conf",
		      "[Limits]\nMaxConnections=many\nMaxRequestsPerHuor=3\n[Netwrok]\n[Daemon]"
		      "\nDefaultCredential=nobody\n[Store]\nKey=pkcs11:x\n");
	fixture_write(&f, "credentials/a.conf",
		      "GrantType=jwt_bearer\n[Credential]\nGrantType=client_credentials\nLoginUrl="
		      "https://login.salesforce.com\nClientId=id\n"
		      "ClientSecret=file:@DIR@/"
		      "open.txt\nUsername=x\n[Access]\nAllowUser=no-such-user-here\n");
	CHECK_STR(fixture_check(&f),
		  "credentials/a.conf:1: an assignment before the first section — put a line like "
		  "[Credential] before it\n"
		  "credentials/a.conf:4: LoginUrl=https://login.salesforce.com does not serve "
		  "client_credentials: Salesforce does so on the org's My "
		  "Domain alone — write https://MYDOMAIN.my.salesforce.com\n"
		  "credentials/a.conf:6: ClientSecret=: group or others have access to open.txt "
		  "(mode 0644) — chmod 600 open.txt\n"
		  "credentials/a.conf:7: Username= does not fit GrantType=client_credentials — "
		  "remove the line\n"
		  "credentials/a.conf:9: AllowUser=no-such-user-here: there is no such user — "
		  "create it or mend the name\n"
		  "sftokend.conf:2: MaxConnections=many is not a number — write digits alone\n"
		  "sftokend.conf:3: MaxRequestsPerHuor= is unknown in [Limits] — did you mean "
		  "MaxRequestsPerHour=?\n"
		  "sftokend.conf:4: the section [Netwrok] is unknown — did you mean [Network]?\n"
		  "sftokend.conf:6: DefaultCredential=nobody is no credential — create "
		  "credentials/nobody.conf or mend the name\n"
		  "sftokend.conf:8: Key=pkcs11: is not available in this version — write "
		  "credential:ID, file:PATH or auto\n");
	CHECK_INT(f.status, 78);
	fixture_fini(&f);
}

TEST(names_and_aliases_share_one_name_space)
{
	struct fixture f;

	begin(&f);
	fixture_write(&f, "credentials/a.conf", CLIENT "Alias=b shared\n");
	fixture_write(&f, "credentials/b.conf", CLIENT);
	fixture_write(&f, "credentials/c.conf", CLIENT "Alias=shared\n");
	CHECK_STR(fixture_check(&f), "credentials/a.conf:6: Alias=b is already the name of the "
				     "credential in credentials/b.conf — choose another\n"
				     "credentials/c.conf:6: Alias=shared is already an alias in "
				     "credentials/a.conf — choose another\n");
	fixture_fini(&f);
}

TEST(a_file_name_is_a_name)
{
	struct fixture f;

	begin(&f);
	fixture_write(&f, "credentials/my org.conf", CLIENT);
	CHECK_STR(fixture_check(&f), "credentials/my org.conf: the file's name is no name of a "
				     "credential — letters, digits and . _ @ - (at most 128, "
				     "a letter or digit first)\n");
	fixture_fini(&f);
}

TEST(a_credential_has_drop_ins)
{
	struct fixture f;

	begin(&f);
	fixture_write(&f, "credentials/a.conf", CLIENT "SessionTimeout=1h\n");
	fixture_write(&f, "credentials/a.conf.d/2.conf", "[Credential]\nSessionTimeout=2min\n");
	fixture_write(&f, "credentials/a.conf.d/1.conf",
		      "[Credential]\nSessionTimeout=1min\n[Access]\nAllowUser=1 2\n");
	fixture_write(&f, "credentials/a.conf.d/3.conf", "[Access]\nAllowUser=\nAllowUser=3\n");
	fixture_write(&f, "credentials/zz.conf.d/1.conf", "[Credential]\nSessionTimeout=1min\n");
	CHECK_STR(fixture_check(&f),
		  "credentials/zz.conf.d: warning: there is no credentials/zz.conf: these files do "
		  "nothing — create it or remove them\n");
	CHECK_INT(f.status, 0);
	CHECK(strstr(f.merged, "SessionTimeout=2min    # credentials/a.conf.d/2.conf:2\n") != NULL);
	CHECK(strstr(f.merged, "AllowUser=3    # credentials/a.conf.d/3.conf:3\n") != NULL);
	CHECK(strstr(f.merged, "ClientSecret=file:secret.txt    # credentials/a.conf:5\n") != NULL);
	CHECK(!strstr(f.merged, "s3cret"));
	fixture_fini(&f);
}

TEST(settings_and_credentials_are_compared)
{
	struct fixture f;

	begin(&f);
	fixture_write(&f, "credentials/a.conf", CLIENT "Alias=nick\n");
	fixture_write(&f, "sftokend.conf",
		      "[Daemon]\nDefaultCredential=nick\n[Listener "
		      "jobs]\nPath=/run/jobs\nCredential=a* zz-*\n");
	CHECK_STR(fixture_check(&f), "sftokend.conf:5: warning: [Listener jobs] Credential=zz-* "
				     "matches no credential — mend or remove it\n");
	CHECK_INT(f.status, 0);
	fixture_write(&f, "sftokend.conf", "[Network]\nAllowedHosts=*.example.com\n");
	CHECK_STR(fixture_check(&f), "credentials/a.conf:3: AllowedHosts= in sftokend.conf does "
				     "not allow the host of LoginUrl=, a.my.salesforce.com — "
				     "add it there\n");
	fixture_write(&f, "credentials/a.conf", CLIENT "LoginUrl=http://127.0.0.1:8080\n");
	fixture_write(&f, "sftokend.conf", "[Network]\nAllowedHosts=127.0.0.1\n");
	CHECK(strstr(fixture_check(&f), "the host of LoginUrl=, 127.0.0.1:8080 — add it there\n") !=
	      NULL);
	fixture_fini(&f);
}

TEST(loopback_may_be_http)
{
	struct fixture f;

	begin(&f);
	fixture_write(&f, "credentials/a.conf", CLIENT "LoginUrl=http://127.0.0.1:8080/\n");
	fixture_write(&f, "credentials/b.conf", CLIENT "LoginUrl=http://[::1]:8080\n");
	CHECK_STR(fixture_check(&f), "");
	CHECK(strstr(f.merged, "LoginUrl=http://127.0.0.1:8080    # ") != NULL);
	fixture_fini(&f);
}

TEST(no_credential_is_a_warning)
{
	struct fixture f;

	begin(&f);
	CHECK_STR(fixture_check(&f), "credentials: warning: there is no credential — create "
				     "NAME.conf here, see sftokend.credential(5)\n");
	CHECK_INT(f.status, 0);
	fixture_fini(&f);
}

TEST(what_changes_makes_a_credential_another)
{
	static const char *const changes[] = {
		"ClientId=other\n",        "LoginUrl=https://b.my.salesforce.com\n",
		"SessionTimeout=5s\n",     "RenewAt=20\n",
		"Introspect=no\n",         "RenewWhenIdle=no\n",
		"Required=yes\n",          "Alias=n\n",
		"IdleStop=1h\n",           "ClientSecret=stored:\n",
		"[Access]\nAllowUser=5\n", "[Access]\nAllowGroup=5\n",
		"[Access]\nRoot=no\n",     "ClientSecret=file:@DIR@/key.pem\n",
	};
	struct fixture f;

	begin(&f);
	struct credential_set *first = read_one(&f, CLIENT),
			      *second = read_one(&f, "# moved\n\n" CLIENT);

	REQUIRE(first && second && first->n == 1 && second->n == 1);
	CHECK(credential_equal(first->items[0], second->items[0]));
	credential_set_unref(second);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char text[600];

		snprintf(text, sizeof(text), CLIENT "%s", changes[i]);
		second = read_one(&f, text);
		check_row(changes[i]);
		CHECK(second && second->n == 1 &&
		      !credential_equal(first->items[0], second->items[0]));
		CHECK(second && credential_equal_but_access(first->items[0], second->items[0]) ==
					(changes[i][0] == '['));
		credential_set_unref(second);
	}
	fixture_write_bytes(&f, "secret.txt", "rotated\n", 8, 0600);
	second = read_one(&f, CLIENT);
	check_row("the value of the secret");
	CHECK(second && second->n == 1 && !credential_equal(first->items[0], second->items[0]));
	credential_set_unref(second);
	credential_set_unref(first);
	fixture_fini(&f);
}

TEST(origin_is_grant_url_client_and_user)
{
	struct fixture f;

	begin(&f);
	struct credential_set *set = read_one(&f, JWT "SessionTimeout=1min\n");

	REQUIRE(set && set->n == 1);
	char *origin = credential_origin(set->items[0]);

	CHECK_STR(origin, "jwt_bearer\nhttps://a.my.salesforce.com\nid\nu@example.com");
	free(origin);
	credential_set_unref(set);
	set = read_one(&f, REFRESH "ClientSecret=stored:\n");
	REQUIRE(set && set->n == 1);
	origin = credential_origin(set->items[0]);
	CHECK_STR(origin, "refresh_token\nhttps://a.my.salesforce.com\nid\n");
	free(origin);
	credential_set_unref(set);
	fixture_fini(&f);
}

CHECK_MAIN()

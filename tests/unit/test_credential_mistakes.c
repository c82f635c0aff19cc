/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about lines that do not fit, cannot be read, or do no good. */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "daemon/mint/credential.h"
#include "tests/unit/config_fixture.h"

#define SERVER "LoginUrl=https://a.my.salesforce.com\n"
#define HEAD(grant) "[Credential]\nGrantType=" grant "\nClientId=id\n"
#define BASE(grant) HEAD(grant) SERVER

#define JWT BASE("jwt_bearer") "Username=u\nPrivateKey=file:@DIR@/key.pem\n"
#define USER_AGENT BASE("user_agent") "AllowUserAgent=yes\n"
#define WEB BASE("web_server")
#define KEY "PrivateKey=file:@DIR@/key.pem\n"

static struct fixture f;

static void begin(void)
{
	fixture_init(&f);
	fixture_write_bytes(&f, "secret.txt", "s3cret\n", 7, 0600);
	fixture_write_bytes(&f, "pin.txt", "5678\n", 5, 0600);
	fixture_write_bytes(&f, "key.pem", "pem\n", 4, 0600);
}

static void end(void)
{
	fixture_fini(&f);
}

static const char *check_text(const char *base, const char *more)
{
	char text[2000];

	snprintf(text, sizeof(text), "%s%s", base, more);
	fixture_write(&f, "credentials/a.conf", text);
	return fixture_check(&f);
}

/* A mistake and what is said. */
static const struct {
	const char *base, *more, *said;
} mistakes[] = {
	{ BASE("user_agent"), "",
	  "credentials/a.conf:2: GrantType=user_agent is deprecated and must be asked for — write "
	  "GrantType=web_server, or add AllowUserAgent=yes\n" },
	{ BASE("saml_bearer"), "",
	  "credentials/a.conf: PrivateKey= is missing — write where the RSA key is, file:PATH, "
	  "credential:ID, stored:, pkcs11:… or handle:…\n"
	  "credentials/a.conf: Username= is missing — write the user for whom tokens are asked\n" },
	{ BASE("token_exchange"), "",
	  "credentials/a.conf: SubjectToken= is missing — write where the token is that is "
	  "exchanged, file:PATH or credential:ID\n" },
	{ BASE("token_exchange"), "SubjectToken=stored:\n",
	  "credentials/a.conf:5: SubjectToken=: stored: does not fit here — use file: or "
	  "credential:\n" },
	{ BASE("token_exchange"), "SubjectToken=file:none\n",
	  "credentials/a.conf:5: SubjectToken=: the path after file: is not absolute — begin it with /\n" },
	{ BASE("token_exchange"), "SubjectToken=file:@DIR@/\n",
	  "credentials/a.conf:5: SubjectToken=: the path after file: names a directory — name the file\n" },
	{ BASE("token_exchange"), "SubjectToken=credential:a/b\n",
	  "credentials/a.conf:5: SubjectToken=: credential: takes the ID of a system credential, without a slash — mend it\n" },
	{ BASE("token_exchange"), "SubjectToken=file:@DIR@/secret.txt\nSubjectTokenType=saml1\n",
	  "credentials/a.conf:6: SubjectTokenType=saml1 is unknown — write one of: access_token, "
	  "refresh_token, id_token, saml2, jwt, or a URN\n" },
	{ BASE("saml_bearer"), "Assertion=<saml:Assertion>\n",
	  "credentials/a.conf:5: Assertion=: this is not a reference — secrets are never in this "
	  "file: write file:PATH, credential:ID or stored:\n" },
	{ BASE("saml_bearer"), "Username=u\n" KEY "Recipient=login.salesforce.com\n",
	  "credentials/a.conf:7: Recipient= is not a URL — write for example "
	  "https://login.salesforce.com/services/oauth2/token, or remove the line\n" },
	{ BASE("saml_bearer"), "Assertion=stored:\n" KEY,
	  "credentials/a.conf:6: PrivateKey= does not fit Assertion=, which somebody else has "
	  "signed — remove one of them\n" },
	{ BASE("web_server"), "Passphrase=file:@DIR@/pin.txt\n",
	  "credentials/a.conf:5: Passphrase= is that of PrivateKey=, which is not there — remove "
	  "the line\n" },
	{ BASE("jwt_bearer"), "Username=u\n" KEY "Passphrase=stored:\n",
	  "credentials/a.conf:7: Passphrase=: stored: does not fit here — use file: or "
	  "credential:\n" },
	{ BASE("jwt_bearer"), "Username=u\n" KEY "Passphrase=hunter2\n",
	  "credentials/a.conf:7: Passphrase=: this is not a reference — secrets are never in this "
	  "file: write file:PATH, credential:ID or stored:\n" },
	{ BASE("web_server"), "ClientSecret=pkcs11:token=x\n",
	  "credentials/a.conf:5: ClientSecret=: pkcs11: names a private key and does not fit here — "
	  "use file: or credential:\n" },
	{ BASE("web_server"), "ClientSecret=handle:0x81000001\n",
	  "credentials/a.conf:5: ClientSecret=: handle: names a private key and does not fit here — "
	  "use file: or credential:\n" },
	{ BASE("client_credentials"), "ClientSecret=stored:\nScopes=api\n",
	  "credentials/a.conf:6: Scopes= does not fit GrantType=client_credentials without Issuer=: "
	  "Salesforce takes the scopes of the app — remove the line\n" },
	{ BASE("client_credentials"), "ClientAuth=none\n",
	  "credentials/a.conf: ClientSecret= is missing — write where the consumer secret is, "
	  "file:PATH, credential:ID or stored:\n"
	  "credentials/a.conf:5: ClientAuth=none does not fit GrantType=client_credentials: the "
	  "client has to prove who it is — remove the line\n" },
	{ BASE("web_server"), "ClientAuth=private_key_jwt\n",
	  "credentials/a.conf: PrivateKey= is missing — write where the RSA key is, file:PATH, "
	  "credential:ID, stored:, pkcs11:… or handle:…\n" },
	{ BASE("web_server"), "ClientAuth=client_secret_basic\n",
	  "credentials/a.conf:5: ClientAuth=client_secret_basic needs ClientSecret= — add it\n" },
	{ BASE("web_server"), "ClientAuth=client_secret\n",
	  "credentials/a.conf:5: ClientAuth=client_secret is unknown — write one of: "
	  "client_secret_post, client_secret_basic, private_key_jwt, none\n" },
	{ BASE("web_server"), "Scopes=api \"full\"\n",
	  "credentials/a.conf:5: Scopes= holds a byte that no scope has — write words with spaces "
	  "between them, for example: api refresh_token\n" },
	{ BASE("web_server"), "Dialect=rfc\n",
	  "credentials/a.conf:5: Dialect=rfc is unknown — write one of: salesforce, rfc8628\n" },
	{ BASE("jwt_bearer"), "Username=u\n" KEY "[Access]\nAllowLogin=root\n",
	  "credentials/a.conf:8: AllowLogin= does not fit GrantType=jwt_bearer — remove the line\n"
	  "credentials/a.conf:8: warning: AllowLogin= names people who reach no socket to log in at "
	  "— add [Listener logins] with Interface=manager, Path= and Group= to sftokend.conf\n" },
	/* --- the redirect URI --- */
	{ BASE("web_server"), "RedirectUri=http://app.example/cb\n",
	  "credentials/a.conf:5: RedirectUri=: http: is for 127.0.0.1, [::1] and localhost only — "
	  "write https:\n" },
	{ BASE("web_server"), "RedirectUri=http://localhost.evil.com:0/cb\n",
	  "credentials/a.conf:5: RedirectUri=: http: is for 127.0.0.1, [::1] and localhost only — "
	  "write https:\n" },
	{ BASE("web_server"), "RedirectUri=https://app.example:0/cb\n",
	  "credentials/a.conf:5: RedirectUri=: the port in the URL is not a number from 1 to 65535 "
	  "— mend it or leave it out\n" },
	{ BASE("web_server"), "RedirectUri=http://localhost:65536/cb\n",
	  "credentials/a.conf:5: RedirectUri=: the port in the URL is not a number from 1 to 65535 "
	  "— mend it or leave it out\n" },
	{ BASE("web_server"), "RedirectUri=https://app.example/cb?a=b\n",
	  "credentials/a.conf:5: RedirectUri=: it has a query or a fragment — remove everything "
	  "from the ? or # on\n" },
	{ BASE("web_server"), "RedirectUri=myapp:/cb#x\n",
	  "credentials/a.conf:5: RedirectUri=: it has a query or a fragment — remove everything "
	  "from the ? or # on\n" },
	{ BASE("web_server"), "RedirectUri=localhost\n",
	  "credentials/a.conf:5: RedirectUri=: it is no URL — write the callback URL of the app\n" },
	{ BASE("web_server"), "RedirectUri=my app:/cb\n",
	  "credentials/a.conf:5: RedirectUri=: it holds a blank or a byte that is not ASCII — write "
	  "the callback URL of the app\n" },
	/* --- other servers --- */
	{ BASE("web_server"), "Issuer=https://idp.example\n",
	  "credentials/a.conf:5: Issuer= and LoginUrl= exclude each other: one is for other servers, "
	  "one for Salesforce — remove one of them\n" },
	{ HEAD("web_server"), "Issuer=http://idp.example\n",
	  "credentials/a.conf:4: Issuer= is http:, which is for 127.0.0.1 and [::1] only — write "
	  "https:\n" },
	{ HEAD("web_server"), "Issuer=https://idp.example?x\n",
	  "credentials/a.conf:4: Issuer=: the URL has a query or a fragment — remove everything "
	  "from the ? or # on\n" },
	{ HEAD("web_server"), "Issuer=https://me:pw@idp.example\n",
	  "credentials/a.conf:4: Issuer=: the URL holds a user or a password — remove everything up "
	  "to the @\n" },
	{ HEAD("web_server"), "Issuer=https://idp.example\nInstanceUrl=https://idp.example/x\n",
	  "credentials/a.conf:5: InstanceUrl= has a path — write https://HOST alone\n" },
	{ HEAD("web_server"), "Issuer=https://idp.example\nInstanceUrl=https://api.example\n",
	  "credentials/a.conf:5: the host of InstanceUrl=, api.example, is not that of Issuer= and "
	  "no host of Salesforce — name it and that of Issuer= in AllowedHosts= in sftokend.conf\n" },
	{ HEAD("web_server"), "Issuer=https://idp.example\nInstanceUrl=http://idp.example\n",
	  "credentials/a.conf:5: InstanceUrl= is http:, which is for 127.0.0.1 and [::1] only — "
	  "write https:\n"
	  "credentials/a.conf:5: the host of InstanceUrl=, idp.example, is not that of Issuer= and "
	  "no host of Salesforce — name it and that of Issuer= in AllowedHosts= in sftokend.conf\n" },
	{ BASE("web_server"), "InstanceUrl=https://a.my.salesforce.com\n",
	  "credentials/a.conf:5: InstanceUrl= is for Issuer= only: Salesforce says it with each "
	  "token — remove the line\n" },
	/* --- who may log in --- */
	{ BASE("web_server"), "[Access]\nAllowLogin=no-such-user-here\n",
	  "credentials/a.conf:6: AllowLogin=no-such-user-here: there is no such user — create it or "
	  "mend the name\n" },
	{ BASE("web_server"), "[Access]\nAllowLogin=@no-such-group-here @\n",
	  "credentials/a.conf:6: AllowLogin=@no-such-group-here: there is no such group — create it "
	  "or mend the name\n"
	  "credentials/a.conf:6: AllowLogin=@: there is no such group — create it or mend the "
	  "name\n" },
	{ BASE("web_server"), "[Access]\nAllowLogin=65534 @65534\n",
	  "credentials/a.conf:6: AllowLogin=65534: 65534 stands for everybody whom the kernel "
	  "cannot name, so it never matches — choose another\n"
	  "credentials/a.conf:6: AllowLogin=@65534: 65534 stands for everybody whom the kernel "
	  "cannot name, so it never matches — choose another\n" },
	{ BASE("web_server"), "[Access]\nAllowGroup=@root\n",
	  "credentials/a.conf:6: AllowGroup=@root: there is no such group — create it or mend the "
	  "name\n" },
};

TEST(every_mistake_says_what_to_do)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		begin();
		/* the warning about AllowLogin= has a test of its own */
		if (!strstr(mistakes[i].said, "warning: AllowLogin"))
			fixture_write(&f, "sftokend.conf",
				      "[Listener x]\nInterface=manager\nPath=/x\nMode=0666\n");
		check_row(mistakes[i].said);
		CHECK_STR(check_text(mistakes[i].base, mistakes[i].more), mistakes[i].said);
		CHECK_INT(f.status, 78);
		CHECK(!strstr(f.merged, "hunter2") && !strstr(f.merged, "me:pw") &&
		      !strstr(f.merged, "<saml"));
		end();
	}
}

static int away(const struct secret *key, const struct secret *passphrase, struct err *err)
{
	(void)key;
	(void)passphrase;
	return err_set(err, ERR_RETRY, "the token is not there");
}

TEST(a_token_that_is_away_is_a_warning)
{
	begin();
	f.check_key = away;
	CHECK_STR(check_text(JWT, "PrivateKey=pkcs11:token=t\n"),
		  "credentials/a.conf:7: warning: PrivateKey=: the token is not there\n");
	CHECK_INT(f.status, 0);
	end();
}

/* Whoever renews the file may come after us. */
TEST(a_file_that_is_read_at_each_attempt_may_be_late)
{
	static const struct {
		const char *base, *more, *said;
	} rows[] = {
		{ BASE("saml_bearer"), "Assertion=file:@DIR@/none\n",
		  "credentials/a.conf:5: warning: Assertion=: none does not exist — put the secret there or mend the path; it is read again at each attempt\n" },
		{ BASE("token_exchange"), "SubjectToken=file:@DIR@/no/where\n",
		  "credentials/a.conf:5: warning: SubjectToken=: no/where does not exist — put the secret there or mend the path; it is read again at each attempt\n" },
		{ BASE("token_exchange"), "SubjectToken=file:@DIR@/empty\n",
		  "credentials/a.conf:5: warning: SubjectToken=: empty is empty — write the secret into it; it is read again at each attempt\n" },
		{ BASE("token_exchange"), "SubjectToken=file:@DIR@/open\n",
		  "credentials/a.conf:5: warning: SubjectToken=: group or others have access to open (mode 0644) — chmod 600 open; it is read again at each attempt\n" },
	};

	begin();
	fixture_write_bytes(&f, "empty", "", 0, 0600);
	fixture_write_bytes(&f, "open", "x\n", 2, 0644);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_STR(check_text(rows[i].base, rows[i].more), rows[i].said);
	end();
}

TEST(the_deprecated_flow_is_a_warning)
{
	begin();
	CHECK_STR(
		check_text(USER_AGENT, ""),
		"credentials/a.conf:2: warning: GrantType=user_agent of \"a\" is deprecated, Salesforce "
		"discourages it, and its tokens cannot be renewed: a person must log in each time "
		"— write GrantType=web_server\n");
	CHECK_INT(f.status, 0);
	/* a login asks for the refresh token by itself */
	CHECK_STR(check_text(WEB, "Scopes=api web\n"), "");
	end();
}

TEST(a_file_with_another_ending_is_a_warning)
{
	static const char *const quiet[] = {
		"b.conf~",    "b.conf.dpkg-old", "#b.conf#",  ".hidden",
		"b.conf.bak", "README",          "old/b.cfg",
	};
	char path[80];

	begin();
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		snprintf(path, sizeof(path), "credentials/%s", quiet[i]);
		fixture_write(&f, path, "x");
	}
	CHECK_STR(check_text(WEB, ""), "");
	fixture_write(&f, "credentials/prod.cfg", "x");
	CHECK_STR(check_text(WEB, ""),
		  "credentials/prod.cfg: warning: credentials/prod.cfg is ignored, because its "
		  "name does not end in .conf — rename it, or move it elsewhere\n");
	CHECK_INT(f.status, 0);
	end();
}

TEST(people_who_may_log_in_need_a_socket)
{
	static const struct {
		const char *settings;
		bool reached;
	} rows[] = {
		{ "", false },
		{ "[Listener manager]\nMode=0660\n", false },
		{ "[Listener x]\nInterface=manager\nPath=/x\n", false },
		{ "[Listener x]\nInterface=manager\nPath=/x\nGroup=root\n", true },
		{ "[Listener x]\nInterface=manager\nPath=/x\nGroup=root\nMode=0640\n", false },
		{ "[Listener x]\nInterface=manager\nPath=/x\nGroup=root\nDisabled=yes\n", false },
		{ "[Listener x]\nInterface=manager\nPath=/x\nMode=0666\n", true },
		{ "[Listener x]\nInterface=broker\nPath=/x\nMode=0666\n", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		check_row(rows[i].settings);
		fixture_write(&f, "sftokend.conf", rows[i].settings);
		check_text(WEB, "[Access]\nAllowLogin=1234\n");
		CHECK_INT(f.status, 0);
		CHECK_INT(strstr(f.problems, "reach no socket to log in at") == NULL,
			  rows[i].reached);
		end();
	}
}

CHECK_MAIN()

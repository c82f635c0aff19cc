/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the command line that decide without asking anybody: nearest words, what curl is asked, what setup takes, and what sf has printed. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/curl.h"
#include "client/cli/nearest.h"
#include "client/cli/setup.h"
#include "client/cli/sf.h"
#include "tests/unit/check.h"

#define ORG "https://acme.my.salesforce.com"

/* --- did you mean --- */

TEST(nearest_words)
{
	static const char *const known[] = { "get", "status", "prod", "etl-europe-production" };
	static const struct {
		const char *word, *found;
	} rows[] = {
		{ "gett", "get" },
		{ "egt", "get" },
		{ "staus", "status" },
		{ "sttaus", "status" },
		{ "prd", "prod" },
		{ "etl-europa-produktion", "etl-europe-production" },
		{ "xyz", NULL },
		{ "", NULL },
		{ "p", NULL },
		{ "gxx", NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct nearest n;

		nearest_begin(&n, rows[i].word);
		for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
			(void)nearest_try(&n, known[k]);
		CHECK_STR(n.found ? n.found : "", rows[i].found ? rows[i].found : "");
	}
}

TEST(the_only_one_that_begins_so_is_guessed)
{
	static const char words[] = "setup status wait watch token json jwt_bearer";
	static const struct {
		const char *word, *guess;
	} rows[] = {
		{ "sett", "setup" }, { "set", "setup" },       { "st", "status" },  { "s", NULL },
		{ "wat", "watch" }, { "wai", "wait" },        { "wa", NULL },      { "", NULL },
		{ "jsno", "json" }, { "jwt_berer", "jwt_bearer" }, { "jwt", "jwt_bearer" }, { "xml", NULL },
		{ "sxx", NULL },    { "jwtb", "jwt_bearer" }, { "waa", NULL },	{ "tokens", "token" },
	};
	char out[NEAREST_SIZE];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool found = nearest_among(rows[i].word, words, out);

		CHECK_STR(found ? out : "", rows[i].guess ? rows[i].guess : "");
	}
	CHECK(is_one_of("json", words) && is_one_of("setup", words) &&
	      is_one_of("jwt_bearer", words));
	CHECK(!is_one_of("js", words) && !is_one_of("", words) &&
	      !is_one_of("setup status", words));
	CHECK(!is_one_of("jsons", words));
}

TEST(words_of_any_length_are_compared)
{
	char word[400], known[130];
	struct nearest n;

	memset(word, 'a', sizeof word);
	word[399] = '\0';
	memset(known, 'a', sizeof known);
	known[128] = '\0';
	nearest_begin(&n, word);
	CHECK(!nearest_try(&n, known));
	word[127] = '\0';
	CHECK(nearest_try(&n, known));
	known[128] = 'a';
	known[129] = '\0';
	CHECK(!nearest_try(&n, known));
}

/* --- curl --- */

TEST(only_the_origin_of_the_org_is_asked)
{
	static const struct {
		const char *said, *url;
	} rows[] = {
		{ "/services/data", ORG "/services/data" },
		{ "//evil.example/", ORG "//evil.example/" },
		{ ORG "/x?y", ORG "/x?y" },
		{ "/query?q=SELECT Id FROM User", ORG "/query?q=SELECT%20Id%20FROM%20User" },
		{ ORG "/x?a b ", ORG "/x?a%20b%20" },
		{ ORG, ORG },
		{ ORG "?a", ORG "?a" },
		{ "HTTPS://ACME.my.salesforce.com/x", "HTTPS://ACME.my.salesforce.com/x" },
		{ ORG ":443/x", NULL },
		{ ORG "@evil.example/", NULL },
		{ ORG ".evil.example/", NULL },
		{ ORG "\\@evil.example/", NULL },
		{ ORG "#@evil.example/", NULL },
		{ "http://acme.my.salesforce.com/x", NULL },
		{ "https://user:pw@acme.my.salesforce.com/x", NULL },
		{ "https://acme.my.salesforce.co/x", NULL },
		{ " " ORG "/x", NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *url = curl_url(ORG "/ignored", rows[i].said);

		CHECK_STR(url ? url : "none", rows[i].url ? rows[i].url : "none");
		free(url);
	}
	CHECK(!curl_url("no-url", "/x"));
}

TEST(what_the_options_of_curl_mean)
{
	enum { SAFE = 1, SPENT = 2, DUMPS = 4, BAD = 8, SHOWN = 16 };
	static const struct {
		const char *words[8];
		unsigned is;
	} rows[] = {
		{ { NULL }, SAFE },
		{ { "-s", "-S", "-i", "-L" }, SAFE },
		{ { "-sSo", "file" }, SAFE },
		{ { "-I" }, SAFE },
		{ { "-XGET" }, SAFE },
		{ { "-sX", "HEAD" }, SAFE },
		{ { "-X", "POST" }, 0 },
		{ { "-sXPOST" }, 0 },
		{ { "--request", "DELETE" }, 0 },
		{ { "-d", "a=b" }, 0 },
		{ { "-da=b" }, 0 },
		{ { "--json", "{}" }, 0 },
		{ { "-F", "a=@file" }, 0 },
		{ { "-T", "file" }, 0 },
		{ { "-G", "-d", "a=b" }, SAFE },
		{ { "-d", "@-" }, SPENT },
		{ { "-X", "GET", "--data-binary", "@-" }, SAFE | SPENT },
		{ { "-T-" }, SPENT },
		{ { "-D", "file" }, SAFE | DUMPS },
		{ { "--dump-header", "file" }, SAFE | DUMPS },
		{ { "https://evil.example/" }, SAFE | BAD },
		{ { "-s", "evil.example" }, SAFE | BAD },
		{ { "-o", "file", "evil.example" }, SAFE | BAD },
		{ { "--silent", "evil.example" }, SAFE | BAD },
		{ { "-H", "https://evil.example/" }, SAFE },
		{ { "--header", "https://evil.example/" }, SAFE },
		{ { ORG "/second" }, SAFE },
		{ { "--next" }, SAFE | BAD },
		{ { "--nex" }, SAFE | BAD },
		{ { "-s:" }, SAFE | BAD },
		{ { "--url", "x" }, SAFE | BAD },
		{ { "--location-trusted" }, SAFE | BAD },
		{ { "--location-t" }, SAFE | BAD },
		{ { "--location" }, SAFE },
		{ { "-K", "file" }, SAFE | BAD },
		{ { "--config", "file" }, SAFE | BAD },
		{ { "--conf", "file" }, SAFE | BAD },
		{ { "-sKfile" }, SAFE | BAD },
		{ { "-u", "-K" }, SAFE },
		{ { "-" }, SAFE | BAD },
		/* each of these was seen to send the token to the second address with curl 7.88 */
		{ { "--URL", "https://evil.example/" }, SAFE | BAD },
		{ { "--basic", "https://evil.example/" }, SAFE | BAD },
		{ { "--", "https://evil.example/" }, SAFE | BAD },
		{ { "--no-basic", "https://evil.example/" }, SAFE | BAD },
		{ { "--HEADER", "-o", "https://evil.example/" }, SAFE | BAD },
		{ { "--expand-url", "https://evil.example/" }, SAFE | BAD },
		{ { "--Config", "file" }, SAFE | BAD },
		{ { "--unheard-of", "x" }, SAFE | BAD },
		{ { "--dat", "x" }, SAFE | BAD },
		{ { "--no-progress-meter", "--basic", "--max-time", "5", ORG "/x" }, SAFE },
		{ { "--proxy", "http://proxy.example:3128" }, SAFE },
		{ { "-#" }, SAFE | SHOWN },
		{ { "-sS#o", "file" }, SAFE | SHOWN },
		{ { "--progress-bar", "evil.example" }, SAFE | SHOWN | BAD },
		{ { "--progress-meter", "evil.example" }, SAFE | SHOWN | BAD },
		{ { "--no-progress-meter" }, SAFE },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct curl_request q = curl_request_of((char *const *)(uintptr_t)rows[i].words,
							ORG);
		unsigned is = (q.safe ? SAFE : 0U) | (q.spent ? SPENT : 0U) |
			      (q.dumps ? DUMPS : 0U) | (q.bad ? BAD : 0U) |
			      (q.progress ? SHOWN : 0U);

		CHECK_INT((int64_t)(is + 100 * i), (int64_t)(rows[i].is + 100 * i));
	}
}

TEST(what_of_a_request_of_curl_comes_from_standard_input)
{
	static const struct {
		const char *words[3];
		bool spent;
	} rows[] = {
		{ { "-T", "." }, true },
		{ { "-d", "-" }, false },
		{ { "-d", "@/dev/stdin" }, true },
		{ { "-F", "a=</dev/fd/63" }, true },
		{ { "-H", "@-" }, true },
		{ { "--header", "@/dev/fd/63" }, true },
		{ { "-H", "X-Mail: a@-b" }, false },
		{ { "--proxy-header", "@-" }, true },
		{ { "-b", "-" }, true },
		{ { "--cookie", "/dev/stdin" }, true },
		{ { "-b", "a=b" }, false },
		{ { "-w", "@-" }, true },
		{ { "-w", "." }, false },
		{ { "--url-query", "q@-" }, true },
		{ { "--variable", "q@-" }, true },
		{ { "-o", "-" }, false },
		{ { "-o", "/dev/fd/3" }, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct curl_request q = curl_request_of((char *const *)(uintptr_t)rows[i].words,
							ORG);

		check_row(rows[i].words[1]);
		CHECK_INT(q.spent, rows[i].spent);
		CHECK(!q.bad);
	}
	check_row(NULL);
}

/* --- setup --- */

TEST(addresses_that_setup_takes)
{
	static const struct {
		const char *said;
		unsigned needs;
		const char *url, *why;
	} rows[] = {
		{ "https://acme.my.salesforce.com", NEEDS_DOMAIN, ORG, NULL },
		{ "acme.my.salesforce.com/", 0, ORG, NULL },
		{ "https://login.salesforce.com", 0, "https://login.salesforce.com", NULL },
		{ "https://login.salesforce.com/", NEEDS_DOMAIN, NULL, "My Domain" },
		{ "LOGIN.salesforce.com", NEEDS_DOMAIN, NULL, "My Domain" },
		{ "mylogin.salesforce.com", NEEDS_DOMAIN, "https://mylogin.salesforce.com", NULL },
		{ "https://acme.lightning.force.com/lightning/page", 0, NULL, ORG },
		{ "https://acme.my.salesforce-setup.com", 0, NULL, ORG },
		{ "http://acme.my.salesforce.com", 0, NULL, "in the clear" },
		{ "http://127.0.0.1:8443", 0, "http://127.0.0.1:8443", NULL },
		{ "http://127.0.0.1.evil.example", 0, NULL, "in the clear" },
		{ "http://[::1]:1", 0, "http://[::1]:1", NULL },
		{ ORG "/services/oauth2/token", 0, NULL, "write " ORG },
		{ "acme.my.salesforce.com/services/oauth2/token", 0, NULL, "write " ORG },
		{ "https://login.salesforce.com/home", 0, NULL, "write https://login.salesforce.com" },
		{ ORG "/setup/x", NEEDS_DOMAIN, NULL, "write " ORG },
		{ ORG "//", 0, ORG, NULL },
		{ "https://a.example:8443/services/oauth2/token", 0, NULL, "write https://a.example:8443" },
		{ "https://site.my.site.com/path/services/oauth2/token", 0, NULL,
		  "write https://site.my.site.com/path" },
		{ "https://site.my.site.com/path", 0, "https://site.my.site.com/path", NULL },
		{ "", 0, NULL, "https://" },
		{ "https://", 0, NULL, "no host" },
		{ "acme", 0, NULL, "no host" },
		{ "https://a.example/?q", 0, NULL, "https://" },
		{ "https://u@a.example", 0, NULL, "https://" },
		{ "ftp://a.example", 0, NULL, "https://" },
		{ "https://a.example/ b", 0, NULL, "https://" },
		{ "https://a.example\\", 0, NULL, "https://" },
		{ "https://a.example\n[Access]", 0, NULL, "https://" },
		{ "https://a.example:99999", 0, NULL, "port" },
		{ "https://a.example:0/x", 0, NULL, "port" },
		{ "https://a.example:", 0, NULL, "port" },
		{ "https://a.example:44e", 0, NULL, "port" },
		{ "https://a.example:65535", 0, "https://a.example:65535", NULL },
		{ "https://[::1", 0, NULL, "bracket" },
		{ "https://[::1]:70000", 0, NULL, "port" },
		{ "https://[::1]:8443", 0, "https://[::1]:8443", NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *url, why[REASON_SIZE] = "";
		bool taken = check_login_url(rows[i].said, rows[i].needs, &url, why);

		CHECK_STR(url ? url : rows[i].said, rows[i].url ? rows[i].url : rows[i].said);
		CHECK(taken == (rows[i].url != NULL));
		CHECK(!rows[i].why || strstr(why, rows[i].why));
		free(url);
	}
}

TEST(names_keys_and_users_that_setup_takes)
{
	char why[REASON_SIZE];

	CHECK(check_name("prod", why) && check_name("a.b_c@d-1", why));
	CHECK(!check_name("", why) && !check_name(".x", why) && !check_name("a/b", why));
	CHECK(check_client_id("3MVG9.x_y", why) && !check_client_id("", why));
	CHECK(!check_client_id("two words", why) && !check_client_id("a\nb", why));
	CHECK(!check_client_id("end\\", why) && !check_client_id("https://x", why));
	CHECK(check_username("ada@example.com", why) && !check_username("ada", why));
	CHECK(!check_username("a@b c", why) && !check_username("'ada@example.com'", why));
	CHECK(!check_username("\"ada@example.com\"", why) && strstr(why, "quotes"));
	CHECK(!check_username("<ada@example.com>", why) &&
	      check_username("o'hara@example.com", why));
	CHECK(grant_find("1") == &grants[0] && grant_find("device") == &grants[3]);
	CHECK(!grant_find("0") && !grant_find("6") && !grant_find("") && !grant_find("12"));
}

TEST(the_file_that_setup_makes)
{
	struct answers a = { .grant = grant_find("jwt_bearer") };
	char *text;

	a.login_url = strdup(ORG);
	a.client_id = strdup("3MVG9");
	a.username = strdup("ada@example.com");
	a.key = strdup("/etc/sftokend/keys/prod.key");
	a.certificate = strdup("/etc/sftokend/keys/prod.crt");
	a.allow_user = strdup("etl,ada");
	text = credential_text_of(&a);
	CHECK_STR(text ? text : "",
		  "# made by sftoken setup; see sftokend.credential(5)\n[Credential]\n"
		  "GrantType=jwt_bearer\nLoginUrl=" ORG "\nClientId=3MVG9\n"
		  "Username=ada@example.com\nPrivateKey=file:/etc/sftokend/keys/prod.key\n"
		  "Certificate=file:/etc/sftokend/keys/prod.crt\n"
		  "\n[Access]\nAllowUser=etl ada\n");
	free(text);
	answers_free(&a);
}

/* --- sf --- */

static void check_sf(const char *printed, const char *url)
{
	size_t n = strlen(printed);
	/* on the heap and without a NUL, so that a read behind its end is seen */
	struct bytes b = { malloc(n ? n : 1), n, n };
	const char *found;

	memcpy(b.data, printed, n);
	n = 0;
	found = sf_auth_url(&b, &n);
	CHECK(!found == !url);
	if (found && url) {
		CHECK_INT((int64_t)n, (int64_t)strlen(url));
		CHECK(memcmp(found, url, n) == 0);
	}
	free(b.data);
}

TEST(the_url_in_what_sf_prints)
{
	check_sf(
		"{\n  \"status\": 0,\n  \"result\": {\n    \"sfdxAuthUrl\": \"force://P::5Aep@h\"\n  }\n}",
		"force://P::5Aep@h");
	check_sf("{\"sfdxAuthUrl\":\"force://P:s:5Aep@h:8443\"}", "force://P:s:5Aep@h:8443");
	check_sf("{\"sfdxAuthUrl\": \"[REDACTED] Use 'sf org auth show-sfdx-auth-url' to view\"}",
		 NULL);
	check_sf("{\"sfdxAuthUrl\": \"force://P::5A\\u0041@h\"}", NULL);
	check_sf("{\"sfdxAuthUrl\": \"force://P::5Aep@h", NULL);
	check_sf("{\"sfdxAuthUrl\": \"hidden-by-the-policy-of-the-org\"}", NULL);
	check_sf("{\"sfdxAuthUrl\": null}", NULL);
	check_sf("{\"sfdxAuthUrl\"", NULL);
	check_sf("{\"sfdxAuthUrl\":", NULL);
	check_sf("{\"sfdxAuthUrl\": \"force://\"}", NULL);
	check_sf("", NULL);
}

TEST(the_parts_of_that_url)
{
	static const struct {
		const char *url, *client_id, *host;
		bool secret;
	} rows[] = {
		{ "force://Platform::5Aep@a.example", "Platform", "a.example", false },
		{ "force://Platform:s:5A@ep@a.example:1", "Platform", "a.example:1", true },
		{ "force://::5Aep@a.example", NULL, NULL, false },
		{ "force://Platform:5Aep@a.example", NULL, NULL, false },
		{ "force://Platform::5Aep@", NULL, NULL, false },
		{ "force://Platform::5Aep", NULL, NULL, false },
		{ "https://a.example", NULL, NULL, false },
		{ "force:/", NULL, NULL, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].url);
		struct bytes b = { malloc(n), n, n };
		struct sf_login l;
		bool found;

		memcpy(b.data, rows[i].url, n);
		found = sf_login_of(&b, &l);
		CHECK(found == (rows[i].client_id != NULL));
		if (found) {
			CHECK(l.has_secret == rows[i].secret);
			CHECK(l.n_host == strlen(rows[i].host) &&
			      memcmp(l.host, rows[i].host, l.n_host) == 0);
			CHECK(l.n_client_id == strlen(rows[i].client_id) &&
			      memcmp(l.client_id, rows[i].client_id, l.n_client_id) == 0);
		}
		free(b.data);
	}
}

CHECK_MAIN()

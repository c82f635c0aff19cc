/* SPDX-License-Identifier: Apache-2.0 */
/* sfdx auth urls as the Salesforce CLI prints them, and as people paste them. */
#include "daemon/mint/salesforce.h"
#include "tests/unit/check.h"

static int parse(const char *text, struct sfdx_auth_url *u, struct err *err)
{
	CLEANUP(secret_unrefp) struct secret *s = secret_new(text, strlen(text));

	return salesforce_parse_sfdx(s, u, err);
}

TEST(an_sfdx_auth_url_has_four_parts)
{
	static const struct {
		const char *text, *id, *secret, *token, *base;
	} rows[] = {
		{ "force://PlatformCLI::5Aep861TSES.x_y=@acme.my.salesforce.com", "PlatformCLI",
		  NULL, "5Aep861TSES.x_y=", "https://acme.my.salesforce.com" },
		{ "force://3MVG9.x_y:1234ABCD==:5Aep@Test.Salesforce.com/\n", "3MVG9.x_y",
		  "1234ABCD==", "5Aep", "https://test.salesforce.com" },
		{ " \tforce://a:b:c@127.0.0.1:8443/services/x \r\n", "a", "b", "c",
		  "https://127.0.0.1:8443" },
		{ "force://a:b/c:d/e@[::1]:8443", "a", "b/c", "d/e", "https://[::1]:8443" },
		{ "force://a::b!%7E@x.example:443", "a", NULL, "b!%7E", "https://x.example" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sfdx_auth_url u;
		struct err err = { 0 };

		check_row(rows[i].text);
		if (!CHECK_INT(parse(rows[i].text, &u, &err), 0)) {
			printf("# %s\n", err.text);
			continue;
		}
		CHECK_STR(u.client_id, rows[i].id);
		CHECK_STR(u.client_secret ? secret_bytes(u.client_secret) : NULL, rows[i].secret);
		CHECK_STR(secret_bytes(u.refresh_token), rows[i].token);
		CHECK_STR(u.base_url, rows[i].base);
		sfdx_auth_url_fini(&u);
		CHECK(!u.client_id && !u.base_url && !u.client_secret && !u.refresh_token);
	}
}

TEST(what_is_wrong_is_said_and_never_repeated)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{ "", "force://" },
		{ "https://hunter2:hunter2:hunter2@x", "force://" },
		{ "FORCE://hunter2::hunter2@x", "force://" },
		{ "5Aephunter2", "force://" },
		{ "force://", "force://CLIENT_ID:SECRET:REFRESH_TOKEN@HOST" },
		{ "force://hunter2@x.example", "REFRESH_TOKEN@HOST" },
		{ "force://a:hunter2@x.example", "REFRESH_TOKEN@HOST" },
		{ "force://a:b:hunter2", "REFRESH_TOKEN@HOST" },
		{ "force://:b:hunter2@x.example", "first part" },
		{ "force://a hunter2:b:c@x.example", "first part" },
		{ "force://a@hunter2:b:c@x.example", "first part" },
		{ "force://a:hunter2\x01:c@x.example", "second part" },
		{ "force://a:b:@x.example", "third part" },
		{ "force://a:b:hunter2 d@x.example", "third part" },
		{ "force://a:b:c:hunter2@x.example", "third part" },
		{ "force://a:b:hunter2\xc3\xa4@x.example", "third part" },
		{ "force://a:b:hunter2@", "behind the @" },
		{ "force://a:b:hunter2@/x", "behind the @" },
		{ "force://a:b:hunter2@x.example:0", "behind the @" },
		{ "force://a:b:hunter2@user@x.example", "behind the @" },
		{ "force://a:b:hunter2@x.example?y", "behind the @" },
		{ "force://a:b:hunter2@x y", "behind the @" },
		{ "force://a:b:hunter2@https://x.example", "behind the @" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sfdx_auth_url u;
		struct err err = { 0 };

		check_row(rows[i].text);
		CHECK_INT(parse(rows[i].text, &u, &err), -ERR_INPUT);
		CHECK(!u.client_id && !u.base_url && !u.client_secret && !u.refresh_token);
		if (!strstr(err.text, rows[i].word))
			CHECK_STR(err.text, rows[i].word);
		CHECK(!strstr(err.text, "hunter2"));
	}
}

TEST(parts_have_limits)
{
	char text[20 * 1024];
	struct sfdx_auth_url u;
	int n = snprintf(text, sizeof text, "force://a:b:%0*d@x.example", 16 * 1024, 7);

	REQUIRE(n > 0 && n < (int)sizeof text);
	CHECK_INT(parse(text, &u, NULL), 0);
	sfdx_auth_url_fini(&u);
	snprintf(text, sizeof text, "force://a:b:%0*d@x.example", 16 * 1024 + 1, 7);
	CHECK_INT(parse(text, &u, NULL), -ERR_INPUT);
	snprintf(text, sizeof text, "force://%0*d:b:c@x.example", 1025, 7);
	CHECK_INT(parse(text, &u, NULL), -ERR_INPUT);
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions byte for byte; tests/system/test_saml.py has xmlsec1 and pysaml2 verify them. sign.h is replaced: the signature is "SIGNED". */
#include <stdio.h>

#include "daemon/mint/saml.h"
#include "daemon/mint/sign.h"
#include "tests/unit/check.h"

#define SAML "urn:oasis:names:tc:SAML:"
#define INFO(NS) \
	"<ds:SignedInfo" NS \
	"><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>" \
	"<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></ds:SignatureMethod>" \
	"<ds:Reference URI=\"#_1f\"><ds:Transforms>" \
	"<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>" \
	"<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform></ds:Transforms>" \
	"<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>" \
	"<ds:DigestValue>DIGEST</ds:DigestValue></ds:Reference></ds:SignedInfo>"
#define XMLDSIG " xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\""

static char signed_bytes[4096];
static bool sign_fails;

int sign_rs256(struct secret *key, struct secret *passphrase, const void *bytes, size_t size,
	       struct buf *signature, struct err *err)
{
	(void)key;
	(void)passphrase;
	if (sign_fails)
		return err_set(err, ERR_ADMIN, "no key");
	snprintf(signed_bytes, sizeof signed_bytes, "%.*s", (int)size, (const char *)bytes);
	buf_add_text(signature, "SIGNED");
	return 0;
}

static const struct saml_claims plain = {
	.id = "_1f",
	.issuer = "3MVG9.CK",
	.subject = "etl@acme.example",
	.recipient = "https://login.salesforce.com/services/oauth2/token",
	.audience = "https://login.salesforce.com",
	.now_ms = INT64_C(1700000000999),
};

static struct buf written(const struct saml_claims *claims)
{
	struct buf out;

	buf_init(&out, SAML_MAX);
	CHECK_INT(saml_write(claims, NULL, NULL, &out, NULL), 0);
	return out;
}

/* Cuts the text between two marks out of where it stands first. */
enum { TEXT_MAX_BYTES = 8192 };

/* text has room for TEXT_MAX_BYTES */
static void cut_out(char *text, const char *start, const char *end, const char *instead)
{
	char *from = strstr(text, start), *to = from ? strstr(from, end) : NULL;
	char rest[8192];

	REQUIRE(to != NULL);
	snprintf(rest, sizeof rest, "%s", to);
	from += strlen(start);
	snprintf(from, TEXT_MAX_BYTES - (size_t)(from - text), "%s%s", instead, rest);
}

TEST(an_assertion_byte_for_byte)
{
	struct buf out = written(&plain);
	char text[8192];

	snprintf(text, sizeof text, "%s", out.data);
	cut_out(text, "<ds:DigestValue>", "</ds:DigestValue>", "DIGEST");
	CHECK_STR(
		text,
		"<saml:Assertion xmlns:saml=\"" SAML
		"2.0:assertion\" ID=\"_1f\" IssueInstant=\"2023-11-14T22:13:20Z\" Version=\"2.0\">"
		"<saml:Issuer>3MVG9.CK</saml:Issuer><ds:Signature" XMLDSIG ">" INFO(
			"") "<ds:SignatureValue>U0lHTkVE</ds:SignatureValue></ds:Signature>"
			    "<saml:Subject><saml:NameID Format=\"" SAML
			    "1.1:nameid-format:unspecified\">etl@acme.example</saml:NameID>"
			    "<saml:SubjectConfirmation Method=\"" SAML
			    "2.0:cm:bearer\"><saml:SubjectConfirmationData NotOnOrAfter=\"2023-11-14T22:16:20Z\""
			    " Recipient=\"https://login.salesforce.com/services/oauth2/token\"></saml:SubjectConfirmationData></saml:SubjectConfirmation>"
			    "</saml:Subject><saml:Conditions NotBefore=\"2023-11-14T22:12:20Z\" NotOnOrAfter=\"2023-11-14T22:16:20Z\">"
			    "<saml:AudienceRestriction><saml:Audience>https://login.salesforce.com</saml:Audience></saml:AudienceRestriction>"
			    "</saml:Conditions><saml:AuthnStatement AuthnInstant=\"2023-11-14T22:13:20Z\"><saml:AuthnContext>"
			    "<saml:AuthnContextClassRef>" SAML
			    "2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext>"
			    "</saml:AuthnStatement></saml:Assertion>");
	cut_out(signed_bytes, "<ds:DigestValue>", "</ds:DigestValue>", "DIGEST");
	CHECK_STR(signed_bytes, INFO(XMLDSIG));
	buf_fini(&out);
}

/* echo -n '<saml:Assertion ...>' | openssl dgst -sha256 -binary | base64, of the same without its signature */
TEST(the_digest_is_of_what_is_left_without_the_signature)
{
	struct buf out = written(&plain);

	CHECK(strstr(
		out.data,
		"<ds:DigestValue>yAueHJCvereHMbtiUjVwh0+vmLAVtlOemAEVfz2K4Jg=</ds:DigestValue>"));
	buf_fini(&out);
}

TEST(each_text_is_escaped_as_canonical_xml_does)
{
	struct saml_claims c = plain;
	struct buf out;

	c.issuer = "a&b<c>d\"e'f\r\n\tg\xc3\xa9\xf0\x9f\x98\x80";
	c.recipient = "https://x/?a&b<c>d\"e'f\r\n\tg\xc3\xa9";
	out = written(&c);
	CHECK(strstr(
		out.data,
		"<saml:Issuer>a&amp;b&lt;c&gt;d\"e'f&#xD;\n\tg\xc3\xa9\xf0\x9f\x98\x80</saml:Issuer>"));
	CHECK(strstr(out.data,
		     " Recipient=\"https://x/?a&amp;b&lt;c>d&quot;e'f&#xD;&#xA;&#x9;g\xc3\xa9\">"));
	buf_fini(&out);
}

TEST(what_cannot_stand_in_xml_is_refused)
{
	static const char *const texts[] = { "a\x01",        "a\x1f",    "\x7f",
					     "\x0b",         "\xff",     "\xc3",
					     "\xed\xa0\x80", "\xc0\x80", "\xef\xbf\xbe",
					     "\xef\xbf\xbf" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct saml_claims c[4] = { plain, plain, plain, plain };
		static const char *const names[] = { "ClientId=", "Username=", "Recipient=",
						     "Audience=" };

		c[0].issuer = c[1].subject = c[2].recipient = c[3].audience = texts[i];
		for (size_t n = 0; n < 4; n++) {
			CLEANUP(buf_finip) struct buf out;
			struct err err = { 0 };

			buf_init(&out, SAML_MAX);
			CHECK_INT(saml_write(&c[n], NULL, NULL, &out, &err), -ERR_ADMIN);
			CHECK(strstr(err.text, names[n]));
		}
	}
}

TEST(too_much_text_and_a_bad_key_are_refused)
{
	static char longest[SAML_MAX];
	struct saml_claims c = plain;
	struct err err = { 0 };
	CLEANUP(buf_finip) struct buf out;

	buf_init(&out, SAML_MAX);
	memset(longest, 'a', sizeof longest - 1);
	c.subject = longest;
	CHECK_INT(saml_write(&c, NULL, NULL, &out, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "too long"));
	sign_fails = true;
	buf_clear(&out);
	CHECK_INT(saml_write(&plain, NULL, NULL, &out, &err), -ERR_ADMIN);
	CHECK_STR(err.text, "no key");
	sign_fails = false;
}

/* --- given --- */

static int given(const char *text, struct buf *out, struct err *err)
{
	CLEANUP(secret_unrefp) struct secret *s = secret_new(text, strlen(text));

	buf_init(out, SAML_MAX);
	return saml_given(s, out, err);
}

TEST(ready_assertions_are_taken_as_they_are)
{
	static const struct {
		const char *given, *xml;
	} rows[] = {
		{ "<Assertion/>", NULL },
		{ "<saml2:Assertion a='>' b=\"<>'\"><x/>t</saml2:Assertion>\n", NULL },
		{ "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <Response> --><Assertion><![CDATA[</x><]]><a><b/></a></Assertion> <!-- x -->",
		  NULL },
		{ "PEFzc2VydGlvbj4_fn4_PC9Bc3NlcnRpb24-", "<Assertion>?~~?</Assertion>" },
		{ "PEFzc2VydGlvbj4/fn4/\nPC9Bc3NlcnRpb24+\n", "<Assertion>?~~?</Assertion>" },
		{ "PEFzc2VydGlvbi8+IA==", "<Assertion/> " },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf out;
		struct err err = { 0 };

		check_row(rows[i].given);
		CHECK_INT(given(rows[i].given, &out, &err), 0);
		CHECK_STR(out.data, rows[i].xml ? rows[i].xml : rows[i].given);
		CHECK_STR(err.text, "");
		buf_fini(&out);
	}
}

TEST(what_is_not_one_assertion_is_refused)
{
	static const struct {
		const char *given, *word;
	} rows[] = {
		{ "<samlp:Response><saml:Assertion/></samlp:Response>", "Response" },
		{ "<saml:EncryptedAssertion/>", "encrypted" },
		{ "<html></html>", "exactly one" },
		{ "<NoAssertion/>", "exactly one" },
		{ "<Assertion/><Assertion/>", "exactly one" },
		{ "<Assertion></Assertion>x", "exactly one" },
		{ "<Assertion>", "exactly one" },
		{ "<Assertion", "exactly one" },
		{ "<Assertion a=\"></Assertion>", "exactly one" },
		{ "</Assertion><Assertion>", "exactly one" },
		{ "<!DOCTYPE x><Assertion/>", "exactly one" },
		{ "<!-- <Assertion/>", "exactly one" },
		{ "<![CDATA[x]]><Assertion/>", "exactly one" },
		{ "PGh0bWw-PC9odG1sPg", "exactly one" },
		{ "eA", "exactly one" },
		{ "AAAA", "exactly one" },
		{ "not base64!", "neither" },
		{ " ", "exactly one" },
		{ "", "exactly one" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf out;
		struct err err = { 0 };

		check_row(rows[i].given);
		CHECK_INT(given(rows[i].given, &out, &err), -ERR_ADMIN);
		CHECK(strstr(err.text, rows[i].word));
		buf_fini(&out);
	}
}

CHECK_MAIN()

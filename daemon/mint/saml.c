/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/saml.h"

#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/sign.h"

enum { BEFORE_S = 60, AFTER_S = 180, SIGNATURE_MAX = 2048, SIGNED_INFO_MAX = 4096 };

#define XMLDSIG "http://www.w3.org/2000/09/xmldsig#"
#define EXC_C14N "http://www.w3.org/2001/10/xml-exc-c14n#"

/* --- text --- */

/* What Canonical XML writes for a byte (W3C REC-xml-c14n 2.3); NULL: the byte itself. */
static const char *escaped(char c, bool attribute)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '\r':
		return "&#xD;";
	case '>':
		return attribute ? NULL : "&gt;";
	case '"':
		return attribute ? "&quot;" : NULL;
	case '\t':
		return attribute ? "&#x9;" : NULL;
	case '\n':
		return attribute ? "&#xA;" : NULL;
	default:
		return NULL;
	}
}

static void add(struct buf *out, const char *text, bool attribute)
{
	for (; *text; text++) {
		const char *instead = escaped(*text, attribute);

		if (instead)
			buf_add_text(out, instead);
		else
			buf_add_char(out, *text);
	}
}

static void add_element(struct buf *out, const char *start, const char *text, const char *end)
{
	buf_add_text(out, start);
	add(out, text, false);
	buf_add_text(out, end);
}

static void add_attribute(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, " %s=\"", name);
	add(out, value, true);
	buf_add_char(out, '"');
}

/* Char of XML 1.0: no control characters but three, and neither U+FFFE nor U+FFFF. */
static bool is_text(const char *text)
{
	size_t left = strlen(text);

	while (left) {
		size_t size = utf8_char_size(text, left);

		if (size == 0 || ((unsigned char)*text < 0x20 && !strchr("\t\n\r", *text)) ||
		    *text == 0x7f)
			return false;
		if (size == 3 &&
		    (!memcmp(text, "\xef\xbf\xbe", 3) || !memcmp(text, "\xef\xbf\xbf", 3)))
			return false;
		text += size;
		left -= size;
	}
	return true;
}

static int check(const struct saml_claims *c, struct err *err)
{
	const struct {
		const char *what, *text;
	} texts[] = { { "ClientId=", c->issuer },
		      { "Username=", c->subject },
		      { "Recipient=", c->recipient },
		      { "Audience=", c->audience } };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (!is_text(texts[i].text))
			return err_set(
				err, ERR_ADMIN,
				"%s holds a control character or a byte that is not UTF-8: it cannot stand in an assertion",
				texts[i].what);
	}
	return 0;
}

/* xs:dateTime in UTC, in whole seconds. */
struct instant {
	char text[32];
};

static struct instant instant(int64_t real_ms, int64_t offset_s)
{
	struct instant i = { "" };
	time_t t = (time_t)(real_ms / 1000 + offset_s);
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(i.text, sizeof i.text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return i;
}

/* --- the parts --- */

static void add_head(const struct saml_claims *c, struct buf *out)
{
	buf_add_text(out, "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"");
	add_attribute(out, "ID", c->id);
	add_attribute(out, "IssueInstant", instant(c->now_ms, 0).text);
	add_attribute(out, "Version", "2.0");
	add_element(out, "><saml:Issuer>", c->issuer, "</saml:Issuer>");
}

static void add_subject(const struct saml_claims *c, struct buf *out)
{
	add_element(
		out,
		"<saml:Subject><saml:NameID Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified\">",
		c->subject, "</saml:NameID>");
	buf_add_text(
		out,
		"<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData");
	add_attribute(out, "NotOnOrAfter", instant(c->now_ms, AFTER_S).text);
	add_attribute(out, "Recipient", c->recipient);
	buf_add_text(out,
		     "></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>");
}

static void add_conditions(const struct saml_claims *c, struct buf *out)
{
	buf_add_text(out, "<saml:Conditions");
	add_attribute(out, "NotBefore", instant(c->now_ms, -BEFORE_S).text);
	add_attribute(out, "NotOnOrAfter", instant(c->now_ms, AFTER_S).text);
	add_element(out, "><saml:AudienceRestriction><saml:Audience>", c->audience,
		    "</saml:Audience></saml:AudienceRestriction></saml:Conditions>");
}

static void add_rest(const struct saml_claims *c, struct buf *out)
{
	add_subject(c, out);
	add_conditions(c, out);
	buf_add_text(out, "<saml:AuthnStatement");
	add_attribute(out, "AuthnInstant", instant(c->now_ms, 0).text);
	buf_add_text(
		out,
		"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
		"</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion>");
}

/* --- the signature (W3C xmldsig-core 4) --- */

/* What is signed is this element alone, so it has the namespace itself then; in the document, its parent has it. */
static void add_signed_info(struct buf *out, const char *id, const struct buf *digest, bool alone)
{
	buf_addf(out, "<ds:SignedInfo%s>", alone ? " xmlns:ds=\"" XMLDSIG "\"" : "");
	buf_add_text(
		out,
		"<ds:CanonicalizationMethod Algorithm=\"" EXC_C14N "\"></ds:CanonicalizationMethod>"
		"<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></ds:SignatureMethod>"
		"<ds:Reference URI=\"#");
	add(out, id, true);
	buf_add_text(
		out,
		"\"><ds:Transforms><ds:Transform Algorithm=\"" XMLDSIG
		"enveloped-signature\"></ds:Transform><ds:Transform Algorithm=\"" EXC_C14N
		"\"></ds:Transform></ds:Transforms>"
		"<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>"
		"<ds:DigestValue>");
	buf_add(out, digest->data, digest->len);
	buf_add_text(out, "</ds:DigestValue></ds:Reference></ds:SignedInfo>");
}

/* Of the assertion as it is without its signature. */
static int digest_of(const struct saml_claims *c, struct buf *out, struct err *err)
{
	unsigned char digest[OAUTH_SHA256_SIZE];
	CLEANUP(buf_finip) struct buf plain;

	buf_init(&plain, SAML_MAX);
	add_head(c, &plain);
	add_rest(c, &plain);
	if (buf_failed(&plain))
		return err_set(
			err, ERR_ADMIN,
			"ClientId=, Username=, Recipient= and Audience= are too long together");
	if (oauth_sha256(plain.data, plain.len, digest) < 0)
		return err_oom(err);
	oauth_base64(out, digest, sizeof digest);
	return buf_failed(out) ? err_oom(err) : 0;
}

static int add_signature(const struct saml_claims *c, struct secret *key, struct secret *passphrase,
			 struct buf *out, struct err *err)
{
	CLEANUP(buf_finip) struct buf digest;
	CLEANUP(buf_finip) struct buf info;
	CLEANUP(buf_finip) struct buf signature;
	int r;

	buf_init(&digest, SIGNATURE_MAX);
	buf_init(&info, SIGNED_INFO_MAX);
	buf_init(&signature, SIGNATURE_MAX);
	r = digest_of(c, &digest, err);
	if (r < 0)
		return r;
	add_signed_info(&info, c->id, &digest, true);
	if (buf_failed(&info))
		return err_oom(err);
	r = sign_rs256(key, passphrase, info.data, info.len, &signature, err);
	if (r < 0)
		return r;
	buf_add_text(out, "<ds:Signature xmlns:ds=\"" XMLDSIG "\">");
	add_signed_info(out, c->id, &digest, false);
	buf_add_text(out, "<ds:SignatureValue>");
	oauth_base64(out, signature.data, signature.len);
	buf_add_text(out, "</ds:SignatureValue></ds:Signature>");
	return 0;
}

int saml_write(const struct saml_claims *claims, struct secret *key, struct secret *passphrase,
	       struct buf *out, struct err *err)
{
	int r = check(claims, err);

	if (r < 0)
		return r;
	add_head(claims, out);
	r = add_signature(claims, key, passphrase, out, err);
	if (r < 0)
		return r;
	add_rest(claims, out);
	return buf_failed(out) ? err_oom(err) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SAML 2.0 bearer assertions (RFC 7522, salesforce-oauth.md 5.7). Pure: who asks says what time it is and gives the identifier.
 */
#ifndef MINT_SAML_H
#define MINT_SAML_H

#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"

enum { SAML_MAX = 32 * 1024 }; /* bytes of an assertion */

/* What an assertion says. Texts are UTF-8 without control characters (tab, newline and carriage return may be). */
struct saml_claims {
	const char *id; /* an XML name: a letter or '_' first */
	const char *issuer, *subject, *recipient, *audience;
	int64_t now_ms; /* since 1970; it holds from a minute before to three minutes after */
};

/*
 * Appends a signed assertion, in the form that exclusive canonicalization gives, which is why no XML library is needed: namespaces and attributes in order, no empty-element tags, no
 * white space between elements. The enveloped signature (RSA-SHA256) stands behind the Issuer, without KeyInfo: the server has the certificate.
 * 0; -ERR_ADMIN: a text cannot stand in XML, or the key cannot be used; -ERR_INTERNAL.
 */
int saml_write(const struct saml_claims *claims, struct secret *key, struct secret *passphrase,
	       struct buf *out, struct err *err);

/*
 * Appends the XML of an assertion that somebody else made: XML, or base64 or base64url of it. It must be one Assertion element and nothing beside it; nothing in it is judged or
 * changed. 0, -ERR_ADMIN with what is wrong, or -ERR_INTERNAL.
 */
int saml_given(const struct secret *given, struct buf *out, struct err *err);

#endif

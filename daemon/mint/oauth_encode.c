/* SPDX-License-Identifier: Apache-2.0 */
/* Forms, base64 and SHA-256. */
#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "daemon/mint/oauth.h"

static bool is_plain(unsigned char c)
{
	return isascii(c) && (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~');
}

static void add_escape(struct buf *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char escape[] = { '%', digits[c >> 4], digits[c & 15] };

	buf_add(out, escape, sizeof escape);
}

/* In runs: an assertion has hundreds of bytes, all of them plain. */
void oauth_form_encode(struct buf *out, const char *bytes, size_t size)
{
	size_t plain = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (is_plain(c))
			continue;
		buf_add(out, bytes + plain, i - plain);
		plain = i + 1;
		if (c == ' ')
			buf_add_char(out, '+');
		else
			add_escape(out, c);
	}
	buf_add(out, bytes + plain, size - plain);
}

void oauth_form_add(struct buf *form, const char *name, const char *value, size_t size)
{
	if (form->len)
		buf_add_char(form, '&');
	buf_add_text(form, name);
	buf_add_char(form, '=');
	oauth_form_encode(form, value, size);
}

enum { PIECE = 48 }; /* bytes at a time, so that no copy is longer */

void oauth_base64(struct buf *out, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	unsigned char text[PIECE / 3 * 4 + 1];

	while (size) {
		int piece = size < PIECE ? (int)size : PIECE;

		buf_add(out, text, (size_t)EVP_EncodeBlock(text, at, piece));
		at += piece;
		size -= (size_t)piece;
	}
	explicit_bzero(text, sizeof text);
}

void oauth_base64url(struct buf *out, const void *bytes, size_t size)
{
	size_t from = out->len;

	oauth_base64(out, bytes, size);
	if (buf_failed(out))
		return;
	for (size_t i = from; i < out->len; i++) {
		if (out->data[i] == '+')
			out->data[i] = '-';
		else if (out->data[i] == '/')
			out->data[i] = '_';
	}
	while (out->len > from && out->data[out->len - 1] == '=')
		out->data[--out->len] = '\0';
}

static int base64url_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int oauth_base64url_decode(const char *text, size_t size, struct buf *out)
{
	unsigned bits = 0, n = 0;

	for (size_t i = 0; i < size; i++) {
		int value = base64url_value(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		n += 6;
		if (n >= 8) {
			n -= 8;
			buf_add_char(out, (char)(bits >> n));
			bits &= (1u << n) - 1;
		}
	}
	return n < 6 && !buf_failed(out) ? 0 : -1;
}

int oauth_sha256(const void *bytes, size_t size, unsigned char digest[OAUTH_SHA256_SIZE])
{
	unsigned n = 0;

	return EVP_Digest(bytes, size, digest, &n, EVP_sha256(), NULL) == 1 &&
			       n == OAUTH_SHA256_SIZE
		       ? 0
		       : -1;
}

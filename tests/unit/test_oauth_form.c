/* SPDX-License-Identifier: Apache-2.0 */
/* Forms and base64url, against what Python's urllib and base64 write. */
#include "daemon/mint/oauth.h"
#include "tests/unit/check.h"

static const struct {
	const char *value, *encoded;
} forms[] = {
	/* urllib.parse.quote_plus(value, safe="") */
	{ "", "" },
	{ "abcXYZ019-._~", "abcXYZ019-._~" },
	{ " ", "+" },
	{ "a b  c", "a+b++c" },
	{ "+", "%2B" },
	{ "a+b/c==", "a%2Bb%2Fc%3D%3D" },
	{ "&=?#", "%26%3D%3F%23" },
	{ "00Dx0000000BV7z!AR8AQAxo9U", "00Dx0000000BV7z%21AR8AQAxo9U" },
	{ "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" },
	{ "%41", "%2541" },
	{ " %&+\xc2\xa3\xe2\x82\xac", "+%25%26%2B%C2%A3%E2%82%AC" }, /* RFC 6749 appendix B */
	{ "\xff\x01\x7f\n\r\t", "%FF%01%7F%0A%0D%09" },
	{ "*'()$,;<>@[]^`{|}\"\\", "%2A%27%28%29%24%2C%3B%3C%3E%40%5B%5D%5E%60%7B%7C%7D%22%5C" },
};

TEST(a_form_value_is_encoded_as_urllib_does)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		CLEANUP(buf_finip) struct buf b;
		CLEANUP(buf_finip) struct buf want;

		buf_init(&b, 1000);
		buf_init(&want, 1000);
		buf_addf(&want, "v=%s", forms[i].encoded);
		check_row(forms[i].encoded);
		oauth_form_add(&b, "v", forms[i].value, strlen(forms[i].value));
		CHECK_STR(b.data, want.data);
	}
}

TEST(every_byte_but_the_unreserved_is_escaped)
{
	for (unsigned c = 0; c < 256; c++) {
		CLEANUP(buf_finip) struct buf b;
		char byte = (char)c, want[8];
		bool plain =
			c &&
			strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~",
			       (int)c);

		buf_init(&b, 100);
		oauth_form_add(&b, "v", &byte, 1);
		if (plain)
			snprintf(want, sizeof want, "v=%c", (char)c);
		else if (c == ' ')
			snprintf(want, sizeof want, "v=+");
		else
			snprintf(want, sizeof want, "v=%%%02X", c);
		CHECK_STR(b.data, want);
	}
}

TEST(fields_are_joined_by_an_ampersand)
{
	CLEANUP(buf_finip) struct buf b;

	buf_init(&b, 100);
	oauth_form_add(&b, "a", "1", 1);
	oauth_form_add(&b, "b", "&", 1);
	CHECK_STR(b.data, "a=1&b=%26");
}

TEST(a_form_that_is_too_long_fails)
{
	CLEANUP(buf_finip) struct buf b;

	buf_init(&b, 6);
	oauth_form_add(&b, "a", "123", 3);
	CHECK(!buf_failed(&b));
	oauth_form_add(&b, "b", "1", 1);
	CHECK(buf_failed(&b));
}

TEST(base64url_has_no_padding_and_no_plus_or_slash)
{
	/* base64.urlsafe_b64encode(value).rstrip(b"=") */
	static const struct {
		const char *value;
		size_t size;
		const char *encoded;
	} rows[] = {
		{ "", 0, NULL },
		{ "f", 1, "Zg" },
		{ "fo", 2, "Zm8" },
		{ "foo", 3, "Zm9v" },
		{ "foob", 4, "Zm9vYg" },
		{ "fooba", 5, "Zm9vYmE" },
		{ "foobar", 6, "Zm9vYmFy" },
		{ "\xfb\xff\xbf", 3, "-_-_" },
		{ "\xff\xff\xff\xff", 4, "_____w" },
		{ "\0\0", 2, "AAA" },
		{ "{\"alg\":\"RS256\"}", 15, "eyJhbGciOiJSUzI1NiJ9" },
		/* over the size of one piece */
		{ "0123456789012345678901234567890123456789012345678", 49,
		  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3OA" },
		{ "012345678901234567890123456789012345678901234567", 48,
		  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CLEANUP(buf_finip) struct buf b;

		buf_init(&b, 200);
		check_row(rows[i].encoded);
		oauth_base64url(&b, rows[i].value, rows[i].size);
		CHECK_STR(b.data, rows[i].encoded);
	}
}

CHECK_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests at the listener of a login, cut where the first byte says, and URLs. */
#include "fuzz.h"

#include "client/cli/redirect_parts.h"

static const char uri[] = "http://localhost:1717/OauthRedirect";

/* What is let in has a state, is printable, and is ours to the last byte. */
static void check_request(const struct request_rules *rules, const struct request *request,
			  const char *data, size_t size)
{
	size_t len;
	char *url;

	if (request->kind != REQUEST_REDIRECT)
		return;
	MUST(request->part >= data && request->part + request->part_len <= data + size);
	MUST(state_in(request->part, request->part_len, &len) && len > 0);
	for (size_t i = 0; i < request->part_len; i++)
		MUST(request->part[i] > ' ' && request->part[i] <= '~');
	url = request_url(rules, request);
	MUST(url && strncmp(url, uri, sizeof uri - 1) == 0);
	free(url);
}

static void check_url(const char *data, size_t size)
{
	char *text = malloc(size + 1), *value;
	struct redirect_uri parsed;

	MUST(text);
	/* not strndup(): strict_string_checks= wants what it copies to have an end */
	memcpy(text, data, size);
	text[size] = '\0';
	if (redirect_uri_parse(text, &parsed) == 0 && (parsed.v4 || parsed.v6)) {
		value = redirect_uri_with_port(&parsed, 4711);
		MUST(value && redirect_uri_parse(value, &parsed) == 0 && parsed.port == 4711);
		free(value);
	}
	free(url_parameter(text, "state"));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_rules rules = { .nonce = "00112233445566778899aabbccddeeff" };
	struct request whole, part;
	char *text, *start;
	size_t cut;

	if (size < 2)
		return 0;
	MUST(redirect_uri_parse(uri, &rules.uri) == 0);
	rules.relay = data[0] & 1;
	size -= 2;
	cut = (size_t)data[1] * size / 255;
	text = fuzz_copy(data + 2, size);
	start = fuzz_copy(data + 2, cut);
	request_judge(&rules, text, size, &whole);
	check_request(&rules, &whole, text, size);
	request_judge(&rules, start, cut, &part);
	check_request(&rules, &part, start, cut);
	/* what is refused early is refused in the end, and what is let in early was complete */
	MUST(part.kind != REQUEST_REFUSED || whole.kind == REQUEST_REFUSED);
	MUST(part.kind != REQUEST_REDIRECT || whole.kind == REQUEST_REDIRECT);
	check_url(text, size);
	free(start);
	free(text);
	return 0;
}

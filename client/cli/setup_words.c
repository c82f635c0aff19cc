/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/setup.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 128, VALUE_MAX_BYTES = 1024, PORT_MAX = 65535 };

const struct grant grants[] = {
	{ "client_credentials", "the app for itself, with a consumer secret",
	  NEEDS_SECRET | NEEDS_DOMAIN | HAS_NO_USER },
	{ "jwt_bearer", "a key signs for a user; nobody logs in, and no secret is sent",
	  NEEDS_KEY },
	{ "web_server", "a person logs in once, in a browser", TAKES_SECRET | NEEDS_LOGIN },
	{ "device", "a person logs in once, with a code on any device",
	  TAKES_SECRET | NEEDS_LOGIN },
	{ "refresh_token", "you have a refresh token", TAKES_SECRET | NEEDS_REFRESH_TOKEN },
};
const size_t n_grants = sizeof grants / sizeof grants[0];

const struct grant *grant_find(const char *text)
{
	for (size_t i = 0; i < n_grants; i++)
		if (strcmp(text, grants[i].name) == 0 ||
		    (text[0] == (char)('1' + i) && text[1] == '\0'))
			return &grants[i];
	return NULL;
}

__attribute__((format(printf, 2, 3))) static bool say(char why[REASON_SIZE], const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, REASON_SIZE, format, args);
	va_end(args);
	return false;
}

bool check_name(const char *text, char why[REASON_SIZE])
{
	size_t n = strlen(text);

	if (n == 0 || n > NAME_MAX_BYTES || strchr("._@-", text[0]) ||
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-") != n)
		return say(
			why,
			"a name has letters, digits and . _ @ -, at most 128, and begins with a letter or digit");
	return true;
}

/* What can stand behind a key of the configuration as one word. */
static bool is_word(const char *text)
{
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '\\')
			return false;
	return *text && strlen(text) <= VALUE_MAX_BYTES;
}

bool check_client_id(const char *text, char why[REASON_SIZE])
{
	if (!is_word(text))
		return say(why, "a consumer key is one word, often beginning with 3MVG9");
	if (strstr(text, "://"))
		return say(
			why,
			"this is an address; the consumer key is a long word, often beginning with 3MVG9");
	return true;
}

bool check_username(const char *text, char why[REASON_SIZE])
{
	size_t n = strlen(text);

	if (!is_word(text) || !strchr(text, '@'))
		return say(
			why,
			"a user of Salesforce is written like an e-mail address, for example etl@example.com");
	/* an apostrophe may be in a name, but quotes around one belong to a shell */
	if (text[strcspn(text, "\"`<>")] || *text == '\'' || text[n - 1] == '\'')
		return say(why, "it has quotes or brackets: write the name alone, for example "
				"etl@example.com");
	return true;
}

static bool is_loopback(const char *host)
{
	size_t n = strncmp(host, "127.0.0.1", 9) == 0 ? 9 : strncmp(host, "[::1]", 5) == 0 ? 5 : 0;

	return n && (host[n] == '\0' || host[n] == ':' || host[n] == '/');
}

static bool ends_with(const char *host, size_t n, const char *end)
{
	size_t m = strlen(end);

	return n > m && strncasecmp(host + n - m, end, m) == 0;
}

static bool is_host(const char *host, size_t n, const char *wanted)
{
	return n == strlen(wanted) && strncasecmp(host, wanted, n) == 0;
}

/* What stands behind the host: nothing, a path, or a port that is a number from 1 to 65535. */
static bool check_port(const char *host, char why[REASON_SIZE])
{
	const char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":/");
	size_t n;
	long long port;

	if (!end)
		return say(why, "the bracket of the host is not closed");
	if (*host == '[')
		end++;
	if (*end != ':')
		return *end == '\0' || *end == '/' || say(why, "behind the bracket comes :PORT");
	n = strspn(++end, "0123456789");
	port = n <= 5 ? strtoll(end, NULL, 10) : 0;
	if (port > 0 && port <= PORT_MAX && (end[n] == '\0' || end[n] == '/'))
		return true;
	return say(why, "the port (behind the colon) is a number from 1 to 65535");
}

/* Addresses that people copy from their browser, and that give no tokens. */
static bool check_host(const char *host, unsigned needs, char why[REASON_SIZE])
{
	size_t n = strcspn(host, ":/");

	if (ends_with(host, n, ".lightning.force.com"))
		return say(
			why,
			"this is the address of the pages; the one of the org is https://%.*s.my.salesforce.com",
			(int)(n - strlen(".lightning.force.com")), host);
	if (ends_with(host, n, ".my.salesforce-setup.com"))
		return say(
			why,
			"this is the address of Setup; the one of the org is https://%.*s.my.salesforce.com",
			(int)(n - strlen(".my.salesforce-setup.com")), host);
	if ((needs & NEEDS_DOMAIN) &&
	    (is_host(host, n, "login.salesforce.com") || is_host(host, n, "test.salesforce.com")))
		return say(
			why,
			"client credentials are served by the org alone: https://YOURDOMAIN.my.salesforce.com, see Setup > My Domain");
	return true;
}

/* The address of a page or of tokens instead of the org's. A site of Experience Cloud has a path of its own, which is kept. */
static bool check_path(const char *text, const char *host, char why[REASON_SIZE])
{
	const char *path = strchr(host, '/');
	const char *services = path ? strstr(path, "/services/") : NULL;
	size_t n = strcspn(host, ":/");

	if (!path || path[strspn(path, "/")] == '\0')
		return true;
	if (ends_with(host, n, ".my.salesforce.com") || is_host(host, n, "login.salesforce.com") ||
	    is_host(host, n, "test.salesforce.com"))
		services = path;
	if (!services)
		return true;
	return say(why, "the path %.60s does not belong to it: write %s%.*s", services,
		   host == text ? "https://" : "", (int)(services - text), text);
}

static bool is_http(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0;
}

/* The host and what follows it; NULL: it does not look like an address. */
static const char *host_in(const char *text)
{
	if (strncasecmp(text, "https://", 8) == 0)
		return text + 8;
	if (is_http(text))
		return text + 7;
	return strstr(text, "://") ? NULL : text;
}

/* Without the slash with which it was copied. */
static char *url_of(const char *text, const char *scheme)
{
	size_t n = strlen(text);
	char *url;

	while (n > 1 && text[n - 1] == '/')
		n--;
	return asprintf(&url, "%s%.*s", scheme, (int)n, text) < 0 ? NULL : url;
}

bool check_login_url(const char *text, unsigned needs, char **out, char why[REASON_SIZE])
{
	const char *host = host_in(text);

	*out = NULL;
	if (!host || !is_word(text) || text[strcspn(text, "?#@\"'<>")])
		return say(why, "an address is written https://acme.my.salesforce.com");
	if (*host == '\0' || *host == '/' || (!strchr(host, '.') && *host != '['))
		return say(why, "there is no host in it: write https://acme.my.salesforce.com");
	if (is_http(text) && !is_loopback(host))
		return say(why, "http:// sends secrets in the clear: write https://%s", host);
	if (!check_port(host, why) || !check_host(host, needs, why) || !check_path(text, host, why))
		return false;
	*out = url_of(text, host == text ? "https://" : "");
	return *out || say(why, "out of memory");
}

void answers_free(struct answers *a)
{
	free(a->login_url);
	free(a->client_id);
	free(a->username);
	free(a->key);
	free(a->certificate);
	free(a->secret_file);
	free(a->allow_user);
	*a = (struct answers){ 0 };
}

/* "Key=before value\n", or nothing without a value. */
static bool add(char **text, const char *key, const char *before, const char *value)
{
	char *longer;

	if (!value || !*text)
		return *text != NULL;
	if (asprintf(&longer, "%s%s=%s%s\n", *text, key, before, value) < 0)
		longer = NULL;
	free(*text);
	*text = longer;
	return longer != NULL;
}

char *credential_text_of(const struct answers *a)
{
	char *text = strdup("# made by sftoken setup; see sftokend.credential(5)\n[Credential]\n");
	char *users = a->allow_user && *a->allow_user ? strdup(a->allow_user) : NULL;

	for (char *at = users; at && *at; at++)
		if (*at == ',')
			*at = ' ';
	(void)add(&text, "GrantType", "", a->grant->name);
	(void)add(&text, "LoginUrl", "", a->login_url);
	(void)add(&text, "ClientId", "", a->client_id);
	(void)add(&text, "ClientSecret", "", a->stored_secret ? "stored:" : NULL);
	(void)add(&text, "ClientSecret", "file:", a->secret_file);
	(void)add(&text, "Username", "", a->username);
	(void)add(&text, "PrivateKey", "file:", a->key);
	(void)add(&text, "Certificate", "file:", a->certificate);
	(void)add(&text, "\n[Access]\nAllowUser", "", users);
	free(users);
	return text;
}

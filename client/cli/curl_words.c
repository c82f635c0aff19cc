/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked of curl: which address, and whether it may be asked twice. The options are those of curl 7.88 (curl --help all). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/curl.h"

/* How long "https://HOST:PORT" is; 0: url has no such beginning. */
static size_t origin_length(const char *url)
{
	const char *host = strstr(url, "://");

	if (!host)
		return 0;
	host += 3;
	return (size_t)(host - url) + strcspn(host, "/?#\\");
}

/* Everything up to the path must be the same to the letter, so that no reading of user:password@ or backslashes leads elsewhere. */
static bool is_of_origin(const char *url, const char *instance_url)
{
	size_t n = origin_length(instance_url);

	return n && strncasecmp(url, instance_url, n) == 0 &&
	       (url[n] == '\0' || url[n] == '/' || url[n] == '?');
}

/* The first n bytes of origin, then text, whose blanks (of a query in SOQL) curl would not take. */
static char *join(const char *origin, size_t n, const char *text)
{
	char *url = malloc(n + 3 * strlen(text) + 1), *at = url;

	if (!url)
		return NULL;
	for (; n; n--)
		*at++ = *origin++;
	for (; *text; text++) {
		bool blank = *text == ' ';

		memcpy(at, blank ? "%20" : text, blank ? 3 : 1);
		at += blank ? 3 : 1;
	}
	*at = '\0';
	return url;
}

char *curl_url(const char *instance_url, const char *path_or_url)
{
	size_t n = origin_length(instance_url);

	errno = 0;
	if (n == 0)
		return NULL;
	if (*path_or_url != '/')
		return is_of_origin(path_or_url, instance_url) ? join("", 0, path_or_url) : NULL;
	return join(instance_url, n, path_or_url);
}

/* Of the options of one letter: those that take a value. */
static const char short_with_value[] = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

/*
 * Those of more letters, in full (curl takes beginnings and capitals as well, but we must read each word as it does): with a value, and without one or with --no- before it. Later versions' are
 * among them. What stands in neither table is refused: whoever takes it for a word too many or too few takes an address for a value.
 */
/* clang-format off */
static const char long_with_value[][32] = {
	"--abstract-unix-socket", "--alt-svc", "--aws-sigv4", "--cacert", "--capath", "--cert", "--cert-type",
	"--ciphers", "--connect-timeout", "--connect-to", "--continue-at", "--cookie", "--cookie-jar",
	"--create-file-mode", "--crlfile", "--curves", "--data", "--data-ascii", "--data-binary", "--data-raw",
	"--data-urlencode", "--delegation", "--dns-interface", "--dns-ipv4-addr", "--dns-ipv6-addr",
	"--dns-servers", "--doh-url", "--dump-header", "--ech", "--egd-file", "--engine", "--etag-compare",
	"--etag-save", "--expect100-timeout", "--form", "--form-string", "--ftp-account",
	"--ftp-alternative-to-user", "--ftp-method", "--ftp-port", "--ftp-ssl-ccc-mode",
	"--happy-eyeballs-timeout-ms", "--haproxy-clientip", "--header", "--hostpubmd5", "--hostpubsha256",
	"--hsts", "--interface", "--ip-tos", "--ipfs-gateway", "--json", "--keepalive-cnt", "--keepalive-time",
	"--key", "--key-type", "--krb", "--libcurl", "--limit-rate", "--local-port", "--login-options",
	"--mail-auth", "--mail-from", "--mail-rcpt", "--max-filesize", "--max-redirs", "--max-time", "--netrc-file",
	"--noproxy", "--oauth2-bearer", "--output", "--output-dir", "--parallel-max", "--pass", "--pinnedpubkey",
	"--preproxy", "--proto", "--proto-default", "--proto-redir", "--proxy", "--proxy-cacert", "--proxy-capath",
	"--proxy-cert", "--proxy-cert-type", "--proxy-ciphers", "--proxy-crlfile", "--proxy-header", "--proxy-key",
	"--proxy-key-type", "--proxy-pass", "--proxy-pinnedpubkey", "--proxy-service-name", "--proxy-tls13-ciphers",
	"--proxy-tlsauthtype", "--proxy-tlspassword", "--proxy-tlsuser", "--proxy-user", "--proxy1.0", "--pubkey",
	"--quote", "--random-file", "--range", "--rate", "--referer", "--request", "--request-target", "--resolve",
	"--retry", "--retry-delay", "--retry-max-time", "--sasl-authzid", "--service-name", "--sigalgs", "--socks4",
	"--socks4a", "--socks5", "--socks5-gssapi-service", "--socks5-hostname", "--speed-limit", "--speed-time",
	"--stderr", "--telnet-option", "--tftp-blksize", "--time-cond", "--tls-max", "--tls13-ciphers",
	"--tlsauthtype", "--tlspassword", "--tlsuser", "--trace", "--trace-ascii", "--trace-config",
	"--unix-socket", "--upload-file", "--upload-flags", "--url-query", "--user", "--user-agent", "--variable",
	"--vlan-priority", "--write-out",
};
static const char long_flags[][32] = {
	"--alpn", "--anyauth", "--append", "--basic", "--buffer", "--ca-native", "--cert-status", "--clobber",
	"--compressed", "--compressed-ssh", "--create-dirs", "--crlf", "--digest", "--disable", "--disable-eprt",
	"--disable-epsv", "--disallow-username-in-url", "--doh-cert-status", "--doh-insecure", "--dump-ca-embed",
	"--eprt", "--epsv", "--fail", "--fail-early", "--fail-with-body", "--false-start", "--follow",
	"--form-escape", "--ftp-create-dirs", "--ftp-pasv", "--ftp-pret", "--ftp-skip-pasv-ip", "--ftp-ssl-ccc",
	"--ftp-ssl-control", "--get", "--globoff", "--haproxy-protocol", "--head", "--help", "--http0.9",
	"--http1.0", "--http1.1", "--http2", "--http2-prior-knowledge", "--http3", "--http3-only",
	"--ignore-content-length", "--include", "--insecure", "--ipv4", "--ipv6", "--junk-session-cookies",
	"--keepalive", "--list-only", "--location", "--mail-rcpt-allowfails", "--manual", "--mptcp",
	"--negotiate", "--netrc", "--netrc-optional", "--npn", "--ntlm", "--ntlm-wb", "--out-null", "--parallel",
	"--parallel-immediate", "--path-as-is", "--post301", "--post302", "--post303", 
	"--progress-bar", "--progress-meter", "--proxy-anyauth", "--proxy-basic", "--proxy-ca-native",
	"--proxy-digest", "--proxy-http2", "--proxy-insecure", "--proxy-negotiate", "--proxy-ntlm",
	"--proxy-ssl-allow-beast", "--proxy-ssl-auto-client-cert", "--proxy-tlsv1", "--proxytunnel", "--raw",
	"--remote-header-name", "--remote-name", "--remote-name-all", "--remote-time", "--remove-on-error",
	"--retry-all-errors", "--retry-connrefused", "--sasl-ir", "--sessionid", "--show-error", "--silent",
	"--skip-existing", "--socks5-basic", "--socks5-gssapi", "--socks5-gssapi-nec", "--ssl", "--ssl-allow-beast",
	"--ssl-auto-client-cert", "--ssl-no-revoke", "--ssl-reqd", "--ssl-revoke-best-effort", "--sslv2", "--sslv3",
	"--styled-output", "--suppress-connect-headers", "--tcp-fastopen", "--tcp-nodelay", "--tftp-no-options",
	"--tls-earlydata", "--tlsv1", "--tlsv1.0", "--tlsv1.1", "--tlsv1.2", "--tlsv1.3", "--tr-encoding",
	"--trace-time", "--use-ascii", "--verbose", "--version", "--xattr",
};
/* clang-format on */

enum source_flags {
	BODY = 1,
	DASH = 2,  /* "-" is standard input, too, and "." for a body */
	FIRST = 4, /* with @ at its begin alone: all else is a text, in which @- means nothing */
};

/* Those whose value may name a file that is read for the request, or for what is printed of it. */
static const struct source {
	char name[20];
	char letter;
	unsigned char flags;
} sources[] = {
	{ "--data", 'd', BODY },          { "--data-ascii", 0, BODY },     { "--data-binary", 0, BODY },
	{ "--data-raw", 0, BODY },        { "--data-urlencode", 0, BODY }, { "--json", 0, BODY },
	{ "--form", 'F', BODY },          { "--form-string", 0, BODY },    { "--upload-file", 'T', BODY | DASH },
	{ "--header", 'H', FIRST },       { "--proxy-header", 0, FIRST },  { "--cookie", 'b', DASH },
	{ "--url-query", 0, 0 },          { "--variable", 0, 0 },          { "--write-out", 'w', FIRST },
};

enum { SOURCES = sizeof sources / sizeof sources[0] };

/* One option with the value that belongs to it. */
struct found {
	char letter;       /* 0: a long one */
	const char *name;  /* the word of a long one */
	const char *value; /* NULL: none */
};

struct scan {
	struct curl_request request;
	bool body, get, head;
	const char *method;
};

static bool is_named(const struct found *f, const char *name, char letter)
{
	return f->name ? strcmp(f->name, name) == 0 : f->letter == letter;
}

/* Standard input, or what a shell hands over in the same way: <(...) is /dev/fd/63. */
static bool is_from_stdin(const struct source *source, const char *value)
{
	static const char *const ways[] = { "@-", "<-", "/dev/stdin", "/dev/fd/", "/proc/self/fd/" };

	if ((source->flags & FIRST) && *value != '@')
		return false;
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
		if (strstr(value, ways[i]))
			return true;
	return (source->flags & DASH) &&
	       (strcmp(value, "-") == 0 || ((source->flags & BODY) && strcmp(value, ".") == 0));
}

static void take_source(struct scan *s, const struct found *f)
{
	for (size_t i = 0; i < SOURCES; i++) {
		if (!is_named(f, sources[i].name, sources[i].letter))
			continue;
		s->body |= sources[i].flags & BODY;
		s->request.spent |= f->value && is_from_stdin(&sources[i], f->value);
	}
}

static void take(struct scan *s, const struct found *f, const char *word)
{
	/* a file with options, and one more address */
	if ((f->letter == 'K' || f->letter == ':') && !s->request.bad)
		s->request.bad = word;
	take_source(s, f);
	s->get |= is_named(f, "--get", 'G');
	s->head |= is_named(f, "--head", 'I');
	s->request.dumps |= is_named(f, "--dump-header", 'D');
	s->request.progress |= f->name ? strncmp(f->name, "--progress", 10) == 0 : f->letter == '#';
	if (is_named(f, "--request", 'X'))
		s->method = f->value;
}

static bool is_among(const char (*table)[32], size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, table[i]) == 0)
			return true;
	return false;
}

/* "--no-silent" is "--silent" the other way round. */
static bool is_long_flag(const char *word)
{
	char plain[40];
	size_t n = sizeof long_flags / sizeof long_flags[0];

	if (is_among(long_flags, n, word))
		return true;
	(void)snprintf(plain, sizeof plain, "--%s", strncmp(word, "--no-", 5) == 0 ? word + 5 : "");
	return is_among(long_flags, n, plain);
}

/* "-sSXPOST", or "-sSX" "POST": letters up to one that takes a value. True: the next word is that value. */
static bool take_letters(struct scan *s, const char *word, const char *next)
{
	for (const char *at = word + 1; *at; at++) {
		struct found f = { .letter = *at };

		if (!strchr(short_with_value, *at)) {
			take(s, &f, word);
			continue;
		}
		f.value = at[1] ? at + 1 : next;
		take(s, &f, word);
		return !at[1];
	}
	return false;
}

static bool take_long(struct scan *s, const char *word, const char *next)
{
	bool valued = is_among(long_with_value, sizeof long_with_value / sizeof long_with_value[0],
			       word);
	struct found f = { .name = word, .value = valued ? next : NULL };

	if (!valued && !is_long_flag(word) && !s->request.bad)
		s->request.bad = word;
	take(s, &f, word);
	return valued;
}

static bool is_safe(const struct scan *s)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS" };

	for (size_t i = 0; s->method && i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(s->method, methods[i]) == 0)
			return true;
	return !s->method && (!s->body || s->get || s->head);
}

struct curl_request curl_request_of(char *const words[], const char *instance_url)
{
	struct scan s = { .body = false };

	for (size_t i = 0; words[i]; i++) {
		const char *word = words[i];
		bool skip = false;

		if (word[0] != '-' || !word[1]) {
			if (!is_of_origin(word, instance_url) && !s.request.bad)
				s.request
					.bad = word; /* it belongs to no option: one more address */
		} else if (word[1] == '-') {
			skip = take_long(&s, word, words[i + 1]);
		} else {
			skip = take_letters(&s, word, words[i + 1]);
		}
		if (skip && words[i + 1])
			i++;
	}
	s.request.safe = is_safe(&s);
	return s.request;
}

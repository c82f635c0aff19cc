/* SPDX-License-Identifier: Apache-2.0 */
/* One transfer: the rules that libcurl is given, and what is made of what comes back. */
#include "daemon/mint/http_call.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mint/http_header.h"

enum {
	HEADERS_MAX = 64 * 1024,
	IDLE_MAX_S = 60, /* hosts move (salesforce-oauth.md 9.8): connections grow neither idle */
	CONNECTION_LIFE_S = 300, /* nor old */
	/* libcurl's buffers, made for each call and erased after it: its own sizes, 16 and 64 KiB, are for files */
	RECEIVE_SIZE = 4096,
	SEND_SIZE = 16 * 1024, /* the least that it takes */
	CA_CACHE_S = 600,        /* a replaced CaFile= is seen after that without a restart */
};

static void headers_free(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(headers);
}

void http_call_free(struct http_call *c)
{
	if (c->easy)
		curl_easy_cleanup(c->easy);
	headers_free(c->headers);
	buf_fini(&c->body);
	http_request_fini(&c->req);
	free(c);
}

/* What fits of an answer that is too long is kept: a token may be in it. */
static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;
	size_t room = HTTP_BODY_MAX - c->body.len;

	c->too_big = c->too_big || size * n > room;
	buf_add(&c->body, bytes, c->too_big ? room : size * n);
	return c->too_big || buf_failed(&c->body) ? 0 : size * n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	(void)bytes;
	c->header_bytes += size * n;
	c->too_big = c->too_big || c->header_bytes > HEADERS_MAX;
	return c->too_big ? 0 : size * n;
}

/*
 * The connection is up, TLS included, and no byte of the request is sent yet (reliability.md 0.3). libcurl comes here again when it repeats a request on
 * another connection because the server had closed the old one; what must not be repeated ends here, whatever made libcurl do it.
 */
static int on_ready(void *arg, char *to, char *from, int to_port, int from_port)
{
	struct http_call *c = arg;

	(void)to, (void)from, (void)to_port, (void)from_port;
	if (c->sent) {
		c->repeated = c->req.fresh;
		return c->repeated ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
	}
	c->held = c->req.about_to_send &&
		  c->req.about_to_send(c->req.about_to_send_arg, &c->refusal) < 0;
	if (c->held)
		return CURL_PREREQFUNC_ABORT;
	c->sent_ms = clock_now_ms();
	c->sent = true;
	return CURL_PREREQFUNC_OK;
}

/* What an option says that went wrong is remembered, not looked at after each: false if one did. */
#define SET(option, value) (ok = curl_easy_setopt(c->easy, option, value) == CURLE_OK && ok)

static bool set_rules(struct http_call *c, const char *scheme)
{
	bool ok = true;

	SET(CURLOPT_PROTOCOLS_STR, scheme);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
	SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S);
	SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_SIZE);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_SIZE);
	SET(CURLOPT_USERAGENT, "sftokend/" SFTOKEN_VERSION);
	SET(CURLOPT_ERRORBUFFER, c->error);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, c);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, c);
	SET(CURLOPT_PREREQFUNCTION, on_ready);
	SET(CURLOPT_PREREQDATA, c);
	SET(CURLOPT_PRIVATE, c);
	SET(CURLOPT_CLOSESOCKETFUNCTION, http_close_socket);
	SET(CURLOPT_CLOSESOCKETDATA, c->http);
	return ok;
}

/* CAPATH off, or libcurl's cache of parsed certificates stays unused and each connection costs 25 ms (reliability.md 0.5). */
static bool set_tls(struct http_call *c, const struct network *n)
{
	bool ok = true;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CAINFO, n->ca_file);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
	if (!n->proxy[0])
		return ok;
	SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_PROXY_CAINFO, n->ca_file);
	SET(CURLOPT_PROXY_CAPATH, NULL);
	return ok;
}

/* The proxy of the configuration, or none: the environment never decides. */
static bool set_network(struct http_call *c, const struct network *n)
{
	bool ok = true;

	c->proxied = n->proxy[0] != '\0';
	SET(CURLOPT_PROXY, n->proxy);
	SET(CURLOPT_NOPROXY, n->proxy[0] ? "" : "*");
	SET(CURLOPT_TIMEOUT_MS, n->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, n->connect_timeout_ms);
	return ok;
}

static bool add_header(struct http_call *c, const char *line)
{
	struct curl_slist *longer = curl_slist_append(c->headers, line);

	if (longer)
		c->headers = longer;
	return longer;
}

static bool add_bearer(struct http_call *c)
{
	CLEANUP(buf_finip) struct buf line;

	buf_init(&line, HTTP_BODY_MAX);
	buf_add_text(&line, "Authorization: Bearer ");
	buf_add(&line, secret_bytes(c->req.bearer), secret_size(c->req.bearer));
	return !buf_failed(&line) && add_header(c, line.data);
}

static bool set_request(struct http_call *c)
{
	bool ok = add_header(c, "Accept: application/json") && add_header(c, "Expect:") &&
		  (!c->req.bearer || add_bearer(c));

	SET(CURLOPT_URL, c->req.url);
	SET(CURLOPT_HTTPHEADER, c->headers);
	if (c->req.post) {
		/* A pointer: libcurl makes no copy of the secret of its own. */
		SET(CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)(c->req.body ? secret_size(c->req.body) : 0));
		SET(CURLOPT_POSTFIELDS, c->req.body ? secret_bytes(c->req.body) : "");
	}
	if (c->req.basic) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERPWD, secret_bytes(c->req.basic));
	}
	if (c->req.fresh) {
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
	}
	return ok;
}

/* --- the answer --- */

struct hint {
	CURLcode code;
	const char *text;
};

/* What a person can do about it; libcurl's own words follow. */
static const struct hint hints[] = {
	{ CURLE_COULDNT_RESOLVE_HOST,
	  "the host has no address: check LoginUrl= and the name service" },
	{ CURLE_COULDNT_RESOLVE_PROXY, "the proxy has no address: check Proxy= in [Network]" },
	{ CURLE_COULDNT_CONNECT, "no connection: check LoginUrl=, the network and the firewall" },
	{ CURLE_PEER_FAILED_VERIFICATION,
	  "the server's certificate is not trusted: check LoginUrl=, the clock, and CaFile= in [Network]" },
	{ CURLE_SSL_CACERT_BADFILE, "CaFile= in [Network] cannot be read" },
	{ CURLE_SSL_CONNECT_ERROR,
	  "no TLS connection: check LoginUrl= and any proxy or firewall between" },
	{ CURLE_OPERATION_TIMEDOUT, "no answer in time" },
	{ CURLE_GOT_NOTHING, "the server closed the connection without an answer" },
	{ CURLE_PARTIAL_FILE, "the answer broke off" },
};

static const char *hint(CURLcode code)
{
	for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
		if (hints[i].code == code)
			return hints[i].text;
	}
	return "the request failed";
}

static enum http_outcome outcome(const struct http_call *c, CURLcode code)
{
	long written = 0;

	if (c->held)
		return HTTP_REFUSED;
	if (c->repeated)
		return HTTP_UNKNOWN;
	if (code == CURLE_OK)
		return HTTP_ANSWERED;
	if (c->too_big)
		return HTTP_TOO_BIG;
	if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT ||
	    code == CURLE_OUT_OF_MEMORY)
		return c->sent ? HTTP_UNKNOWN : HTTP_REFUSED;
	curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &written);
	return c->sent && written > 0 ? HTTP_UNKNOWN : HTTP_UNSENT;
}

/*
 * OpenSSL's verdict on the chain, X509_V_* of x509_vfy.h. A bad chain ends the handshake. After that libcurl judges the name by itself, and before it has read the verdict: it
 * stays what libcurl begins with (7.88.1, lib/vtls/openssl.c, servercert()).
 */
enum { CHAIN_GOOD = 0, CHAIN_NOT_READ = 1, CHAIN_NOT_YET_VALID = 9, CHAIN_EXPIRED = 10 };

static enum http_why why_refused(const struct http_call *c)
{
	long chain = -1;

	curl_easy_getinfo(c->easy, CURLINFO_SSL_VERIFYRESULT, &chain);
	if (chain == CHAIN_GOOD || chain == CHAIN_NOT_READ)
		return HTTP_WHY_WRONG_NAME;
	return chain == CHAIN_EXPIRED || chain == CHAIN_NOT_YET_VALID ? HTTP_WHY_EXPIRED
								      : HTTP_WHY_UNTRUSTED;
}

static enum http_why why(const struct http_call *c, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTP_WHY_NAME;
	case CURLE_COULDNT_CONNECT:
		return c->proxied ? HTTP_WHY_PROXY : HTTP_WHY_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_WHY_TIMEOUT;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PROXY:
		return HTTP_WHY_PROXY;
	case CURLE_SSL_CACERT_BADFILE:
		return HTTP_WHY_CA_FILE;
	case CURLE_PEER_FAILED_VERIFICATION:
		return why_refused(c);
	case CURLE_SSL_CONNECT_ERROR:
		return HTTP_WHY_TLS;
	default:
		return HTTP_WHY_NONE;
	}
}

/* Of several fields of one name the longest wait counts. */
static int64_t read_retry_after(CURL *easy, int64_t now_real_ms, int64_t max_ms)
{
	struct curl_header *h;
	int64_t longest = 0;

	for (size_t i = 0; !curl_easy_header(easy, "Retry-After", i, CURLH_HEADER, -1, &h); i++) {
		int64_t ms = http_header_retry_after(h->value, now_real_ms, max_ms);

		longest = ms > longest ? ms : longest;
	}
	return longest;
}

static void read_headers(const struct http_call *c, int64_t retry_after_max_ms,
			 struct http_response *res)
{
	struct curl_header *h;
	char *text = NULL;
	int64_t now_ms;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &res->status);
	if (curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &text) == CURLE_OK && text)
		res->content_type = text;
	text = NULL;
	if (curl_easy_getinfo(c->easy, CURLINFO_REDIRECT_URL, &text) == CURLE_OK && text)
		res->location = text;
	if (curl_easy_header(c->easy, "Date", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		res->date_real_ms = http_header_date(h->value);
	now_ms = res->date_real_ms ? res->date_real_ms : clock_real_ms();
	res->retry_after_ms = read_retry_after(c->easy, now_ms, retry_after_max_ms);
}

static const char *problem_of(const struct http_call *c, CURLcode code, char *text, size_t room)
{
	if (c->held)
		return c->refusal.text;
	if (c->repeated)
		return "the server closed the connection without an answer";
	if (c->too_big)
		return "the answer is longer than 64 KiB";
	snprintf(text, room, "%s: %s", hint(code),
		 c->error[0] ? c->error : curl_easy_strerror(code));
	return text;
}

void http_call_read(struct http_call *c, CURLcode code, int64_t retry_after_max_ms,
		    struct http_response *res, char *problem, size_t room)
{
	bool body = buf_reserve(&c->body, 1) == 0 || c->body.data;

	*res = (struct http_response){ .outcome = outcome(c, code),
				       .content_type = "",
				       .location = "",
				       .sent_ms = c->sent_ms };
	if (res->outcome == HTTP_ANSWERED && !body)
		res->outcome = HTTP_UNKNOWN;
	if (res->outcome == HTTP_UNSENT)
		res->why = why(c, code);
	if (res->outcome != HTTP_ANSWERED)
		res->problem = problem_of(c, code, problem, room);
	if (res->outcome == HTTP_UNSENT || res->outcome == HTTP_REFUSED)
		return;
	if (res->outcome == HTTP_ANSWERED)
		read_headers(c, retry_after_max_ms, res);
	else
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &res->status);
	if (body) {
		c->body.data[c->body.len] = '\0';
		res->body = c->body.data;
		res->size = c->body.len;
	}
}

bool http_call_prepare(struct http_call *c, const char *scheme, const struct network *n)
{
	c->easy = curl_easy_init();
	return c->easy && set_rules(c, scheme) && set_tls(c, n) && set_network(c, n) &&
	       set_request(c);
}

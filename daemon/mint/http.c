/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl does the transfers, libevent says when a socket is ready, the loop's timer says when libcurl's time has come. Three rules of libcurl are
 * the shape of this file: nothing is called back from within a call of ours (results are read in drain() alone), the timer callback calls no
 * libcurl function, and a transfer may be removed at any time but from within a callback of libcurl.
 */
#include "daemon/mint/http.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/common/loop.h"
#include "daemon/common/url.h"
#include "daemon/mint/http_header.h"

enum {
	HEADERS_MAX = 64 * 1024,
	IDLE_CONNECTIONS_MAX = 64,
	IDLE_MAX_S = 60, /* hosts move (salesforce-oauth.md 9.8): connections grow neither idle */
	CONNECTION_LIFE_S = 300, /* nor old */
	CA_CACHE_S = 600,        /* a replaced CaFile= is seen after that without a restart */
};

#define CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct network {
	char *ca_file, *proxy; /* proxy "": none */
	long connect_timeout_ms, timeout_ms;
	int64_t retry_after_max_ms;
};

TAILQ_HEAD(call_list, http_call);

struct http {
	struct loop *loop;
	CURLM *multi;
	struct timer *timer;    /* libcurl's */
	struct timer *refusals; /* delivers what was refused without being sent */
	struct call_list calls, refused;
	struct network network;
	struct http_counters counters;
};

DEFINE_CLEANUP(struct http *, http_free)

struct http_call {
	TAILQ_ENTRY(http_call) link;
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	struct http_request req;
	struct buf body;
	size_t header_bytes;
	bool too_big, sent, finished;
	int64_t sent_ms;
	const char *refusal; /* in http->refused: why */
	char error[CURL_ERROR_SIZE];
	void (*done)(const struct http_response *res, void *arg);
	void *arg;
};

/* --- a call --- */

static void headers_free(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(headers);
}

static void call_free(struct http_call *c)
{
	if (c->easy)
		curl_easy_cleanup(c->easy);
	headers_free(c->headers);
	buf_fini(&c->body);
	http_request_fini(&c->req);
	free(c);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	if (size * n > HTTP_BODY_MAX - c->body.len) {
		c->too_big = true;
		return 0;
	}
	buf_add(&c->body, bytes, size * n);
	return buf_failed(&c->body) ? 0 : size * n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	(void)bytes;
	c->header_bytes += size * n;
	c->too_big = c->too_big || c->header_bytes > HEADERS_MAX;
	return c->too_big ? 0 : size * n;
}

/* The connection is up, TLS included, and no byte of the request is sent yet (reliability.md 0.3). */
static int on_ready(void *arg, char *to, char *from, int to_port, int from_port)
{
	struct http_call *c = arg;

	(void)to, (void)from, (void)to_port, (void)from_port;
	if (!c->sent)
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
	SET(CURLOPT_USERAGENT, "sftokend/" SFTOKEN_VERSION);
	SET(CURLOPT_ERRORBUFFER, c->error);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, c);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, c);
	SET(CURLOPT_PREREQFUNCTION, on_ready);
	SET(CURLOPT_PREREQDATA, c);
	SET(CURLOPT_PRIVATE, c);
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

static void read_headers(const struct http_call *c, struct http_response *res)
{
	struct curl_header *h;
	char *text = NULL;
	int64_t now_ms, max_ms;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &res->status);
	if (curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &text) == CURLE_OK && text)
		res->content_type = text;
	text = NULL;
	if (curl_easy_getinfo(c->easy, CURLINFO_REDIRECT_URL, &text) == CURLE_OK && text)
		res->location = text;
	if (curl_easy_header(c->easy, "Date", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		res->date_real_ms = http_header_date(h->value);
	now_ms = res->date_real_ms ? res->date_real_ms : clock_real_ms();
	max_ms = c->http->network.retry_after_max_ms;
	res->retry_after_ms = read_retry_after(c->easy, now_ms, max_ms);
}

static void count(struct http *h, const struct http_call *c, CURLcode code)
{
	long connections = 0;

	curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connections);
	h->counters.connections += (uint64_t)connections;
	h->counters.failures += code != CURLE_OK;
}

/* The call is in no list any more; done() may do anything but free the http. */
static void deliver(struct http_call *c, struct http_response *res)
{
	c->finished = true;
	c->done(res, c->arg);
	call_free(c);
}

static void finish(struct http *h, struct http_call *c, CURLcode code)
{
	char problem[CURL_ERROR_SIZE + 160];
	struct http_response res = { .outcome = outcome(c, code),
				     .content_type = "",
				     .location = "" };

	curl_multi_remove_handle(h->multi, c->easy);
	TAILQ_REMOVE(&h->calls, c, link);
	count(h, c, code);
	res.sent_ms = c->sent_ms;
	if (res.outcome == HTTP_ANSWERED && buf_reserve(&c->body, 1) < 0)
		res.outcome = HTTP_UNKNOWN;
	if (res.outcome == HTTP_ANSWERED) {
		read_headers(c, &res);
		c->body.data[c->body.len] = '\0';
		res.body = c->body.data;
		res.size = c->body.len;
	} else {
		snprintf(problem, sizeof problem, "%s: %s", hint(code),
			 c->error[0] ? c->error : curl_easy_strerror(code));
		res.problem = c->too_big ? "the answer is longer than 64 KiB" : problem;
	}
	deliver(c, &res);
}

/* The one place where results are read. */
static void drain(struct http *h)
{
	struct CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		CURLcode code = message->data.result;
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		finish(h, (struct http_call *)(void *)private, code);
	}
}

/* --- the loop --- */

static void on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	int running, bits = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			    (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(h->multi, fd, bits, &running);
	drain(h);
}

static void on_timer(void *arg)
{
	struct http *h = arg;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	drain(h);
}

/* libcurl wants its timer moved. It may not be called from here. */
static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	if (timeout_ms < 0)
		timer_clear(h->timer);
	else
		timer_set(h->timer, clock_now_ms() + timeout_ms);
	return 0;
}

/* libcurl wants to know about a socket: made, changed or (CURL_POLL_REMOVE) left. The event is kept with the socket by curl_multi_assign(). */
static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http *h = arg;
	struct event *event = known;
	int bits = EV_PERSIST;

	(void)easy;
	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		bits |= what & CURL_POLL_IN ? EV_READ : 0;
		bits |= what & CURL_POLL_OUT ? EV_WRITE : 0;
		event = event_new(loop_base(h->loop), fd, (short)bits, on_socket_ready, h);
		if (event && event_add(event, NULL) < 0) {
			event_free(event);
			event = NULL;
		}
		/* Without an event the transfer ends by its timeout; a returned error would end all of them. */
	}
	curl_multi_assign(h->multi, fd, event);
	return 0;
}

/* Delivers those that are there now; what done() adds waits for the next turn. */
static void on_refusals(void *arg)
{
	struct http *h = arg;
	struct http_call *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &h->refused, link)
		n++;
	while (n-- && (c = TAILQ_FIRST(&h->refused))) {
		struct http_response res = { .outcome = HTTP_REFUSED,
					     .content_type = "",
					     .location = "",
					     .problem = c->refusal };

		TAILQ_REMOVE(&h->refused, c, link);
		deliver(c, &res);
	}
}

/* --- the interface --- */

static void network_fini(struct network *n)
{
	free(n->ca_file);
	free(n->proxy);
	*n = (struct network){ 0 };
}

static bool network_set(struct network *n, const struct settings *s)
{
	struct network new = {
		.ca_file = strdup(s->network.ca_file && s->network.ca_file[0] ? s->network.ca_file
									      : CA_FILE),
		.proxy = strdup(s->network.proxy ? s->network.proxy : ""),
		.connect_timeout_ms = (long)s->network.connect_timeout_ms,
		.timeout_ms = (long)s->network.timeout_ms,
		.retry_after_max_ms = s->limits.retry_after_max_ms,
	};

	if (!new.ca_file || !new.proxy) {
		network_fini(&new);
		return false;
	}
	network_fini(n);
	*n = new;
	return true;
}

void http_configure(struct http *h, const struct settings *settings)
{
	if (!network_set(&h->network, settings))
		log_event(LOG_LEVEL_ERR, "http.configure",
			  F_STR("error", "out of memory: the old [Network] stays"));
}

static bool set_multi(struct http *h)
{
	CURLM *m = h->multi;

	return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, set_socket) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_TIMERDATA, h) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX) == CURLM_OK;
}

/* libcurl and OpenSSL read these by themselves, and no option turns that off. */
static void ignore_environment(void)
{
	static const char *const names[] = { "SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR",
					     "CURL_CA_BUNDLE" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unsetenv(names[i]);
}

struct http *http_new(struct loop *l, const struct settings *settings, struct err *err)
{
	CLEANUP(http_freep) struct http *h = calloc(1, sizeof *h);

	if (!h) {
		err_oom(err);
		return NULL;
	}
	h->loop = l;
	TAILQ_INIT(&h->calls);
	TAILQ_INIT(&h->refused);
	ignore_environment();
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK) {
		err_set(err, ERR_INTERNAL, "libcurl does not start");
		return NULL;
	}
	h->timer = timer_new(l, on_timer, h);
	h->refusals = timer_new(l, on_refusals, h);
	h->multi = curl_multi_init();
	if (!h->timer || !h->refusals || !h->multi || !network_set(&h->network, settings) ||
	    !set_multi(h)) {
		err_oom(err);
		return NULL;
	}
	return TAKE(h);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->multi)
		curl_multi_cleanup(h->multi); /* calls set_socket() and set_timer() */
	timer_free(h->timer);
	timer_free(h->refusals);
	network_fini(&h->network);
	free(h);
	curl_global_cleanup();
}

static void refuse(struct http *h, struct http_call *c, const char *why)
{
	c->refusal = why;
	TAILQ_INSERT_TAIL(&h->refused, c, link);
	timer_set(h->refusals, loop_now_ms(h->loop));
}

struct http_call *http_submit(struct http *h, struct http_request *req,
			      void (*done)(const struct http_response *res, void *arg), void *arg)
{
	const char *scheme = url_scheme(req->url);
	struct http_call *c = calloc(1, sizeof *c);

	if (!c) {
		http_request_fini(req);
		return NULL;
	}
	*c = (struct http_call){
		.http = h, .req = *req, .done = done, .arg = arg, .sent_ms = clock_now_ms()
	};
	*req = (struct http_request){ 0 };
	buf_init(&c->body, HTTP_BODY_MAX + 1);
	h->counters.requests++;
	if (!scheme) {
		refuse(h, c,
		       "the URL is not one that we send to: https, or http on 127.0.0.1 or [::1]");
		return c;
	}
	c->easy = curl_easy_init();
	if (!c->easy || !set_rules(c, scheme) || !set_tls(c, &h->network) ||
	    !set_network(c, &h->network) || !set_request(c) ||
	    curl_multi_add_handle(h->multi, c->easy) != CURLM_OK) {
		refuse(h, c, "out of memory");
		return c;
	}
	TAILQ_INSERT_TAIL(&h->calls, c, link);
	return c;
}

void http_cancel(struct http_call *c)
{
	if (!c || c->finished)
		return;
	if (c->refusal) {
		TAILQ_REMOVE(&c->http->refused, c, link);
	} else {
		curl_multi_remove_handle(c->http->multi, c->easy);
		TAILQ_REMOVE(&c->http->calls, c, link);
	}
	call_free(c);
}

struct http_counters http_counters(const struct http *h)
{
	return h->counters;
}

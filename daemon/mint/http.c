/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl does the transfers, libevent says when a socket is ready, the loop's timer says when libcurl's time has come. Three rules of libcurl are
 * the shape of this file: nothing is called back from within a call of ours (results are read in drain() alone), the timer callback calls no
 * libcurl function, and a transfer may be removed at any time but from within a callback of libcurl.
 */
#include "daemon/mint/http.h"

#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/common/loop.h"
#include "daemon/common/url.h"
#include "daemon/mint/http_call.h"

enum { IDLE_CONNECTIONS_MAX = 64 };

#define CA_FILE "/etc/ssl/certs/ca-certificates.crt"

TAILQ_HEAD(call_list, http_call);

/* A socket of libcurl's. */
struct transfer_socket {
	struct event *event; /* NULL: no such socket */
	bool kept; /* one of a connection that has brought an answer: the event lives as long as the socket */
	bool idle; /* kept, and libcurl does not want to hear of it */
};

struct http {
	struct loop *loop;
	CURLM *multi;
	struct timer *timer;    /* libcurl's */
	struct timer *refusals; /* delivers what was refused without being sent */
	struct call_list calls, refused;
	struct transfer_socket *sockets; /* by descriptor */
	size_t n_sockets;
	bool keeps; /* events, between requests */
	struct network network;
	struct http_counters counters;
};

DEFINE_CLEANUP(struct http *, http_free)

/* --- sockets --- */

static struct transfer_socket *socket_of(const struct http *h, curl_socket_t fd)
{
	return (size_t)fd < h->n_sockets && h->sockets[fd].event ? &h->sockets[fd] : NULL;
}

static bool make_room(struct http *h, int fd)
{
	size_t n = h->n_sockets ? h->n_sockets : 64;
	struct transfer_socket *more;

	while (n <= (size_t)fd)
		n *= 2;
	if (n == h->n_sockets)
		return true;
	more = reallocarray(h->sockets, n, sizeof *more);
	if (!more)
		return false;
	memset(more + h->n_sockets, 0, (n - h->n_sockets) * sizeof *more);
	h->sockets = more;
	h->n_sockets = n;
	return true;
}

static void on_socket_ready(evutil_socket_t fd, short what, void *arg);

static struct transfer_socket *add_socket(struct http *h, curl_socket_t fd)
{
	if (!make_room(h, fd))
		return NULL;
	h->sockets[fd] = (struct transfer_socket){
		.event = event_new(loop_base(h->loop), fd, EV_READ | EV_PERSIST, on_socket_ready,
				   h),
	};
	return socket_of(h, fd);
}

static void drop_socket(struct transfer_socket *s)
{
	event_free(TAKE(s->event));
}

/* Waits for bits, 0: for nothing. Without the event a transfer ends by its timeout; a returned error would end all of them. */
static void wait_for(struct http *h, struct transfer_socket *s, curl_socket_t fd, short bits)
{
	if (event_pending(s->event, EV_READ | EV_WRITE, NULL) == bits)
		return;
	event_del(s->event);
	if (bits && event_assign(s->event, loop_base(h->loop), fd, (short)(bits | EV_PERSIST),
				 on_socket_ready, h) == 0)
		event_add(s->event, NULL);
}

/*
 * libcurl stops watching a socket at the end of each request and begins again with the next; to follow would cost two system calls for each request. So the event stays, from the first
 * answer on: before that, libcurl may close the socket without a word, and the next one of that number would inherit the event.
 *
 * What that relies on, each shown by tests/unit/test_http_sockets.c:
 * - CURLOPT_CLOSESOCKETFUNCTION is called for each socket that has brought an answer, whatever closes it. Else an event would outlive its socket, and whoever gets the number next (a
 *   caller, the link) would never be heard: libevent believes that epoll has it already. No document of libcurl's promises that, hence tells_of_each_close().
 * - set_socket() is called whenever a request begins with a socket that was left (CURL_POLL_REMOVE).
 * - The request that comes next may begin with the socket before curl_multi_info_read() tells of the answer, so before this is called. Then CURL_POLL_REMOVE has come and
 *   gone (or never comes: the socket was not left in between), and the event is the next request's: it must not be made idle.
 */
static void keep_socket(struct http *h, CURL *easy)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct transfer_socket *s;

	curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD)
		return;
	s = socket_of(h, fd);
	if (s) {
		s->kept = true;
		return;
	}
	s = add_socket(h, fd);
	if (s)
		s->kept = s->idle = true;
}

/* libcurl leaves a socket. What it still waited for to write would be ready at once. */
static void leave_socket(struct http *h, curl_socket_t fd)
{
	struct transfer_socket *s = socket_of(h, fd);

	if (!s)
		return;
	if (!s->kept) {
		drop_socket(s);
		return;
	}
	s->idle = true;
	if (event_pending(s->event, EV_WRITE, NULL))
		event_del(s->event);
}

int http_close_socket(void *http, curl_socket_t fd)
{
	struct transfer_socket *s = socket_of(http, fd);

	if (s)
		drop_socket(s);
	return close(fd);
}

/* --- results --- */

static void count(struct http *h, const struct http_call *c, CURLcode code)
{
	long connections = 0;

	curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connections);
	if (h->keeps && connections && code == CURLE_OK && !c->req.fresh)
		keep_socket(h, c->easy);
	h->counters.connections += (uint64_t)connections;
	h->counters.failures += code != CURLE_OK;
}

/*
 * The call is in no list any more; done() may do anything but free the http. What was sent is erased before it: the next request, which it may submit, finds room in the arena where
 * this one was.
 */
static void deliver(struct http_call *c, struct http_response *res)
{
	c->finished = true;
	http_request_fini(&c->req);
	c->done(res, c->arg);
	http_call_free(c);
}

static void finish(struct http *h, struct http_call *c, CURLcode code)
{
	char problem[CURL_ERROR_SIZE + 160];
	struct http_response res;

	count(h, c, code); /* while libcurl knows the connection */
	curl_multi_remove_handle(h->multi, c->easy);
	TAILQ_REMOVE(&h->calls, c, link);
	http_call_read(c, code, h->network.retry_after_max_ms, &res, problem, sizeof problem);
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
	struct transfer_socket *s = socket_of(h, fd);
	int running, bits = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			    (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	/* the server has ended it, or speaks out of turn: libcurl finds that when it next looks for a connection */
	if (s && s->idle) {
		event_del(s->event);
		return;
	}
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

/* libcurl wants to know about a socket: made, changed or (CURL_POLL_REMOVE) left. */
static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http *h = arg;
	struct transfer_socket *s;
	int bits = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

	(void)easy, (void)known;
	if (what == CURL_POLL_REMOVE) {
		leave_socket(h, fd);
		return 0;
	}
	s = socket_of(h, fd);
	if (!s)
		s = add_socket(h, fd);
	if (s) {
		s->idle = false;
		wait_for(h, s, fd, (short)bits);
	}
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
					     .problem = c->refused };

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
			  F_STR("why", "out of memory: the old [Network] stays"));
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

/* Whether this libcurl is one that was seen to do so (keep_socket()). With another one, each request costs two system calls more. */
static bool tells_of_each_close(void)
{
	static const unsigned seen[] = { 0x075801 /* Debian 12 */, 0x080e01 /* Debian 13 */ };

	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++)
		if (curl_version_info(CURLVERSION_NOW)->version_num == seen[i])
			return true;
	return false;
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
	h->keeps = tells_of_each_close();
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
	/* calls set_socket(), http_close_socket() and set_timer() */
	if (h->multi)
		curl_multi_cleanup(h->multi);
	timer_free(h->timer);
	timer_free(h->refusals);
	network_fini(&h->network);
	free(h->sockets);
	free(h);
	curl_global_cleanup();
}

static void refuse(struct http *h, struct http_call *c, const char *why)
{
	c->refused = why;
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
	if (!http_call_prepare(c, scheme, &h->network) ||
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
	if (c->refused) {
		TAILQ_REMOVE(&c->http->refused, c, link);
	} else {
		curl_multi_remove_handle(c->http->multi, c->easy);
		TAILQ_REMOVE(&c->http->calls, c, link);
	}
	http_call_free(c);
}

struct http_counters http_counters(const struct http *h)
{
	return h->counters;
}

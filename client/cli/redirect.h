/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the browser comes back to at the end of a login: a listener on the loopback host and port of the redirect URI (RFC 8252 7.3), for the time of one login. It hands on redirects, and knows nothing
 * of logins: whether the state is right is the daemon's to judge. Nothing of what it is sent is ever shown or written. All of it is non-blocking and does nothing but in redirect_run(),
 * redirect_answer() and redirect_end(); time is CLOCK_MONOTONIC in ms, given by the caller.
 */
#ifndef CLI_REDIRECT_H
#define CLI_REDIRECT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REDIRECT_HEAD_MAX = 8 * 1024,
	REDIRECT_BODY_MAX = 16 * 1024,
	REDIRECT_CONNECTIONS = 8,
	REDIRECT_REQUEST_MS =
		10000, /* from accept to the end of the request, and for reading our answer */
	REDIRECT_LINGER_MS = 1000, /* for the other side to close first */
	REDIRECT_MISSES = 20,      /* a second that get an answer */
	REDIRECT_POLLS = REDIRECT_CONNECTIONS + 2,
};

/* --- the redirect URI --- */

struct redirect_uri {
	const char *text; /* the whole, belongs to the caller */
	bool v4,
		v6; /* http and 127.0.0.1, [::1] or localhost (both); none: no listener can be had */
	unsigned port;     /* 0: any free one */
	size_t host, path; /* where they begin in text; the authority ends at path */
	size_t host_len, path_len;
	char origin[64]; /* as browsers write it: "http://localhost:1717", without the port 80 */
};

/* Takes it apart. 0 or -EINVAL: it is no URI that a browser can be sent to. */
int redirect_uri_parse(const char *text, struct redirect_uri *out);
/* The same URI with another port; NULL: out of memory. Caller frees. */
char *redirect_uri_with_port(const struct redirect_uri *uri, unsigned port);
/* The decoded value of a parameter in the query of url; NULL: there is none (or no memory). Caller frees. */
char *url_parameter(const char *url, const char *name);

/* --- the listener --- */

struct redirect;

struct redirect_options {
	const char *uri; /* with port 0: any free one, see redirect_uri_of() */
	bool relay;      /* the answer comes in the fragment: a page sends it to us */
};

/* What the browser shows in the end; all texts are fixed. */
enum redirect_page {
	REDIRECT_DONE,
	REDIRECT_FAILED,
	REDIRECT_MISMATCH, /* the state is not that of our login: a miss */
	REDIRECT_USED,     /* there was an answer already */
};

/*
 * Binds exactly the host and port of options->uri: 127.0.0.1, [::1], or for localhost both (one of them may not exist on this machine). 0, or -errno: -EADDRINUSE: another process has the port, or
 * one of the two; -EINVAL: no loopback URI. *out is to be freed by redirect_free().
 */
int redirect_open(struct redirect **out, const struct redirect_options *options);
/* Closes all, erases what came. Takes NULL. */
void redirect_free(struct redirect *r);
/* The redirect URI with the port that was bound; belongs to r. */
const char *redirect_uri_of(const struct redirect *r);
/* The state as it stands in the authorization URL: a redirect with it is handed on whatever else is sent to us. 0 or -ENOMEM. */
int redirect_expect(struct redirect *r, const char *state);

/* Fills fds (REDIRECT_POLLS of them are enough) with what to poll for; how many. */
size_t redirect_poll(const struct redirect *r, struct pollfd *fds);
/* Until the next deadline; -1: none. */
int redirect_timeout_ms(const struct redirect *r, int64_t now_ms);
/* Reads, writes, accepts and drops, as poll() said. */
void redirect_run(struct redirect *r, const struct pollfd *fds, size_t n, int64_t now_ms);

/*
 * The oldest redirect that nobody has looked at yet: an id for redirect_answer(), and in *url the whole URL, which belongs to r, lives until then, and is a secret. -1: there is none.
 */
int redirect_next(struct redirect *r, const char **url);
/* Answers it. Whoever hung up meanwhile gets nothing; the id is free after this. */
void redirect_answer(struct redirect *r, int id, enum redirect_page page, int64_t now_ms);
/* The login has ended: those that were handed on and not answered get page, all others that they came too late; no more are accepted. */
void redirect_end(struct redirect *r, enum redirect_page page, int64_t now_ms);
/* Whether nobody is left who reads an answer. */
bool redirect_idle(const struct redirect *r);

#endif

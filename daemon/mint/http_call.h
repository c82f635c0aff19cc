/* SPDX-License-Identifier: Apache-2.0 */
/* Between http.c (the loop and the interface) and http_call.c (one transfer: what it is told, what came of it). Nobody else includes this. */
#ifndef MINT_HTTP_CALL_H
#define MINT_HTTP_CALL_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "daemon/mint/http.h"

struct network {
	char *ca_file, *proxy; /* proxy "": none */
	long connect_timeout_ms, timeout_ms;
	int64_t retry_after_max_ms;
};

struct http_call {
	TAILQ_ENTRY(http_call) link;
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	struct http_request req;
	struct buf body;
	size_t header_bytes;
	bool too_big, sent, finished;
	bool proxied;  /* by Proxy= */
	bool held;     /* about_to_send() said no: refusal has its words */
	bool repeated; /* libcurl was about to send a fresh request for the second time */
	int64_t sent_ms;
	const char *refused; /* in http->refused: why */
	struct err refusal;
	char error[CURL_ERROR_SIZE];
	void (*done)(const struct http_response *res, void *arg);
	void *arg;
};

/* libcurl's CURLOPT_CLOSESOCKETFUNCTION, with the http. */
int http_close_socket(void *http, curl_socket_t fd);

/* Makes the transfer of c->req. false: out of memory. scheme: the only one that is allowed. */
bool http_call_prepare(struct http_call *c, const char *scheme, const struct network *n);

/* What came of it, for done(). problem[room] gets the words if there was no complete answer. The answer belongs to the call. */
void http_call_read(struct http_call *c, CURLcode code, int64_t retry_after_max_ms,
		    struct http_response *res, char *problem, size_t room);

void http_call_free(struct http_call *c); /* erases; the transfer is in no multi handle any more */

#endif

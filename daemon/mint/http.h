/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS by libcurl's multi interface on the loop, with every rule of facts measured for 7.88.1: no redirects, no environment proxies, own body limit, QUICK_EXIT against hung
 * DNS, CAPATH off so that the CA cache works, TLS 1.2 and later, peer and host verified always. The home of libcurl.
 */
#ifndef MINT_HTTP_H
#define MINT_HTTP_H

#include "daemon/common/settings.h"
#include "daemon/mint/flow.h"

struct loop;
struct http;
struct http_call;

/* settings: [Network]; may be replaced by http_configure() at a reload. */
struct http *http_new(struct loop *l, const struct settings *settings, struct err *err);
void http_configure(struct http *h, const struct settings *settings);
void http_free(struct http *h); /* takes NULL; all calls must have been cancelled */

/*
 * Takes over the contents of *req. done() is called exactly once, never from within http_submit(), unless http_cancel() comes first. res is valid during done(), and erased after it.
 * NULL only when out of memory.
 */
struct http_call *http_submit(struct http *h, struct http_request *req,
			      void (*done)(const struct http_response *res, void *arg), void *arg);
void http_cancel(struct http_call *c); /* takes NULL; done() is not called */

/* Connections opened and requests sent since the start, for tests and metrics. */
struct http_counters {
	uint64_t requests, connections, failures;
};
struct http_counters http_counters(const struct http *h);

#endif

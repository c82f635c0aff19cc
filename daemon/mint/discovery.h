/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a server that is not Salesforce has its endpoints: OpenID Connect Discovery 1.0 4, and RFC 8414 3 where there is no such document. Pure.
 */
#ifndef MINT_DISCOVERY_H
#define MINT_DISCOVERY_H

#include "daemon/common/config.h"
#include "daemon/mint/exchange.h"

/* There are that many places, asked one after the other. */
enum { DISCOVERY_PLACES = 2 };

/* GET of the document at that place. 0, -ERR_ADMIN: the issuer is no URL, or -ERR_INTERNAL. */
int discovery_request(const char *issuer, unsigned place, struct http_request *req,
		      struct err *err);

enum discovery { DISCOVERY_FOUND, DISCOVERY_ELSEWHERE, DISCOVERY_FAILED };

/*
 * What the answer says. FOUND: *out is the caller's; the document is strict JSON, its issuer is exactly the one that was asked, it has a token endpoint, and each of its endpoints that we use is
 * https (or a loopback literal) within the allowed hosts. ELSEWHERE: no such document here, the next place is to be asked. FAILED: *problem.
 */
enum discovery discovery_read(const struct http_response *res, const char *issuer, unsigned place,
			      const struct config_list *allowed_hosts, struct endpoints **out,
			      struct problem *problem);

#endif

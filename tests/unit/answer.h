/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a token endpoint, made up for the tests of what reads them. */
#ifndef TESTS_UNIT_ANSWER_H
#define TESTS_UNIT_ANSWER_H

#include <stdlib.h>
#include <string.h>

#include "daemon/common/config.h"
#include "daemon/mint/exchange.h"

#define JSON_TYPE "application/json;charset=UTF-8"

/* Answered with this status and a copy of the body, which answer_free() gives back. */
static inline struct http_response answer(long status, const char *type, const char *body,
					  size_t size)
{
	struct http_response res = { .outcome = HTTP_ANSWERED, .status = status, .content_type = type, .location = "" };

	res.body = malloc(size + 1);
	if (res.body) {
		memcpy(res.body, body, size);
		res.body[size] = '\0';
		res.size = size;
	}
	return res;
}

static inline struct http_response answer_json(long status, const char *body)
{
	return answer(status, JSON_TYPE, body, strlen(body));
}

static inline void answer_free(struct http_response *res)
{
	free(res->body);
	res->body = NULL;
}

static char *answer_host_items[] = { (char[]){ "*.salesforce.com" }, (char[]){ "127.0.0.1:8080" } };
static const struct config_list answer_hosts = { answer_host_items, 2 };

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/tally.h"

#include <stdlib.h>

const char *const tally_answer_names[TALLY_ANSWERS] = {
	[TALLY_OK] = "ok",
	[TALLY_REFUSED] = "refused",
	[TALLY_RATE_LIMITED] = "rate_limited",
	[TALLY_SERVER_ERROR] = "server_error",
	[TALLY_NOT_SENT] = "not_sent",
	[TALLY_NO_ANSWER] = "no_answer",
	[TALLY_CANCELLED] = "cancelled",
};

const char *const http_endpoint_names[HTTP_ENDPOINTS] = {
	[HTTP_TOKEN] = "token",
	[HTTP_USERINFO] = "userinfo",
	[HTTP_INTROSPECTION] = "introspection",
	[HTTP_REVOCATION] = "revocation",
	[HTTP_DEVICE] = "device_authorization",
	[HTTP_DISCOVERY] = "discovery",
};

const char *const tally_renewal_names[TALLY_RENEWALS] = {
	[RENEWAL_NEW_TOKEN] = "new_token",
	[RENEWAL_SAME_TOKEN] = "same_token",
	[RENEWAL_TRANSIENT] = "transient",
	[RENEWAL_RATE_LIMITED] = "rate_limited",
	[RENEWAL_CLOCK] = "clock",
	[RENEWAL_LOGIN_REQUIRED] = "login_required",
	[RENEWAL_ADMIN] = "admin",
	[RENEWAL_BUG] = "bug",
	[RENEWAL_NOT_SENT] = "not_sent",
	[RENEWAL_UNKNOWN] = "unknown",
};

struct tally *tally_new(void)
{
	struct tally *t = calloc(1, sizeof *t);

	if (t)
		t->refs = 1;
	return t;
}

struct tally *tally_ref(struct tally *t)
{
	t->refs++;
	return t;
}

struct tally *tally_unref(struct tally *t)
{
	if (t && --t->refs == 0)
		free(t);
	return NULL;
}

static enum tally_answer answer_of(const struct http_response *res)
{
	if (res->outcome == HTTP_UNSENT)
		return TALLY_NOT_SENT;
	if (res->outcome != HTTP_ANSWERED)
		return TALLY_NO_ANSWER;
	if (res->status == 429)
		return TALLY_RATE_LIMITED;
	if (res->status >= 500)
		return TALLY_SERVER_ERROR;
	return res->status / 100 == 2 ? TALLY_OK : TALLY_REFUSED;
}

void tally_answered(struct tally *t, enum http_endpoint e, const struct http_response *res)
{
	if (t && res->outcome != HTTP_REFUSED)
		t->requests[e][answer_of(res)]++;
}

void tally_cancelled(struct tally *t, enum http_endpoint e)
{
	if (t)
		t->requests[e][TALLY_CANCELLED]++;
}

void tally_renewed(struct tally *t, enum tally_renewal how, int64_t now_s)
{
	if (!t)
		return;
	t->renewals[how]++;
	if (how == RENEWAL_NEW_TOKEN || how == RENEWAL_SAME_TOKEN)
		t->renewed_s = now_s;
}

enum tally_renewal tally_renewal_of(const struct problem *p, bool same)
{
	static const enum tally_renewal classes[] = {
		[PROBLEM_NONE] = RENEWAL_TRANSIENT,
		[PROBLEM_RETRY] = RENEWAL_TRANSIENT,
		[PROBLEM_RATE] = RENEWAL_RATE_LIMITED,
		[PROBLEM_CLOCK] = RENEWAL_CLOCK,
		[PROBLEM_LOGIN] = RENEWAL_LOGIN_REQUIRED,
		[PROBLEM_ADMIN] = RENEWAL_ADMIN,
		[PROBLEM_BUG] = RENEWAL_BUG,
	};

	if (!p)
		return same ? RENEWAL_SAME_TOKEN : RENEWAL_NEW_TOKEN;
	if (p->spend_unknown)
		return RENEWAL_UNKNOWN;
	if (p->outcome == HTTP_UNSENT || p->outcome == HTTP_REFUSED)
		return RENEWAL_NOT_SENT;
	return classes[p->class];
}
